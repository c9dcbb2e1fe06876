"""How the image is built."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from image import ROOT, for_each_arch, layout  # noqa: E402


class Dockerfile(unittest.TestCase):
    def test_hadolint_finds_nothing(self):
        done = subprocess.run([os.path.join(os.environ["IMAGE_TOOLS"], "bin", "hadolint"), "Dockerfile"], cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


@for_each_arch
class Rebuild:
    """ci/image built it twice: the second time, all that is ours was compiled and put together anew."""

    def test_the_layers_are_the_same(self):
        first, second = layout("first").manifest(self.arch), layout().manifest(self.arch)
        self.assertEqual([layer["digest"] for layer in first["layers"]], [layer["digest"] for layer in second["layers"]])

    def test_the_configuration_is_the_same(self):
        self.assertEqual(layout("first").manifest(self.arch)["config"]["digest"], layout().manifest(self.arch)["config"]["digest"])

    def test_it_was_built_anew(self):
        with open(os.path.join(layout().folder, "..", f"build-{self.arch}-again.log"), encoding="utf-8", errors="replace") as file:
            self.assertIn("LD build/todo-host", file.read())

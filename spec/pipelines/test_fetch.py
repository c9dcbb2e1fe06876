"""What the ci/get-… scripts share: a mirror that fails once is asked again, why it failed is said, and half a file is never taken for whole."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import ROOT  # noqa: E402

# As many calls as $FAKE/fails says fail: go as it does when the proxy has no answer, mvn in the middle of a file.
GO = r"""#!/usr/bin/env bash
left=$(cat "$FAKE/fails")
if [ "$left" -gt 0 ]; then
  echo $((left - 1)) >"$FAKE/fails"
  printf '{\n\t"Path": "example.org/m",\n\t"Error": "example.org/m@v1.0.0: 503 Service Unavailable"\n}\n'
  exit 1
fi
printf '{\n\t"Path": "example.org/m",\n\t"Dir": "%s",\n\t"GoMod": "%s"\n}\n' "$FAKE" "$FAKE/fails"
"""
MVN = r"""#!/usr/bin/env bash
for word; do case $word in -DoutputDirectory=*) out=${word#*=} ;; esac; done
mkdir -p "$out"
left=$(cat "$FAKE/fails")
if [ "$left" -gt 0 ]; then
  echo $((left - 1)) >"$FAKE/fails"
  printf half >"$out/a.jar"
  echo "Premature end of Content-Length delimited message body"
  exit 1
fi
[ -e "$out/a.jar" ] || printf whole >"$out/a.jar"
printf whole >"$out/b.jar"
"""


class Fetch(unittest.TestCase):
    def setUp(self):
        self.fake = tempfile.mkdtemp(prefix="todo-spec-fetch-")
        self.addCleanup(shutil.rmtree, self.fake)
        os.mkdir(os.path.join(self.fake, "bin"))
        for name, text in (("go", GO), ("mvn", MVN), ("java", "#!/bin/sh\n")):
            path = os.path.join(self.fake, "bin", name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, 0o755)
        self.folder = os.path.join(self.fake, "cache", "todo-chatbot", "kafka-4.3.1")

    def run_script(self, *words, fails=0):
        with open(os.path.join(self.fake, "fails"), "w", encoding="ascii") as file:
            file.write(str(fails))
        return subprocess.run([os.path.join(ROOT, "ci", words[0]), *words[1:]], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              env={**os.environ, "FAKE": self.fake, "PATH": os.path.join(self.fake, "bin") + ":" + os.environ["PATH"],
                                   "XDG_CACHE_HOME": os.path.join(self.fake, "cache"), "AGAIN_SECONDS": "0 0"})

    def test_a_command_is_tried_three_times_and_each_failure_is_told(self):
        for fails, status in ((0, 0), (2, 0), (3, 1)):
            done = self.run_script("again", "go", "mod", "download", fails=fails)
            self.assertEqual((done.returncode, done.stderr.count("ci/again: go ended with 1")), (status, min(fails, 2)))

    def test_a_module_is_found_after_a_failure_and_why_it_failed_is_said(self):
        for words, found in (((), self.fake), (("GoMod",), os.path.join(self.fake, "fails"))):
            done = self.run_script("go-module", "example.org/m@v1.0.0", *words, fails=1)
            self.assertEqual((done.returncode, done.stdout), (0, found + "\n"), done.stderr)
            self.assertIn("503 Service Unavailable", done.stderr)
        done = self.run_script("go-module", "example.org/m@v1.0.0", fails=3)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("example.org/m@v1.0.0 could not be downloaded: example.org/m@v1.0.0: 503", done.stderr)

    def jars(self):
        found = {}
        for name in os.listdir(self.folder):
            if name.endswith(".jar"):
                with open(os.path.join(self.folder, name), encoding="ascii") as file:
                    found[name] = file.read()
        return found

    def test_half_a_file_is_not_taken_for_whole(self):
        done = self.run_script("get-kafka", fails=3)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("Premature end", done.stderr)
        self.assertIn("Kafka could not be fetched", done.stderr)
        self.assertEqual(self.jars(), {})
        done = self.run_script("get-kafka")
        self.assertEqual((done.returncode, done.stdout), (0, self.folder + "\n"), done.stderr)
        self.assertEqual(self.jars(), {"a.jar": "whole", "b.jar": "whole"})


if __name__ == "__main__":
    unittest.main()

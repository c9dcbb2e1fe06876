"""What is in the image, and what is not."""

import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from image import ARCHES, OUT, ROOT, STATE, for_each_arch, layout, members, unpack  # noqa: E402

MB = 1000 * 1000
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox", "toybox", "env", "perl", "python3", "lua", "luajit", "apt", "apt-get", "dpkg", "apk",
          "curl", "wget", "su", "sudo", "nc"}
CACHES = re.compile(r"^(var/(cache|log|tmp)/|var/lib/apt/|var/lib/dpkg/(?!status\.d(/|$))|tmp/|root/|home/|src/|usr/(include|src)/)|"
                    r"\.(deb|log|pyc|o|a|la|gch)$|(^|/)(\.git|\.env|\.cache|\.netrc|\.npmrc|\.docker|id_[a-z0-9]+)(/|$)")
SECRETS = [re.compile(pattern) for pattern in (
    rb"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{64}",
    rb"\b(AKIA|ASIA)[0-9A-Z]{16}\b", rb"\bgh[pousr]_[A-Za-z0-9]{36}", rb"\bgithub_pat_[A-Za-z0-9_]{40}", rb"\bsk-[A-Za-z0-9_-]{32}",
    rb"\bxox[abprs]-[A-Za-z0-9-]{20}", rb"\beyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16}",
    rb"\bpostgres(ql)?://[^\s:@/\"']+:[^\s:@/\"'<.]{3,}@", rb"\bhttps?://[^\s:@/\"'<>%]+:[^\s:@/\"'<>%]{3,}@",
    rb"\b(JWT_SECRET|OPENAI_API_KEY|APP_API_TOKEN|DAPR_API_TOKEN)=[^\s\"'.<$]{6}")]
# It tests itself with keys that everybody knows.
SELF_TESTS = "/libgnutls.so.30"


def has_secret(data):
    return next((found[0] for pattern in SECRETS for found in [pattern.search(data)] if found), None)


class Scanner(unittest.TestCase):
    def test_it_knows_a_secret(self):
        key = b"-----BEGIN EC PRIVATE KEY-----\n" + b"MHcCAQEEIIu0" * 8
        for data in (key, b"x AKIA" + b"ABCDEFGHIJKLMNOP ", b"postgresql://app:hunter22@db/x", b"JWT_SECRET=abcdefgh"):
            self.assertTrue(has_secret(data), data)
        for data in (b"-----BEGIN PRIVATE KEY-----\0%s", b"postgresql://todo@db/x", b"JWT_SECRET is missing"):
            self.assertIsNone(has_secret(data), data)


class Index(unittest.TestCase):
    def test_it_has_every_architecture(self):
        self.assertEqual(layout().arches(), sorted(ARCHES))


@for_each_arch
class Layers:
    @classmethod
    def setUpClass(cls):
        cls.files = list(members(cls.arch))
        cls.config = layout().config(cls.arch)

    def names(self, wanted):
        return [info.name for info, _ in self.files if wanted(info)]

    def test_the_configuration_is_as_a_cluster_expects_it(self):
        image = self.config["config"]
        self.assertEqual(self.config["architecture"], self.arch)
        self.assertEqual((image["User"], image["Entrypoint"], image["Cmd"]), ("65532:65532", ["/usr/bin/todo-host"], ["--help"]))
        env = dict(pair.split("=", 1) for pair in image["Env"])
        self.assertEqual({name: env[name] for name in env if name != "PATH"}, {
            "SCRIPTS_DIR": "/usr/share/todo-chatbot/scripts", "WEB_DIR": "/usr/share/todo-chatbot/web", "STATE_DIR": STATE})

    def test_the_labels_say_the_version_and_the_revision(self):
        labels = self.config["config"]["Labels"]
        self.assertEqual(labels["org.opencontainers.image.version"], os.environ["IMAGE_VERSION"])
        self.assertEqual(labels["org.opencontainers.image.revision"], os.environ["IMAGE_REVISION"])
        self.assertEqual(labels["org.opencontainers.image.licenses"], "Apache-2.0")

    def test_the_only_program_is_ours(self):
        self.assertEqual(self.names(lambda i: i.isfile() and i.mode & 0o111 and "/ld-linux-" not in i.name), ["usr/bin/todo-host"])

    def test_there_is_no_shell_and_no_package_manager(self):
        self.assertEqual(self.names(lambda i: os.path.basename(i.name) in SHELLS and not i.isdir()), [])

    def test_no_file_takes_the_rights_of_its_owner(self):
        self.assertEqual(self.names(lambda i: i.mode & 0o6000), [])
        self.assertEqual(self.names(lambda i: any("capability" in key for key in i.pax_headers)), [])

    def test_nothing_may_be_written_by_everybody(self):
        self.assertEqual(self.names(lambda i: i.mode & 0o002 and not i.issym()), [])

    def test_only_the_state_folder_is_not_roots(self):
        self.assertEqual(self.names(lambda i: (i.uid, i.gid) != (0, 0)), [STATE[1:]])

    def test_there_are_no_devices(self):
        self.assertEqual(self.names(lambda i: i.isdev()), [])

    def test_there_are_no_caches_logs_and_leavings(self):
        self.assertEqual(self.names(lambda i: CACHES.search(i.name)), [])

    def test_there_are_no_secrets(self):
        found = {info.name: secret for info, data in self.files if data and not info.name.endswith(SELF_TESTS)
                 for secret in [has_secret(data)] if secret}
        self.assertEqual(found, {})
        self.assertIsNone(has_secret(repr(self.config).encode()))

    def test_no_file_says_when_it_was_made(self):
        self.assertEqual({int(info.mtime) for info, _ in self.files}, {0})

    def test_scanners_know_whose_packages_they_are(self):
        release = next(data for info, data in self.files if info.name == "etc/os-release")
        self.assertIn(b'\nVERSION_ID="12"\n', release)

    def test_the_program_names_no_folder_of_the_machine_that_built_it(self):
        program = next(data for info, data in self.files if info.name == "usr/bin/todo-host")
        self.assertNotRegex(program.decode("latin-1"), r"/(src|root|home|work|build)/[a-z]")

    def test_it_is_small(self):
        self.assertLess(sum(info.size for info, _ in self.files), 100 * MB)

    def test_the_scripts_and_the_page_are_those_of_the_project(self):
        for folder in ("scripts", "web"):
            wanted = subprocess.run(["git", "ls-files", folder], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True).stdout.split()
            wanted = {path for path in wanted if not path.endswith(".md") and not path.startswith("scripts/meta/")}
            place = "usr/share/todo-chatbot/"
            self.assertEqual({i.name[len(place):] for i, _ in self.files if i.isfile() and i.name.startswith(place + folder + "/")}, wanted)

    def test_every_library_is_of_a_package_that_the_bill_of_materials_names(self):
        with open(os.path.join(OUT, f"sbom-{self.arch}.spdx.json"), encoding="utf-8") as file:
            bill = json.load(file)
        listed = {entry["fileName"][2:] for entry in bill["files"]}
        libraries = set(self.names(lambda i: i.isfile() and ".so" in i.name))
        self.assertGreater(len(libraries), 10)
        self.assertEqual(libraries - listed, set())
        names = {entry["name"] for entry in bill["packages"]}
        self.assertLessEqual({"todo-chatbot", "libc6", "libpq5", "libcurl4", "libmicrohttpd12", "libuv1", "libluajit-5.1-2", "lua-cjson", "lua-lpeg",
                              "tzdata", "ca-certificates"}, names)

    def test_every_package_comes_with_its_copyright(self):
        root = unpack(self.arch)
        packages = [name for name in os.listdir(os.path.join(root, "var/lib/dpkg/status.d")) if not name.endswith(".md5sums")]
        self.assertEqual([p for p in packages if not os.path.exists(os.path.join(root, "usr/share/doc", p, "copyright"))], [])

    def test_the_bill_of_materials_is_valid(self):
        done = subprocess.run([os.path.join(os.environ["IMAGE_TOOLS"], "bin", "pyspdxtools"), "-i", os.path.join(OUT, f"sbom-{self.arch}.spdx.json")],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)

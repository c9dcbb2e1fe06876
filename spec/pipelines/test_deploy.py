"""ci/deploy-oke: what it asks helm and kubectl to do, which are stand-ins here, and what it says when something goes wrong."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import ROOT, HostCase, free_port, token  # noqa: E402

IMAGE = "registry.example/todo-chatbot@sha256:" + "0123456789abcdef" * 4

# Each says what it was asked; helm keeps the revisions of the release as lines `STATUS REVISION`.
HELM = r"""#!/usr/bin/env bash
echo "helm $*" >>"$FAKE/calls"
case $1 in
  history)
    [ -s "$FAKE/release" ] || { echo "Error: release: not found" >&2; exit 1; }
    awk 'BEGIN { printf "[" } { printf "%s{\"revision\":%s,\"status\":\"%s\"}", (NR > 1 ? "," : ""), $2, $1 } END { print "]" }' "$FAKE/release"
    ;;
  upgrade)
    [ ! -e "$FAKE/upgrade-fails" ] || { echo "Error: UPGRADE FAILED: release todo-chatbot failed, and has been rolled back due to atomic being set"; exit 1; }
    sed -i 's/^deployed/superseded/' "$FAKE/release"
    echo "deployed $(($(wc -l <"$FAKE/release") + 1))" >>"$FAKE/release"
    [ ! -e "$FAKE/breaks" ] || mv "$FAKE/url" "$FAKE/url-before"
    ;;
  rollback)
    [ ! -e "$FAKE/rollback-fails" ] || { echo "Error: timed out waiting for the condition"; exit 1; }
    sed -i 's/^deployed/superseded/' "$FAKE/release"
    echo "deployed $(($(wc -l <"$FAKE/release") + 1))" >>"$FAKE/release"
    [ ! -e "$FAKE/url-before" ] || mv "$FAKE/url-before" "$FAKE/url"
    ;;
esac
"""
# The forwarded port is that of the system which is live; when the new release has broken it, nobody listens there.
KUBECTL = r"""#!/usr/bin/env bash
echo "kubectl $*" >>"$FAKE/calls"
case "$*" in
  *" version"*) [ ! -e "$FAKE/no-cluster" ] || { echo "Unable to connect to the server" >&2; exit 1; } ;;
  *"get secret $(cat "$FAKE/no-secret" 2>/dev/null || echo -)") exit 1 ;;
  *"port-forward"*)
    echo "Forwarding from 127.0.0.1:$(cat "$FAKE/url" 2>/dev/null || cat "$FAKE/nobody") -> 8000"
    exec sleep 600
    ;;
  *" exec "*) cat "$FAKE/token" ;;
esac
"""


class Deploy(HostCase):
    services, env = ("--all",), {"LOG_LEVEL": "error"}

    def setUp(self):
        self.fake = tempfile.mkdtemp(prefix="todo-spec-deploy-")
        self.addCleanup(shutil.rmtree, self.fake)
        os.mkdir(os.path.join(self.fake, "bin"))
        for name, text in (("bin/helm", HELM), ("bin/kubectl", KUBECTL), ("calls", ""), ("release", "superseded 1\ndeployed 2\n"),
                           ("url", str(self.host.port_of("chat-api"))), ("nobody", str(free_port())), ("token", token("smoke"))):
            self.write(name, text)
        for name in ("helm", "kubectl"):
            os.chmod(os.path.join(self.fake, "bin", name), 0o755)
        self.write("values.yaml", "{}\n")

    def write(self, name, text=""):
        with open(os.path.join(self.fake, name), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, name):
        with open(os.path.join(self.fake, name), encoding="utf-8") as file:
            return file.read()

    def deploy(self, *words, **env):
        clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return subprocess.run([os.path.join(ROOT, "ci", "deploy-oke"), *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900,
                              env={**clean, "FAKE": self.fake, "PATH": os.path.join(self.fake, "bin") + ":" + os.environ["PATH"], "UNSIGNED": "1",
                                   "VALUES": os.path.join(self.fake, "values.yaml"), "SMOKE_WAIT": "20", **env})

    def changes(self):
        return [line.split()[1] for line in self.read("calls").splitlines() if line.startswith(("helm upgrade", "helm rollback", "helm uninstall"))]

    def test_an_image_is_named_by_a_digest_and_nothing_else(self):
        for words in ((), ("a/b:tag",), ("a/b@sha256:12",), ("a/b:tag@sha256:" + "0" * 64,), (IMAGE, "more")):
            done = self.deploy(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn("usage", done.stderr)
        self.assertEqual(self.read("calls"), "")

    def test_a_release_that_works_stays(self):
        done = self.deploy(IMAGE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("revision 3 is live and works", done.stderr)
        self.assertEqual(self.changes(), ["upgrade"])
        upgrade = next(line for line in self.read("calls").splitlines() if line.startswith("helm upgrade"))
        for word in ("--install", "--atomic", "--wait", "--timeout 10m", "--reset-then-reuse-values", "global.image.repository=registry.example/todo-chatbot",
                     "global.image.digest=sha256:"):
            self.assertIn(word, upgrade)

    def test_a_release_that_users_cannot_use_is_taken_back(self):
        self.write("breaks")
        done = self.deploy(IMAGE, SMOKE_WAIT="1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(self.changes(), ["upgrade", "rollback"])
        self.assertIn("helm rollback todo-chatbot 2 ", self.read("calls"))
        self.assertIn("revision 2 is live again and works", done.stderr)

    def test_one_that_does_not_get_ready_is_said_with_what_helm_said(self):
        self.write("upgrade-fails")
        done = self.deploy(IMAGE, DEPLOY_MINUTES="1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("has been rolled back", done.stderr)
        self.assertIn("did not get ready within 1 minutes", done.stderr)
        self.assertEqual(self.changes(), ["upgrade"])

    def test_a_way_back_that_fails_is_said_loudly(self):
        self.write("breaks")
        self.write("rollback-fails")
        done = self.deploy(IMAGE, SMOKE_WAIT="1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the way back to revision 2 did not end well either", done.stderr)

    def test_a_first_release_that_users_cannot_use_stays_for_looking(self):
        self.write("release")
        self.write("breaks")
        done = self.deploy(IMAGE, SMOKE_WAIT="1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no release before", done.stderr)
        self.assertEqual(self.changes(), ["upgrade"])

    def test_what_is_missing_is_named_before_anything_is_changed(self):
        for name, text, part in (("no-cluster", "", "does not answer"), ("no-secret", "todo-app-api-token", "todo-app-api-token"),
                                 ("release", "deployed 1\npending-upgrade 2\n", "pending-upgrade")):
            self.write(name, text)
            done = self.deploy(IMAGE)
            self.assertEqual(done.returncode, 1, (name, done.stderr))
            self.assertIn(part, done.stderr)
            os.remove(os.path.join(self.fake, name))
            self.assertEqual(self.changes(), [])
            self.write("release", "deployed 1\n")

    def test_a_values_file_that_is_missing_is_named(self):
        done = self.deploy(IMAGE, VALUES="charts/none.yaml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("charts/none.yaml", done.stderr)


if __name__ == "__main__":
    unittest.main()

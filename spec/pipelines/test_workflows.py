"""The workflows: they call scripts of the project and nothing else, with the least rights, within limits."""

import os
import re
import subprocess
import sys
import unittest

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import ROOT  # noqa: E402

FOLDER = os.path.join(ROOT, ".github", "workflows")
FILES = sorted(os.listdir(FOLDER))
# What a step may run besides: the README's two packages, and the steps' own way to tell each other.
BARE = "apt-get -q update && apt-get -q -y install --no-install-recommends git make ca-certificates"
PLUMBING = re.compile(r"^(echo|printf) .*>>\"\$GITHUB_(OUTPUT|PATH|STEP_SUMMARY)\"$")
SECRETS = re.compile(r"\$\{\{\s*secrets\.([A-Z_]+)")


def text_of(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def jobs():
    for name in FILES:
        for job, body in yaml.safe_load(text_of(name))["jobs"].items():
            yield f"{name}: {job}", body


def targets():
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        return set(re.findall(r"^([a-z0-9-]+):", file.read(), re.M))


class Workflows(unittest.TestCase):
    def test_there_are_both(self):
        self.assertEqual(FILES, ["cd-oke.yaml", "ci.yaml"])

    def test_every_action_is_pinned_by_a_commit_with_its_version_beside_it(self):
        for name in FILES:
            uses = re.findall(r"uses: (.*)", text_of(name))
            self.assertTrue(uses)
            for line in uses:
                self.assertRegex(line, r"^actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", name)

    def test_one_action_has_one_version(self):
        seen = {}
        for name in FILES:
            for action, pin in re.findall(r"uses: ([^@]+)@(.*)", text_of(name)):
                self.assertEqual(seen.setdefault(action, pin), pin)

    def test_a_workflow_has_no_rights_and_each_job_says_its_own(self):
        for name in FILES:
            self.assertEqual(yaml.safe_load(text_of(name))["permissions"], {}, name)
        for name, job in jobs():
            rights = {right for right, level in job["permissions"].items() if level == "write"}
            self.assertEqual(rights, {"packages", "id-token"} if name == "ci.yaml: publish" else set(), name)

    def test_no_job_with_rights_or_secrets_runs_for_a_pull_request(self):
        for name, job in jobs():
            if name.startswith("ci.yaml") and "write" in job["permissions"].values():
                self.assertIn("github.event_name == 'push' && github.ref == 'refs/heads/main'", job["if"])
        self.assertEqual(SECRETS.findall(text_of("ci.yaml")), [])
        self.assertNotIn("pull_request", text_of("cd-oke.yaml"))

    def test_every_job_and_every_step_has_a_limit_and_the_job_has_time_for_its_longest_steps(self):
        for name, job in jobs():
            self.assertIn("timeout-minutes", job, name)
            for step in job["steps"]:
                self.assertIn("timeout-minutes", step, (name, step))
            self.assertGreaterEqual(job["timeout-minutes"], max(step["timeout-minutes"] for step in job["steps"]), name)

    def test_runs_of_one_branch_do_not_race(self):
        for name in FILES:
            self.assertIn("group", yaml.safe_load(text_of(name))["concurrency"], name)
        self.assertIs(yaml.safe_load(text_of("cd-oke.yaml"))["concurrency"]["cancel-in-progress"], False)

    def test_steps_call_scripts_and_targets_that_exist_and_nothing_else(self):
        known = targets()
        for name, job in jobs():
            matrix = job.get("strategy", {}).get("matrix", {})
            for step in job["steps"]:
                if "uses" in step or step["run"] == BARE:
                    continue
                called = []
                for line in step["run"].strip().splitlines():
                    scripts = re.findall(r"(?:^|\$\()(ci/[a-z-]+)", line)
                    words = re.match(r"make\b(?: \"\$([A-Z]+)\"| ([a-z-]+))?", line)
                    if words:
                        called += [f"make {target}" for target in (matrix[words[1].lower()] if words[1] else [words[2] or "all"])]
                    elif not scripts:
                        self.assertRegex(line, PLUMBING, (name, step))
                    called += scripts
                self.assertTrue(called, (name, step))
                for each in called:
                    if each.startswith("make "):
                        self.assertIn(each[5:], known, (name, step))
                    else:
                        self.assertTrue(os.access(os.path.join(ROOT, each), os.X_OK), (name, each))

    def test_no_step_puts_an_expression_into_a_command(self):
        for name, job in jobs():
            for step in job["steps"]:
                self.assertNotIn("${{", step.get("run", ""), (name, step))

    def test_what_is_published_passed_every_check(self):
        body = yaml.safe_load(text_of("ci.yaml"))["jobs"]
        self.assertEqual(set(body["publish"]["needs"]), set(body) - {"publish"})

    def test_actionlint_and_zizmor_find_nothing(self):
        found = subprocess.run([os.path.join(ROOT, "ci", "get-workflow-tools"), "--find"], text=True, stdout=subprocess.PIPE)
        if found.returncode != 0:
            self.skipTest("ci/get-workflow-tools gets them")
        done = subprocess.run([os.path.join(ROOT, "ci", "check-workflows")], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()

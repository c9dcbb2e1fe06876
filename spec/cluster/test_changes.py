"""What changes in a running cluster: rules without a new pod, settings with one, and the way back."""

import os
import re
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import ROOT, Case, chart, wait_until  # noqa: E402
from api import MERGE, Refused  # noqa: E402

RULES = os.path.join(ROOT, "scripts", "rules")
LINE = "\n-- edited\n"


class Changes(Case):
    def setUp(self):
        super().setUp()
        self.install("todo-chatbot")
        self.before = self.generations()
        self.first = self.hashes()
        self.assertEqual(len(self.first), 4)

    def generations(self):
        """What would differ if a pod were to be made anew."""
        return {name: (item["metadata"]["generation"], item["spec"]["template"]) for name, item in self.deployments().items()}

    def rules(self, name):
        return self.api.get(f"/api/v1/namespaces/{self.space}/configmaps/{name}")["data"]

    def edited(self, *path):
        """A copy of a folder of the tree, links followed, with a changed rule."""
        folder = tempfile.mkdtemp(prefix="todo-kube-edit-")
        self.addCleanup(shutil.rmtree, folder)
        copy = os.path.join(folder, "copy")
        shutil.copytree(os.path.join(ROOT, *path), copy)
        for rule in ("task.lua", os.path.join("files", "rules", "task.lua")):
            if os.path.exists(os.path.join(copy, rule)):
                with open(os.path.join(copy, rule), "a") as f:
                    f.write(LINE)
        return copy

    def own_rules(self, page, folder=RULES):
        """As a page has it done."""
        with open(os.path.join(ROOT, page)) as f:
            command = next(line.strip() for line in f if line.startswith("    kubectl -n todo create configmap todo-rules"))
        command = re.sub(r"--from-file=\S+", "--from-file=" + folder, command.replace("-n todo ", f"-n {self.space} "))
        self.run_clean("bash", "-euo", "pipefail", "-c", command)

    def check_no_new_pods(self):
        self.check_pods()
        self.assertEqual(self.generations(), self.before)
        self.assertEqual(self.hashes(), self.first)

    # Rules.

    def test_an_upgrade_with_a_changed_rule_leaves_the_pods_alone(self):
        self.upgrade("todo-chatbot", path=self.edited("charts", "todo-chatbot"))
        self.assertIn(LINE, self.rules("todo-chatbot-rules")["task.lua"])
        self.check_no_new_pods()

    def test_an_edit_of_the_rules_leaves_the_pods_alone_and_the_next_upgrade_puts_them_back(self):
        path = f"/api/v1/namespaces/{self.space}/configmaps/todo-chatbot-rules"
        shipped = self.rules("todo-chatbot-rules")["task.lua"]
        self.api.ask("PATCH", path, {"data": {"task.lua": shipped + LINE}}, MERGE)
        self.check_no_new_pods()
        self.upgrade("todo-chatbot")
        self.assertEqual(self.rules("todo-chatbot-rules")["task.lua"], shipped)
        self.check_no_new_pods()

    def test_rules_of_the_operator_are_made_and_changed_as_the_pages_say_and_no_upgrade_touches_them(self):
        self.own_rules("charts/README.md")
        self.upgrade("todo-chatbot", "--reuse-values", "--set", "global.rules.existingConfigMap=todo-rules")
        self.check_pods()
        self.before, self.first = self.generations(), self.hashes()
        self.own_rules("docs/operations.md", self.edited("scripts", "rules"))
        self.assertIn(LINE, self.rules("todo-rules")["task.lua"])
        self.check_no_new_pods()
        self.upgrade("todo-chatbot", "--reuse-values")
        self.assertIn(LINE, self.rules("todo-rules")["task.lua"])
        self.check_no_new_pods()

    # Settings.

    def check_new_pods(self, names, *flags):
        self.upgrade("todo-chatbot", *flags)
        self.check_pods()
        now = self.hashes()
        self.assertEqual({name for name in now if now[name] != self.first[name]}, set(names))

    def test_a_setting_makes_new_pods_and_the_way_back_leads_to_the_old_ones(self):
        self.check_new_pods(self.first, "--set", "global.env.LOG_LEVEL=debug")
        self.helm("rollback", "todo-chatbot", "1", "--wait")
        self.check_pods()
        self.assertEqual(self.hashes(), self.first)

    def test_a_setting_of_one_service_makes_new_pods_of_that_one(self):
        self.check_new_pods(["chat-api"], "--set", "chat-api.env.LOG_LEVEL=debug")

    def test_a_raised_secret_revision_makes_new_pods(self):
        self.check_new_pods(["chat-api"], "--set-string", "chat-api.secretRevision=2")

    def test_an_upgrade_that_changes_nothing_makes_no_pods(self):
        self.upgrade("todo-chatbot")
        self.check_no_new_pods()

    # What does not work out.

    def test_a_value_that_is_wrong_is_refused_before_anything_is_changed(self):
        def versions():     # the generation, where there is one, is without what controllers write into the status
            return {name: item["metadata"].get("generation", item["metadata"]["resourceVersion"]) for name, item in self.objects("todo-chatbot").items()}
        before = versions()
        for flag in ("chat-api.replicas=many", "chat-api.replica=2", "global.image.tag=latest", "chat-api.shutdown.graceSeconds=5"):
            self.assertRegex(self.helm_refuses("upgrade", "todo-chatbot", chart("todo-chatbot"), "--set", flag), "chat-api|image.tag|shutdown")
        self.assertEqual(versions(), before)
        self.assertEqual(len(self.helm("history", "todo-chatbot").splitlines()), 2)

    def test_a_migration_that_fails_leaves_the_services_as_they_are(self):
        self.standins.fails = lambda pod: pod["metadata"].get("labels", {}).get("app.kubernetes.io/name") == "migrate"
        said = self.helm_refuses("upgrade", "todo-chatbot", chart("todo-chatbot"), "--wait", "--timeout", "5m", "--set", "global.env.LOG_LEVEL=debug",
                                 "--set", "migrations.timeout=5")
        self.assertIn("pre-upgrade hooks failed", said)
        self.check_no_new_pods()

    def test_pods_that_never_get_ready_are_taken_back_and_the_old_ones_stay(self):
        ready = {}

        def hangs(pod):
            # Each time that a new pod is looked at: how many of the old ones are ready.
            template = pod["metadata"].get("labels", {}).get("pod-template-hash")
            new = template is not None and template not in self.first.values()
            if new:
                ready.update({name: item["status"].get("availableReplicas", 0) for name, item in self.deployments().items()})
            return new
        self.standins.hangs = hangs
        self.helm_refuses("upgrade", "todo-chatbot", chart("todo-chatbot"), "--atomic", "--timeout", "45s", "--set", "global.env.LOG_LEVEL=debug")
        self.assertEqual(ready, dict.fromkeys(self.first, 1))
        self.check_pods()
        self.assertEqual(self.hashes(), self.first)
        self.assertIn("Rollback to 1", self.helm("history", "todo-chatbot"))


class Scaling(Case):
    def test_what_the_autoscaler_says_outlives_an_upgrade(self):
        flags = ("--set", "chat-api.autoscaling.enabled=true,chat-api.autoscaling.minReplicas=3")
        self.install("todo-chatbot", *flags)
        wait_until(lambda: self.deployments()["chat-api"]["spec"]["replicas"] == 3, 30, "three pods of chat-api")
        self.check_pods()
        self.upgrade("todo-chatbot", *flags, "--set", "global.env.LOG_LEVEL=debug")
        self.assertEqual(self.deployments()["chat-api"]["spec"]["replicas"], 3)
        self.check_pods()

    def test_a_budget_lets_one_pod_go_and_no_second(self):
        self.install("todo-chatbot", "--set", "chat-api.replicas=3")
        budget = wait_until(lambda: (b := self.api.get(f"/apis/policy/v1/namespaces/{self.space}/poddisruptionbudgets/chat-api"))
                            .get("status", {}).get("disruptionsAllowed") == 1 and b, 20, "the budget")
        self.assertEqual(budget["status"]["expectedPods"], 3)
        self.standins.hangs = lambda pod: True      # what comes instead is not ready yet
        self.evict(200)
        self.evict(429)

    def evict(self, wanted):
        pods = self.api.items(f"/api/v1/namespaces/{self.space}/pods?labelSelector=app.kubernetes.io/name%3Dchat-api")
        name = next(pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running")
        try:
            self.api.ask("POST", f"/api/v1/namespaces/{self.space}/pods/{name}/eviction",
                         {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}})
            status = 200
        except Refused as e:
            status = e.status
        self.assertEqual(status, wanted)


if __name__ == "__main__":
    unittest.main()

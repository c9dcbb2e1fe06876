"""ci/minikube-up with stand-ins: its order, what a second run does, its waits, what it says of failures, its Secrets."""

import json
import os
import re
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster_up import DIGEST, PARTS, Up, archive  # noqa: E402
from system import wait_until  # noqa: E402

WAITING = {"items": [{"metadata": {"name": "postgres-0", "namespace": "todo"}, "spec": {}, "status": {
    "phase": "Pending", "containerStatuses": [{"name": "postgres", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                                               "lastState": {"terminated": {"reason": "Error", "exitCode": 1}}}]}}]}
WARNING = {"items": [{"metadata": {}, "type": "Warning", "reason": "FailedScheduling", "message": "0/1 nodes are available: 1 Insufficient memory.",
                      "lastTimestamp": "2026-01-01T00:00:00Z", "involvedObject": {"kind": "Pod", "name": "postgres-0"}}]}


class Runs(Up):
    def test_from_nothing_to_a_chat_that_works_and_a_second_run_changes_nothing(self):
        said = self.up(0)
        self.assertEqual(self.installed(), [*PARTS, "todo-chatbot"])
        self.assertEqual([line.split()[3] for line in self.calls if line.startswith("minikube") and line.split()[3] in ("start", "image")][0], "start")
        order = [next(i for i, line in enumerate(self.calls) if part in line) for part in
                 ("minikube --profile minikube start", "image load", "create namespace todo", "create -f", "upgrade --install postgres",
                  "upgrade --install todo-chatbot", "port-forward")]
        self.assertEqual(order, sorted(order))
        label = next(line for line in self.calls if " label namespace todo " in line)
        self.assertIn("todo-chatbot/dapr=enabled", label)
        self.assertIn("pod-security.kubernetes.io/enforce=restricted", label)
        for word in ("7 passed, 0 failed", "step  ", "ci/smoke  ", "together"):
            self.assertIn(word, said)
        self.assertEqual(sorted(self.secrets()), ["redis", "todo-app-api-token", "todo-dapr-api-token", "todo-database", "todo-jwt"])
        # Nothing of it is seen by who sees the screen or the processes.
        values = [value for entries in self.secrets().values() for value in entries.values()]
        self.assertEqual(len(set(values)), 6)
        for value in values:
            self.assertGreaterEqual(len(value), 48)
            self.assertNotIn(value.split(":")[-1], said + "\n".join(self.calls))
        self.assertIn(self.secrets()["todo-database"]["POSTGRES_PASSWORD"], self.secrets()["todo-database"]["DATABASE_URL"])
        with self.assertRaises(ProcessLookupError):     # the forwarded port
            os.kill(int(self.read("forward")), 0)

        before = self.secrets()
        said = self.up(0)
        self.assertEqual(self.changes(), [])
        self.assertEqual(self.secrets(), before)
        self.assertIn("7 passed, 0 failed", said)

        # Another image: its tag is another, and only the services are upgraded.
        archive(self.at("image.tar"), "two")
        self.up(0)
        self.assertEqual(self.installed(), ["todo-chatbot"])
        self.assertTrue(any("image load" in line for line in self.calls))

        # A published one: nothing is loaded.
        self.up(0, IMAGE=DIGEST)
        self.assertEqual(self.installed(), ["todo-chatbot"])
        self.assertIn("global.image.digest=" + DIGEST.split("@")[1], "".join(self.changes()))
        self.assertFalse(any("image load" in line for line in self.calls))

    def test_a_wait_ends_and_says_what_the_cluster_says_and_the_next_run_goes_on(self):
        self.write("unready-postgres")
        self.write("pods.json", json.dumps(WAITING))
        self.write("events.json", json.dumps(WARNING))
        said = self.up(1, WAIT_SECONDS="2")
        for word in ("waiting for postgres, 2 s at most", "Deployment postgres: 0 of 1 pods are ready", "CrashLoopBackOff", "exit 1", "Insufficient memory",
                     "the last line of postgres-0", "to do: the program ends by itself", "to do: the nodes have no room", "did not end well", "run it again"):
            self.assertIn(word, said)
        self.assertEqual(self.installed(), PARTS)
        os.remove(self.at("unready-postgres"))
        self.up(0)
        self.assertEqual(self.installed(), ["todo-chatbot"])

    def test_what_helm_cannot_install_is_said_with_its_words(self):
        self.write("fails-todo-chatbot")
        said = self.up(1)
        for word in ("post-upgrade hooks failed", "helm could not install todo-chatbot in todo", "run it again"):
            self.assertIn(word, said)
        self.assertFalse(any("port-forward" in line for line in self.calls))

    def test_a_system_that_users_cannot_use_is_a_failure(self):
        self.write("token", "a.b.c")
        said = self.up(1)
        self.assertIn("SMOKE_TOKEN", said)
        self.assertIn("does not do what users do", said)
        with self.assertRaises(ProcessLookupError):
            os.kill(int(self.read("forward")), 0)


class Secrets(Up):
    def test_one_that_is_there_stays_and_one_without_an_entry_is_named(self):
        mine = {"metadata": {"name": "todo-jwt"}, "stringData": {"JWT_SECRET": "mine"}}
        self.write("secrets/todo-jwt", json.dumps(mine))
        self.write("secrets/todo-app-api-token", json.dumps({"metadata": {"name": "todo-app-api-token"}, "stringData": {"other": "x"}}))
        said = self.up(1)
        self.assertIn("the Secret todo-app-api-token in todo has no entry token", said)
        self.assertEqual(json.loads(self.read("secrets/todo-jwt")), mine)
        self.assertEqual(self.installed(), [])

    def test_a_database_whose_password_is_gone_is_not_given_another(self):
        self.write("namespaces/todo")
        self.write("pvc/data-postgres-0")
        said = self.up(1)
        self.assertIn("restore that Secret", said)
        self.assertFalse(os.path.exists(self.at("secrets")))


class Checks(Up):
    def test_what_is_missing_is_named_before_anything_is_changed(self):
        self.write("running")
        for name, text, part in (("no-class", "", "no default storage class"), ("no-right", "", "administrator"), ("minor", "28", "1.29 or later"),
                                 ("memory", "1000Mi", "there is no room"), ("no-cluster", "", "does not answer within 30 s"),
                                 ("no-context", "", "KUBE_CONTEXT"), ("helm-version", "v3.9.0", "helm 3.14")):
            # Something is asked for.
            self.write("rendered", "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x}\nspec:\n  template: {metadata: {}, spec: "
                                   "{containers: [{resources: {requests: {cpu: 10m, memory: 512Mi}}}]}}\n  volumeClaimTemplates: [{spec: {}}]\n")
            self.write(name, text)
            said = self.up(1)
            self.assertIn(part, said)
            os.remove(self.at(name))
            self.assertEqual(self.changes(), [], name)

    def test_tools_that_are_missing_are_named_with_what_gets_them(self):
        few = self.at("few")
        os.mkdir(few)
        for name in ("bash", "env", "dirname", "mktemp", "rm", "python3", "sed", "grep", "cut"):
            os.symlink(os.path.join("/usr/bin", name), os.path.join(few, name))
        said = self.up(1, PATH=few)
        for word in ("helm is missing; it comes by: PATH=$(ci/get-charts-tools helm)/bin:$PATH", "kubectl is missing", "minikube is missing",
                     "nothing was changed"):
            self.assertIn(word, said)

    def test_settings_that_are_wrong_are_named(self):
        for env, part in (({"WAIT_SECONDS": "soon"}, "WAIT_SECONDS must be"), ({"IMAGE": "todo:latest"}, "IMAGE must be"),
                          ({"EXTRA_VALUES": "none.yaml"}, "none.yaml"), ({"NAMESPACE": "To do"}, "NAMESPACE"), ({"MINIKUBE_CPUS": "1000"}, "MINIKUBE_CPUS")):
            self.assertIn(part, self.up(1, **env))
            self.assertEqual(self.changes(), [])

    def test_help_and_wrong_words(self):
        for words, status in ((("--help",), 0), (("more",), 2)):
            self.words = words
            with self.start() as process:
                out, said = process.communicate(timeout=60)
            self.assertEqual((process.returncode, said), (status, ""))
            self.assertIn("WAIT_SECONDS", out)
        self.assertEqual(self.read("calls"), "")

    def test_a_minikube_that_does_not_start_and_an_image_that_it_does_not_take_are_said(self):
        self.write("no-start")
        self.assertIn("GUEST_PROVISION", self.up(1))
        os.remove(self.at("no-start"))
        self.write("no-image")
        self.assertIn("does not list docker.io/library/todo-chatbot:sha-", self.up(1))
        self.assertEqual(self.installed(), [])


class Extras(Up):
    KINDS = ("gateway.networking.k8s.io/v1", "HTTPRoute"), ("keda.sh/v1alpha1", "ScaledObject"), ("autoscaling/v2", "HorizontalPodAutoscaler")

    def test_what_only_some_values_want_is_installed_where_it_is_missing(self):
        self.write("charts/keda/Chart.yaml", "name: keda")
        self.write("mine.yaml", "{}")
        self.write("rendered", "".join(f"---\napiVersion: {group}\nkind: {kind}\nmetadata: {{name: x}}\n" for group, kind in self.KINDS))
        self.up(0, EXTRA_VALUES=self.at("mine.yaml"))
        self.assertEqual(self.installed(), [*PARTS[:4], "keda", *PARTS[4:], "todo-chatbot"])
        self.assertTrue(any(re.search(r"apply .*-f https://\S+/standard-install.yaml", line) for line in self.calls))
        self.assertTrue(any("addons enable metrics-server" in line for line in self.calls))
        self.assertIn(self.at("mine.yaml"), next(line for line in self.calls if "install todo-chatbot" in line))
        self.write("kinds", "gateway.networking.k8s.io/v1\nkeda.sh/v1alpha1\nmetrics.k8s.io/v1beta1")
        self.up(0, EXTRA_VALUES=self.at("mine.yaml"))
        self.assertEqual(self.changes(), [])

    def test_monitoring_is_added_to_a_prometheus_that_is_there(self):
        self.write("kinds", "monitoring.coreos.com/v1")
        self.up(0, MONITORING="1")
        self.assertEqual(self.installed(), [*PARTS, "monitoring", "todo-chatbot"])

    def test_charts_of_others_that_cannot_be_had_are_named_with_the_way_around(self):
        said = self.up(1, CHARTS_DIR=self.at("none"), PATH=self.at("bin") + ":/usr/bin:/bin")
        for word in ("the chart dapr", "CHARTS_DIR"):
            self.assertIn(word, said)
        self.assertEqual(self.changes(), [])


class CutOff(Up):
    def pending(self, updated):
        return json.dumps([{"revision": 1, "status": "pending-install", "updated": updated, "description": "Initial install underway"}])

    def test_the_mark_of_an_upgrade_that_was_cut_off_is_removed(self):
        self.write("releases/postgres", self.pending("2026-01-01T00:00:00.123456789Z"))
        said = self.up(0)
        self.assertIn("revision 1 of postgres is pending-install and was cut off", said)
        self.assertTrue(any("delete secret sh.helm.release.v1.postgres.v1" in line for line in self.calls))

    def test_a_young_one_of_somebody_else_is_waited_for_and_one_of_our_own_is_not(self):
        young = self.pending("2999-01-01T00:00:00.000000000Z")
        self.write("releases/postgres", young)
        with self.start(WAIT_SECONDS="600") as process:
            wait_until(lambda: "history postgres" in self.read("calls"), 300, "the look at postgres")
            wait_until(lambda: self.read("calls").count("history postgres") > 2, 60, "another look")
            process.kill()
            process.communicate()
        self.assertNotIn("upgrade", self.read("calls"))
        # Killed, it left its note: what is half-done is ours.
        said = self.up(0, WAIT_SECONDS="600")
        self.assertIn("was cut off", said)

    def test_who_is_told_to_end_ends_helm_too(self):
        self.write("hangs-redis")
        with self.start(WAIT_SECONDS="600") as process:
            wait_until(lambda: os.path.exists(self.at("helm-pid")), 300, "helm")
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143)
        self.assertIn("did not end well", said)
        self.assertEqual(self.read("helm-told"), "SIGTERM")
        os.remove(self.at("hangs-redis"))
        self.up(0)

    def test_two_runs_at_once_are_one_too_many(self):
        self.write("hangs-redis")
        with self.start(WAIT_SECONDS="600") as process:
            wait_until(lambda: os.path.exists(self.at("helm-pid")), 300, "helm")
            self.assertIn("another run works on this cluster", self.up(1))
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


if __name__ == "__main__":
    unittest.main()

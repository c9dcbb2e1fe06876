"""ci/minikube-up and ci/oke-up on a real API server with its controllers: every object is made, from the first step to the
last, with a system of this machine behind SMOKE_URL; without a kubelet they stop where pods should get ready, and say so."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
from api import MERGE, Refused  # noqa: E402
from kube import ROOT, Kube  # noqa: E402
from standins import KAFKAS, Standins, condition  # noqa: E402
from system import Host, postgres, token, wait_until  # noqa: E402

IMAGE = "registry.example/todo-chatbot@sha256:" + "0123456789abcdef" * 4
# As the context of ci/minikube-up is called. What it asks of Minikube itself is little: one that runs.
MINIKUBE = "#!/usr/bin/env bash\n[ \"$3\" != status ] || echo 'Running Running'\n"
PENDING = "/apis/batch/v1/namespaces/todo/jobs/todo-chatbot-migrate"
CLASSES = {"standard": True, "local-path": False}
# As little of Strimzi's chart as is needed: its own is in no registry of packages. The definitions are Strimzi's.
OPERATOR = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: strimzi-cluster-operator, namespace: {{ .Release.Namespace }}}
spec:
  selector: {matchLabels: {name: strimzi}}
  template:
    metadata: {labels: {name: strimzi}}
    spec:
      containers:
        - name: operator
          image: quay.io/strimzi/operator:1.2.0
          env: {{ toJson .Values.extraEnvs }}
          resources: {{ toJson .Values.resources }}
"""


class Around:
    """What a cluster has besides: nodes that say that they are ready, operators that answer. The webhook of Dapr's injector has
    nobody behind it here, so it is told not to insist."""
    KAFKA = "/apis/kafka.strimzi.io/v1/"
    HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

    def __init__(self, api):
        self.api, self.ended, self.problems = api, threading.Event(), []
        self.allocatable = {"cpu": "4", "memory": "12Gi", "pods": "110"}
        for name, default in CLASSES.items():
            self.api.ask("POST", "/apis/storage.k8s.io/v1/storageclasses", {
                "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": str(default).lower()}},
                "provisioner": "example.org/none"})
        self.api.ask("POST", "/api/v1/nodes", {"metadata": {"name": "one", "labels": {"kubernetes.io/arch": "arm64"}}})
        self.tick()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.thread.join(30)

    def run(self):
        while not self.ended.wait(0.3):
            try:
                self.tick()
            except (OSError, Refused) as e:
                # 429: a new kind, whose storage is being made; the next tick asks again.
                if not self.ended.is_set() and getattr(e, "status", 0) != 429:
                    self.problems.append(repr(e))

    def patch(self, path, body):
        try:
            self.api.ask("PATCH", path, body, MERGE)
        except Refused as e:
            if e.status not in (404, 409):
                raise

    def resources(self, kind):
        try:
            return self.api.get(self.KAFKA + kind, {"items": []})["items"]
        except ValueError:      # of a group that it does not know the server says so in plain text
            return []

    def tick(self):
        self.patch("/api/v1/nodes/one/status", {"status": {"allocatable": self.allocatable, "capacity": self.allocatable,
                                                           "conditions": [{**condition("Ready"), "reason": "Spec", "message": ""}],
                                                           "nodeInfo": None}})
        for kind in ("kafkas", "kafkatopics"):
            for item in self.resources(kind):
                name = item["metadata"]
                if item.get("status", {}).get("observedGeneration") != name["generation"]:
                    self.patch(f"{self.KAFKA}namespaces/{name['namespace']}/{kind}/{name['name']}/status",
                               {"status": {"conditions": [condition("Ready")], "observedGeneration": name["generation"]}})
        for hook in self.api.items(self.HOOKS):
            if any(each["failurePolicy"] != "Ignore" for each in hook["webhooks"]):
                self.patch(f"{self.HOOKS}/{hook['metadata']['name']}",
                           {"webhooks": [{**each, "failurePolicy": "Ignore", "timeoutSeconds": 1} for each in hook["webhooks"]]})


class Bare(Kube):
    """Without the definitions, which the scripts must bring."""

    def install_definitions(self):
        pass


def charts(folder, tools):
    """CHARTS_DIR: Dapr's own chart from its Go module, and a small one with Strimzi's definitions."""
    told = subprocess.run([os.path.join(ROOT, "ci", "go-module"), "github.com/dapr/dapr@v1.16.0"], check=True, stdout=subprocess.PIPE, text=True)
    os.symlink(os.path.join(told.stdout.strip(), "charts", "dapr"), os.path.join(folder, "dapr"))
    strimzi = os.path.join(folder, "strimzi-kafka-operator")
    os.makedirs(os.path.join(strimzi, "templates"))
    shutil.copytree(os.path.join(tools, "crds", "strimzi"), os.path.join(strimzi, "crds"))
    for name, text in (("Chart.yaml", "apiVersion: v2\nname: strimzi-kafka-operator\nversion: 1.2.0\n"), ("templates/operator.yaml", OPERATOR)):
        with open(os.path.join(strimzi, name), "w") as file:
            file.write(text)


class Up(unittest.TestCase):
    """Each test has a server of its own, which is empty."""
    script, words, context = "minikube-up", (), "minikube"

    @classmethod
    def setUpClass(cls):
        cls.host = Host(("--all",), env={"LOG_LEVEL": "error"})

    @classmethod
    def tearDownClass(cls):
        cls.host.stop()
        postgres().sql(f"DROP DATABASE IF EXISTS {cls.host.database} WITH (FORCE)")

    def setUp(self):
        self.kube = Bare().start(pods=False)
        self.addCleanup(self.kube.stop)
        self.api = self.kube.api
        self.around = Around(self.api)
        self.addCleanup(self.around.stop)
        self.folder = tempfile.mkdtemp(prefix="todo-spec-up-")
        self.addCleanup(shutil.rmtree, self.folder)
        charts(self.folder, self.kube.charts_tools)
        os.mkdir(os.path.join(self.folder, "bin"))
        with open(os.path.join(self.folder, "bin", "minikube"), "w") as file:
            file.write(MINIKUBE)
        os.chmod(file.name, 0o755)
        self.kube.kubectl("config", "rename-context", "specs", self.context)
        self.pods = None

    def kubelet(self):
        # Of Kafka it knows from the start; here `Around` answers, once there are definitions.
        self.pods = Standins(self.api)
        self.addCleanup(self.pods.stop)

    def start(self, **env):
        clean = {name: value for name, value in self.kube.env.items() if not name.lower().endswith("_proxy")}
        words = ["setpriv", "--pdeathsig", "TERM", os.path.join(ROOT, "ci", self.script), *self.words]
        return subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env={
            **clean, "PATH": os.path.join(self.folder, "bin") + ":" + clean["PATH"], "XDG_CACHE_HOME": self.folder, "CHARTS_DIR": self.folder,
            "IMAGE": IMAGE, "UNSIGNED": "1", "WAIT_SECONDS": "300", "SMOKE_URL": f"http://127.0.0.1:{self.host.port_of('chat-api')}",
            "SMOKE_TOKEN": token("smoke"), **env})

    def up(self, status, **env):
        with self.start(**env) as process:
            _, said = process.communicate(timeout=1200)
        self.assertEqual(process.returncode, status, said)
        print(said[said.index("step   "):])     # the table, for who reads the log
        return said

    def everything(self):
        """{KIND NAMESPACE/NAME: generation or version} of what the scripts make; what controllers and stand-ins write is in status."""
        kinds = ("secrets,services,serviceaccounts,deployments.apps,statefulsets.apps,namespaces,roles,rolebindings,clusterroles,clusterrolebindings,"
                 "networkpolicies,poddisruptionbudgets,customresourcedefinitions,components.dapr.io,configurations.dapr.io,kafkas,kafkatopics,kafkanodepools,"
                 "configmaps,pods")
        found = json.loads(self.kube.kubectl("get", kinds, "--all-namespaces", "--output", "json"))["items"]
        return {f"{i['kind']} {i['metadata'].get('namespace', '')}/{i['metadata']['name']}": i["metadata"].get("generation", i["metadata"]["resourceVersion"])
                for i in found if i["metadata"].get("namespace") not in ("kube-system", "default")}

    def check_from_nothing_and_again(self):
        self.kubelet()
        said = self.up(0)
        self.assertIn("7 passed, 0 failed", said)
        made = self.everything()
        for name in ("Secret todo/todo-jwt", "StatefulSet todo/postgres", "Deployment todo/chat-api", "Deployment dapr-system/dapr-operator",
                     "Kafka todo/kafka", "KafkaTopic todo/task-events", "Component todo/pubsub", "CustomResourceDefinition /components.dapr.io"):
            self.assertIn(name, made)
        labels = self.api.get("/api/v1/namespaces/todo")["metadata"]["labels"]
        self.assertEqual((labels["todo-chatbot/dapr"], labels["pod-security.kubernetes.io/enforce"]), ("enabled", "restricted"))
        releases = json.loads(self.kube.run("helm", "list", "--all-namespaces", "--output", "json")[1])
        self.assertEqual({r["name"]: (r["status"], r["revision"]) for r in releases}, {
            name: ("deployed", "1") for name in ("postgres", "redis", "strimzi", "dapr", "kafka", "dapr-components", "todo-chatbot")})

        self.up(0)
        self.assertEqual(self.everything(), made)
        self.assertEqual([p for p in self.pods.problems if not p.startswith(KAFKAS)] + self.around.problems, [])


class Minikube(Up):
    def test_from_nothing_to_a_chat_that_works_and_a_second_run_changes_nothing(self):
        self.check_from_nothing_and_again()
        self.check_the_page()
        # What somebody deleted comes back, and a Secret of the operator's stays as it is.
        self.kube.kubectl("-n", "todo", "delete", "service", "chat-api")
        self.api.ask("PATCH", "/api/v1/namespaces/todo/secrets/todo-jwt", {"stringData": {"JWT_SECRET": "mine"}}, MERGE)
        secret = self.everything()["Secret todo/todo-jwt"]
        self.up(0)
        self.assertIn("Service todo/chat-api", self.everything())
        self.assertEqual(self.everything()["Secret todo/todo-jwt"], secret)

    def check_the_page(self):
        """What docs/operations.md says of rules that are yours; the next run leaves them so."""
        with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as file:
            section = re.search(r"## Change a rule, and go back(.*?)At once", file.read(), re.S)[1]
        for name in ("build", "charts", "scripts"):
            os.symlink(os.path.join(ROOT, name), os.path.join(self.folder, name))
        script = "set -eu\ncd " + self.folder + "\n" + "\n".join(re.findall(r"^    (.*)$", section, re.M))
        status, _, said = self.kube.run("bash", input=script)
        self.assertEqual(status, 0, said)
        self.up(0)
        volumes = self.api.get("/apis/apps/v1/namespaces/todo/deployments/chat-api")["spec"]["template"]["spec"]["volumes"]
        self.assertIn("todo-rules", [volume.get("configMap", {}).get("name") for volume in volumes])
        rules = self.api.get("/api/v1/namespaces/todo/configmaps/todo-rules")["data"]
        self.assertTrue(set(rules) >= set(os.listdir(os.path.join(ROOT, "scripts", "rules"))), rules.keys())

    def test_without_a_kubelet_it_stops_at_the_wait_and_says_so_and_the_next_run_goes_on(self):
        said = self.up(1, WAIT_SECONDS="15")
        for word in ("waiting for strimzi, 15 s at most", "Deployment strimzi-cluster-operator: 0 of 1 pods are ready", "pod strimzi-cluster-operator-",
                     "Pending", "run it again"):
            self.assertIn(word, said)
        self.kubelet()
        # A migration that never ends: its Job is what helm waits for.
        self.pods.hangs = lambda pod: "migrate" in pod["metadata"]["name"]
        said = self.up(1, WAIT_SECONDS="60")
        self.assertRegex(said, r"helm could not install todo-chatbot in todo[\s\S]*did not end well")
        self.assertRegex(said, r"pod todo-chatbot-migrate-\w+: Pending")
        self.pods.hangs = lambda pod: False
        self.assertIn("7 passed, 0 failed", self.up(0))

    def test_an_install_that_was_killed_is_taken_over(self):
        self.kubelet()
        self.pods.hangs = lambda pod: "migrate" in pod["metadata"]["name"]
        with self.start() as process:
            wait_until(lambda: self.api.get(PENDING, None), 300, "the migration")
            # As a machine that loses its power: the script, helm, all at once.
            for pid in subprocess.run(["pgrep", "--session", str(process.pid)], check=True, stdout=subprocess.PIPE, text=True).stdout.split():
                os.kill(int(pid), signal.SIGKILL)
            process.communicate()
        self.pods.hangs = lambda pod: False
        said = self.up(0)
        self.assertIn("revision 1 of todo-chatbot is pending-install and was cut off", said)

    def test_a_level_that_refuses_the_pods_is_said_with_the_cause(self):
        self.kubelet()
        quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
        self.api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "todo"}})
        self.api.ask("POST", "/api/v1/namespaces/todo/resourcequotas", quota)
        wait_until(lambda: self.api.get("/api/v1/namespaces/todo/resourcequotas/none").get("status", {}).get("hard"), 60, "the quota")
        said = self.up(1, WAIT_SECONDS="20")
        for word in ("StatefulSet postgres: ", "exceeded quota", "to do: the namespace has a quota that is used up"):
            self.assertIn(word, said)

    def test_a_node_without_room_and_a_cluster_without_a_class_change_nothing(self):
        def names():
            return {item["metadata"]["name"] for path in ("/api/v1/namespaces", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/api/v1/secrets")
                    for item in self.api.items(path)}
        before = names()
        self.around.allocatable = {"cpu": "500m", "memory": "1Gi", "pods": "110"}
        wait_until(lambda: self.api.get("/api/v1/nodes/one")["status"]["allocatable"]["cpu"] == "500m", 60, "the small node")
        self.assertRegex(self.up(1), r"there is no room: 1 nodes ready; left for us 500 m of CPU and 1024 MiB, wanted \d+ m")
        self.api.ask("DELETE", "/apis/storage.k8s.io/v1/storageclasses/standard")
        self.assertIn("no default storage class", self.up(1))
        self.assertEqual(names(), before)


class Oke(Up):
    script, words, context = "oke-up", (IMAGE,), "oke"

    def test_from_an_empty_cluster_to_a_chat_that_works_and_a_second_run_changes_nothing(self):
        self.check_from_nothing_and_again()


if __name__ == "__main__":
    unittest.main()

"""ci/cluster-report: what of the cluster is not ready and why, what there is room for; ci/image-archive: the image that is loaded."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster_up import ROOT, archive  # noqa: E402


def run(script, *words, text=None):
    return subprocess.run([os.path.join(ROOT, "ci", script), *words], input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)


def workload(kind, spec, **status):
    return {"kind": kind, "metadata": {"name": "x", "generation": 2}, "spec": spec, "status": {"observedGeneration": 2, **status}}


class Unready(unittest.TestCase):
    def said(self, *documents):
        done = run("cluster-report", "unready", text=json.dumps({"items": documents}))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_what_is_ready_is_not_told(self):
        self.assertEqual(self.said(
            workload("Deployment", {"replicas": 2}, updatedReplicas=2, availableReplicas=2), workload("Deployment", {"replicas": 0}),
            workload("StatefulSet", {"replicas": 3}, replicas=3, readyReplicas=3, currentRevision="a", updateRevision="a"),
            workload("DaemonSet", {}, desiredNumberScheduled=1, numberReady=1, updatedNumberScheduled=1),
            workload("Kafka", {}, conditions=[{"type": "Ready", "status": "True"}]), workload("Service", {}),
            workload("CustomResourceDefinition", {}, conditions=[{"type": "Established", "status": "True"}])), "")

    def test_what_is_not_ready_is_told_with_its_reason(self):
        for document, part in (
                (workload("Deployment", {"replicas": 2}, updatedReplicas=2, availableReplicas=1), "1 of 2 pods are ready"),
                (workload("Deployment", {"replicas": 2}, updatedReplicas=1, availableReplicas=2), "1 of 2 pods are of the new version"),
                (workload("Deployment", {}, observedGeneration=1, updatedReplicas=1, availableReplicas=1), "not seen"),
                (workload("StatefulSet", {"replicas": 1}, replicas=1, readyReplicas=1, updatedReplicas=0, currentRevision="a", updateRevision="b"), "0 of 1"),
                (workload("StatefulSet", {"replicas": 1}), "0 of 1"), (workload("DaemonSet", {}, desiredNumberScheduled=2, numberReady=1), "of 2"),
                (workload("Kafka", {}), "has not said"),
                (workload("KafkaTopic", {}, conditions=[{"type": "NotReady", "status": "True", "message": "no such cluster"}]), "no such cluster"),
                (workload("Kafka", {}, observedGeneration=1, conditions=[{"type": "Ready", "status": "True"}]), "has not said"),
                (workload("CustomResourceDefinition", {}), "not established")):
            self.assertIn(part, self.said(document))


class Explain(unittest.TestCase):
    def explain(self, pods, events=()):
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("pods", "events")]
            for path, items in zip(paths, (pods, events)):
                with open(path, "w", encoding="utf-8") as file:
                    json.dump({"kind": "List", "items": list(items)}, file)
            return run("cluster-report", "explain", *paths).stdout, run("cluster-report", "logs", paths[0]).stdout

    def pod(self, **status):
        return {"metadata": {"name": "p"}, "status": {"phase": "Pending", **status}}

    def test_each_state_that_an_operator_meets_says_what_to_do(self):
        for reason, part in (("ErrImageNeverPull", "load it"), ("ImagePullBackOff", "cannot be pulled"), ("InvalidImageName", "malformed"),
                             ("CreateContainerConfigError", "a Secret or ConfigMap")):
            text, logs = self.explain([self.pod(containerStatuses=[{"name": "c", "state": {"waiting": {"reason": reason, "message": "m"}}}])])
            self.assertIn("pod p: Pending", text)
            self.assertIn(f"c: {reason}; m", text)
            self.assertIn("to do: ", text)
            self.assertIn(part, text)
            self.assertEqual(logs, "")

    def test_one_that_ended_says_how_and_where_its_log_is(self):
        text, logs = self.explain([self.pod(containerStatuses=[
            {"name": "c", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
             "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}])])
        self.assertIn("before: OOMKilled, exit 137 (restarts: 2)", text)
        self.assertIn("raise resources.limits.memory", text)
        self.assertEqual(logs, "p c --previous=true\n")

    def test_one_without_a_node_and_the_newest_warnings(self):
        text, _ = self.explain(
            [self.pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient cpu."}])],
            [{"metadata": {}, "type": "Warning", "reason": "FailedCreate", "message": 'pods "x" is forbidden: violates PodSecurity "restricted:latest"',
              "involvedObject": {"kind": "ReplicaSet", "name": "x"}}, {"metadata": {}, "type": "Normal", "reason": "Pulled", "message": "fine"}])
        for part in ("no node: 0/1 nodes", "the nodes have no room", "replicaset/x FailedCreate", "allows `restricted` pods only"):
            self.assertIn(part, text)
        self.assertNotIn("fine", text)

    def test_no_pods_at_all_and_none_that_is_not_ready(self):
        self.assertIn("there are no pods", self.explain([])[0])
        self.assertIn("every pod that exists is ready", self.explain([self.pod(phase="Succeeded")])[0])


class Room(unittest.TestCase):
    def room(self, nodes, pods, *wanted):
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("nodes", "pods")]
            for path, items in zip(paths, (nodes, pods)):
                with open(path, "w", encoding="utf-8") as file:
                    json.dump({"kind": "List", "items": items}, file)
            done = run("cluster-report", "room", *paths, *map(str, wanted), "todo")
            self.assertEqual(done.stderr, "")
            return done.returncode, done.stdout

    def test_what_others_ask_for_is_taken_and_what_is_ours_is_not(self):
        node = {"metadata": {"name": "one"}, "spec": {}, "status": {"allocatable": {"cpu": "1930m", "memory": "4Gi"},
                                                                    "conditions": [{"type": "Ready", "status": "True"}]}}
        away = {**node, "metadata": {"name": "two"}, "spec": {"unschedulable": True}}

        def pod(namespace, cpu, phase="Running"):
            containers = [{"resources": {"requests": {"cpu": cpu, "memory": "1.5Gi"}}}, {}]
            return {"metadata": {"name": "p", "namespace": namespace}, "spec": {"nodeName": "one", "containers": containers}, "status": {"phase": phase}}
        pods = [pod("kube-system", "0.5"), pod("todo", "1"), pod("other", "1", "Succeeded")]
        self.assertEqual(self.room([node, away], pods, 1430, 2560), (0, "1 nodes ready; left for us 1430 m of CPU and 2560 MiB, wanted 1430 m and 2560 MiB\n"))
        self.assertEqual(self.room([node], pods, 1431, 100)[0], 3)
        self.assertEqual(self.room([node], pods, 1, 2561)[0], 3)
        self.assertEqual(self.room([away], [], 1, 1)[0], 3)


class Image(unittest.TestCase):
    def test_the_image_of_one_architecture_has_a_name_of_its_content(self):
        with tempfile.TemporaryDirectory() as folder:
            source, target = os.path.join(folder, "a"), os.path.join(folder, "b")
            names = []
            for word in ("one", "one", "two"):
                archive(source, word)
                done = run("image-archive", source, "amd64", "docker.io/library/todo-chatbot", target)
                self.assertEqual(done.returncode, 0, done.stderr)
                with tarfile.open(target) as tar:
                    listed = json.load(tar.extractfile("manifest.json"))[0]
                    self.assertEqual([tar.extractfile(layer).read() for layer in listed["Layers"]], [word.encode()])
                    self.assertEqual(json.load(tar.extractfile(listed["Config"]))["architecture"], "amd64")
                self.assertEqual(listed["RepoTags"], [done.stdout.strip()])
                names.append(done.stdout.strip())
            self.assertRegex(names[0], r"^docker\.io/library/todo-chatbot:sha-[0-9a-f]{16}$")
            self.assertEqual(names[0], names[1])
            self.assertNotEqual(names[0], names[2])
            done = run("image-archive", source, "arm64", "x", target)
            self.assertEqual(done.returncode, 1)
            self.assertIn("no image for arm64", done.stderr)


class Versions(unittest.TestCase):
    def test_what_is_installed_of_others_is_what_is_checked_here(self):
        with open(os.path.join(ROOT, "charts", "operators", "versions"), encoding="utf-8") as file:
            pinned = dict(line.split()[:2] for line in file if not line.startswith("#"))
        with open(os.path.join(ROOT, "ci", "get-charts-schemas"), encoding="utf-8") as file:
            schemas = file.read()
        self.assertIn(f'STRIMZI = "{pinned["strimzi-kafka-operator"]}"', schemas)
        self.assertIn("gateway-api@v" + pinned["gateway-api"], schemas)
        self.assertIn("keda/v2@v" + pinned["keda"], schemas)
        with open(os.path.join(ROOT, "charts", "README.md"), encoding="utf-8") as file:
            page = file.read()
        for name in ("dapr", "strimzi-kafka-operator", "kube-prometheus-stack"):
            self.assertRegex(page, rf"{name} --version {re.escape(pinned[name])}\b")


if __name__ == "__main__":
    unittest.main()

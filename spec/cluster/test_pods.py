"""The Pod Security level `restricted`: what it refuses, and that it takes our pods with the sidecar that Dapr's own injector adds."""

import json
import os
import sys
import unittest

import yaml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import ROOT, Case, said, variants, wait_until  # noqa: E402
from api import Refused  # noqa: E402

BARE = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, "spec": {"containers": [{"name": "shell", "image": "debian:12"}]}}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bare"}, "spec": {
    "selector": {"matchLabels": {"app": "bare"}}, "template": {"metadata": {"labels": {"app": "bare"}}, "spec": BARE["spec"]}}}
SERVICES = ("audit-service", "chat-api", "notification-service", "recurring-task-service")
INJECTOR = ("sidecarDropALLCapabilities", "sidecarRunAsNonRoot")


def injector_values():
    with open(os.path.join(ROOT, "charts", "operators", "dapr.yaml")) as f:
        values = yaml.safe_load(f)["dapr_sidecar_injector"]
    return {key: values.get(key, False) for key in INJECTOR}


class Pods(Case):
    def refusal(self, pod):
        with self.assertRaises(Refused) as caught:
            self.dry_run(pod)
        self.assertEqual(caught.exception.status, 403)
        return caught.exception.message

    def with_sidecars(self, pods, **values):
        words = [str(value).lower() for value in {**injector_values(), **values}.values()]
        return json.loads(self.run_clean("inject-sidecar", *words, input=json.dumps(pods)).splitlines()[-1])

    def pods_of_services(self):
        """As a ReplicaSet makes them: what the server has filled in is there."""
        found = self.deployments()
        self.assertEqual(tuple(sorted(found)), SERVICES)
        pods = []
        for name, deployment in sorted(found.items()):
            template = deployment["spec"]["template"]
            pods.append({"apiVersion": "v1", "kind": "Pod", "spec": template["spec"], "metadata": {**template["metadata"], "name": name}})
        return pods

    # That the check can fail.

    def test_a_bare_pod_is_refused(self):
        message = self.refusal(BARE)
        for word in ("restricted", "allowPrivilegeEscalation", "capabilities", "runAsNonRoot", "seccompProfile"):
            self.assertIn(word, message)

    def test_a_deployment_of_bare_pods_is_warned_of_and_gets_none(self):
        status, _, err = self.kube.run("kubectl", "--namespace", self.space, "create", "-f", "-", input=json.dumps(DEPLOYMENT))
        self.assertEqual(status, 0)
        self.assertIn("would violate PodSecurity", "".join(said(err)))
        wait_until(self.failures, 30, "a pod that is refused")
        with self.assertRaisesRegex(AssertionError, "(?s)all pods.*bare.*forbidden: violates PodSecurity"):
            self.check_pods(seconds=1)

    def test_an_unknown_field_is_refused(self):
        manifest = json.loads(json.dumps(DEPLOYMENT))
        manifest["spec"]["replica"] = 1
        with self.assertRaisesRegex(Refused, 'unknown field "spec.replica"'):
            self.dry_run(manifest)

    # Ours.

    def check_sidecars(self, flags):
        self.install("todo-chatbot", *flags)
        pods = self.pods_of_services()
        for pod in pods:
            self.dry_run(pod)
        injected = self.with_sidecars(pods)
        for pod in injected:
            self.assertIn("daprd", [container["name"] for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", [])])
            self.dry_run(pod)
        # Without one of the two words in charts/operators/dapr.yaml it would not.
        for key, word in zip(INJECTOR, ("unrestricted capabilities", "runAsNonRoot != true")):
            for pod in self.with_sidecars(pods, **{key: False}):
                self.assertRegex(self.refusal(pod), f'violates PodSecurity "restricted.*{word}.*daprd')

    def test_the_pod_of_helm_test_is_taken(self):
        self.install("todo-chatbot")
        self.assertIn("Succeeded", self.helm("test", "todo-chatbot"))

    def test_the_tokens_of_kubernetes_stay_out_of_the_pods(self):
        """The server mounts an account's token by itself, unless it is told not to."""
        for name in ("postgres", "redis", "todo-chatbot"):
            self.install(name)
        self.install("kafka", "--set", "mode=redpanda")
        pods = self.api.items(f"/api/v1/namespaces/{self.space}/pods")
        self.assertGreaterEqual(len(pods), 7)
        for pod in pods:
            self.assertNotIn("serviceAccountToken", json.dumps(pod["spec"].get("volumes", [])), pod["metadata"]["name"])

    def test_a_pod_without_that_word_would_have_one(self):
        spec = next(d for d in self.rendered("redis") if d["kind"] == "StatefulSet")["spec"]["template"]["spec"]
        for key in ("automountServiceAccountToken", "serviceAccountName"):
            del spec[key]
        made = self.dry_run({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "redis"}, "spec": spec})
        self.assertIn("serviceAccountToken", json.dumps(made["spec"]["volumes"]))


def add(variant, flags):
    def test(self):
        self.check_sidecars(flags)
    test.__name__ = f"test_the_sidecar_fits_{variant}"
    setattr(Pods, test.__name__, test)


for name, variant, flags in variants():
    if name == "todo-chatbot":
        add(variant, flags)


if __name__ == "__main__":
    unittest.main()

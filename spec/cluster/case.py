"""What the specs of the charts on a real API server share: a server for each file, a namespace for each test, helm."""

import functools
import itertools
import json
import os
import subprocess
import sys
import unittest

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from kube import Kube, ROOT, wait_until  # noqa: E402

SECRETS = {"todo-database": ("POSTGRES_PASSWORD", "DATABASE_URL"), "redis": ("password",), "todo-jwt": ("JWT_SECRET",),
           "todo-dapr-api-token": ("token",), "todo-app-api-token": ("token",)}
CHARTS = ("postgres", "redis", "kafka", "dapr-components", "todo-chatbot", "monitoring", "service")
# What helm says each time, of charts/todo-chatbot and charts/dapr-components.
LINK = "found symbolic link in path"
# What the server and its controllers put into each namespace.
OF_EACH = {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}
# Kinds that say what has happened, and what the server calls out of date.
LEFT_OUT = {"Event", "Endpoints"}
_numbers = itertools.count(1)


@functools.cache
def variants():
    """[(chart, variant, helm's flags)], as `make chart` has them."""
    listed = subprocess.run([os.path.join(ROOT, "ci", "chart"), "--variants"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [(chart, variant, flags) for chart, variant, *flags in (line.rstrip("\t").split("\t") for line in listed.splitlines())]


@functools.cache
def kinds(kube):
    """Of each kind one version, the server's own first choice."""
    chosen = {}
    for (version, kind), (group, plural) in kube.api.kinds().items():
        chosen.setdefault((group, kind), (version, plural))
    return {(version, kind): (group, plural) for (group, kind), (version, plural) in chosen.items()}


def chart(name):
    return os.path.join("charts", name)


def said(text):
    """What was said on standard error, without what is said each time."""
    return [line for line in text.splitlines() if line.strip() and LINK not in line]


class Case(unittest.TestCase):
    kube = None
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        Case.kube = Case.kube or Kube().start()
        cls.api = Case.kube.api

    def setUp(self):
        self.standins = self.kube.standins
        self.standins.fails = self.standins.hangs = lambda pod: False
        self.space = self.namespace()

    def tearDown(self):
        self.assertEqual(self.standins.problems, [])
        self.assertEqual(self.api.warnings, [])

    def namespace(self):
        """A namespace as charts/README.md has it made, with what the charts expect there."""
        name = f"todo-{next(_numbers)}"
        self.api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": {
            "todo-chatbot/dapr": "enabled", "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}}})
        self.addCleanup(self.api.ask, "DELETE", f"/api/v1/namespaces/{name}")
        for secret, keys in SECRETS.items():
            self.api.ask("POST", f"/api/v1/namespaces/{name}/secrets", {"metadata": {"name": secret}, "stringData": {key: "word" for key in keys}})
        wait_until(lambda: self.api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default", None), what="the namespace's account")
        return name

    # Programs.

    def run_clean(self, program, *words, **more):
        """It ends well and has nothing to say: neither of fields that are unknown nor of what the level would refuse."""
        status, out, err = self.kube.run(program, *words, **more)
        self.assertEqual((status, said(err)), (0, []), f"{program} {' '.join(words)}\n{out[-2000:]}")
        return out

    def helm(self, *words, **more):
        return self.run_clean("helm", *words, "--namespace", self.space, **more)

    def helm_refuses(self, *words, **more):
        status, out, err = self.kube.run("helm", *words, "--namespace", self.space, **more)
        self.assertNotEqual(status, 0, out)
        return "\n".join(said(err))

    def install(self, name, *flags, release=None, path=None):
        return self.helm("install", release or name, path or chart(name), "--wait", "--timeout", "5m", *flags)

    def upgrade(self, name, *flags, release=None, path=None):
        return self.helm("upgrade", release or name, path or chart(name), "--wait", "--timeout", "5m", *flags)

    def kubectl(self, *words, **more):
        return self.run_clean("kubectl", "--namespace", self.space, *words, **more)

    # What is there.

    def deployments(self):
        return {item["metadata"]["name"]: item for item in self.api.items(f"/apis/apps/v1/namespaces/{self.space}/deployments")}

    def hashes(self):
        """{deployment: the hash of the pods' template}, of the ReplicaSets that have pods."""
        sets = self.api.items(f"/apis/apps/v1/namespaces/{self.space}/replicasets")
        return {item["metadata"]["ownerReferences"][0]["name"]: item["metadata"]["labels"]["pod-template-hash"]
                for item in sets if item["spec"]["replicas"]}

    def everything(self):
        """All objects of the namespace that somebody has made: {KIND/NAME: object}."""
        found = {}
        for (version, kind), (_, plural) in kinds(self.kube).items():
            if kind not in LEFT_OUT:
                for item in self.api.items(self.api.path(version, self.space, plural)):
                    found[f"{kind}/{item['metadata']['name']}"] = {"apiVersion": version, "kind": kind, **item}
        return {name: item for name, item in found.items() if name not in OF_EACH}

    def objects(self, release):
        """What a release is made of, as the server has it."""
        return {name: item for name, item in self.everything().items()
                if item["metadata"].get("annotations", {}).get("meta.helm.sh/release-name") == release
                and "ownerReferences" not in item["metadata"]}      # controllers hand annotations on to what they make

    def dry_run(self, document):
        """Whether the server would take an object, all its fields included; what it says besides is looked at in tearDown."""
        _, plural = kinds(self.kube)[(document["apiVersion"], document["kind"])]
        return self.api.ask("POST", self.api.path(document["apiVersion"], self.space, plural) + "?dryRun=All&fieldValidation=Strict", document)

    def rendered(self, name, *flags):
        return [d for d in yaml.safe_load_all(self.helm("template", name, chart(name), *flags)) if d]

    def missing_pods(self):
        problems = []
        for kind in ("deployments", "statefulsets", "replicasets"):
            for item in self.api.items(f"/apis/apps/v1/namespaces/{self.space}/{kind}"):
                spec, status = item["spec"], item["status"]
                if status.get("observedGeneration") != item["metadata"]["generation"] \
                        or not spec["replicas"] == status.get("replicas", 0) == status.get("readyReplicas", 0):
                    problems.append(f"{kind} {item['metadata']['name']} of {spec['replicas']}: {json.dumps(status)}")
        return problems

    def failures(self):
        return [event["message"] for event in self.api.items(f"/api/v1/namespaces/{self.space}/events") if event["reason"] == "FailedCreate"]

    def check_pods(self, seconds=20):
        """The controllers have made all pods that they were told to make, and the server has refused none."""
        try:
            wait_until(lambda: not self.missing_pods(), seconds, "all pods")
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.missing_pods()} {self.failures()}") from None
        self.assertEqual(self.failures(), [])

"""Who may do what: the accounts of the services, and the one that deploys."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import ROOT, Case  # noqa: E402
from kube import free_port  # noqa: E402
from system import Host, postgres, token  # noqa: E402

SERVICES = ("audit-service", "chat-api", "notification-service", "recurring-task-service")
OPERATIONS = os.path.join(ROOT, "docs", "operations.md")


class Accounts(Case):
    def may(self, account, verb, resource, name=""):
        group, _, plain = resource.rpartition("/")
        review = self.api.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {
            "user": f"system:serviceaccount:{self.space}:{account}", "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {"namespace": self.space, "verb": verb, "group": group, "resource": plain, "name": name}}})
        return review["status"]["allowed"]

    def test_a_service_may_read_the_secrets_that_are_named_and_no_other(self):
        self.install("todo-chatbot")
        self.install("dapr-components", "--set", "secretStore.enabled=true,secretStore.secrets={todo-settings}")
        # Those that the list of scopes names, and no other.
        scopes = self.api.get(f"/apis/dapr.io/v1alpha1/namespaces/{self.space}/components/secrets")["scopes"]
        self.assertTrue(scopes)
        for account in SERVICES:
            self.assertEqual(self.may(account, "get", "secrets", "todo-settings"), account in scopes, account)
            self.assertFalse(self.may(account, "get", "secrets", "todo-jwt"), account)
            self.assertFalse(self.may(account, "list", "secrets"), account)
            self.assertFalse(self.may(account, "update", "secrets", "todo-settings"), account)

    def test_without_it_a_service_may_do_nothing(self):
        for name in ("todo-chatbot", "dapr-components", "redis", "postgres"):
            self.install(name)
        for account in (*SERVICES, "redis", "postgres", "default"):
            for verb, resource in (("get", "secrets"), ("list", "pods"), ("get", "configmaps"), ("update", "apps/deployments"), ("create", "pods")):
                self.assertFalse(self.may(account, verb, resource), (account, verb, resource))


class Deploying(Case):
    """ci/deploy-oke as the account that docs/operations.md has made, with nothing but what is said there."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.host = Host(("--all",), env={"LOG_LEVEL": "error"})

    @classmethod
    def tearDownClass(cls):
        try:
            cls.host.stop()
        finally:
            postgres().sql(f"DROP DATABASE IF EXISTS {cls.host.database} WITH (FORCE)")

    def setUp(self):
        super().setUp()
        self.install("dapr-components")
        self.config = os.path.join(self.kube.folder, self.space + ".kubeconfig")

    def make_account(self):
        with open(OPERATIONS) as f:
            commands = [line.strip() for line in f if line.startswith("    kubectl -n todo create") and "deployer" in line]
        self.assertGreaterEqual(len(commands), 3)
        for command in commands:
            self.kubectl(*command.replace("todo:deployer", self.space + ":deployer").split()[3:])
        self.log_in()

    def log_in(self):
        self.kube.write_config(self.config, self.kubectl("create", "token", "deployer").strip(), self.space)

    def deploy(self, digit, **env):
        clean = {name: value for name, value in self.kube.env.items() if not name.lower().endswith("_proxy")}
        return subprocess.run([os.path.join(ROOT, "ci", "deploy-oke"), "registry.example/todo-chatbot@sha256:" + digit * 64], text=True, timeout=900,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**clean, "KUBECONFIG": self.config, "NAMESPACE": self.space, "UNSIGNED": "1", "SMOKE_TOKEN": token("smoke"),
                                   "SMOKE_URL": f"http://127.0.0.1:{self.host.port_of('chat-api')}", "SMOKE_WAIT": "20", **env})

    def images(self):
        return {c["image"].rpartition(":")[2][:1] for item in self.deployments().values() for c in item["spec"]["template"]["spec"]["containers"]}

    def test_a_release_and_the_next_one(self):
        self.make_account()
        for digit in "ab":
            done = self.deploy(digit)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("is live and works", done.stderr)
            self.check_pods()
            self.assertEqual(self.images(), {digit})

    def test_what_does_not_get_ready_or_does_not_work_is_taken_back(self):
        self.make_account()
        self.assertEqual(self.deploy("a").returncode, 0)
        first = self.hashes()
        done = self.deploy("b", SMOKE_URL=f"http://127.0.0.1:{free_port()}", SMOKE_WAIT="1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("revision 1 is live again", done.stderr)
        self.check_pods()
        self.assertEqual(self.hashes(), first)
        self.standins.hangs = lambda pod: "@sha256:" + "c" * 64 in json.dumps(pod["spec"]) and pod["spec"]["restartPolicy"] == "Always"
        done = self.deploy("c", DEPLOY_MINUTES="1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("did not get ready within 1 minutes", done.stderr)
        self.check_pods()
        self.assertEqual(self.hashes(), first)

    def test_an_account_with_less_changes_nothing(self):
        self.kubectl("create", "serviceaccount", "deployer")
        self.kubectl("create", "rolebinding", "deployer", "--clusterrole=view", f"--serviceaccount={self.space}:deployer")
        self.log_in()
        done = self.deploy("a")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(self.deployments(), {})


if __name__ == "__main__":
    unittest.main()

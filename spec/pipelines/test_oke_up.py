"""ci/oke-up with stand-ins: what it adds to the parts that ci/minikube-up has too, and that the services are ci/deploy-oke's."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster_up import DIGEST, PARTS, Up  # noqa: E402


class Oke(Up):
    script, words = "oke-up", (DIGEST,)

    def setUp(self):
        super().setUp()
        self.env["UNSIGNED"] = "1"

    def test_from_an_empty_cluster_to_a_chat_that_works_and_a_second_run_changes_nothing(self):
        said = self.up(0)
        self.assertEqual(self.installed(), [*PARTS, "todo-chatbot"])
        upgrade = next(line for line in self.changes() if "install todo-chatbot" in line)
        for word in ("--atomic", "global.image.repository=registry.example/todo-chatbot", "global.image.digest=sha256:"):
            self.assertIn(word, upgrade)
        self.assertIn("charts/operators/dapr-oke.yaml", next(line for line in self.changes() if "install dapr " in line))
        self.assertIn("revision 1 is live and works", said)
        before = self.secrets()
        said = self.up(0)
        self.assertEqual(self.changes(), [])
        self.assertEqual(self.secrets(), before)
        self.assertIn("just this is live already", said)
        self.assertIn("7 passed, 0 failed", said)

    def test_oracles_command_line_makes_the_way(self):
        self.write("no-cluster")
        self.assertIn("does not answer", self.up(1, OKE_CLUSTER_ID="ocid1.cluster.x"))
        self.assertIn("oci ce cluster create-kubeconfig --cluster-id ocid1.cluster.x", "\n".join(self.calls))

    def test_what_these_values_want_of_a_cluster_is_looked_for_before_anything_is_changed(self):
        for switch, pod, volumes, part in (
                ("no-label", "containers: [], nodeSelector: {kubernetes.io/arch: arm64}", "", "no node has the label kubernetes.io/arch=arm64"),
                ("no-class", "containers: []", "{spec: {storageClassName: local-path}}", "It comes by: kubectl apply -f https://")):
            self.write("rendered", "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x}\n"
                                   f"spec: {{template: {{metadata: {{}}, spec: {{{pod}}}}}, volumeClaimTemplates: [{volumes}]}}\n")
            self.write(switch)
            self.assertIn(part, self.up(1))
            self.assertEqual(self.changes(), [])
            os.remove(self.at(switch))

    def test_an_image_that_is_not_signed_is_not_deployed(self):
        self.env.pop("UNSIGNED")
        said = self.up(1, XDG_CACHE_HOME=self.at("cache"), COSIGN_IDENTITY="", PATH=self.at("bin") + ":/usr/bin:/bin")
        self.assertIn("its signature does not hold", said)
        self.assertEqual(self.calls, [])

    def test_an_image_is_named_by_a_digest(self):
        for words in ((), ("a/b:tag",), (DIGEST, "more")):
            self.words = words
            self.assertIn("usage: ci/oke-up", self.up(2))
            self.assertEqual(self.calls, [])


if __name__ == "__main__":
    unittest.main()

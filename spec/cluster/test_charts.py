"""Each chart with each file of values on a real API server: installed, changed, taken back, removed."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import CHARTS, Case, chart, variants, wait_until  # noqa: E402

# A change of each chart that an operator might want.
CHANGES = {
    "postgres": ("--set", "settings.shared_buffers=192MB"),
    "redis": ("--set", "maxMemoryMb=40"),
    "kafka": ("--set", "deadLetters.retentionMs=604800000"),
    "dapr-components": ("--set", "tracing.samplingRate=0.5"),
    "todo-chatbot": ("--set", "global.env.LOG_LEVEL=debug"),
    "service": ("--set", "env.LOG_LEVEL=debug"),
    "monitoring": ("--set", "runbookUrl=https://example.org/alerts"),
}
# Volumes outlive the release, and what is in them.
KEPT = ("PersistentVolumeClaim/",)


def told(objects):
    """What was asked for, without what the server adds to it."""
    parts = {}
    for name, item in objects.items():
        parts[name] = {key: value for key, value in item.items() if key not in ("metadata", "status")}
        parts[name]["labels"] = item["metadata"].get("labels")
        if item["kind"] == "Deployment" and f"HorizontalPodAutoscaler/{item['metadata']['name']}" in objects:
            del parts[name]["spec"]["replicas"]     # not the chart's to say
    return parts


class Charts(Case):
    def check(self, name, flags):
        before = set(self.everything())
        # Each field is one that the server knows, in the hooks as well.
        documents = self.rendered(name, *flags)
        for document in documents:
            self.dry_run(document)

        self.install(name, *flags)
        self.check_pods()
        installed = told(self.objects(name))
        self.assertEqual(set(installed), {f"{d['kind']}/{d['metadata']['name']}" for d in documents
                                          if "helm.sh/hook" not in d["metadata"].get("annotations", {})})

        self.upgrade(name, *flags, *CHANGES[name])
        self.check_pods()
        changed = told(self.objects(name))
        self.assertEqual(changed.keys(), installed.keys())
        self.assertNotEqual(changed, installed)

        self.helm("rollback", name, "1", "--wait")
        self.check_pods()
        self.assertEqual(told(self.objects(name)), installed)

        self.helm("uninstall", name, "--wait", "--cascade", "foreground")
        wait_until(lambda: not self.left(before), 20, "an empty namespace")

    def left(self, before):
        return {item for item in set(self.everything()) - before if not item.startswith(KEPT)}


def add(name, variant, flags):
    def test(self):
        self.check(name, flags)
    test.__name__ = f"test_{name.replace('-', '_')}_{variant}"
    setattr(Charts, test.__name__, test)


several = {name for name, variant, _ in variants() if variant != "default"}
for listed in variants():
    if listed[1] != "default" or listed[0] not in several:      # which is as another of its variants
        add(*listed)


class Values(Case):
    def test_every_chart_is_here(self):
        self.assertEqual({name for name, _, _ in variants()}, set(CHARTS))
        self.assertEqual(set(CHANGES), set(CHARTS))


if __name__ == "__main__":
    unittest.main()

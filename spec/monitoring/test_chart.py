"""What can be said of charts/monitoring without running the system."""

import os
import re
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import chart  # noqa: E402

PAGE = os.path.join(chart.ROOT, "docs", "alerts.md")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "todo-chatbot")
HELM = os.path.join(CACHE, "charts-tools", "bin", "helm")


class Chart(unittest.TestCase):
    maxDiff = None

    def run_well(self, *words):
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_the_dashboards_are_what_their_sources_say(self):
        self.run_well(os.path.join(chart.ROOT, "ci", "dashboards"), "--check")
        self.assertEqual(len(chart.DASHBOARDS), 5)

    def test_each_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on(self):
        for alert in chart.alerts():
            self.assertIn(alert["labels"]["severity"], ("critical", "warning"), alert["alert"])
            notes = alert["annotations"]
            self.assertTrue(notes["summary"] and notes["description"], alert["alert"])
            self.assertEqual(notes["runbook_url"], f"docs/alerts.md#{alert['alert'].lower()}")

    def test_the_page_explains_each_alert_and_no_other(self):
        with open(PAGE) as f:
            page = f.read()
        self.assertEqual(sorted(re.findall(r"^### (\w+)$", page, re.M)), sorted(alert["alert"] for alert in chart.alerts()))
        for section in page.split("\n### ")[1:]:
            name, text = section.split("\n", 1)
            severity = {a["alert"]: a["labels"]["severity"] for a in chart.alerts()}[name]
            self.assertTrue(text.startswith(severity.capitalize() + "."), name)
            self.assertRegex(text, r"(?s)\*[Ll]ook\*.*\*[Dd]o\*", name)

    def test_the_panels_that_the_page_names_are_there(self):
        titles = {title.split(", ", 1)[1] for path in chart.DASHBOARDS for title, _ in chart.panels(path)}
        with open(PAGE) as f:
            named = re.findall(r'(?:overview|events|reminders|rules|host), ((?:"[^"]+"[^"a-z;.]*(?:and |against )?)+)', re.sub(r"\s+", " ", f.read()))
        for names in named:
            for name in re.findall(r'"([^"]+)"', names):
                self.assertTrue(any(title.startswith(name.rstrip(",")) for title in titles), name)

    @unittest.skipUnless(os.path.exists(HELM) or shutil.which("helm"), "helm is not here")
    def test_helm_renders_it(self):
        helm = HELM if os.path.exists(HELM) else "helm"
        self.run_well(helm, "lint", "--strict", chart.CHART)
        text = self.run_well(helm, "template", "m", chart.CHART, "--namespace", "todo", "--set", "runbookUrl=https://example.org/alerts")
        kinds = re.findall(r"^kind: (\w+)$", text, re.M)
        self.assertEqual({kind: kinds.count(kind) for kind in kinds}, {"ConfigMap": 5, "PodMonitor": 2, "PrometheusRule": 2})
        self.assertEqual(text.count("runbook_url: https://example.org/alerts#"), len(chart.alerts()))
        self.assertNotIn("runbook_url: docs/", text)


if __name__ == "__main__":
    unittest.main()

"""The pages of an operator: what they name is there, and what they calculate is right."""

import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import HOST, ROOT  # noqa: E402

OPERATIONS = os.path.join(ROOT, "docs", "operations.md")
SCALE = os.path.join(ROOT, "docs", "scale.md")
PAGES = (OPERATIONS, SCALE)
FOLDERS = "ci|charts|docs|dapr|scripts|bench|spec|host|web"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def code(text):
    """Blocks and words that are written as code."""
    blocks = re.findall(r"^    (.*)$", text, re.M)
    return blocks + re.findall(r"`([^`\n]+)`", text)


class Pages(unittest.TestCase):
    def test_every_target_of_make_is_there(self):
        known = set(re.findall(r"^([a-z0-9-]+):", read(os.path.join(ROOT, "Makefile")), re.M))
        named = {target for page in PAGES for line in code(read(page)) for target in re.findall(r"\bmake ([a-z0-9-]+)", line)}
        self.assertTrue(named)
        self.assertEqual(named - known, set())

    def test_every_command_of_todo_host_is_there(self):
        # Each group's words are in the help, as `  dead list`, `  token USER`.
        text = subprocess.run([HOST, "--help"], text=True, stdout=subprocess.PIPE, check=True).stdout
        known = set(re.findall(r"^  ([a-z]+(?: [a-z]+)?)", text, re.M))
        named = set()
        for page in PAGES:
            for line in code(read(page)):
                for first, second in re.findall(r"todo-host ([a-z]+)(?: ([a-z]+))?", line):
                    named.add(f"{first} {second}" if first in ("outbox", "dead", "rules") and second else first)
        self.assertTrue({"outbox list", "dead list", "rules rollback", "token"} <= named, named)
        self.assertEqual({each for each in named if each not in known}, set())

    def test_every_path_and_link_is_there(self):
        for page in PAGES:
            text = read(page)
            named = set(re.findall(rf"(?<![\w/.:-])((?:{FOLDERS})/[A-Za-z0-9_./-]*[A-Za-z0-9_])", text)) | set(re.findall(r"\.github/[a-z./-]+[a-z]", text))
            self.assertTrue(named)
            for path in sorted(named - {"dapr/dapr"}):    # Dapr's own chart
                self.assertTrue(os.path.exists(os.path.join(ROOT, path)), (page, path))
            for link in re.findall(r"\]\(([^)#:]+)\)", text):
                self.assertTrue(os.path.exists(os.path.join(os.path.dirname(page), link)), (page, link))

    def test_every_setting_is_known(self):
        known = read(os.path.join(ROOT, "host", "config.c"))
        for page in PAGES:
            for setting in set(re.findall(r"\b((?:DB|OUTBOX|MAX|OPENAI|RULES|JWT|JWKS)_[A-Z_]+)\b", read(page))):
                self.assertIn(f'"{setting}"', known, (page, setting))

    def test_every_alert_is_told_and_every_told_alert_is_there(self):
        told = set(re.findall(r"\b(Todo[A-Z]\w+)", read(OPERATIONS)))
        alerts = set(re.findall(r"alert: (Todo\w+)", read(os.path.join(ROOT, "charts", "monitoring", "rules", "alerts.yaml"))
                                + read(os.path.join(ROOT, "charts", "monitoring", "rules", "slo.yaml"))))
        self.assertEqual(told, alerts)

    def test_every_step_of_the_pipeline_has_its_limit_in_the_table(self):
        text = read(OPERATIONS)
        for step in ("lint", "tests", "e2e", "image", "charts", "push", "signatures", "deployment"):
            self.assertRegex(text, rf"(?m)^\| {step}.*\d+ min.*\|$")


class Scale(unittest.TestCase):
    def row(self, name, text=None):
        line = re.search(rf"(?m)^\| {re.escape(name)}[^|]* \|(.*)\|$", text or read(SCALE))
        self.assertIsNotNone(line, name)
        return [float(each.replace(",", "")) for each in re.findall(r"[\d,]+(?:\.\d+)?", line[1])]

    def test_the_first_table_follows_from_what_is_assumed(self):
        for users, changes, peak, events, reads, reminders, streams in zip(
                (1e4, 1e6, 1e8), self.row("changes a day"), self.row("changes/s at the peak"), self.row("events/s at the peak"),
                self.row("reads/s at the peak"), self.row("reminders in the worst minute"), self.row("open streams")):
            day = users * 0.2 * 10
            self.assertEqual(changes, day)
            for told, exact in ((peak, day * 5 / 86400), (events, 2 * day * 5 / 86400), (reads, 5 * day * 5 / 86400),
                                (reminders, day / 5 / 10), (streams, users * 0.2 * 0.1)):
                self.assertAlmostEqual(told / exact, 1, delta=0.05)

    def test_the_cost_of_a_change_is_what_was_measured(self):
        total = 0
        for part in ("chat-api", "its daprd", "audit-service", "recurring-task-service", "Kafka"):
            *seconds, each = self.row(part, re.search(r"## Measured(.*?)## What limits", read(SCALE), re.S)[1])
            self.assertAlmostEqual(sum(seconds) / 15000 * 1000, each, delta=0.006)
            total += sum(seconds)
        self.assertEqual(self.row("together"), [round(total, 1), round(total / 15, 2)])

    def test_the_measured_seconds_are_those_of_the_bench(self):
        bench = read(os.path.join(ROOT, "bench", "README.md"))
        for name, cell in (("audit-service", "3.0 + 1.2"), ("recurring-task-service", "2.9 + 0.9"), ("chat-api", "6.1 + 3.7"), ("Kafka", "7.1")):
            line = next(line for line in bench.splitlines() if line.startswith("| daprd of " + name) or line.startswith("| " + name))
            self.assertEqual(line.split("|")[5].strip(), cell)


if __name__ == "__main__":
    unittest.main()

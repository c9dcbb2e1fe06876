"""Business rules in their own VM, through a service made for it (spec/support/services/spec-rules)."""

import json
import os
import shutil
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import ROOT, Host, HostCase, wait_until  # noqa: E402

RULE = """local rule = {}
function rule.echo(value) return value end
function rule.fails() error("on purpose") end
function rule.loops() while true do pcall(error) end end
function rule.bursts() return ("x"):rep(1e9) end
return rule
"""


def make_scripts():
    folder = tempfile.mkdtemp(prefix="todo-spec-scripts-")
    for name in ("lib", "sql"):
        os.symlink(os.path.join(ROOT, "scripts", name), os.path.join(folder, name))
    os.symlink(os.path.join(ROOT, "spec", "support", "services", "spec-rules"), os.path.join(folder, "spec-rules"))
    os.mkdir(os.path.join(folder, "rules"))
    write(folder, RULE)
    return folder


def write(folder, text):
    with open(os.path.join(folder, "rules", "rule.lua"), "w") as file:
        file.write(text)


class Rules(HostCase):
    services = ("spec-rules",)

    @classmethod
    def setUpClass(cls):
        cls.folder = make_scripts()
        cls.env = {"SCRIPTS_DIR": cls.folder}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)

    def ask(self, rule, value=1):
        reply = self.host.post("/call", {"rule": rule, "value": value}, token=None)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def logged(self, rule):
        lines = [json.loads(line) for line in self.host.log_text().splitlines() if "a rule failed" in line]
        return [line for line in lines if line["rule"] == rule]

    def test_a_rule_gets_and_gives_what_json_can_say(self):
        value = {"list": [1, "two", None, []], "object": {"yes": True}}
        self.assertEqual(self.ask("rule.echo", value), {"value": value, "err": None})

    def test_an_error_is_answered_and_logged_with_file_and_line(self):
        err = self.ask("rule.fails")["err"]
        self.assertEqual((err["code"], err["message"]), ("error", "rules/rule.lua:3: on purpose"))
        line = self.logged("rule.fails")[0]
        self.assertEqual((line["code"], line["error"]), ("error", "rules/rule.lua:3: on purpose"))

    def test_a_rule_that_is_not_there_is_missing(self):
        self.assertEqual(self.ask("rule.nothing")["err"]["code"], "missing")

    def test_loops_and_memory_bombs_cost_their_own_call(self):
        bad = threading.Thread(target=lambda: [self.ask(rule) for rule in ("rule.loops", "rule.bursts") * 5])
        bad.start()
        while bad.is_alive():
            self.assertEqual(self.ask("rule.echo", "hello")["value"], "hello")
        bad.join()
        self.assertEqual({line["code"] for line in self.logged("rule.loops")}, {"budget"})
        self.assertEqual({line["code"] for line in self.logged("rule.bursts")}, {"memory"})

    def test_calls_and_failures_are_counted(self):
        self.ask("rule.echo")
        self.ask("rule.fails")
        text = self.metrics()
        self.assertIn('rules_call_seconds_count{service="spec-rules",rule="rule.echo"}', text)
        self.assertIn('rules_failures_total{service="spec-rules",rule="rule.fails",code="error"}', text)
        wait_until(lambda: "rules_memory_bytes{" in self.metrics(), 60, "the memory of the VM")

    def metrics(self):
        return self.host.get("/metrics", token=None).body.decode()

    def test_the_revision_is_a_hash(self):
        self.assertRegex(self.host.get("/revision", token=None).json["revision"], "^[0-9a-f]{64}$")


class Start(HostCase):
    services = ("spec-rules",)

    @classmethod
    def setUpClass(cls):
        cls.folder = make_scripts()
        cls.env = {"SCRIPTS_DIR": cls.folder}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)

    def test_broken_rules_stop_the_start_with_file_and_line(self):
        folder = make_scripts()
        self.addCleanup(shutil.rmtree, folder)
        write(folder, "local rule = {\nreturn rule\n")
        done = self.host.run("run", "spec-rules", SCRIPTS_DIR=folder, PORT=str(self.host.base + 4))
        self.assertEqual(done.returncode, 1)
        self.assertIn("rules/rule.lua:2:", done.stderr)

    def test_rules_dir_names_another_folder(self):
        folder = make_scripts()
        self.addCleanup(shutil.rmtree, folder)
        other = Host(services=("spec-rules",), env={
            "SCRIPTS_DIR": folder, "RULES_DIR": os.path.join(ROOT, "scripts", "rules")})
        self.addCleanup(other.stop)
        reply = other.post("/call", {"rule": "notify.retry", "value": "log"}, token=None)
        self.assertEqual(reply.status, 200)
        self.assertEqual(other.post("/call", {"rule": "rule.echo"}, token=None).json["err"]["code"], "missing")

"""Business rules in their own VM, through a service made for it (spec/support/services/spec-rules)."""

import json
import os
import shutil
import sys
import tempfile
import threading
import time

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


class RulesCase(HostCase):
    """A service with a folder of rules of its own."""

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


class Rules(RulesCase):
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
        answers = []
        bad = threading.Thread(target=lambda: [answers.append((rule, self.ask(rule)["err"]["code"])) for rule in ("rule.loops", "rule.bursts") * 5])
        bad.start()
        while bad.is_alive():
            self.assertEqual(self.ask("rule.echo", "hello")["value"], "hello")
        bad.join()
        self.assertEqual(len(answers), 10, answers)
        self.assertEqual({code for rule, code in answers if rule == "rule.loops"}, {"budget"})
        self.assertIn("memory", {code for rule, code in answers if rule == "rule.bursts"})
        self.assertLessEqual({code for _, code in answers}, {"budget", "memory"})    # a slow machine may be out of time first
        for rule in ("rule.loops", "rule.bursts"):
            self.assertEqual({line["code"] for line in self.logged(rule)}, {code for asked, code in answers if asked == rule})

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


class Start(RulesCase):
    def test_broken_rules_stop_the_start_with_file_and_line(self):
        folder = make_scripts()
        self.addCleanup(shutil.rmtree, folder)
        write(folder, "local rule = {\nreturn rule\n")
        done = self.host.run("run", "spec-rules", SCRIPTS_DIR=folder, PORT=str(self.host.base + 4))
        self.assertEqual(done.returncode, 1)
        self.assertIn("rules/rule.lua:2:", done.stderr)

    def refuses_to_start(self, words, change):
        folder = make_scripts()
        self.addCleanup(shutil.rmtree, folder)
        change(os.path.join(folder, "rules"))
        done = self.host.run("run", "spec-rules", SCRIPTS_DIR=folder, PORT=str(self.host.base + 4))
        self.assertEqual(done.returncode, 1)
        self.assertIn(words, done.stderr)

    def test_rules_that_everybody_may_write_are_refused(self):    # S45
        self.refuses_to_start("everybody may write rule.lua", lambda rules: os.chmod(os.path.join(rules, "rule.lua"), 0o666))
        self.refuses_to_start("everybody may write the folder", lambda rules: os.chmod(rules, 0o777))

    def test_a_link_that_leaves_the_folder_of_the_rules_is_refused(self):    # S45
        self.refuses_to_start("passwd.json is a link that leaves the folder",
                              lambda rules: os.symlink("/etc/passwd", os.path.join(rules, "passwd.json")))

    def test_rules_that_are_too_large_are_refused(self):    # S45
        def fill(rules):
            for i in range(100):
                with open(os.path.join(rules, f"a{i}.json"), "w") as file:
                    file.truncate(1024 * 1024)
        self.refuses_to_start("larger than 8388608 bytes together", fill)

    def test_a_rules_dir_that_is_not_there_is_an_error(self):
        done = self.host.run("run", "spec-rules", RULES_DIR="/nonexistent", PORT=str(self.host.base + 4))
        self.assertEqual(done.returncode, 1)
        self.assertIn("the rules folder /nonexistent cannot be opened: No such file or directory", done.stderr)

    def test_rules_dir_names_another_folder(self):
        folder = make_scripts()
        self.addCleanup(shutil.rmtree, folder)
        other = Host(services=("spec-rules",), env={
            "SCRIPTS_DIR": folder, "RULES_DIR": os.path.join(ROOT, "scripts", "rules")})
        self.addCleanup(other.stop)
        reply = other.post("/call", {"rule": "notify.retry", "value": "log"}, token=None)
        self.assertEqual(reply.status, 200)
        self.assertEqual(other.post("/call", {"rule": "rule.echo"}, token=None).json["err"]["code"], "missing")


FORBIDDEN = ("ffi", "debug", "io", "os", "package", "jit", "coroutine", "load", "loadstring", "loadfile", "dofile", "setfenv", "getfenv",
             "collectgarbage", "newproxy", "_G")
OUTSIDE = """local rule = {}
function rule.echo(value) return value end
function rule.sees()
  local seen = {}
  local function try(name, get)
    local ok, value = pcall(get)
    if ok and value ~= nil then seen[#seen + 1] = name end
  end
  %(tries)s
  return table.concat(seen, " ")
end
function rule.dumps() return string.dump ~= nil end
function rule.requires(name) return (pcall(require, name)) end
function rule.breaks_strings() getmetatable("").__index = nil end
function rule.breaks_upper() string.upper = nil end
function rule.breaks_table() table.concat = nil end
function rule.sets_global() anything = 1 end
function rule.breaks_file() require("rules.rule").upper = nil end
function rule.upper() return ("a"):upper() .. table.concat({ "b" }) end
return rule
"""


class Outside(HostCase):
    """What a rule may not reach, and what it may not change (S42, S43)."""

    services = ("spec-rules",)

    @classmethod
    def setUpClass(cls):
        cls.folder = make_scripts()
        write(cls.folder, OUTSIDE % {"tries": "\n  ".join(f'try("{name}", function() return {name} end)' for name in FORBIDDEN)})
        cls.env = {"SCRIPTS_DIR": cls.folder}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)

    ask = Rules.ask
    metrics = Rules.metrics

    def test_a_rule_sees_nothing_of_the_outside(self):
        self.assertEqual(self.ask("rule.sees"), {"value": "", "err": None})
        self.assertIs(self.ask("rule.dumps")["value"], False)
        for name in ("ffi", "io", "os", "debug", "lib.json", "cjson", "rules.nothing"):
            with self.subTest(name):
                self.assertIs(self.ask("rule.requires", name)["value"], False)

    def test_what_a_rule_would_change_for_others_stays_as_it_is(self):
        for name in ("breaks_strings", "breaks_upper", "breaks_table", "sets_global", "breaks_file"):
            with self.subTest(name):
                self.assertEqual(self.ask("rule." + name)["err"]["code"], "error")
                self.assertEqual(self.ask("rule.upper")["value"], "Ab")

    def test_files_that_reach_for_the_outside_are_refused_and_the_rules_before_stay(self):
        with open(os.path.join(self.folder, "rules", "rule.lua")) as f:
            good = f.read()
        before = self.host.get("/revision", token=None).json["revision"]
        for i, text in enumerate((b'local ffi = require("ffi")\nreturn {}\n', b'io.open("/etc/passwd")\nreturn {}\n', b"\x1bLJ\x02\x00",
                                  b"x = 1\nreturn {}\n", b"while true do end\n")):
            with self.subTest(text):
                write(self.folder, text.decode("latin-1"))
                wait_until(lambda: self.metrics().count("todo_rules_config_last_reload_successful 0"), 60, "a refusal")
                self.assertEqual(self.host.get("/revision", token=None).json["revision"], before)
                self.assertEqual(self.ask("rule.echo", "hello")["value"], "hello")
                self.assertIn("rules: ", self.host.get("/ready", token=None).json["detail"])
                write(self.folder, good)
                wait_until(lambda: self.metrics().count("todo_rules_config_last_reload_successful 1"), 60, "the good ones")


class Bombs(HostCase):
    """What a rule may do to make its call long or large (S44)."""

    services = ("spec-rules",)
    BODIES = {
        "loop": ("budget", "while true do end"),
        "loop_in_pcall": ("budget", "while true do pcall(error) end"),
        "loop_in_xpcall": ("budget", "xpcall(error, function() while true do end end)"),
        "tostring": ("budget", "return tostring(setmetatable({}, { __tostring = function() while true do end end }))"),
        "pattern": ("budget", 'return (("a"):rep(5000)):find((".-"):rep(30) .. "b")'),
        "rep": ("memory", 'return ("x"):rep(1e9)'),
        "table": ("memory", "local t = {} for i = 1, 1e9 do t[i] = { i } end"),
        "recursion": ("error", "local function f() return 1 + f() end return f()"),
        "sort": ("budget", "table.sort({ 3, 2, 1 }, function() while true do end end)"),
        "gsub": ("budget", 'return (("x"):rep(10)):gsub(".", function() while true do end end)'),
    }

    @classmethod
    def setUpClass(cls):
        cls.folder = make_scripts()
        write(cls.folder, "local rule = {}\nfunction rule.echo(value) return value end\n" +
              "".join(f"function rule.{name}()\n{body}\nend\n" for name, (_, body) in cls.BODIES.items()) + "return rule\n")
        cls.env = {"SCRIPTS_DIR": cls.folder}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)

    ask = Rules.ask

    def test_each_bomb_ends_its_own_call_and_the_worker_lives(self):
        for name, (code, _) in self.BODIES.items():
            with self.subTest(name):
                self.assertIn(self.ask("rule." + name)["err"]["code"], (code, "budget"))    # a slow machine may be out of time first
                self.assertEqual(self.ask("rule.echo", "hello")["value"], "hello")
        self.assertIsNone(self.host.process.poll())

    def test_a_rule_that_goes_on_failing_is_logged_once(self):
        def logged():
            lines = [json.loads(line) for line in self.host.log_text().splitlines() if '"a rule failed"' in line]
            return len([line for line in lines if (line["rule"], line["code"]) == ("rule.loop", "budget")])
        began, before = time.monotonic(), logged()
        for _ in range(20):
            self.assertEqual(self.ask("rule.loop")["err"]["code"], "budget")
        self.assertGreater(logged(), 0)
        self.assertLessEqual(logged() - before, 1 + (time.monotonic() - began) // 60)    # once a minute

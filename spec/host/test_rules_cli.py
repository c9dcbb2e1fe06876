"""`todo-host rules`: trying rules before they serve, and going back."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import HOST as PROGRAM, ROOT, RULES_CPU_FACTOR, SANITIZED, Host, HostCase, free_ports, new_database, postgres, wait_until  # noqa: E402

SHIPPED = os.path.join(ROOT, "scripts", "rules")
PATIENCE = 60
CALL_MS = 5 * (10 if SANITIZED else int(RULES_CPU_FACTOR))
LOAD_MS = 100 * CALL_MS

REMINDER = {"task_id": "t", "task_title": "Pay", "user_id": "ann", "due_ms": 1795564800000, "remind_ms": 1795561200000,
            "late_seconds": 0, "timezone": "UTC"}
NIGHT = 1795560000000    # 22:40


def rules(*words, stdin="", **env):
    """Without a database and without a service."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
    return subprocess.run([PROGRAM, "rules", *words], input=stdin, capture_output=True, text=True, timeout=300,
                          env={**keep, "SCRIPTS_DIR": os.path.join(ROOT, "scripts"), "RULES_CPU_FACTOR": RULES_CPU_FACTOR, **env})


class Folder(unittest.TestCase):
    def setUp(self):
        self.parent = tempfile.mkdtemp(prefix="todo-spec-cli-")
        self.addCleanup(shutil.rmtree, self.parent, True)
        self.rules = os.path.join(self.parent, "rules")
        shutil.copytree(SHIPPED, self.rules)

    def edit(self, name, old, new, folder=None):
        path = os.path.join(folder or self.rules, name)
        with open(path) as file:
            text = file.read()
        self.assertIn(old, text)
        with open(path, "w") as file:
            file.write(text.replace(old, new, 1))

    def write(self, name, text):
        with open(os.path.join(self.rules, name), "w") as file:
            file.write(text)

    def change_retry(self, body):
        self.edit("notify.lua", "function notify.retry(channel, failures)\n", "function notify.retry(channel, failures)\n  " + body + "\n")

    def check(self, *parts, count=None):
        done = rules("check", self.rules)
        self.assertEqual((done.returncode, done.stderr), (1, ""), done.stdout)
        self.assertIn("may not be applied: ", done.stdout)
        wrong = [line for line in done.stdout.splitlines() if line.startswith("wrong ")]
        for part in parts:
            self.assertTrue(any(re.search(part, line) for line in wrong), (part, done.stdout))
        if count is not None:
            self.assertEqual(len(wrong), count, done.stdout)
        return wrong


class Check(Folder):
    def test_the_shipped_rules_may_be_applied(self):
        done = rules("check")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        lines = done.stdout.splitlines()
        self.assertEqual(len([line for line in lines if line.startswith("ok ")]),
                         len([name for name in os.listdir(SHIPPED) if name.endswith((".lua", ".json"))]))
        self.assertRegex(done.stdout, r"(?m)^ok    notify\.examples\.json \(\d+ examples\)$")
        self.assertRegex(lines[-1], "^may be applied: revision [0-9a-f]{64}$")

    def test_rules_dir_says_which_folder(self):
        self.write("broken.lua", "return {")
        self.assertEqual(rules("check", RULES_DIR=self.rules).returncode, 1)

    def test_broken_syntax_is_told_with_file_and_line_and_hides_no_other_file(self):
        self.edit("notify.lua", "local notify = {}", "local notify = = {}")
        self.edit("audit.lua", "local audit = {}", "local audit = {\n")
        self.check(r"^wrong notify\.lua: rules/notify\.lua:15: ", r"^wrong audit\.lua: rules/audit\.lua:1\d: ", count=2)

    def test_a_file_that_others_require_is_named_by_them(self):
        self.edit("civil.lua", "local civil = {}", "local civil = = {}")
        self.check(r"^wrong civil\.lua: rules/civil\.lua:\d+: ", r"^wrong notify\.lua: needs civil\.lua, which is wrong$")

    def test_code_that_never_ends_while_it_loads(self):
        for code in ("while true do end", "while true do pcall(error) end", "repeat local ok = pcall(function() while true do end end) until ok",
                     "for _ in function() return 1 end do end",
                     "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] or t[0] end })\nwhile true do pcall(function() return t[1] end) end"):
            with self.subTest(code):
                self.write("endless.lua", f"local endless = {{}}\n{code}\nreturn endless\n")
                self.check(rf"^wrong endless\.lua: (rules/)?\S*endless\.lua:[23]: it takes more than {LOAD_MS} ms of CPU time$", count=1)

    def test_calls_that_never_end(self):
        for code in ("while true do end", "while true do pcall(error) end", "for _ in function() return 1 end do end",
                     "local t = setmetatable({}, { __add = function(a) while true do end end })\n  t = t + 1"):
            with self.subTest(code):
                shutil.copy(os.path.join(SHIPPED, "notify.lua"), self.rules)
                self.change_retry(code)
                self.check(rf"^wrong notify\.lua: notify\.retry: rules/notify\.lua:\d+: it takes more than {CALL_MS} ms of CPU time$",
                           r'^wrong notify\.examples\.json: example \d+ "')

    def test_a_slow_processor_is_given_more_time(self):
        self.change_retry("while true do end")
        done = rules("check", self.rules, RULES_CPU_FACTOR="8")
        self.assertRegex(done.stdout, r"(?m)^wrong notify\.lua: notify\.retry: rules/notify\.lua:\d+: it takes more than 400? ms of CPU time$")
        done = rules("check", self.rules, RULES_CPU_FACTOR="0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("RULES_CPU_FACTOR", done.stderr)

    def test_memory_bombs(self):
        for code in ('local s = ("x"):rep(1e9)', 'local s = "x"\n  while true do s = s .. s end'):
            with self.subTest(code):
                shutil.copy(os.path.join(SHIPPED, "notify.lua"), self.rules)
                self.change_retry(code)
                self.check(r"^wrong notify\.lua: .*rules/notify\.lua:\d+: (the rules need more than 16384 KiB of memory|it takes more than)")

    def test_a_pattern_that_takes_for_ever(self):
        for code in ('local found = (("a"):rep(500)):find(("a?"):rep(40) .. ("a*"):rep(40) .. "b")', 'local s = (("a"):rep(50000)):gsub(".-.-.-b", "")',
                     'local l = require("lpeg")\n  l.P({ "S", S = "a" * l.V("S") * "b" + "a" * l.V("S") * "c" + "a" }):match(("a"):rep(60))'):
            with self.subTest(code):
                shutil.copy(os.path.join(SHIPPED, "notify.lua"), self.rules)
                self.change_retry(code)
                self.check(rf"^wrong notify\.lua: notify\.retry: rules/notify\.lua:\d+: it takes more than {CALL_MS} ms of CPU time$")

    def test_metamethods_and_handlers_that_never_end(self):
        for code in ("local t = setmetatable({}, { __index = function() while true do end end })\n  local x = t.a",
                     "local s = tostring(setmetatable({}, { __tostring = function() while true do end end }))",
                     'xpcall(function() error("x") end, function() while true do end end)'):
            with self.subTest(code):
                shutil.copy(os.path.join(SHIPPED, "notify.lua"), self.rules)
                self.change_retry(code)
                self.check(rf"^wrong notify\.lua: notify\.retry: rules/notify\.lua:\d+: it takes more than {CALL_MS} ms of CPU time$")

    def test_examples_that_fail_alike_are_one_line_behind_the_file_that_is_why(self):
        self.change_retry('error("on purpose")')
        wrong = self.check(count=2)
        self.assertRegex(wrong[0], r"^wrong notify\.lua: notify\.retry: rules/notify\.lua:\d+: on purpose$")
        self.assertRegex(wrong[1], r'^wrong notify\.examples\.json: example \d+ "[^"]+" and \d+ more: rules/notify\.lua:\d+: on purpose$')

    def test_recursion_without_an_end(self):
        self.change_retry("local function f(n) return 1 + f(n + 1) end\n  f(1)")
        self.check(r"^wrong notify\.lua: .*rules/notify\.lua:\d+: .*(stack overflow|it takes more than)")

    def test_a_result_of_the_wrong_shape(self):
        self.change_retry('do return "soon" end')
        self.check(r"^wrong notify\.lua: rules/notify\.lua:\d+: notify\.retry: result must be an integer from 0 to 31622400000 or false, is \"soon\"$")

    def test_what_a_rule_may_not_see(self):
        for code, part in (('local f = io.open("/etc/passwd")', "undeclared global 'io'"), ('os.execute("id")', "undeclared global 'os'"),
                           ('require("host.db")', "rules may require rules.NAME"), ("total = 1", "new global 'total'"),
                           ('load("return 1")', "undeclared global 'load'")):
            with self.subTest(code):
                shutil.copy(os.path.join(SHIPPED, "notify.lua"), self.rules)
                self.change_retry(code)
                self.check(r"^wrong notify\.lua: .*rules/notify\.lua:\d+: .*" + re.escape(part))

    def test_bytecode_is_refused(self):
        self.write("code.lua", "\x1bLJ\x02")
        self.check(r"^wrong code\.lua: ")

    def test_examples_that_are_no_json_are_told_also_where_the_rules_are_broken(self):
        self.write("notify.examples.json", '[{"name": ]')
        self.check(r"^wrong notify\.examples\.json: ", count=1)
        self.edit("notify.lua", "local notify = {}", "local notify = = {}")
        self.check(r"^wrong notify\.examples\.json: ", r"^wrong notify\.lua: rules/notify\.lua:15: ", count=2)

    def test_an_example_that_is_not_true_says_name_path_wanted_and_got(self):
        self.write("notify.examples.json", json.dumps([
            {"name": "one", "call": "retry", "args": ["log", 1], "result": 7},
            {"name": "two", "call": "retry", "args": ["log", 1], "result": 1000},
            {"name": "three", "call": "plan", "args": [REMINDER, {"email": False, "webhook": True}, NIGHT],
             "result": [{"channel": "log", "wait_ms": 0}, {"channel": "webhook", "wait_ms": 1}]}]))
        self.assertEqual(self.check(count=2), [
            'wrong notify.examples.json: example 1 "one": result: wanted 7, got 1000',
            'wrong notify.examples.json: example 3 "three": result[2].wait_ms: wanted 1, got 30000000'])

    def test_an_entry_that_is_not_there(self):
        self.edit("notify.lua", "function notify.compose(", "function notify.compos(")
        self.check(r"^wrong notify\.lua: there is no rule notify\.compose: its file has no such function$")
        os.remove(os.path.join(self.rules, "notify.lua"))
        self.check(r"^wrong notify\.lua: is not there, and services ask it notify\.compose, notify\.plan, notify\.retry$", count=1)

    def test_explanations_are_checked_too(self):
        self.change_retry('explain("%d failures", "many")')
        self.check(r"^wrong notify\.lua: .*bad argument")

    def test_a_folder_that_is_not_there_or_has_no_rules(self):
        done = rules("check", os.path.join(self.parent, "none"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("none cannot be opened", done.stdout)
        os.mkdir(os.path.join(self.parent, "empty"))
        self.assertIn("there is no .lua file", rules("check", os.path.join(self.parent, "empty")).stdout)


class Words(unittest.TestCase):
    def test_wrong_words_are_one_line_and_2(self):
        for words in ([], ["fly"], ["check", "a", "b"], ["check", "--fly"], ["try"], ["try", "notify.fly"], ["try", "notify.plan", "--rules"],
                      ["diff"], ["diff", SHIPPED], ["diff", SHIPPED, "/nowhere"], ["diff", SHIPPED, SHIPPED, "notify.fly"], ["history", "x"],
                      ["rollback", "a", "b"], ["events", "--examples", "--since", "1d"], ["events", "--examples", "--rule", "x"]):
            done = rules(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertRegex(done.stderr, r"^todo-host: [^\n]+\n$", words)

    def test_without_a_service_history_and_rollback_say_so(self):
        port = str(free_ports(8))    # and with them the inner ports above: nobody comes to listen there
        for verb in ("history", "rollback"):
            done = rules(verb, PORT=port)
            self.assertEqual(done.returncode, 1)
            self.assertIn("no service runs here", done.stderr)


class Try(Folder):
    def ask(self, name, value, code=0, folder=None):
        done = rules("try", name, "--rules", folder or self.rules, stdin=value if isinstance(value, str) else json.dumps(value))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout) if done.stdout else done.stderr

    def test_the_result_why_and_what_it_took(self):
        answer = self.ask("notify.plan", [REMINDER, {"email": True, "webhook": False}, NIGHT])
        self.assertEqual(answer["result"], [{"channel": "log", "wait_ms": 0}, {"channel": "email", "wait_ms": 30000000}])
        self.assertEqual(answer["explained"], ["quiet hours in UTC until 07:00: mail and webhook wait 500 minutes"])
        self.assertEqual((answer["rule"], answer["fits"], answer["budget_ms"] >= 5), ("notify.plan", True, True))
        self.assertGreater(answer["cpu_ms"], 0)
        self.assertGreater(answer["memory_bytes"], 0)
        self.assertRegex(answer["revision"], "^[0-9a-f]{64}$")

    def test_times_in_words_one_argument_and_recorded_calls_are_understood(self):
        self.assertEqual(self.ask("notify.plan", [REMINDER, {"email": True, "webhook": False}, "@2026-11-24T22:40:00Z"])["result"][1]["wait_ms"],
                         30000000)
        event = {"event_type": "task.created", "user_id": "ann", "tags": []}
        self.assertEqual(self.ask("audit.keep", event)["result"], {"keep": True, "hide": [], "drop": []})
        self.assertEqual(self.ask("notify.retry", {"call": "notify.retry", "args": ["log", 1]})["result"], 1000)

    def test_the_shipped_rules_explain_what_they_do_by_themselves(self):
        self.edit("task.lua", "local TAGS = {}", 'local TAGS = { invoice = "finance" }')
        answer = self.ask("task.create", [{"title": "the invoice", "priority": "low", "tags": []}, {"title": True}])
        self.assertEqual(answer["explained"], ["the word invoice adds the tag finance"])
        self.edit("audit.lua", "local PRIVATE_TAGS = {}", "local PRIVATE_TAGS = { private = true }")
        answer = self.ask("audit.keep", [{"event_type": "task.created", "user_id": "ann", "tags": ["private"]}])
        self.assertEqual(answer["explained"], ["the tag private is private: what was written is hidden"])
        answer = self.ask("recurrence.next", [{"recurrence_rule": "DAILY", "due_date": "@2026-01-01T09:00:00Z"}, "@2026-06-01T09:00:00Z"])
        self.assertIn("no occurrence is skipped", answer["explained"][0])

    def test_a_rule_that_fails_gives_its_error_and_the_default(self):
        self.change_retry('explain("before")\n  error("on purpose")')
        answer = self.ask("notify.retry", ["log", 1], code=1)
        self.assertEqual((answer["error"]["code"], answer["default"], answer["fits"]), ("error", 60000, False))
        self.assertRegex(answer["error"]["message"], r"^rules/notify\.lua:\d+: on purpose$")
        self.assertEqual(answer["explained"], ["before"])

    def test_a_result_that_does_not_fit_is_shown_with_its_place(self):
        self.change_retry("do return 0 / 0 end")
        answer = self.ask("notify.retry", ["log", 1], code=1)
        self.assertIn("result must be an integer", answer["wrong"])

    def test_input_that_is_no_call_is_2(self):
        self.assertIn("the input is not JSON", self.ask("notify.retry", "[", code=2))
        self.assertIn("args[2] must be an integer", self.ask("notify.retry", ["log", "x"], code=2))
        self.assertIn("the rule takes 2", self.ask("notify.retry", ["log", 1, 2], code=2))
        self.assertIn("is a call of notify.plan", self.ask("notify.retry", {"call": "notify.plan", "args": []}, code=2))

    def test_rules_that_do_not_load_are_1(self):
        self.edit("audit.lua", "local audit = {}", "local audit = = {}")
        self.assertIn("rules/audit.lua:", self.ask("notify.retry", ["log", 1], code=1))


class Diff(Folder):
    def diff(self, code, *more, stdin=None):
        done = rules("diff", SHIPPED, self.rules, *more, stdin=stdin if stdin is not None else self.calls)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout.splitlines() if code < 2 else done.stderr

    def setUp(self):
        super().setUp()
        done = rules("events", "--examples")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.calls = done.stdout
        self.count = len(self.calls.splitlines())

    def test_the_same_rules_decide_alike(self):
        self.assertEqual(self.diff(0), [f"{self.count} calls: {self.count} alike, 0 different"])

    def test_differences_are_told_by_line_rule_and_place(self):
        self.edit("notify.lua", "log = { 1, 5,", "log = { 2, 5,")
        calls = "\n".join(json.dumps({"call": "notify.retry", "args": ["log", n]}) for n in (1, 2)) + "\n"
        self.assertEqual(self.diff(1, stdin=calls), ["line 1 notify.retry result: old 1000, new 2000",
                                                     "2 calls: 1 alike, 1 different (notify.retry 1)"])

    def test_a_name_leaves_out_the_rest(self):
        self.edit("notify.lua", "log = { 1, 5,", "log = { 2, 5,")
        self.assertRegex(self.diff(0, "audit.keep")[-1], r"^\d calls: \d alike, 0 different$")
        self.assertIn("has no call of notify.plan", self.diff(2, "notify.plan", stdin='{"call":"notify.retry","args":["log",1]}'))

    def test_a_rule_that_fails_in_one_of_them_is_a_difference(self):
        self.change_retry('error("on purpose")')
        lines = self.diff(1, stdin='{"call":"notify.retry","args":["log",1]}')
        self.assertRegex(lines[0], r'old 1000, new "it fails: rules\\?/notify\.lua:\d+: on purpose"')

    def test_what_is_no_call_is_told_by_its_line(self):
        for line, part in (("{", "line 2 of the input: "), ('{"call":"notify.retry"}', "args must be a list"),
                           ('{"call":"no.such","args":[]}', "no service asks no.such"), ('{"call":"notify.retry","args":[1,1]}', "args[1] must be a string")):
            self.assertIn(part, self.diff(2, stdin='{"call":"notify.retry","args":["log",1]}\n' + line))
        self.assertIn("the input has no call", self.diff(2, stdin=""))


class Events(HostCase):
    """Calls from what services have stored."""

    def events(self, *words):
        done = self.host.run("rules", "events", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def sql(self, text):
        postgres().sql(text, self.host.database)

    def log(self, kind, payload, at="now()"):
        task = str(uuid.uuid4())
        self.sql("INSERT INTO audit.audit_log (event_id, event_type, user_id, task_id, version, occurred_at, source, payload) VALUES"
                 f" ('{uuid.uuid4()}', '{kind}', 'ann', '{task}', 1, {at}, 'chat-api', '{json.dumps(payload)}')")
        return task

    def test_the_log_gives_calls_of_audit_keep_but_not_what_was_hidden(self):
        self.log("task.created", {"title": "seen", "tags": ["a"]})
        self.log("task.created", {"title": "[hidden]", "tags": None})
        self.log("task.created", {"title": "old", "tags": []}, at="now() - interval '3 days'")
        titles = [event["args"][0]["title"] for event in self.events("--rule", "audit.keep")]
        self.assertIn("seen", titles)
        self.assertFalse({"old", "[hidden]"} & set(titles))
        self.assertIn("old", [event["args"][0]["title"] for event in self.events("--rule", "audit.keep", "--since", "7d")])

    def test_completed_tasks_give_calls_of_recurrence_next_with_their_anchor(self):
        task = self.log("task.completed", {"title": "rent", "tags": [], "recurrence_rule": "MONTHLY", "due_date": "2026-02-28T09:00:00.000Z",
                                           "timezone": "UTC", "repeat_from": "due_date"})
        self.sql(f"INSERT INTO recur.anchor (task_id, due_at, local_at, day) VALUES ('{task}', '2026-02-28T09:00:00Z', '2026-02-28T09:00:00Z', 31)")
        [event] = self.events("--rule", "recurrence.next")
        self.assertEqual(event["args"][0], {"recurrence_rule": "MONTHLY", "due_date": 1772269200000, "timezone": "UTC", "repeat_from": "due_date",
                                            "anchor": {"local_ms": 1772269200000, "day": 31}})

    def test_deliveries_give_calls_of_notify(self):
        reminder = {"task_title": "Pay", "due_at": "2026-11-25T09:00:00.000Z", "remind_at": "2026-11-25T08:00:00.000Z", "timezone": "UTC"}
        event, task = str(uuid.uuid4()), str(uuid.uuid4())
        for channel in ("log", "webhook"):
            self.sql("INSERT INTO notify.delivery (event_id, channel, state, task_id, user_id, reminder, deliver_at, sent_at) VALUES"
                     f" ('{event}', '{channel}', 'sent', '{task}', 'ann', '{json.dumps(reminder)}', now(), now())")
        [plan] = self.events("--rule", "notify.plan")
        self.assertEqual((plan["args"][0]["task_title"], plan["args"][1]), ("Pay", {"email": False, "webhook": True}))
        [compose] = self.events("--rule", "notify.compose")
        self.assertEqual(len(compose["args"]), 1)

    def test_recorded_calls_are_input_of_diff(self):
        self.log("task.created", {"title": "seen", "tags": ["a"]})
        lines = self.host.run("rules", "events").stdout
        done = rules("diff", SHIPPED, SHIPPED, stdin=lines)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_what_is_not_stored_is_said(self):
        for words, part in ((["--rule", "chat.understand"], "what chat.understand was asked is not stored"), (["--rule", "no.such"], "no service asks"),
                            (["--since", "soon"], "--since needs a time span"), (["--limit", "0"], "--limit needs a whole number")):
            done = self.host.run("rules", "events", *words)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn(part, done.stderr)


class Live(unittest.TestCase):
    """A running service: its history, the way back, and candidates beside it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="todo-spec-cli-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.rules, self.shadow = os.path.join(self.folder, "rules"), os.path.join(self.folder, "shadow")
        for folder in (self.rules, self.shadow):
            shutil.copytree(SHIPPED, folder)
            os.remove(os.path.join(folder, "task.examples.json"))    # which what is tried here makes untrue
        self.token = "inner-token-0123456789"

    def start(self, **env):
        self.host = Host(("chat-api", "audit-service"), database=new_database(),
                         env={"RULES_DIR": self.rules, "WORKERS": "2", "APP_API_TOKEN": self.token, **env})
        self.addCleanup(self.host.stop)

    def inner(self, method, path, body=None, token="inner-token-0123456789"):
        headers = {"dapr-api-token": token} if token else {}
        return self.host.call(method, path, body, token=None, port=self.host.port_of("chat-api", inner=True), headers=headers)

    def status(self):
        return self.inner("GET", "/rules/status").json

    def edit(self, folder, old, new, name="task.lua"):
        path = os.path.join(folder, name)
        with open(path) as file:
            text = file.read()
        assert old in text
        with open(path + "~", "w") as file:
            file.write(text.replace(old, new, 1))
        os.rename(path + "~", path)

    def take(self, old, new):
        loads = self.status()["loads"]
        self.edit(self.rules, old, new)
        wait_until(lambda: self.status()["loads"] > loads, PATIENCE, "the rules")
        return self.status()["revision"]

    def priority(self):
        return self.host.post("/api/tasks", {"title": "x"}).json["priority"]

    def metric(self, name):
        text = self.host.get("/metrics", token=None).body.decode()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    def test_history_lists_what_was_live_once_a_process(self):
        self.start()
        first = self.status()["revision"]
        second = self.take("local PRIORITY = nil", "local PRIORITY = nil ")
        done = self.host.run("rules", "history")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertIn("chat-api, audit-service", lines[0])
        self.assertIn("live    " + second[:12], lines[1])
        self.assertIn("before  " + first[:12], lines[2])

    def test_rollback_brings_the_last_good_rules_back_until_the_folder_changes(self):
        self.start()
        first = self.status()["revision"]
        second = self.take("local PRIORITY = nil", 'local PRIORITY = "low"')
        self.assertEqual(self.priority(), "low")
        done = self.host.run("rules", "rollback")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn(f"from {second[:12]} back to {first[:12]}", done.stdout)
        self.assertEqual(len(done.stdout.splitlines()), 1)
        status = self.status()
        self.assertEqual((status["revision"], status["state"]), (first, "rolled back"))
        self.assertIn("rolled back by an operator", status["error"])
        self.assertEqual({self.priority() for _ in range(8)}, {"medium"})
        self.assertEqual(self.metric("rules_rollbacks_total"), 1)
        self.assertEqual(self.metric("todo_rules_config_last_reload_successful"), 0)
        self.assertIn("the rules were rolled back", self.host.log_text())
        os.utime(os.path.join(self.rules, "task.lua"))    # is seen, and changes nothing
        self.assertEqual(self.status()["revision"], first)
        self.take('local PRIORITY = "low"', 'local PRIORITY = "high"')
        self.assertEqual(self.priority(), "high")
        self.assertNotIn("error", self.status())

    def test_rollback_takes_a_revision_that_is_held(self):
        self.start()
        first = self.status()["revision"]
        self.take("local PRIORITY = nil", 'local PRIORITY = "low"')
        self.take('local PRIORITY = "low"', 'local PRIORITY = "high"')
        done = self.host.run("rules", "rollback", first[:12])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.status()["revision"], first)
        done = self.host.run("rules", "rollback", "0123456789")
        self.assertEqual(done.returncode, 1)
        self.assertIn("revision 0123456789 is not held", done.stderr)

    def test_without_rules_before_there_is_no_way_back(self):
        self.start()
        done = self.host.run("rules", "rollback")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no good revision before this one is held", done.stderr)

    def test_the_route_wants_the_token_and_a_revision_in_words(self):
        self.start()
        self.assertEqual(self.inner("POST", "/rules/rollback", {}, token=None).status, 403)
        self.assertEqual(self.inner("POST", "/rules/rollback", {"revision": 7}).status, 422)
        self.assertEqual(self.inner("POST", "/rules/rollback", {"from": "0" * 64}).status, 409)
        done = self.host.run("rules", "history", APP_API_TOKEN="")
        self.assertEqual(done.returncode, 1)
        self.assertIn("set APP_API_TOKEN as the service has it", done.stderr)
        done = self.host.run("rules", "rollback", APP_API_TOKEN="another-token-0123456789")
        self.assertEqual(done.returncode, 1)
        self.assertIn("APP_API_TOKEN is not as the service has it", done.stderr)

    def test_a_candidate_is_compared_and_decides_nothing(self):
        self.edit(self.shadow, "local PRIORITY = nil", 'local PRIORITY = "low"')
        self.start(RULES_SHADOW_DIR=self.shadow)
        wait_until(lambda: self.status().get("shadow", {}).get("revision"), PATIENCE, "the candidate")
        self.assertEqual({self.priority() for _ in range(4)}, {"medium"})
        self.assertEqual(self.metric('rules_shadow_calls_total{service="chat-api",rule="task.create"}'), 4)
        self.assertEqual(self.metric('rules_shadow_differences_total{service="chat-api",rule="task.create"}'), 4)
        lines = [json.loads(line) for line in self.host.log_text().splitlines() if "the candidate rules decide otherwise" in line]
        self.assertEqual({(line["rule"], line["path"]) for line in lines}, {("task.create", "result.priority")})
        self.assertLessEqual(len(lines), 2)    # one a worker
        wait_until(lambda: self.metric("rules_shadow_memory_bytes") > 0, PATIENCE, "the memory of the candidate")
        self.edit(self.shadow, 'local PRIORITY = "low"', "local PRIORITY = nil")
        loads = self.status()["shadow"]["loads"]
        wait_until(lambda: self.status()["shadow"]["loads"] > 1, PATIENCE, "the next candidate")
        self.priority()
        self.assertEqual(self.metric("rules_shadow_differences_total"), 4, loads)

    def test_a_candidate_that_never_ends_or_does_not_load_harms_nobody(self):
        self.edit(self.shadow, "function task.create(wanted, said)\n", "function task.create(wanted, said)\n  while true do end\n")
        self.start(RULES_SHADOW_DIR=self.shadow)
        wait_until(lambda: self.status().get("shadow", {}).get("revision"), PATIENCE, "the candidate")
        self.assertEqual(self.priority(), "medium")
        self.assertEqual(self.metric("rules_shadow_differences_total"), 1)
        self.assertEqual(self.metric("rules_failures_total"), 0)
        self.edit(self.shadow, "local task = {}", "local task = = {}")
        wait_until(lambda: "rules/task.lua:" in self.status()["shadow"].get("error", ""), PATIENCE, "the refusal")
        calls = self.metric("rules_shadow_calls_total")
        self.assertEqual(self.priority(), "medium")
        self.assertEqual(self.metric("rules_shadow_calls_total"), calls)

    def test_no_more_calls_reach_a_candidate_than_the_rate_allows(self):
        self.start(RULES_SHADOW_DIR=self.shadow, RULES_SHADOW_RATE="1", WORKERS="1")
        wait_until(lambda: self.status().get("shadow", {}).get("revision"), PATIENCE, "the candidate")
        seconds = self.host.get("/health", token=None).json["uptime"]
        for _ in range(60):
            self.priority()
        passed = self.host.get("/health", token=None).json["uptime"] - seconds
        self.assertLessEqual(self.metric("rules_shadow_calls_total"), 2 + passed)


class Page(unittest.TestCase):
    """docs/rules.md shows what is so."""

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "docs", "rules.md")) as file:
            cls.text = file.read()
        cls.entries = dict(re.findall(r"(?ms)^### (\w+\.\w+)\n(.*?)(?=^### |\Z)", cls.text))

    def test_every_entry_is_on_the_page_and_no_other(self):
        known = rules("try", "no.such").stderr.split("there are ")[1].strip().split(", ")
        self.assertEqual(sorted(self.entries), known)

    def test_the_shipped_rules_answer_as_the_page_says(self):
        for name, text in self.entries.items():
            blocks = re.findall(r"(?s)```json\n(.*?)```", text)
            self.assertEqual(len(blocks), 2, name)
            done = rules("try", name, stdin=blocks[0])
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(json.loads(done.stdout)["result"], json.loads(blocks[1]), name)

    def test_the_edit_that_it_shows_comes_true(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
            line = re.search(r"(?s)```lua\n(local TAGS = .*?)\n```", self.text)[1]
            example = json.loads(re.search(r"(?s)### Edit\n.*?```json\n(.*?)```", self.text)[1])
            with open(os.path.join(folder, "task.lua")) as file:
                text = file.read()
            self.assertIn("local TAGS = {}", text)
            with open(os.path.join(folder, "task.lua"), "w") as file:
                file.write(text.replace("local TAGS = {}", line))
            with open(os.path.join(folder, "task.examples.json"), "w") as file:
                json.dump([example], file)
            done = rules("check", folder)
            self.assertEqual(done.returncode, 0, done.stdout)

    # Runs as a file of the rules does: what of it is not so is an error with its line.
    EXAMPLES = """local calendar, json = require("host.calendar"), require("host.json")
local text, lpeg = require("host.text"), require("lpeg")

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  for key, value in pairs(a) do
    if not same(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

local function is(got, wanted)
  if not same(got, wanted) then
    error("gives " .. tostring(got), 2)
  end
end

"""

    def run_in_rules(self, lines):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
            with open(os.path.join(folder, "page.lua"), "w") as file:
                file.write(self.EXAMPLES + "".join(lines) + "return { calendar, json, text, lpeg, is }\n")
            done = rules("check", folder)
            return "".join(line for line in done.stdout.splitlines() if "page.lua" in line)

    def examples(self):
        section = re.search(r"(?s)## What a rule may call\n(.*?)\n## ", self.text)[1]
        return section, [line.split(" --> ") for block in re.findall(r"(?s)```lua\n(.*?)```", section) for line in block.splitlines()]

    def test_what_a_rule_may_call_gives_what_the_page_says(self):
        lines = [f"is({call}, {result})\n" for call, result in self.examples()[1]]
        self.assertEqual(self.run_in_rules(lines), "ok    page.lua")
        self.assertIn("gives 4", self.run_in_rules(['is(lpeg.P("buy"):match("buy milk"), 5)\n']))

    def test_each_function_of_the_modules_has_an_example_and_is_there(self):
        called = {call for line in self.examples()[1] for call in re.findall(r"\b((?:calendar|json|text|lpeg)\.\w+)\(", line[0])}
        stubs = set()
        for path in ("host/calendar", "host/json", "host/text", "lpeg"):
            with open(os.path.join(ROOT, "scripts", "meta", path + ".lua")) as file:
                stubs |= set(re.findall(r"(?m)^function ((?:calendar|json|text|lpeg)\.\w+)", file.read()))
        self.assertEqual(sorted(called), sorted(stubs))
        self.assertEqual(self.run_in_rules([f'is(type({name}), "function")\n' for name in stubs]), "ok    page.lua")

    def test_the_functions_of_lua_that_it_names_are_there(self):
        names = re.findall(r"`([a-z]+(?:\.[a-z]+)?)`", self.examples()[0].split("all of `math`")[0])
        self.assertGreater(len(names), 30)
        self.assertEqual(self.run_in_rules([f'is(type({name}), "function")\n' for name in names]), "ok    page.lua")

    def test_the_metrics_and_log_lines_that_it_names_are_those_of_the_sources(self):
        sources = ""
        for folder, suffix in (("host", ".c"), ("scripts/lib", ".lua")):
            for name in os.listdir(os.path.join(ROOT, folder)):
                if name.endswith(suffix):
                    with open(os.path.join(ROOT, folder, name)) as file:
                        sources += file.read()
        with open(os.path.join(ROOT, "host", "api", "rules.c")) as file:
            sources += file.read()
        table = re.search(r"(?s)### Watch\n(.*?)\n###", self.text)[1]
        for name in re.findall(r"`(rules_\w+|todo_rules_\w+)", table):
            self.assertIn(name.replace("todo_rules_", ""), sources)
        lines = re.findall(r"`([^`]+)`", re.search(r"\| log \|(.*)", table)[1])
        self.assertGreater(len(lines), 3)
        for line in lines:
            self.assertTrue(f'"{line}"' in sources or f'"{line.replace("rules", "%s", 1)}"' in sources, line)

    def test_every_command_and_setting_that_it_names_is_in_the_help(self):
        text = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=300).stdout
        for verb in set(re.findall(r"todo-host rules (\w+)", self.text)):
            self.assertIn("rules " + verb, text)
        for name in set(re.findall(r"\bRULES_[A-Z_]+", self.text)):
            self.assertIn(name, text)


if __name__ == "__main__":
    unittest.main()

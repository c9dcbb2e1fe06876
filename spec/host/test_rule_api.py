"""Rules as an operator may leave them: what services do with them, and without them."""

import datetime
import json
import os
import shutil
import sys
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import Host, edited_rules, postgres, token  # noqa: E402

INNER_TOKEN = "inner-token-0123456789"
ENDLESS = " while true do end "


class RuleCase(unittest.TestCase):
    def setUp(self):
        self.hosts, self.folders = [], []

    def tearDown(self):
        try:
            for host in self.hosts:
                host.stop()
                postgres().sql(f"DROP DATABASE IF EXISTS {host.database} WITH (FORCE)")
        finally:
            for folder in self.folders:
                shutil.rmtree(folder)

    def make(self, service, name, changes, examples=None, **more):
        folder = edited_rules(name, changes, examples)
        self.folders.append(folder)
        host = Host((service,), env={"RULES_DIR": folder, "APP_API_TOKEN": INNER_TOKEN}, **more)
        self.hosts.append(host)
        return host

    def logged(self, host, message):
        lines = [json.loads(line) for line in host.log_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("msg", line.get("message")) == message]

    def defaults(self, host, rule, reason, port=None):
        for line in host.get("/metrics", token=None, port=port).body.decode().splitlines():
            if line.startswith("rules_defaults_total{") and f'rule="{rule}"' in line and f'reason="{reason}"' in line:
                return float(line.split()[-1])
        return 0


class Tasks(RuleCase):
    def create(self, host, status=201, **fields):
        reply = host.post("/api/tasks", {"title": "a task", **fields}, token=token())
        self.assertEqual(reply.status, status, reply.body)
        return reply.json

    def test_a_new_task_gets_what_its_user_did_not_say(self):
        host = self.make("chat-api", "task", {r"TAGS = \{\}": 'TAGS = { invoice = "finance" }', r"REMINDER = nil": "REMINDER = 30",
                                              r"PRIORITIES = \{\}": 'PRIORITIES = { urgent = "high" }'})
        due = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        task = self.create(host, title="Urgent invoice", tags=["home"], due_date=due)
        self.assertEqual((task["tags"], task["priority"], task["reminder_offset_minutes"]), (["home", "finance"], "high", 30))
        self.assertIsNotNone(task["remind_at"])
        task = self.create(host, title="Urgent invoice", priority="low", due_date=due, reminder_offset_minutes=None)
        self.assertEqual((task["priority"], task["reminder_offset_minutes"]), ("low", None))
        soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self.assertIsNone(self.create(host, due_date=soon)["reminder_offset_minutes"])
        reply = host.post("/api/ann/chat", {"message": "add pay the invoice"}, token=token())
        self.assertIn("#finance", reply.json["message"])

    def test_a_limit_refuses_with_its_words_and_leaves_old_tasks_alone(self):
        host = self.make("chat-api", "task", {r"title = nil,": "title = 10,"})
        refused = self.create(host, status=422, title="longer than that")
        self.assertEqual(refused["detail"], "title must be a string of at most 10 characters")
        task = self.create(host, title="short")
        path = "/api/tasks/" + task["id"]
        postgres().sql("UPDATE chat.task SET title = 'longer than that'", host.database)
        self.assertEqual(host.call("PUT", path, {"priority": "high"}, token=token()).status, 200)
        self.assertEqual(host.call("PUT", path, {"title": "longer than this"}, token=token()).status, 422)
        self.assertEqual(host.call("PUT", path, {"title": "x"}, token=token()).status, 200)

    def test_a_rule_that_never_ends_changes_nothing_of_a_task(self):
        host = self.make("chat-api", "task", {r"function task\.create\(wanted, said\)": "function task.create(wanted, said)" + ENDLESS})
        for _ in range(3):
            task = self.create(host)
            self.assertEqual((task["tags"], task["priority"]), ([], "medium"))
        self.assertEqual(self.defaults(host, "task.create", "budget"), 3)
        [line] = self.logged(host, "a rule failed")
        self.assertEqual((line["rule"], line["code"]), ("task.create", "budget"))
        self.assertRegex(line["error"], r"task\.lua:\d+: ")

    def test_a_result_of_the_wrong_shape_is_told_by_its_place(self):
        host = self.make("chat-api", "task", {r"return decision\n": 'do return { add_tags = { "fine", 7 } } end\n'})
        self.assertEqual(self.create(host)["tags"], [])
        [line] = self.logged(host, "a rule failed")
        self.assertRegex(line["error"],
                         r"^rules/task\.lua:\d+: task\.create: result\.add_tags\[2\] must be a string of one line from 1 to 50 bytes, is 7$")
        self.assertEqual(self.defaults(host, "task.create", "result"), 1)

    def test_a_series_goes_on_without_its_rule(self):
        host = self.make("chat-api", "recurrence", {r"function recurrence\.next\(task, completed_at_ms\)":
                                                    "function recurrence.next(task, completed_at_ms)" + ENDLESS})
        task = self.create(host, recurrence_rule="DAILY")
        reply = host.call("PATCH", f"/api/tasks/{task['id']}/complete", token=token())
        self.assertEqual((reply.status, reply.json["completed_task"]["status"]), (200, "completed"))
        self.assertEqual(self.defaults(host, "recurrence.next", "budget"), 1)

    def test_the_chat_without_its_rules_changes_nothing(self):
        host = self.make("chat-api", "chat", {r"function chat\.understand\(message, context\)":
                                              "function chat.understand(message, context)" + ENDLESS})
        reply = host.post("/api/ann/chat", {"message": "add buy milk"}, token=token())
        self.assertEqual((reply.status, reply.json["tools_invoked"]), (200, []))
        self.assertIn("cannot understand", reply.json["message"])

    def test_the_chat_answers_in_the_operators_words(self):
        host = self.make("chat-api", "chat_answers", {r'added = "Added \{task\}\."': 'added = "Noted: {task}!"'})
        reply = host.post("/api/ann/chat", {"message": "add buy milk"}, token=token())
        self.assertEqual(reply.json["message"], 'Noted: "buy milk"!')


class Log(RuleCase):
    def record(self, host, kind="task.created", **payload):
        task, event = str(uuid.uuid4()), str(uuid.uuid4())
        body = {"specversion": "1.0", "id": event, "source": "chat-api", "type": kind, "data": {
            "event_id": event, "event_type": kind, "timestamp": "2026-01-01T00:00:00.000Z", "user_id": "ann", "task_id": task,
            "payload": {"id": task, "title": "see a doctor", "description": "at noon", "tags": [], "version": 1, **payload}}}
        reply = host.post("/events/task-events", json.dumps(body), port=host.port_of("audit-service", inner=True), token=None,
                          headers={"Content-Type": "application/cloudevents+json", "dapr-api-token": INNER_TOKEN})
        self.assertEqual((reply.status, reply.body), (200, b'{"status":"SUCCESS"}'))

    def kept(self, host):
        reply = host.get("/api/v1/audit-log", port=host.port_of("audit-service"), token=token())
        self.assertEqual(reply.status, 200, reply.body)
        return [entry["payload"] for entry in reply.json["entries"]]

    def test_what_is_hidden_is_nowhere_in_the_log(self):
        host = self.make("audit-service", "audit", {r"HIDDEN = \{\}": "HIDDEN = { id = true, version = true, title = true, tags = true }",
                                                    r"DROPPED = \{\}": "DROPPED = { description = true }",
                                                    r"SKIPPED = \{\}": 'SKIPPED = { ["task.deleted"] = true }'})
        self.record(host)
        self.record(host, kind="task.deleted")
        [payload] = self.kept(host)
        self.assertEqual((payload["title"], payload["tags"], payload["version"]), ("[hidden]", None, 1))
        self.assertNotIn("description", payload)
        self.assertRegex(payload["id"], r"^[0-9a-f-]{36}$")
        self.assertEqual(postgres().sql("SELECT count(*) FROM audit.audit_log WHERE payload::text LIKE '%doctor%'", host.database), "0")

    def test_private_tasks_keep_nothing_that_was_written(self):
        host = self.make("audit-service", "audit", {r"PRIVATE_TAGS = \{\}": "PRIVATE_TAGS = { private = true }"})
        self.record(host, tags=["private"])
        self.record(host, tags=["home"])
        self.assertEqual(sorted(p["title"] for p in self.kept(host)), ["[hidden]", "see a doctor"])

    def test_a_rule_that_never_ends_lets_nothing_out(self):
        host = self.make("audit-service", "audit", {r"function audit\.keep\(event\)": "function audit.keep(event)" + ENDLESS})
        self.record(host)
        [payload] = self.kept(host)
        self.assertEqual((payload["title"], payload["description"]), ("[hidden]", "[hidden]"))
        self.assertEqual(self.defaults(host, "audit.keep", "budget", port=host.port_of("audit-service")), 1)


class Examples(RuleCase):
    def refused(self, name, changes, examples):
        host = self.make("notification-service", name, changes, examples, start=False)
        host.migrate()
        host.start(wait=False)
        self.assertNotEqual(host.process.wait(60), 0)
        return host.log_text()

    def test_a_service_does_not_start_with_an_example_that_fails(self):
        text = self.refused("notify", {r"log = \{ 1, 5": "log = { 2, 5"}, [
            {"name": "soon again", "call": "retry", "args": ["log", 1], "result": 1000}])
        self.assertIn('rules/notify.examples.json: example 1 "soon again": result: wanted 1000, got 2000', text)

    def test_it_starts_with_examples_that_hold(self):
        host = self.make("notification-service", "notify", {r"log = \{ 1, 5": "log = { 2, 5"}, [
            {"name": "soon again", "call": "retry", "args": ["log", 1], "result": 2000}])
        self.assertEqual(host.get("/ready", token=None, port=host.port_of("notification-service")).status, 200)

    def test_examples_of_what_another_service_asks_are_not_its_affair(self):
        host = self.make("notification-service", "audit", {}, [{"name": "odd", "call": "keep", "args": [], "result": 1}])
        self.assertEqual(host.get("/ready", token=None, port=host.port_of("notification-service")).status, 200)


if __name__ == "__main__":
    unittest.main()

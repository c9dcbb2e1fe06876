"""Use of every path of a running cluster, and things that go wrong in it, so that every metric has something to say."""

import datetime
import http.client
import json
import os
import select
import shutil
import socket
import tempfile
import threading

from cluster import ROOT, postgres, token, wait_until
from writer import moment, remind

CALENDAR = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//spec//EN\r\nBEGIN:VTODO\r\nUID:{n}@spec\r\nSUMMARY:imported {n}\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
EXPLODES = "explode"


def noon():
    """A zone where it is noon now: no quiet hours."""
    ahead = 12 - datetime.datetime.now(datetime.timezone.utc).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def rules_folder():
    """The rules as an operator may keep them."""
    folder = tempfile.mkdtemp(prefix="todo-spec-rules-")
    shutil.copytree(os.path.join(ROOT, "scripts", "rules"), folder, dirs_exist_ok=True)
    return folder


class Traffic:
    def __init__(self, cluster, rules):
        self.cluster, self.rules = cluster, rules
        self.stream = None
        with open(os.path.join(rules, "task.lua")) as f:
            self.task_rules = f.read()

    def call(self, method, path, body=None, wanted=(200, 201), **more):
        status, answer = self.cluster.call(method, path, body, **more)
        assert status in wanted, (method, path, status, answer)
        return answer

    def raw(self, method, path, body=None, headers=None, service="chat-api"):
        connection = http.client.HTTPConnection("127.0.0.1", self.cluster.host_ports[service], timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            reply.read()
            return reply.status
        finally:
            connection.close()

    @staticmethod
    def bearer():
        return {"Authorization": "Bearer " + token("ann")}

    # Use.

    def listen(self):
        """A page that is open."""
        self.stream = http.client.HTTPConnection("127.0.0.1", self.cluster.host_ports["chat-api"], timeout=600)
        self.stream.request("GET", "/api/events", headers=self.bearer())
        reply = self.stream.getresponse()

        def read():
            try:
                while reply.read(1):
                    pass
            except (OSError, http.client.HTTPException, AttributeError, ValueError):
                pass    # closed, with the test
        threading.Thread(target=read, daemon=True).start()

    def remind(self, count=1, seconds=2):
        """Tasks whose reminder is due in so many seconds."""
        for i in range(count):
            remind(self.cluster, f"remind {i}", seconds, timezone=noon())

    def reminded_by_job(self):
        """Until a job has fired a reminder. Whose job is told late is fired by the sweep, so the next one gets more time."""
        fired = lambda by: self.cluster.metric("reminders_fired_total", by=by)  # noqa: E731
        for seconds in (5, 10, 20, 40):
            before = fired("job") + fired("sweep") + fired("cron")
            self.remind(1, seconds)
            wait_until(lambda: fired("job") + fired("sweep") + fired("cron") > before, 60, "a reminder")
            if fired("job") > 0:
                return
        raise AssertionError("no reminder was fired by its job")

    def use(self, n):
        """Every path once."""
        task = self.call("POST", "/api/tasks", {"title": f"t{n}", "tags": ["x"], "due_date": moment(3600)})
        self.call("GET", "/api/tasks?limit=5")
        self.call("GET", "/api/tasks/" + task["id"])
        self.call("PUT", "/api/tasks/" + task["id"], {"title": f"u{n}"})
        self.call("GET", f"/api/tasks/{task['id']}/history", wanted=(200, 404, 503))
        self.call("DELETE", "/api/tasks/" + task["id"])
        series = self.call("POST", "/api/tasks", {"title": f"s{n}", "recurrence_rule": "DAILY", "due_date": moment(3600)})
        self.call("PATCH", f"/api/tasks/{series['id']}/complete")
        ending = self.call("POST", "/api/tasks", {"title": f"e{n}", "recurrence_rule": "RRULE:FREQ=DAILY;COUNT=1", "due_date": moment(3600)},
                           wanted=(201, 422))
        if "id" in ending:
            self.call("PATCH", f"/api/tasks/{ending['id']}/complete")
        self.call("POST", "/api/ann/chat", {"message": f"add buy milk {n} tomorrow at 9am #home"})
        self.call("POST", "/api/ann/chat", {"message": "what is due this week?"})
        self.call("GET", "/api/ann/chat/history")
        self.call("POST", "/mcp", {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "list_tasks", "arguments": {}}},
                  headers={"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"})
        self.call("POST", "/api/calendar", wanted=(200, 201))
        bearer = self.bearer()
        self.raw("POST", "/api/import/calendar", CALENDAR.format(n=n), {**bearer, "Content-Type": "text/calendar"})
        self.raw("GET", "/api/tasks", headers={"Authorization": "Bearer nonsense"})
        self.raw("GET", "/nothing-here", headers=bearer)
        self.raw("GET", "/api/tasks", headers={"X-Long": "x" * 20000})
        self.call("GET", "/api/v1/audit-log", service="audit-service")
        self.call("GET", "/api/v1/deliveries", service="notification-service")
        self.remind()

    # What goes wrong.

    def edit_rules(self, text):
        path = os.path.join(self.rules, "task.lua")
        with open(path + ".new", "w") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def rules_taken(self, wanted):
        wait_until(lambda: self.cluster.metric("todo_rules_config_last_reload_successful") == wanted, 30, "the reload")

    def failing_rule(self):
        """Taken, since its examples come true, and fails for one title."""
        head = "function task.create("
        assert head in self.task_rules
        at = self.task_rules.index("\n", self.task_rules.index(head))
        first = self.task_rules[self.task_rules.index(head) + len(head):at].split(",")[0].split(")")[0].strip()
        before = self.cluster.metric("todo_rules_config_reloads_total", result="taken")
        self.edit_rules(self.task_rules[:at] + f'\n  if {first}.title == "{EXPLODES}" then error("on purpose") end' + self.task_rules[at:])
        wait_until(lambda: self.cluster.metric("todo_rules_config_reloads_total", result="taken") > before, 30, "the rule that fails")
        for _ in range(3):
            self.call("POST", "/api/tasks", {"title": EXPLODES})

    def broken_rule(self):
        self.edit_rules("return {")
        self.rules_taken(0)

    def mended_rule(self):
        self.edit_rules(self.task_rules)
        self.rules_taken(1)

    def poison(self):
        self.cluster.publish("task-events", json.dumps({"event_id": "nonsense"}), "application/json")

    def refuse_audit(self):
        self.cluster.sql("ALTER TABLE audit.audit_log RENAME TO audit_log_away")

    def take_audit(self):
        self.cluster.sql("ALTER TABLE audit.audit_log_away RENAME TO audit_log")

    def crowd(self, count):
        """More connections than the service takes, with a request under way on each; how many of them it refuses."""
        address = ("127.0.0.1", self.cluster.host_ports["chat-api"])
        crowd = []
        try:
            for _ in range(count):
                one = socket.create_connection(address, timeout=20)
                crowd.append(one)
                one.sendall(b"POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
            answered = select.select(crowd, [], [], 5)[0]
            return [one.recv(12) for one in answered].count(b"HTTP/1.1 503")
        except ConnectionError:
            return 0    # one that was refused is closed, perhaps before it is looked at
        finally:
            for one in crowd:
                one.close()

    def retries(self):
        return self.cluster.metric("events_handled_total", "audit-service", outcome="retry")

    def stop_database(self):
        postgres().stop("immediate")

    def start_database(self):
        postgres().start()
        for name in self.cluster.host_ports:
            self.cluster.wait_service(name)

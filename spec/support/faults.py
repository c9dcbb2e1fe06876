"""What the specs of faults share: events as services take them, and a case of programs on one database with a
sidecar of the specs."""

import concurrent.futures
import json
import signal
import subprocess
import unittest
import uuid

from sidecar import Sidecar
from system import HOST, ROOT, Host, Session, new_database, postgres, token, wait_until

FAST = {"USER_RATE": "1000000"}
SERVICES = ("chat-api", "notification-service", "recurring-task-service", "audit-service")


def failpoints():
    """{name: where}, empty for a release build."""
    done = subprocess.run([HOST, "failpoints"], cwd=ROOT, capture_output=True, text=True)
    return dict(line.split(None, 1) for line in done.stdout.splitlines()) if done.returncode == 0 else {}


def at_once(count, call):
    """Runs it so often side by side; what the calls returned. Where one raises, so does this."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return [done.result() for done in [pool.submit(call) for _ in range(count)]]


def lost(call):
    """No answer comes of this."""
    try:
        call()
        return False
    except OSError:
        return True
    except Exception as problem:
        if type(problem).__module__ != "http.client":
            raise
        return True


def completed(task=None, version=2, kind="task.completed", **payload):
    task = task or str(uuid.uuid4())
    event_id = str(uuid.uuid4())
    return {"specversion": "1.0", "id": event_id, "source": "chat-api", "type": kind, "data": {
        "event_id": event_id, "event_type": kind, "timestamp": "2026-01-01T10:00:00.000Z", "user_id": "ann", "task_id": task,
        "payload": {"id": task, "user_id": "ann", "title": "t", "description": None, "status": "completed", "priority": "medium", "tags": [],
                    "due_date": "2026-01-01T09:00:00.000Z", "reminder_offset_minutes": None, "remind_at": None, "is_recurring": True,
                    "recurrence_rule": "DAILY", "parent_task_id": None, "timezone": None, "repeat_from": "due_date", "version": version, **payload}}}


def triggered(**payload):
    task, event_id = str(uuid.uuid4()), str(uuid.uuid4())
    return {"specversion": "1.0", "id": event_id, "source": "chat-api", "type": "reminder.triggered", "data": {
        "event_id": event_id, "event_type": "reminder.triggered", "timestamp": "2026-01-01T10:00:00.000Z", "user_id": "ann", "task_id": task,
        "payload": {"task_id": task, "task_title": "t", "due_at": "2026-01-01T10:05:00.000Z", "remind_at": "2026-01-01T10:00:00.000Z",
                    "late_seconds": 0, **payload}}}


def next_of(parent, user="ann"):
    event_id = str(uuid.uuid4())
    return {"specversion": "1.0", "id": event_id, "source": "recurring-task-service", "type": "recurring.next", "data": {
        "event_id": event_id, "event_type": "recurring.next", "timestamp": "2026-01-01T00:00:00.000Z", "user_id": user, "task_id": parent,
        "payload": {"title": "next", "priority": "high", "tags": [], "due_date": "2027-02-01T09:00:00.000Z", "recurrence_rule": "DAILY",
                    "repeat_from": "due_date", "description": None, "reminder_offset_minutes": None, "timezone": None, "parent_task_id": parent}}}


# topic -> (service, what makes an event of it)
TAKES = {"task-events": ("audit-service", completed), "reminders": ("notification-service", triggered)}


class Case(unittest.TestCase):
    """Programs and a sidecar of the specs on one database."""

    def setUp(self):
        self.sidecar = Sidecar()
        self.sidecar.answer = lambda request: (204, None) if "/jobs/" in request.path else (500, {"errorCode": "ERR_DIRECT_INVOKE", "message": "none"})
        self.database = new_database()
        self.hosts = []

    def tearDown(self):
        try:
            for host in self.hosts:
                if host.process and host.process.poll() is None:
                    host.stop()
        finally:
            self.sidecar.stop()
            postgres().sql(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")

    def start(self, services=("chat-api",), start=True, points=None, **env):
        if points and not failpoints():
            self.skipTest("not a test build")
        env = {"DAPR_HTTP_PORT": str(self.sidecar.port), **FAST, **env}
        if points:
            env["FAILPOINTS"] = points
        host = Host(services, self.database, env=env, start=False)
        host.migrate()
        self.hosts.append(host)
        if start:
            host.start()
        return host

    def restart(self, host):
        """After its crash, as a supervisor does it, without failpoints."""
        self.assertEqual(host.process.wait(60), -signal.SIGKILL, host.log_text())
        host.process.stdout.close()
        host.env.pop("FAILPOINTS", None)
        host.start()

    def sql(self, text):
        return postgres().sql(text, self.database)

    def count(self, table):
        return int(self.sql(f"SELECT count(*) FROM {table}"))

    def drained(self, schema="chat", seconds=60):
        wait_until(lambda: self.count(schema + ".outbox") == 0, seconds, "an empty outbox")

    def deliver(self, host, topic, event, service=None, timeout=60):
        body = event if isinstance(event, bytes) else json.dumps(event)
        service = service or TAKES[topic][0]
        return host.post("/events/" + topic, body, port=host.port_of(service, inner=True), token=None, timeout=timeout,
                         headers={"Content-Type": "application/cloudevents+json"})

    def hold(self):
        """What `hold:7` of a failpoint waits for, until the session that this returns is ended."""
        return Session(postgres().url(self.database), "SELECT pg_advisory_lock(7);")

    def create_all(self, host, count, each=1, user="ann", **fields):
        """Makes so many tasks side by side, `each` after the other, and returns their ids. Where the database does not get
        to one in time that is 503, and it is asked for again."""
        def create():
            key = str(uuid.uuid4())
            reply = wait_until(lambda: (reply := host.post("/api/tasks", {"title": "t", **fields}, token=token(user),
                                                           headers={"Idempotency-Key": key})).status != 503 and reply, what="an answer")
            self.assertEqual(reply.status, 201, reply.body)
            return reply.json["id"]
        return {id_ for ids in at_once(count, lambda: [create() for _ in range(each)]) for id_ in ids}

    def delivered(self, host, topic, event, service=None):
        """As the sidecar does it: until there is an answer."""
        replies = []

        def done():
            try:
                replies.append(self.deliver(host, topic, event, service))
            except OSError:
                return False
            self.assertIn(replies[-1].status, (200, 503), replies[-1].body)
            return replies[-1].status == 200
        wait_until(done, 30, "an answer")
        return replies[-1].json

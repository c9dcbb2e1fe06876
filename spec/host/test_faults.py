"""Faults on purpose, one at a time: crashes at named places, frozen and stuck processes, a database and a
sidecar that misbehave. spec/chaos/README.md says which fault is shown where."""

import calendar
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import SERVICES, Case, at_once, completed, failpoints, lost, next_of, triggered  # noqa: E402
from proxy import Proxy  # noqa: E402
from sidecar import Sidecar  # noqa: E402
from system import HOST, PATIENCE, ROOT, Postgres, postgres, token, wait_until  # noqa: E402



class Failpoints(Case):
    """A test build ends, waits or is stuck at each of its named places."""

    def setUp(self):
        if not failpoints():
            self.skipTest("not a test build")
        super().setUp()

    def test_after_commit_a_retry_has_the_first_answer(self):
        host = self.start(points="after_commit=crash")
        create = lambda: host.post("/api/tasks", {"title": "once"}, headers={"Idempotency-Key": "k"})  # noqa: E731
        self.assertTrue(lost(create))
        self.restart(host)
        reply = create()
        self.assertEqual((reply.status, reply.json["title"], self.count("chat.task")), (201, "once", 1))
        self.drained()
        events = self.sidecar.of("task-events")
        self.assertEqual(({k for k, _ in events}, len({e["id"] for _, e in events})), ({reply.json["id"]}, 1))

    def test_before_outbox_delete_the_event_comes_twice_with_one_id(self):
        # The first delete is of task-events and task-updates both.
        host = self.start(points="before_outbox_delete=crash@1")
        lost(lambda: host.post("/api/tasks", {"title": "t"}))    # it may have been answered before
        self.restart(host)
        self.drained()
        events = [e for _, e in self.sidecar.of("task-events")]
        self.assertEqual((len(events), len({e["id"] for e in events})), (2, 1))
        audit = self.start(("audit-service",))
        for event in events:
            self.assertEqual(self.delivered(audit, "task-events", event), {"status": "SUCCESS"})
        self.assertEqual(self.count("audit.audit_log"), 1)

    def consumer(self, point, service, topic, event, table):
        """Crashes there; redelivered it has one effect. How many it had after the crash."""
        host = self.start((service,), points=point + "=crash")
        self.assertTrue(lost(lambda: self.deliver(host, topic, event, service)))
        self.restart(host)
        before = self.count(table)
        for _ in range(2):
            self.assertEqual(self.delivered(host, topic, event, service), {"status": "SUCCESS"})
        self.assertEqual(self.count(table), 1)
        return before

    def test_before_effect_commit(self):
        for service, topic, event, table in self.consumers():
            with self.subTest(service):
                self.assertEqual(self.consumer("before_effect_commit", service, topic, event, table), 0)

    def test_after_effect(self):
        for service, topic, event, table in self.consumers():
            with self.subTest(service):
                self.assertEqual(self.consumer("after_effect", service, topic, event, table), 1)

    def consumers(self):
        yield "audit-service", "task-events", completed(), "audit.audit_log"
        yield "notification-service", "reminders", triggered(), "notify.delivery"
        yield "recurring-task-service", "task-events", completed(), "recur.inbox"
        parent = str(uuid.uuid4())
        self.sql("INSERT INTO chat.task (id, user_id, title, status, priority, repeat_from, version, created_at, updated_at)"
                 f" VALUES ('{parent}', 'ann', 't', 'completed', 'low', 'due_date', 2, now(), now())")
        yield "chat-api", "recurring-tasks", next_of(parent), "chat.task WHERE parent_task_id IS NOT NULL"

    def reminder(self, point):
        """Fires a reminder that crashes there; its events afterwards, and how many had been written."""
        host = self.start()
        due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        task = host.post("/api/tasks", {"title": "t", "due_date": due, "reminder_offset_minutes": 5}).json
        host.stop()
        self.sql("UPDATE chat.reminder SET remind_at = clock_timestamp() - interval '3 seconds'")
        self.sidecar.behave = lambda topic, entries: (500, {}) if topic == "reminders" else None
        if point not in failpoints():
            self.skipTest("not a test build")
        host.env["FAILPOINTS"] = point + "=crash"
        host.start(wait=False)    # the sweep fires it at once
        self.assertEqual(host.process.wait(60), -signal.SIGKILL, host.log_text())
        written = self.sql("SELECT count(*) FROM chat.outbox WHERE topic = 'reminders'")
        del host.env["FAILPOINTS"]
        self.sidecar.behave = None
        host.start()
        wait_until(lambda: self.sidecar.of("reminders"), 20, "the event")
        self.drained()
        reply = host.post("/job/reminder-" + task["id"], {"task_id": task["id"], "version": 1}, port=host.base + 1000, token=None)
        self.assertEqual(reply.json, {"fired": False})
        self.assertEqual(len({e["id"] for _, e in self.sidecar.of("reminders")}), 1)
        return written

    def test_before_reminder_commit_it_fires_once(self):
        self.assertEqual(self.reminder("before_reminder_commit"), "0")

    def test_after_reminder_commit_it_fires_once(self):
        self.assertEqual(self.reminder("after_reminder_commit"), "1")

    def test_after_delivery_a_reminder_goes_out_once_more_and_is_announced_once(self):
        host = self.start(("notification-service",), points="after_delivery=crash")
        event = triggered()
        lost(lambda: self.deliver(host, "reminders", event))    # it may have been answered before
        self.restart(host)
        self.delivered(host, "reminders", event)
        wait_until(lambda: self.count("notify.delivery WHERE state = 'sent'") == 1, 30, "the delivery")
        self.drained("notify")
        self.assertEqual(self.count("notify.delivery"), 1)
        self.assertEqual(len({e["id"] for _, e in self.sidecar.of("task-updates")}), 1)

    def test_before_ack_delete_a_message_comes_again(self):
        both = self.start(("audit-service", "sidecar"), start=False, points="before_ack_delete=crash")
        del both.env["DAPR_HTTP_PORT"]
        both.env["SIDECAR_PORT"] = str(both.base + 2000)
        both.start()
        event = completed()
        publish = lambda: both.post("/v1.0/publish/pubsub/task-events", event, port=both.base + 2003, token=None,  # noqa: E731
                                    headers={"Content-Type": "application/cloudevents+json"})
        wait_until(lambda: self.count("sidecar.app WHERE subscriptions <> '[]'") == 1, 20, "the subscription")
        lost(publish)
        self.assertEqual(both.process.wait(60), -signal.SIGKILL, both.log_text())
        self.assertEqual((self.count("audit.audit_log"), self.count("sidecar.delivery")), (1, 1))
        both.env.pop("FAILPOINTS")
        both.start()
        wait_until(lambda: self.count("sidecar.delivery") == 0, 30, "the second delivery")
        self.assertEqual(self.count("audit.audit_log"), 1)

    def test_before_start_a_call_is_for_later_and_never_404(self):
        held = self.hold()
        host = self.start(("audit-service",), start=False, points="before_start=hold:7")
        host.start(wait=False)
        inner = host.port_of("audit-service", inner=True)
        wait_until(lambda: not lost(lambda: host.get("/health", token=None, port=host.port_of("audit-service"))), 30, "its port")
        self.assertEqual(host.get("/ready", token=None, port=host.port_of("audit-service")).status, 503)
        self.assertEqual({host.get(path, token=None, port=inner).status for path in ("/dapr/config", "/events/task-events", "/job/x", "/nothing")}, {503})
        # Dapr asks once: what it is told at the first moment is the truth.
        told = host.get("/dapr/subscribe", token=None, port=inner)
        self.assertEqual((told.status, [s["topic"] for s in told.json]), (200, ["task-events"]))
        self.assertEqual(host.get("/ready", token=None, port=host.port_of("audit-service")).status, 503)
        event = completed()
        self.assertEqual(self.deliver(host, "task-events", event).status, 503)
        held.end()
        self.assertEqual(self.delivered(host, "task-events", event), {"status": "SUCCESS"})

    def test_before_start_the_sidecar_takes_no_message_that_it_cannot_keep(self):
        audit = self.start(("audit-service",))
        held = self.hold()
        host = self.start(("sidecar",), start=False, points="before_start=hold:7")
        base = host.base
        host.env.update(PORT=str(base), SIDECAR_APPS=f"audit-service={audit.port_of('audit-service', inner=True)}:{base + 2000}")
        host.start(wait=False)
        event, port = completed(), base + 2000
        replies = []

        def publish():
            lost(lambda: replies.append(host.post("/v1.0/publish/pubsub/task-events", event, port=port, token=None,
                                                  headers={"Content-Type": "application/cloudevents+json"})))
            return replies
        wait_until(publish, 30, "an answer before its start")
        held.end()
        wait_until(lambda: publish()[-1].status == 204, 30, "the sidecar to take it")
        self.assertEqual((replies[0].status, {r.status for r in replies}), (503, {503, 204}))
        wait_until(lambda: self.count("audit.audit_log") == 1, 20, "the delivery")

    def test_spin_the_watchdog_ends_a_process_that_is_stuck(self):
        host = self.start(points="after_commit=spin:60000")
        other = self.start()
        self.assertTrue(lost(lambda: host.post("/api/tasks", {"title": "stuck"}, headers={"Idempotency-Key": "s"}, timeout=60)))
        self.assertEqual(host.process.wait(60), -signal.SIGABRT)
        log = host.log_text()
        stuck, gave_up = log.index("a worker's loop is stuck"), log.index("a worker's loop stays stuck: giving up")
        self.assertIn("todo-host(", log[stuck:gave_up], "the stack of the thread")
        self.assertEqual(other.post("/api/tasks", {"title": "stuck"}, headers={"Idempotency-Key": "s"}).status, 201)
        self.assertEqual(self.count("chat.task"), 1)
        host.process.stdout.close()
        del host.env["FAILPOINTS"]
        host.start()
        self.drained()

    def test_every_failpoint_is_visited_by_a_spec(self):
        points = failpoints()
        if not points:
            self.skipTest("not a test build")
        text = ""
        for folder in ("spec/host", "spec/dapr"):
            for name in os.listdir(os.path.join(ROOT, folder)):
                if name.endswith(".py"):
                    with open(os.path.join(ROOT, folder, name)) as file:
                        text += file.read()
        for point in points:
            self.assertRegex(text, rf'"{point}(=|")', f"no spec arms {point}")

    def test_every_failpoint_is_in_the_scripts_and_an_unknown_one_stops_the_start(self):
        points = failpoints()
        if not points:
            self.skipTest("not a test build")
        hit = set()
        for folder, _, names in os.walk(os.path.join(ROOT, "scripts")):
            for name in names:
                if name.endswith(".lua"):
                    with open(os.path.join(folder, name)) as file:
                        hit |= set(re.findall(r'failpoint\.hit\("(\w+)"\)', file.read()))
        self.assertEqual(hit, set(points))
        host = self.start(start=False, points="nowhere=crash")
        host.start(wait=False)
        self.assertEqual(host.process.wait(60), 1)
        host.process.stdout.close()


class Relay(Case):
    def owner_of_all(self, host):
        wait_until(lambda: self.sql("SELECT count(*) FROM chat.relay_lease WHERE expires_at > clock_timestamp()") == "16", 20, "all leases")
        return self.sql("SELECT min(owner) FROM chat.relay_lease")

    def taken_over(self, first):
        wait_until(lambda: self.sql(f"SELECT count(*) FROM chat.relay_lease WHERE owner = '{first}'") == "0", 15, "the takeover")

    def test_a_frozen_owner_is_replaced(self):
        host, other = self.start(), None
        first = self.owner_of_all(host)
        host.process.send_signal(signal.SIGSTOP)
        try:
            other = self.start()
            self.taken_over(first)
            ids = self.create_all(other, 20)
            self.drained()
        finally:
            host.process.send_signal(signal.SIGCONT)
        ids |= self.create_all(host, 20)
        self.drained()
        events = [e for _, e in self.sidecar.of("task-events")]
        self.assertEqual(({e["data"]["task_id"] for e in events}, len({e["id"] for e in events})), (ids, 40))

    def test_an_owner_that_was_replaced_deletes_nothing_late(self):
        """It stands between the broker's answer and its delete until another owns the bucket, whose broker is away."""
        held = self.hold()
        host = self.start(points="before_outbox_delete=hold:7@1")
        first = self.owner_of_all(host)
        down = threading.Event()
        self.sidecar.behave = lambda topic, entries: (500, {}) if down.is_set() else None
        task = host.post("/api/tasks", {"title": "t"}).json["id"]
        wait_until(lambda: len(self.sidecar.of("task-events")) == 1 and len(self.sidecar.of("task-updates")) == 1, 30, "both events")
        down.set()
        self.start()
        self.taken_over(first)
        # It deletes, goes on, and says that it lives.
        held_until = self.sql("SELECT clock_timestamp()")
        held.end()
        wait_until(lambda: self.sql(f"SELECT count(*) FROM chat.relay_member WHERE owner = '{first}' AND seen_at > '{held_until}'") == "1",
                   30, "it to go on")
        self.assertEqual(self.count("chat.outbox"), 2, "a delete came through the fence")
        down.clear()
        self.drained()
        events = [e for k, e in self.sidecar.of("task-events") if k == task]
        self.assertEqual((len(events), len({e["id"] for e in events})), (2, 1))

    def test_an_answer_that_is_lost_means_the_same_id_again(self):
        cut = [3]

        def behave(topic, entries):
            if topic == "task-events" and cut[0] > 0:
                cut[0] -= 1
                for entry in entries:
                    self.sidecar.events.append((topic, entry["metadata"]["partitionKey"], entry["event"]))
                return None, None    # taken, and the connection ends
        self.sidecar.behave = behave
        host = self.start()
        ids = self.create_all(host, 10)
        self.drained()
        events = [e for _, e in self.sidecar.of("task-events")]
        self.assertGreater(len(events), 10)
        self.assertEqual((len({e["id"] for e in events}), {e["data"]["task_id"] for e in events}), (10, ids))
        audit = self.start(("audit-service",))
        for event in events:
            self.assertEqual(self.delivered(audit, "task-events", event), {"status": "SUCCESS"})
        self.assertEqual(self.count("audit.audit_log"), 10)

    def test_a_sidecar_that_answers_500_is_asked_ever_less_and_costs_nothing(self):
        self.sidecar.behave = lambda topic, entries: (500, {"errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE", "message": "broker"})
        host = self.start()
        ids = self.create_all(host, 60)
        wait_until(lambda: self.sidecar.calls >= 8, 60, "some tries")
        calls, began, spent = self.sidecar.calls, time.monotonic(), self.cpu_of(host)
        wait_until(lambda: time.monotonic() - began > 4 or self.sidecar.calls - calls > 40, 10, "time to pass")
        self.assertLess(self.sidecar.calls - calls, 40, "it does not back off")
        self.assertLess((self.cpu_of(host) - spent) / (time.monotonic() - began), 0.5)
        self.sidecar.behave = None
        self.drained()
        self.assertEqual({k for k, _ in self.sidecar.of("task-events")}, ids)

    def cpu_of(self, host):
        with open(f"/proc/{host.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_a_sidecar_that_never_answers_leaks_no_descriptor(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(256)
            taken = []
            threading.Thread(target=lambda: self.accept(silent, taken), daemon=True).start()
            host = self.start(DAPR_HTTP_PORT=str(silent.getsockname()[1]))
            before = len(os.listdir(f"/proc/{host.process.pid}/fd"))
            for _ in range(5):
                self.create_all(host, 30)
            wait_until(lambda: len(taken) >= 4, 60, "some calls that end by their time")
            self.assertLess(len(os.listdir(f"/proc/{host.process.pid}/fd")) - before, 64 + 60)
            self.assertEqual(host.get("/api/tasks").status, 200)
            self.assertEqual(self.count("chat.outbox"), 300)
            for connection in taken:
                connection.close()

    def accept(self, server, taken):
        while True:
            try:
                taken.append(server.accept()[0])
            except OSError:
                return

    def test_a_backlog_is_drained_in_order_with_flat_memory(self):
        tasks, versions = 2000, 10
        port = self.sidecar.port
        self.sidecar.stop()
        host = self.start(start=False)
        self.sql("INSERT INTO chat.outbox (topic, key, version, event_id, event_type, data) SELECT 'task-events', md5(k::text)::uuid, v, md5(k || '/' || v)::uuid,"
                 " 'task.updated', json_build_object('event_id', md5(k || '/' || v)::uuid, 'event_type', 'task.updated', 'user_id', 'ann', 'task_id', md5(k::text)::uuid,"
                 " 'payload', json_build_object('version', v, 'title', repeat('x', 300)))::text"
                 f" FROM generate_series(1, {versions}) v, generate_series(1, {tasks}) k")
        host.start()
        self.create_all(host, 10)
        before = self.resident(host)
        self.sidecar = Sidecar(port)
        self.sidecar.answer = lambda request: (204, None)
        highest, replies = 0, []
        while self.count("chat.outbox") > 0:
            highest = max(highest, self.resident(host))
            replies.append(host.post("/api/tasks", {"title": "meanwhile"}).status)
        self.assertEqual(set(replies), {201})
        kept = 256 if "san" in HOST else 0   # MiB of freed memory that a sanitizer keeps aside
        self.assertLess(highest - before, 100 + kept, "MiB")
        seen, ids = {}, set()
        for key, event in self.sidecar.of("task-events"):
            # What was published and not answered in time comes again.
            if event["type"] == "task.updated" and event["id"] not in ids:
                ids.add(event["id"])
                seen.setdefault(key, []).append(event["data"]["payload"]["version"])
        self.assertEqual((len(seen), {tuple(v) for v in seen.values()}), (tasks, {tuple(range(1, versions + 1))}))

    def resident(self, host):
        with open(f"/proc/{host.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize() // 1048576


class Consumers(Case):
    def test_one_event_a_thousand_times(self):
        host = self.start(("audit-service", "recurring-task-service", "notification-service"))
        for service, topic, event, table in (("audit-service", "task-events", completed(), "audit.audit_log"),
                                             ("recurring-task-service", "task-events", completed(), "recur.inbox"),
                                             ("notification-service", "reminders", triggered(), "notify.delivery")):
            # What has waited too long for another's commit is 503, and the sidecar brings it again.
            replies = at_once(40, lambda: [self.delivered(host, topic, event, service)["status"] for _ in range(25)])
            self.assertEqual((len(replies), {status for list_ in replies for status in list_}), (40, {"SUCCESS"}), service)
            self.assertEqual(self.count(table), 1, service)
        self.drained("recur")
        self.assertEqual(len({e["id"] for _, e in self.sidecar.of("recurring-tasks")}), 1)

    def test_a_poison_event_is_kept_whatever_its_size(self):
        host = self.start(SERVICES)
        for service, topic, dead in (("audit-service", "task-events", "audit.dead_event"), ("recurring-task-service", "task-events", "recur.dead_event"),
                                     ("notification-service", "reminders", "notify.dead_event"), ("chat-api", "recurring-tasks", "chat.dead_event")):
            good = completed()
            poison = [b"{", json.dumps({**good, "data": {**good["data"], "task_id": None}}).encode(),
                      json.dumps({**good, "data": {**good["data"], "payload": 5}}).encode(),
                      json.dumps(completed(title="x" * 200000, priority=5)).encode() if topic == "task-events" and service == "recurring-task-service" else b"[" * 100]
            for body in poison:
                self.assertEqual(self.delivered(host, topic, body, service), {"status": "DROP"}, (service, body[:80]))
            self.assertEqual(self.count(dead), len(poison), service)

    def test_a_poison_event_of_2_mib_does_not_hold_up_its_partition(self):
        """A 413 would be "later" for Dapr, for ever."""
        host = self.start(SERVICES)
        for service, topic, dead in (("audit-service", "task-events", "audit.dead_event"), ("recurring-task-service", "task-events", "recur.dead_event"),
                                     ("notification-service", "reminders", "notify.dead_event"), ("chat-api", "recurring-tasks", "chat.dead_event")):
            for body in (json.dumps(completed(description="x" * 2 * 1024 * 1024)).encode(), b"\xff\0" * 1024 * 1024):
                self.assertEqual(self.delivered(host, topic, body, service), {"status": "DROP"}, service)
            self.assertEqual(self.sql(f"SELECT count(*), max(octet_length(body)) <= 65536 FROM {dead} WHERE error LIKE '%larger than%'"), "2|t", service)
        for path in ("/dapr/subscribe", "/job/reminder-x", "/nothing"):
            reply = host.post(path, b"x" * 300000, port=host.base + 1000, token=None)
            self.assertEqual(reply.status, 413, path)

    def test_both_makers_of_a_next_task_race_and_one_is_killed(self):
        """Two programs get the same call for it, again and again; one is killed in between."""
        one, two = self.start(), self.start()
        for round_ in range(5):
            parents = [one.post("/api/tasks", {"title": "t", "recurrence_rule": "DAILY", "due_date": "2027-01-31T09:00:00Z"}).json["id"] for _ in range(8)]
            events = [next_of(parent) for parent in parents]
            threads = [threading.Thread(target=lost, args=(lambda e=e, h=h: self.deliver(h, "recurring-tasks", e, "chat-api"),)) for e in events for h in (one, two)]
            threads += [threading.Thread(target=lost, args=(lambda p=p: two.call("PATCH", f"/api/tasks/{p}/complete"),)) for p in parents]
            for thread in threads:
                thread.start()
            one.kill()
            for thread in threads:
                thread.join()
            one.process.stdout.close()
            one.start()
            for event in events:
                self.assertEqual(self.delivered(one, "recurring-tasks", event, "chat-api"), {"status": "SUCCESS"})
            counts = self.sql("SELECT count(*), count(DISTINCT parent_task_id) FROM chat.task WHERE parent_task_id = ANY ('{" + ",".join(parents) + "}'::uuid[])")
            self.assertEqual(counts, "8|8", f"round {round_}")


class Database(Case):
    def setUp(self):
        super().setUp()
        self.pg = None

    def tearDown(self):
        super().tearDown()
        if self.pg:
            self.pg.remove()

    def start_on(self, pg, **env):
        self.pg = pg
        pg.sql("CREATE DATABASE d")
        host = self.start(start=False, DATABASE_URL=pg.url("d"), **env)
        host.start()
        return host

    def test_too_many_connections_are_no_storm(self):
        pg = Postgres()
        pg.sql("ALTER SYSTEM SET max_connections = 8")
        pg.sql("ALTER SYSTEM SET superuser_reserved_connections = 0")
        pg.stop()
        pg.start()
        slots = 20
        host = self.start_on(pg, DB_CONNECTIONS=str(slots))
        refused = lambda: pg.log_text().count("too many clients")  # noqa: E731
        wait_until(lambda: refused() > 0, 30, "a refusal")
        before, began = refused(), time.monotonic()
        for _ in range(20):
            self.assertEqual(host.post("/api/tasks", {"title": "t"}).status, 201)
        wait_until(lambda: time.monotonic() - began > 4, 10, "time to pass")
        self.assertLess(refused() - before, slots * (time.monotonic() - began) * 3)
        self.assertEqual(host.get("/api/tasks").status, 200)

    def test_a_database_that_swallows_everything_is_noticed_and_found_again(self):
        way = Proxy(postgres().port)
        self.addCleanup(way.stop)
        host = self.start(DATABASE_URL=postgres().url(self.database).replace(f":{postgres().port}/", f":{way.port}/"))
        self.assertEqual(host.post("/api/tasks", {"title": "before"}).status, 201)
        way.way = "hole"
        self.assertEqual(host.post("/api/tasks", {"title": "meanwhile"}, timeout=60).status, 503)
        wait_until(lambda: host.get("/ready", token=None).status == 503, 60, "not ready")
        self.assertEqual(host.get("/health", token=None).status, 200)
        self.assertEqual(host.get("/api/tasks", timeout=60).status, 503)
        way.way = "open"
        wait_until(lambda: host.get("/ready", token=None).status == 200, 60, "ready")
        self.assertEqual(host.post("/api/tasks", {"title": "after"}).status, 201)
        titles = [t["title"] for t in host.get("/api/tasks").json]
        self.assertEqual(sorted(set(titles) - {"meanwhile"}), ["after", "before"])

    def test_a_full_disk_is_503_and_nothing_is_half_done(self):
        folder = "/tmp/todo-spec-full-" + uuid.uuid4().hex[:8]
        os.mkdir(folder)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", folder], capture_output=True).returncode == 0
        self.addCleanup(lambda: (subprocess.run(["umount", "-l", folder], capture_output=True), os.path.isdir(folder) and os.rmdir(folder)))
        if not mounted:
            self.skipTest("a tmpfs cannot be mounted here")
        pg = Postgres()
        pg.stop()
        subprocess.run(["cp", "-a", pg.data, folder], check=True)
        pg.data = os.path.join(folder, "data")
        pg.start()
        host = self.start_on(pg, OUTBOX_MAX_MB="1024")
        self.sidecar.behave = lambda topic, entries: (500, {})    # the outbox keeps what it has
        kept = [host.post("/api/tasks", {"title": f"t{i}"}).json["id"] for i in range(20)]
        filler = os.path.join(folder, "filler")
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(b"x" * 65536)
            except OSError:
                pass
        statuses, answered = [], []

        def full():
            try:
                reply = host.post("/api/tasks", {"title": "x" * 200, "description": "y" * 2000})
            except OSError:
                return False
            statuses.append(reply.status)
            if reply.status == 201:
                answered.append(reply.json["id"])
            return reply.status != 201
        wait_until(full, 60, "a full disk")
        self.assertLessEqual(set(statuses), {201, 503})
        os.remove(filler)

        def again():
            if not os.path.exists(os.path.join(pg.data, "postmaster.pid")):
                pg.start()      # it gives up where it finds no room even to recover
            try:
                return host.post("/api/tasks", {"title": "again"}).status == 201
            except OSError:
                return False
        wait_until(again, 60, "writes again")
        stored = set(pg.sql("SELECT id FROM chat.task", "d").split())
        self.assertEqual(set(kept + answered) - stored, set())
        self.assertEqual(pg.sql("SELECT count(*) FROM chat.task t WHERE (SELECT count(*) FROM chat.outbox o WHERE o.key = t.id) <> 2", "d"), "0")
        self.sidecar.behave = None
        wait_until(lambda: pg.sql("SELECT count(*) FROM chat.outbox", "d") == "0", 60, "an empty outbox")
        self.assertLessEqual(set(kept + answered), {k for k, _ in self.sidecar.of("task-events")})
        host.stop()

    def test_statements_that_conflict_are_tried_again_in_silence(self):
        host = self.start()
        self.sql("CREATE SEQUENCE public.conflicts; CREATE FUNCTION public.conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                 " IF NEW.title = 'always' OR NEW.title = 'twice' AND nextval('public.conflicts') <= 2 THEN RAISE EXCEPTION 'made up' USING ERRCODE = '40001'; END IF;"
                 " RETURN NEW; END $$; CREATE TRIGGER conflict BEFORE INSERT ON chat.task FOR EACH ROW EXECUTE FUNCTION public.conflict()")
        self.assertEqual(host.post("/api/tasks", {"title": "twice"}).status, 201)
        replies = at_once(4, lambda: host.post("/api/tasks", {"title": "fine"}).status) + [host.post("/api/tasks", {"title": "always"}).status]
        self.assertEqual(replies, [201] * 4 + [503])
        self.assertEqual(self.count("chat.task"), 5)


class Outage(Case):
    def test_a_thousand_reminders_that_an_outage_covered(self):
        """The whole system was away for two hours: the reminders' times are moved, not the clock."""
        host = self.start((*SERVICES, "sidecar"), start=False)
        del host.env["DAPR_HTTP_PORT"]
        host.env["SIDECAR_PORT"] = str(host.base + 2000)
        host.start()
        wait_until(lambda: self.count("sidecar.app WHERE subscriptions <> '[]'") == 4, 30, "the subscriptions")
        due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))
        self.assertEqual(len(self.create_all(host, 20, each=50, due_date=due, reminder_offset_minutes=5)), 1000)
        host.kill()
        host.process.stdout.close()
        self.sql("UPDATE chat.reminder SET remind_at = clock_timestamp() - interval '2 hours' + random() * interval '110 minutes'")
        host.start()
        began = time.monotonic()
        slowest = 0
        while self.count("notify.delivery WHERE state = 'sent'") < 1000 and time.monotonic() - began < 300:
            at = time.monotonic()
            self.assertEqual(host.post("/api/tasks", {"title": "meanwhile"}).status, 201)
            slowest = max(slowest, time.monotonic() - at)
        took = time.monotonic() - began
        self.assertEqual(self.sql("SELECT count(*), count(DISTINCT task_id), count(DISTINCT event_id) FROM notify.delivery WHERE state = 'sent'"), "1000|1000|1000")
        self.assertEqual(self.count("notify.delivery"), 1000)
        self.assertEqual(self.count("chat.reminder"), 0)
        self.assertLess(took, 30 * PATIENCE)
        self.assertLess(slowest, 5 * PATIENCE)
        wait_until(lambda: host.log_text().count('"msg":"reminder"') >= 1000, what="the log's lines")
        self.assertEqual(len(re.findall(r'"msg":"reminder".*"late_seconds":[1-9]\d\d', host.log_text())), 1000)


FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@unittest.skipUnless(os.path.exists(FAKETIME) and "san" not in HOST, "without faketime, or with a sanitizer")
class Clock(Case):
    """The host's clock is an hour off; the database's, which counts for reminders, is right."""

    def off_by(self, shift):
        host = self.start(start=False, LD_PRELOAD=FAKETIME, FAKETIME=shift, FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1")
        host.start()
        long = token(exp=int(time.time()) + 86400, iat=int(time.time()) - 7200)
        at = lambda seconds: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))  # noqa: E731
        late = host.post("/api/tasks", {"title": "late", "due_date": at(5 * 3600), "reminder_offset_minutes": 60}, token=long)
        soon = host.post("/api/tasks", {"title": "soon", "due_date": at(5 * 3600), "reminder_offset_minutes": 60}, token=long)
        self.assertEqual((late.status, soon.status), (201, 201), soon.body)
        seen = calendar.timegm(time.strptime(soon.json["created_at"][:19], "%Y-%m-%dT%H:%M:%S"))
        self.assertGreater(abs(seen - time.time()), 3000, "the clock is not off")
        self.sql(f"UPDATE chat.reminder SET remind_at = clock_timestamp() + interval '30 minutes' WHERE task_id = '{late.json['id']}';"
                 f"UPDATE chat.reminder SET remind_at = clock_timestamp() + interval '1 second' WHERE task_id = '{soon.json['id']}'")
        wait_until(lambda: self.sidecar.of("reminders"), 20, "the reminder that is due")
        self.drained()
        self.assertEqual({k for k, _ in self.sidecar.of("reminders")}, {soon.json["id"]})
        reply = host.post("/job/reminder-" + late.json["id"], {"task_id": late.json["id"], "version": 1}, port=host.base + 1000, token=None)
        self.assertEqual(reply.json, {"fired": False})
        self.assertEqual(self.count("chat.reminder"), 1)

    def test_an_hour_ahead_no_reminder_comes_early(self):
        self.off_by("+1h")

    def test_an_hour_behind_no_reminder_is_lost(self):
        self.off_by("-1h")


if __name__ == "__main__":
    unittest.main()

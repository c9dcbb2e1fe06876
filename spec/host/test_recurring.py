"""recurring-task-service: completions as Dapr delivers them, and the events that call for the next occurrence."""

import http.client
import json
import os
import sys
import threading
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from sidecar import Sidecar  # noqa: E402
from system import Host, HostCase, Postgres, new_database, postgres, wait_until  # noqa: E402

SERVICE = "recurring-task-service"
TOKEN = "inner-token-0123456789"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def completed(task=None, kind="task.completed", at="2026-01-05T10:00:00.000Z", **payload):
    task = task or str(uuid.uuid4())
    event_id = str(uuid.uuid4())
    return {"specversion": "1.0", "id": event_id, "source": "chat-api", "type": kind, "traceparent": "", "data": {
        "event_id": event_id, "event_type": kind, "timestamp": at, "user_id": "ann", "task_id": task, "payload": {
            "id": task, "title": "water the plants", "description": None, "status": "completed", "priority": "medium",
            "due_date": "2026-01-05T09:00:00.000Z", "user_id": "ann", "created_at": "2026-01-01T00:00:00.000Z",
            "updated_at": at, "tags": [], "reminder_offset_minutes": None, "remind_at": None, "is_recurring": True,
            "recurrence_rule": "DAILY", "parent_task_id": None, "timezone": None, "repeat_from": "due_date", "version": 2,
            **payload}}}


def completion_of(event):
    """The next occurrence, as chat-api makes it, is completed."""
    return completed(event["data"]["payload"]["id"], **{**event["data"]["payload"], "status": "completed"})


def post(host, event, headers=None, **more):
    body = event if isinstance(event, (bytes, str)) else json.dumps(event)
    return host.post("/events/task-events", body, port=host.port_of(SERVICE, inner=True), token=None, headers={
        "Content-Type": "application/cloudevents+json", "dapr-api-token": TOKEN, **(headers or {})}, **more)


def in_parallel(count, fn):
    threads = [threading.Thread(target=fn) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


class Recurring(HostCase):
    services = (SERVICE,)

    @classmethod
    def setUpClass(cls):
        cls.sidecar = Sidecar()
        cls.env = {"APP_API_TOKEN": TOKEN, "DAPR_HTTP_PORT": str(cls.sidecar.port)}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.sidecar.stop()

    def deliver(self, event, headers=None):
        return post(self.host, event, headers)

    def answer(self, event):
        reply = self.deliver(event)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json["status"]

    def sql(self, text):
        return postgres().sql(text, self.host.database)

    def called_for(self, parent):
        """All events that a completed task has led to, once nothing waits to be published."""
        wait_until(lambda: self.sql("SELECT count(*) FROM recur.outbox") == "0", what="an empty outbox")
        return [event for key, event in self.sidecar.of("recurring-tasks") if key == parent]

    def next_of(self, event):
        self.assertEqual(self.answer(event), "SUCCESS")
        events = self.called_for(event["data"]["task_id"])
        self.assertEqual(len(events), 1)
        return events[0]

    def dues(self, event, count):
        """The due dates of the chain: each next occurrence is completed in its turn."""
        found = []
        for _ in range(count):
            following = self.next_of(event)
            found.append(following["data"]["payload"]["due_date"])
            event = completion_of(following)
        return found

    def metric(self, name):
        text = self.host.get("/metrics", token=None, port=self.host.port_of(SERVICE)).body.decode()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    def test_tells_dapr_its_subscription(self):
        reply = self.host.get("/dapr/subscribe", port=self.host.port_of(SERVICE, inner=True), headers={"dapr-api-token": TOKEN})
        self.assertEqual(reply.json, [{"pubsubname": "pubsub", "topic": "task-events", "route": "/events/task-events",
                                       "deadLetterTopic": "task-events-dead", "metadata": {"types": "task.completed"},
                                       "bulkSubscribe": {"enabled": True, "maxMessagesCount": 32, "maxAwaitDurationMs": 20}}])

    def test_calls_for_the_next_occurrence(self):
        made = self.metric("recurring_next_total")
        event = completed(title="Müll \"raus\"", description="beide\nTonnen", priority="high", tags=["home", "ümlaut"],
                          reminder_offset_minutes=30, timezone="Europe/Berlin", due_date="2026-03-28T08:00:00.000Z",
                          remind_at="2026-03-28T07:30:00.000Z", recurrence_rule="FREQ=DAILY;COUNT=5")
        event["traceparent"] = TRACE
        following = self.next_of(event)
        data, parent = following["data"], event["data"]["task_id"]
        self.assertEqual((following["id"], following["type"], following["source"], following["traceparent"]),
                         (data["event_id"], "recurring.next", SERVICE, TRACE))
        self.assertEqual((data["event_type"], data["user_id"], data["task_id"]), ("recurring.next", "ann", parent))
        self.assertEqual(str(uuid.UUID(data["payload"]["id"])), data["payload"]["id"])
        self.assertNotIn(data["payload"]["id"], (parent, data["event_id"]))
        self.assertEqual({k: v for k, v in data["payload"].items() if k != "id"}, {
            "title": "Müll \"raus\"", "description": "beide\nTonnen", "status": "pending", "priority": "high",
            "due_date": "2026-03-29T07:00:00.000Z", "tags": ["home", "ümlaut"], "reminder_offset_minutes": 30,
            "recurrence_rule": "FREQ=DAILY;COUNT=4", "timezone": "Europe/Berlin", "repeat_from": "due_date",
            "user_id": "ann", "parent_task_id": parent})
        self.assertEqual(self.metric("recurring_next_total"), made + 1)

    def test_is_in_the_trace_of_the_delivery_where_the_sidecar_traces(self):
        event, delivery = completed(), TRACE.replace("b7ad6b7169203331", "00f067aa0ba902b7")
        event["traceparent"] = TRACE
        self.assertEqual(self.deliver(event, {"traceparent": delivery}).json, {"status": "SUCCESS"})
        self.assertEqual([e["traceparent"] for e in self.called_for(event["data"]["task_id"])], [delivery])

    def test_a_traceparent_that_is_none_is_left_out(self):
        event = completed()
        event["traceparent"] = "x" * 55
        self.assertNotIn("traceparent", self.next_of(event))

    def test_log_lines_name_the_trace_of_the_event(self):
        event = completed(recurrence_rule="every blue moon")
        event["traceparent"] = TRACE.replace("0af765", "0af766")
        self.answer(event)
        lines = [json.loads(line) for line in self.host.log_text().splitlines()]
        self.assertIn(event["traceparent"], [line.get("traceparent") for line in lines])

    def test_what_a_task_does_not_have_is_null(self):
        payload = self.next_of(completed(due_date=None))["data"]["payload"]
        self.assertEqual((payload["due_date"], payload["description"], payload["timezone"], payload["reminder_offset_minutes"],
                          payload["tags"], payload["recurrence_rule"]), (None, None, None, None, [], "DAILY"))

    def test_other_events_have_no_effect(self):
        before = self.sql("SELECT count(*) FROM recur.inbox")
        for event in (completed(kind="task.updated"), completed(kind="task.created", status="pending"), completed(kind="task.deleted"),
                      completed(recurrence_rule=None), completed(kind="something.else")):
            self.assertEqual(self.answer(event), "SUCCESS")
            self.assertEqual(self.called_for(event["data"]["task_id"]), [])
        self.assertEqual(self.sql("SELECT count(*) FROM recur.inbox"), before)

    def test_a_hundred_deliveries_at_once_are_one_event(self):
        event, replies = completed(), []
        in_parallel(100, lambda: replies.append(self.deliver(event)))
        self.assertEqual([(r.status, r.json) for r in replies], [(200, {"status": "SUCCESS"})] * 100)
        self.assertEqual(len(self.called_for(event["data"]["task_id"])), 1)

    def test_each_completion_calls_for_a_task_of_its_own(self):    # of which chat-api takes one at a time
        first = completed()
        parent = first["data"]["task_id"]
        self.next_of(first)
        second = completed(parent, at="2026-01-06T10:00:00.000Z")
        for event in (second, second, completed(parent.upper()), first):
            self.assertEqual(self.answer(event), "SUCCESS")
        events = self.called_for(parent)
        self.assertEqual(len(events), 3)
        for ids in ({e["id"] for e in events}, {e["data"]["payload"]["id"] for e in events}):
            self.assertEqual(len(ids), 3)

    def test_a_month_end_stays_the_month_end(self):
        self.assertEqual(self.dues(completed(due_date="2026-01-31T09:00:00.000Z", recurrence_rule="MONTHLY"), 4),
                         [f"2026-{d}T09:00:00.000Z" for d in ("02-28", "03-31", "04-30", "05-31")])
        self.assertEqual(self.dues(completed(due_date="2024-02-29T09:00:00.000Z", recurrence_rule="YEARLY"), 4),
                         [f"{d}T09:00:00.000Z" for d in ("2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29")])

    def test_a_time_of_day_that_was_skipped_comes_back(self):
        self.assertEqual(self.dues(completed(due_date="2026-03-28T01:30:00.000Z", timezone="Europe/Berlin"), 3),
                         ["2026-03-29T01:30:00.000Z", "2026-03-30T00:30:00.000Z", "2026-03-31T00:30:00.000Z"])

    def test_a_due_date_that_the_user_moved_counts(self):
        event = completion_of(self.next_of(completed(due_date="2026-01-31T09:00:00.000Z", recurrence_rule="MONTHLY")))
        event["data"]["payload"]["due_date"] = "2026-02-27T09:00:00.000Z"
        self.assertEqual(self.dues(event, 2), ["2026-03-27T09:00:00.000Z", "2026-04-27T09:00:00.000Z"])

    def test_count_ends_a_series(self):
        ended = self.metric("recurring_ended_total")
        event, rules = completed(recurrence_rule="FREQ=WEEKLY;COUNT=4"), []
        for _ in range(3):
            following = self.next_of(event)
            rules.append(following["data"]["payload"]["recurrence_rule"])
            event = completion_of(following)
        self.assertEqual(rules, [f"FREQ=WEEKLY;COUNT={n}" for n in (3, 2, 1)])
        for _ in range(2):
            self.assertEqual(self.answer(event), "SUCCESS")
        self.assertEqual(self.called_for(event["data"]["task_id"]), [])
        self.assertEqual(self.metric("recurring_ended_total"), ended + 1)
        self.assertEqual(self.sql(f"SELECT count(*) FROM recur.inbox WHERE event_id = '{event['id']}'"), "1")

    def test_until_ends_a_series(self):
        event = completed(recurrence_rule="FREQ=DAILY;UNTIL=20260106")
        self.assertEqual(self.answer(completion_of(self.next_of(event))), "SUCCESS")
        self.assertEqual(len(self.called_for(event["data"]["task_id"])), 1)

    def test_counts_from_the_completion_where_the_task_says_so(self):
        event = completed(repeat_from="completion", recurrence_rule="INTERVAL:3", at="2026-02-10T22:15:00.000Z")
        self.assertEqual(self.dues(event, 1), ["2026-02-13T09:00:00.000Z"])

    def test_poison_is_kept_and_dropped(self):
        good = completed()
        poison = [b"{", b"[]", {}, {**good, "data": 5}, {**good, "data": {**good["data"], "task_id": "x"}}]
        poison += [completed(**{name: value}) for name, value in (
            ("title", None), ("title", 5), ("title", ["x"]), ("title", "x" * 1100), ("description", {}), ("priority", None), ("priority", 1),
            ("tags", "home"), ("tags", {}), ("tags", [1]), ("tags", None), ("reminder_offset_minutes", "30"),
            ("reminder_offset_minutes", 1.5), ("reminder_offset_minutes", 0), ("timezone", "Mars/Base"), ("timezone", 1),
            ("timezone", "../../etc/passwd"), ("timezone", "x" * 300), ("repeat_from", "never"), ("repeat_from", None),
            ("recurrence_rule", "SOMETIMES"), ("recurrence_rule", ""), ("recurrence_rule", 5), ("recurrence_rule", ["DAILY"]),
            ("recurrence_rule", "INTERVAL:0"), ("recurrence_rule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
            ("recurrence_rule", "FREQ=DAILY;" * 60), ("due_date", "tomorrow"), ("due_date", 5), ("due_date", "2026-02-30T00:00:00Z"),
            ("id", None), ("id", str(uuid.uuid4())), ("user_id", "bob"), ("user_id", None), ("status", "pending"))]
        kept, dropped = int(self.sql("SELECT count(*) FROM recur.dead_event")), self.metric("events_dropped_total")
        handled = self.sql("SELECT count(*) FROM recur.inbox")
        for event in poison:
            with self.subTest(str(event)[-400:]):
                self.assertEqual(self.answer(event), "DROP")
        self.assertEqual(int(self.sql("SELECT count(*) FROM recur.dead_event")) - kept, len(poison))
        self.assertEqual(self.metric("events_dropped_total") - dropped, len(poison))
        self.assertEqual(self.sql("SELECT count(*) FROM recur.inbox"), handled)
        self.assertEqual(self.sql("SELECT count(*) FROM recur.dead_event WHERE error = 'payload.title is not what a task has'"), "4")
        self.assertEqual(self.answer(good), "SUCCESS")

    def test_only_the_sidecar_may_deliver(self):
        event = completed()
        for headers in ({"dapr-api-token": "wrong"}, {"dapr-caller-app-id": "chat-api"}):
            self.assert_problem(self.deliver(event, headers), 403)
        self.assertEqual(self.called_for(event["data"]["task_id"]), [])
        reply = self.host.post("/events/task-events", event, port=self.host.port_of(SERVICE))
        self.assert_problem(reply, 404)


class Trouble(unittest.TestCase):
    """Each with a program of its own."""

    def setUp(self):
        self.sidecar = Sidecar()
        self.database = new_database()

    def tearDown(self):
        self.sidecar.stop()
        postgres().sql(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")

    def start(self, start=True, **env):
        host = Host((SERVICE,), self.database, start=start, env={
            "APP_API_TOKEN": TOKEN, "DAPR_HTTP_PORT": str(self.sidecar.port), **env})
        self.addCleanup(host.stop)
        return host

    def sql(self, text):
        return postgres().sql(text, self.database)

    def ids(self):
        """Per completed task the ids of the events and tasks that were called for."""
        wait_until(lambda: self.sql("SELECT count(*) FROM recur.outbox") == "0", 30, "an empty outbox")
        found = {}
        for key, event in self.sidecar.of("recurring-tasks"):
            found.setdefault(key, set()).add((event["id"], event["data"]["payload"]["id"]))
        return found

    def deliver_until_done(self, host, event):
        """As the sidecar does it: again and again until there is an answer that ends it."""
        def done():
            try:
                reply = post(host, event, timeout=3)
            except OSError:
                return False
            except http.client.HTTPException:    # the program died in the middle of its answer
                return False
            if reply.status not in (200, 503):
                return {"refused": (reply.status, reply.body)}
            return reply.status == 200 and reply.json
        return wait_until(done, 60, "an answer")

    def test_an_absent_sidecar_delays_and_loses_nothing(self):
        host, port = self.start(), self.sidecar.port
        self.sidecar.stop()
        events = [completed() for _ in range(20)]
        for event in events:
            self.assertEqual(post(host, event).json, {"status": "SUCCESS"})
        self.assertEqual(self.sql("SELECT count(*) FROM recur.outbox"), "20")
        self.sidecar = Sidecar(port)
        self.assertEqual(set(self.ids()), {e["data"]["task_id"] for e in events})

    def test_when_too_much_waits_events_are_for_later(self):
        port = self.sidecar.port
        self.sidecar.stop()
        host = self.start(OUTBOX_MAX_MB="1")
        self.sql("INSERT INTO recur.outbox (topic, key, version, event_id, event_type, data)"
                 " SELECT 'recurring-tasks', gen_random_uuid(), 1, gen_random_uuid(), 'recurring.next',"
                 " '{\"payload\":{\"id\":\"' || repeat('x', 10000) || '\"}}' FROM generate_series(1, 200)")
        counted = f'outbox_pending{{service="{SERVICE}"}} 200'
        wait_until(lambda: counted in host.get("/metrics", token=None, port=host.port_of(SERVICE)).body.decode(), 20, "a count")
        event = completed()
        reply = post(host, event)
        self.assertEqual((reply.status, reply.headers["retry-after"]), (503, "5"))
        self.assertEqual(post(host, completed(recurrence_rule="FREQ=DAILY;COUNT=1")).json, {"status": "SUCCESS"})
        self.sidecar = Sidecar(port)
        self.assertEqual(self.deliver_until_done(host, event), {"status": "SUCCESS"})
        self.assertIn(event["data"]["task_id"], self.ids())

    def test_kill_9_between_loses_nothing_and_doubles_nothing(self):
        host = self.start()
        events = [completed() for _ in range(120)]
        waiting, answers = list(events), []

        def deliver():
            while waiting:
                try:
                    event = waiting.pop()
                except IndexError:
                    return
                answers.append(self.deliver_until_done(host, event))
        sidecar = threading.Thread(target=in_parallel, args=(8, deliver))
        sidecar.start()
        try:
            for after in (15, 40, 65, 90):
                wait_until(lambda after=after: len(answers) >= after, 60, "some answers")
                host.kill()
                host.start()
        except BaseException:
            waiting.clear()
            raise
        finally:
            sidecar.join()
        self.assertEqual(answers, [{"status": "SUCCESS"}] * len(events))
        ids = self.ids()
        self.assertEqual(set(ids), {e["data"]["task_id"] for e in events})
        self.assertEqual({len(v) for v in ids.values()}, {1})
        self.assertEqual(self.sql("SELECT count(*) FROM recur.inbox"), str(len(events)))

    def fail_at(self, point):
        host = self.start(start=False)
        if host.run("failpoints").returncode != 0:
            self.skipTest("this build has no failpoints")
        host.migrate()
        host.env["FAILPOINTS"] = point + "=crash"
        host.start()
        event = completed()
        with self.assertRaises(Exception):
            post(host, event)
        self.assertNotEqual(host.process.wait(60), 0)
        stored = self.sql("SELECT count(*) FROM recur.inbox")
        del host.env["FAILPOINTS"]
        host.start()
        self.assertEqual(self.deliver_until_done(host, event), {"status": "SUCCESS"})
        self.assertEqual([len(v) for v in self.ids().values()], [1])
        return stored

    def test_a_crash_before_the_effect_is_redelivered(self):
        self.assertEqual(self.fail_at("before_effect_commit"), "0")

    def test_a_crash_after_the_effect_is_a_duplicate(self):
        self.assertEqual(self.fail_at("after_effect"), "1")

    def test_what_cannot_come_again_is_forgotten(self):
        host = self.start(start=False)
        host.migrate()
        self.sql("INSERT INTO recur.inbox SELECT gen_random_uuid(), now() - interval '9 days' FROM generate_series(1, 12000);"
                 "INSERT INTO recur.inbox SELECT gen_random_uuid(), now() - interval '7 days' FROM generate_series(1, 3);"
                 "INSERT INTO recur.anchor SELECT gen_random_uuid(), t, t, 31, c FROM (VALUES"
                 " (now() - interval '500 days', now() - interval '500 days'), (now() - interval '500 days', now()),"
                 " (now() + interval '900 days', now() - interval '500 days')) AS v (t, c)")
        host.start()
        wait_until(lambda: self.sql("SELECT count(*) FROM recur.inbox") == "3", 60, "a short inbox")
        wait_until(lambda: self.sql("SELECT count(*) FROM recur.anchor") == "2", 60, "few anchors")


class Outage(unittest.TestCase):
    """A cluster of its own, because it is stopped."""

    @classmethod
    def setUpClass(cls):
        cls.pg = Postgres()
        cls.pg.sql("CREATE DATABASE d")
        cls.sidecar = Sidecar()
        cls.host = Host((SERVICE,), "d", start=False, env={"APP_API_TOKEN": TOKEN, "DAPR_HTTP_PORT": str(cls.sidecar.port)})
        cls.host.env["DATABASE_URL"] = cls.pg.url("d")
        cls.host.migrate()
        cls.host.start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.host.stop()
        finally:
            cls.sidecar.stop()
            cls.pg.remove()

    def test_an_outage_is_503_and_redelivery_succeeds(self):
        event, child, poison = completed(), completed(parent_task_id=str(uuid.uuid4())), completed(title=5)
        self.pg.stop("immediate")
        try:
            for wanted in (event, child, poison):
                self.assertEqual(post(self.host, wanted).status, 503)
            # What needs no database is answered without one.
            for other in (completed(kind="task.updated"), completed(recurrence_rule=None)):
                self.assertEqual((post(self.host, other).status, post(self.host, other).json), (200, {"status": "SUCCESS"}))
        finally:
            self.pg.start()
        for wanted, status in ((event, "SUCCESS"), (child, "SUCCESS"), (poison, "DROP")):
            wait_until(lambda: post(self.host, wanted).status == 200, 10, "an answer")
            self.assertEqual(post(self.host, wanted).json, {"status": status})
        wait_until(lambda: len(self.sidecar.of("recurring-tasks")) >= 2, 10, "the events")
        self.assertEqual({key for key, _ in self.sidecar.of("recurring-tasks")},
                         {event["data"]["task_id"], child["data"]["task_id"]})


if __name__ == "__main__":
    unittest.main()

"""audit-service: events as Dapr delivers them, and what it tells their user."""

import json
import os
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import at_once  # noqa: E402
from system import HostCase, postgres, token, wait_until  # noqa: E402


class Audit(HostCase):
    services = ("audit-service",)
    env = {"APP_API_TOKEN": "inner-token-0123456789"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port = cls.host.port_of("audit-service")
        cls.inner = cls.host.port_of("audit-service", inner=True)

    def setUp(self):
        self.user = self.id().split(".")[-1]

    def event(self, task=None, version=1, kind="task.created", **payload):
        task = task or str(uuid.uuid4())
        event_id = str(uuid.uuid4())
        return {"specversion": "1.0", "id": event_id, "source": "chat-api", "type": kind, "data": {
            "event_id": event_id, "event_type": kind, "timestamp": f"2026-01-01T00:00:{version:02d}.000Z", "user_id": self.user,
            "task_id": task, "payload": {"id": task, "title": "t", "tags": [], "version": version, **payload}}}

    def deliver(self, event, headers=None):
        body = event if isinstance(event, (bytes, str)) else json.dumps(event)
        return self.host.post("/events/task-events", body, port=self.inner, token=None, headers={
            "Content-Type": "application/cloudevents+json", "dapr-api-token": "inner-token-0123456789", **(headers or {})})

    def deliver_all(self, events, ids=None):
        """In one call. The texts of the events are put in as they are; returns the statuses in their order."""
        ids = ids or [str(n) for n in range(len(events))]
        texts = [e if isinstance(e, str) else json.dumps(e) for e in events]
        body = '{"entries":[%s],"id":"x","metadata":{"pubsubName":"pubsub"},"pubsubname":"pubsub","topic":"task-events","type":"%s"}' % (
            ",".join('{"entryId":"%s","event":%s,"metadata":{"__key":"k"},"contentType":"application/cloudevents+json"}' % pair
                     for pair in zip(ids, texts)), "com.dapr.event.sent.bulk")
        reply = self.deliver(body, {"Content-Type": "application/json"})
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual([s["entryId"] for s in reply.json["statuses"]], ids)
        return [s["status"] for s in reply.json["statuses"]]

    def dead(self):
        return int(postgres().sql("SELECT count(*) FROM audit.dead_event", self.host.database))

    def list(self, query="", user=None):
        reply = self.host.get("/api/v1/audit-log" + query, port=self.port, token=token(user or self.user))
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def test_tells_dapr_its_subscription(self):
        reply = self.host.get("/dapr/subscribe", port=self.inner, headers={"dapr-api-token": "inner-token-0123456789"})
        self.assertEqual(reply.json, [{"pubsubname": "pubsub", "topic": "task-events", "route": "/events/task-events",
                                       "deadLetterTopic": "task-events-dead",
                                       "bulkSubscribe": {"enabled": True, "maxMessagesCount": 32, "maxAwaitDurationMs": 20}}])

    def test_records_each_event_once(self):
        event = self.event()
        # What has waited too long for another's commit is 503, and the sidecar brings it again.
        replies = at_once(20, lambda: wait_until(lambda: (reply := self.deliver(event)).status != 503 and reply, what="an answer"))
        self.assertEqual([(r.status, r.json) for r in replies], [(200, {"status": "SUCCESS"})] * 20)
        got = self.list()
        self.assertEqual((got["total"], [e["event_id"] for e in got["entries"]]), (1, [event["id"]]))
        self.assertEqual(got["entries"][0]["payload"], event["data"]["payload"])

    def test_shows_before_and_after_however_late_they_come(self):
        task = str(uuid.uuid4())
        for version, title in ((3, "c"), (1, "a"), (2, "b")):
            self.deliver(self.event(task, version, "task.created" if version == 1 else "task.updated", title=title, changed=["title"]))
        entries = self.list(f"?task_id={task}")["entries"]
        self.assertEqual([e["version"] for e in entries], [1, 2, 3])
        self.assertEqual([e["changes"] for e in entries],
                         [None, {"title": {"before": "a", "after": "b"}}, {"title": {"before": "b", "after": "c"}}])

    def test_filters_and_pages(self):
        for version in range(1, 8):
            self.deliver(self.event(version=version, kind="task.created" if version % 2 else "task.deleted"))
        self.assertEqual(self.list("?event_type=task.deleted")["total"], 3)
        self.assertEqual(self.list("?from=2026-01-01T00:00:03Z&to=2026-01-01T00:00:05Z")["total"], 2)
        self.assertEqual(len(self.list("?limit=1000000")["entries"]), 7)
        seen, query = [], "?limit=2"
        while query:
            page = self.list(query)
            self.assertEqual(page["total"], 7)
            seen += [e["timestamp"] for e in page["entries"]]
            query = "?limit=2&cursor=" + page["next_cursor"] if page.get("next_cursor") else None
        self.assertEqual(seen, [f"2026-01-01T00:00:{v:02d}.000Z" for v in range(1, 8)])

    def test_a_user_sees_only_their_own_rows(self):
        self.deliver(self.event())
        self.assertEqual(self.list(user="somebody-else")["total"], 0)
        self.assertEqual(self.list(f"?user_id={self.user}", user="somebody-else"), {"entries": [], "total": 0})
        self.assertEqual(self.list(f"?user_id={self.user}")["total"], 1)

    def test_poison_is_kept_and_dropped(self):
        good = self.event()
        poison = [b"{", b"[]", b"null", b'"x"', {}, {"data": 5}, {"data": {}}, {**good, "data": {**good["data"], "event_id": "x"}},
                  {**good, "data": {**good["data"], "timestamp": "now"}}, {**good, "data": {**good["data"], "payload": []}},
                  {**good, "data": {**good["data"], "payload": {"version": "1"}}}, {**good, "data": {**good["data"], "user_id": ""}},
                  b'{"data":\xff}', b'{"a":1,"a":2}']
        before = int(postgres().sql("SELECT count(*) FROM audit.dead_event", self.host.database))
        for event in poison:
            with self.subTest(str(event)[:60]):
                reply = self.deliver(event)
                self.assertEqual((reply.status, reply.json), (200, {"status": "DROP"}))
        after = int(postgres().sql("SELECT count(*) FROM audit.dead_event", self.host.database))
        self.assertEqual(after - before, len(poison))
        self.assertEqual(self.list()["total"], 0)

    def test_many_in_one_call_are_recorded_once(self):
        events = [self.event(version=n + 1) for n in range(30)]
        self.assertEqual(self.deliver_all(events[:20]), ["SUCCESS"] * 20)
        self.assertEqual(self.deliver_all(events[10:] + [events[0], events[0]]), ["SUCCESS"] * 22)
        got = self.list()
        self.assertEqual([e["event_id"] for e in got["entries"]], [e["id"] for e in events])
        self.assertEqual(got["entries"][3]["payload"], events[3]["data"]["payload"])

    def test_poison_spoils_no_neighbour(self):
        good = [self.event(version=n + 1) for n in range(3)]
        deep = "[" * 100 + "]" * 100
        poison = ['{"data":5}', json.dumps({**good[0], "data": {**good[0]["data"], "event_id": "x"}}), "{}", '{"a":1,"a":2}', "[]", '"x"',
                  '{"data":{"payload":"\\u0000"}}', '{"data":%s}' % deep, json.dumps(self.event(version=0)),
                  json.dumps(self.event(description="x" * 300000))]
        before = self.dead()
        self.assertEqual(self.deliver_all([good[0], *poison[:5], good[1], *poison[5:], good[2]]),
                         ["SUCCESS", *["DROP"] * 5, "SUCCESS", *["DROP"] * 5, "SUCCESS"])
        self.assertEqual((self.dead() - before, self.list()["total"]), (len(poison), 3))
        self.assertEqual(self.deliver_all(poison), ["DROP"] * len(poison))

    def test_what_the_database_refuses_spoils_no_neighbour(self):
        postgres().sql("ALTER TABLE audit.audit_log ADD CONSTRAINT refused CHECK (event_type <> 'task.refused')", self.host.database)
        try:
            events = [self.event(), self.event(kind="task.refused"), self.event(version=2)]
            self.assertEqual(self.deliver_all(events), ["SUCCESS", "RETRY", "SUCCESS"])
        finally:
            postgres().sql("ALTER TABLE audit.audit_log DROP CONSTRAINT refused", self.host.database)
        self.assertEqual(self.list()["total"], 2)
        self.assertEqual(self.deliver_all([events[1]], ["1"]), ["SUCCESS"])
        self.assertEqual(self.list()["total"], 3)

    def test_in_a_later_call_a_kept_event_counts_as_handled(self):
        """daprd would look for its dead letter in the wrong place."""
        before = self.dead()
        self.assertEqual(self.deliver_all([self.event(), "{}", "{}"], ["0", "4", "2"]), ["SUCCESS", "SUCCESS", "DROP"])
        self.assertEqual(self.dead() - before, 2)

    def test_any_offset_of_a_time_is_taken(self):
        event = self.event()
        event["data"]["timestamp"] = "2026-01-01T00:00:00.5+23:59"
        self.assertEqual(self.deliver_all([event]), ["SUCCESS"])
        self.assertEqual(self.list()["entries"][0]["timestamp"], "2025-12-31T00:01:00.500Z")

    def test_a_call_without_entries_is_refused(self):
        for body in ("{", "[]", "{}", '{"entries":5}', '{"entries":[5]}', '{"entries":[{"event":{}}]}', '{"entries":[{"entryId":5,"event":{}}]}'):
            with self.subTest(body):
                self.assert_problem(self.deliver(body, {"Content-Type": "application/json"}), 422)
        self.assertEqual(self.deliver_all([]), [])

    def test_only_the_sidecar_may_deliver(self):
        for headers in ({"dapr-api-token": "wrong"}, {"dapr-caller-app-id": "other"}):
            self.assert_problem(self.deliver(self.event(), headers), 403)
        self.assertEqual(self.list()["total"], 0)

    def test_others_may_ask_with_the_users_token(self):
        self.deliver(self.event())
        headers = {"dapr-api-token": "inner-token-0123456789", "dapr-caller-app-id": "chat-api"}
        reply = self.host.get("/api/v1/audit-log", port=self.inner, headers=headers, token=token(self.user))
        self.assertEqual((reply.status, reply.json["total"]), (200, 1))
        self.assert_problem(self.host.get("/api/v1/audit-log", port=self.inner, headers=headers, token=None), 401)

    def test_the_log_cannot_be_changed(self):
        self.deliver(self.event())
        for statement in ("UPDATE audit.audit_log SET user_id = 'x'", "DELETE FROM audit.audit_log", "TRUNCATE audit.audit_log"):
            with self.assertRaisesRegex(RuntimeError, "append-only"):
                postgres().sql(statement, self.host.database)

    def test_refuses_bad_queries(self):
        for query in ("?task_id=x", "?from=yesterday", "?limit=0", "?limit=x", "?cursor=x", "?nonsense=1", "?event_type=%ff"):
            reply = self.host.get("/api/v1/audit-log" + query, port=self.port)
            self.assert_problem(reply, 422)
        self.assertEqual(self.list("?event_type=';DROP%20TABLE%20x;--")["total"], 0)

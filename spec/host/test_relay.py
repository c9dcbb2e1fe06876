"""The relay: what is committed is published, in order per task, whatever fails in between."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from sidecar import Sidecar  # noqa: E402
from system import PG_BIN, Host, postgres, token, wait_until  # noqa: E402


class Relay(unittest.TestCase):
    def setUp(self):
        self.sidecar = Sidecar()
        self.hosts = []
        self.host = self.start_host()

    def start_host(self, **more):
        env = {"DAPR_HTTP_PORT": str(self.sidecar.port), "USER_RATE": "1000000", **more.pop("env", {})}
        host = Host(env=env, **more)
        self.hosts.append(host)
        return host

    def tearDown(self):
        try:
            for host in self.hosts:
                host.stop()
        finally:
            self.sidecar.stop()
            postgres().sql(f"DROP DATABASE IF EXISTS {self.host.database} WITH (FORCE)")

    def pending(self):
        return int(postgres().sql("SELECT count(*) FROM chat.outbox WHERE dead_at IS NULL", self.host.database))

    def write(self, tasks, changes, host=None):
        """`tasks` tasks, each changed `changes` times, by as many writers; the ids."""
        ids, refused = [], []

        def ask(wanted, *call):
            reply = (host or self.host).call(*call)
            if reply.status != wanted:
                refused.append((reply.status, reply.body))
            return reply.json

        def one():
            task_id = ask(201, "POST", "/api/tasks", {"title": "t0"}).get("id")
            ids.append(task_id)
            for i in range(changes):
                ask(200, "PUT", f"/api/tasks/{task_id}", {"title": f"t{i + 1}"})
        threads = [threading.Thread(target=one) for _ in range(tasks)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual((refused, len(ids)), ([], tasks))
        return ids

    def drained(self, seconds=60):
        """Looks for one row, so that it does not read the queue itself, which one test counts."""
        left = "SELECT EXISTS (SELECT FROM chat.outbox WHERE dead_at IS NULL)"
        wait_until(lambda: postgres().sql(left, self.host.database) == "f", seconds, "an empty outbox")

    def check(self, ids, changes, duplicates=False):
        """Every change of every task arrived on its topic, once (or more often with the same id), in order."""
        by_key, seen = {}, set()
        for key, event in self.sidecar.of("task-events"):
            payload = event["data"]["payload"]
            self.assertEqual((key, event["id"], event["type"]), (payload["id"], event["data"]["event_id"], event["data"]["event_type"]))
            if event["id"] in seen and duplicates:
                continue
            self.assertNotIn(event["id"], seen)
            seen.add(event["id"])
            by_key.setdefault(key, []).append(payload["version"])
        self.assertEqual(by_key, {i: list(range(1, changes + 2)) for i in ids})
        self.assertEqual(len({e["id"] for _, e in self.sidecar.of("task-updates")}), len(ids) * (changes + 1))

    def test_a_backlog_is_not_read_anew_in_every_round(self):
        """Also where plans were made, and are kept, while PostgreSQL took the queue for small."""
        fetched = lambda: int(postgres().sql("SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE schemaname = 'chat' AND relname = 'outbox'",  # noqa: E731
                                             self.host.database))
        self.write(1, 20)
        self.drained()
        rows, before, began = 20000, fetched(), time.monotonic()
        postgres().sql("INSERT INTO chat.outbox (topic, key, version, event_id, event_type, data) SELECT 'spec-topic', gen_random_uuid(), 1, gen_random_uuid(),"
                       f" 'task.updated', '{{}}' FROM generate_series(1, {rows})", self.host.database)
        self.drained(120)
        self.host.stop()    # what its sessions have counted is told at their end
        wait_until(lambda: postgres().sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self.host.database}'") == "0", what="its sessions to end")
        counts = (time.monotonic() - began) // 5 + 2    # of the queue, of 10,000 rows at most
        self.assertLess(fetched() - before, 20 * rows + 10001 * counts)

    def test_publishes_all_in_order_per_task(self):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        self.host.post("/api/tasks", {"title": "traced"}, headers={"traceparent": trace}, token=token("tracer"))
        ids = self.write(20, 10)
        self.drained()
        traced = [e for _, e in self.sidecar.of("task-events") if e["data"]["user_id"] == "tracer"]
        self.assertEqual([(e["traceparent"], e["traceid"], e["source"], e["specversion"]) for e in traced],
                         [(trace, trace, "chat-api", "1.0")])
        self.sidecar.events = [e for e in self.sidecar.events if e[2]["data"]["user_id"] != "tracer"]
        self.check(ids, 10)

    def test_a_call_that_publishes_one_trace_is_a_part_of_it(self):
        traces = [f"00-{i:032x}-00000000000000ab-01" for i in (1, 2, 3)]
        for i, trace in enumerate(traces[:2]):
            self.host.post("/api/tasks", {"title": f"apart {i}"}, headers={"traceparent": trace}, token=token("apart"))
            self.drained()
        # While nothing is taken several traces wait, and then go in one call.
        self.sidecar.behave = lambda *_: (500, {"errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE", "message": "broker"})
        for trace in traces[1:]:
            self.host.post("/api/tasks", {"title": "together"}, headers={"traceparent": trace}, token=token("apart"))
        wait_until(lambda: any(len(json.loads(r.body)) == 2 for r in self.sidecar.bulk), 60, "two events in one call")
        self.sidecar.behave = None
        self.drained()
        seen = {len({entry["event"]["traceparent"] for entry in json.loads(r.body)}) for r in self.sidecar.bulk}
        self.assertEqual(seen, {1, 2})
        for request in self.sidecar.bulk:
            traces = {entry["event"]["traceparent"] for entry in json.loads(request.body)}
            self.assertEqual(request.headers.get("traceparent"), traces.pop() if len(traces) == 1 else None)

    def test_what_is_no_traceparent_is_not_passed_on(self):
        good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        for bad in ("", "x" * 300, good.upper(), "ff" + good[2:], good[:3] + "0" * 32 + good[35:], good[:36] + "0" * 16 + good[52:], good + "-x"):
            self.host.post("/api/tasks", {"title": "untraced"}, headers={"traceparent": bad}, token=token("untraced"))
        self.drained()
        events = [e for _, e in self.sidecar.of("task-events") if e["data"]["user_id"] == "untraced"]
        self.assertEqual([e.get("traceparent") for e in events], [None] * 7)

    def test_what_is_changed_by_words_is_in_the_trace_of_the_message(self):
        for stream in (False, True):
            trace = f"00-0af7651916cd43dd8448eb211c80319{int(stream)}-b7ad6b7169203331-01"
            self.host.post("/api/talker/chat", {"message": f"add said {stream}", "stream": stream}, headers={"traceparent": trace}, token=token("talker"))
            self.drained()
            self.assertEqual([e["traceparent"] for _, e in self.sidecar.of("task-events")][-1:], [trace])

    def test_is_woken_by_a_commit(self):
        self.drained()
        lags = []
        for _ in range(20):
            reply = self.host.post("/api/tasks", {"title": "now"})
            answered = time.monotonic()
            wait_until(lambda: any(k == reply.json["id"] for k, _ in self.sidecar.of("task-events")), 5, "the event")
            lags.append(time.monotonic() - answered)
        self.assertLess(sorted(lags)[10], 0.2, "it waits for its poll")

    def test_who_publishes_is_woken_by_a_commit_of_another_worker(self):
        host = self.start_host(database=self.host.database, env={"WORKERS": "4"})
        self.host.stop()

        def woken():
            text = host.get("/metrics", token=None).body.decode()
            return {by: sum(int(n) for n in re.findall(rf'^outbox_woken_total{{[^}}]*by="{by}"[^}}]*}} (\d+)', text, re.M)) for by in ("own", "other")}

        def leases():
            text = host.get("/metrics", token=None).body.decode()
            return sum(int(n) for n in re.findall(r"^outbox_leases(?:{[^}]*})? (\d+)", text, re.M))
        wait_until(lambda: leases() == 16, 30, "all buckets are held")
        written, by = 0, {}

        def both():      # a lease is nobody's for a while when it changes hands; which worker takes a request is chance
            nonlocal written
            self.write(1, 0, host)
            written += 1
            by.update(woken())
            return written >= 40 and by["own"] > 0 and by["other"] > 0
        try:
            wait_until(both, 60, "both wakes")
        finally:
            seen = f"{by} of {written}, {leases()} leases"
            self.assertLessEqual(by["own"] + by["other"], written, seen)
            self.assertGreater(min(by.values()), 0, seen)
        self.drained()

    def test_an_absent_sidecar_delays_and_loses_nothing(self):
        port = self.sidecar.port
        self.sidecar.stop()
        ids = self.write(10, 3)
        self.assertEqual(self.pending(), 80)
        kept, self.sidecar = self.sidecar, Sidecar(port)
        del kept
        self.drained(45)
        self.check(ids, 3)

    def test_failures_are_tried_again(self):
        left = [40]

        def flaky(topic, entries):
            left[0] -= 1
            if left[0] % 4 == 1:
                return 500, {"errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE", "message": "broker"}
            if left[0] % 4 == 2:
                return None, None    # the connection ends without an answer
            if left[0] % 4 == 3:
                return 500, {"failedEntries": [{"entryId": e["entryId"], "error": "x"} for e in entries[::2]]}
        self.sidecar.behave = lambda t, e: flaky(t, e) if left[0] > 0 else None
        ids = self.write(10, 3)
        self.drained(60)
        self.check(ids, 3)

    def test_an_event_that_is_too_large_is_parked_and_the_rest_goes_on(self):
        def strict(topic, entries):
            if any("POISON" in str(e["event"]) for e in entries):
                return 413, {"errorCode": "X", "message": "too large"}
        self.sidecar.behave = strict
        self.host.post("/api/tasks", {"title": "POISON"}, token=token("p"))
        ids = self.write(10, 2)
        self.drained()
        self.check(ids, 2)
        dead = postgres().sql("SELECT count(*), min(dead_error) FROM chat.outbox WHERE dead_at IS NOT NULL", self.host.database)
        self.assertRegex(dead, r"^2\|the sidecar answered 413")

    def test_a_sidecar_that_never_answers_holds_nothing_up(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(128)
            host = self.start_host(env={"DAPR_HTTP_PORT": str(silent.getsockname()[1])})
            began = time.monotonic()
            self.write(10, 9, host)     # each writer one after the other, and a call of the sidecar waits for 5 s
            self.assertLess(time.monotonic() - began, 30)

    def test_a_commit_that_hangs_is_not_overtaken_by_what_follows_it(self):
        key = str(uuid.uuid4())
        row = ("INSERT INTO chat.outbox (topic, key, version, event_id, event_type, data)"
               f" VALUES ('task-events', '{key}', %d, gen_random_uuid(), 'task.updated', '{{\"version\":%d}}');\n")
        url = postgres().url(self.host.database)
        slow = subprocess.Popen([os.path.join(PG_BIN, "psql"), "-qAtX", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            slow.stdin.write("BEGIN;\n" + row % (1, 1) + "SELECT 'written';\n")
            slow.stdin.flush()
            self.assertEqual(slow.stdout.readline(), "written\n")
            for _ in range(8):     # reading goes on meanwhile, and far beyond it
                before = time.monotonic()
                self.write(10, 1)
                self.drained()
                wait_until(lambda: time.monotonic() - before > 0.6, what="a look at what is settled")
            slow.communicate("COMMIT;\n" + row % (2, 2), timeout=30)
        finally:
            slow.kill()
            slow.wait()
        self.drained()
        self.assertEqual([e["data"]["version"] for k, e in self.sidecar.of("task-events") if k == key], [1, 2])

    def test_two_programs_share_the_work_and_keep_the_order(self):
        other = self.start_host(database=self.host.database)
        wait_until(lambda: postgres().sql("SELECT count(DISTINCT owner) FROM chat.relay_lease WHERE expires_at > now()",
                                          self.host.database) == "2", 25, "a share for each")
        ids = self.write(10, 10) + self.write(10, 10, other)
        self.drained()
        self.check(ids, 10, duplicates=True)

    def test_reminders_do_not_wait_behind_all_that_waits(self):
        self.sidecar.behave = lambda t, e: (500, {"errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE", "message": "broker"})
        for _ in range(10):
            self.write(100, 0)     # 2,000 events, more than two rounds of the relay
        due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        self.assertEqual(self.host.post("/api/tasks", {"title": "call", "due_date": due, "reminder_offset_minutes": 5}).status, 201)
        postgres().sql("UPDATE chat.reminder SET remind_at = clock_timestamp() - interval '5 seconds'", self.host.database)
        wait_until(lambda: postgres().sql("SELECT count(*) FROM chat.outbox WHERE topic = 'reminders'", self.host.database) == "1", 20, "the reminder")
        self.host.kill()     # no topic rests in a program that has just begun
        self.sidecar.behave = None
        self.host.start()
        self.drained(60)
        topics = [topic for topic, _, _ in self.sidecar.events]
        self.assertEqual(topics.count("reminders"), 1)
        self.assertLess(topics.index("reminders"), 1000)

    def test_kill_9_at_any_moment_loses_no_event(self):
        slow = threading.Event()
        self.sidecar.behave = lambda t, e: slow.wait(0.02) and None
        ids = []
        for _ in range(3):
            ids += self.write(8, 3)
            self.host.kill()
            self.host.start()
        self.drained(40)
        self.check(ids, 3, duplicates=True)


if __name__ == "__main__":
    unittest.main()

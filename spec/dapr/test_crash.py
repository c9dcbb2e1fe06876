"""kill -9 at bad moments, backlogs, a database that goes away: nothing is lost, order per key is kept."""

import http.client
import subprocess
import threading
import time
import unittest

import engine
import fastapp
from engine import FAST, App, call, standin_only, subscription
from system import HOST, ROOT, postgres, wait_until

COMPONENTS = [{"name": "fast", "type": "pubsub.sidecar", "inbound": FAST}]


def rss_mb(process):
    with open(f"/proc/{process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


class Crash(unittest.TestCase):
    def start(self, *apps, **options):
        self.client = engine.client()
        self.engine = engine.start([*apps, self.client], components=COMPONENTS, **options)
        self.addCleanup(self.engine.stop)

    def publish(self, n, key):
        """True when it was taken. What is not answered may be there all the same."""
        try:
            return call(self.engine.port(self.client), "POST", f"/v1.0/publish/fast/t?metadata.partitionKey={key}",
                        {"k": key, "n": n}).status == 204
        except (OSError, http.client.HTTPException):
            return False

    def publish_bulk(self, key, numbers):
        entries = [{"entryId": str(n), "event": {"k": key, "n": n}, "contentType": "application/json", "metadata": {"partitionKey": key}}
                   for n in numbers]
        return call(self.engine.port(self.client), "POST", "/v1.0-alpha1/publish/bulk/fast/t", entries).status

    def check(self, received, taken):
        """received: (key, n) in the order of arrival. Each that was taken came; firsts are in order per key."""
        seen = {}
        for key, n in received:
            seen.setdefault(key, [])
            if n not in seen[key]:
                seen[key].append(n)
        for key, numbers in taken.items():
            got = [n for n in seen.get(key, []) if n in set(numbers)]
            self.assertEqual(got, sorted(numbers), f"key {key}")

    def settled(self, app, taken):
        """All that was taken has come."""
        want = {(key, n) for key, numbers in taken.items() for n in numbers}
        wait_until(lambda: want <= {(r.json["data"]["k"], r.json["data"]["n"]) for r in app.calls("/t")}, 30, "what was taken")
        if engine.STANDIN:
            self.empty()

    def empty(self, seconds=30):
        wait_until(lambda: self.engine.sql("SELECT count(*) FROM sidecar.delivery") == "0", seconds, "an empty table")

    def test_24_killed_again_and_again_while_it_delivers(self):
        app = App("app-a", [subscription("t", pubsub="fast")], {"/t": 200})
        self.start(app)
        taken, going, lock = {k: [] for k in "abcdef"}, threading.Event(), threading.Lock()

        def produce(key):
            n = 0
            while not going.is_set():
                if self.publish(n, key):
                    with lock:
                        taken[key].append(n)
                n += 1
        threads = [threading.Thread(target=produce, args=(k,)) for k in taken]
        for t in threads:
            t.start()
        for _ in range(6):
            before = sum(map(len, taken.values()))
            wait_until(lambda b=before: sum(map(len, taken.values())) > b + 60, 20, "some traffic")
            self.engine.restart()
        going.set()
        for t in threads:
            t.join()
        self.settled(app, taken)
        self.check([(r.json["data"]["k"], r.json["data"]["n"]) for r in app.calls("/t")], taken)
        self.assertGreater(sum(map(len, taken.values())), 300)

    def test_killed_between_publish_and_delivery(self):
        app = App("app-a", [subscription("t", pubsub="fast")], {"/t": 200})
        self.start(app)
        app.close()
        taken = {k: list(range(50)) for k in "abc"}
        for n in range(50):
            for key in taken:
                self.assertTrue(self.publish(n, key))
        self.engine.kill()
        app.listen()
        self.engine.start()
        self.settled(app, taken)
        self.check([(r.json["data"]["k"], r.json["data"]["n"]) for r in app.calls("/t")], taken)
        self.assertEqual(len(app.calls("/t")), 150)

    @standin_only("daprd counts attempts in memory")
    def test_a_retry_goes_on_after_a_restart(self):
        killed = threading.Event()
        self.addCleanup(killed.set)
        app = App("app-a", [subscription("t", pubsub="slow", deadLetterTopic="dead")])
        # The fourth attempt has no answer before the crash, so that it is in flight then.
        app.handlers["/t"] = lambda r: (len(app.calls("/t")) == 4 and killed.wait(55), 500)[1]
        self.client = engine.client()
        self.engine = engine.start([app, self.client], components=[
            {"name": "slow", "type": "pubsub.sidecar", "inbound": {"retry": {"policy": "constant", "duration": "300ms", "maxRetries": 6}}}])
        self.addCleanup(self.engine.stop)
        self.assertEqual(call(self.engine.port(self.client), "POST", "/v1.0/publish/slow/t", {"n": 1}).status, 204)
        app.wait_calls("/t", 4)
        wait_until(lambda: self.engine.sql("SELECT max(attempts) FROM sidecar.delivery") == "3", 10, "three failures")
        self.engine.kill()
        killed.set()
        self.engine.start()
        wait_until(lambda: self.engine.sql("SELECT count(*) FROM sidecar.dead_letter") == "1", 15, "the dead letter")
        self.assertEqual(len(app.calls("/t")), 8)    # the one in flight at the kill comes twice

    @standin_only("it looks at its process")
    def test_a_backlog_is_drained_with_flat_memory(self):
        app = fastapp.FastApp("app-a", [subscription("t", pubsub="fast")])
        self.start(app)
        app.close()
        total, keys = 20000, 200
        filler = "x" * 800
        for start in range(0, total, 500):
            entries = [{"entryId": str(n), "event": {"k": n % keys, "n": n, "filler": filler}, "contentType": "application/json",
                        "metadata": {"partitionKey": str(n % keys)}} for n in range(start, start + 500)]
            self.assertEqual(call(self.engine.port(self.client), "POST", "/v1.0-alpha1/publish/bulk/fast/t", entries).status, 204)
        stored = rss_mb(self.engine.host.process)
        self.engine.restart()
        app.listen()
        most = [0.0]

        def drained():
            most[0] = max(most[0], rss_mb(self.engine.host.process))
            return len(app.events) >= total
        wait_until(drained, 120, "all of them")
        self.empty()
        print(f"drained {total} in {app.last - app.first:.1f} s, {stored:.0f} MB after publishing, {most[0]:.0f} MB at most ", end="", flush=True)
        by_key = {}
        for event in app.events:
            by_key.setdefault(event["data"]["k"], []).append(event["data"]["n"])
        self.assertEqual(by_key, {k: list(range(k, total, keys)) for k in range(keys)})
        self.assertLess(max(stored, most[0]), 150)

    def test_more_is_published_than_can_be_held(self):
        """Memory overflows and is caught up with again and again; nothing crashed, so the stand-in sends nothing twice."""
        app = fastapp.FastApp("app-a", [subscription("t", pubsub="fast")])
        self.start(app)
        rounds, keys = 60, 8

        answers = []

        def produce(key):
            for r in range(rounds):
                answers.append(self.publish_bulk(key, range(r * 50, r * 50 + 50)))
        threads = [threading.Thread(target=produce, args=(str(k),)) for k in range(keys)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(set(answers), {204})
        total = rounds * 50 * keys
        wait_until(lambda: len(app.events) >= total, 120, "all of them")
        if engine.STANDIN:
            self.empty()
        by_key = {}
        for event in app.events:
            by_key.setdefault(event["data"]["k"], []).append(event["data"]["n"])
        if not engine.STANDIN:   # a slow broker's answer comes too late for its client, which then sends once more
            by_key = {key: list(dict.fromkeys(numbers)) for key, numbers in by_key.items()}
        self.assertEqual(by_key, {str(k): list(range(rounds * 50)) for k in range(keys)})

    @standin_only("it writes to its table")
    def test_many_jobs_due_at_once_after_an_outage(self):
        app = App("app-a", [])
        self.start(app)
        app.take = lambda request: (app.requests.append(request), (200, b"", {}))[1]
        app.close()
        self.engine.kill()
        self.engine.sql("INSERT INTO sidecar.job (app, name, seq, spec, data, next_ms, due_ms, runs_left)"
                        " SELECT 'app-a', 'j' || i, 's' || i, '{\"due\":\"1s\",\"policy\":{\"interval\":1000,\"max\":3}}', i::text, i, i, 1"
                        " FROM generate_series(1, 5000) AS i")
        self.engine.start()
        app.listen()
        wait_until(lambda: self.engine.sql("SELECT count(*) FROM sidecar.job") == "0", 60, "no job left")
        self.assertEqual(sorted(int(r.body) for r in app.requests if r.path.startswith("/job/")), list(range(1, 5001)))

    @standin_only("its database")
    def test_the_database_goes_away(self):
        app = App("app-a", [subscription("t", pubsub="fast")], {"/t": 200})
        self.start(app)
        taken, tried = {"a": []}, iter(range(1000000))

        def publish_next():
            n = next(tried)
            if self.publish(n, "a"):
                taken["a"].append(n)
            return len(taken["a"])
        # Connections are cut, as by an operator; a publish that fails may be there all the same.
        wait_until(lambda: publish_next() == 50, 30, "fifty")
        self.engine.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                        " AND pid <> pg_backend_pid()")
        wait_until(lambda: publish_next() == 150, 30, "a hundred more")
        self.empty()
        self.check([(r.json["data"]["k"], r.json["data"]["n"]) for r in app.calls("/t")], taken)

    @standin_only("its database")
    def test_publish_while_the_database_is_down(self):
        app = App("app-a", [subscription("t", pubsub="fast")], {"/t": 200})
        self.start(app)
        self.assertTrue(self.publish(1, "a"))
        app.wait_calls("/t")
        database = self.engine.host.database
        postgres().sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        # Whoever was let in before is gone, also one that was about to be.
        wait_until(lambda: postgres().sql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}'") == "0",
                   15, "nobody is connected")
        began = time.monotonic()
        reply = call(self.engine.port(self.client), "POST", "/v1.0/publish/fast/t", {"k": "a", "n": 2})
        self.assertEqual((reply.status, reply.json["errorCode"]), (500, "ERR_PUBSUB_PUBLISH_MESSAGE"))
        self.assertLess(time.monotonic() - began, 15)
        postgres().sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        wait_until(lambda: self.publish(3, "a"), 15, "the database is back")
        app.wait_calls("/t", 2)

    @standin_only("its fail points")
    def test_24_killed_between_the_answer_and_the_delete(self):
        app = App("app-a", [subscription("t", pubsub="fast")], {"/t": 200})
        if subprocess.run([HOST, "failpoints"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT).returncode != 0:
            self.skipTest("this build has no failpoints")
        self.start(app, env={"FAILPOINTS": "before_ack_delete=crash@2"})
        self.publish(1, "a")
        app.wait_calls("/t")
        self.publish(2, "a")
        wait_until(lambda: self.engine.host.process.poll() is not None, 10, "the crash")
        del self.engine.host.env["FAILPOINTS"]
        self.engine.start()
        self.empty()
        self.assertEqual(sorted({r.json["data"]["n"] for r in app.calls("/t")}), [1, 2])

    def test_53_sigterm_loses_nothing(self):
        app = App("app-a", [subscription("t", pubsub="fast")], {"/t": lambda r: (time.sleep(0.02), 200)[1]})
        self.start(app)
        taken = {k: list(range(30)) for k in "abcd"}
        for key in taken:
            self.assertEqual(self.publish_bulk(key, taken[key]), 204)
        app.wait_calls("/t", 10)
        self.engine.end()
        self.engine.start()
        self.settled(app, taken)
        self.check([(r.json["data"]["k"], r.json["data"]["n"]) for r in app.calls("/t")], taken)


if __name__ == "__main__":
    unittest.main()

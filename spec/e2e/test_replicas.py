"""Two replicas of every service, each with a daprd of its own under the same app-id."""

import http.client
import json
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import SERVICES, Cluster, token, wait_until  # noqa: E402
from writer import DEAD, Writer, remind, settled  # noqa: E402


class Stream:
    """An open GET /api/events; `ids` are the events that have come, in order."""

    def __init__(self, cluster, service, user):
        self.connection = http.client.HTTPConnection("127.0.0.1", cluster.host_ports[service], timeout=60)
        self.connection.request("GET", "/api/events", headers={"Authorization": "Bearer " + token(user)})
        self.reply = self.connection.getresponse()
        self.events = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while line := self.reply.readline():
                if line.startswith(b"data: ") and line.strip() != b"data: {}":
                    self.events.append(json.loads(line[6:]))
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass

    def of(self, tasks):
        return [(e["task_id"], e["payload"]["task"]["version"]) for e in list(self.events) if e["task_id"] in tasks]


class Replicas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster().start(replicas=2)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def writer(self, user, **more):
        writer = Writer(self.cluster, user, **more)
        self.addCleanup(writer.over.set)
        return writer

    def assert_no_dead(self):
        self.assertEqual(self.cluster.dead_letters(), {})
        self.assertEqual(self.cluster.sql(DEAD), "0")

    def test_updates_reach_the_streams_of_both_replicas_and_each_event_has_one_effect(self):
        streams = [Stream(self.cluster, name, "both") for name in ("chat-api", "chat-api-2")]

        def heard():    # a replica hears what comes after it has joined
            self.cluster.call("POST", "/api/tasks", {"title": "anyone?"}, user="both")
            return all(s.events for s in streams)
        wait_until(heard, 60, "both replicas hear updates")
        tasks = []
        for i in range(20):
            status, task = self.cluster.call("POST", "/api/tasks", {"title": f"t{i}"}, ("chat-api", "chat-api-2")[i % 2], "both")
            self.assertEqual(status, 201)
            tasks.append(task["id"])
            self.assertEqual(self.cluster.call("PUT", "/api/tasks/" + task["id"], {"title": f"u{i}"}, ("chat-api-2", "chat-api")[i % 2], "both")[0], 200)
        for stream in streams:
            wait_until(lambda: len(stream.of(tasks)) >= 40, 30, "the updates")
        time.sleep(1)       # what comes twice, comes
        for stream in streams:
            self.assertEqual(sorted(stream.of(tasks)), sorted((task, v) for task in tasks for v in (1, 2)))
        settled(self.cluster, [])
        self.assert_no_dead()

    def test_series_and_reminders_happen_once(self):
        tasks = [remind(self.cluster, f"s{i}", 6, ("chat-api", "chat-api-2")[i % 2], "once", recurrence_rule="DAILY")["id"] for i in range(10)]
        deliveries = lambda: self.cluster.call("GET", "/api/v1/deliveries", service="notification-service", user="once")[1]["deliveries"]  # noqa: E731
        wait_until(lambda: len([d for d in deliveries() if d["state"] == "sent"]) >= 10, 60, "the reminders")
        for task in tasks:
            self.assertEqual(self.cluster.call("PATCH", f"/api/tasks/{task}/complete", user="once")[0], 200)
        wait_until(lambda: self.cluster.sql("SELECT count(*) FROM recur.outbox") == "0" and
                   int(self.cluster.sql("SELECT count(*) FROM chat.task WHERE user_id = 'once'")) >= 20, 60, "the next ones")
        settled(self.cluster, [])
        self.assertEqual(sorted(d["task_id"] for d in deliveries()), sorted(tasks))
        self.assertEqual(self.cluster.sql("SELECT count(*) || ' ' || count(DISTINCT parent_task_id) FROM chat.task WHERE user_id = 'once'"), "20 10")

    def test_replicas_that_die_and_come_back_lose_and_double_nothing(self):
        writers = [self.writer("dying-1"), self.writer("dying-2", service="chat-api-2")]
        writers[1].wait_for(5)
        for name in SERVICES:
            replica = name + "-2"
            self.cluster.kill("daprd-" + replica)
            self.cluster.kill(replica)
            writers[0].wait_for(20)         # the other one does the work of both
            self.cluster.spawn(replica)
            self.cluster.spawn("daprd-" + replica)
            self.cluster.wait_service(replica)
        for writer in writers:
            writer.wait_for(5)
            writer.stop()
        settled(self.cluster, writers)
        self.assert_no_dead()

    def test_a_rebalance_every_5_seconds_loses_and_doubles_nothing(self):
        writer = self.writer("rebalanced")
        for _ in range(6):
            self.cluster.kill("daprd-audit-service-2")
            time.sleep(1)
            self.cluster.spawn("daprd-audit-service-2")
            time.sleep(4)
        self.cluster.wait_daprd("audit-service-2")
        writer.wait_for(max(100 - len(writer.tasks), 1))
        writer.stop()
        settled(self.cluster, [writer])
        self.assert_no_dead()


if __name__ == "__main__":
    unittest.main()

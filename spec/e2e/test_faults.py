"""Faults on the real parts: processes killed, the broker, the store, the scheduler and the database away."""

import datetime
import json
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import SERVICES, TOPICS, Cluster, answers, postgres, wait_until  # noqa: E402
from writer import DEAD, Writer, moment, settled  # noqa: E402

LATE_SECONDS = 5    # a reminder that no job fires


def parse(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster().start()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def dead_letters(self):
        return {topic: count for topic in TOPICS if (count := self.cluster.records(topic + "-dead"))}

    def writer(self, user, **more):
        writer = Writer(self.cluster, user, **more)
        self.addCleanup(writer.over.set)
        return writer

    def reminded(self, user, count):
        """Creates tasks whose reminder is due in a few seconds."""
        due, tasks = moment(66), {}
        for i in range(count):
            status, task = self.cluster.call("POST", "/api/tasks", {"title": f"r{i}", "due_date": due, "reminder_offset_minutes": 1}, user=user)
            self.assertEqual(status, 201, task)
            tasks[task["id"]] = task["remind_at"]
        return tasks

    def fired(self, by):
        return self.cluster.metric("reminders_fired_total", by=by)

    def deliveries(self, user):
        return self.cluster.call("GET", "/api/v1/deliveries", service="notification-service", user=user)[1]["deliveries"]

    def assert_reminded(self, user, tasks):
        wait_until(lambda: len([d for d in self.deliveries(user) if d["state"] == "sent"]) >= len(tasks), 60, "the reminders")
        sent = self.deliveries(user)
        self.assertEqual(sorted(d["task_id"] for d in sent), sorted(tasks))
        late = max((parse(d["sent_at"]) - parse(tasks[d["task_id"]])).total_seconds() for d in sent)
        self.assertLessEqual(late, LATE_SECONDS)

    def test_each_process_killed_in_turn_loses_and_doubles_nothing(self):
        before = self.dead_letters(), self.cluster.sql(DEAD)
        writer = self.writer("killed")
        writer.wait_for(5)
        for name in SERVICES:
            for process in (name, "daprd-" + name):
                with self.subTest(process=process):
                    self.cluster.kill(process)
                    time.sleep(1)   # it is away for a while
                    self.cluster.spawn(process)
                    self.cluster.wait_service(name)
                    writer.wait_for(5)
        writer.stop()
        self.assertGreater(writer.again, 0)
        settled(self.cluster, [writer])
        self.assertEqual((self.dead_letters(), self.cluster.sql(DEAD)), before)

    def test_the_broker_away_for_20_seconds_delays_events_and_nothing_else(self):
        before = self.dead_letters()
        writer = self.writer("brokerless", patient=False)
        writer.wait_for(5)
        self.cluster.kill("kafka")
        written = len(writer.tasks)
        time.sleep(20)
        self.assertIsNone(writer.problem)
        self.assertGreater(len(writer.tasks), written + 20)
        self.assertGreater(int(self.cluster.sql("SELECT count(*) FROM chat.outbox")), 20)
        self.cluster.spawn("kafka")
        self.cluster.wait("kafka", lambda: self.cluster.accepts(self.cluster.kafka_port))
        writer.wait_for(5)
        writer.stop()
        settled(self.cluster, [writer])
        self.assertEqual(self.dead_letters(), before)

    def test_redis_flushed_and_stopped_changes_nothing(self):
        writer = self.writer("storeless", patient=False)
        writer.wait_for(5)
        subprocess.run(["redis-cli", "-p", str(self.cluster.redis_port), "FLUSHALL"], check=True, stdout=subprocess.DEVNULL)
        writer.wait_for(5)
        self.cluster.kill("redis")
        written = len(writer.tasks)
        writer.wait_for(20)
        tasks = self.reminded("storeless-2", 3)
        self.assert_reminded("storeless-2", tasks)
        wait_until(lambda: int(self.cluster.sql("SELECT count(*) FROM audit.audit_log WHERE user_id = 'storeless'")) > 2 * written, 30, "audit rows")
        self.cluster.spawn("redis")
        self.cluster.wait("redis", lambda: self.cluster.accepts(self.cluster.redis_port))
        writer.wait_for(5)
        writer.stop()
        settled(self.cluster, [writer])

    def test_the_sweep_fires_reminders_while_the_scheduler_is_dead(self):
        told = self.reminded("sched-1", 10)    # their jobs are known to the scheduler
        wait_until(lambda: self.cluster.sql("SELECT count(*) FROM chat.job_change") == "0", 20, "the jobs are told")
        swept = self.fired("sweep") + self.fired("cron")
        self.cluster.kill("scheduler")
        try:
            untold = self.reminded("sched-2", 10)   # and these never
            self.assert_reminded("sched-1", told)
            self.assert_reminded("sched-2", untold)
            now = self.fired("sweep") + self.fired("cron")
            self.assertEqual(now - swept, 20)
        finally:
            self.cluster.spawn("scheduler")
        self.cluster.wait("scheduler", lambda: answers(self.cluster.scheduler_health, "/healthz"))
        # Jobs come back: from some round on it is the job again that fires.
        fired = self.fired("job")
        for i in range(6):
            user = f"sched-again-{i}"
            self.assert_reminded(user, self.reminded(user, 3))
            if self.fired("job") > fired:
                break
        self.assertGreater(self.fired("job"), fired)
        wait_until(lambda: self.cluster.sql("SELECT count(*) FROM chat.job_change") == "0", 60, "the jobs are told")
        for user, tasks in (("sched-1", told), ("sched-2", untold)):
            self.assertEqual(len(self.deliveries(user)), len(tasks))   # what the late jobs called had no effect

    def test_a_consumer_without_its_database_keeps_every_event_off_the_dead_letters(self):
        before = self.dead_letters(), self.cluster.sql(DEAD)
        self.cluster.kill("daprd-audit-service")
        writer = self.writer("baseless")
        writer.wait_for(20)
        writer.stop()
        wait_until(lambda: self.cluster.sql("SELECT count(*) FROM chat.outbox") == "0", 30, "the events are with the broker")
        postgres().stop("immediate")
        try:
            self.cluster.spawn("daprd-audit-service")
            self.cluster.wait_daprd("audit-service")
            wait_until(lambda: self.cluster.log("daprd-audit-service").count("503") > 6, 60, "answers 503")
            time.sleep(10)
        finally:
            postgres().start()
        settled(self.cluster, [writer])
        self.assertEqual((self.dead_letters(), self.cluster.sql(DEAD)), before)

    def kept(self):
        return [int(self.cluster.sql(f"SELECT count(*) FROM {schema}.dead_event")) for schema in ("audit", "recur")]

    def test_poison_goes_to_the_dead_letters_once_and_is_kept(self):
        records, rows = self.cluster.records("task-events-dead"), self.kept()
        event = {"specversion": "1.0", "id": "6f2c9f6e-0000-4000-8000-000000000001", "source": "x", "type": "task.created",
                 "datacontenttype": "application/json", "data": {"event_type": "task.created"}}
        poison = [(json.dumps({"nonsense": 1}), "application/json"), ("not even JSON", "text/plain"),
                  (json.dumps(event), "application/cloudevents+json")]
        for body, kind in poison:
            self.assertEqual(self.cluster.publish("task-events", body, kind), 204)
        writer = self.writer("behind")
        writer.wait_for(20)
        writer.stop()
        settled(self.cluster, [writer])     # what comes behind it goes on
        wait_until(lambda: self.kept() == [rows[0] + 3, rows[1] + 3], 30, "the kept events")
        # Two services hear of tasks, each with a consumer group of its own, and each drops it once.
        wait_until(lambda: self.cluster.records("task-events-dead") >= records + 6, 30, "the dead letters")
        time.sleep(3)       # longer than a redelivery takes
        self.assertEqual(self.cluster.records("task-events-dead"), records + 6)
        self.assertEqual(self.kept(), [rows[0] + 3, rows[1] + 3])


if __name__ == "__main__":
    unittest.main()

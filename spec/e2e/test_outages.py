"""Long outages on the real parts, under a writer: the broker, the store, the scheduler, the databases, and
processes that stand still. Afterwards every event has had its effect once and in order, and none is set aside."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import ClusterCase  # noqa: E402
from cluster import SERVICES, Cluster, answers, postgres, wait_until  # noqa: E402
from proxy import Proxy  # noqa: E402
from writer import settled  # noqa: E402

LONG = 60       # seconds
FROZEN = 15     # longer than a member of a consumer group may be silent
AHEAD = 25      # reminders to which something is done before they are due


class Outages(ClusterCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.cluster.start_kafka()
        cls.cluster.start_redis()
        cls.cluster.start_scheduler()
        # audit-service reaches the database by a way of its own, which can be closed.
        cls.cluster.start_services([name for name in SERVICES if name != "audit-service"])
        cls.way = Proxy(postgres().port)
        url = postgres().url(cls.cluster.database).replace(f":{postgres().port}/", f":{cls.way.port}/")
        cls.cluster.start_service("audit-service", {"DATABASE_URL": url})

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()
        cls.way.stop()

    def setUp(self):
        self.before = self.set_aside()

    def over(self, *writers):
        """The end of an outage: nothing is lost, doubled, out of order or set aside."""
        for writer in writers:
            writer.stop()
        settled(self.cluster, writers, 240)
        self.assertEqual(self.set_aside(), self.before)

    def start_kafka_again(self):
        self.cluster.spawn("kafka")
        self.cluster.wait("kafka", lambda: self.cluster.accepts(self.cluster.kafka_port))

    def test_the_broker_away_for_a_minute_delays_events_and_nothing_else(self):
        writer = self.writer("brokerless", patient=False)
        writer.wait_for(5)
        self.cluster.kill("kafka")
        written = len(writer.tasks)
        self.away(LONG, writer)
        self.assertGreater(len(writer.tasks), written + 100)
        self.assertGreater(int(self.cluster.sql("SELECT count(*) FROM chat.outbox")), 100)
        self.start_kafka_again()
        writer.wait_for(5)
        self.over(writer)

    def test_a_broker_that_is_killed_again_and_again_keeps_what_it_has_taken(self):
        writer = self.writer("rekilled", patient=False)
        for _ in range(2):
            writer.wait_for(20)
            self.cluster.kill("kafka")
            self.start_kafka_again()
        writer.wait_for(20)
        self.over(writer)

    def test_a_broker_that_stands_still_takes_events_twice_and_they_have_one_effect(self):
        writer = self.writer("frozen-broker", patient=False)
        writer.wait_for(5)
        self.paused("kafka", FROZEN, writer)
        writer.wait_for(5)
        self.over(writer)
        rows = int(self.cluster.sql("SELECT count(*) FROM audit.audit_log"))
        self.assertGreater(self.cluster.records("task-events")["task-events"], rows)

    def test_a_sidecar_that_stands_still_delays_events_and_nothing_else(self):
        writer = self.writer("frozen-sidecar", patient=False)
        writer.wait_for(5)
        for name in ("chat-api", "audit-service"):
            self.paused("daprd-" + name, FROZEN, writer)
            writer.wait_for(5)
        self.over(writer)

    def test_a_consumer_without_its_database_for_more_than_a_minute_gets_every_event_in_order(self):
        writer = self.writer("baseless", patient=False)
        writer.wait_for(5)
        refused = self.cluster.log("daprd-audit-service").count("503")
        self.addCleanup(setattr, self.way, "way", "open")
        self.way.way = "closed"
        self.away(LONG / 2, writer)
        self.way.way = "hole"
        self.away(LONG / 2 + 5, writer)
        self.assertGreater(self.cluster.log("daprd-audit-service").count("503"), refused + 10)
        self.assertGreater(int(self.cluster.sql("SELECT count(*) FROM chat.task WHERE user_id = 'baseless'")), 100)
        self.way.way = "open"
        self.over(writer)

    def test_all_without_their_database_for_a_minute_go_on_where_they_were(self):
        writer = self.writer("all-baseless")
        writer.wait_for(5)
        tasks = self.reminded("all-reminded", 5)     # due while the database is away
        postgres().stop("immediate")
        try:
            self.away(LONG)
        finally:
            postgres().start()
        wait_until(lambda: all(answers(self.cluster.host_ports[name], "/ready") for name in SERVICES), 60, "services that are ready")
        writer.wait_for(5)
        self.assert_reminded("all-reminded", tasks, 2 * LONG)
        self.over(writer)

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
        wait_until(lambda: int(self.cluster.sql("SELECT count(*) FROM audit.audit_log WHERE user_id = 'storeless'")) > 2 * written, 60, "audit rows")
        self.cluster.spawn("redis")
        self.cluster.wait("redis", lambda: self.cluster.accepts(self.cluster.redis_port))
        writer.wait_for(5)
        self.over(writer)

    def test_the_sweep_fires_reminders_while_the_scheduler_is_dead(self):
        told = self.reminded("sched-1", 10, AHEAD)    # their jobs are known to the scheduler
        wait_until(lambda: self.cluster.sql("SELECT count(*) FROM chat.job_change") == "0", 60, "the jobs are told")
        swept = self.fired("sweep", "cron")
        self.cluster.kill("scheduler")
        try:
            untold = self.reminded("sched-2", 10)   # and these never
            self.assert_reminded("sched-1", told)
            self.assert_reminded("sched-2", untold)
            self.assertEqual(self.fired("sweep", "cron") - swept, 20)
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

    def test_the_sweep_fires_a_reminder_whose_job_is_lost(self):
        tasks = self.reminded("jobless", 3, AHEAD)
        wait_until(lambda: self.cluster.sql("SELECT count(*) FROM chat.job_change") == "0", 60, "the jobs are told")
        swept = self.fired("sweep", "cron")
        for task in tasks:
            path = f"/v1.0-alpha1/jobs/reminder-{task}"
            self.assertEqual(self.cluster.ask_daprd("GET", path), 200)
            self.assertEqual(self.cluster.ask_daprd("DELETE", path), 204)
        self.assert_reminded("jobless", tasks)
        self.assertEqual(self.fired("sweep", "cron") - swept, 3)


if __name__ == "__main__":
    unittest.main()

"""What specs share that break one cluster again and again."""

import datetime
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster, wait_until  # noqa: E402
from system import PATIENCE  # noqa: E402
from writer import DEAD, Writer, remind  # noqa: E402

LATE_SECONDS = 5 * PATIENCE    # a reminder that no job fires, on a quiet machine within 5


def parse(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class ClusterCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster().start()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def set_aside(self):
        """What was given up: records of the dead-letter topics, and events that services have kept."""
        return self.cluster.dead_letters(), self.cluster.sql(DEAD)

    def writer(self, user, **more):
        writer = Writer(self.cluster, user, **more)
        self.addCleanup(writer.over.set)
        return writer

    def away(self, seconds, writer=None):
        """So long an outage lasts. A writer who asks once only must not notice it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if writer and writer.problem:
                raise writer.problem
            time.sleep(0.2)

    def paused(self, name, seconds, writer):
        """A process that does nothing for a while, and ends no connection."""
        process = self.cluster.processes[name]
        process.send_signal(signal.SIGSTOP)
        try:
            self.away(seconds, writer)
        finally:
            process.send_signal(signal.SIGCONT)

    def reminded(self, user, count, seconds=6):
        """Creates tasks whose reminder is due in so many seconds."""
        made = [remind(self.cluster, f"r{i}", seconds, user=user) for i in range(count)]
        return {task["id"]: task["remind_at"] for task in made}

    def fired(self, *by):
        return sum(self.cluster.metric("reminders_fired_total", by=one) for one in by)

    def deliveries(self, user):
        return self.cluster.call("GET", "/api/v1/deliveries", service="notification-service", user=user)[1]["deliveries"]

    def assert_reminded(self, user, tasks, seconds=LATE_SECONDS):
        """Each once, and no later than that."""
        wait_until(lambda: len([d for d in self.deliveries(user) if d["state"] == "sent"]) >= len(tasks), 60, "the reminders")
        sent = self.deliveries(user)
        self.assertEqual(sorted(d["task_id"] for d in sent), sorted(tasks))
        late = max((parse(d["sent_at"]) - parse(tasks[d["task_id"]])).total_seconds() for d in sent)
        print(f"reminders of {user}: the last one {late:.1f} s late", flush=True)
        self.assertLessEqual(late, seconds)

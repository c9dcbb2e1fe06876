"""Faults on the real parts that are over at once: processes killed, events that nobody can read."""

import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import ClusterCase  # noqa: E402
from cluster import SERVICES, wait_until  # noqa: E402
from writer import settled  # noqa: E402


class Faults(ClusterCase):
    def test_each_process_killed_in_turn_loses_and_doubles_nothing(self):
        before = self.set_aside()
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
        self.assertEqual(self.set_aside(), before)

    def kept(self):
        return [int(self.cluster.sql(f"SELECT count(*) FROM {schema}.dead_event")) for schema in ("audit", "recur")]

    def test_poison_goes_to_the_dead_letters_once_and_is_kept(self):
        rows = self.kept()
        letters = lambda: self.cluster.dead_letters().get("task-events-dead", 0)  # noqa: E731
        records = letters()
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
        wait_until(lambda: letters() >= records + 6, 30, "the dead letters")
        time.sleep(3)       # longer than a redelivery takes
        self.assertEqual(letters(), records + 6)
        self.assertEqual(self.kept(), [rows[0] + 3, rows[1] + 3])


if __name__ == "__main__":
    unittest.main()

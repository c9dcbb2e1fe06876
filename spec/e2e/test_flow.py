"""The flow of the contract on the real parts: from HTTP to the audit log, the reminder and the next task."""

import datetime
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import LATE_SECONDS  # noqa: E402
from cluster import Cluster, wait_until  # noqa: E402
from writer import remind  # noqa: E402


class Flow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster().start()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def call(self, *words, **more):
        return self.cluster.call(*words, **more)

    def sql(self, text):
        return self.cluster.sql(text)

    def test_a_task_of_a_series_from_its_creation_to_the_next_one(self):
        task = remind(self.cluster, "water plants", 6, recurrence_rule="DAILY")
        wait_until(lambda: self.call("GET", f"/api/v1/audit-log?task_id={task['id']}", service="audit-service")[1]["total"] == 1, 30, "the audit row")
        sent = lambda: [d for d in self.call("GET", "/api/v1/deliveries", service="notification-service")[1]["deliveries"]  # noqa: E731
                        if d["state"] == "sent"]
        (delivery,) = wait_until(sent, 40, "the reminder")
        self.assertEqual((delivery["task_id"], delivery["channel"]), (task["id"], "log"))
        late = datetime.datetime.fromisoformat(delivery["sent_at"].replace("Z", "+00:00")) \
            - datetime.datetime.fromisoformat(task["remind_at"].replace("Z", "+00:00"))
        print(f"the reminder: {late.total_seconds():.1f} s late", flush=True)
        self.assertLess(late.total_seconds(), LATE_SECONDS)
        status, answer = self.call("PATCH", f"/api/tasks/{task['id']}/complete")
        self.assertEqual((status, answer["completed_task"]["status"]), (200, "completed"))
        wait_until(lambda: len([t for t in self.call("GET", "/api/tasks")[1] if t["parent_task_id"] == task["id"]]) == 1, 30, "the next one")
        wait_until(lambda: self.call("GET", f"/api/tasks/{task['id']}/history")[1]["total"] == 2, 30, "the history")
        self.assertEqual([e["event_type"] for e in self.call("GET", f"/api/tasks/{task['id']}/history")[1]["entries"]], ["task.created", "task.completed"])

    def test_every_change_reaches_the_audit_log_once(self):
        ids = []
        for i in range(50):
            status, task = self.call("POST", "/api/tasks", {"title": f"t{i}"}, user="bob")
            self.assertEqual(status, 201)
            ids.append(task["id"])
            self.assertEqual(self.call("PUT", "/api/tasks/" + task["id"], {"title": f"u{i}"}, user="bob")[0], 200)
        count = lambda: self.call("GET", "/api/v1/audit-log", service="audit-service", user="bob")[1]["total"]  # noqa: E731
        wait_until(lambda: count() == 100, 60, "the audit rows")
        wait_until(lambda: self.sql("SELECT count(*) FROM chat.outbox") == "0", 30, "an empty outbox")


if __name__ == "__main__":
    unittest.main()

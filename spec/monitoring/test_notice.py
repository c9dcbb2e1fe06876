"""How long it takes until somebody is told of a failure, with the intervals and waits that the chart has: some minutes, so
only where it is asked for (NOTICE=1). Prints a table."""

import datetime
import os
import shutil
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
import chart  # noqa: E402
from cluster import Cluster  # noqa: E402
from prometheus import Prometheus  # noqa: E402
from traffic import Traffic, rules_folder  # noqa: E402

LIMIT_SECONDS = 300


@unittest.skipUnless(os.environ.get("NOTICE"), "takes minutes; NOTICE=1 runs it")
class Notice(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rules = rules_folder()
        cls.addClassCleanup(shutil.rmtree, cls.rules)
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start(env={"RULES_DIR": cls.rules})
        cls.prometheus = Prometheus(cls.cluster, chart.RULES, "15s")
        cls.traffic = Traffic(cls.cluster, cls.rules)

    def until_firing(self, wanted, use):
        """Seconds until each alert is pending and firing, while `use` goes on."""
        began, seen, rounds = time.monotonic(), {name: {} for name in wanted}, 0
        while not all("firing" in times for times in seen.values()):
            passed = time.monotonic() - began
            self.assertLess(passed, LIMIT_SECONDS, f"not noticed: {seen}")
            for name, state in self.prometheus.alerts().items():
                if name in seen:
                    seen[name].setdefault(state, passed)
            if rounds % 5 == 0:
                use()
            rounds += 1
            time.sleep(1)
        for name, times in sorted(seen.items()):
            pending = f"{times['pending']:.0f} s" if "pending" in times else "-"
            print(f"{name:24} pending {pending:>6}, firing {times['firing']:.0f} s", flush=True)

    def task(self):
        self.traffic.call("POST", "/api/tasks", {"title": "t"}, wanted=(201, 503))

    def quiet(self):
        """Before anything fails nothing must fire."""
        for _ in range(10):
            self.task()
            self.traffic.remind()
            time.sleep(5)
        firing = [name for name, state in self.prometheus.alerts().items() if state == "firing"]
        self.assertEqual(firing, [], datetime.datetime.now())

    def test_failures_are_noticed(self):
        cluster, traffic = self.cluster, self.traffic
        self.quiet()

        def use():
            self.task()
            traffic.remind()
        cluster.kill("daprd-notification-service")
        cluster.kill("scheduler")
        traffic.refuse_audit()
        traffic.poison()
        traffic.broken_rule()
        self.until_firing(["TodoTargetDown", "TodoSchedulerSick", "TodoConsumerFailing", "TodoConsumerDeaf", "TodoEventsDead", "TodoReloadFailed"], use)
        traffic.take_audit()
        cluster.kill("kafka")
        self.until_firing(["TodoBrokerSick", "TodoOutboxOld"], self.task)
        traffic.stop_database()
        self.until_firing(["TodoDatabaseDown", "TodoApiErrorsFast"], self.task)


if __name__ == "__main__":
    unittest.main()

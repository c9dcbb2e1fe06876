"""Every query of the dashboards and every expression of the rules, asked of a real Prometheus that scrapes the system on
real Dapr, Kafka and Redis, after each path was used and each part has failed once."""

import math
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
import chart  # noqa: E402
from cluster import Cluster, wait_until  # noqa: E402
from prometheus import Prometheus  # noqa: E402
from traffic import Traffic, rules_folder  # noqa: E402

ROUNDS = 3
CONNECTIONS = 100


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rules, shadow = rules_folder(), rules_folder()
        cls.addClassCleanup(shutil.rmtree, cls.rules)
        cls.addClassCleanup(shutil.rmtree, shadow)
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.stop)
        # A binding that is not there: a delivery that fails.
        cls.cluster.start(env={"RULES_DIR": cls.rules, "RULES_SHADOW_DIR": shadow, "MAX_CONNECTIONS": str(CONNECTIONS), "NOTIFY_WEBHOOK": "nowhere"})
        cls.prometheus = Prometheus(cls.cluster, chart.RULES)
        cls.drive(Traffic(cls.cluster, cls.rules))

    @classmethod
    def drive(cls, traffic):
        cluster = cls.cluster
        traffic.listen()
        for n in range(ROUNDS):
            traffic.use(n)
            cls.scraped()
        traffic.reminded_by_job()
        wait_until(lambda: traffic.crowd(CONNECTIONS + 20) > 0, 30, "too many connections")
        traffic.failing_rule()
        traffic.broken_rule()
        traffic.mended_rule()
        traffic.poison()
        wait_until(lambda: cluster.metric("events_dead", "audit-service") > 0, 60, "a dead event")
        traffic.refuse_audit()
        traffic.call("POST", "/api/tasks", {"title": "no audit"})
        wait_until(lambda: traffic.retries() > 0, 60, "events that come again")
        traffic.take_audit()
        cluster.kill("scheduler")
        traffic.remind(2)
        wait_until(lambda: cluster.metric("reminders_fired_total", by="sweep") + cluster.metric("reminders_fired_total", by="cron") > 0, 60, "the sweep")
        wait_until(lambda: cluster.metric("jobs_failures_total") > 0, 60, "a scheduler that is away")
        cluster.spawn("scheduler")
        cluster.kill("kafka")
        traffic.call("POST", "/api/tasks", {"title": "no broker"})
        wait_until(lambda: cluster.metric("outbox_breaker_open") > 0, 60, "the relay's breaker")
        cluster.spawn("kafka")
        wait_until(lambda: cluster.metric("outbox_breaker_open") == 0, 60, "the broker again")
        traffic.stop_database()
        wait_until(lambda: traffic.raw("GET", "/api/calendar", headers=traffic.bearer()) == 503, 30, "the database's absence")
        traffic.start_database()
        for n in range(2):
            traffic.use(10 + n)
            cls.scraped()

    @classmethod
    def scraped(cls):
        """Waits until each target has been read once more."""
        def read():
            return {labels["instance"]: value for labels, value in cls.prometheus.query("timestamp(up)")}
        before = read()
        wait_until(lambda: all(value > before.get(name, 0) for name, value in read().items()), 30, "a scrape")

    def assert_data(self, expression):
        values = self.prometheus.query(expression)
        self.assertTrue(values, f"no data: {expression}")
        self.assertTrue(any(math.isfinite(value) for _, value in values), f"no number: {expression}")

    def assert_series(self, expression):
        for selector in chart.selectors(expression):
            self.assertTrue(self.prometheus.query(f"count_over_time({selector}[{chart.LOOK_BACK}])"), f"no series: {selector}")

    def test_every_target_is_up(self):
        # One scrape may fail: it has a second.
        down = lambda: [labels for labels, value in self.prometheus.query("up") if value != 1]  # noqa: E731
        try:
            wait_until(lambda: not down(), 30, "every target is up")
        except AssertionError as e:
            raise AssertionError(f"{e}: {down()}") from None

    def test_what_the_services_show_is_as_prometheus_wants_it(self):
        for service in self.cluster.host_ports:
            done = subprocess.run(["promtool", "check", "metrics"], input=self.cluster.metrics(service), stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, ""), service)

    def test_the_choices_of_each_dashboard_are_there(self):
        for path in chart.DASHBOARDS:
            for selector in chart.variable_selectors(path):
                self.assert_series(selector)


def panel_test(queries):
    def test(self):
        for query in queries:
            self.assert_data(query)
    return test


def rule_test(rule):
    def test(self):
        self.prometheus.query(rule["expr"])
        self.assert_series(rule["expr"])
        if "record" in rule:
            self.assert_data(rule["record"])
    return test


def name_of(kind, title):
    return f"test_{kind}_" + "".join(c if c.isalnum() else "_" for c in title)


for _path in chart.DASHBOARDS:
    for _title, _queries in chart.panels(_path):
        setattr(Live, name_of("panel", _title), panel_test(_queries))
for _rule in chart.rules():
    setattr(Live, name_of("rule", _rule.get("alert") or _rule["record"]), rule_test(_rule))


if __name__ == "__main__":
    unittest.main()

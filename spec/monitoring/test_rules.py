"""Each alert rule fires for what it is meant for, and for nothing near it (promtool test rules). A case is the alert, what
Prometheus has seen (series, one value each 15 s unless STEPS says otherwise), and when to look; what else fires then is a failure as well."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import chart  # noqa: E402

# Without pods every service is missing: looked at in a case of its own.
ALWAYS = "TodoServiceMissing"
SERVICES = ("chat-api", "notification-service", "recurring-task-service", "audit-service")


def one(name, **labels):
    text = ",".join(f'{k.rstrip("_")}="{v}"' for k, v in {"job": "todo-chatbot", "namespace": "n", **labels}.items())
    return f"{name}{{{text}}}"


def chat(name, **labels):
    return one(name, service="chat-api", instance="i", container="todo-host", **labels)


def requests(code, values, route="/api/tasks"):
    return {chat("http_server_requests_total", method="GET", route=route, code=code): values}


def times(good, all_):
    """Answers within 250 ms, and all."""
    return {chat("http_server_request_duration_seconds_bucket", route="/api/tasks", le="0.25"): good,
            chat("http_server_request_duration_seconds_count", route="/api/tasks"): all_}


def histogram(name, buckets, **labels):
    return {chat(name + "_bucket", le=le, **labels): values for le, values in buckets.items()}


def ups(*services):
    return {one("up", service=s, instance=s, container="todo-host"): "1x40" for s in services}


CASES = {
    "TodoApiErrorsFast": [
        ("answers that fail, 5 % of them", {**requests("200", "0+95x400"), **requests("503", "0+5x400")}, "90m", True),
        ("1 in 2,000", {**requests("200", "0+1999x400"), **requests("503", "0+1x400")}, "90m", False),
        ("probes that fail", {**requests("200", "0+95x400"), **requests("503", "0+50x400", "/ready")}, "90m", False)],
    "TodoApiErrorsLasting": [
        ("0.4 % for a day", {**requests("200", "0+996x6000"), **requests("503", "0+4x6000")}, "24h", True),
        ("0.05 % for a day", {**requests("200", "0+1999x6000"), **requests("503", "0+1x6000")}, "24h", False)],
    "TodoApiSlowFast": [
        ("a third is slow", times("0+60x400", "0+90x400"), "90m", True),
        ("1 % is slow", times("0+99x400", "0+100x400"), "90m", False)],
    "TodoApiSlowLasting": [
        ("4 % are slow for a day", times("0+96x6000", "0+100x6000"), "24h", True),
        ("0.5 % are slow for a day", times("0+199x6000", "0+200x6000"), "24h", False)],
    "TodoTargetDown": [
        ("a sidecar that does not answer", {one("up", service="a", instance="i", container="daprd"): "1x8 0x8"}, "3m", True),
        ("one scrape that failed", {one("up", service="a", instance="i", container="daprd"): "1x8 0 1x8"}, "2m15s", False)],
    ALWAYS: [
        ("three of the four", ups(*SERVICES[:3]), "5m", True),
        ("all four", ups(*SERVICES), "5m", False)],
    "TodoRestarting": [
        ("three starts in 10 minutes", {chat("process_start_time_seconds"): "1x10 2x10 3x10 4x10"}, "10m", True),
        ("one start", {chat("process_start_time_seconds"): "1x10 2x30"}, "10m", False)],
    "TodoOverload": [
        ("requests refused for their number", requests("503", "0+1x40", "overload"), "5m", True),
        ("requests refused for what they are", requests("400", "0+1x40", "refused"), "5m", False)],
    "TodoLoopLag": [
        ("5 % of the timers 0.5 s late", histogram("worker_loop_lag_seconds", {"0.25": "0+95x40", "0.5": "0+100x40", "+Inf": "0+100x40"}), "5m", True),
        ("all within 10 ms", histogram("worker_loop_lag_seconds", {"0.01": "0+100x40", "0.25": "0+100x40", "+Inf": "0+100x40"}), "5m", False)],
    "TodoMemoryNearLimit": [
        ("95 %", {chat("process_resident_memory_bytes"): "95x40", chat("process_memory_limit_bytes"): "100x40"}, "5m", True),
        ("80 %", {chat("process_resident_memory_bytes"): "80x40", chat("process_memory_limit_bytes"): "100x40"}, "5m", False)],
    "TodoFilesNearLimit": [
        ("95 %", {chat("process_open_fds"): "95x40", chat("process_max_fds"): "100x40"}, "5m", True),
        ("80 %", {chat("process_open_fds"): "80x40", chat("process_max_fds"): "100x40"}, "5m", False)],
    "TodoDatabaseDown": [
        ("no connection for a minute", {chat("db_connections_up"): "4x4 0x8"}, "3m", True),
        ("one of four lost", {chat("db_connections_up"): "4x4 3x8"}, "3m", False)],
    "TodoDatabaseSlow": [
        ("5 % of the answers take a second",
         histogram("db_segment_duration_seconds", {"0.5": "0+95x40", "1": "0+100x40", "+Inf": "0+100x40"}), "6m", True),
        ("a queue that stays", {chat("db_units_waiting"): "200x40"}, "6m", True),
        ("a queue that goes", {chat("db_units_waiting"): "0 500 0 500 0 500 0 500 0 500 0 500 0 500 0 500 0 500 0 500 0 500 0 500 0"}, "5m", False)],
    "TodoOutboxOld": [
        ("40 s old for a minute", {chat("outbox_oldest_seconds"): "40x8"}, "1m30s", True),
        ("20 s old", {chat("outbox_oldest_seconds"): "20x8"}, "1m30s", False)],
    "TodoOutboxLarge": [
        ("60 % of the limit", {chat("outbox_bytes"): "60x20", chat("outbox_max_bytes"): "100x20"}, "3m", True),
        ("10 % of the limit", {chat("outbox_bytes"): "10x20", chat("outbox_max_bytes"): "100x20"}, "3m", False)],
    "TodoEventsParked": [
        ("one row", {chat("outbox_dead"): "0x4 1x4"}, "1m30s", True), ("none", {chat("outbox_dead"): "0x8"}, "1m30s", False)],
    "TodoEventsDead": [
        ("one row", {chat("events_dead"): "0x4 1x4"}, "1m30s", True), ("none", {chat("events_dead"): "0x8"}, "1m30s", False)],
    "TodoBrokerSick": [
        ("a breaker that stays open", {chat("outbox_breaker_open", topic="t"): "1x8"}, "1m30s", True),
        ("a breaker that was open", {chat("outbox_breaker_open", topic="t"): "1 0x8"}, "1m30s", False)],
    "TodoConsumerFailing": [
        ("events that come again and again", {chat("events_handled_total", topic="t", outcome="retry"): "0+2x20"}, "4m", True),
        ("one event that came again, once", {chat("events_handled_total", topic="t", outcome="retry"): "0 1x20"}, "4m", False)],
    "TodoConsumerDeaf": [
        ("published, and not handled", {chat("outbox_published_total", topic="task-events"): "0+1x40",
                                        one("events_handled_total", service="audit-service", topic="task-events", outcome="success"): "7x40"}, "8m", True),
        ("published and handled", {chat("outbox_published_total", topic="task-events"): "0+1x40",
                                   one("events_handled_total", service="audit-service", topic="task-events", outcome="success"): "0+1x40"}, "8m", False),
        ("nothing published", {chat("outbox_published_total", topic="task-events"): "7x40",
                               one("events_handled_total", service="audit-service", topic="task-events", outcome="success"): "7x40"}, "8m", False)],
    "TodoEventsLate": [
        ("5 % after 30 s", histogram("events_handled_lag_seconds", {"10": "0+95x60", "30": "0+100x60", "+Inf": "0+100x60"}, topic="t"), "9m", True),
        ("all within a second", histogram("events_handled_lag_seconds", {"1": "0+100x60", "10": "0+100x60", "+Inf": "0+100x60"}, topic="t"), "9m", False)],
    "TodoReminderLate": [
        ("one 10 s late", {**histogram("reminders_late_seconds", {"5": "0+1x20"}), chat("reminders_late_seconds_count"): "0+1x8 10+1x11"}, "4m", True),
        ("all within 5 s", {**histogram("reminders_late_seconds", {"5": "0+1x20"}), chat("reminders_late_seconds_count"): "0+1x20"}, "4m", False)],
    "TodoRemindersOverdue": [
        ("the oldest is 20 s late", {chat("reminders_oldest_overdue_seconds"): "0x4 20x4"}, "2m", True),
        ("the oldest is 2 s late", {chat("reminders_oldest_overdue_seconds"): "2x8"}, "2m", False)],
    "TodoSchedulerSick": [
        ("it takes no jobs", {chat("jobs_failures_total"): "0+1x20", chat("jobs_pending"): "3x20"}, "4m", True),
        ("the sweep fires", {chat("reminders_fired_total", by="sweep"): "0+1x40", chat("reminders_fired_total", by="job"): "5x40"}, "8m", True),
        ("the job fires", {chat("reminders_fired_total", by="sweep"): "0x40", chat("reminders_fired_total", by="job"): "0+1x40"}, "8m", False)],
    "TodoNotifyFailing": [
        ("mails that fail", {chat("notify_deliveries_total", channel="email", outcome="failed"): "0+1x20"}, "4m", True),
        ("mails that go out", {chat("notify_deliveries_total", channel="email", outcome="sent"): "0+1x20"}, "4m", False)],
    "TodoReloadFailed": [
        ("rules that were refused", {chat("todo_rules_config_last_reload_successful"): "1x4 0x4"}, "1m30s", True),
        ("scripts that were refused", {chat("todo_scripts_config_last_reload_successful"): "1x4 0x4"}, "1m30s", True),
        ("both taken", {chat("todo_rules_config_last_reload_successful"): "1x8", chat("todo_scripts_config_last_reload_successful"): "1x8"}, "1m30s", False)],
    "TodoRulesDiffer": [
        ("two revisions for long", {chat("todo_rules_info", revision="a"): "1x60", one("todo_rules_info", service="b", revision="b"): "1x60"}, "10m", True),
        ("one revision", {chat("todo_rules_info", revision="a"): "1x60", one("todo_rules_info", service="b", revision="a"): "1x60"}, "10m", False)],
    "TodoRulesFailing": [
        ("one of ten calls", {chat("rules_defaults_total", rule="r", reason="error"): "0+1x20", chat("rules_call_seconds_count", rule="r"): "0+10x20"},
         "4m", True),
        ("no call", {chat("rules_defaults_total", rule="r", reason="error"): "5x20", chat("rules_call_seconds_count", rule="r"): "0+10x20"}, "4m", False)],
}
# The longer, the wider apart the values: each is one evaluation of everything.
STEPS = {"90m": "1m", "24h": "10m"}
# What else is true then.
WITH = {"TodoApiErrorsFast": {"TodoApiErrorsLasting"}, "TodoApiErrorsLasting": set(), "TodoApiSlowFast": {"TodoApiSlowLasting"},
        "TodoOverload": {"TodoApiErrorsFast", "TodoApiErrorsLasting"}, "TodoReminderLate": set()}


def promtool(*words):
    done = subprocess.run(["promtool", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode == 0, done.stdout


class Rules(unittest.TestCase):
    maxDiff = None

    def firing(self, alert, series, at, fires):
        hidden = "" if alert == ALWAYS else f',alertname!="{ALWAYS}"'
        allowed = "|".join(sorted(WITH.get(alert, set())))
        hidden += f',alertname!~"{allowed}"' if fires and allowed else ""
        expression = f'count by (alertname) (ALERTS{{alertstate="firing"{hidden}}})'
        wanted = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if fires else []
        interval = STEPS.get(at, "15s")
        test = {"rule_files": chart.RULES, "evaluation_interval": interval, "group_eval_order": chart.groups(),
                "tests": [{"interval": interval, "input_series": [{"series": name, "values": values} for name, values in series.items()],
                           "promql_expr_test": [{"expr": expression, "eval_time": at, "exp_samples": wanted}]}]}
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
            json.dump(test, f)
            f.flush()
            good, said = promtool("test", "rules", f.name)
        self.assertTrue(good, said)

    def test_the_rules_are_valid(self):
        good, said = promtool("check", "rules", *chart.RULES)
        self.assertTrue(good, said)

    def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(self):
        self.assertEqual(sorted(CASES), sorted(alert["alert"] for alert in chart.alerts()))
        for name, cases in CASES.items():
            self.assertEqual({fires for _, _, _, fires in cases}, {True, False}, name)


def case_test(alert, series, at, fires):
    return lambda self: self.firing(alert, series, at, fires)


for _alert, _cases in CASES.items():
    for _title, _series, _at, _fires in _cases:
        _name = f"test_{_alert}_{'fires' if _fires else 'is_quiet'}_" + "".join(c if c.isalnum() else "_" for c in _title)
        setattr(Rules, _name, case_test(_alert, _series, _at, _fires))


if __name__ == "__main__":
    unittest.main()

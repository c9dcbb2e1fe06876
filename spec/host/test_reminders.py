"""Reminders: armed and cleared with their task, fired once and in time, whoever asks."""

import datetime
import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import at_once  # noqa: E402
from sidecar import Sidecar  # noqa: E402
from system import Host, postgres, token, wait_until  # noqa: E402

INNER_TOKEN = "inner-token-0123456789"


def moment(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


class Case(unittest.TestCase):
    jobs_api = True

    def setUp(self):
        self.jobs = {}      # name -> body, as the scheduler has them
        self.told = []      # (method, name), in the order of their coming
        self.lock = threading.Lock()
        self.sidecar = Sidecar()
        self.sidecar.answer = self.schedule
        self.host = Host(env={"DAPR_HTTP_PORT": str(self.sidecar.port), "APP_API_TOKEN": INNER_TOKEN, "USER_RATE": "1000000"})
        self.inner = self.host.base + 1000

    def tearDown(self):
        try:
            self.host.stop()
        finally:
            self.sidecar.stop()
            postgres().sql(f"DROP DATABASE IF EXISTS {self.host.database} WITH (FORCE)")

    def schedule(self, request):
        if not self.jobs_api:
            return 500, {"errorCode": "DAPR_SCHEDULER_SCHEDULE_JOB", "message": "scheduler clients are disabled"}
        name = request.path.rsplit("/", 1)[1]
        with self.lock:
            self.told.append((request.method, name))
            if request.method == "POST":
                self.jobs[name] = json.loads(request.body)
            else:
                self.jobs.pop(name, None)
        return 204, None

    def sql(self, text):
        return postgres().sql(text, self.host.database)

    def create(self, due_in=3600, offset=5, **more):
        reply = self.host.post("/api/tasks", {"title": "call", "due_date": moment(due_in), "reminder_offset_minutes": offset, **more})
        self.assertEqual(reply.status, 201, reply.body)
        return reply.json

    def job_of(self, task):
        return self.jobs.get("reminder-" + task["id"])

    def call_job(self, task_id, version, **headers):
        return self.host.post(f"/job/reminder-{task_id}", {"task_id": task_id, "version": version}, port=self.inner, token=None,
                              headers={"dapr-api-token": INNER_TOKEN, **headers})

    def fired(self, task=None):
        """Each event once: after a failure the relay may publish it again, with the same id."""
        events = {e["id"]: e["data"] for k, e in self.sidecar.of("reminders") if task is None or k == task["id"]}
        return list(events.values())

    def swept(self):
        text = self.host.get("/metrics", token=None).body.decode()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("reminders_fired_total{") and 'by="sweep"' in line)

    def before_the_sweep(self, attempt):
        """What the attempt returns. It makes a reminder due and does something with it; when that has taken so long that the sweep,
        which waits for two seconds, fired it first, then with another one."""
        results = []

        def in_time():
            before = self.swept()
            results.append(attempt())
            return self.swept() == before
        wait_until(in_time, 30, "an attempt that is faster than the sweep")
        return results[-1]

    def make_due(self, seconds_ago, task=None):
        """As if that much time had passed: the reminder's time is moved, not the clock."""
        where = f"WHERE task_id = '{task['id']}'" if task else ""
        self.sql(f"UPDATE chat.reminder SET remind_at = clock_timestamp() - interval '{seconds_ago} seconds' {where}")

    def told_all(self):
        wait_until(lambda: self.sql("SELECT count(*) FROM chat.job_change") == "0", 20, "the scheduler to be told")


class Reminders(Case):
    def test_a_job_follows_its_reminder(self):
        task = self.create()
        self.told_all()
        job = self.job_of(task)
        self.assertEqual((job["dueTime"], job["overwrite"], job["data"]), (task["remind_at"], True, {"task_id": task["id"], "version": 1}))
        self.assertNotIn("maxRetries", job["failurePolicy"]["constant"])
        moved = self.host.call("PUT", "/api/tasks/" + task["id"], {"reminder_offset_minutes": 10}).json
        self.told_all()
        self.assertEqual((self.job_of(task)["dueTime"], self.job_of(task)["data"]["version"]), (moved["remind_at"], 2))
        self.host.call("PUT", "/api/tasks/" + task["id"], {"title": "another title"})
        self.told_all()
        self.assertEqual(self.job_of(task)["data"]["version"], 2, "a change beside the reminder leaves it")
        for change, back in (({"reminder_offset_minutes": None}, {"reminder_offset_minutes": 5}),
                             ({"status": "completed"}, {"status": "pending"}), ({"due_date": None}, None)):
            self.host.call("PUT", "/api/tasks/" + task["id"], change)
            self.told_all()
            self.assertIsNone(self.job_of(task), change)
            self.assertEqual(self.sql("SELECT count(*) FROM chat.reminder"), "0")
            if back:
                self.host.call("PUT", "/api/tasks/" + task["id"], back)
                self.told_all()
                self.assertIsNotNone(self.job_of(task), back)
        other = self.create()
        self.told_all()
        self.assertEqual(self.host.call("DELETE", "/api/tasks/" + other["id"]).status, 200)
        self.told_all()
        self.assertIsNone(self.job_of(other))
        self.assertEqual(self.sql("SELECT count(*) FROM chat.reminder"), "0")

    def test_many_changes_leave_the_last_one(self):
        task = self.create()
        for offset in range(6, 40):
            self.host.call("PUT", "/api/tasks/" + task["id"], {"reminder_offset_minutes": offset})
        self.told_all()
        self.assertEqual(self.job_of(task)["data"]["version"], 35)

    def test_the_job_fires_it_once(self):
        def call_often():
            task = self.create()
            self.make_due(0.1, task)
            return task, at_once(20, lambda: self.call_job(task["id"], 1))
        task, replies = self.before_the_sweep(call_often)
        self.assertEqual([r.status for r in replies], [200] * 20)
        self.assertEqual(sum(r.json["fired"] for r in replies), 1)
        wait_until(lambda: self.fired(task), 10, "the event")
        event = self.fired(task)[0]
        self.assertEqual((event["event_type"], event["task_id"], event["user_id"]), ("reminder.triggered", task["id"], "ann"))
        payload = event["payload"]
        self.assertEqual((payload["task_id"], payload["task_title"], payload["due_at"]), (task["id"], "call", task["due_date"]))
        self.assertRegex(payload["remind_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertLess(payload["late_seconds"], 60)

    def test_a_call_that_fits_nothing_has_no_effect(self):
        task = self.create()
        gone = self.create()
        self.host.call("DELETE", "/api/tasks/" + gone["id"])
        for task_id, version in ((task["id"], 1), (task["id"], 7), (gone["id"], 1), ("0" * 8 + "-0000-4000-8000-" + "0" * 12, 1)):
            reply = self.call_job(task_id, version)
            self.assertEqual((reply.status, reply.json), (200, {"fired": False}))
        for name, body in (("reminder-x", b"{}"), ("other", b"null"), ("reminder-" + task["id"], b"{"), ("reminder-" + task["id"], b'{"version":1.5}')):
            reply = self.host.post("/job/" + name, body, port=self.inner, token=None, headers={"dapr-api-token": INNER_TOKEN})
            self.assertEqual(reply.status, 200, name)
        self.assertEqual(self.sql("SELECT count(*) FROM chat.reminder"), "1")

    def test_the_job_of_a_completed_task_has_no_effect(self):
        def complete():
            task = self.create()
            self.make_due(0, task)
            self.assertEqual(self.host.call("PATCH", f"/api/tasks/{task['id']}/complete").status, 200)
            return task, self.call_job(task["id"], 1).json
        task, answer = self.before_the_sweep(complete)
        self.assertEqual(answer, {"fired": False})
        self.assertEqual(self.sql(f"SELECT count(*) FROM chat.outbox WHERE topic = 'reminders' AND key = '{task['id']}'"), "0")
        self.assertEqual(self.fired(task), [])

    def test_a_job_that_is_a_little_early_waits(self):
        def call():
            task = self.create()
            self.sql(f"UPDATE chat.reminder SET remind_at = clock_timestamp() + interval '300 milliseconds' WHERE task_id = '{task['id']}'")
            return self.call_job(task["id"], 1).json
        self.assertEqual(self.before_the_sweep(call), {"fired": True})

    def test_only_the_sidecar_may_call(self):
        task = self.create()
        self.make_due(1, task)
        for headers in ({"dapr-api-token": "wrong"}, {"dapr-caller-app-id": "other"}):
            self.assertEqual(self.call_job(task["id"], 1, **headers).status, 403)

    def test_the_sweep_fires_what_no_job_has_fired_oldest_first(self):
        tasks = [self.create(title=f"t{i}") for i in range(30)]
        for i, task in enumerate(tasks):
            self.make_due(7200 - i, task)
        wait_until(lambda: len(self.fired()) == 30, 20, "all events")
        self.assertEqual(self.sql("SELECT count(*) FROM chat.reminder"), "0")
        self.assertEqual(sorted(e["task_id"] for e in self.fired()), sorted(t["id"] for t in tasks))
        for event in self.fired():
            self.assertGreater(event["payload"]["late_seconds"], 7000)

    def test_late_ones_are_written_oldest_first(self):
        port = self.sidecar.port
        self.sidecar.stop()
        tasks = [self.create(title=f"t{i}") for i in range(30)]
        self.sql("BEGIN; " + "; ".join(f"UPDATE chat.reminder SET remind_at = now() - interval '{1000 + 37 * i % 30} seconds' WHERE task_id = '{t['id']}'"
                                       for i, t in enumerate(tasks)) + "; COMMIT")
        wait_until(lambda: self.sql("SELECT count(*) FROM chat.outbox WHERE topic = 'reminders'") == "30", 20, "all events")
        times = self.sql("SELECT data::json->'payload'->>'remind_at' FROM chat.outbox WHERE topic = 'reminders' ORDER BY id").split("\n")
        self.assertEqual(times, sorted(times))
        self.sidecar = Sidecar(port)
        self.sidecar.answer = self.schedule

    def test_the_cron_binding_sweeps(self):
        task = self.create()
        headers = {"dapr-api-token": INNER_TOKEN}
        self.assertEqual(self.host.call("OPTIONS", "/reminder-sweep", port=self.inner, token=None, headers=headers).status, 405)
        self.assertEqual(self.host.call("POST", "/reminder-sweep", port=self.inner, token=None, headers=headers).json, {"fired": 0})
        self.make_due(5, task)
        self.host.call("POST", "/reminder-sweep", port=self.inner, token=None, headers=headers)
        wait_until(lambda: self.fired(task), 10, "the event")
        self.assertEqual(self.host.call("POST", "/reminder-sweep", port=self.inner, token=None).status, 403)

    def test_a_dead_database_is_503_and_nothing_is_lost(self):
        task = self.create()
        self.make_due(0, task)
        postgres().stop("immediate")
        try:
            self.assertEqual(self.call_job(task["id"], 1).status, 503)
        finally:
            postgres().start()
        wait_until(lambda: self.fired(task), 20, "the event")
        later = self.create()
        self.make_due(3, later)
        wait_until(lambda: self.fired(later), 20, "another sweep")
        self.assertEqual(len(self.fired(task)), 1)

    def test_a_reminder_of_a_later_time_is_not_fired_by_the_old_job(self):
        def call_both():
            task = self.create()
            self.assertEqual(self.host.call("PUT", "/api/tasks/" + task["id"], {"reminder_offset_minutes": 7}).status, 200)
            self.make_due(0, task)
            return [self.call_job(task["id"], version).json for version in (1, 2)]
        self.assertEqual(self.before_the_sweep(call_both), [{"fired": False}, {"fired": True}])


class WithoutScheduler(Case):
    """The same system whose scheduler is down."""

    jobs_api = False

    def test_a_task_is_made_and_its_reminder_fires_all_the_same(self):
        task = self.create()
        self.make_due(0, task)
        wait_until(lambda: self.fired(task), 15, "the event")
        self.assertNotEqual(self.sql("SELECT count(*) FROM chat.job_change"), "0")
        self.jobs_api = True
        wait_until(lambda: self.sql("SELECT count(*) FROM chat.job_change") == "0", 60, "the scheduler to be told")


if __name__ == "__main__":
    unittest.main()

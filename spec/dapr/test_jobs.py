"""Jobs and bindings."""

import json
import threading
import time
import unittest
from datetime import datetime, timedelta, timezone

import engine
from engine import App, call, standin_only
from mail import MailServer
from system import wait_until

ALPHA = "/v1.0-alpha1/jobs/"


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.app = App("app-a")
        cls.other = engine.client("app-b")
        cls.engine = engine.start([cls.app, cls.other])

    @classmethod
    def tearDownClass(cls):
        cls.engine.stop()

    def setUp(self):
        self.name = self.id().rsplit(".", 1)[1].replace("_", "-")
        self.path = "/job/" + self.name
        self.app.handlers[self.path] = 200

    def job(self, method="POST", body=None, name=None, root=ALPHA, app=None):
        return call(self.engine.port(app or self.app), method, root + (name or self.name), body)

    def create(self, status=204, code=None, name=None, **body):
        reply = self.job("POST", {"data": {"n": 1}, **body}, name)
        self.assertEqual(reply.status, status, reply.body)
        if code:
            self.assertEqual(reply.json["errorCode"], code)

    def gone(self):
        wait_until(lambda: self.job("GET").status == 500, 10, "the job's end")
        self.assertEqual(self.job("GET").json["errorCode"], "DAPR_SCHEDULER_GET_JOB")

    def test_40_once(self):
        self.create(dueTime="1h")
        told = self.job("GET").json
        self.assertEqual((told["name"], told["dueTime"], told["data"]["value"]), (self.name, "1h", {"n": 1}))
        began = time.monotonic()
        self.create(dueTime="1s", overwrite=True)
        got = self.app.wait_calls(self.path)[0]
        self.assertGreater(got.at - began, 0.95)
        self.assertEqual((got.method, got.json, got.headers["Content-Type"]), ("POST", {"n": 1}, "application/json"))
        self.gone()
        self.assertEqual(len(self.app.calls(self.path)), 1)

    @standin_only("Dapr has it from 1.18 on")
    def test_40_the_stable_path_too(self):
        self.assertEqual(self.job("POST", {"data": 1, "dueTime": "1h"}, root="/v1.0/jobs/").status, 204)
        self.assertEqual(self.job("GET", root="/v1.0/jobs/").status, 200)
        self.assertEqual(self.job("DELETE", root="/v1.0/jobs/").status, 204)
        self.gone()

    def attempts(self, answer, policy, count):
        self.app.handlers[self.path] = answer
        self.create(dueTime="0s", **({"failurePolicy": policy} if policy else {}))
        self.app.wait_calls(self.path, count, 30)
        self.gone()
        self.assertEqual(len(self.app.calls(self.path)), count)

    def test_41_default_policy(self):
        self.attempts(500, None, 4)
        calls = self.app.calls(self.path)
        for one, two in zip(calls, calls[1:]):
            self.assertGreater(two.at - one.at, 0.9)

    def test_41_drop(self):
        self.attempts(500, {"drop": {}}, 1)

    def test_41_constant(self):
        self.attempts(500, {"constant": {"interval": "0.2s", "maxRetries": 6}}, 7)

    def test_41_hang_up(self):
        self.app.handlers[self.path] = "hang up"
        self.create(dueTime="0s", failurePolicy={"constant": {"interval": "0.1s", "maxRetries": 2}})
        self.app.wait_calls(self.path, 3)
        self.gone()

    def test_41_not_found_is_done(self):
        self.attempts(404, None, 1)

    def test_41_no_content_is_done(self):
        self.attempts(204, None, 1)

    def test_41_without_an_end(self):
        left = [500] * 6
        self.app.handlers[self.path] = lambda r: left.pop() if left else 200
        self.create(dueTime="0s", failurePolicy={"constant": {"interval": "0.1s"}})
        self.app.wait_calls(self.path, 7)
        self.gone()

    def test_42_names_and_overwriting(self):
        self.create(dueTime="1h")
        self.create(dueTime="1h", status=409, code="DAPR_SCHEDULER_SCHEDULE_JOB")
        self.create(dueTime="1s", data="new", overwrite=True)
        self.assertEqual(self.app.wait_calls(self.path)[0].json, "new")
        self.gone()
        self.create(dueTime="1h")
        self.assertEqual([self.job("DELETE").status, self.job("DELETE").status], [204, 204])
        self.gone()

    def test_42_overwriting_takes_the_old_time_away(self):
        # Due so late that it has not come before it is overwritten, also on a machine that stands still for a while.
        for due in (1, 8, 64):
            self.app.forget()
            began = time.monotonic()
            self.create(dueTime=f"{due}s", overwrite=True)
            self.create(dueTime="1h", overwrite=True)
            if time.monotonic() - began < due * 0.9:
                break
        self.create(dueTime=f"{due}500ms", name=self.name + "-later")
        self.app.handlers[self.path + "-later"] = 200
        self.app.wait_calls(self.path + "-later", seconds=30)
        self.assertEqual(self.app.calls(self.path), [])

    def test_42_overwriting_while_it_runs(self):
        inside, go = threading.Event(), threading.Event()

        def slow(request):
            if request.json == "old":
                inside.set()
                go.wait(55)
            return 200
        self.app.handlers[self.path] = slow
        self.addCleanup(go.set)
        self.create(dueTime="0s", data="old")
        self.assertTrue(inside.wait(60))
        self.create(dueTime="1s", data="new", overwrite=True)
        go.set()
        calls = self.app.wait_calls(self.path, 2)
        self.assertEqual([c.json for c in calls], ["old", "new"])
        self.gone()

    def test_42_apps_have_names_of_their_own(self):
        self.create(dueTime="1h")
        self.assertEqual(self.job("GET", app=self.other).status, 500)
        self.assertEqual(self.job("POST", {"dueTime": "1h", "data": 1}, app=self.other).status, 204)

    def test_43_refusals(self):
        wrong = "DAPR_SCHEDULER_SCHEDULE_JOB"
        for body in ({"dueTime": "tomorrow"}, {"dueTime": "1d"}, {"dueTime": ""}, {"schedule": ""}, {"schedule": "*/5 * * * *"}, {"schedule": "@every"},
                     {"schedule": "", "dueTime": "1h"}, {"dueTime": "", "schedule": "@every 1h"}, {"schedule": "@every 1h", "repeats": 0},
                     {"schedule": "@every 1s", "dueTime": "0s", "ttl": "-1s"}, {"dueTime": "1h", "repeats": "3"}, {"schedule": "61 * * * * *"}, {"dueTime": "1s", "repeats": 2}, {"dueTime": "1s", "ttl": "10s"},
                     {"schedule": "@every 1s", "ttl": "soon"}, {"schedule": "CRON_TZ=Nowhere/At 0 0 0 * * *"}):
            with self.subTest(str(body)):
                self.create(500, wrong, **body)
        for body, code in (({}, "DAPR_SCHEDULER_SCHEDULE_EMPTY"), ({"dueTime": "1h", "overwrite": "yes"}, "ERR_MALFORMED_REQUEST"),
                           ({"dueTime": "1s", "failurePolicy": {"constant": {"interval": "1s", "maxRetries": -1}}}, "ERR_MALFORMED_REQUEST"),
                           ({"dueTime": "1s", "failurePolicy": {"constant": {"interval": "1m"}}}, "ERR_MALFORMED_REQUEST"),
                           ({"dueTime": "1s", "failurePolicy": {"constant": {"interval": "200ms"}}}, "ERR_MALFORMED_REQUEST"),
                           ({"dueTime": 1}, "ERR_MALFORMED_REQUEST")):
            with self.subTest(str(body)):
                self.create(400, code, **body)
        self.assertEqual(self.job("POST", {"dueTime": "1s", "name": "x"}).status, 400)
        self.create(400, "DAPR_SCHEDULER_JOB_NAME_EMPTY", name="a%7Cb", dueTime="1s")
        self.create(500, wrong, name="a%40b", dueTime="1s")
        self.assertEqual(self.job("POST", "{nope").status, 400)
        self.assertEqual(self.job("PUT", {"dueTime": "1s", "data": 1}).status, 404)
        self.assertEqual(call(self.engine.port(self.app), "GET", "/v1.0-alpha1/jobs").status, 404)
        self.gone()

    def test_41_an_empty_policy_is_the_default(self):
        self.attempts(500, {"nothing": 1}, 4)

    def test_44_times(self):
        for text in ("2020-01-01T00:00:00Z", "-5s"):
            self.app.forget()
            self.create(dueTime=text)
            self.app.wait_calls(self.path)
            self.gone()
        for text in ("P1D", "PT5M", "P1Y2M3DT4H5M6S", "1h30m", "90s", "1.5h", "2099-01-01T00:00:00.5+02:00"):
            self.create(dueTime=text, overwrite=True)
        self.app.forget()
        zone = timezone(timedelta(hours=5, minutes=30))
        due = datetime.now(zone) + timedelta(seconds=1.2)
        self.create(dueTime=due.isoformat(timespec="milliseconds"), overwrite=True)
        self.app.wait_calls(self.path)
        late = (datetime.now(zone) - due).total_seconds()
        self.assertTrue(-0.01 <= late < 600, late)    # no zone is that near

    def test_44_fires_on_time(self):
        """Many at once, a second ahead: none early, and all soon after."""
        due, began = time.time() + 1.5, time.monotonic()
        text = datetime.fromtimestamp(due, timezone.utc).isoformat(timespec="milliseconds")
        for i in range(50):
            self.app.handlers[f"{self.path}-{i}"] = 200
            self.create(name=f"{self.name}-{i}", dueTime=text)
        for i in range(50):
            self.assertGreater(self.app.wait_calls(f"{self.path}-{i}")[0].at - began, 1.49)
        if engine.STANDIN:
            metrics = call(self.engine.host.ready_port, "GET", "/metrics").body.decode()
            self.assertIn("sidecar_job_late_seconds_bucket", metrics)

    def test_45_repeats(self):
        began = time.monotonic()
        self.create(schedule="@every 1s", repeats=3)
        self.app.wait_calls(self.path, 3, 15)
        self.gone()
        self.assertEqual(len(self.app.calls(self.path)), 3)
        # From the beginning: one that came late is followed by the next the sooner.
        self.assertGreater(self.app.calls(self.path)[2].at - began, 1.8)

    def test_45_less_than_a_second(self):
        began = time.monotonic()
        self.create(schedule="@every 400ms", repeats=16)
        calls = self.app.wait_calls(self.path, 16, 30)
        self.gone()
        self.assertTrue(15 * 0.4 - 0.1 < calls[15].at - began < 15, [call.at - began for call in calls])    # 15 s and more of whole seconds

    def test_45_cron_with_seconds(self):
        self.create(schedule="*/1 * * * * *", repeats=2)
        self.app.wait_calls(self.path, 2, 15)
        self.gone()

    def test_45_first_at_its_due_time_and_a_ttl(self):
        self.create(schedule="@every 1h", dueTime="0s", ttl="2h")
        self.app.wait_calls(self.path)    # by its schedule it would be in an hour
        self.app.forget()
        self.create(schedule="@every 1s", dueTime="0s", ttl="2500ms", overwrite=True)
        self.gone()
        self.assertLessEqual(len(self.app.calls(self.path)), 4)
        self.app.forget()
        self.create(schedule="@every 1s", dueTime="0s", ttl="1h")
        self.app.wait_calls(self.path, 4, 15)    # more than in the 2.5 s
        self.assertEqual(self.job("DELETE").status, 204)

    def test_47_null(self):
        self.create(dueTime="0s", data=None)
        self.assertEqual(self.app.wait_calls(self.path)[0].body, b"null")

    @standin_only("with Dapr it does")
    def test_an_app_that_is_down_burns_no_attempt(self):
        app = App("late", handlers={"/job/x": 200}, listen=False)
        sidecar = engine.start([app])
        self.addCleanup(sidecar.stop)
        self.assertEqual(call(sidecar.port(app), "POST", ALPHA + "x", {"dueTime": "0s", "data": 1}).status, 204)
        app.listen()
        app.wait_calls("/job/x")
        wait_until(lambda: call(sidecar.port(app), "GET", ALPHA + "x").status == 500, 10, "the first job's end")
        app.close()
        self.assertEqual(call(sidecar.port(app), "POST", ALPHA + "x", {"dueTime": "0s", "data": 2}).status, 204)
        # Long enough for the default policy to burn its four attempts, if it did.
        time.sleep(4.5)
        app.listen()
        wait_until(lambda: [c.json for c in app.calls("/job/x")] == [1, 2], 10, "the second")

    def test_46_due_while_the_sidecar_is_down(self):
        app = App("app-x", handlers={f"/job/j{i}": 200 for i in range(20)})
        sidecar = engine.start([app])
        self.addCleanup(sidecar.stop)
        for i in range(20):
            self.assertEqual(call(sidecar.port(app), "POST", f"{ALPHA}j{i}", {"dueTime": "1s", "data": i}).status, 204)
        sidecar.kill()
        time.sleep(1.2)    # they are due meanwhile
        sidecar.start()
        for i in range(20):
            self.assertEqual(app.wait_calls(f"/job/j{i}")[0].json, i)
        for i in range(20):
            wait_until(lambda path=f"{ALPHA}j{i}": call(sidecar.port(app), "GET", path).status == 500, 10, "no job left")


class Bindings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mail = MailServer()
        cls.began = time.monotonic()
        cls.web = App("web", handlers={"/hook": (200, {"ok": True}), "/hook/sub": 204, "/bad": 500})
        cls.app = App("app-a", handlers={"/yes": lambda r: 405 if r.method == "OPTIONS" else 500, "/no": lambda r: 404 if r.method == "OPTIONS" else 200,
                                         "/ok": 200, "/other/route": 200, "/quick": 200, "/unasked": lambda r: 404 if r.method == "OPTIONS" else 200})
        cron = {"type": "bindings.cron"}
        cls.engine = engine.start([cls.app], components=[
            {"name": "yes", **cron, "metadata": {"schedule": "@every 1s"}}, {"name": "no", **cron, "metadata": {"schedule": "@every 1s"}},
            {"name": "ok", **cron, "metadata": {"schedule": "*/1 * * * * *"}},
            {"name": "routed", **cron, "metadata": {"schedule": "@every 1s", "route": "/other/route"}},
            {"name": "unasked", **cron, "metadata": {"schedule": "@every 1s", "direction": "input"}},
            {"name": "quick", **cron, "metadata": {"schedule": "@every 400ms", "direction": "input"}},
            {"name": "foreign", **cron, "metadata": {"schedule": "@every 1s"}, "scopes": ["someone"]},
            {"name": "email", "type": "bindings.smtp", "metadata": {"host": "127.0.0.1", "port": str(cls.mail.port), "emailFrom": "from@x.org"}},
            {"name": "webhook", "type": "bindings.http", "metadata": {"url": f"http://127.0.0.1:{cls.web.port}/hook"}},
            {"name": "broken", "type": "bindings.http", "metadata": {"url": f"http://127.0.0.1:{cls.web.port}/bad"}}])

    @classmethod
    def tearDownClass(cls):
        cls.engine.stop()
        cls.web.close()
        cls.mail.stop()

    def bind(self, name, status, code=None, **body):
        reply = call(self.engine.port(self.app), "POST", "/v1.0/bindings/" + name, body)
        self.assertEqual(reply.status, status, reply.body)
        if code:
            self.assertEqual(reply.json["errorCode"], code)
        return reply

    def test_48_cron(self):
        def posts(path):
            return self.app.calls(path, "POST")
        wait_until(lambda: all(len(posts(p)) > 2 for p in ("/yes", "/ok", "/other/route", "/unasked")), 15, "ticks")
        wait_until(lambda: any(two.at - one.at < 0.9 for one, two in zip(posts("/quick"), posts("/quick")[1:])), 15, "quick ticks")
        self.assertEqual(len(self.app.calls("/yes", "OPTIONS")), 1)
        self.assertEqual((posts("/no"), self.app.calls("/foreign"), self.app.calls("/unasked", "OPTIONS")), ([], [], []))
        tick = posts("/ok")[0]
        self.assertEqual((tick.body, tick.headers["Content-Length"], tick.headers["Content-Type"]), (b"", "0", "application/json"))
        self.assertRegex(tick.headers["Readtimeutc"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000 UTC$")
        # A failure is not repeated: there are no more calls than ticks, of which one may come late and be followed by the next the sooner.
        self.assertLessEqual(len(posts("/yes")), posts("/yes")[-1].at - self.began + 1)

    def test_49_refusals(self):
        self.bind("email", 500, "ERR_INVOKE_OUTPUT_BINDING", data="x")
        self.bind("email", 500, "ERR_INVOKE_OUTPUT_BINDING", data="x", operation="fly")
        self.bind("nope", 500, "ERR_INVOKE_OUTPUT_BINDING", data="x", operation="create")
        self.bind("yes", 500, "ERR_INVOKE_OUTPUT_BINDING", data="x", operation="create")
        if engine.STANDIN:    # with Dapr it goes to the recipient of the mail before
            self.bind("email", 500, "ERR_INVOKE_OUTPUT_BINDING", data="x", operation="create")
        reply = call(self.engine.port(self.app), "POST", "/v1.0/bindings/email", "{nope")
        self.assertEqual((reply.status, reply.json["errorCode"]), (400, "ERR_MALFORMED_REQUEST"))

    @standin_only("Dapr's binding mixes up mails that are sent at once")
    def test_49_mail_has_its_own_recipient(self):
        before = len(self.mail.messages)

        def send(i):
            self.bind("email", 204, operation="create", data=f"<p>hello {i} é</p>", metadata={"emailTo": f"u{i}@x.org", "subject": f"S {i}"})
        threads = [threading.Thread(target=send, args=(i,)) for i in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        sent = self.mail.messages[before:]
        self.assertEqual(sorted((m.sender, tuple(m.to), m.subject, m.html) for m in sent),
                         sorted(("from@x.org", (f"u{i}@x.org",), f"S {i}", f"<p>hello {i} é</p>") for i in range(20)))

    @standin_only("Dapr's binding keeps the metadata of the mail before")
    def test_49_mail_remembers_nothing(self):
        self.bind("email", 204, operation="create", data={"a": 1}, metadata={"emailTo": "a@x.org; b@x.org", "emailCC": "c@x.org", "emailBCC": "d@x.org",
                                                                             "subject": "Grüße"})
        self.bind("email", 204, operation="create", data="x", metadata={"emailTo": "e@x.org", "subject": "two"})
        first, second = self.mail.messages[-2:]
        self.assertEqual((sorted(first.to), first.subject, json.loads(first.html)), (["a@x.org", "b@x.org", "c@x.org", "d@x.org"], "Grüße", {"a": 1}))
        self.assertNotIn("d@x.org", first.text)
        self.assertEqual(second.to, ["e@x.org"])

    def test_49_a_header_cannot_be_smuggled(self):
        self.bind("email", 204, operation="create", data="x", metadata={"emailTo": "a@x.org", "subject": "one\r\nBcc: evil@x.org"})
        self.assertNotIn("\nBcc", self.mail.messages[-1].text)

    def test_http(self):
        reply = self.bind("webhook", 200, operation="post", data={"n": 1}, metadata={"X-Own": "v", "path": "/sub"})
        self.assertEqual(reply.headers["metadata.statuscode"], "204")
        got = self.web.calls("/hook/sub")[0]
        self.assertEqual((got.method, got.json, got.headers["X-Own"]), ("POST", {"n": 1}, "v"))
        self.assertEqual(self.bind("webhook", 200, operation="get").json, {"ok": True})
        self.bind("broken", 500, "ERR_INVOKE_OUTPUT_BINDING", operation="post", data=1)


if __name__ == "__main__":
    unittest.main()

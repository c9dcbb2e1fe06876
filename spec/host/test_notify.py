"""notification-service: reminders as Dapr delivers them, and what becomes of them."""

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import at_once  # noqa: E402
from sidecar import Sidecar  # noqa: E402
from system import HOST, ROOT, Host, edited_rules, free_port, postgres, token, wait_until  # noqa: E402

INNER_TOKEN = "inner-token-0123456789"


def stamp(seconds=0):
    """RFC 3339, `seconds` from now."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def zone_where_it_is(hour):
    """A zone in which it is about that hour now (Etc/GMT-3 is three hours ahead)."""
    ahead = (hour - datetime.datetime.now(datetime.timezone.utc).hour) % 24
    ahead = ahead - 24 if ahead > 14 else ahead
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


NIGHT, DAY = zone_where_it_is(2), zone_where_it_is(14)


class Sent:
    """What the stub plays: chat-api, which knows tasks, a mail server and a webhook."""

    def __init__(self, sidecar):
        self.lock = threading.Lock()
        self.tasks = {}                   # task_id -> what chat-api says; else it is open
        self.down = False                 # chat-api
        self.bindings = {"mail": [], "hook": []}
        self.fail = None                  # fn(binding, request) -> (status, body) or None
        sidecar.answer = self.answer

    def answer(self, request):
        path = request.path.split("?")[0]
        task = re.fullmatch(r"/v1\.0/invoke/chat-api/method/internal/tasks/([0-9a-f-]{36})", path)
        if task:
            if self.down:
                return 500, {"errorCode": "ERR_DIRECT_INVOKE", "message": "failed to invoke, id: chat-api"}
            return 200, self.tasks.get(task.group(1), {"open": True, "timezone": DAY, "priority": "medium"})
        binding = path.removeprefix("/v1.0/bindings/")
        if binding not in self.bindings:
            return 500, {"errorCode": "ERR_INVOKE_OUTPUT_BINDING", "message": "couldn't find output binding " + binding}
        verdict = self.fail and self.fail(binding, json.loads(request.body))
        if verdict:
            return verdict
        with self.lock:
            self.bindings[binding].append(json.loads(request.body))
        return 204, None


class Notify(unittest.TestCase):
    def setUp(self):
        self.sidecar = Sidecar(free_port())    # so that it can come back on it
        self.sent = Sent(self.sidecar)
        self.hosts, self.folders = [], []

    def start(self, rules=None, **more):
        env = {"DAPR_HTTP_PORT": str(self.sidecar.port), "APP_API_TOKEN": INNER_TOKEN, **more.pop("env", {})}
        if rules:
            env["RULES_DIR"] = edited_rules("notify", rules)
            self.folders.append(env["RULES_DIR"])
        host = Host(more.pop("services", ("notification-service",)), env=env, **more)
        self.hosts.append(host)
        self.host = self.hosts[0]
        return host

    QUICK = {r"email = \{ 30, [^}]*\}": "email = { 1, 1, 1, 1 }", r"webhook = \{ 5, [^}]*\}": "webhook = { 1, 1 }"}

    def tearDown(self):
        try:
            for host in self.hosts:
                host.stop()
        finally:
            self.sidecar.stop()
            for folder in self.folders:
                shutil.rmtree(folder)
            if self.hosts:
                postgres().sql(f"DROP DATABASE IF EXISTS {self.host.database} WITH (FORCE)")

    def event(self, user="ann", at=0, title="buy milk", task=None, **payload):
        task, event_id = task or str(uuid.uuid4()), str(uuid.uuid4())
        return {"specversion": "1.0", "id": event_id, "source": "chat-api", "type": "reminder.triggered", "data": {
            "event_id": event_id, "event_type": "reminder.triggered", "timestamp": stamp(at), "user_id": user, "task_id": task,
            "payload": {"task_id": task, "task_title": title, "due_at": stamp(at + 3600), "remind_at": stamp(at), "late_seconds": 0, **payload}}}

    def deliver(self, event, host=None, headers=None):
        body = event if isinstance(event, (bytes, str)) else json.dumps(event)
        host = host or self.host
        return host.post("/events/reminders", body, port=host.base + 1001, token=None, timeout=60, headers={
            "Content-Type": "application/cloudevents+json", "dapr-api-token": INNER_TOKEN, **(headers or {})})

    # Half a second for the database to take a statement, 3 for chat-api to answer, which this process plays.
    PATIENT_SECONDS = 0.45

    def taken(self, *events, host=None):
        """Delivers as Dapr does: again where one of them had stood still."""
        for event in events:
            replies = []

            def answered(event=event, replies=replies):
                began = time.monotonic()
                replies.append(self.deliver(event, host))
                return replies[-1].status != 503 or time.monotonic() - began < self.PATIENT_SECONDS
            wait_until(answered, 30, "an answer")
            self.assertEqual((replies[-1].status, replies[-1].body), (200, b'{"status":"SUCCESS"}'))

    def sql(self, text):
        return postgres().sql(text, self.host.database)

    def states(self):
        """{(channel, state): count}"""
        rows = self.sql("SELECT channel, state, count(*) FROM notify.delivery GROUP BY 1, 2").split("\n")
        return {tuple(r.split("|")[:2]): int(r.split("|")[2]) for r in rows if r}

    def lines(self, task=None):
        """The log's lines of reminders."""
        found = []
        for host in self.hosts:
            for line in host.log_text().splitlines(keepends=True):
                line = json.loads(line) if line.startswith("{") and line.endswith("\n") else {}
                if line.get("message", line.get("msg")) == "reminder" and task in (None, line["task_id"]):
                    found.append(line)
        return found

    def announced(self, count, seconds=20):
        """Waits for that many reminder.sent; all of them, by event id."""
        wait_until(lambda: len(self.sidecar.of("task-updates")) >= count, seconds, f"{count} reminder.sent")
        return self.sidecar.of("task-updates")

    def settled(self, seconds=30):
        wait_until(lambda: self.sql("SELECT count(*) FROM notify.delivery WHERE state = 'pending'") == "0"
                   and self.sql("SELECT count(*) FROM notify.outbox") == "0", seconds, "all settled")

    def metric(self, name, **labels):
        text = self.host.get("/metrics", token=None, port=self.host.base + 1).body.decode()
        for line in text.splitlines():
            found = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line)
            if found and found.group(1) == name and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', found.group(2))).items():
                return float(found.group(3))


class Reminders(Notify):
    def test_tells_dapr_its_subscription(self):
        host = self.start()
        reply = host.get("/dapr/subscribe", port=host.base + 1001, headers={"dapr-api-token": INNER_TOKEN})
        self.assertEqual(reply.json, [{"pubsubname": "pubsub", "topic": "reminders", "route": "/events/reminders",
                                       "deadLetterTopic": "reminders-dead"}])

    def test_a_reminder_is_logged_once_and_announced_once(self):
        self.start()
        event = self.event(user="ann smith&co")
        self.taken(event)
        [(key, sent)] = self.announced(1)
        data = event["data"]
        self.assertEqual((key, sent["type"], sent["source"]), (data["task_id"], "reminder.sent", "notification-service"))
        self.assertEqual((sent["id"], sent["data"]["user_id"], sent["data"]["task_id"]), (sent["data"]["event_id"], "ann smith&co", data["task_id"]))
        self.assertEqual(sent["data"]["payload"], {
            "action": "reminder.sent", "task_id": data["task_id"], "task_title": "buy milk", "due_at": data["payload"]["due_at"],
            "remind_at": data["payload"]["remind_at"], "channels": ["log"]})
        self.assertEqual(self.sidecar.pubsubs, {"task-updates": {"pubsub-broadcast"}})
        [line] = self.lines()
        self.assertEqual((line["user"], line["task_id"], line["title"], line["due_at"]),
                         ("ann smith&co", data["task_id"], "buy milk", data["payload"]["due_at"]))
        self.assertLess(line["late_seconds"], 30)
        self.settled()
        self.taken(event)
        self.taken(self.event(title="another"))
        self.announced(2)
        self.settled()
        self.assertEqual((len(self.lines()), len(self.sidecar.of("task-updates"))), (2, 2))
        [asked] = [r for r in self.sidecar.asked(data["task_id"])][:1]
        self.assertEqual(asked.path.split("?")[1], "user_id=ann%20smith%26co")
        self.assertEqual(self.metric("notify_deliveries_total", channel="log", outcome="sent"), 2)
        self.assertEqual(self.metric("notify_late_seconds_count"), 2)

    def test_a_hundred_duplicates_at_once_are_one(self):
        self.start(env={"NOTIFY_WEBHOOK": "hook"})
        event = self.event()
        at_once(100, lambda: self.taken(event))
        self.announced(1)
        self.settled()
        self.assertEqual(self.states(), {("log", "sent"): 1, ("webhook", "sent"): 1})
        self.assertEqual((len(self.lines()), len(self.sidecar.of("task-updates")), len(self.sent.bindings["hook"])), (1, 1, 1))

    def test_a_task_that_is_closed_is_skipped(self):
        self.start(env={"NOTIFY_WEBHOOK": "hook"})
        event, other = self.event(), self.event()
        self.sent.tasks[event["data"]["task_id"]] = {"open": False}
        self.taken(event, event, other)
        self.announced(1)
        self.settled()
        self.assertEqual(self.states(), {("log", "skipped"): 1, ("log", "sent"): 1, ("webhook", "sent"): 1})
        self.assertEqual(self.lines(event["data"]["task_id"]), [])
        self.assertEqual(len(self.sent.bindings["hook"]), 1)
        self.assertEqual(self.metric("notify_deliveries_total", channel="log", outcome="skipped"), 1)

    def test_asks_the_real_chat_api(self):
        host = self.start(services=("chat-api", "notification-service"))
        wait_until(lambda: host.get("/ready", token=None, port=host.base + 1).status == 200, 20, "both services")

        def forward(request):
            path = request.path.removeprefix("/v1.0/invoke/chat-api/method")
            if path == request.path:
                return 204, None                      # chat-api's jobs
            reply = host.get(path, token=None, port=host.base + 1000, headers={"dapr-api-token": INNER_TOKEN, "dapr-caller-app-id": "notification-service"})
            return reply.status, reply.body
        self.sidecar.answer = forward
        ids = [host.post("/api/tasks", {"title": f"real {i}", "due_date": stamp(7200), "timezone": DAY}, token=token("ann")).json["id"] for i in range(2)]
        self.assertEqual(host.call("PATCH", f"/api/tasks/{ids[1]}/complete", token=token("ann")).status, 200)
        self.taken(self.event(task=ids[0]), self.event(task=ids[1]), self.event(task=ids[0], user="eve"), self.event())
        wait_until(lambda: self.states() == {("log", "sent"): 1, ("log", "skipped"): 3}, 20, "one that is open and hers")
        self.assertEqual([(l["user"], l["title"]) for l in self.lines()], [("ann", "real 0")])

    def test_says_what_the_task_is_called_now(self):
        self.start()
        event = self.event()
        self.sent.tasks[event["data"]["task_id"]] = {"open": True, "title": "buy oat milk", "due_at": "2030-01-02T03:04:05.000Z"}
        self.taken(event)
        [(_, sent)] = self.announced(1)
        self.assertEqual((sent["data"]["payload"]["task_title"], sent["data"]["payload"]["due_at"]), ("buy oat milk", "2030-01-02T03:04:05.000Z"))

    def test_waits_for_chat_api_and_then_delivers_anyway(self):
        self.start()
        self.sent.down = True
        event = self.event()
        reply = self.deliver(event)
        self.assertEqual(reply.status, 503)
        self.assertIn("chat-api", reply.json["detail"])
        self.assertEqual(self.states(), {})
        self.sent.down = False
        self.taken(event)
        self.sent.down = True
        self.taken(event)                            # a duplicate needs no chat-api
        self.taken(self.event(at=-31, title="old"))
        self.assertEqual(self.deliver(self.event(at=-5)).status, 503)
        self.announced(2)
        self.settled()
        self.assertEqual([l["title"] for l in self.lines()], ["buy milk", "old"])

    def test_an_answer_of_chat_api_that_makes_no_sense_counts_as_none(self):
        self.start()
        for answer in ([], {"open": "yes"}, {}, None):
            event = self.event()
            self.sent.tasks[event["data"]["task_id"]] = answer
            self.assertEqual(self.deliver(event).status, 503, answer)
        self.assertEqual(self.states(), {})

    def test_an_absent_sidecar_delays_and_loses_nothing(self):
        self.start()
        self.sidecar.stop()
        self.assertEqual(self.deliver(self.event()).status, 503)
        self.taken(self.event(at=-60, title="old"))
        wait_until(lambda: len(self.lines()) == 1, 10, "the line")
        self.sidecar = Sidecar(self.sidecar.port)
        self.sent = Sent(self.sidecar)
        self.announced(1, 40)

    def test_a_very_old_reminder_is_delivered_and_says_that_it_is_late(self):
        self.start(env={"NOTIFY_EMAIL": "mail"})
        self.taken(self.event(user="ann@example.com", at=-8 * 86400))
        self.announced(1)
        self.settled()
        [line] = self.lines()
        self.assertGreaterEqual(line["late_seconds"], 8 * 86400)
        [mail] = self.sent.bindings["mail"]
        self.assertEqual(mail["metadata"]["subject"], "Late reminder: buy milk")
        self.assertIn("8 days", mail["data"])

    def test_poison_is_kept_and_dropped(self):
        self.start()
        good = self.event()
        data, payload = good["data"], good["data"]["payload"]
        poison = [b"{", b"[]", b"null", {}, {"data": 5}, {**good, "data": {**data, "event_id": "x"}}, {**good, "data": {**data, "timestamp": "now"}},
                  {**good, "data": {**data, "event_type": "task.created"}}, {**good, "data": {**data, "payload": []}},
                  *({**good, "data": {**data, "payload": {**payload, **bad}}} for bad in (
                      {"task_title": ""}, {"task_title": 5}, {"task_title": "x" * 1021}, {"task_title": None}, {"due_at": "soon"}, {"due_at": None},
                      {"remind_at": 5}, {"remind_at": "2026-02-30T00:00:00Z"}, {"task_id": str(uuid.uuid4())})),
                  b'{"data":\xff}', b'{"a":1,"a":2}']
        for event in poison:
            with self.subTest(str(event)[:60]):
                reply = self.deliver(event)
                self.assertEqual((reply.status, reply.json), (200, {"status": "DROP"}))
        self.assertEqual(self.sql("SELECT count(*), min(topic) FROM notify.dead_event"), f"{len(poison)}|reminders")
        self.assertEqual(self.states(), {})
        self.assertEqual(self.metric("events_dropped_total", topic="reminders"), len(poison))
        odd = self.event(late_seconds="x", timezone=5, priority=[], extra={"a": 1})
        self.taken(odd)                              # what is not needed is not judged

    def test_only_the_sidecar_may_deliver(self):
        self.start()
        for headers in ({"dapr-api-token": "wrong"}, {"dapr-caller-app-id": "other"}):
            self.assertEqual(self.deliver(self.event(), headers=headers).status, 403)
        self.assertEqual(self.states(), {})
        self.assertEqual(self.sidecar.requests, [])

    def test_a_user_sees_only_their_own_deliveries_newest_first(self):
        host = self.start()
        self.taken(*(self.event(title=f"t{i}") for i in range(5)), self.event(user="bob"))
        self.settled()

        def ask(query="", user="ann"):
            return host.get("/api/v1/deliveries" + query, port=host.base + 1, token=token(user))
        got = ask().json["deliveries"]
        self.assertEqual([d["task_title"] for d in got], ["t4", "t3", "t2", "t1", "t0"])
        self.assertEqual({(d["channel"], d["state"], d["attempts"]) for d in got}, {("log", "sent", 1)})
        self.assertEqual(len(ask("?limit=2").json["deliveries"]), 2)
        self.assertEqual(len(ask("?limit=999999999").json["deliveries"]), 5)
        self.assertEqual(ask(user="eve").json, {"deliveries": []})
        for query in ("?limit=0", "?limit=x", "?limit=-1", "?user_id=bob"):
            self.assertEqual(ask(query).status, 422, query)
        self.assertEqual(host.get("/api/v1/deliveries", port=host.base + 1, token=None).status, 401)


class Channels(Notify):
    def test_a_mail_goes_to_one_address_with_a_subject_on_one_line(self):
        self.start(env={"NOTIFY_EMAIL": "mail"})
        self.taken(self.event(user="ann@example.com", title="<script>\r\nBcc: eve@example.com"), self.event(user="bob"),
                   self.event(user="ann@example.com;eve@example.com"))
        self.announced(3)
        self.settled()
        [mail] = self.sent.bindings["mail"]
        self.assertEqual(mail["operation"], "create")
        self.assertEqual(mail["metadata"], {"emailTo": "ann@example.com", "subject": "Reminder: <script> Bcc: eve@example.com"})
        self.assertIn("&lt;script&gt; Bcc: eve@example.com<br>", mail["data"])
        self.assertEqual(self.states(), {("log", "sent"): 3, ("email", "sent"): 1})

    def test_one_mail_is_under_way_at_a_time_and_each_reaches_its_user(self):
        under_way, most = [0], [0]
        lock, taken = threading.Lock(), threading.Event()

        def slow(binding, request):
            with lock:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
            taken.wait(20)
            threading.Event().wait(0.02)
            with lock:
                under_way[0] -= 1
        self.start(env={"NOTIFY_EMAIL": "mail", "WORKERS": "3"})
        self.sent.fail = slow
        self.taken(*(self.event(user=f"u{i}@example.com", title=f"of u{i}") for i in range(30)))
        taken.set()
        self.settled()
        self.assertEqual(most[0], 1)
        mails = self.sent.bindings["mail"]
        self.assertEqual({(m["metadata"]["emailTo"], m["metadata"]["subject"]) for m in mails},
                         {(f"u{i}@example.com", f"Reminder: of u{i}") for i in range(30)})
        self.assertEqual(len(mails), 30)

    def test_a_webhook_gets_json_with_an_idempotency_key(self):
        self.start(env={"NOTIFY_WEBHOOK": "hook"})
        event = self.event()
        self.taken(event)
        [(_, sent)] = self.announced(1)
        self.assertEqual(sent["data"]["payload"]["channels"], ["log", "webhook"])
        self.settled()
        [call] = self.sent.bindings["hook"]
        self.assertEqual((call["operation"], call["metadata"]), ("post", {"Idempotency-Key": event["id"], "Content-Type": "application/json"}))
        self.assertEqual((call["data"]["event_id"], call["data"]["task_id"], call["data"]["task_title"], call["data"]["user_id"]),
                         (event["id"], event["data"]["task_id"], "buy milk", "ann"))

    def test_a_mail_that_fails_twice_is_sent(self):
        self.start(rules=self.QUICK, env={"NOTIFY_EMAIL": "mail"})
        left = [2]

        def fail(binding, request):
            left[0] -= 1
            if left[0] >= 0:
                return 500, {"errorCode": "ERR_INVOKE_OUTPUT_BINDING", "message": "smtp: 451 try again"}
        self.sent.fail = fail
        self.taken(self.event(user="ann@example.com"))
        self.settled()
        self.assertEqual(len(self.sent.bindings["mail"]), 1)
        self.assertEqual(self.sql("SELECT state, attempts, error FROM notify.delivery WHERE channel = 'email'"), "sent|3|")
        self.assertEqual(len(self.sidecar.of("task-updates")), 1)
        self.assertEqual(self.metric("notify_deliveries_total", channel="email", outcome="failed"), 2)
        self.assertEqual(self.metric("notify_deliveries_total", channel="email", outcome="sent"), 1)

    def test_a_channel_gives_up_and_keeps_its_error(self):
        host = self.start(rules=self.QUICK, env={"NOTIFY_WEBHOOK": "hook"})
        self.sent.fail = lambda *_: (500, {"errorCode": "ERR_INVOKE_OUTPUT_BINDING", "message": "the hook said 410"})
        self.taken(self.event())
        self.settled()
        self.assertEqual(self.states(), {("log", "sent"): 1, ("webhook", "dead"): 1})
        self.assertRegex(self.sql("SELECT attempts, error FROM notify.delivery WHERE channel = 'webhook'"), r"^3\|.*the hook said 410")
        self.assertEqual(len(self.sidecar.asked("/bindings/hook")), 3)
        self.assertEqual(self.metric("notify_deliveries_total", channel="webhook", outcome="dead"), 1)
        listed = host.get("/api/v1/deliveries", port=host.base + 1).body
        self.assertNotIn(b"the hook said", listed)

    def test_a_channel_that_fails_holds_up_no_other(self):
        self.start(env={"NOTIFY_EMAIL": "mail", "NOTIFY_WEBHOOK": "hook"})
        self.sent.fail = lambda binding, _: binding == "mail" and (500, {"errorCode": "X", "message": "no"})
        self.taken(*(self.event(user=f"u{i}@example.com") for i in range(10)))
        wait_until(lambda: self.states() == {("log", "sent"): 10, ("webhook", "sent"): 10, ("email", "pending"): 10}, 20, "the others")
        wait_until(lambda: self.metric("notify_pending") == 10, 20, "the gauge")

    def test_quiet_hours_defer_mail_and_webhook_and_not_the_log(self):
        self.start(env={"NOTIFY_EMAIL": "mail", "NOTIFY_WEBHOOK": "hook"})
        night, loud = self.event(user="ann@example.com"), self.event(user="bob@example.com")
        self.sent.tasks[night["data"]["task_id"]] = {"open": True, "timezone": NIGHT, "priority": "medium"}
        self.sent.tasks[loud["data"]["task_id"]] = {"open": True, "timezone": NIGHT, "priority": "high"}
        self.taken(night, loud)
        self.announced(2)
        wait_until(lambda: self.states() == {("log", "sent"): 2, ("email", "sent"): 1, ("webhook", "sent"): 1,
                                             ("email", "pending"): 1, ("webhook", "pending"): 1}, 20, "what is loud")
        self.assertEqual([m["metadata"]["emailTo"] for m in self.sent.bindings["mail"]], ["bob@example.com"])
        hours = self.sql("SELECT DISTINCT extract(hour FROM deliver_at AT TIME ZONE '" + NIGHT + "') FROM notify.delivery WHERE state = 'pending'")
        self.assertEqual(hours, "7")
        self.sql("UPDATE notify.delivery SET deliver_at = now() WHERE state = 'pending'")    # the night is over
        self.settled()
        self.assertEqual(len(self.sent.bindings["mail"]), 2)
        self.assertEqual(len(self.sidecar.of("task-updates")), 2)

    def test_a_rule_that_fails_costs_no_reminder(self):
        self.start(rules={r"function notify\.plan\(": "function notify.plan(...) error('broken') end\nfunction notify.unused("},
                   env={"NOTIFY_WEBHOOK": "hook"})
        self.taken(self.event())
        self.announced(1)
        self.settled()
        self.assertEqual(self.states(), {("log", "sent"): 1, ("webhook", "sent"): 1})
        self.assertIn("broken", self.host.log_text())


class Failpoints(Notify):
    """What is left when the process ends at a named place; only test builds have them."""

    def crash(self, point, **env):
        if subprocess.run([HOST, "failpoints"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT).returncode != 0:
            self.skipTest("not a test build")
        host = self.start(env={"FAILPOINTS": point + "=crash", **env})
        event = self.event()

        def ends():
            try:
                self.deliver(event)
            except OSError:
                pass                                  # the answer never came
            return host.process.poll() is not None
        wait_until(ends, 30, "its end")
        self.assertEqual(host.process.returncode, -9, host.log_text())
        before = self.states()
        del host.env["FAILPOINTS"]
        host.start()
        self.taken(event)                             # Dapr delivers it again
        self.settled(40)
        self.assertEqual({state for _, state in self.states()}, {"sent"})
        self.assertEqual(len({e["id"] for _, e in self.sidecar.of("task-updates")}), 1)
        return before

    def test_a_crash_before_the_effect_is_made_good(self):
        self.assertEqual(self.crash("before_effect_commit", NOTIFY_WEBHOOK="hook"), {})
        self.assertEqual((len(self.lines()), len(self.sent.bindings["hook"])), (1, 1))

    def test_a_crash_after_the_effect_makes_no_second_one(self):
        self.assertEqual(sum(self.crash("after_effect", NOTIFY_WEBHOOK="hook").values()), 2)
        self.assertLessEqual(len(self.lines()), 2)    # it may have been sending already
        self.assertLessEqual(len(self.sent.bindings["hook"]), 2)

    def test_a_crash_after_a_delivery_means_once_more(self):
        self.assertEqual(self.crash("after_delivery"), {("log", "pending"): 1})
        self.assertEqual(len(self.lines()), 2)


class Crashes(Notify):
    def test_kill_9_while_sending_means_at_most_once_more(self):
        self.start(env={"NOTIFY_WEBHOOK": "hook"})
        arrived, release = threading.Event(), threading.Event()

        def hold(binding, request):
            with self.sent.lock:
                self.sent.bindings[binding].append(request)    # it has it; the answer never comes
            arrived.set()
            release.wait(120)
            return 204, None
        self.sent.fail = hold
        event = self.event()
        self.taken(event)
        self.assertTrue(arrived.wait(60))
        self.host.kill()
        self.sent.fail = None
        release.set()
        self.host.start()
        self.settled(40)
        keys = [c["metadata"]["Idempotency-Key"] for c in self.sent.bindings["hook"]]
        self.assertEqual(keys, [event["id"]] * 2)
        self.assertEqual(len({e["id"] for _, e in self.sidecar.of("task-updates")}), 1)
        self.assertEqual(self.sql("SELECT state, attempts FROM notify.delivery WHERE channel = 'webhook'"), "sent|2")

    def test_kill_9_at_any_moment_loses_no_reminder(self):
        self.start(env={"NOTIFY_WEBHOOK": "hook"})
        events = []
        for _ in range(3):
            batch = [self.event() for _ in range(20)]
            self.taken(*batch)
            events += batch
            self.host.kill()
            self.host.start()
        self.settled(60)
        self.assertEqual(self.states(), {("log", "sent"): 60, ("webhook", "sent"): 60})
        ids = {e["id"] for e in events}
        self.assertEqual({c["data"]["event_id"] for c in self.sent.bindings["hook"]}, ids)
        self.assertEqual(len({e["id"] for _, e in self.sidecar.of("task-updates")}), 60)

    def test_tries_that_never_end_are_counted_and_given_up(self):
        self.start(rules=self.QUICK, env={"NOTIFY_WEBHOOK": "hook"})
        self.sql("INSERT INTO notify.delivery (event_id, channel, state, task_id, user_id, reminder, deliver_at, attempts, claimed_by, claimed_until)"
                 " SELECT gen_random_uuid(), 'webhook', 'pending', gen_random_uuid(), 'ann', '{\"task_title\":\"t\",\"due_at\":\"2026-01-01T00:00:00Z\","
                 "\"remind_at\":\"2026-01-01T00:00:00Z\",\"channels\":[\"log\"]}', now(), n, gen_random_uuid(), now() - interval '1 second' FROM unnest(ARRAY[2, 3]) AS n")
        self.settled()
        self.assertEqual(self.sql("SELECT attempts, state FROM notify.delivery ORDER BY 1"), "3|sent\n4|dead")
        self.assertEqual(len(self.sent.bindings["hook"]), 1)

    def test_a_restart_of_the_database_sends_nothing_twice(self):
        self.start(env={"NOTIFY_WEBHOOK": "hook", "NOTIFY_EMAIL": "mail"})
        held, release = threading.Event(), threading.Event()

        def hold(binding, request):
            if binding == "mail":
                held.set()
                release.wait(20)
        self.sent.fail = hold
        events = [self.event(user=f"u{i}@example.com") for i in range(10)]
        self.taken(*events)
        self.assertTrue(held.wait(60))
        postgres().stop("immediate")
        release.set()                                 # the mail is sent, and that cannot be said
        try:
            wait_until(lambda: len(self.sent.bindings["mail"]) >= 1, 10, "the mail")
            self.assertEqual(self.deliver(self.event(at=-60)).status, 503)
        finally:
            postgres().start()
        self.settled(60)
        for binding in ("mail", "hook"):
            got = [json.dumps(c) for c in self.sent.bindings[binding]]
            self.assertEqual((len(got), len(set(got))), (10, 10), binding)
        self.assertEqual(len({e["id"] for _, e in self.sidecar.of("task-updates")}), 10)

    def test_two_programs_never_both_send(self):
        self.start(env={"NOTIFY_WEBHOOK": "hook", "NOTIFY_EMAIL": "mail"})
        other = self.start(database=self.host.database, env={"NOTIFY_WEBHOOK": "hook", "NOTIFY_EMAIL": "mail"})
        self.sent.fail = lambda *_: threading.Event().wait(0.01) and None
        events = [self.event(user=f"u{i}@example.com") for i in range(60)]
        each = iter([(event, host) for event in events for host in (self.host, other)])

        def deliver_one():
            event, host = next(each)
            self.taken(event, host=host)
        at_once(2 * len(events), deliver_one)
        self.settled(60)
        self.assertEqual(self.states(), {("log", "sent"): 60, ("webhook", "sent"): 60, ("email", "sent"): 60})
        self.assertEqual(sorted(c["data"]["event_id"] for c in self.sent.bindings["hook"]), sorted(e["id"] for e in events))
        self.assertEqual(sorted(c["metadata"]["emailTo"] for c in self.sent.bindings["mail"]), sorted(e["data"]["user_id"] for e in events))
        self.assertEqual(sorted(l["task_id"] for l in self.lines()), sorted(e["data"]["task_id"] for e in events))
        self.assertEqual(self.sql("SELECT count(*) FROM notify.delivery WHERE attempts <> 1"), "0")
        self.assertEqual(len({e["id"] for _, e in self.sidecar.of("task-updates")}), 60)


if __name__ == "__main__":
    unittest.main()

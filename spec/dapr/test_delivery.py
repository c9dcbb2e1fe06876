"""Delivery: what answers mean, retries, dead letters, order, subscriptions, routes."""

import threading
import time
import unittest

import engine
from engine import FAST, App, call, standin_only, subscription
from system import wait_until

LIMITED = {"retry": {"policy": "constant", "duration": "100ms", "maxRetries": 3}}
COMPONENTS = [
    {"name": "fast", "type": "pubsub.sidecar", "inbound": FAST},
    {"name": "limited", "type": "pubsub.sidecar", "inbound": LIMITED},
    # No retry policy: the component alone tries again, after its own back-off.
    {"name": "plain", "type": "pubsub.sidecar", "metadata": {"backOffDuration": "500ms"}},
    {"name": "hasty", "type": "pubsub.sidecar", "inbound": {**FAST, "timeout": "300ms"}},
]


class Case(unittest.TestCase):
    """Each test has topics of its own, all subscribed at the start."""

    TOPICS = []
    MORE = []

    @classmethod
    def setUpClass(cls):
        cls.app = App("app-a", cls.TOPICS)
        cls.client = engine.client()
        cls.engine = engine.start([cls.app, cls.client, *cls.MORE], components=COMPONENTS)

    @classmethod
    def tearDownClass(cls):
        cls.engine.stop()

    def publish(self, topic, data, pubsub="fast", key=None, **more):
        query = "?" + "&".join([f"metadata.partitionKey={key}"] * (key is not None) + [f"metadata.{k}={v}" for k, v in more.items()])
        reply = call(self.engine.port(self.client), "POST", f"/v1.0/publish/{pubsub}/{topic}{query}", data)
        self.assertEqual(reply.status, 204, reply.body)

    def data_of(self, path, app=None):
        return [r.json["data"] for r in (app or self.app).calls(path)]

    def sequence(self, *answers):
        """A handler that gives these answers one after the other, and the last one for ever."""
        left = list(answers)
        return lambda request: left.pop(0) if len(left) > 1 else left[0]

    def settled(self, path, count):
        """`count` calls have come, and the marker published after them on the same key as well."""
        self.app.wait_calls(path, count)


def dead(pubsub, topic):
    return [subscription(topic, pubsub=pubsub, deadLetterTopic=topic + "-dead"), subscription(topic + "-dead", pubsub=pubsub)]


class Answers(Case):
    ROWS = {
        "ack-empty": (200, 1), "ack-text": ((200, "fine"), 1), "ack-list": ((200, "[1]"), 1), "ack-null": ((200, "null"), 1),
        "ack-object": ((200, {}), 1), "ack-empty-word": ((200, {"status": ""}), 1), "ack-number": ((200, {"status": 1}), 1),
        "ack-success": ((200, {"status": "SUCCESS"}), 1), "ack-201": (201, 1), "ack-204": (204, 1), "ack-404": (404, 1),
        "drop": ((200, {"status": "DROP"}), 1),
        "retry": ((200, {"status": "RETRY"}), 3), "lower": ((200, {"status": "success"}), 3), "word": ((200, {"status": "ignored"}), 3),
        "s301": ((301, b"", {"Location": "/elsewhere"}), 3), "s400": (400, 3), "s401": (401, 3), "s429": (429, 3), "s500": (500, 3),
        "s503": (503, 3), "hangup": ("hang up", 3),
    }
    TOPICS = [subscription(t, pubsub="fast") for t in ROWS]

    def test_18_every_row(self):
        """Twice the answer, then 200; a message behind it on the same key shows that it is done with."""
        for topic, (answer, count) in self.ROWS.items():
            self.app.handlers["/" + topic] = self.sequence(answer, answer, 200)
            self.publish(topic, "m", key="k")
            self.publish(topic, "end", key="k")
        for topic, (answer, count) in self.ROWS.items():
            with self.subTest(topic):
                self.app.wait_calls("/" + topic, count + 1)
                want = ["m"] * count + ["end"]
                if count == 1:   # the marker met the second answer of the sequence
                    wait_until(lambda t=topic: self.data_of("/" + t)[:2] == ["m", "end"], 5, topic)
                else:
                    self.assertEqual(self.data_of("/" + topic), want)
        self.assertEqual(self.app.calls("/elsewhere"), [])

    @standin_only("it looks into its table")
    def test_18_nothing_is_left(self):
        wait_until(lambda: self.engine.sql("SELECT count(*) FROM sidecar.delivery") == "0", 10, "an empty table")


class DeadLetters(Case):
    TOPICS = [*dead("fast", "not-found"), *dead("fast", "dropped"), *dead("plain", "once"), *dead("limited", "four"),
              subscription("lonely", pubsub="plain", deadLetterTopic="nobody"), *dead("fast", "short"),
              *dead("limited", "garbage"), subscription("endless", pubsub="plain")]

    def test_19_not_found_is_no_dead_letter(self):
        self.app.handlers["/not-found"], self.app.handlers["/not-found-dead"] = 404, 200
        self.publish("not-found", 1, key="k")
        self.publish("not-found", 2, key="k")
        wait_until(lambda: self.data_of("/not-found") == [1, 2], 10, "both")
        # A dead letter of the first one would be before this: it has the same key.
        self.publish("not-found-dead", "end", key="k")
        self.app.wait_calls("/not-found-dead")
        self.assertEqual(self.data_of("/not-found-dead"), ["end"])

    def test_19_and_20_drop(self):
        self.app.handlers["/dropped"] = {"status": "DROP"}
        self.app.handlers["/dropped-dead"] = 200
        self.publish("dropped", {"n": 1.5}, key="k1", own="v")
        copy = self.app.wait_calls("/dropped-dead")[0]
        first = self.app.calls("/dropped")
        self.assertEqual(len(first), 1)
        self.assertEqual(copy.body, first[0].body)
        for name in ("__topic", "__partition", "__offset", "__timestamp", "__key", "partitionkey", "own", "pubsubname", "content-type"):
            self.assertEqual(copy.headers[name], first[0].headers[name], name)
        self.assertEqual((copy.headers["__topic"], copy.json["topic"]), ("dropped", "dropped"))

    def test_19_without_a_policy_one_attempt(self):
        self.app.handlers["/once"] = 500
        self.app.handlers["/once-dead"] = 200
        self.publish("once", 1, "plain")
        self.app.wait_calls("/once-dead")
        self.assertEqual((self.data_of("/once"), self.data_of("/once-dead")), ([1], [1]))

    def test_21_retries_then_dead(self):
        self.app.handlers["/four"] = {"status": "RETRY"}
        self.app.handlers["/four-dead"] = 200
        self.publish("four", 1, "limited")
        self.app.wait_calls("/four-dead")
        self.assertEqual((self.data_of("/four"), self.data_of("/four-dead")), ([1] * 4, [1]))

    @standin_only("it looks into its table")
    def test_dead_letters_nobody_reads_are_kept(self):
        self.app.handlers["/lonely"] = 500
        self.publish("lonely", {"n": 1}, "plain", key="k")
        wait_until(lambda: self.engine.sql("SELECT topic, key, value::json->'data'->>'n' FROM sidecar.dead_letter") == "nobody|k|1",
                   10, "the dead letter")

    @standin_only("to daprd the dead letter has expired, too, and nobody hears of it")
    def test_an_expired_message_is_a_dead_letter(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.app.handlers["/short"] = lambda r: (gate.wait(55), 200)[1]
        self.app.handlers["/short-dead"] = 200
        self.publish("short", "hold", key="k")
        self.app.wait_calls("/short")
        self.publish("short", "late", key="k", ttlInSeconds=1)
        time.sleep(1.1)    # longer than it lives
        gate.set()
        self.assertEqual(self.app.wait_calls("/short-dead")[0].json["data"], "late")
        self.assertEqual(self.data_of("/short"), ["hold"])

    def test_what_is_no_object_is_a_dead_letter(self):
        self.app.handlers["/garbage"] = 200
        self.app.handlers["/garbage-dead"] = 200
        for body in ("text", "[1]", '"s"'):
            self.publish("garbage", body, "limited", key="k", rawPayload="true")
        self.publish("garbage", "end", "limited", key="k")
        self.app.wait_calls("/garbage")
        self.assertEqual(self.data_of("/garbage"), ["end"])
        if engine.STANDIN:
            # The dead-letter subscriber cannot take them either: they end in the same place again.
            wait_until(lambda: self.engine.sql("SELECT count(*) FROM sidecar.delivery WHERE topic = 'garbage-dead'") == "3", 15, "three dead")

    def test_22_without_a_policy_and_dead_letters_it_never_ends(self):
        self.app.handlers["/endless"] = self.sequence(*[500] * 4, 200)
        began = time.monotonic()
        self.publish("endless", 1, "plain", key="k")
        self.publish("endless", 2, "plain", key="k")
        wait_until(lambda: self.data_of("/endless") == [1] * 5 + [2], 20, "five attempts")
        self.assertGreater(time.monotonic() - began, 4 * 0.5)


class Order(Case):
    TOPICS = [subscription(t, pubsub="fast") for t in ("waits", "one", "through", "many", "free", "long")]
    TOPICS += [subscription("late", pubsub="hasty"), subscription("broken")]

    def test_22_a_failing_key_waits_and_others_go_on(self):
        state = {"bad": True}
        self.app.handlers["/waits"] = lambda r: 500 if r.json["data"]["k"] == "a" and state["bad"] else 200
        for n in range(5):
            for key in ("a", "b"):
                self.publish("waits", {"k": key, "n": n}, key=key)
        wait_until(lambda: [d["n"] for d in self.data_of("/waits") if d["k"] == "b"] == list(range(5)), 10, "the other key")
        self.assertEqual({d["n"] for d in self.data_of("/waits") if d["k"] == "a"}, {0})
        state["bad"] = False
        wait_until(lambda: list(dict.fromkeys(d["n"] for d in self.data_of("/waits") if d["k"] == "a")) == list(range(5)), 10, "in order")

    def test_23_one_at_a_time_per_key_and_keys_in_parallel(self):
        running, overlap, crowd, lock = {}, [], threading.Event(), threading.Lock()
        self.addCleanup(crowd.set)

        def slow(request):
            key = request.json["data"]["k"]
            with lock:
                if running.get(key):
                    overlap.append(key)
                running[key] = True
                if sum(running.values()) > 3:
                    crowd.set()
            crowd.wait(55)    # nobody is answered before several keys are under way
            time.sleep(0.01)
            with lock:
                running[key] = False
            return 200
        self.app.handlers["/many"] = slow
        for n in range(6):
            for key in "abcdefgh":
                self.publish("many", {"k": key, "n": n}, key=key)
        wait_until(crowd.is_set, 10, "more than three at the same time")
        self.app.wait_calls("/many", 48)
        self.assertEqual(overlap, [])
        for key in "abcdefgh":
            self.assertEqual([d["n"] for d in self.data_of("/many") if d["k"] == key], list(range(6)))

    @standin_only("with Kafka those of a partition wait")
    def test_23_messages_without_a_key_do_not_wait_for_each_other(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.app.handlers["/free"] = lambda r: (gate.wait(55), 200)[1] if r.json["data"] == 0 else 200
        for n in range(10):
            self.publish("free", n)
        wait_until(lambda: sorted(self.data_of("/free")) == list(range(10)), 10, "all of them")
        gate.set()

    def test_a_topic_that_fails_holds_up_no_other(self):
        """Even with more waiting messages than are held in memory, each of a key of its own."""
        self.app.handlers["/broken"], self.app.handlers["/through"] = 503, 200
        port = self.engine.port(self.client)
        for start in range(0, 5000, 500):
            entries = [{"entryId": str(n), "event": n, "contentType": "application/json", "metadata": {"partitionKey": str(n)}}
                       for n in range(start, start + 500)]
            self.assertEqual(call(port, "POST", "/v1.0-alpha1/publish/bulk/pubsub/broken", entries).status, 204)
        self.publish("through", "yes", key="k")
        self.assertEqual(self.app.wait_calls("/through")[0].json["data"], "yes")
        accepted = set()
        self.app.handlers["/broken"] = lambda r: (accepted.add(r.json["data"]), 200)[1]
        wait_until(lambda: len(accepted) == 5000, 90, "all of them")

    def test_a_commit_wakes_the_delivery(self):
        self.app.handlers["/one"] = 200
        lags = []

        def at_once():
            self.publish("one", len(lags), key=str(len(lags)))
            answered = time.monotonic()
            lags.append(self.app.wait_calls("/one", len(lags) + 1)[-1].at - answered)
            return len([lag for lag in lags if lag < 0.1]) >= 10
        wait_until(at_once, 15, lambda: f"ten that wait for no poll; {[round(lag, 3) for lag in lags]}")

    def test_an_inbound_timeout_is_a_failure(self):
        again = threading.Event()
        self.addCleanup(again.set)
        first = threading.Lock()

        def answer(_):
            if first.acquire(blocking=False):
                again.wait(55)    # not answered before it has come again
            again.set()
            return 200
        self.app.handlers["/late"] = answer
        self.publish("late", 1, "hasty")
        wait_until(again.is_set, 10, "it again, while the first call has no answer")
        self.assertGreaterEqual(len(self.app.calls("/late")), 2)

    def test_a_long_line_of_one_key_does_not_hold_up_others(self):
        """More than is held in memory for one key: the rest waits in the table, in order."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.app.handlers["/long"] = lambda r: (gate.wait(55), 200)[1] if r.json["data"] == 0 else 200
        port = self.engine.port(self.client)
        for start in range(0, 1500, 100):
            entries = [{"entryId": str(n), "event": n, "contentType": "application/json", "metadata": {"partitionKey": "k"}}
                       for n in range(start, start + 100)]
            self.assertEqual(call(port, "POST", "/v1.0-alpha1/publish/bulk/fast/long", entries).status, 204)
        self.publish("long", "other", key="o")
        wait_until(lambda: "other" in self.data_of("/long"), 10, "the other key")
        gate.set()
        wait_until(lambda: len(self.data_of("/long")) >= 1501, 60, "all of them")
        self.assertEqual([d for d in self.data_of("/long") if d != "other"], list(range(1500)))


class Subscriptions(unittest.TestCase):
    def start(self, apps, **options):
        self.engine = engine.start(apps, components=COMPONENTS, **options)
        self.addCleanup(self.engine.stop)
        return self.engine

    def publish(self, topic, data, pubsub="fast", key="k", app=None):
        app = app or self.engine.apps[0]
        reply = call(self.engine.port(app), "POST", f"/v1.0/publish/{pubsub}/{topic}?metadata.partitionKey={key}", data)
        self.assertEqual(reply.status, 204, reply.body)

    def test_25_an_app_that_comes_back_goes_on(self):
        app = App("app-a", [subscription("t", pubsub="fast")], {"/t": 200})
        client = engine.client()
        self.start([app, client])
        self.publish("t", 1, app=client)
        app.wait_answered("/t")
        app.close()
        for n in range(2, 12):
            self.publish("t", n, app=client)
        app.listen()
        wait_until(lambda: [r.json["data"] for r in app.calls("/t")] == list(range(1, 12)), 15, "the rest, in order")

    def test_an_app_that_was_never_there_misses_nothing(self):
        app = App("app-a", [subscription("t", pubsub="fast")], {"/t": 200}, listen=False)
        other = App("app-b", [], listen=False)
        client = engine.client()
        self.start([app, other, client])
        self.publish("t", 1, app=client)
        self.publish("u", 2, app=client)
        app.listen()
        self.assertEqual(app.wait_calls("/t")[0].json["data"], 1)
        other.listen()
        if engine.STANDIN:
            wait_until(lambda: self.engine.sql("SELECT count(*) FROM sidecar.delivery") == "0", 15, "what nobody wanted is gone")

    def test_26_a_bad_answer(self):
        app = App("app-a", (500, "no"), {"/t": 200})
        self.start([app])
        self.assertEqual(call(self.engine.port(app), "GET", "/v1.0/healthz").status, 204)
        self.assertEqual(call(self.engine.port(app), "GET", "/v1.0/metadata").json.get("subscriptions"), None)

    @standin_only("daprd asks once")
    def test_26_after_a_bad_answer_it_asks_again(self):
        app = App("app-a", (500, "no"), {"/t": 200})
        self.start([app])
        app.subscriptions = (200, "[{")
        wait_until(lambda: len(app.calls("/dapr/subscribe")) > 3, 10, "it is asked again")
        self.assertEqual(app.calls("/t"), [])

    @standin_only("daprd asks once")
    def test_26_a_bad_answer_forgets_nothing(self):
        for bad in ((500, "no"), (404, ""), (200, "{}")):
            with self.subTest(str(bad)):
                app = App("app-a", [subscription("t", pubsub="fast")], {"/t": 200})
                self.start([app])
                app.close()
                app.subscriptions = bad
                before = len(app.calls("/dapr/subscribe"))
                app.listen()
                wait_until(lambda a=app, b=before: len(a.calls("/dapr/subscribe")) > b, 20, "it is asked again")
                self.publish("t", 1)
                app.wait_calls("/t")

    @standin_only("`types` is its own")
    def test_an_app_that_wants_certain_types_keeps_the_order_of_a_key(self):
        """Only the stand-in leaves the others out; with Dapr an app answers SUCCESS to them."""
        few = App("few", [subscription("t", pubsub="fast", metadata={"types": "a,c"})], {"/t": 200})
        every = App("every", [subscription("t", pubsub="fast")], {"/t": 200})
        self.start([few, every])
        entries = [{"entryId": str(i), "contentType": "application/cloudevents+json", "metadata": {"partitionKey": f"k{i % 3}"},
                    "event": {"specversion": "1.0", "id": str(i), "source": "s", "type": "abc"[i % 4 % 3], "data": i}} for i in range(60)]
        self.assertEqual(call(self.engine.port(few), "POST", "/v1.0-alpha1/publish/bulk/fast/t", entries).status, 204)
        wait_until(lambda: len(every.calls("/t")) == 60, 20, "all messages")
        wanted = [e for e in entries if e["event"]["type"] != "b"]
        wait_until(lambda: len(few.calls("/t")) >= len(wanted), 20, "those that are wanted")
        self.assertEqual(sorted(int(r.json["id"]) for r in few.calls("/t")), sorted(int(e["entryId"]) for e in wanted))
        for app in (few, every):
            for key in range(3):
                ids = [int(r.json["id"]) for r in app.calls("/t") if int(r.json["id"]) % 3 == key]
                self.assertEqual(ids, sorted(ids))

    @standin_only("daprd asks once")
    def test_a_new_topic_after_a_restart_of_the_app(self):
        app = App("app-a", [subscription("t", pubsub="fast")], {"/t": 200, "/u": 200})
        self.start([app])
        app.close()
        self.publish("t", 1)
        app.subscriptions = [subscription("t", pubsub="fast"), subscription("u", pubsub="fast")]
        app.listen()
        app.wait_calls("/t")
        wait_until(lambda: len(call(self.engine.port(app), "GET", "/v1.0/metadata").json.get("subscriptions", [])) == 2, 30, "both")
        self.publish("u", 2)
        app.wait_calls("/u")

    def test_an_empty_list_and_404_are_no_subscriptions(self):
        apps = [App("app-a", (404, "")), App("app-b", []), App("app-c", (200, ""))]
        self.start(apps)
        self.publish("t", 1)
        for app in apps:
            self.assertNotIn("subscriptions", call(self.engine.port(app), "GET", "/v1.0/metadata").json)
        if engine.STANDIN:
            wait_until(lambda: self.engine.sql("SELECT count(*) FROM sidecar.delivery") == "0", 10, "nothing stored")

    def test_how_it_asks(self):
        app = App("app-a", [subscription("t", pubsub="fast")], {"/t": 200})
        self.start([app])
        asked = app.calls("/dapr/subscribe")[0]
        self.assertEqual((asked.method, asked.headers["Content-Type"], asked.headers["Dapr-App-Id"]), ("GET", "application/json", "app-a"))

    def test_27_routes(self):
        rules = [{"match": 'has(event.type) && event.type == "one"', "path": "/one"},
                 {"match": 'has(event.type) && event.type == "two" || (has(event.data.x) && !(event.data.x != "y"))', "path": "/two"}]
        app = App("app-a", [
            {"pubsubname": "fast", "topic": "t", "route": "/never", "routes": {"rules": rules, "default": "/other"}},
            {"pubsubname": "fast", "topic": "unguarded", "routes": {"rules": [{"match": 'event.data.kind == "x"', "path": "/x"}],
                                                                    "default": "/wrong"}},
            {"pubsubname": "fast", "topic": "nowhere", "routes": {"rules": rules[:1]}}],
            {p: 200 for p in ("/one", "/two", "/other", "/x", "/wrong", "/never")})
        self.start([app])
        port = self.engine.port(app)
        for kind, data, path in (("one", {}, "/one"), ("two", {}, "/two"), ("three", {"x": "y"}, "/two"), ("three", {"x": "z"}, "/other"),
                                 ("three", {}, "/other")):
            app.forget()
            call(port, "POST", f"/v1.0/publish/fast/t?metadata.cloudevent.type={kind}", data)
            app.wait_calls(path)
        self.assertEqual(app.calls("/never"), [])
        self.publish("unguarded", {"kind": "x"}, key="a")
        self.publish("unguarded", {}, key="b")
        self.publish("unguarded", {"kind": "x", "n": 2}, key="b")
        app.wait_calls("/x")
        if engine.STANDIN:
            wait_until(lambda: int(self.engine.sql("SELECT coalesce(max(attempts), 0) FROM sidecar.delivery")) > 2, 10, "more attempts")
        app.forget()
        # No rule and no default: dropped, and what comes behind it is there.
        self.publish("nowhere", {}, key="a")
        call(port, "POST", "/v1.0/publish/fast/nowhere?metadata.cloudevent.type=one&metadata.partitionKey=a", 7)
        self.assertEqual(app.wait_calls("/one")[0].json["data"], 7)
        self.assertEqual((app.calls("/x"), app.calls("/wrong")), ([], []))

    @standin_only("daprd understands all of CEL")
    def test_a_rule_that_is_not_understood_is_refused(self):
        app = App("app-a", [
            {"pubsubname": "fast", "topic": "t", "routes": {"rules": [{"match": 'event.type.startsWith("x")', "path": "/x"}], "default": "/d"}},
            {"pubsubname": "nope", "topic": "u", "route": "/u"}, {"pubsubname": "fast", "topic": "nowhere"}, subscription("good", pubsub="fast")],
            {p: 200 for p in ("/x", "/d", "/u", "/good")})
        self.start([app])
        told = call(self.engine.port(app), "GET", "/v1.0/metadata").json["subscriptions"]
        self.assertEqual([s["topic"] for s in told], ["good"])
        self.assertEqual(self.engine.host.log_text().count("a subscription is refused"), 3)

    def test_60_metadata(self):
        app = App("app-a", [subscription("t", pubsub="fast", deadLetterTopic="t-dead"),
                            {"pubsubname": "fast", "topic": "u", "routes": {"rules": [{"match": "has(event.id)", "path": "/m"}], "default": "/d"}}])
        self.start([app])
        told = call(self.engine.port(app), "GET", "/v1.0/metadata").json
        self.assertEqual((told["id"], told["appConnectionProperties"]["port"]), ("app-a", app.port))
        self.assertIn("fast", [c["name"] for c in told["components"]])
        subscriptions = {s["topic"]: s for s in told["subscriptions"]}
        self.assertEqual({s["type"] for s in told["subscriptions"]}, {"PROGRAMMATIC"})
        self.assertEqual(subscriptions["t"]["deadLetterTopic"], "t-dead")
        self.assertEqual(subscriptions["u"]["deadLetterTopic"], "")
        self.assertEqual(subscriptions["u"]["rules"], [{"match": "has(event.id)", "path": "/m"}, {"path": "/d"}])

    def test_replicas_share_and_broadcasts_reach_each(self):
        topics = [subscription("t", pubsub="fast"), subscription("news", pubsub="pubsub-broadcast")]
        first, second = (App("app-a", topics, {"/t": 200, "/news": 200}) for _ in range(2))
        client = engine.client()
        self.start([first, second, client])
        sent = [0]

        def both():
            self.publish("t", -1, key=str(sent[0]), app=client)
            sent[0] += 1
            return first.calls("/t") and second.calls("/t")
        wait_until(both, 10, "both have joined the group")
        wait_until(lambda: len(first.calls("/t")) + len(second.calls("/t")) >= sent[0], 10, "each of them")
        first.forget()
        second.forget()
        for n in range(20):
            self.publish("t", n, key=str(n), app=client)
            self.publish("news", n, "pubsub-broadcast", app=client)
        for app in (first, second):
            wait_until(lambda a=app: [r.json["data"] for r in a.calls("/news")] == list(range(20)), 10, "every broadcast")
        wait_until(lambda: len(first.calls("/t")) + len(second.calls("/t")) == 20, 10, "each once")
        self.assertTrue(first.calls("/t") and second.calls("/t"))
        self.engine.lose(first)
        for n in range(20, 30):
            self.publish("t", n, key=str(n), app=client)
        wait_until(lambda: {r.json["data"] for a in (first, second) for r in a.calls("/t")} >= set(range(30)), 10, "by the other one")

    def test_scopes_of_subscriptions(self):
        app = App("app-a", [subscription("yes", pubsub="scoped"), subscription("no", pubsub="scoped")], {"/yes": 200, "/no": 200})
        self.engine = engine.start([app], components=[{"name": "scoped", "type": "pubsub.sidecar",
                                                      "metadata": {"subscriptionScopes": "app-a=yes"}}])
        self.addCleanup(self.engine.stop)
        self.publish("no", 1, "scoped")
        self.publish("yes", 1, "scoped")
        app.wait_calls("/yes")
        self.assertEqual(app.calls("/no"), [])


if __name__ == "__main__":
    unittest.main()

"""Bulk subscriptions: many messages in one call, and an outcome for each."""

import threading
import unittest

import engine
from engine import FAST, STANDIN, App, call, standin_only, subscription
from system import wait_until

COMPONENTS = [
    {"name": "fast", "type": "pubsub.sidecar", "inbound": FAST},
    # No retry policy: a failure goes to the dead letters, or else the component tries again.
    {"name": "plain", "type": "pubsub.sidecar", "metadata": {"backOffDuration": "500ms"}},
]


def bulk(topic, pubsub="fast", count=50, wait=300, **more):
    return subscription(topic, pubsub=pubsub, bulkSubscribe={"enabled": True, "maxMessagesCount": count, "maxAwaitDurationMs": wait}, **more)


def dead(topic, pubsub="fast", **more):
    return [bulk(topic, pubsub, deadLetterTopic=topic + "-dead", **more), subscription(topic + "-dead", pubsub=pubsub)]


def entries_of(request):
    return request.json["entries"]


def answer(word=lambda data: "SUCCESS"):
    """A handler that says word(data) of each entry; None: nothing is said of it."""
    def handler(request):
        said = [(e["entryId"], word(e["event"]["data"])) for e in entries_of(request)]
        return {"statuses": [{"entryId": i, "status": w} for i, w in said if w is not None]}
    return handler


class Bulk(unittest.TestCase):
    """Each test has topics of its own, all subscribed at the start."""

    TOPICS = [bulk("all"), bulk("shape"), bulk("few", count=3), bulk("retry"), *dead("drop"), bulk("missing"), bulk("unknown"), bulk("order"),
              bulk("s404"), bulk("s500"), bulk("empty"), bulk("garbage"), bulk("list"), bulk("number"), bulk("no-statuses"), bulk("hangup"),
              *dead("poison"), *dead("once", pubsub="plain"), bulk("raw", metadata={"rawPayload": "true"}),
              {**bulk("routes"), "routes": {"rules": [{"match": 'has(event.type) && event.type == "a"', "path": "/a"}], "default": "/b"}},
              bulk("again"), *dead("late-drop")]

    @classmethod
    def setUpClass(cls):
        cls.app = App("app-a", cls.TOPICS)
        cls.client = engine.client()
        cls.engine = engine.start([cls.app, cls.client], components=COMPONENTS)

    @classmethod
    def tearDownClass(cls):
        cls.engine.stop()

    def publish(self, topic, data, pubsub="fast", key="k", **metadata):
        query = "".join(f"&metadata.{name}={value}" for name, value in metadata.items())
        reply = call(self.engine.port(self.client), "POST", f"/v1.0/publish/{pubsub}/{topic}?metadata.partitionKey={key}{query}", data)
        self.assertEqual(reply.status, 204, reply.body)

    def publish_all(self, topic, items, pubsub="fast", key=lambda item: "k"):
        """In one call, so that they are there together."""
        entries = [{"entryId": str(i), "event": item, "contentType": "application/json", "metadata": {"partitionKey": key(item)}}
                   for i, item in enumerate(items)]
        reply = call(self.engine.port(self.client), "POST", f"/v1.0-alpha1/publish/bulk/{pubsub}/{topic}", entries)
        self.assertEqual(reply.status, 204, reply.body)

    def data_of(self, path):
        """What has come, in its order, however it was put into calls."""
        return [e["event"]["data"] for r in self.app.calls(path) for e in entries_of(r)]

    def wait_data(self, path, wanted):
        wait_until(lambda: self.data_of(path) == wanted, 30, lambda: f"{wanted} at {path}, which has {self.data_of(path)[:40]}")

    def wait_in_order(self, path, wanted):
        """Each for the first time; more may come twice."""
        wait_until(lambda: list(dict.fromkeys(self.data_of(path))) == wanted, 30, lambda: f"{wanted} at {path}, which has {self.data_of(path)[:40]}")

    def test_the_shape_of_a_call(self):
        self.app.handlers["/shape"] = answer()
        self.publish("shape", {"n": 1.5}, key="k1", own="v")
        request = self.app.wait_calls("/shape")[0]
        self.assertEqual(request.method, "POST")
        self.assertEqual(request.headers["Content-Type"], "application/json")
        body = request.json
        self.assertEqual(set(body), {"entries", "id", "metadata", "pubsubname", "topic", "type"})
        self.assertEqual((body["pubsubname"], body["topic"], body["type"]), ("fast", "shape", "com.dapr.event.sent.bulk"))
        self.assertEqual(body["metadata"], {"pubsubName": "fast"})
        entry, = body["entries"]
        self.assertEqual(set(entry), {"entryId", "event", "metadata", "contentType"})
        self.assertEqual((entry["entryId"], entry["contentType"]), ("0", "application/cloudevents+json"))
        self.assertEqual((entry["event"]["data"], entry["event"]["topic"], entry["event"]["specversion"]), ({"n": 1.5}, "shape", "1.0"))
        metadata = entry["metadata"]
        self.assertEqual((metadata["__key"], metadata["__topic"], metadata["own"], metadata["partitionKey"]), ("k1", "shape", "v", "k1"))
        self.assertTrue({"__offset", "__partition", "__timestamp"} <= set(metadata))
        self.assertTrue(all(isinstance(v, str) for v in metadata.values()))

    def test_all_that_succeed_come_once(self):
        self.app.handlers["/all"] = answer()
        self.publish_all("all", list(range(60)), key=lambda n: f"k{n % 20}")
        wait_until(lambda: sorted(self.data_of("/all")) == list(range(60)), 30, "each of them")
        self.publish_all("all", [100 + n for n in range(20)], key=lambda n: f"k{n % 20}")
        wait_until(lambda: len(self.data_of("/all")) >= 80, 30, "those behind them")
        self.assertEqual(sorted(self.data_of("/all")), list(range(60)) + list(range(100, 120)))
        self.assertLess(len(self.app.calls("/all")), 80, "each came alone")

    def test_a_call_brings_no_more_than_was_asked_for(self):
        self.app.handlers["/few"] = answer()
        self.publish_all("few", list(range(40)), key=str)
        wait_until(lambda: sorted(self.data_of("/few")) == list(range(40)), 30, "each of them")
        self.assertLessEqual(max(len(entries_of(r)) for r in self.app.calls("/few")), 3)

    def test_one_that_is_to_be_retried_comes_again_alone(self):
        """There is a retry policy: those that succeeded do not come again."""
        left = [2]

        def word(data):
            if data == "bad" and left[0] > 0:
                left[0] -= 1
                return "RETRY"
            return "SUCCESS"
        self.app.handlers["/retry"] = answer(word)
        self.publish_all("retry", ["a", "bad", "b", "c"], key=str)
        self.publish("retry", "end", key="bad")
        wait_until(lambda: "end" in self.data_of("/retry") and len(self.data_of("/retry")) >= 7, 30, "all of them")
        self.assertEqual({d: self.data_of("/retry").count(d) for d in set(self.data_of("/retry"))}, {"a": 1, "b": 1, "c": 1, "bad": 3, "end": 1})

    def test_one_that_is_dropped_is_a_dead_letter(self):
        self.app.handlers["/drop"] = answer(lambda data: "DROP" if data == 1 else "SUCCESS")
        self.app.handlers["/drop-dead"] = 200
        self.publish_all("drop", [0, 1, 2])
        self.wait_data("/drop", [0, 1, 2])
        copy = self.app.wait_calls("/drop-dead")[0]
        entry = next(e for r in self.app.calls("/drop") for e in entries_of(r) if e["event"]["data"] == 1)
        self.assertEqual(copy.json, entry["event"])
        self.assertEqual((copy.headers["__topic"], copy.headers["__key"]), ("drop", "k"))
        self.publish("drop", 3)
        self.wait_data("/drop", [0, 1, 2, 3])
        self.assertEqual([r.json["data"] for r in self.app.calls("/drop-dead")], [1])

    def test_one_of_which_nothing_is_said_comes_again(self):
        for topic, word in (("missing", None), ("unknown", "success")):
            with self.subTest(topic):
                first = []

                def say(data, word=word, first=first):
                    if data == 1 and not first:
                        first.append(data)
                        return word
                    return "SUCCESS"
                self.app.handlers["/" + topic] = answer(say)
                self.publish_all(topic, [0, 1, 2], key=str)
                wait_until(lambda t=topic: sorted(self.data_of("/" + t)) == [0, 1, 1, 2], 30, "1 twice")

    def test_a_call_that_fails_comes_again_whole(self):
        """Also where a single delivery would be done with: an empty answer says nothing of anybody."""
        rows = {"s500": 500, "empty": (200, b""), "garbage": (200, "fine"), "list": (200, "[]"), "number": (200, {"statuses": [{"entryId": "0", "status": 1}]}),
                "no-statuses": (200, {}), "hangup": "hang up"}
        for topic, bad in rows.items():
            left = [bad]
            self.app.handlers["/" + topic] = lambda r, left=left: left.pop() if left else answer()(r)
            self.publish(topic, 1)
            self.publish(topic, 2)
        for topic in rows:
            with self.subTest(topic):
                self.wait_in_order("/" + topic, [1, 2])
                wait_until(lambda t=topic: self.data_of("/" + t).count(1) == 2, 30, "1 twice")

    def test_a_404_is_done_with(self):
        self.app.handlers["/s404"] = 404
        self.publish("s404", 1)
        self.app.wait_calls("/s404")
        self.app.handlers["/s404"] = answer()
        self.publish("s404", 2)
        self.wait_data("/s404", [1, 2])

    def test_poison_does_not_harm_its_neighbours(self):
        """What is no JSON object never reaches the app."""
        self.app.handlers["/poison"] = answer()
        self.app.handlers["/poison-dead"] = 200
        self.publish("poison", 1)
        for body in ("text", "[1]"):
            self.publish("poison", body, rawPayload="true")
        self.publish("poison", 2)
        self.publish("poison", 3)
        wait_until(lambda: self.data_of("/poison")[-1:] == [3], 30, "the last one")
        self.assertEqual(self.data_of("/poison"), [1, 2, 3])
        if STANDIN:
            wait_until(lambda: self.engine.sql("SELECT count(*) FROM sidecar.delivery WHERE topic = 'poison-dead'") == "2", 30, "two dead")

    def test_without_a_policy_what_fails_is_a_dead_letter_at_once(self):
        self.app.handlers["/once"] = answer(lambda data: "RETRY" if data == 1 else "SUCCESS")
        self.app.handlers["/once-dead"] = 200
        self.publish_all("once", [0, 1, 2], "plain")
        self.app.wait_calls("/once-dead")
        self.publish("once", 3, "plain")
        self.wait_data("/once", [0, 1, 2, 3])
        self.assertEqual([r.json["data"] for r in self.app.calls("/once-dead")], [1])

    def test_the_order_of_a_key(self):
        self.app.handlers["/order"] = answer()
        items = [{"k": f"k{n % 7}", "n": n} for n in range(210)]
        for start in range(0, 210, 30):
            self.publish_all("order", items[start:start + 30], key=lambda item: item["k"])
        wait_until(lambda: len(self.data_of("/order")) >= 210, 30, "all of them")
        for key in range(7):
            self.assertEqual([d["n"] for d in self.data_of("/order") if d["k"] == f"k{key}"], list(range(key, 210, 7)))

    def test_a_raw_payload_is_base64(self):
        self.app.handlers["/raw"] = lambda r: {"statuses": [{"entryId": e["entryId"], "status": "SUCCESS"} for e in entries_of(r)]}
        self.publish("raw", "bytes", rawPayload="true")
        entry, = entries_of(self.app.wait_calls("/raw")[0])
        self.assertEqual((entry["event"], entry["contentType"]), ("Ynl0ZXM=", "application/octet-stream"))

    def test_routes_get_calls_of_their_own(self):
        self.app.handlers["/a"] = self.app.handlers["/b"] = answer()
        for n in range(6):
            self.publish("routes", n, **{"cloudevent.type": "ab"[n % 2]})
        self.wait_data("/a", [0, 2, 4])
        self.wait_data("/b", [1, 3, 5])

    @standin_only("daprd brings those behind it in the same call")
    def test_what_is_behind_a_failure_waits(self):
        gate = threading.Event()
        self.app.handlers["/again"] = answer(lambda data: "RETRY" if data == 0 and not gate.is_set() else "SUCCESS")
        self.publish_all("again", [0, 1, 2])
        self.publish("again", "other", key="o")
        wait_until(lambda: "other" in self.data_of("/again") and self.data_of("/again").count(0) > 2, 30, "the other key, and attempts")
        self.assertFalse({1, 2} & set(self.data_of("/again")))
        gate.set()
        wait_until(lambda: self.data_of("/again")[-2:] == [1, 2], 30, "those behind it")

    @standin_only("daprd 1.16.0 looks for what comes again in the wrong place, and ends with a panic")
    def test_one_that_is_dropped_later_is_a_dead_letter(self):
        words = ["RETRY", "DROP"]
        self.app.handlers["/late-drop"] = answer(lambda data: words.pop(0) if data == 2 else "SUCCESS")
        self.app.handlers["/late-drop-dead"] = 200
        self.publish_all("late-drop", [0, 1, 2], key=str)
        self.assertEqual(self.app.wait_calls("/late-drop-dead")[0].json["data"], 2)


if __name__ == "__main__":
    unittest.main()

"""Publishing: envelopes, metadata, refusals, bulk. Numbers are those of the checks in the reference."""

import base64
import json
import threading
import time
import unittest

import engine
from engine import App, call, standin_only, subscription
from system import wait_until

ENVELOPE = {"data", "datacontenttype", "id", "pubsubname", "source", "specversion", "time", "topic", "traceid",
            "traceparent", "tracestate", "type"}


class Publish(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        topics = ["orders", "raw", "slow", "small"]
        cls.app = App("app-a", [subscription(t) for t in topics], {"/" + t: 200 for t in topics})
        cls.app.subscriptions[1]["metadata"] = {"rawPayload": "true"}
        cls.app.subscriptions.append(subscription("small-orders", "/small", "small"))
        cls.app.subscriptions.append(subscription("mine", "/mine", "scoped"))
        cls.app.handlers["/mine"] = 200
        cls.client = engine.client()
        cls.engine = engine.start([cls.app, cls.client], components=[
            {"name": "small", "type": "pubsub.sidecar", "metadata": {"maxMessageBytes": "2000"}},
            {"name": "scoped", "type": "pubsub.sidecar",
             "metadata": {"publishingScopes": "client=mine;other=", "allowedTopics": "mine,theirs"}},
            {"name": "private", "type": "pubsub.sidecar", "scopes": ["app-a"]}])

    @classmethod
    def tearDownClass(cls):
        cls.engine.stop()

    def setUp(self):
        self.app.forget()

    def publish(self, body, topic="orders", pubsub="pubsub", query="", content_type="application/json", method="POST"):
        return call(self.engine.port(self.client), method, f"/v1.0/publish/{pubsub}/{topic}{query}", body,
                    {"Content-Type": content_type})

    def received(self, path="/orders"):
        return self.app.wait_calls(path)[-1]

    def check(self, reply, status, code=None):
        self.assertEqual(reply.status, status, reply.body)
        if code:
            self.assertEqual(reply.json["errorCode"], code)
            self.assertIsInstance(reply.json["message"], str)
        else:
            self.assertEqual(reply.body, b"")

    def test_02_envelope_of_json(self):
        self.check(self.publish({"a": [1]}), 204)
        event = self.received().json
        self.assertEqual(set(event), ENVELOPE)
        self.assertEqual({k: event[k] for k in ("data", "datacontenttype", "pubsubname", "source", "specversion", "topic", "traceid",
                                                "traceparent", "tracestate", "type")},
                         {"data": {"a": [1]}, "datacontenttype": "application/json", "pubsubname": "pubsub", "source": "client",
                          "specversion": "1.0", "topic": "orders", "traceid": "", "traceparent": "", "tracestate": "",
                          "type": "com.dapr.event.sent"})
        self.assertRegex(event["id"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$")

    def test_02_put_is_the_same(self):
        self.check(self.publish({"a": 1}, method="PUT"), 204)
        self.assertEqual(self.received().json["data"], {"a": 1})

    def test_03_numbers_keep_their_text(self):
        self.check(self.publish('{"n":1.10,"big":12345678901234567890}'), 204)
        body = self.received().body
        self.assertIn(b"1.10", body)
        self.assertIn(b"12345678901234567890", body)

    def test_04_without_content_type_it_is_text(self):
        self.check(self.publish("plain", content_type=None), 204)
        event = self.received().json
        self.assertEqual((event["data"], event["datacontenttype"]), ("plain", "text/plain"))

    def test_04_other_types_are_strings(self):
        self.check(self.publish('a=1&b="2"', content_type="application/x-www-form-urlencoded"), 204)
        event = self.received().json
        self.assertEqual((event["data"], event["datacontenttype"]), ('a=1&b="2"', "application/x-www-form-urlencoded"))

    def test_05_parameters_of_the_type(self):
        self.check(self.publish('{"a":1}', content_type="Application/JSON; charset=utf-8"), 204)
        event = self.received().json
        self.assertEqual((event["data"], event["datacontenttype"]), ({"a": 1}, "Application/JSON; charset=utf-8"))

    def test_06_invalid_json_becomes_text(self):
        for body in ("{nope", ""):
            self.app.forget()
            self.check(self.publish(body), 204)
            self.assertEqual(self.received().json["data"], body)

    def test_07_octets(self):
        data = bytes(range(256))
        self.check(self.publish(data, content_type="application/octet-stream"), 204)
        event = self.received().json
        self.assertNotIn("data", event)
        self.assertEqual(base64.b64decode(event["data_base64"]), data)

    def cloud_event(self, **more):
        return {"specversion": "1.0", "id": "e1", "source": "src", "type": "kind", "data": {"a": 1}, **more}

    def test_08_cloud_event_is_kept_and_filled(self):
        event = self.cloud_event(topic="wrong", pubsubname="wrong", myext="x", subject="s")
        self.check(self.publish(event, content_type="application/cloudevents+json; charset=utf-8"), 204)
        got = self.received().json
        for name in ("id", "source", "type", "data", "myext", "subject"):
            self.assertEqual(got[name], event[name])
        self.assertEqual((got["topic"], got["pubsubname"], got["traceid"], got["traceparent"], got["tracestate"]),
                         ("orders", "pubsub", "", "", ""))
        self.assertIn("time", got)
        self.assertNotIn("datacontenttype", got)

    def test_08_cloud_event_of_nothing(self):
        self.check(self.publish({}, content_type="application/cloudevents+json"), 204)
        got = self.received().json
        self.assertEqual((got["source"], got["type"], got["specversion"]), ("Dapr", "com.dapr.event.sent", "1.0"))
        self.assertNotIn("id", got)

    def test_08_cloud_event_keeps_both_trace_members_or_loses_one(self):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        both = self.cloud_event(traceid=trace, traceparent=trace)
        self.check(self.publish(both, content_type="application/cloudevents+json"), 204)
        self.assertEqual(self.received().json["traceparent"], trace)
        self.app.forget()
        self.check(self.publish(self.cloud_event(traceparent=trace), content_type="application/cloudevents+json"), 204)
        self.assertEqual(self.received().json["traceparent"], "")

    def test_09_cloud_event_of_garbage(self):
        for body in ("{nope", "[1]", '"text"', ""):
            self.check(self.publish(body, content_type="application/cloudevents+json"), 500, "ERR_PUBSUB_CLOUD_EVENTS_SER")

    def test_10_overrides(self):
        query = "?metadata.cloudevent.id=i1&metadata.cloudevent.type=k1&metadata.cloudevent.source=s1&metadata.cloudevent.topic=no"
        self.check(self.publish({"a": 1}, query=query), 204)
        got = self.received().json
        self.assertEqual((got["id"], got["type"], got["source"], got["topic"]), ("i1", "k1", "s1", "orders"))
        self.app.forget()
        self.check(self.publish(self.cloud_event(), query=query, content_type="application/cloudevents+json"), 204)
        got = self.received().json
        self.assertEqual((got["id"], got["type"], got["source"]), ("e1", "kind", "src"))

    def test_11_ttl(self):
        for query in ("?metadata.ttlInSeconds=1", "?metadata.TTL=1s"):
            with self.subTest(query):
                self.app.forget()
                gate = threading.Event()
                self.addCleanup(gate.set)
                self.app.handlers["/slow"] = lambda r, gate=gate: (gate.wait(55), 200)[1]
                key = "&metadata.partitionKey=k"
                self.check(self.publish("hold", "slow", query="?metadata.partitionKey=k"), 204)
                self.app.wait_calls("/slow")
                self.check(self.publish("late", "slow", query=query + key), 204)
                self.check(self.publish("after", "slow", query="?metadata.ttlInSeconds=3600" + key), 204)
                time.sleep(1.1)    # longer than the late one lives
                gate.set()
                calls = self.app.wait_calls("/slow", 2)
                self.assertEqual([c.json["data"] for c in calls], ["hold", "after"])
                self.assertRegex(calls[1].json["expiration"], r"^\d{4}-.*Z$")

    def test_11_a_bad_ttl_is_ignored(self):
        self.check(self.publish("x", query="?metadata.ttlInSeconds=soon"), 204)
        self.assertNotIn("expiration", self.received().json)

    def test_12_raw(self):
        for body in (b'{"not": "an envelope"}', b"text", bytes(range(256))):
            self.app.forget()
            self.check(self.publish(body, "raw", query="?metadata.rawPayload=true"), 204)
            event = self.received("/raw").json
            self.assertEqual(base64.b64decode(event["data_base64"]), body)
            self.assertEqual({k: v for k, v in event.items() if k not in ("data_base64", "id")},
                             {"datacontenttype": "application/octet-stream", "pubsubname": "pubsub", "source": "Dapr",
                              "specversion": "1.0", "topic": "raw", "type": "com.dapr.event.sent"})

    def test_12_a_foreign_object_is_delivered_as_it_is(self):
        self.check(self.publish('{"not":  "an envelope"}', query="?metadata.rawPayload=1"), 204)
        self.assertEqual(self.received().body, b'{"not":  "an envelope"}')

    def test_13_refusals(self):
        self.check(self.publish({}, pubsub="nope"), 404, "ERR_PUBSUB_NOT_FOUND")
        self.check(self.publish({}, pubsub="private"), 404, "ERR_PUBSUB_NOT_FOUND")
        self.check(self.publish({}, "theirs", "scoped"), 403, "ERR_PUBSUB_FORBIDDEN")
        self.check(self.publish({}, "others", "scoped"), 403, "ERR_PUBSUB_FORBIDDEN")
        self.check(self.publish({}, "mine", "scoped"), 204)
        self.check(self.publish({}, query="?metadata.rawPayload=maybe"), 400, "ERR_PUBSUB_REQUEST_METADATA")

    def test_14_what_is_not_known(self):
        port = self.engine.port(self.client)
        for method, path in (("GET", "/v1.0/publish/pubsub/orders"), ("POST", "/v1.0/publish/pubsub/"), ("GET", "/v1.0/nothing"),
                             ("GET", "/"), ("DELETE", "/v1.0/metadata"), ("POST", "/v2.0/publish/pubsub/orders")):
            with self.subTest(path):
                self.check(call(port, method, path, b"" if method == "POST" else None), 404, "ERR_DIRECT_INVOKE")

    def test_15_limits(self):
        self.check(self.publish(b"x" * (4 * 1024 * 1024 + 1), content_type="text/plain"), 500, "ERR_PUBSUB_PUBLISH_MESSAGE")
        self.check(self.publish(b"x" * 1100000, content_type="text/plain"), 500, "ERR_PUBSUB_PUBLISH_MESSAGE")
        port = self.engine.port(self.client)
        self.assertEqual(call(port, "GET", "/v1.0/metadata", headers={"X-Long": "x" * 9000}).status, 431)
        self.assertEqual(call(port, "GET", "/v1.0/metadata", headers={"X-Long": "x" * 7500}).status, 200)

    def test_16_partitions_are_those_of_sarama(self):
        # FNV-1a 32 of the key as a signed number, modulo 6, without its sign.
        def partition(key):
            h = 0x811C9DC5
            for byte in key.encode():
                h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
            signed = h - (1 << 32) if h >> 31 else h
            return abs(int(signed - 6 * int(signed / 6)))
        keys = [f"key-{i}" for i in range(20)]
        for key in keys:
            self.check(self.publish({"k": key}, query="?metadata.partitionKey=" + key), 204)
        calls = self.app.wait_calls("/orders", 20)
        self.assertEqual({c.headers["__key"]: int(c.headers["__partition"]) for c in calls}, {k: partition(k) for k in keys})

    def test_17_headers_of_a_delivery(self):
        before = time.time() * 1000
        self.check(self.publish({}, query="?metadata.partitionKey=k%2B1&metadata.X-Own=v&metadata.authorization=a"), 204)
        headers = self.received().headers
        self.assertEqual(headers["Content-Type"], "application/cloudevents+json")
        self.assertEqual((headers["pubsubname"], headers["__topic"], headers["__key"], headers["partitionkey"], headers["x-own"],
                          headers["authorization"]), ("pubsub", "orders", "k+1", "k+1", "v", "a"))
        self.assertTrue(headers["__offset"].isdigit() and headers["__partition"].isdigit())
        self.assertLess(abs(int(headers["__timestamp"]) - before), 60000)
        self.assertIsNone(headers["dapr-api-token"])

    @standin_only("daprd passes them on")
    def test_17_metadata_does_not_forge_who_calls(self):
        names = ("dapr-api-token", "dapr-caller-app-id")
        self.check(self.publish({}, query="?" + "&".join(f"metadata.{n}=99" for n in names)), 204)
        headers = self.received().headers
        self.assertEqual([headers.get_all(n) for n in names], [None, None])

    def test_17_metadata_does_not_forge_what_the_sidecar_says(self):
        names = ("content-type", "content-length", "host")
        self.check(self.publish({}, query="?" + "&".join(f"metadata.{n}=99" for n in names)), 204)
        headers = self.received().headers
        self.assertEqual(headers.get_all("content-type"), ["application/cloudevents+json"])
        self.assertEqual(len(headers.get_all("host")), 1)

    def bulk(self, entries, topic="orders", pubsub="pubsub", query="", version="v1.0-alpha1"):
        return call(self.engine.port(self.client), "POST", f"/{version}/publish/bulk/{pubsub}/{topic}{query}", entries)

    @staticmethod
    def entry(entry_id, event=None, **more):
        return {"entryId": entry_id, "event": {"n": entry_id} if event is None else event, "contentType": "application/json", **more}

    def test_28_bulk(self):
        entries = [self.entry(str(i), metadata={"partitionKey": "k"}) for i in range(20)]
        entries += [self.entry("t", "text", contentType="text/plain"),
                    self.entry("b", base64.b64encode(b"\x00\xff").decode(), contentType="application/octet-stream"),
                    self.entry("c", self.cloud_event(), contentType="application/cloudevents+json")]
        self.check(self.bulk(entries), 204)
        events = [c.json for c in self.app.wait_calls("/orders", 23)]
        self.assertEqual([e["data"]["n"] for e in events if isinstance(e.get("data"), dict) and "n" in e["data"]],
                         [str(i) for i in range(20)])
        self.assertEqual([e["data"] for e in events if e.get("datacontenttype") == "text/plain"], ["text"])
        self.assertEqual([base64.b64decode(e["data_base64"]) for e in events if "data_base64" in e], [b"\x00\xff"])
        self.assertEqual([e["type"] for e in events if e["id"] == "e1"], ["kind"])
        self.assertEqual({e["topic"] for e in events}, {"orders"})

    def test_28_bulk_of_nothing(self):
        self.check(self.bulk([]), 204)

    @standin_only("Dapr has it from 1.17 on")
    def test_28_bulk_on_the_stable_path(self):
        self.check(self.bulk([self.entry("1")], version="v1.0"), 204)
        self.app.wait_calls("/orders")

    def test_28_bulk_refusals(self):
        twice = [self.entry("1"), self.entry("1")]
        no_type = [{"entryId": "1", "event": {}}]
        for body in (twice, no_type, [{"event": {}, "contentType": "application/json"}], {"a": 1}, [1],
                     [self.entry("1", {"a": 1}, contentType="text/plain")],
                     [self.entry("1", "not base64!", contentType="application/octet-stream")]):
            with self.subTest(str(body)):
                self.check(self.bulk(body), 400, "ERR_PUBSUB_EVENTS_SER")
        self.check(self.bulk("{nope"), 400, "ERR_PUBSUB_EVENTS_SER")
        self.check(self.bulk([], pubsub="nope"), 404, "ERR_PUBSUB_NOT_FOUND")
        self.check(self.bulk([], "theirs", "scoped"), 403, "ERR_PUBSUB_FORBIDDEN")
        self.assertEqual(self.app.calls("/orders"), [])

    def test_28_bulk_in_part(self):
        reply = self.bulk([self.entry("1"), self.entry("2", {"big": "x" * 3000}), self.entry("3")], "small-orders", "small")
        self.assertEqual(reply.status, 500)
        self.assertEqual(reply.json["errorCode"], "ERR_PUBSUB_PUBLISH_MESSAGE")
        self.assertEqual([e["entryId"] for e in reply.json["failedEntries"]], ["2"])
        self.assertEqual(sorted(c.json["data"]["n"] for c in self.app.wait_calls("/small", 2)), ["1", "3"])

    def test_28_the_request_overrides_its_entries(self):
        self.check(self.bulk([self.entry("1", metadata={"partitionKey": "own"})], query="?metadata.partitionKey=all"), 204)
        self.assertEqual(self.received().headers["__key"], "all")

    def test_54_tracing_off(self):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        call(self.engine.port(self.client), "POST", "/v1.0/publish/pubsub/orders", {}, {"traceparent": trace})
        request = self.received()
        self.assertEqual((request.json["traceid"], request.json["traceparent"], request.json["tracestate"]), ("", "", ""))
        self.assertIsNone(request.headers["traceparent"])

    @standin_only("daprd before 1.18.3 panics")
    def test_55_trace_members_that_are_no_strings(self):
        self.check(self.publish(self.cloud_event(traceid=7, traceparent=[1]), content_type="application/cloudevents+json"), 204)
        self.assertEqual(self.received().json["traceid"], 7)
        self.check(self.publish({"a": 1}), 204)
        wait_until(lambda: len(self.app.calls("/orders")) == 2, 10, "life after it")

    def test_keys_with_odd_characters(self):
        text = json.dumps({"q\"uote": "\u00fc{}[]\\", "a": {"b": [1, {"c": "]}"}]}}, ensure_ascii=False)
        self.check(self.publish(text), 204)
        self.assertEqual(self.received().json["data"], json.loads(text))
        self.app.forget()
        self.check(self.publish('{"id":"i","topic":"x","d\\u0061ta":{"k":"}"}, "e\\"x" : 1}',
                                content_type="application/cloudevents+json"), 204)
        event = self.received().json
        self.assertEqual((event["topic"], event["data"], event['e"x']), ("orders", {"k": "}"}, 1))


if __name__ == "__main__":
    unittest.main()

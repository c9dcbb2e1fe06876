"""State and secrets."""

import time
import unittest
from urllib.parse import quote

import engine
from engine import call
from system import wait_until


class State(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.a, cls.b, cls.none = engine.client("app-a"), engine.client("app-b"), engine.client("app-c")
        cls.engine = engine.start([cls.a, cls.b, cls.none], components=[
            {"name": "shared", "type": "state.sidecar", "metadata": {"keyPrefix": "none"}, "scopes": ["app-a", "app-b"]},
            {"name": "statestore", "type": "state.sidecar", "scopes": ["app-a", "app-b"]}])

    @classmethod
    def tearDownClass(cls):
        cls.engine.stop()

    def call(self, method, path="", body=None, app=None, store="statestore", headers=None):
        return call(self.engine.port(app or self.a), method, f"/v1.0/state/{store}{path}", body, headers)

    def save(self, *items, status=204, code=None, query="", **more):
        reply = self.call("POST", query, list(items), **more)
        self.assertEqual(reply.status, status, reply.body)
        if code:
            self.assertEqual(reply.json["errorCode"], code)

    def get(self, key, **more):
        reply = self.call("GET", "/" + quote(key, safe=""), **more)
        if reply.status == 204:
            self.assertEqual(reply.body, b"")
            return None, None
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json, reply.headers["etag"]

    def test_30_save_get_delete(self):
        self.save({"key": "k1", "value": {"a": [], "n": 1.10}}, {"key": "k2", "value": "text"}, {"key": "k3"})
        self.assertEqual(self.get("k1")[0], {"a": [], "n": 1.1})
        self.assertEqual(self.get("k2")[0], "text")
        self.assertEqual(self.get("k3")[0], None)
        self.assertEqual(self.call("DELETE", "/k1").status, 204)
        self.assertEqual(self.get("k1"), (None, None))
        self.assertEqual(self.call("DELETE", "/k1").status, 204)
        self.assertEqual(self.call("PUT", "", [{"key": "k2", "value": 2}]).status, 204)
        self.assertEqual(self.get("k2")[0], 2)
        self.save()

    def test_30_odd_keys(self):
        for key in ("with/slash", "with space", "ü", "a+b", "%2F"):
            self.save({"key": key, "value": key})
            self.assertEqual(self.get(key)[0], key)

    def test_31_etags(self):
        self.save({"key": "e", "value": 1})
        etag = self.get("e")[1]
        self.save({"key": "e", "value": 2, "etag": etag})
        self.save({"key": "e", "value": 3, "etag": etag}, status=409, code="ERR_STATE_SAVE")
        self.save({"key": "e", "value": 3, "etag": "word"}, status=400, code="ERR_STATE_SAVE")
        self.assertEqual(self.get("e")[0], 2)
        reply = self.call("DELETE", "/e", headers={"If-Match": etag})
        self.assertEqual((reply.status, reply.json["errorCode"]), (409, "ERR_STATE_DELETE"))
        self.assertEqual(self.call("DELETE", "/e", headers={"If-Match": self.get("e")[1]}).status, 204)
        self.assertEqual(self.get("e"), (None, None))

    def test_31_create_only_if_there_is_none(self):
        item = {"key": "once", "value": 1, "etag": "0", "options": {"concurrency": "first-write"}}
        self.save(item)
        self.save(item, status=409, code="ERR_STATE_SAVE")
        self.save({**item, "options": {"concurrency": "sometimes"}}, status=500, code="ERR_STATE_SAVE")

    def test_32_ttl(self):
        self.save({"key": "t1", "value": 1, "metadata": {"ttlInSeconds": "600"}}, {"key": "t2", "value": 1, "metadata": {"ttlInSeconds": "600"}})
        self.assertEqual(self.get("t1")[0], 1)
        self.save({"key": "t1", "value": 1, "metadata": {"ttlInSeconds": "1"}})
        self.save({"key": "t3", "value": 1}, query="?metadata.ttlInSeconds=1")
        wait_until(lambda: self.get("t1") == self.get("t3") == (None, None), 5, "the end of two")
        self.assertEqual(self.get("t2")[0], 1)
        self.save({"key": "t1", "value": 2, "etag": "0", "options": {"concurrency": "first-write"}})
        self.assertEqual(self.get("t1")[0], 2)
        self.save({"key": "t4", "value": 1, "metadata": {"ttlInSeconds": "1"}})
        self.save({"key": "t4", "value": 2, "metadata": {"ttlInSeconds": "-1"}})
        time.sleep(1.2)    # longer than the end that was taken away
        self.assertEqual(self.get("t4")[0], 2)
        self.save({"key": "t", "value": 1, "metadata": {"ttlInSeconds": "soon"}}, status=500, code="ERR_STATE_SAVE")

    def test_33_bulk_get(self):
        self.save({"key": "b1", "value": 1}, {"key": "b3", "value": {"x": 3}})
        reply = self.call("POST", "/bulk", {"keys": ["b3", "b2", "b1"], "parallelism": 2})
        self.assertEqual(reply.status, 200)
        self.assertEqual([(i["key"], i.get("data")) for i in reply.json], [("b3", {"x": 3}), ("b2", None), ("b1", 1)])
        self.assertEqual(set(reply.json[1]), {"key"})

    def test_33_transaction(self):
        self.save({"key": "x1", "value": 1}, {"key": "x2", "value": 2})
        reply = self.call("POST", "/transaction", {"operations": [
            {"operation": "upsert", "request": {"key": "x1", "value": {"n": 10}}}, {"operation": "delete", "request": {"key": "x2"}},
            {"operation": "upsert", "request": {"key": "x3", "value": 3}}]})
        self.assertEqual(reply.status, 204, reply.body)
        self.assertEqual([self.get(k)[0] for k in ("x1", "x2", "x3")], [{"n": 10}, None, 3])
        reply = self.call("POST", "/transaction", {"operations": [{"operation": "increase", "request": {"key": "x1"}}]})
        self.assertEqual((reply.status, reply.json["errorCode"]), (400, "ERR_NOT_SUPPORTED_STATE_OPERATION"))
        reply = self.call("POST", "/transaction", {"operations": [{"operation": "upsert", "request": {"key": "x1", "value": 1, "etag": "999"}}]})
        self.assertEqual((reply.status, reply.json["errorCode"]), (500, "ERR_STATE_TRANSACTION"))
        self.assertEqual(self.get("x1")[0], {"n": 10})

    def test_34_refusals(self):
        for reply, status, code in (
                (self.call("GET", "/k", store="nope"), 400, "ERR_STATE_STORE_NOT_FOUND"),
                (self.call("GET", "/k", app=self.none), 500, "ERR_STATE_STORE_NOT_CONFIGURED"),
                (self.call("GET", "/a%7C%7Cb"), 400, "ERR_MALFORMED_REQUEST"),
                (self.call("POST", "", {"key": "k", "value": 1}), 400, "ERR_MALFORMED_REQUEST"),
                (self.call("POST", "", "{nope"), 400, "ERR_MALFORMED_REQUEST"),
                (self.call("POST", "", [{"value": 1}]), 400, "ERR_MALFORMED_REQUEST"),
                (call(self.engine.port(self.a), "POST", "/v1.0-alpha1/state/statestore/query", {}), 500, "ERR_STATE_QUERY")):
            self.assertEqual((reply.status, reply.json["errorCode"]), (status, code))

    def test_35_apps_do_not_see_each_other(self):
        self.save({"key": "own", "value": "a"})
        self.assertEqual(self.get("own", app=self.b), (None, None))
        self.save({"key": "own", "value": "all"}, store="shared")
        self.assertEqual(self.get("own", app=self.b, store="shared")[0], "all")

    def test_it_survives_a_crash(self):
        self.save({"key": "kept", "value": 1})
        self.engine.restart()
        self.assertEqual(self.get("kept")[0], 1)


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.a, cls.none = engine.client("app-a"), engine.client("app-b")
        cls.engine = engine.start([cls.a, cls.none], files={"secrets.json": {"db-pass": "s3cr3t", "hidden": "h", "nested": {"b": {"c": "deep"}}}},
                                  components=[{"name": "secrets", "type": "secretstores.local.file", "scopes": ["app-a"],
                                               "metadata": {"secretsFile": "secrets.json"}}],
                                  secret_scopes=[{"storeName": "secrets", "defaultAccess": "allow", "deniedSecrets": ["hidden"]}])

    @classmethod
    def tearDownClass(cls):
        cls.engine.stop()

    def get(self, path, app=None):
        reply = call(self.engine.port(app or self.a), "GET", "/v1.0/secrets/" + path)
        return reply.status, reply.json if reply.status == 200 else reply.json["errorCode"]

    def test_36_secrets(self):
        self.assertEqual(self.get("secrets/db-pass"), (200, {"db-pass": "s3cr3t"}))
        self.assertEqual(self.get("secrets/nested%3Ab%3Ac"), (200, {"nested:b:c": "deep"}))
        self.assertEqual(self.get("secrets/nope"), (500, "ERR_SECRET_GET"))
        self.assertEqual(self.get("nope/db-pass"), (401, "ERR_SECRET_STORE_NOT_FOUND"))
        self.assertEqual(self.get("secrets/hidden"), (403, "ERR_PERMISSION_DENIED"))
        self.assertEqual(self.get("secrets/bulk"), (200, {"db-pass": {"db-pass": "s3cr3t"}, "nested:b:c": {"nested:b:c": "deep"}}))
        self.assertEqual(self.get("secrets/db-pass", self.none), (500, "ERR_SECRET_STORES_NOT_CONFIGURED"))


if __name__ == "__main__":
    unittest.main()

"""Service invocation, health, tokens, limits."""

import base64
import socket
import time
import unittest

import engine
from engine import App, call, standin_only, subscription
from system import wait_until


class Invoke(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.a = App("app-a", [], {"/own": (200, "own")})
        cls.b = App("app-b", [], {
            "/hello": (201, b"\x00bytes", {"X-Answer": "yes", "Content-Type": "text/odd"}), "/a%2Fb": (200, "escaped"), "/none": 204,
            "/moved": (302, b"", {"Location": "/hello"}), "/busy": (503, {"wait": 1}), "/v1.0/publish/x": (200, "proxied"), "/": (200, "root"),
            "/v1.0/metadata-like": (200, "like")})
        cls.down = App("app-down", listen=False)
        cls.engine = engine.start([cls.a, cls.b, cls.down])

    @classmethod
    def tearDownClass(cls):
        cls.engine.stop()

    def setUp(self):
        self.a.forget()
        self.b.forget()

    def invoke(self, path, method="GET", body=None, app="app-b", **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(self.engine.port(self.a), method, f"/v1.0/invoke/{app}/method{path}", body, names)

    def last(self, path, app=None):
        return (app or self.b).calls(path)[-1]

    def test_37_all_arrives(self):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            body = b"some \xff bytes" if method != "GET" else None
            reply = self.invoke("/hello?q=1&r=%20", method, body, Authorization="Bearer x", X_Own="v", Cookie="c=1", Content_Type="x/y")
            self.assertEqual((reply.status, reply.body, reply.headers["x-answer"], reply.headers["content-type"]),
                             (201, b"\x00bytes", "yes", "text/odd"))
            got = self.last("/hello")
            self.assertEqual((got.method, got.query, got.body), (method, "q=1&r=%20", body or b""))
            self.assertEqual([got.headers[n] for n in ("Authorization", "X-Own", "Cookie", "Content-Type", "Dapr-Caller-App-Id",
                                                       "Dapr-Callee-App-Id")], ["Bearer x", "v", "c=1", "x/y", "app-a", "app-b"])
        self.assertIn("127.0.0.1", got.headers["X-Forwarded-For"])

    def test_37_answers_come_back(self):
        self.assertEqual(self.invoke("/none").status, 204)
        moved = self.invoke("/moved")
        self.assertEqual((moved.status, moved.headers["location"]), (302, "/hello"))
        busy = self.invoke("/busy")
        self.assertEqual((busy.status, busy.json), (503, {"wait": 1}))
        self.assertEqual(self.invoke("/hello", "HEAD").status, 201)
        self.assertEqual(self.invoke("/a%2Fb").body, b"escaped")
        self.assertEqual(self.invoke("/").body, b"root")
        self.assertEqual((self.invoke("").status, self.invoke("").json["errorCode"]), (404, "ERR_DIRECT_INVOKE"))
        self.assertEqual(self.invoke("/hello", app="app-b." + self.engine.namespace).status, 201)

    def test_37_a_caller_cannot_be_forged(self):
        self.invoke("/hello", Dapr_Caller_App_Id="other")
        self.assertIn("app-a", ", ".join(self.last("/hello").headers.get_all("Dapr-Caller-App-Id")))

    @standin_only("Dapr strips them from 1.18 on")
    def test_37_hop_by_hop_headers_stay(self):
        self.invoke("/hello", Connection="close, X-Hop", X_Hop="1", TE="trailers", Upgrade="h2c")
        headers = self.last("/hello").headers
        self.assertEqual([headers[n] for n in ("X-Hop", "TE", "Upgrade")], [None, None, None])

    def test_37_own_id(self):
        self.assertEqual(self.invoke("/own", app="app-a").body, b"own")
        self.assertIsNone(self.last("/own", self.a).headers["Dapr-Caller-App-Id"])

    def test_38_failures(self):
        began = time.monotonic()
        for app in ("nobody", "app-down"):
            reply = self.invoke("/x", app=app)
            self.assertEqual((reply.status, reply.json["errorCode"]), (500, "ERR_DIRECT_INVOKE"))
        self.assertLess(time.monotonic() - began, 15)    # not the time of a call, which is 60 s
        missing = self.invoke("/missing")
        self.assertEqual((missing.status, missing.body), (404, b""))

    def test_39_by_header(self):
        port = self.engine.port(self.a)
        reply = call(port, "DELETE", "/v1.0/publish/x?y=1", headers={"dapr-app-id": "app-b"})
        self.assertEqual((reply.status, reply.body), (200, b"proxied"))
        got = self.last("/v1.0/publish/x")
        self.assertEqual((got.method, got.query, got.headers["dapr-app-id"], got.headers["Dapr-Caller-App-Id"]), ("DELETE", "y=1", None, "app-a"))
        self.assertEqual(call(port, "GET", "/hello", headers={"dapr-app-id": "app-b"}).status, 201)
        basic = base64.b64encode(b"dapr-app-id:app-b").decode()
        self.assertEqual(call(port, "GET", "/hello", headers={"Authorization": "Basic " + basic}).status, 201)

    def test_56_a_chunked_request(self):
        with socket.create_connection(("127.0.0.1", self.engine.port(self.a)), timeout=10) as s:
            s.sendall(b"POST /v1.0/invoke/app-b/method/hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                      b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
            data = b""
            while chunk := s.recv(65536):
                data += chunk
        self.assertTrue(data.startswith(b"HTTP/1.1 201"), data)
        self.assertEqual(self.last("/hello").body, b"abcdefg")

    def test_a_large_body_goes_through(self):
        body = b"x" * (3 * 1024 * 1024)
        self.b.handlers["/echo"] = lambda r: (200, r.body)
        self.assertEqual(self.invoke("/echo", "POST", body).body, body)
        reply = self.invoke("/echo", "POST", body * 2)
        self.assertGreaterEqual(reply.status, 400)


class Health(unittest.TestCase):
    def test_01_before_and_after_the_app_listens(self):
        app = App("app-a", [], listen=False)
        sidecar = engine.start([app])
        self.addCleanup(sidecar.stop)
        port = sidecar.port(app)
        reply = call(port, "GET", "/v1.0/healthz")
        self.assertEqual((reply.status, reply.json["errorCode"]), (500, "ERR_HEALTH_NOT_READY"))
        self.assertEqual(call(port, "GET", "/v1.0/healthz/outbound").status, 204)
        self.assertEqual(call(port, "POST", "/v1.0/state/statestore", [{"key": "k", "value": 1}]).status, 204)
        app.listen()
        wait_until(lambda: call(port, "GET", "/v1.0/healthz").status == 204, 15, "ready")
        self.assertEqual(call(port, "GET", "/v1.0/healthz").body, b"")
        self.assertEqual(call(port, "GET", "/v1.0/healthz?appid=app-a").status, 204)
        reply = call(port, "GET", "/v1.0/healthz?appid=other")
        self.assertEqual((reply.status, reply.json["errorCode"]), (500, "ERR_HEALTH_APPID_NOT_MATCH"))

    def test_58_what_is_not_there_says_so_quickly(self):
        app = engine.client()
        sidecar = engine.start([app])
        self.addCleanup(sidecar.stop)
        for method, path, body, code in (
                ("GET", "/v1.0/configuration/c?key=a", None, "ERR_CONFIGURATION_STORE_NOT_CONFIGURED"),
                ("POST", "/v1.0-alpha1/lock/l", {"resourceId": "r", "lockOwner": "o", "expiryInSeconds": 1}, "ERR_LOCK_STORE_NOT_CONFIGURED")):
            reply = call(sidecar.port(app), method, path, body)
            self.assertEqual((reply.status, reply.json["errorCode"]), (500, code), path)

    @standin_only("daprd has these")
    def test_58_what_only_dapr_has_is_refused(self):
        app = engine.client()
        sidecar = engine.start([app])
        self.addCleanup(sidecar.stop)
        for path in ("/v1.0/actors/t/i/method/m", "/v1.0/shutdown", "/v1.0/workflows/dapr/x/start"):
            reply = call(sidecar.port(app), "POST", path, b"{}")
            self.assertEqual((reply.status, reply.json["errorCode"]), (501, "ERR_NOT_IMPLEMENTED"), path)

    def test_metadata_of_ones_own(self):
        app = engine.client()
        sidecar = engine.start([app])
        self.addCleanup(sidecar.stop)
        self.assertEqual(call(sidecar.port(app), "PUT", "/v1.0/metadata/my-key", "my value").status, 204)
        self.assertEqual(call(sidecar.port(app), "GET", "/v1.0/metadata").json["extended"]["my-key"], "my value")


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.app = App("app-a", [subscription("t")], {"/t": 200, "/job/j": 200, "/x": 200, "/tick": 200})
        cls.other = engine.client("app-b")
        cls.engine = engine.start([cls.app, cls.other], env={"DAPR_API_TOKEN": "api-secret", "APP_API_TOKEN": "app-secret"},
                                  components=[{"name": "tick", "type": "bindings.cron", "metadata": {"schedule": "@every 1s"}}])

    @classmethod
    def tearDownClass(cls):
        cls.engine.stop()

    def test_50_the_api_needs_its_token(self):
        port = self.engine.port(self.app)
        for path in ("/v1.0/metadata", "/v1.0/state/statestore/k", "/v1.0/invoke/app-a/method/x", "/nothing"):
            for token in (None, "wrong", ""):
                reply = call(port, "GET", path, headers={"dapr-api-token": token})
                self.assertEqual((reply.status, reply.body), (401, b"invalid api token\n"))
                self.assertIn("text/plain", reply.headers["content-type"])
        self.assertEqual(call(port, "GET", "/v1.0/healthz").status, 204)
        self.assertEqual(call(port, "GET", "/v1.0/healthz/outbound").status, 204)
        self.assertEqual(call(port, "GET", "/v1.0/metadata", headers={"dapr-api-token": "api-secret"}).status, 200)

    def test_50_the_app_gets_its_token(self):
        own = {"dapr-api-token": "api-secret"}
        port = self.engine.port(self.app)
        call(port, "POST", "/v1.0/publish/pubsub/t", {}, own)
        call(port, "POST", "/v1.0-alpha1/jobs/j", {"dueTime": "0s", "data": 1}, own)
        call(self.engine.port(self.other), "GET", "/v1.0/invoke/app-a/method/x", headers=own)
        for path in ("/dapr/subscribe", "/t", "/job/j", "/x", "/tick"):
            self.assertEqual(self.app.wait_calls(path)[0].headers.get_all("dapr-api-token"), ["app-secret"], path)


if __name__ == "__main__":
    unittest.main()

"""The HTTP front against hostile and broken requests (rows S15, S16, S21 to S34 of the matrix)."""

import json
import os
import re
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import at_once  # noqa: E402
from system import Host, HostCase, token, wait_until  # noqa: E402


def status_of(data):
    return int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.") else None


class Front(HostCase):
    def send(self, *lines, body=b"", **more):
        data = b"\r\n".join(l if isinstance(l, bytes) else l.encode() for l in lines)
        return self.host.raw(data + b"\r\n\r\n" + body, **more)

    def assert_refused(self, status, *lines, **more):
        data, closed = self.send(*lines, **more)
        self.assertEqual(status_of(data), status, data[:300])
        self.assertTrue(closed, "the connection stays open")

    def test_what_http_forbids_is_400_and_closes(self):
        cases = {
            "two lengths": ["POST /api/tasks HTTP/1.1", "Host: a", "Content-Length: 2", "Content-Length: 2"],
            "differing lengths": ["POST /api/tasks HTTP/1.1", "Host: a", "Content-Length: 2", "Content-Length: 3"],
            "length and chunked": ["POST / HTTP/1.1", "Host: a", "Content-Length: 2", "Transfer-Encoding: chunked"],
            "odd coding": ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: gzip"],
            "coding list": ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: gzip, chunked"],
            "coding with a space": ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding : chunked"],
            "bad length": ["POST / HTTP/1.1", "Host: a", "Content-Length: 1x"],
            "negative length": ["POST / HTTP/1.1", "Host: a", "Content-Length: -1"],
            "plus length": ["POST / HTTP/1.1", "Host: a", "Content-Length: +1"],
            "no host": ["GET /health HTTP/1.1", "X: y"],
            "two hosts": ["GET /health HTTP/1.1", "Host: a", "Host: a"],
            "bad host": ["GET /health HTTP/1.1", "Host: a/b"],
            "nul in a value": [b"GET /health HTTP/1.1", b"Host: a", b"X: a\0b"],
            "nul in a first value": [b"GET /health HTTP/1.1", b"X: a\0b", b"Host: a"],
            "folded value": ["GET /health HTTP/1.1", "X: a", " b", "Host: a"],
            "folded last value": ["GET /health HTTP/1.1", "Host: a", "X: a", "\tb"],
            "nul in the target": [b"GET /health%00 HTTP/1.1", b"Host: a"],
            "bad escape": ["GET /health%zz HTTP/1.1", "Host: a"],
            "space in a name": ["GET /health HTTP/1.1", "Host: a", "X y: z"],
            "absolute form": ["GET http://evil/ HTTP/1.1", "Host: evil"],
            "two authorizations": ["GET /api/tasks HTTP/1.1", "Host: a", "Authorization: Bearer x", "Authorization: Bearer y"],
        }
        for name, lines in cases.items():
            with self.subTest(name):
                self.assert_refused(400, *lines)

    def test_odd_but_legal_heads_are_served(self):
        for lines in (["GET /health HTTP/1.1", "Host: a", "Connection: close", "X:"], ["GET /health HTTP/1.1", "X:", "Connection: close", "Host:   a  "],
                      ["GET /health HTTP/1.1", "Host: a", "X: \t y \t", "Connection: close"],
                      ["GET /health HTTP/1.1", "Host: [::1]:80", "Cookie: a=b; c=d", "Connection: close"]):
            data, _ = self.send(*lines)
            self.assertEqual(status_of(data), 200, (lines, data[:200]))

    def test_sizes(self):
        data, _ = self.send("GET /health HTTP/1.1", "Host: a", "Connection: close", "X: " + "a" * 15000)
        self.assertEqual(status_of(data), 200, data[:200])
        data, _ = self.send("GET /health HTTP/1.1", "Host: a", "Connection: close", *[f"X-Header-{i}: {'y' * 100}" for i in range(90)])
        self.assertEqual(status_of(data), 200, data[:200])
        self.assert_refused(431, "GET /health HTTP/1.1", "Host: a", "X: " + "a" * 17000)
        self.assert_refused(431, "GET /health HTTP/1.1", "Host: a", *[f"X{i}: y" for i in range(101)])
        self.assert_refused(414, "GET /health?" + "a" * 8300 + " HTTP/1.1", "Host: a")
        self.assert_refused(413, "POST /api/tasks HTTP/1.1", "Host: a", "Content-Length: 65537")

    def test_a_body_over_the_limit_by_chunks_is_413(self):
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        self.assert_refused(413, "POST /api/tasks HTTP/1.1", "Host: a", "Transfer-Encoding: chunked",
                            body=chunk * 17 + b"0\r\n\r\n")

    def test_a_chunked_body_is_read(self):
        body = b'{"title":"chunked"}'
        data, _ = self.send("POST /api/tasks HTTP/1.1", "Host: a", "Connection: close", "Authorization: Bearer " + token(),
                            "Content-Type: application/json", "Transfer-Encoding: chunked",
                            body=b"5\r\n" + body[:5] + b"\r\n%x\r\n" % (len(body) - 5) + body[5:] + b"\r\n0\r\n\r\n")
        self.assertEqual(status_of(data), 201, data)

    def test_versions_and_methods(self):
        self.assert_refused(505, "GET /health HTTP/2.0", "Host: a")
        self.assert_refused(505, "GET /health HTTP/1.2", "Host: a")
        for method in ("TRACE", "CONNECT", "BREW"):
            self.assertEqual(self.host.call(method, "/api/tasks").status, 405)
        reply = self.host.call("DELETE", "/api/tasks")
        self.assertEqual((reply.status, reply.headers["allow"]), (405, "GET, HEAD, POST"))
        data, _ = self.send("GET /health HTTP/1.0")
        self.assertEqual(status_of(data), 200)

    def test_pipelined_requests_are_answered_in_order(self):
        count = 500
        one = "GET /nothing/{} HTTP/1.1\r\nHost: a\r\nX-Request-Id: id-{}\r\n\r\n"
        data = "".join(one.format(i, i) for i in range(count)) + "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer, closed = self.host.raw(data.encode())
        self.assertTrue(closed)
        ids = [line.split(b": ")[1].strip() for line in answer.split(b"\n") if line.lower().startswith(b"x-request-id")]
        self.assertEqual(ids[:count], [b"id-%d" % i for i in range(count)])

    def test_the_correlation_id_is_kept_or_made(self):
        self.assertEqual(self.host.get("/health", headers={"X-Request-Id": "abc-1.2_3"}).headers["x-request-id"], "abc-1.2_3")
        for bad in ("a b", "x" * 100, "<script>"):
            made = self.host.get("/health", headers={"X-Request-Id": bad}).headers["x-request-id"]
            self.assertRegex(made, "^[0-9a-f]{16}$")

    def test_head_is_get_without_a_body(self):
        reply = self.host.call("HEAD", "/health", token=None)
        self.assertEqual((reply.status, reply.body), (200, b""))

    def test_a_slow_client_does_not_hold_up_others_and_is_cut(self):
        with socket.create_connection(("127.0.0.1", self.host.base), timeout=60) as slow:    # an idle one is cut after 75 s
            slow.sendall(b"GET /health HT")
            served = []

            def others():
                while not served or served[-1] == 200 and not over.is_set():
                    served.append(self.host.get("/health").status)
            over = threading.Event()
            thread = threading.Thread(target=others)
            thread.start()
            self.assertEqual(slow.recv(100), b"", "a head that does not end is cut off")
            meanwhile = len(served)
            over.set()
            thread.join()
        self.assertEqual(set(served), {200})
        self.assertGreater(meanwhile, 0, "others were served only once the slow one had been cut off")

    def test_clients_that_leave_in_the_middle_do_no_harm(self):
        head = f"POST /api/tasks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token()}\r\nContent-Type: application/json\r\n"
        body = b'{"title":"gone"}'
        for i in range(60):
            with socket.create_connection(("127.0.0.1", self.host.base)) as s:
                s.sendall((head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body[:i % (len(body) + 1)])
        self.assertEqual(self.host.get("/health").status, 200)

    def test_the_inner_port_never_says_404(self):
        inner = self.host.base + 1000
        for path in ("/", "/dapr/subscribe", "/job/x", "/anything", "/api/tasks"):
            self.assertNotEqual(self.host.get(path, port=inner).status, 404, path)

    def test_inner_routes_do_not_exist_outside(self):
        for path in ("/dapr/subscribe", "/dapr/config", "/job/reminder-1", "/admin", "/reload"):
            self.assertEqual(self.host.get(path).status, 404, path)

    def test_cors(self):
        evil = self.host.get("/api/tasks", headers={"Origin": "https://evil.example"})
        self.assertNotIn("access-control-allow-origin", evil.headers)
        preflight = self.host.call("OPTIONS", "/api/tasks", token=None, headers={"Origin": "null", "Access-Control-Request-Method": "POST"})
        self.assertEqual(preflight.status, 403)

    def test_what_is_refused_before_it_is_a_request_is_counted_as_well(self):
        def refused():
            text = self.host.get("/metrics", token=None).body.decode()
            found = re.findall(r'^http_server_requests_total\{[^}]*route="refused",code="400"\} (\d+)$', text, re.M)
            return int(found[0]) if found else 0
        before = refused()
        answer, _ = self.host.raw(b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 400"), answer)
        self.assertEqual(refused(), before + 1)

    def test_metrics_name_what_happened(self):
        self.host.get("/api/tasks")
        text = self.host.get("/metrics", token=None).body.decode()
        self.assertRegex(text, r'http_server_requests_total\{service="chat-api",method="GET",route="/api/tasks",code="200"\} [1-9]')
        self.assertIn("process_resident_memory_bytes", text)


class Cors(HostCase):
    env = {"CORS_ORIGINS": "https://app.example, http://localhost:3000"}

    def test_a_named_origin_may_read(self):
        reply = self.host.get("/api/tasks", headers={"Origin": "http://localhost:3000"})
        self.assertEqual(reply.headers["access-control-allow-origin"], "http://localhost:3000")
        self.assertIn("X-Total-Count", reply.headers["access-control-expose-headers"])
        refused = self.host.get("/api/tasks", token=None, headers={"Origin": "https://app.example"})
        self.assertEqual((refused.status, refused.headers["access-control-allow-origin"]), (401, "https://app.example"))
        preflight = self.host.call("OPTIONS", "/api/tasks/x", token=None, headers={
            "Origin": "https://app.example", "Access-Control-Request-Method": "PUT"})
        self.assertEqual((preflight.status, preflight.body), (204, b""))
        self.assertIn("PUT", preflight.headers["access-control-allow-methods"])


class Bodies(HostCase):
    def refused(self, body, status=422, **headers):
        reply = self.host.post("/api/tasks", body, headers=headers)
        self.assert_problem(reply, status)

    def test_json_is_rfc_8259_and_nothing_looser(self):
        for body in [b"", b"{", b"nul", b"[1]", b'"x"', b"NaN", b'{"title":NaN}', b'{"title":Infinity}', b'{"title":0x1}',
                     b'{"title":01}', b'{"title":"a","title":"b"}', b"{'title':'a'}", b'{"title":"a",}', b'{"title":"a"} x',
                     b'{"title":"\xff"}', b'{"title":"\xc0\x80"}', b'{"title":"a\x00b"}', b'{"title":"\\u0000"}',
                     b'{"title":"\\ud800"}', b'{"title":"\n"}', b"\xef\xbb\xbf{}", b'{"title":"a"}//', b'{"a":' * 33 + b"1" + b"}" * 33,
                     b'{"title":' + b"9" * 60000 + b"}", b"[" * 60000, b'{"a":1e999,"title":"x"}']:
            with self.subTest(body[:40]):
                self.refused(body)

    def test_only_json_is_read(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "", "json", "text/json",
                     "application/jsonx", "application/x-json", "application/json; a=b", "application/+json",
                     "application/json,text/plain", "application/a b+json"):
            with self.subTest(kind):
                self.refused(b'{"title":"a"}', 415, **{"Content-Type": kind})
        self.refused(b'{"title":"a"}', 415, **{"Content-Encoding": "gzip"})
        for kind in ("application/json", " application/json ", "application/cloudevents+json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"', "application/merge-patch+json"):
            self.assertEqual(self.host.post("/api/tasks", b'{"title":"a"}', headers={"Content-Type": kind}).status, 201, kind)

    def test_text_stays_text(self):
        for title in ("<script>alert(1)</script>", "'; DROP TABLE chat.task; --", "a\\b\"c", "\u202e rtl", "{{7*7}}"):
            self.assertEqual(self.create(title=title)["title"], title)

    def test_logs_are_one_json_object_a_line(self):
        host = Host(env={"LOG_LEVEL": "debug"})
        try:
            host.get("/api/tasks", token="x\x1b[31m.y", headers={"X-Request-Id": "id"})
            host.get("/api/tasks", headers={"Authorization": "Bearer a.b.c"})
            host.stop()
            lines = host.log_text().splitlines()
            self.assertGreater(len(lines), 1)
            for line in lines:
                self.assertIsInstance(json.loads(line), dict)
                self.assertNotIn("\x1b", line)
        finally:
            host.stop()

    def test_random_bodies_never_give_500(self):
        import random
        source = random.Random(7)
        keys = ["title", "description", "status", "priority", "due_date", "tags", "reminder_offset_minutes",
                "recurrence_rule", "timezone", "repeat_from", "zzz"]

        def value(depth=0):
            pick = source.randrange(9 if depth < 3 else 6)
            return [None, True, source.uniform(-1e20, 1e20), source.randrange(-5, 2000000), "".join(
                chr(source.choice([32, 65, 0x7f, 0xe9, 0x20ac, 0x1f600, 92, 34])) for _ in range(source.randrange(0, 40))),
                source.choice(["2030-01-01T00:00:00Z", "DAILY", "high", "FREQ=DAILY;COUNT=0", "INTERVAL:99999999999", "UTC", "FREQ=YEARLY;BYMONTH=13"]),
                *([[value(depth + 1) for _ in range(source.randrange(5))], {str(source.randrange(9)): value(depth + 1)}, []] if depth < 3 else [])][pick]
        for _ in range(600):
            body = {k: value() for k in source.sample(keys, source.randrange(len(keys)))}
            if source.random() < 0.7:
                body["title"] = "ok"
            reply = self.host.post("/api/tasks", body)
            self.assertIn(reply.status, (201, 422), (body, reply.body))


class Flood(HostCase):
    env = {"USER_RATE": "1"}

    def test_one_users_flood_is_429_and_others_go_on(self):
        def ask():
            return self.host.get("/api/tasks", token=token("flood"))
        self.assertEqual([ask().status, ask().status], [200, 200])
        last = wait_until(lambda: next((r for r in at_once(10, ask) if r.status != 200), None), what="a refusal")
        self.assert_problem(last, 429)
        self.assertGreaterEqual(int(last.headers["retry-after"]), 1)
        self.assertEqual(self.host.get("/api/tasks", token=token("calm")).status, 200)


class Overload(HostCase):
    env = {"MAX_CONNECTIONS": "16"}

    def hold(self, count, data):
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", self.host.base))
            self.addCleanup(s.close)
            s.sendall(data)

    def test_too_many_connections_get_503_and_probes_an_answer(self):
        self.hold(16, b"POST /api/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        wait_until(lambda: self.host.get("/api/tasks").status == 503, what="a refusal")
        reply = self.host.get("/api/tasks")
        self.assert_problem(reply, 503)
        self.assertIn("retry-after", reply.headers)
        self.assertEqual({self.host.get(path, token=None).status for path in ("/health", "/ready", "/metrics")}, {200})
        self.doCleanups()
        wait_until(lambda: self.host.get("/api/tasks").status == 200, what="recovery")

    def test_idle_connections_make_room(self):
        self.hold(60, b"")
        for _ in range(20):
            self.assertEqual(self.host.get("/api/tasks").status, 200)

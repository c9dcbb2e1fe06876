"""Answers of the API packed with gzip for who takes that."""

import gzip
import http.client
import os
import sys
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import at_once  # noqa: E402
from system import HostCase, token, wait_until  # noqa: E402

GZIP = {"Accept-Encoding": "gzip"}
LEAST = 1024    # bytes of an answer that is packed


class Packed(HostCase):
    services = ("--all",)
    env = {"CORS_ORIGINS": "https://app.example"}

    def fill(self, user, count=20):
        for i in range(count):
            self.create(user, title=f"Task {i}")

    def both(self, path, user, **more):
        return (self.host.get(path, token=token(user), **more), self.host.get(path, token=token(user), headers=GZIP, **more))

    def test_a_list_is_the_same_packed(self):
        self.fill("pat")
        plain, packed = self.both("/api/tasks", "pat")
        self.assertNotIn("content-encoding", plain.headers)
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertLess(len(packed.body), len(plain.body) / 4)
        self.assertEqual(int(packed.headers["content-length"]), len(packed.body))
        for reply in (plain, packed):
            self.assertEqual(reply.headers["vary"], "Accept-Encoding")
            self.assertEqual(reply.headers["x-total-count"], "20")
            self.assertEqual(reply.headers["content-type"], "application/json")
        head = self.host.call("HEAD", "/api/tasks", token=token("pat"), headers=GZIP)
        self.assertEqual((head.headers["content-encoding"], head.headers["content-length"], head.body),
                         ("gzip", packed.headers["content-length"], b""))
        for refusal in ("gzip;q=0", "br", "identity, gzip;q=0.5", "*;q=0"):
            self.assertNotIn("content-encoding", self.host.get("/api/tasks", token=token("pat"), headers={"Accept-Encoding": refusal}).headers, refusal)

    def test_what_is_little_stays_as_it_is(self):
        self.create("tom", title="One")
        reply = self.host.get("/api/tasks", token=token("tom"), headers=GZIP)
        self.assertLess(len(reply.body), LEAST)
        self.assertNotIn("content-encoding", reply.headers)
        self.assertEqual(reply.headers["vary"], "Accept-Encoding")
        self.assertEqual(len(reply.json), 1)

    def test_what_is_large_does_not_hold_up_the_worker(self):
        for i in range(140):
            self.create("lou", description="\U0001f600" * 2000, title=f"Task {i}")
        reply = self.host.get("/api/tasks?limit=1000", token=token("lou"), headers=GZIP)
        self.assertGreater(len(reply.body), 1024 * 1024)
        self.assertNotIn("content-encoding", reply.headers)
        self.assertEqual(self.host.get("/api/tasks?limit=100", token=token("lou"), headers=GZIP).headers["content-encoding"], "gzip")

    def test_other_long_answers_are_packed_too(self):
        task = self.create("may", title="Kept", description="y" * 1500)
        self.host.post("/api/may/chat", {"message": "add " + "z" * 400}, token=token("may"))
        for _ in range(3):
            self.host.post("/api/may/chat", {"message": "list my tasks"}, token=token("may"))
        calls = [("/openapi.json", None), (f"/api/tasks/{task['id']}/history", None), ("/api/may/chat/history", None),
                 ("/api/v1/audit-log", "audit-service")]
        for path, service in calls:
            with self.subTest(path):
                port = self.host.port_of(service) if service else None
                self.wait_long(path, port)
                plain, packed = self.both(path, "may", port=port)
                self.assertEqual(packed.headers["content-encoding"], "gzip")
                self.assertEqual(gzip.decompress(packed.body), plain.body)

    def wait_long(self, path, port):
        wait_until(lambda: len(self.host.get(path, token=token("may"), port=port).body) >= LEAST, 30, path + " is long")

    def test_an_answer_with_an_etag_stays_as_it_is_so_that_the_tag_is_good_for_if_match(self):
        task = self.create("eve", description="y" * 1900)
        path = "/api/tasks/" + task["id"]
        reply = self.host.get(path, token=token("eve"), headers=GZIP)
        self.assertGreater(len(reply.body), LEAST)
        self.assertNotIn("content-encoding", reply.headers)
        tag = reply.headers["etag"]
        self.assertEqual(self.host.get(path, token=token("eve"), headers={**GZIP, "If-None-Match": tag}).status, 304)
        changed = self.host.call("PUT", path, {"title": "New"}, token=token("eve"), headers={**GZIP, "If-Match": tag})
        self.assertEqual(changed.status, 200)
        self.assertEqual(self.host.call("PUT", path, {"title": "Newer"}, token=token("eve"), headers={**GZIP, "If-Match": tag}).status, 412)

    def test_secrets_problems_and_streams_are_not_packed(self):
        secret = self.host.post("/api/calendar", token=token("sue"), headers=GZIP)
        self.assertNotIn("content-encoding", secret.headers)
        self.assertNotIn("content-encoding", self.host.get("/api/calendar", token=token("sue"), headers=GZIP).headers)
        long = self.host.get("/api/tasks?status=" + "x" * 2000, headers=GZIP)
        self.assertEqual(long.status, 422)
        self.assertNotIn("content-encoding", long.headers)
        connection = http.client.HTTPConnection("127.0.0.1", self.host.base, timeout=30)
        connection.request("GET", "/api/events", headers={**GZIP, "Authorization": "Bearer " + token("sue")})
        stream = connection.getresponse()
        self.assertEqual(stream.getheader("Content-Type"), "text/event-stream; charset=utf-8")
        self.assertIsNone(stream.getheader("Content-Encoding"))
        self.assertEqual(stream.read(6), b"retry:")
        connection.close()

    def test_a_page_of_another_origin_is_told_of_both(self):
        self.fill("ori", 5)
        reply = self.host.get("/api/tasks", token=token("ori"), headers={**GZIP, "Origin": "https://app.example"})
        self.assertEqual(reply.headers["content-encoding"], "gzip")
        self.assertEqual(reply.headers["access-control-allow-origin"], "https://app.example")
        self.assertEqual({part.strip() for part in reply.headers["vary"].split(",")}, {"Origin", "Accept-Encoding"})

    def test_many_at_once_each_get_their_own(self):
        for name in ("abe", "bea"):
            for i in range(10):
                self.create(name, title=f"{name} {i}")
        names = iter(("abe", "bea"))

        def ask():
            name = next(names)
            for _ in range(30):
                reply = self.host.get("/api/tasks", token=token(name), headers=GZIP)
                text = zlib.decompress(reply.body, 31).decode()
                self.assertEqual(text.count(f'"title":"{name} '), 10, text[:200])
        at_once(2, ask)


if __name__ == "__main__":
    unittest.main()

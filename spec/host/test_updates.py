"""GET /api/events: a user's updates as they come, to every worker's streams, resumable."""

import json
import os
import signal
import socket
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from sidecar import Sidecar  # noqa: E402
from system import Host, HostCase, postgres, token, wait_until  # noqa: E402


class Stream:
    """An open GET /api/events; `frames` are those that have come."""

    def __init__(self, host, user, last=None, query="", claims=None):
        self.socket = socket.create_connection(("127.0.0.1", host.base), timeout=20)
        head = f"GET /api/events{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(user, **(claims or {}))}\r\n"
        if last:
            head += f"Last-Event-ID: {last}\r\n"
        self.socket.sendall((head + "\r\n").encode())
        self.text, self.ended = b"", False
        self.received = 0       # bytes
        threading.Thread(target=self.read, daemon=True).start()
        wait_until(lambda: b": connected" in self.text or b"HTTP/1.1 4" in self.text or self.ended, 10, "the stream")

    def read(self):
        try:
            while True:
                got = self.socket.recv(65536)
                if not got:
                    break
                self.text += got
                self.received += len(got)
        except OSError:
            pass
        self.ended = True

    @property
    def body(self):
        """What has come, out of its chunks; and whether the last chunk has."""
        rest, whole = self.text.split(b"\r\n\r\n", 1)[-1], b""
        while b"\r\n" in rest:
            size, after = rest.split(b"\r\n", 1)
            length = int(size, 16)
            if length == 0:
                return whole, True
            if len(after) < length + 2:
                break
            whole, rest = whole + after[:length], after[length + 2:]
        return whole, False

    @property
    def over(self):
        return self.body[1]

    @property
    def frames(self):
        found = []
        for block in self.body[0].decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
            if "data" in fields and ("id" in fields or "event" in fields):
                found.append((fields.get("event"), fields.get("id"), json.loads(fields["data"])))
        return found

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)      # close alone would wait for the thread that reads
        except OSError:
            pass
        self.socket.close()


class Updates(HostCase):
    env = {"WORKERS": "2", "USER_RATE": "1000000"}

    @classmethod
    def setUpClass(cls):
        cls.sidecar = Sidecar()
        cls.sidecar.answer = lambda request: (204, None)
        cls.env = {**cls.env, "DAPR_HTTP_PORT": str(cls.sidecar.port)}
        super().setUpClass()
        cls.inner = cls.host.base + 1000

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.sidecar.stop()

    def setUp(self):
        self.user = "u-" + uuid.uuid4().hex[:8]

    def open(self, user=None, **more):
        stream = Stream(self.host, user or self.user, **more)
        self.addCleanup(stream.close)
        return stream

    def event(self, user=None, **more):
        task = str(uuid.uuid4())
        return {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "chat-api", "type": "task.sync",
                "data": {"event_id": str(uuid.uuid4()), "event_type": "task.sync", "timestamp": "2026-01-01T00:00:00.000Z",
                         "user_id": user or self.user, "task_id": task,
                         "payload": {"action": "created", "task": {"id": task, "user_id": user or self.user, "title": "a\nb", "tags": []}}, **more}}

    def deliver(self, event):
        return self.host.post("/events/task-updates", event, port=self.inner, token=None, headers={"Content-Type": "application/cloudevents+json"})

    def test_comes_to_every_stream_of_its_user_and_to_nobody_else(self):
        streams = [self.open() for _ in range(8)]    # on both workers
        other = self.open("somebody-else")
        events = [self.event() for _ in range(5)]
        for event in events:
            self.assertEqual(self.deliver(event).json, {"status": "SUCCESS"})
        for stream in streams:
            wait_until(lambda s=stream: len(s.frames) == 5, 10, "all updates")
            self.assertEqual([(e, i) for e, i, _ in stream.frames], [(None, e["data"]["event_id"]) for e in events])
        self.assertEqual(streams[0].frames[0][2], events[0]["data"])
        self.assertEqual(other.frames, [])

    def test_a_duplicate_comes_once(self):
        stream, event = self.open(), self.event()
        for _ in range(5):
            self.assertEqual(self.deliver(event).json, {"status": "SUCCESS"})
        last = self.event()
        self.deliver(last)
        wait_until(lambda: last["data"]["event_id"] in [i for _, i, _ in stream.frames], 10, "the last one")
        self.assertEqual(len(stream.frames), 2)

    def test_goes_on_after_the_last_one_seen(self):
        first = self.open()
        events = [self.event() for _ in range(6)]
        for event in events:
            self.deliver(event)
            self.deliver(self.event("somebody-else"))
        wait_until(lambda: len(first.frames) == 6, 10, "all updates")
        for more in ({"last": events[2]["data"]["event_id"]}, {"query": "?last_event_id=" + events[2]["data"]["event_id"]}):
            again = self.open(**more)
            wait_until(lambda: len(again.frames) == 3, 10, "the rest")
            self.assertEqual([i for _, i, _ in again.frames], [e["data"]["event_id"] for e in events[3:]])

    def test_an_id_that_is_not_known_resets(self):
        stream = self.open(last=str(uuid.uuid4()))
        wait_until(lambda: stream.frames, 10, "the reset")
        self.assertEqual(stream.frames, [("reset", None, {})])

    def test_ends_with_its_token(self):
        for seconds in (2, 10, 50):    # the first is over at the begin where the machine stands still for so long
            stream = self.open(claims={"exp": int(time.time()) + seconds})
            if b": connected" in stream.text:
                break
            self.assertIn(b"HTTP/1.1 401", stream.text)
        self.assertIn(b": connected", stream.text)
        wait_until(lambda: stream.over, 60, "the end")

    def test_needs_a_token_and_has_a_limit(self):
        self.assert_problem(self.host.get("/api/events", token=None), 401)
        streams = [self.open() for _ in range(70)]     # two workers, 32 each
        refused = [s for s in streams if b"HTTP/1.1 429" in s.text]
        self.assertGreaterEqual(len(refused), 6)
        self.assertEqual(len([s for s in streams if b"HTTP/1.1 200" in s.text]) + len(refused), 70)

    def test_streams_that_clients_left_are_let_go(self):
        streams = [self.open() for _ in range(10)]
        for stream in streams:
            stream.close()
        gauge = lambda: [line for line in self.host.get("/metrics", token=None).body.decode().split("\n")  # noqa: E731
                         if line.startswith("todo_events_streams") or line.startswith("events_streams")]
        wait_until(lambda: sum(float(line.rsplit(" ", 1)[1]) for line in gauge()) < 10, 20, "fewer streams")

    def test_a_reader_that_does_not_read_is_cut_off(self):
        slow = socket.create_connection(("127.0.0.1", self.host.base))
        self.addCleanup(slow.close)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(f"GET /api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(self.user)}\r\n\r\n".encode())
        self.assertIn(b"200", slow.recv(64))
        fast = self.open()
        large = self.event()
        large["data"]["payload"]["task"]["description"] = "x" * 60000
        for n in range(1, 121):
            large["data"]["event_id"] = str(uuid.uuid4())
            self.deliver(large)
            wait_until(lambda n=n: fast.received > n * 60000, 20, "an update")     # this one keeps up
        wait_until(lambda: len(fast.frames) == 120, 20, "the end of the last one")
        slow.settimeout(60)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        total = 0
        try:
            while True:
                got = slow.recv(1 << 20)
                if not got:
                    break
                total += len(got)
        except ConnectionResetError:
            pass
        self.assertLess(total, 1 << 20)     # what two buffers hold, and no more

    def test_poison_is_dropped(self):
        forged = self.event()
        forged["data"]["payload"]["task"]["user_id"] = "somebody-else"
        for event in (forged, {}, {"data": 1}):
            self.assertEqual(self.deliver(event).json, {"status": "DROP"})

    def test_a_change_arrives_as_the_relay_publishes_it(self):
        """The stub takes it from the relay, and delivers it as a broker would."""
        stream = self.open()
        task = self.create(self.user, title="live")
        mine = lambda: [e for k, e in self.sidecar.of("task-updates") if k == task["id"]]  # noqa: E731
        wait_until(mine, 10, "the update at the broker")
        self.deliver(mine()[0])
        wait_until(lambda: stream.frames, 10, "the update")
        self.assertEqual((stream.frames[0][2]["payload"]["action"], stream.frames[0][2]["payload"]["task"]["title"]), ("created", "live"))


class Drain(unittest.TestCase):
    def test_streams_end_cleanly_when_the_program_stops(self):
        host = Host(env={"DAPR_HTTP_PORT": "1"})
        try:
            stream = Stream(host, "ann")
            host.process.send_signal(signal.SIGTERM)
            wait_until(lambda: stream.ended, 20, "the end")
            self.assertTrue(stream.over, "the last chunk")
            stream.close()
        finally:
            host.stop()
            postgres().sql(f"DROP DATABASE IF EXISTS {host.database} WITH (FORCE)")


if __name__ == "__main__":
    unittest.main()

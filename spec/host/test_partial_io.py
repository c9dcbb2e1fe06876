"""Reads and writes that are interrupted, short, or for later: nothing is garbled, nobody spins. Sockets that clients
have made get small buffers and slow readers, which make the kernel do the same."""

import json
import os
import shutil
import socket
import sys
import tempfile
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import Case, at_once  # noqa: E402
from faulty import Faulty  # noqa: E402
from system import HOST, ROOT, token, wait_until  # noqa: E402


class PartialTransfers(Case):
    def setUp(self):
        super().setUp()
        self.faulty = Faulty()
        self.program = self.start(**self.faulty.env)
        wait_until(lambda: '"started"' in self.program.log_text(), 30, "its watch")
        self.faulty.set(one_in=3)
        self.addCleanup(self.faulty.set, one_in=0)

    def cpu(self):
        with open(f"/proc/{self.program.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_what_is_written_is_what_is_read(self):
        texts = [f"{n}-" + "".join(chr(32 + (n * 7 + i) % 90) for i in range(30 * (n + 1))).strip() for n in range(60)]
        fields = lambda n: {"title": f"t{n}", "description": texts[n]}  # noqa: E731
        numbers = iter(range(60))

        def write():
            n = next(numbers)
            reply = self.program.post("/api/tasks", fields(n), headers={"Idempotency-Key": str(uuid.uuid4())})
            return n, reply.status, reply.json.get("description")
        for _ in range(10):
            for n, status, description in at_once(6, write):
                self.assertEqual((status, description), (201, texts[n]))
        tasks = self.program.get("/api/tasks?limit=100").json
        self.assertEqual({t["title"]: t["description"] for t in tasks}, {f"t{n}": texts[n] for n in range(60)})
        self.drained()
        events = [e["data"] for _, e in self.sidecar.of("task-events")]
        self.assertEqual({e["payload"]["title"]: e["payload"]["description"] for e in events}, {f"t{n}": texts[n] for n in range(60)})
        wrong = self.faulty.interrupted, self.faulty.later, self.faulty.shortened, self.faulty.accepted
        self.assertGreater(min(wrong), 10, f"too little went wrong: {wrong}")

    def test_a_reader_in_small_steps_gets_all_of_it(self):
        for n in range(80):
            self.assertEqual(self.program.post("/api/tasks", {"title": f"t{n}", "description": f"{n}" + "x" * 1900}).status, 201)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(60)
            s.connect(("127.0.0.1", self.program.base))
            request = f"GET /api/tasks?limit=100 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token()}\r\nConnection: close\r\n\r\n".encode()
            for at in range(0, len(request), 7):
                s.sendall(request[at:at + 7])
                time.sleep(0.001)
            got = b""
            while chunk := s.recv(1000):
                got += chunk
                if len(got) % 5 == 0:
                    time.sleep(0.002)
        head, _, body = got.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200"), head)
        self.assertEqual(sorted(t["description"] for t in json.loads(body)), sorted(f"{n}" + "x" * 1900 for n in range(80)))

    def test_log_lines_stay_whole(self):
        for n in range(30):
            self.program.get("/api/tasks", token="a.b.c", headers={"X-Request-Id": f"id{n}"})
            self.program.post("/mcp", {"jsonrpc": "2.0", "id": n, "method": "nothing"})
        self.faulty.set(one_in=0)
        self.program.stop()
        for line in self.program.log_text().splitlines():
            if line.startswith("{") or "asan" not in HOST:
                self.assertIsInstance(json.loads(line), dict, line)

    def test_files_are_read_whole(self):
        """The scripts are read anew, by a thread that is interrupted as well."""
        folder = tempfile.mkdtemp(prefix="todo-spec-scripts-")
        self.addCleanup(shutil.rmtree, folder)
        shutil.copytree(os.environ.get("SCRIPTS_DIR") or os.path.join(ROOT, "scripts"), folder, dirs_exist_ok=True)
        host = self.start(SCRIPTS_DIR=folder, **self.faulty.env)
        wait_until(lambda: '"started"' in host.log_text(), 30, "its watch")
        before = self.faulty.interrupted
        with open(os.path.join(folder, "chat-api", "service.lua"), "a") as file:
            file.write("-- changed\n")
        wait_until(lambda: "scripts were reloaded" in host.log_text() or "not reloaded" in host.log_text(), 30, "the reload")
        self.assertNotIn("Interrupted system call", host.log_text())
        self.assertGreater(self.faulty.interrupted, before)

    def test_nobody_spins(self):
        wait_until(lambda: self.program.post("/api/tasks", {"title": "t"}).status == 201, 30, "a task")
        held = [socket.create_connection(("127.0.0.1", self.program.base)) for _ in range(20)]
        for s in held:
            self.addCleanup(s.close)
            s.sendall(b"GET /api/tasks HTTP/1.1\r\nHost: a")
        wait_until(lambda: self.count("chat.outbox") == 0, 30, "an empty outbox")
        shares = []

        def rests():
            began, spent = time.monotonic(), self.cpu()
            time.sleep(1)
            shares.append((self.cpu() - spent) / (time.monotonic() - began))
            return shares[-1] < (0.5 if "san" not in HOST else 0.9)
        wait_until(rests, 15, lambda: f"a rest: it spins, {shares}")
        for s in held:
            s.close()    # else its end waits for them


if __name__ == "__main__":
    unittest.main()

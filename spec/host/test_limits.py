"""What happens at the limits of the machine: memory of the control group, allocations that fail, descriptors.
spec/chaos/README.md says which fault is shown where."""

import http.client
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import Case, completed  # noqa: E402
from faulty import CJSON, LUAJIT, UNWINDER, Faulty  # noqa: E402
from system import HOST, ROOT, Reply, token, wait_until  # noqa: E402

MIB = 1048576
SANITIZED = "san" in HOST


def own_group():
    """A new group for memory below this process's, where groups may be made; else None."""
    with open("/proc/self/cgroup") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in lines:
        if controllers not in ("memory", ""):
            continue
        mount = "/sys/fs/cgroup/memory" if controllers else "/sys/fs/cgroup"
        for parent in (mount + path, mount):
            folder = os.path.join(parent, "todo-spec-" + uuid.uuid4().hex[:8])
            try:
                os.mkdir(folder)
            except OSError:
                continue
            limit = next((n for n in ("memory.max", "memory.limit_in_bytes") if os.path.exists(os.path.join(folder, n))), None)
            if limit and os.access(os.path.join(folder, limit), os.W_OK):
                return folder, limit
            os.rmdir(folder)
    return None


class Memory(Case):
    def ask(self, host, method, path, body=None, bearer=True, port=None):
        """A call while memory is short. A connection that says nothing for 20 ms is closed then: a client that was stopped for as
        long between its connection and its request asks again. One that was fast is never closed."""
        headers = {"Content-Type": "application/json", **({"Authorization": "Bearer " + token()} if bearer else {})}
        for _ in range(100):
            connection = http.client.HTTPConnection("127.0.0.1", port or host.base, timeout=60)
            began, took = time.monotonic(), 0
            try:
                connection.connect()
                connection.request(method, path, body and json.dumps(body), headers)
                took = time.monotonic() - began
                reply = connection.getresponse()
                return Reply(reply.status, reply.getheaders(), reply.read())
            except ConnectionError as problem:
                took = took or time.monotonic() - began
                try:
                    self.fail(f"it ended with {host.process.wait(1)}: {host.log_text()[-4000:]}")
                except subprocess.TimeoutExpired:
                    pass    # as it should be
                self.assertGreater(took, 0.015, f"{problem!r} after {took} s: {host.log_text()[-4000:]}")
            finally:
                connection.close()
        self.fail("stopped before each of 100 requests")

    def group(self, limit, used, inactive=0, active=0):
        """A folder that reads as a group's. What is used comes last, so that none of it is seen without its cache."""
        if not hasattr(self, "folder"):
            self.folder = tempfile.mkdtemp(prefix="todo-spec-group-")
            self.addCleanup(shutil.rmtree, self.folder)
        for name, value in (("memory.max", limit), ("memory.stat", f"anon 1\ninactive_file {inactive}\nactive_file {active}"), ("memory.current", used)):
            with open(os.path.join(self.folder, "new"), "w") as file:
                file.write(f"{value}\n")
            os.rename(os.path.join(self.folder, "new"), os.path.join(self.folder, name))
        return self.folder

    def test_above_80_percent_requests_are_refused_and_probes_answered(self):
        host = self.start(("chat-api", "audit-service"), MEMORY_CGROUP=self.group(1000 * MIB, 790 * MIB))
        wait_until(lambda: '"started"' in host.log_text(), 20, "its watch")

        def short():
            return '\nprocess_memory_short 1\n' in self.ask(host, "GET", "/metrics", bearer=False).body.decode()

        def create():
            return self.ask(host, "POST", "/api/tasks", {"title": "t"})
        self.assertEqual(create().status, 201)
        self.group(1000 * MIB, 990 * MIB, inactive=150 * MIB, active=150 * MIB)    # what the kernel can take back does not count
        time.sleep(0.3)    # it looks ten times a second
        self.assertEqual(create().status, 201)
        self.group(1000 * MIB, 810 * MIB)
        wait_until(short, 10, "the shortage")
        reply = create()
        self.assertEqual((reply.status, reply.headers.get("retry-after"), reply.json.get("detail")), (503, "1", "Memory is short"))
        self.assertEqual(self.ask(host, "GET", "/api/tasks").status, 503)
        self.assertEqual(self.ask(host, "POST", "/events/task-events", completed(), bearer=False,
                                  port=host.port_of("audit-service", inner=True)).status, 503)
        self.assertEqual([self.ask(host, "GET", path, bearer=False).status for path in ("/health", "/ready")], [200, 200])
        self.group(1000 * MIB, 770 * MIB)
        time.sleep(0.3)    # it looks ten times a second
        self.assertEqual(self.ask(host, "GET", "/api/tasks").status, 503, "it must not flutter around 80 %")
        self.group(1000 * MIB, 700 * MIB)
        wait_until(lambda: not short(), 10, "the end of the shortage")
        self.assertEqual(create().status, 201)
        self.group("max", 10 ** 15)
        time.sleep(0.3)    # it looks ten times a second
        self.assertEqual(create().status, 201)
        self.assertIn("memory is short: requests are refused", host.log_text())

    def test_a_folder_that_is_no_group_stops_the_start(self):
        host = self.start(start=False, MEMORY_CGROUP="/tmp")
        host.start(wait=False)
        self.assertEqual(host.process.wait(60), 1)
        host.process.stdout.close()
        self.assertIn("no memory limit in /tmp", host.log_text())

    @unittest.skipIf(SANITIZED, "its memory is the sanitizer's")
    def test_clients_do_not_get_it_killed(self):
        """They hold more than the group may have: without a refusal the kernel ends the process."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 8192:
            self.skipTest("too few descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        made = own_group()
        if not made:
            self.skipTest("no control group can be made here")
        folder, limit = made
        host = None
        more = f"Host: a\r\nAuthorization: Bearer {token()}\r\nContent-Type: application/json\r\nContent-Length: 65000\r\n\r\n".encode()
        body = b"x" * 64000
        floods = {
            "bodies": (1000, b"POST /api/tasks HTTP/1.1\r\n" + more + body),
            "bodies, all heads first": (1000, b"POST /api/tasks HTTP/1.1\r\n" + more, body),
            "bodies for a probe": (1000, b"POST /health HTTP/1.1\r\n" + more + body),
            "connections that rest": (3000, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"),
            "heads": (3000, b"GET /api/tasks HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 15000),
        }
        try:
            with open(os.path.join(folder, limit), "w") as file:
                file.write(str(64 * MIB))
            host = self.start(start=False)
            host.before = lambda: self.enter(folder)
            host.start()
            wait_until(lambda: '"started"' in host.log_text(), 20, "its watch")
            for name, (count, *parts) in floods.items():
                with self.subTest(name):
                    before = len(host.log_text())
                    self.flood(host, count, parts)
                    self.assertIn("memory is short", host.log_text()[before:])
                    wait_until(lambda: self.ask(host, "POST", "/api/tasks", {"title": "t"}).status == 201, 40, "room again")
            host.stop()
        finally:
            if host and host.process and host.process.poll() is None:
                host.kill()
            wait_until(lambda: not os.path.exists(folder) or not self.remove_group(folder), 10, "the group's end")

    def flood(self, host, count, parts):
        """So many connections, each of which sends all parts but finishes nothing; one part is sent on all before the next."""
        held = {}
        try:
            for part in parts:
                for n in range(count):
                    try:
                        if part is parts[0]:
                            held[n] = socket.create_connection(("127.0.0.1", host.base), timeout=20)
                        if n in held:
                            held[n].sendall(part)
                    except OSError:
                        self.assertIsNone(host.process.poll(), host.log_text()[-2000:])    # else it was refused
            self.assertEqual(self.ask(host, "GET", "/health", bearer=False).status, 200, host.log_text()[-2000:])
        finally:
            for s in held.values():
                s.close()

    def enter(self, folder):
        with open(os.path.join(folder, "cgroup.procs"), "w") as file:
            file.write(str(os.getpid()))

    def remove_group(self, folder):
        try:
            os.rmdir(folder)
        except OSError:
            pass
        return os.path.exists(folder)


class Allocations(Case):
    """The n-th allocation of a request fails. It is answered, or the program ends with a line that says why; after its
    next start nothing is lost and nothing is there twice."""

    SAMPLES = int(os.environ.get("FAULTY_SAMPLES", "3" if SANITIZED else "6"))    # of each route

    def setUp(self):
        super().setUp()
        self.faulty = Faulty()
        self.program = self.start(("chat-api", "audit-service"), **self.faulty.env)
        self.ended, self.answers = 0, {}
        self.read = 0    # of the log: what earlier lives have written
        self.started()

    def back(self):
        """Starts it again when it has ended as it should."""
        code = self.program.process.poll()
        if code is None:
            return
        log = self.program.log_text()[self.read:]
        self.assertEqual(code, -signal.SIGABRT, log[-3000:])
        self.assertIn('"msg":"out of memory"', log)
        self.ended += 1
        self.program.process.stdout.close()
        self.faulty.set(fail_at=0)
        self.read = len(self.program.log_text())
        self.program.start()
        self.started()

    def started(self):
        """It answers a moment before; what fails then is no request's."""
        wait_until(lambda: '"started"' in self.program.log_text()[self.read:], 30, "its start")

    def may_end(self):
        """After an answer that did not come: waits until it has ended, or shows that it goes on."""
        def known():
            if self.program.process.poll() is not None:
                return True
            try:
                return self.program.get("/health", token=None, timeout=5).status == 200
            except (OSError, http.client.HTTPException):
                return False
        wait_until(known, 30, "its end, or an answer")

    def sure(self, call):
        """Its answer, also when the program ends just then of what failed before."""
        for _ in range(3):
            try:
                return call()
            except (OSError, http.client.HTTPException):
                self.may_end()
                self.back()
        return call()

    def done(self, call, status):
        """Its answer once it has this status: what failed before may have cost a connection to the database."""
        replies = []

        def answered():
            replies.append(self.sure(call))
            self.assertIn(replies[-1].status, (status, 503), replies[-1].body)
            return replies[-1].status == status
        wait_until(answered, 30, f"{status} again")
        return replies[-1]

    def fails(self, number, call):
        """The status of the answer, and whether that allocation was made and failed."""
        self.faulty.fail(number)
        try:
            status = call().status
        except TimeoutError:
            raise AssertionError(f"no answer while allocation {number} failed") from None
        except (OSError, http.client.HTTPException):
            status = "closed"    # by its end, or by libmicrohttpd, which had no memory for the answer
        happened = self.faulty.failed
        self.faulty.set(fail_at=0)
        if status == "closed":
            self.may_end()
        if happened:
            time.sleep(0.05)    # what fails in the background ends it a moment later
        self.back()
        self.answers[status] = self.answers.get(status, 0) + 1
        self.assertIn(status, {"closed", 200, 201, 204, 401, 404, 412, 422, 500, 503}, f"allocation {number}: {self.program.log_text()[-3000:]}")
        return status, happened

    def numbers(self, call):
        """Which allocations: the first ones, and others up to as many as the route makes."""
        self.faulty.fail(0)
        self.sure(call)
        most = max(self.faulty.allocations, 20)
        if os.environ.get("FAULTY_ALL"):
            return range(1, min(most, int(os.environ["FAULTY_ALL"])))
        source = random.Random(most)
        return sorted({min(most, int(most ** source.random()) + 1) for _ in range(self.SAMPLES)})

    def routes(self):
        host = self.program
        task = {"title": "other", "recurrence_rule": "DAILY", "due_date": "2030-01-01T09:00:00Z"}
        make = lambda: self.done(lambda: host.post("/api/tasks", task), 201).json["id"]  # noqa: E731
        audit = host.port_of("audit-service")
        rpc = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_tasks", "arguments": {}}}
        headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
        return [
            (None, lambda _: host.get("/api/tasks")),
            (make, lambda task: host.get("/api/tasks/" + task)),
            (make, lambda task: host.call("PUT", "/api/tasks/" + task, {"title": "new"})),
            (make, lambda task: host.call("PATCH", f"/api/tasks/{task}/complete")),
            (make, lambda task: host.call("DELETE", "/api/tasks/" + task)),
            (None, lambda _: host.post("/api/ann/chat", {"message": "what is due today?"})),
            (None, lambda _: host.post("/mcp", rpc, headers=headers)),
            (None, lambda _: host.get("/metrics", token=None)),
            (None, lambda _: host.get("/openapi.json", token=None)),
            (None, lambda _: host.get("/api/v1/audit-log", port=audit)),
            (None, lambda _: self.deliver(host, "task-events", completed())),
        ]

    def test_creates_are_there_once_whatever_fails(self):
        keys, answered = [], {}
        create = lambda key: self.program.post("/api/tasks", {"title": key}, headers={"Idempotency-Key": key})  # noqa: E731
        self.assertEqual(create("first").status, 201)    # compiles and loads what the first request does
        keys.append("first")

        def counted():
            keys.append(str(uuid.uuid4()))
            return create(keys[-1])
        for number in self.numbers(counted):
            key = str(uuid.uuid4())
            keys.append(key)
            self.fails(number, lambda key=key: create(key))
            answered[key] = self.done(lambda key=key: create(key), 201).json["id"]
        rows = dict(line.split("|") for line in self.sql("SELECT title, id FROM chat.task").split("\n"))
        self.assertEqual(set(rows), set(keys))
        self.assertEqual(self.count("chat.task"), len(keys))
        self.assertEqual({k: rows[k] for k in answered}, answered)
        self.drained()
        self.assertEqual({e["data"]["task_id"] for _, e in self.sidecar.of("task-events")}, set(rows.values()))
        self.program.stop()

    def test_libcurl_takes_memory_by_the_host_alone(self):
        """Which ends the program where there is none; libcurl 7.88 crashes a moment later."""
        published = len(self.sidecar.of("task-events"))
        self.assertEqual(self.program.post("/api/tasks", {"title": "t"}).status, 201)
        wait_until(lambda: len(self.sidecar.of("task-events")) > published, 20, "a call by libcurl")
        self.assertEqual(self.faulty.curl, 0)
        self.program.stop()

    def test_every_route_is_answered_or_the_program_ends_with_a_reason(self):
        failed = 0
        for make, call in self.routes():
            before = make() if make else None
            for number in self.numbers(lambda: call(before)):
                task = make() if make else None
                _, happened = self.fails(number, lambda: call(task))
                failed += happened
        self.assertGreater(failed, 0, "no allocation failed")
        self.done(lambda: self.program.get("/api/tasks"), 200)
        self.drained()
        self.assertEqual(self.sql("SELECT count(*) FROM chat.task t WHERE t.parent_task_id IS NOT NULL GROUP BY t.parent_task_id HAVING count(*) > 1"), "")
        self.assertEqual(self.program.get("/api/tasks").status, 200)
        self.program.stop()


class Start(Case):
    """An allocation of the start fails. The program goes on without, or ends with a line that says why."""

    def setUp(self):
        super().setUp()
        self.faulty = Faulty()
        folder = tempfile.mkdtemp(prefix="todo-spec-scripts-")
        self.addCleanup(shutil.rmtree, folder)
        for name in ("lib", "meta", "rules", "sql"):
            os.symlink(os.path.join(ROOT, "scripts", name), os.path.join(folder, name))
        os.symlink(os.path.join(ROOT, "spec", "support", "services", "spec-api"), os.path.join(folder, "spec-api"))
        self.program = self.start(("spec-api",), start=False, SCRIPTS_DIR=folder, **self.faulty.env)
        self.program.ports_by_name()

    def life(self, number, only=0):
        """The end of a start in which that allocation fails (of a library's alone; -1: each of them), None where it goes on, and its
        log. What has started is stopped."""
        read = len(self.program.log_text())
        log = lambda: self.program.log_text()[read:]  # noqa: E731
        self.faulty.set(only=only)
        self.faulty.fail(number)
        self.program.start(wait=False)
        wait_until(lambda: self.program.process.poll() is not None or ('"started"' in log() and self.connected()), 60, "its start or end")
        code = self.program.process.poll()
        if code is None:
            self.program.stop()
        else:
            self.program.process.stdout.close()
            self.assertIn(code, (1, -signal.SIGABRT), log())
            self.assertRegex(log(), '"msg":"out of memory"' if code != 1 else "(?m)^todo-host: .", log())
        return code, log()

    def connected(self):
        """It has asked the database, and what it does with that has been done: it is ready, or has ended."""
        try:
            return self.program.get("/ready", token=None).status == 200
        except OSError:
            return False

    def test_no_memory_for_the_unwinder_does_not_crash_what_compiles_scripts(self):
        """libgcc 12 does not look whether it has got any for what LuaJIT tells it."""
        self.assertIsNone(self.life(-1, UNWINDER)[0])

    def test_libraries_that_crash_without_memory_take_none_themselves(self):
        """OpenSSL has the host's, which ends the program where there is none; libpq does not ask Kerberos."""
        self.assertIsNone(self.life(0)[0])
        self.assertGreater(self.faulty.any, 0)
        self.assertEqual((self.faulty.crypto, self.faulty.gssapi), (0, 0))

    def test_no_memory_for_a_vm_ends_the_program(self):
        """LuaJIT of 2022 may crash where it goes on. It can do without some for what it compiles."""
        ends = [self.life(number, LUAJIT)[0] for number in (1, 2, 4, 8)]
        self.assertIn(-signal.SIGABRT, ends)
        self.assertLessEqual(set(ends), {-signal.SIGABRT, None})

    def test_no_memory_for_json_ends_the_program_as_all_else_does(self):
        for number in (1, 4):
            self.assertEqual(self.life(number, CJSON)[0], -signal.SIGABRT)

    def test_whatever_fails_it_goes_on_or_ends_with_a_reason(self):
        self.assertIsNone(self.life(0)[0])
        most, source = self.faulty.allocations, random.Random(7)
        self.assertGreater(most, 1000)
        numbers = [int(most ** source.random()) + 1 for _ in range(int(os.environ.get("FAULTY_SAMPLES", "4")))]
        ends = {number: self.life(number)[0] for number in numbers}
        self.assertIsNone(self.life(0)[0], ends)


class Descriptors(Case):
    def start_with(self, descriptors, **env):
        host = self.start(start=False, **env)
        host.before = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        host.start()
        return host

    def hold(self, host, count, data=b""):
        """Connections of which not one is finished; those that are not accepted wait in the kernel's queue."""
        held = []
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", host.base), timeout=20)
            self.addCleanup(s.close)
            s.sendall(data)
            held.append(s)
        return held

    def cpu_of(self, host):
        with open(f"/proc/{host.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_idle_connections_leave_room_for_others(self):
        host = self.start_with(64)
        self.hold(host, 200)
        for _ in range(5):
            self.assertEqual(host.get("/health", token=None).status, 200)
            self.assertEqual(host.post("/api/tasks", {"title": "t"}).status, 201)
        reply = host.get("/dapr/subscribe", token=None, port=host.base + 1000)
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(host.stop(), 0)

    def test_busy_connections_pause_the_port_and_the_inner_one_goes_on(self):
        host = self.start_with(64)
        held = self.hold(host, 200, b"GET /api/tasks HTTP/1.1\r\nHost:")
        reply = host.get("/dapr/subscribe", token=None, port=host.base + 1000)
        self.assertEqual(reply.status, 200, reply.body)

        def rests():
            began, spent = time.monotonic(), self.cpu_of(host)
            time.sleep(1)
            return self.cpu_of(host) - spent < (time.monotonic() - began) / 10
        wait_until(rests, 15, "a rest: it spins")
        self.assertLessEqual(len(os.listdir(f"/proc/{host.process.pid}/fd")), 64)
        for s in held:
            s.close()
        wait_until(lambda: host.post("/api/tasks", {"title": "t"}).status == 201, 30, "its recovery")
        self.assertEqual(host.get("/ready", token=None).status, 200)
        self.assertEqual(host.stop(), 0)

    def test_with_none_left_it_waits_and_recovers(self):
        host = self.start()
        self.assertEqual(host.post("/api/tasks", {"title": "t"}).status, 201)
        pid, most = host.process.pid, resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE)
        seen = []

        def settled():
            seen.append(set(os.listdir(f"/proc/{pid}/fd")))
            return len(seen) > 5 and all(s == seen[-1] for s in seen[-6:])
        wait_until(settled, 30, "the end of what it opens for a moment")
        first = next(n for n in range(len(seen[-1]) + 1) if str(n) not in seen[-1])
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (first, most[1]))
        held = self.hold(host, 100, b"GET /api/tasks HTTP/1.1\r\nHost: a\r\n\r\n")

        def rests():
            began, spent = time.monotonic(), self.cpu_of(host)
            time.sleep(1)
            return self.cpu_of(host) - spent < (time.monotonic() - began) / 10
        wait_until(rests, 15, "a rest: it spins")
        self.assertIsNone(host.process.poll())
        resource.prlimit(pid, resource.RLIMIT_NOFILE, most)
        for s in held:
            s.close()

        def answers():
            try:
                return host.post("/api/tasks", {"title": "t"}, timeout=2).status == 201
            except OSError:
                return False
        wait_until(answers, 30, "its recovery")
        self.assertEqual(host.stop(), 0)


if __name__ == "__main__":
    unittest.main()

"""What the host offers scripts, through a service made for it (spec/support/services/spec-api)."""

import os
import shutil
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import ROOT, HostCase, wait_until  # noqa: E402


class HostApi(HostCase):
    services = ("spec-api",)

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="todo-spec-scripts-")
        for name in ("lib", "meta", "rules", "sql"):
            os.symlink(os.path.join(ROOT, "scripts", name), os.path.join(cls.folder, name))
        os.symlink(os.path.join(ROOT, "spec", "support", "services", "spec-api"), os.path.join(cls.folder, "spec-api"))
        cls.env = {"SCRIPTS_DIR": cls.folder}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)

    def ask(self, path):
        reply = self.host.get(path, token=None)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def test_the_stubs_for_editors_tell_of_every_function_of_every_module(self):
        files = {name.removesuffix(".lua") for name in os.listdir(os.path.join(ROOT, "scripts", "meta", "host"))}
        names = sorted(files - {"error", "trial"})      # a type, and what is for commands alone
        self.assertIn("rules", names)
        for name in names:
            found = self.ask("/module/" + name)
            self.assertEqual(found["told"], found["live"], name)

    def test_a_stream_arrives_whole_and_ends(self):
        reply = self.host.get("/stream?count=40", token=None)
        self.assertEqual(reply.headers["content-type"], "text/event-stream")
        self.assertEqual(reply.body.decode(), "".join(f"data: {i}\n\n" for i in range(1, 41)))

    def test_a_stream_arrives_as_it_is_written(self):
        with socket.create_connection(("127.0.0.1", self.host.base)) as s:
            s.settimeout(60)
            s.sendall(b"GET /stream?count=100000 HTTP/1.1\r\nHost: a\r\n\r\n")
            seen = b""
            while b"data: 3\n" not in seen:
                seen += s.recv(1000)
        self.assertNotIn(b"data: 99999", seen)

    def test_a_reader_that_does_not_read_is_cut_off(self):
        with socket.create_connection(("127.0.0.1", self.host.base)) as s:
            s.sendall(b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: self.ask("/kept")["written"] > 0, what="a first write")
            wait_until(lambda: not self.ask("/kept")["alive"], what="the cut")
        self.assertLess(self.ask("/kept")["written"], 64 * 1024)

    def test_a_handler_that_throws_is_500_and_logged_with_its_place(self):
        self.assert_problem(self.host.get("/throw", token=None, headers={"X-Request-Id": "find-me"}), 500)
        line = next(l for l in self.host.log_text().splitlines() if "find-me" in l)
        self.assertIn("on purpose", line)
        self.assertIn("service.lua:", line)
        self.assert_problem(self.host.get("/nothing", token=None), 500)

    def test_waits_run_side_by_side(self):
        got = self.ask("/all")
        self.assertEqual(got["results"], ["a", "b", "c"])
        self.assertTrue(got["failed"])
        self.assertEqual(sorted(got["order"][:2]), ["a begins", "b begins"])
        self.assertEqual(sorted(got["order"][2:]), ["a ends", "b ends"])

    def test_timers_tick(self):
        wait_until(lambda: self.ask("/ticks")["ticks"] > 5, 10, "ticks")

    def test_values_keep_their_types(self):
        got = self.ask("/types")
        self.assertEqual(got, {
            "yes": True, "i": 1, "big": 9007199254740992, "f": 1.5, "n": 2.25, "t": "x", "at": "2026-01-02T01:04:05.678Z",
            "list": ["a", "b c", "d\"e\\f", "", "ü,x"], "none": [], "s": "it's $1 \\", "num": 0.1, "bool": False,
            "back": ["a\"b", "c\\d", "", "e,f", "{g}"]})

    def test_a_batch_is_all_or_nothing(self):
        self.ask("/setup")
        bad = self.ask("/batch?second=1")
        self.assertEqual((bad["value"], bad["code"], bad["sqlstate"]), (None, "sql", "23505"))
        self.assertEqual(self.ask("/sql?text=SELECT+1+FROM+spec_t")["value"], 0)
        self.assertEqual(self.ask("/batch?second=2")["value"], 2)

    def test_a_transaction_commits_or_rolls_back(self):
        self.ask("/setup")
        for how, code in (("throw", "thrown"), ("nil", "changed my mind"), ("sql", "sql")):
            got = self.ask(f"/transaction?how={how}")
            self.assertEqual((got["value"], got["code"]), (None, code), how)
            self.assertEqual(self.ask("/sql?text=SELECT+1+FROM+spec_t")["value"], 0, how)
        self.assertEqual(self.ask("/transaction?how=commit")["value"], "tx")
        self.assertEqual(self.ask("/sql?text=SELECT+1+FROM+spec_t")["value"], 1)

    def test_a_conflict_is_tried_again_silently(self):
        self.ask("/setup")
        self.assertEqual(self.ask("/conflict"), {"done": True, "v": "axx", "runs": 3})

    def test_errors_of_the_database_have_codes(self):
        self.assertEqual(self.ask("/sql?text=SELEC")["sqlstate"], "42601")
        self.assertEqual(self.ask("/sql?text=SELECT+pg_sleep(5)")["code"], "unavailable")

    def test_calls_to_others_have_codes(self):
        self.assertEqual(self.ask("/call?url=http://127.0.0.1:1/")["code"], "unreachable")
        self.assertEqual(self.ask("/call?url=file:///etc/passwd")["code"], "refused")
        self.assertEqual(self.ask(f"/call?url=http://127.0.0.1:{self.host.base}/health")["value"], 200)

    def test_files_have_etags_and_a_strict_policy(self):
        first = self.host.get("/page", token=None)
        self.assertEqual((first.status, first.headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("default-src 'none'", first.headers["content-security-policy"])
        self.assertEqual(first.headers["x-content-type-options"], "nosniff")
        for header in (first.headers["etag"], '"x", ' + first.headers["etag"], "*"):
            again = self.host.get("/page", token=None, headers={"If-None-Match": header})
            self.assertEqual((again.status, again.body), (304, b""))
        self.assertEqual(self.host.get("/page", token=None, headers={"If-None-Match": '"x"'}).status, 200)

    def test_an_inner_route_may_be_meant_for_others(self):
        inner = self.host.base + 1000
        self.assertEqual(self.host.post("/open-to-others", port=inner, headers={"dapr-caller-app-id": "x"}).status, 200)

    def test_what_sleeps_in_the_background_does_not_hold_up_the_end(self):
        from system import Host
        host = Host(("spec-api",), env=self.env)
        self.assertEqual(host.get("/sleeper", token=None).status, 200)
        self.assertEqual(host.stop(), 0)    # the sleep is of ten minutes

    def test_many_streams_end_when_the_program_stops(self):
        from system import Host
        host = Host(("spec-api",), env=self.env)
        held = []
        try:
            for _ in range(20):
                s = socket.create_connection(("127.0.0.1", host.base))
                s.settimeout(60)
                s.sendall(b"GET /stream?count=100000 HTTP/1.1\r\nHost: a\r\n\r\n")
                s.recv(100)
                held.append(s)
            self.assertEqual(host.stop(), 0)
            for s in held:
                while s.recv(65536):
                    pass
        finally:
            for s in held:
                s.close()
            host.stop()

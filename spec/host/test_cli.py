"""The command line, settings, starting and stopping."""

import http.client
import os
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import at_once  # noqa: E402
from system import Host, HostCase, Postgres, Session, postgres, token, wait_until  # noqa: E402


class Words(HostCase):
    def test_help_and_version(self):
        done = self.host.run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("DATABASE_URL", done.stdout)
        self.assertRegex(self.host.run("--version").stdout, r"^todo-host \S+\n$")

    def test_unknown_words_and_flags_are_one_line_and_2(self):
        for words in ([], ["fly"], ["--fly"], ["run"], ["run", "--fly"], ["token"], ["token", "a", "b"], ["migrate", "now"],
                      ["services", "x"], ["--help", "x"]):
            done = self.host.run(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertRegex(done.stderr, r"^todo-host: [^\n]+\n$", words)

    def test_a_bad_setting_stops_the_start_with_one_line_that_names_it(self):
        for name, value in [("DATABASE_URL", ""), ("DATABASE_URL", "mysql://x"), ("WORKERS", "0"), ("WORKERS", "two"), ("WORKERS", "65"),
                            ("PORT", "-1"), ("PORT", "99999"), ("LOG_LEVEL", "loud"), ("JWKS_URL", "ftp://x"), ("JWKS_URL", "http://"),
                            ("CORS_ORIGINS", "example.com"), ("BIND_ADDRESS", "localhost"), ("DAPR_HTTP_PORT", "70000"),
                            ("OPENAI_BASE_URL", "x"), ("SCRIPTS_DIR", "/nowhere")]:
            done = self.host.run("run", "chat-api", **{name: value})
            self.assertEqual((done.returncode, done.stdout), (1, ""), (name, value))
            self.assertRegex(done.stderr, r"^todo-host: [^\n]+\n$", (name, value))
            self.assertIn(name if name != "SCRIPTS_DIR" else "/nowhere", done.stderr)
        done = self.host.run("run", "chat-api", JWT_SECRET="")
        self.assertIn("JWKS_URL", done.stderr)

    def test_an_unknown_service_is_named(self):
        done = self.host.run("run", "no-such")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no-such", done.stderr)

    def test_a_bad_subscription_ends_the_program_before_a_port_opens(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("lib", "sql"):
                os.symlink(os.path.join(self.host.env["SCRIPTS_DIR"], name), os.path.join(folder, name))
            os.mkdir(os.path.join(folder, "hearer"))
            for more, message in (("topic = ''", "subscription 1: topic must be the name of a topic"),
                                  ("topic = 't', match = \"event.type == 'x'\"", "subscription 1: match is not supported: types tells which events matter"),
                                  ("topic = 't', path = '/sweep'", "subscription 1: there is another route /sweep"),
                                  ("topic = 't', types = {}", "subscription 1: types must be a list of event types")):
                with open(os.path.join(folder, "hearer", "service.lua"), "w") as file:
                    file.write("local function f() return 'SUCCESS' end return { name = 'hearer', port = 8006, inner_port = 9006,"
                               " inner_routes = { { 'POST', '/sweep', f } },"
                               " subscriptions = { { pubsub = 'pubsub', path = '/e', handler = f, bury = f, " + more + " } } }")
                done = self.host.run("run", "hearer", SCRIPTS_DIR=folder)
                self.assertEqual((done.returncode, done.stdout), (1, ""), done)
                self.assertEqual(done.stderr.splitlines()[0], "todo-host: hearer/service.lua: " + message)

    def test_a_taken_port_is_one_line(self):
        done = self.host.run("run", "chat-api")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.splitlines()[-1], rf"port {self.host.base}")

    def test_services_are_listed_with_their_ports(self):
        line = self.host.run("services").stdout.splitlines()[0]
        self.assertEqual(line, f"chat-api {self.host.base} {self.host.base + 1000}")

    def test_a_token_works(self):
        made = self.host.run("token", "zoe").stdout.strip()
        self.assertEqual(self.host.get("/api/tasks", headers={"Authorization": "Bearer " + made}).status, 200)
        self.assertEqual(self.host.run("token", "a\nb").returncode, 1)

    def test_migrations_run_twice_and_side_by_side(self):
        fresh = Host(start=False)
        results = []
        threads = [threading.Thread(target=lambda: results.append(fresh.run("migrate"))) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([r.returncode for r in results], [0] * 4, [r.stderr for r in results])
        self.assertEqual(fresh.run("migrate").returncode, 0)
        postgres().sql("UPDATE public.todo_migration SET digest = 'x'", fresh.database)
        changed = fresh.run("migrate")
        self.assertEqual(changed.returncode, 1)
        self.assertIn("was changed", changed.stderr)


class Life(HostCase):
    fast = {"USER_RATE": "1000000"}

    def test_drains_on_sigterm_without_failing_a_request(self):
        host = Host(env={"DRAIN_MS": "8000", **self.fast})
        statuses, stop = [], threading.Event()

        def write():
            while not stop.is_set():
                try:
                    statuses.append(host.post("/api/tasks", {"title": "x"}).status)
                except OSError:
                    return  # it no longer accepts, or closed before it had read anything: nothing of ours was taken
        threads = [threading.Thread(target=write) for _ in range(8)]
        for t in threads:
            t.start()
        wait_until(lambda: len(statuses) > 50, 30, "some writes")
        began = time.monotonic()
        host.process.send_signal(signal.SIGTERM)
        wait_until(lambda: host.get("/ready", token=None).status == 503, what="not ready")
        self.assertEqual(host.get("/health", token=None).status, 200)
        self.assertEqual(host.process.wait(60), 0)
        self.assertGreater(time.monotonic() - began, 7.5)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(set(statuses), {201})
        rows = postgres().sql("SELECT count(*) FROM chat.task", host.database)
        self.assertEqual(int(rows), len(statuses))
        host.stop()

    def test_a_second_signal_ends_at_once(self):
        host = Host(env={"DRAIN_MS": "20000"})
        host.process.send_signal(signal.SIGTERM)
        wait_until(lambda: host.get("/ready", token=None).status == 503, what="not ready")
        wait_until(lambda: (host.process.send_signal(signal.SIGTERM), host.process.poll() is not None)[1], what="the end")
        self.assertEqual(host.process.returncode, 1, "it has not waited for its time to end")
        host.process.stdout.close()

    def test_several_workers_share_the_port(self):
        host = Host(env={"WORKERS": "3"})
        try:
            for _ in range(30):
                self.assertEqual(host.get("/health", token=None).status, 200)
            text = host.get("/metrics", token=None).body.decode()
            total = [line for line in text.splitlines() if line.startswith('http_server_requests_total{service="chat-api",method="GET",route="/health"')]
            self.assertEqual(float(total[0].split()[-1]), 30)
        finally:
            host.stop()

    def test_kill_9_under_load_loses_no_write_that_was_answered(self):
        host = Host(env=self.fast)
        try:
            for _ in range(3):
                answered, stop = [], threading.Event()

                def write():
                    while not stop.is_set():
                        try:
                            reply = host.post("/api/tasks", {"title": "keep"}, token=token("k"))
                            if reply.status == 201:
                                answered.append(reply.json["id"])
                        except (OSError, http.client.HTTPException):
                            return
                threads = [threading.Thread(target=write) for _ in range(16)]
                for t in threads:
                    t.start()
                wait_until(lambda: len(answered) > 200, 30, "some writes")
                host.kill()
                stop.set()
                for t in threads:
                    t.join()
                host.process.stdout.close()
                stored = set(postgres().sql("SELECT id FROM chat.task", host.database).split())
                self.assertEqual(set(answered) - stored, set())
                orphans = postgres().sql(
                    "SELECT count(*) FROM chat.task t WHERE (SELECT count(*) FROM chat.outbox o WHERE o.key = t.id) <> 2", host.database)
                self.assertEqual(orphans, "0")
                host.start()
        finally:
            host.stop()


class Database(HostCase):
    """A cluster of its own, because it is stopped."""

    @classmethod
    def setUpClass(cls):
        cls.pg = Postgres()
        cls.pg.sql("CREATE DATABASE d")
        cls.host = Host(database="d", start=False, env={"USER_RATE": "1000000"})
        cls.host.env["DATABASE_URL"] = cls.pg.url("d")
        cls.host.migrate()
        cls.host.start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.host.stop()
        finally:
            cls.pg.remove()

    def test_1_an_outage_is_503_and_heals_by_itself(self):
        self.create()
        self.pg.stop("immediate")
        try:
            began = time.monotonic()
            reply = self.host.post("/api/tasks", {"title": "x"})
            self.assert_problem(reply, 503)
            self.assertIn("retry-after", reply.headers)
            self.assertLess(time.monotonic() - began, 20)
            wait_until(lambda: self.host.get("/ready", token=None).status == 503, what="not ready")
            self.assertIn("database", self.host.get("/ready", token=None).json["detail"])
            self.assertEqual(self.host.get("/health", token=None).status, 200)
        finally:
            self.pg.start()
        wait_until(lambda: self.host.get("/ready", token=None).status == 200, what="ready again")
        self.create()

    def test_2_killed_backends_cost_503s_at_most(self):
        stop, seen = threading.Event(), []

        def write():
            while not stop.is_set():
                seen.append(self.host.post("/api/tasks", {"title": "y"}, token=token("z")))
        threads = [threading.Thread(target=write) for _ in range(8)]
        for t in threads:
            t.start()
        for _ in range(10):
            self.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'todo-host'")
            target = len(seen) + 20
            wait_until(lambda: len(seen) > target, 30, "more answers")
        stop.set()
        for t in threads:
            t.join()
        self.assertLessEqual({r.status for r in seen}, {201, 503})
        ok = {r.json["id"] for r in seen if r.status == 201}
        stored = self.pg.sql("SELECT id FROM chat.task WHERE user_id = 'z'", "d").split()
        self.assertEqual(len(stored), len(set(stored)))
        self.assertEqual(ok - set(stored), set())

    def test_3_a_locked_table_is_503_soon(self):
        lock = Session(self.pg.url("d"), "BEGIN; LOCK TABLE chat.task;")
        count, began = 80, time.monotonic()
        statuses = at_once(count, lambda: self.host.post("/api/tasks", {"title": "l"}).status)
        took = time.monotonic() - began
        lock.end("COMMIT;")
        self.assertEqual(set(statuses), {503})
        self.assertLess(took, count * 0.5 / 2, "each waited for the lock in turn")
        self.create()

    def test_4_a_read_only_server_serves_reads(self):
        self.pg.sql("ALTER SYSTEM SET default_transaction_read_only = on")
        self.pg.sql("SELECT pg_reload_conf()")
        try:
            wait_until(lambda: self.host.post("/api/tasks", {"title": "r"}).status == 503, what="refused writes")
            wait_until(lambda: self.host.get("/api/tasks").status == 200, what="reads")
        finally:
            self.pg.sql("ALTER SYSTEM RESET default_transaction_read_only")
            self.pg.sql("SELECT pg_reload_conf()")
        wait_until(lambda: self.host.post("/api/tasks", {"title": "r"}).status == 201, what="writes again")

    def test_5_forgotten_prepared_statements_are_prepared_again(self):
        self.create()
        self.pg.sql("ALTER TABLE chat.task ADD COLUMN extra text", "d")
        try:
            for _ in range(12):
                self.assertEqual(self.host.get("/api/tasks").status, 200)
                self.create()
        finally:
            self.pg.sql("ALTER TABLE chat.task DROP COLUMN extra", "d")

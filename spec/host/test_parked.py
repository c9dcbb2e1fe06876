"""`todo-host outbox` and `todo-host dead`: what an operator does with events that were set aside."""

import json
import os
import shutil
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from sidecar import Sidecar  # noqa: E402
from system import Host, new_database, postgres, wait_until  # noqa: E402


class Parked(unittest.TestCase):
    def setUp(self):
        self.host = Host(start=False)
        self.host.migrate()

    def tearDown(self):
        self.host.stop()
        postgres().sql(f"DROP DATABASE IF EXISTS {self.host.database} WITH (FORCE)")

    def sql(self, text):
        return postgres().sql(text, self.host.database)

    def add(self, schema, count=1, dead="now()", error="too large"):
        """Rows of an outbox; their ids as the command line says them."""
        ids = self.sql(f"INSERT INTO {schema}.outbox (topic, key, version, event_id, event_type, data, dead_at, dead_error) SELECT 'task-events',"
                       f" gen_random_uuid(), n, gen_random_uuid(), 'task.created', '{{\"n\":' || n || '}}', {dead},"
                       f" CASE WHEN {dead} IS NULL THEN NULL ELSE '{error}' END FROM generate_series(1, {count}) AS n RETURNING id")
        return [f"{schema}:{id}" for id in ids.split()]

    def bury(self, schema, count=1):
        ids = self.sql(f"INSERT INTO {schema}.dead_event (topic, error, body) SELECT 'task-events', 'no\nsense', 'body ' || n"
                       f" FROM generate_series(1, {count}) AS n RETURNING id")
        return [f"{schema}:{id}" for id in ids.split()]

    def says(self, *words, code=0):
        done = self.host.run(*words)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        if code:
            self.assertEqual(done.stdout, "")
            self.assertRegex(done.stderr, r"^todo-host: [^\n]+\n$")
            return done.stderr
        self.assertEqual(done.stderr, "")
        return done.stdout

    def listed(self, *words):
        return [row["id"] for row in json.loads(self.says(*words, "--json"))]

    def test_nothing_is_said_to_be_nothing(self):
        for name in ("outbox", "dead"):
            self.assertEqual(self.says(name, "list"), "nothing is set aside\n")
            self.assertEqual(json.loads(self.says(name, "list", "--json")), [])
            self.assertEqual(self.says(name, "drop", "--all").split()[0], "0")

    def test_the_list_is_a_line_each_of_all_schemas_oldest_first(self):
        first = self.add("recur", dead="now() - interval '2 hours'", error="far\n\ttoo large")
        second = self.add("chat", 2, dead="now() - interval '1 hour'")
        self.add("chat", 3, dead="NULL")    # pending: not for this list
        third = self.add("notify")
        head, *lines = self.says("outbox", "list").splitlines()
        self.assertEqual(head.split()[0], "ID")
        self.assertEqual([line.split()[0] for line in lines], first + second + third)
        self.assertTrue(lines[0].endswith("  far too large"), lines[0])
        self.assertEqual(self.listed("outbox", "list", "--schema", "chat"), second)
        self.assertEqual(self.listed("outbox", "list", "--limit", "2"), first + second[:1])
        self.assertIn("more", self.says("outbox", "list", "--limit", "2").splitlines()[-1])
        row = json.loads(self.says("outbox", "list", "--json"))[0]
        self.assertEqual(set(row), {"id", "at", "topic", "event_type", "event_id", "key", "error", "data"})
        self.assertEqual((row["error"], json.loads(row["data"])), ("far\n\ttoo large", {"n": 1}))

    def test_what_is_retried_is_pending_again_and_the_rest_stays(self):
        ids = self.add("chat", 3) + self.add("notify", 2)
        self.assertEqual(self.says("outbox", "retry", ids[0], ids[4], ids[0], "chat:00" + ids[2].split(":")[1]).split()[0], "3")
        self.assertEqual(self.listed("outbox", "list"), [ids[1], ids[3]])
        self.assertEqual(self.sql("SELECT count(*) FROM chat.outbox WHERE dead_at IS NULL AND dead_error IS NULL"), "2")

    def test_what_is_dropped_is_gone_and_pending_events_never_are(self):
        ids, pending = self.add("chat", 2), self.add("chat", 1, dead="NULL")
        self.says("outbox", "drop", ids[0])
        message = self.says("outbox", "drop", ids[1], pending[0], "chat:999999", code=1)
        self.assertIn(f"not set aside: {pending[0]}, chat:999999; 1 dropped", message)
        self.assertIn(pending[0], self.says("outbox", "retry", pending[0], code=1))
        self.assertEqual(self.sql("SELECT id FROM chat.outbox"), pending[0].split(":")[1])

    def test_all_may_be_those_of_one_schema(self):
        self.add("chat", 2500)
        kept = self.add("recur", 2)
        self.add("chat", 1, dead="NULL")
        self.assertEqual(self.says("outbox", "drop", "--all", "--schema", "chat").split()[0], "2500")
        self.assertEqual(self.listed("outbox", "list"), kept)
        self.assertEqual(self.says("outbox", "retry", "--all").split()[0], "2")
        self.assertEqual(self.sql("SELECT count(*) FROM chat.outbox"), "1")

    def test_dead_events_are_listed_and_dropped(self):
        ids = self.bury("audit", 2) + self.bury("chat") + self.bury("notify") + self.bury("recur")
        lines = self.says("dead", "list").splitlines()[1:]
        self.assertEqual([line.split()[0] for line in lines], ids)
        self.assertTrue(lines[0].endswith("  no sense"))
        self.assertEqual(json.loads(self.says("dead", "list", "--json", "--limit", "1"))[0]["body"], "body 1")
        self.says("dead", "drop", ids[0], ids[2])
        self.assertEqual(self.listed("dead", "list"), [ids[1], ids[3], ids[4]])
        self.says("dead", "drop", "--all")
        self.assertEqual(self.listed("dead", "list"), [])

    def test_wrong_words_are_one_line_and_2_and_change_nothing(self):
        ids = self.add("chat", 2)
        dead = self.bury("audit")
        for words in (["outbox"], ["outbox", "fly"], ["outbox", "--all"], ["outbox", "list", "--fly"], ["outbox", "list", "chat:1"],
                      ["outbox", "list", "--all"], ["outbox", "list", "--limit"], ["outbox", "list", "--limit", "0"], ["outbox", "list", "--limit", "x"],
                      ["outbox", "list", "--schema"], ["outbox", "list", "--schema", "nowhere"], ["outbox", "list", "--schema", "audit"],
                      ["outbox", "retry"], ["outbox", "drop"], ["outbox", "drop", ids[0], "17"], ["outbox", "drop", ids[0], "chat:"],
                      ["outbox", "drop", ids[0], "chat:x"], ["outbox", "drop", ids[0], "chat:-1"], ["outbox", "drop", ids[0], "nowhere:1"],
                      ["outbox", "drop", ids[0], "chat:99999999999999999999"], ["outbox", "drop", ids[0], "--all"], ["outbox", "drop", ids[0], "--json"],
                      ["outbox", "drop", ids[0], "chat.task;--:1"], ["outbox", "retry", ids[0], "--schema", "chat"], ["outbox", "drop", "--schema", "chat"],
                      ["dead"], ["dead", "retry", dead[0]], ["dead", "drop"], ["dead", "drop", dead[0], "nowhere:1"], ["dead", "list", "--limit", "1.5"]):
            self.says(*words, code=2)
        self.assertEqual(self.listed("outbox", "list"), ids)
        self.assertEqual(self.listed("dead", "list"), dead)

    def test_a_new_services_tables_are_seen(self):
        self.sql('CREATE SCHEMA "odd-Name"; CREATE TABLE "odd-Name".dead_event (LIKE audit.dead_event INCLUDING ALL); CREATE SCHEMA mine;'
                 ' CREATE TABLE mine.dead_event (LIKE audit.dead_event INCLUDING ALL)')
        ids = self.bury("mine")
        self.assertEqual(self.listed("dead", "list"), ids)
        self.says("dead", "drop", *ids)
        self.assertEqual(self.says("dead", "drop", "--all").split()[0], "0")

    def test_a_retried_event_is_published(self):
        sidecar = Sidecar()
        self.addCleanup(sidecar.stop)
        small = []    # what the broker thinks of the event
        sidecar.behave = lambda topic, entries: None if small else (413, {"errorCode": "X", "message": "too large"})
        self.host.env["DAPR_HTTP_PORT"] = str(sidecar.port)
        self.host.start()
        self.assertEqual(self.host.post("/api/tasks", {"title": "big"}).status, 201)
        parked = wait_until(lambda: [r for r in json.loads(self.says("outbox", "list", "--json")) if r["topic"] == "task-events"], 20, "it to be parked")
        self.assertIn("too large", parked[0]["error"])
        small.append(True)
        self.says("outbox", "retry", parked[0]["id"])
        wait_until(lambda: [e for _, e in sidecar.of("task-events") if e["id"] == parked[0]["event_id"]], 20, "it to be published")
        wait_until(lambda: parked[0]["id"] not in self.listed("outbox", "list") and
                   self.sql("SELECT count(*) FROM chat.outbox WHERE topic = 'task-events'") == "0", 20, "its row to go")

    def test_without_a_database_it_says_so(self):
        began = time.monotonic()
        done = self.host.run("outbox", "list", DATABASE_URL="postgresql://postgres@127.0.0.1:1/x")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"^todo-host: the database cannot be reached: [^\n]*refused[^\n]*\n$")
        self.assertLess(time.monotonic() - began, 30, "it waits for a server that refuses")
        self.assertIn("DATABASE_URL", self.host.run("dead", "list", DATABASE_URL="").stderr)

    def scripts(self, body):
        """The scripts with another `outbox` command."""
        folder = tempfile.mkdtemp(prefix="todo-spec-scripts-")
        self.addCleanup(shutil.rmtree, folder)
        shutil.copytree(self.host.env["SCRIPTS_DIR"], folder, dirs_exist_ok=True)
        with open(os.path.join(folder, "lib", "commands.lua"), "w") as file:
            file.write(f"return {{ outbox = function(...) {body} end }}\n")
        return folder

    def test_commands_end_as_their_function_says(self):
        for body, code, out, err in (('return "a\\nb"', 0, "a\nb\n", ""), ('return ""', 0, "", ""), ('return nil, "no luck"', 1, "", "todo-host: no luck\n"),
                                     ('return nil, "what?", true', 2, "", "todo-host: what?\n"), ("return nil", 1, "", "todo-host: the command failed\n"),
                                     ('return table.concat({ ... }, "+")', 0, "x+y\n", ""),
                                     ('require("host.fiber").sleep(20) return require("host.db").query("SELECT 7::text AS x")[1].x', 0, "7\n", "")):
            done = self.host.run("outbox", "x", "y", SCRIPTS_DIR=self.scripts(body))
            self.assertEqual((done.returncode, done.stdout, done.stderr), (code, out, err), body)
        done = self.host.run("outbox", SCRIPTS_DIR=self.scripts('require("host.fiber").sleep(1) error("thrown")'))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"^todo-host: [^\n]*thrown[^\n]*\n$")
        done = self.host.run("dead", SCRIPTS_DIR=self.scripts("return 1"))
        self.assertRegex(done.stderr, r"^todo-host: [^\n]*has no function dead\n$")

    def test_a_command_that_does_not_end_is_ended(self):
        done = self.host.run("outbox", SCRIPTS_DIR=self.scripts('require("host.timer").every(10, print) require("host.fiber").sleep(300000)'))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"todo-host: it did not end within 30 s[^\n]*\n$")

    def test_without_tables_it_says_so(self):
        empty = new_database()
        self.addCleanup(lambda: postgres().sql(f"DROP DATABASE {empty} WITH (FORCE)"))
        done = self.host.run("dead", "list", DATABASE_URL=postgres().url(empty))
        self.assertEqual(done.returncode, 1)
        self.assertIn("is it migrated?", done.stderr)

    def test_a_statement_that_waits_for_a_lock_is_one_line(self):
        ids = self.add("chat")
        lock = self.sql_in_background("BEGIN; LOCK TABLE chat.outbox; SELECT pg_sleep(300); COMMIT")
        try:
            wait_until(lambda: self.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
                                        " AND relation = 'chat.outbox'::regclass") != "0", 10, "the lock")
            self.assertIn("lock", self.says("outbox", "drop", *ids, code=1))
        finally:
            self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND pid <> pg_backend_pid()")
            lock.join()
        self.assertEqual(self.listed("outbox", "list"), ids)

    def sql_in_background(self, text):
        def run():
            try:
                self.sql(text)
            except RuntimeError:
                pass    # it is terminated
        thread = threading.Thread(target=run)
        thread.start()
        return thread


if __name__ == "__main__":
    unittest.main()

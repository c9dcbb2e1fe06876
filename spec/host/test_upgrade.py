"""The version before and this one on the same database, while it is migrated: nobody is refused, nothing is lost."""

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import Case  # noqa: E402
from system import ROOT, postgres, token, wait_until  # noqa: E402

SCRIPTS = os.environ.get("SCRIPTS_DIR") or os.path.join(ROOT, "scripts")


# What a migration waits for here.
LOCKS = {"public.todo_migration": "RowExclusiveLock", "chat.task": "AccessExclusiveLock"}


def last_migration(scripts):
    return sorted(n for n in os.listdir(os.path.join(scripts, "sql")) if n.endswith(".sql"))[-1]


def git(*words):
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True)
    return done.stdout if done.returncode == 0 else b""


def version_before(folder):
    """The scripts as they were before the last migration came; without a history, today's without that migration."""
    last = last_migration(SCRIPTS)
    commit = git("log", "--diff-filter=A", "--format=%H", "-1", "--", f"scripts/sql/{last}").decode().strip()
    archive = git("archive", commit + "^", "scripts") if commit else b""
    if archive:
        subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)
    else:
        shutil.copytree(SCRIPTS, os.path.join(folder, "scripts"))
        os.remove(os.path.join(folder, "scripts", "sql", last))
    return os.path.join(folder, "scripts")


class Writers:
    """Users who write and read all the time, each time on one of `hosts`; what they were answered."""

    def __init__(self, hosts, count=6):
        self.hosts, self.over, self.lock = list(hosts), threading.Event(), threading.Lock()
        self.answers, self.written = [], []
        self.asked = []      # the hosts that owe an answer
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def call(self, n, method, path, body=None, **headers):
        with self.lock:
            host = self.hosts[(n + len(self.answers)) % len(self.hosts)]
            self.asked.append(host)
        try:
            reply = host.call(method, path, body, token=token(f"user{n}"), headers=headers)
        except (OSError, http.client.HTTPException) as problem:
            self.answers.append((method, path, repr(problem), None))
            return None
        finally:
            with self.lock:
                self.asked.remove(host)
        self.answers.append((method, path, reply.status, reply.body if reply.status >= 300 else None))
        return reply.json if reply.status < 300 else None

    def leave(self, host):
        """Asks it nothing more, and waits for what it owes."""
        with self.lock:
            self.hosts.remove(host)
        wait_until(lambda: host not in self.asked, 30, "the answers on their way")

    def work(self, n):
        while not self.over.is_set():
            task = self.call(n, "POST", "/api/tasks", {"title": "t", "due_date": "2030-01-01T09:00:00Z", "recurrence_rule": "DAILY"},
                             **{"Idempotency-Key": str(uuid.uuid4())})
            if not task:
                continue
            self.written.append(task["id"])
            self.call(n, "PUT", "/api/tasks/" + task["id"], {"title": "u"})
            self.call(n, "PATCH", f"/api/tasks/{task['id']}/complete")
            self.call(n, "GET", "/api/tasks?limit=20")
            self.call(n, "POST", f"/api/user{n}/chat", {"message": "add buy milk tomorrow"})

    def more(self, count):
        """Waits until so many more have been answered."""
        now = len(self.answers)
        wait_until(lambda: len(self.answers) >= now + count, 30, "answers")

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


class Upgrade(Case):
    def scripts_of_next(self, sql):
        folder = tempfile.mkdtemp(prefix="todo-spec-next-")
        self.addCleanup(shutil.rmtree, folder)
        shutil.copytree(SCRIPTS, os.path.join(folder, "scripts"))
        with open(os.path.join(folder, "scripts", "sql", "9999_next.sql"), "w") as file:
            file.write(sql)
        return os.path.join(folder, "scripts")

    def check(self, writers):
        for host in self.hosts:
            self.assertIn(host.process and host.process.poll(), (None, 0), host.log_text()[-4000:])
        self.assertEqual([answer for answer in writers.answers if answer[2] not in (200, 201)], [])
        stored = set(self.sql("SELECT id FROM chat.task").split())
        self.assertEqual(set(writers.written) - stored, set())
        self.drained()
        published = [e for _, e in self.sidecar.of("task-events")]
        self.assertLessEqual(set(writers.written), {e["data"]["task_id"] for e in published if e["type"] == "task.created"})

    def test_both_serve_while_the_schema_moves(self):
        folder = tempfile.mkdtemp(prefix="todo-spec-before-")
        self.addCleanup(shutil.rmtree, folder)
        old = self.start(start=False, SCRIPTS_DIR=version_before(folder), DRAIN_MS="500")    # migrated as it was
        self.assertEqual(self.sql(f"SELECT count(*) FROM public.todo_migration WHERE name = '{last_migration(SCRIPTS)}'"), "0")
        old.start()
        writers = Writers([old])
        try:
            writers.more(60)
            new = self.start(start=False)    # migrates
            writers.more(60)
            new.start()
            writers.hosts.append(new)
            writers.more(120)
            writers.leave(old)
            old.stop()
            writers.more(60)
        finally:
            writers.stop()
        self.check(writers)

    def test_a_migration_that_adds_disturbs_nobody(self):
        host = self.start()
        feed = host.post("/api/calendar").json["url"].split("/calendar/")[1]
        read = lambda: host.get("/calendar/" + feed, token=None).status  # noqa: E731
        writers = Writers([host])
        try:
            writers.more(60)
            self.assertEqual(read(), 200)
            done = host.run("migrate", SCRIPTS_DIR=self.scripts_of_next(
                "ALTER TABLE chat.task ADD COLUMN spec_note text; ALTER TABLE chat.outbox ADD COLUMN spec_note text;"
                "ALTER TABLE chat.message ADD COLUMN spec_note text; CREATE TABLE chat.spec_next (id uuid PRIMARY KEY);"))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual({read() for _ in range(20)}, {200})
            writers.more(120)
        finally:
            writers.stop()
        self.check(writers)

    def waits_twice(self, table, migration, results):
        """The migration waits for its lock, not for long, and then once more."""
        waits = f"SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = '{LOCKS[table]}' AND relation = '{table}'::regclass"
        for expected in "tft":
            wait_until(lambda expected=expected: self.sql(waits) == expected or not migration.is_alive(), 20, "its second try")
        self.assertTrue(migration.is_alive(), f"it did not wait: {results}")

    def hold(self, sql):
        """A session in a transaction that has done this, which returns 0."""
        psql = subprocess.Popen(["psql", "-h", "127.0.0.1", "-p", str(postgres().port), "-U", "postgres", "-d", self.database, "-X", "-q", "-A", "-t"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(psql.stdout.close)
        self.addCleanup(psql.wait)
        self.addCleanup(psql.stdin.close)
        psql.stdin.write(f"BEGIN ISOLATION LEVEL REPEATABLE READ; {sql};\n")
        psql.stdin.flush()
        self.assertEqual(psql.stdout.readline().strip(), "0")
        return psql

    def test_a_migration_that_cannot_be_noted_is_tried_again(self):
        """COMMIT says nothing when the note before it has failed: it takes the migration back."""
        host = self.start(start=False)
        psql = self.hold("LOCK TABLE public.todo_migration IN SHARE MODE; SELECT 0")
        results = []
        sql = self.scripts_of_next("CREATE TABLE chat.spec_next (id uuid PRIMARY KEY);")
        migration = threading.Thread(target=lambda: results.append(host.run("migrate", SCRIPTS_DIR=sql)))
        migration.start()
        self.waits_twice("public.todo_migration", migration, results)
        psql.stdin.write("COMMIT;\n")
        psql.stdin.flush()
        migration.join(40)
        self.assertEqual([r.returncode for r in results], [0], results)
        self.assertEqual(self.sql("SELECT count(*) FROM chat.spec_next"), "0")

    def test_a_migration_that_must_wait_makes_nobody_wait(self):
        """A long read, such as a backup, holds the table; who stands behind the migration must not stand for long."""
        host = self.start()
        psql = self.hold("SELECT count(*) FROM chat.task")
        writers = Writers([host])
        results = []
        sql = self.scripts_of_next("ALTER TABLE chat.task ADD COLUMN spec_note text;")
        migration = threading.Thread(target=lambda: results.append(host.run("migrate", SCRIPTS_DIR=sql)))
        try:
            writers.more(30)
            migration.start()
            self.waits_twice("chat.task", migration, results)
            writers.more(60)
            psql.stdin.write("COMMIT;\n")
            psql.stdin.flush()
            migration.join(40)
            writers.more(60)
        finally:
            writers.stop()
        self.assertEqual([r.returncode for r in results], [0], results)
        self.check(writers)


if __name__ == "__main__":
    unittest.main()

"""The services that scripts/README.md shows: its very text, run with the stand-in sidecar as `make run` does."""

import datetime
import http.server
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import ROOT, Host, postgres, token, wait_until  # noqa: E402


def files_of_the_page():
    """{path below scripts/: text}, of the code blocks whose sentence ends with the path and a colon."""
    with open(os.path.join(ROOT, "scripts", "README.md")) as file:
        page = file.read()
    return {path: text for path, text in re.findall(r"`scripts/([\w./-]+)`:\n\n```(?:lua|sql)\n(.*?)```\n", page, re.S)}


class Webhook:
    """The outside: it refuses the first post, and remembers the keys of all."""

    def __init__(self):
        self.keys, self.bodies, self.lock = [], [], threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner.lock:
                    owner.keys.append(self.headers["Idempotency-Key"])
                    owner.bodies.append(body)
                    first = len(owner.keys) == 1
                self.send_response(500 if first else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class FifthService(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="todo-spec-fifth-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.webhook = Webhook()
        cls.addClassCleanup(cls.webhook.stop)
        scripts = os.path.join(cls.folder, "scripts")
        shutil.copytree(os.environ.get("SCRIPTS_DIR") or os.path.join(ROOT, "scripts"), scripts)
        cls.files = files_of_the_page()
        for path, text in cls.files.items():
            os.makedirs(os.path.dirname(os.path.join(scripts, path)), exist_ok=True)
            with open(os.path.join(scripts, path), "x") as file:    # x: nothing of that name is there yet
                file.write(text)
        config = os.path.join(cls.folder, "sidecar.json")
        with open(config, "w") as file:
            json.dump({"components": [{"name": "hook", "type": "bindings.http", "metadata": {"url": f"http://127.0.0.1:{cls.webhook.server.server_port}"}}]}, file)
        cls.host = Host(("--all",), env={"SCRIPTS_DIR": scripts, "SIDECAR_CONFIG": config, "NOTIFY_WEBHOOK": "hook"})

    @classmethod
    def tearDownClass(cls):
        try:
            cls.host.stop()
        finally:
            postgres().sql(f"DROP DATABASE IF EXISTS {cls.host.database} WITH (FORCE)")

    def complete(self, user):
        task = self.host.post("/api/tasks", {"title": "a task"}, token=token(user)).json["id"]
        self.assertEqual(self.host.call("PATCH", f"/api/tasks/{task}/complete", token=token(user)).status, 200)
        return task

    def stats(self, user):
        reply = self.host.get("/api/stats", token=token(user), port=self.host.port_of("stats-service"))
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json["days"]

    def test_the_page_shows_whole_files_within_its_own_limits(self):
        self.assertEqual(set(self.files), {"clock/service.lua", "stats-service/service.lua", "sql/0100_stats.sql"})
        for path, text in self.files.items():
            self.assertLessEqual(len(text.splitlines()), 30, path)
            self.assertLessEqual(max(map(len, text.splitlines())), 100, path)

    def test_completed_tasks_are_counted_once_each_and_told_outside(self):
        before = datetime.datetime.now(datetime.timezone.utc).date()
        tasks = [self.complete("ann") for _ in range(3)]
        self.host.post("/api/tasks", {"title": "left open"}, token=token("ann"))
        other = self.complete("bob")
        wait_until(lambda: sum(self.stats("ann").values()) >= 3 and sum(self.stats("bob").values()) >= 1, 30, "the counts")
        wait_until(lambda: {*tasks, other} <= {b["task_id"] for b in self.webhook.bodies}, 30, "the posts")
        after = datetime.datetime.now(datetime.timezone.utc).date()
        # The first post was refused: its event came again, and counted once all the same.
        wait_until(lambda: self.webhook.keys.count(self.webhook.keys[0]) >= 2, 30, "the refused post to come again")
        self.assertEqual((sum(self.stats("ann").values()), sum(self.stats("bob").values())), (3, 1))
        self.assertLessEqual(set(self.stats("ann")), {str(before), str(after)})
        self.assertEqual(len(set(self.webhook.keys)), 4)
        self.assertEqual(self.stats("carl"), {})

    def test_it_has_what_every_service_has(self):
        port = self.host.port_of("stats-service")
        self.assertEqual(self.host.get("/api/stats", token=None, port=port).status, 401)
        self.assertEqual(self.host.get("/health", token=None, port=port).json["service"], "stats-service")
        self.assertIn("http_server_requests_total{service=\"stats-service\"", self.host.get("/metrics", token=None, port=port).body.decode())
        inner = self.host.port_of("stats-service", inner=True)
        self.assertEqual([s["topic"] for s in self.host.get("/dapr/subscribe", token=None, port=inner).json], ["task-events"])
        reply = self.host.post("/events/tasks", {"data": "nonsense"}, token=None, port=inner)
        self.assertEqual(reply.json, {"status": "DROP"})
        self.assertEqual([r["id"] for r in json.loads(self.host.run("dead", "list", "--schema", "stats", "--json").stdout)], ["stats:1"])

    def test_the_other_one_runs_too(self):
        reply = self.host.get("/now/paris", token=None, port=self.host.port_of("clock"))
        self.assertEqual((reply.status, reply.json["place"]), (200, "paris"))


if __name__ == "__main__":
    unittest.main()

"""What an installation may add: a webhook through Dapr's own binding, to a server that fails at first
(dapr/optional; test_mail has the mails), and settings from a secret store (dapr/standalone)."""

import http.server
import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import ROOT, SECRET, Cluster, postgres, wait_until  # noqa: E402
from writer import remind  # noqa: E402

USER = "ann.lee@example.org"
TITLE = 'Zoë\'s "<b>tea</b>" & 🍵 \\ n/a'


class Hook:
    """An HTTP server that keeps what it is sent, and answers `status`."""

    def __init__(self):
        self.requests, self.status = [], 200
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.requests.append((owner.status, self.path, self.headers, body))
                self.send_response(owner.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Bindings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hook = Hook()
        cls.cluster = Cluster()
        cls.cluster.resources.append(os.path.join(ROOT, "dapr", "optional"))
        # Mail is not asked for, but its component needs an address.
        cls.cluster.dapr_env = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": "9", "WEBHOOK_URL": f"http://127.0.0.1:{cls.hook.port}/hook?of=todo"}
        cls.cluster.start_kafka()
        cls.cluster.start_redis()
        cls.cluster.start_scheduler()
        cls.cluster.start_services(("chat-api", "notification-service"), {"NOTIFY_WEBHOOK": "webhook"})

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()
        cls.hook.stop()

    def state(self, task):
        text = self.cluster.sql(f"SELECT state, attempts, claimed_by IS NULL, coalesce(error, '') FROM notify.delivery WHERE channel = 'webhook' AND task_id = '{task}'")
        return text.split("|") if text else ["none", "0", "t", ""]

    def reminded(self, title):
        # Of high priority: it goes out in quiet hours as well.
        return remind(self.cluster, title, user=USER, priority="high")

    def wait_failed(self, task, attempts):
        """Until so many tries have failed, or more: the next one comes by itself after a while."""
        def failed():
            state, tries, free, error = self.state(task)
            return state == "pending" and int(tries) >= attempts and free == "t" and error
        wait_until(failed, 60, f"failure {attempts} of the webhook")

    def due_now(self, task):
        """The next try, which would be due later."""
        self.cluster.sql(f"UPDATE notify.delivery SET deliver_at = now() WHERE channel = 'webhook' AND task_id = '{task}'")

    def test_what_fails_twice_is_delivered_once(self):
        self.hook.status = 503
        task = self.reminded(TITLE)
        for attempts in (1, 2):
            self.wait_failed(task["id"], attempts)
            if attempts == 2:
                self.hook.status = 204
            self.due_now(task["id"])
        wait_until(lambda: self.state(task["id"])[0] == "sent", 60, "the delivery")
        behind = self.reminded("behind")
        wait_until(lambda: self.state(behind["id"])[0] == "sent", 60, "the delivery behind")
        sent = [r for r in self.hook.requests if json.loads(r[3])["task_id"] == task["id"]]
        statuses = [r[0] for r in sent]
        self.assertGreaterEqual(len(sent), 3)
        self.assertEqual(statuses, [503] * (len(sent) - 1) + [204])
        self.assertEqual(self.state(task["id"])[1], str(len(sent)))
        keys = {r[2]["Idempotency-Key"] for r in sent}
        self.assertEqual(keys, {json.loads(sent[0][3])["event_id"]})
        self.assertEqual(sent[0][1], "/hook?of=todo")
        self.assertEqual(sent[0][2]["Content-Type"], "application/json")
        self.assertEqual(json.loads(sent[-1][3])["task_title"], TITLE)

    def test_settings_come_from_the_secret_store(self):
        path = os.path.join(self.cluster.folder, "secrets.json")
        with open(path, "w") as f:
            json.dump({"DATABASE_URL": postgres().url(self.cluster.database), "JWT_SECRET": SECRET}, f)
        self.cluster.resources.append(os.path.join(ROOT, "dapr", "standalone"))
        self.cluster.dapr_env["SECRETS_FILE"] = path
        # Its own environment has neither.
        self.cluster.start_service("chat-api", {"SECRET_STORE": "secrets", "DATABASE_URL": None, "JWT_SECRET": None}, replica=2)
        status, task = self.cluster.call("POST", "/api/tasks", {"title": "with secrets"}, "chat-api-2", USER)
        self.assertEqual(status, 201, task)
        self.assertEqual(self.cluster.call("GET", "/api/tasks/" + task["id"], user=USER)[0], 200)


if __name__ == "__main__":
    unittest.main()

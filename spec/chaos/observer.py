#!/usr/bin/env python3
"""An app behind the sidecar that hears of everything and writes down what comes, in the order of its coming.
usage: observer.py PORT FILE. A line is: topic, event id, type, task id, version ("-" where there is none)."""

import http.server
import json
import sys
import threading

TOPICS = [("pubsub", "task-events"), ("pubsub", "reminders"), ("pubsub", "recurring-tasks"), ("pubsub-broadcast", "task-updates")]
SUBSCRIPTIONS = [{"pubsubname": p, "topic": t, "route": "/events/" + t} for p, t in TOPICS]


def line_of(topic, event):
    data = event["data"]
    return "\t".join([topic, data["event_id"], data["event_type"], data["task_id"], str(data["payload"].get("version", "-"))])


def main():
    port, lock, out = int(sys.argv[1]), threading.Lock(), open(sys.argv[2], "a", buffering=1)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def answer(self, status, value):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/dapr/subscribe":
                return self.answer(200, SUBSCRIPTIONS)
            return self.answer(404, {})

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith("/events/"):
                return self.answer(404, {})
            line = line_of(self.path[8:], json.loads(body))
            with lock:
                out.write(line + "\n")
            return self.answer(200, {"status": "SUCCESS"})

        do_OPTIONS = do_GET

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

        def handle_error(self, *_):
            pass    # the sidecar is killed in the middle of its calls
    Server(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()

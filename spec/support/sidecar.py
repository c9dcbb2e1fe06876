"""A sidecar for specs: it takes what is published and remembers it, and fails as it is told."""

import http.server
import json
import threading


class Sidecar:
    def __init__(self, port=0):
        self.lock = threading.Lock()
        self.events = []      # (topic, key, CloudEvent), in the order of their arrival
        self.calls = 0
        self.behave = None    # fn(topic, entries) -> (status, body) or None to take them
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = owner.take(self.path, body)
                if status is None:
                    self.close_connection = True
                    return
                data = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, *_):
                pass    # the program under test may be killed in the middle of a call
        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def take(self, path, body):
        parts = path.split("?")[0].split("/")
        assert parts[1:4] == ["v1.0-alpha1", "publish", "bulk"], path
        topic, entries = parts[5], json.loads(body)
        with self.lock:
            self.calls += 1
            verdict = self.behave(topic, entries) if self.behave else None
            failed = set()
            if verdict:
                status, answer = verdict
                if not (isinstance(answer, dict) and "failedEntries" in answer):
                    return status, answer
                failed = {e["entryId"] for e in answer["failedEntries"]}
            for entry in entries:
                if entry["entryId"] not in failed:
                    self.events.append((topic, entry["metadata"]["partitionKey"], entry["event"]))
            return verdict or (204, None)

    def of(self, topic):
        with self.lock:
            return [(key, event) for t, key, event in self.events if t == topic]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

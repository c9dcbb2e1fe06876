"""A sidecar for specs: it takes what is published and remembers it, answers other calls as it is told,
and fails as it is told."""

import collections
import http.server
import json
import threading

from system import free_port

Request = collections.namedtuple("Request", "method path headers body")    # header names in lower case

NO_ROUTE = 404, {"errorCode": "ERR_DIRECT_INVOKE", "message": "failed getting app id either from the URL path or the header dapr-app-id"}


class Sidecar:
    def __init__(self, port=None):
        port = port or free_port()    # one that is still there when it is started again
        self.lock = threading.Lock()
        self.events = []      # (topic, key, CloudEvent), in the order of their arrival
        self.pubsubs = {}     # topic -> the pubsub components that it was published to
        self.calls = 0
        self.bulk = []        # the Requests that were bulk publish
        self.behave = None    # fn(topic, entries) -> (status, body) or None to take them
        self.answer = None    # fn(Request) -> (status, body[, headers]) for all but bulk publish
        self.requests = []    # those that were not bulk publish
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer, *more = owner.take(Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                if status is None:
                    self.close_connection = True
                    return
                data = b"" if answer is None else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, *_):
                pass    # the program under test may be killed in the middle of a call
        # A port that no connection gets while this one is away.
        self.server = Server(("127.0.0.1", port or free_port()), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def take(self, request):
        parts = request.path.split("?")[0].split("/")
        if parts[1:4] == ["v1.0-alpha1", "publish", "bulk"] and request.method == "POST":
            self.pubsubs.setdefault(parts[5], set()).add(parts[4])
            self.bulk.append(request)
            return self.take_bulk(parts[5], json.loads(request.body))
        with self.lock:
            self.requests.append(request)
        return self.answer(request) if self.answer else NO_ROUTE

    def take_bulk(self, topic, entries):
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

    def asked(self, part):
        """The other requests whose path holds `part`."""
        with self.lock:
            return [r for r in self.requests if part in r.path]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

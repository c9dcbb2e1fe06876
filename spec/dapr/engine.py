"""What the conformance cases run against. An engine runs sidecars for a list of apps; the cases know
nothing of how. DAPR_ENGINE chooses: standin (the default), that of scripts/sidecar; daprd, the real one with
Kafka, Redis and the scheduler (daprd.py). Cases that hold for one of them only say so and why.

    engine = start(apps, components=[…], env={…})
    engine.port(app)      the sidecar port of an app (of its first replica)
    engine.kill(), engine.end(), engine.start()   at once; in peace; again
    engine.restart(), engine.stop()
    engine.lose(app)      the app is gone, and its own sidecar if it has one
    engine.namespace      the namespace of its apps

Components are Dapr's, as data: {"name", "type", "metadata", "scopes", "inbound": {"retry", "timeout"}}."""

import http.client
import http.server
import json
import os
import shutil
import socket
import tempfile
import threading
import time
import unittest

from system import Host, Reply, free_port, note_answer, postgres, wait_until

NAME = os.environ.get("DAPR_ENGINE", "standin")
STANDIN = NAME == "standin"
FAST = {"retry": {"policy": "constant", "duration": "100ms", "maxRetries": -1}}


def standin_only(why):
    """A test that cannot hold for daprd."""
    return unittest.skipUnless(STANDIN, "the stand-in alone: " + why)


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.body = method, target, body
        self.path, _, self.query = target.partition("?")
        self.headers = headers          # email.message.Message: any case, get_all
        self.at = time.monotonic()

    @property
    def json(self):
        return json.loads(self.body)


class App:
    """An app behind a sidecar: it remembers what it is asked and answers as it is told. A handler gets the
    Request and returns a status, a body, or (status, body, headers); what is not set answers 404."""

    def __init__(self, app_id, subscriptions=(), handlers=None, listen=True, port=None):
        self.id = app_id
        self.subscriptions = subscriptions or []    # a list, or (status, body)
        self.handlers = dict(handlers or {})
        self.requests = []
        self.lock = threading.Lock()
        self.server = None
        self.sockets = set()
        self.port = free_port() if port is None else port
        if listen and self.port:
            self.listen()

    def listen(self):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                with owner.lock:
                    owner.sockets.add(self.connection)

            def finish(self):
                with owner.lock:
                    owner.sockets.discard(self.connection)
                super().finish()

            def read_body(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    parts = []
                    while size := int(self.rfile.readline(), 16):
                        parts.append(self.rfile.read(size))
                        self.rfile.readline()
                    self.rfile.readline()
                    return b"".join(parts)
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def handle_any(self):
                request = Request(self.command, self.path, self.headers, self.read_body())
                answer = owner.take(request)
                if answer is None:
                    self.close_connection = True
                    return
                status, body, headers = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = handle_any

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, *_):
                pass
        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def take(self, request):
        """(status, body, headers), or None: the connection ends without an answer."""
        with self.lock:
            self.requests.append(request)
        if request.path == "/dapr/subscribe" and request.path not in self.handlers:
            answer = self.subscriptions if isinstance(self.subscriptions, tuple) else (200, self.subscriptions)
        else:
            handler = self.handlers.get(request.path)
            answer = handler(request) if callable(handler) else 404 if handler is None else handler
        if answer == "hang up":
            return None
        if isinstance(answer, (int, dict, list, str)):
            answer = (answer, b"") if isinstance(answer, int) else (200, answer)
        status, body, headers = (*answer, {})[:3]
        if isinstance(body, (dict, list)):
            headers = {"Content-Type": "application/json", **headers}
            body = json.dumps(body)
        return status, body.encode() if isinstance(body, str) else body, headers

    def close(self):
        """As if its process ended: nobody listens, open connections break."""
        if not self.server:
            return
        self.server.shutdown()
        self.server.server_close()
        self.server = None
        with self.lock:
            sockets = list(self.sockets)
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def calls(self, path, method=None):
        with self.lock:
            return [r for r in self.requests if r.path == path and method in (None, r.method)]

    def wait_calls(self, path, count=1, seconds=15):
        wait_until(lambda: len(self.calls(path)) >= count, seconds, f"{count} calls of {path} at {self.id}")
        return self.calls(path)

    def forget(self):
        with self.lock:
            self.requests.clear()


def client(app_id="client"):
    """An app without a port: it only calls."""
    return App(app_id, port=0)


def call(port, method, path, body=None, headers=None, timeout=20):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    head = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        head.setdefault("Content-Type", "application/json")
    if isinstance(body, str):
        body = body.encode()
    try:
        connection.request(method, path, body, {n: v for n, v in head.items() if v is not None})
        got = connection.getresponse()
        reply = Reply(got.status, got.getheaders(), got.read())
        note_answer(method, port, path, reply)
        return reply
    finally:
        connection.close()


class StandIn:
    name, namespace = "standin", "default"

    def __init__(self, apps, components=(), secret_scopes=(), files=None, env=None, database=None):
        self.apps = list(apps)
        self.folder = tempfile.mkdtemp(prefix="sidecar-spec-")
        for name, value in (files or {}).items():
            with open(os.path.join(self.folder, name), "w") as f:
                json.dump(value, f)
        config = os.path.join(self.folder, "components.json")
        with open(config, "w") as f:
            json.dump({"components": list(components), "secretScopes": list(secret_scopes)}, f)
        self.ports = {app: free_port() for app in self.apps}
        own = free_port()
        self.host = Host(services=("sidecar",), start=False, database=database, env={
            "SIDECAR_CONFIG": config, "PORT": str(own - 2000),
            "SIDECAR_APPS": ",".join(f"{a.id}={a.port or ''}:{self.ports[a]}" for a in self.apps), **(env or {})})
        self.host.ready_port = own
        self.host.migrate()

    def start(self):
        self.host.start()
        wait_until(lambda: all(self._listens(p) for p in self.ports.values()), 15, "the sidecar ports")

    @staticmethod
    def _listens(port):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    def wait_subscribed(self):
        """Until each app that listens has been asked for its subscriptions."""
        for app in self.apps:
            if app.server:
                wait_until(lambda a=app: call(self.port(a), "GET", "/v1.0/healthz", headers={}).status == 204,
                           15, f"healthz of {app.id}")
        return self

    def port(self, app):
        return self.ports[app]

    def kill(self):
        self.host.kill()

    def end(self):
        self.host.stop()

    def restart(self):
        self.kill()
        self.start()

    def lose(self, app):
        app.close()

    def sql(self, text):
        return postgres().sql(text, self.host.database)

    def stop(self):
        try:
            self.host.stop()
            # Whatever a case does to it, the sidecar itself must not break.
            broken = [line for line in self.host.log_text().splitlines() if '"level":"error"' in line and
                      not any(f'"msg":"{m}"' in line for m in ("a subscription is refused", "requests did not finish while draining", "database is not reachable"))]
            if broken:
                raise AssertionError("\n".join(broken[:5]))
        finally:
            for app in self.apps:
                app.close()
            postgres().sql(f"DROP DATABASE IF EXISTS {self.host.database} WITH (FORCE)")
            shutil.rmtree(self.folder, ignore_errors=True)


def start(apps, **options):
    if STANDIN:
        engine = StandIn(apps, **options)
    else:
        import daprd
        engine = daprd.Daprd(apps, **options)
    try:
        engine.start()
        return engine.wait_subscribed()
    except BaseException:
        engine.stop()
        raise


def subscription(topic, route=None, pubsub="pubsub", **more):
    return {"pubsubname": pubsub, "topic": topic, "route": route or "/" + topic, **more}

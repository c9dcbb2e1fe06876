"""A server that speaks the OpenAI chat protocol as a spec tells it to: each request takes the next step of its script, which gets the
request's JSON and the handler, and sends what it likes. What was asked is kept."""

import http.server
import json
import os
import socket
import ssl
import subprocess
import tempfile
import threading


def self_signed():
    """A context for TLS whose certificate nobody trusts."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = os.path.join(folder, "key"), os.path.join(folder, "certificate")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    return context


class ModelServer:
    def __init__(self, tls=None):
        self.requests = []         # of {"path", "headers", "body"}
        self.steps = []            # functions of (reply, body); the last one goes on answering
        self.lock = threading.Lock()
        self.broken = threading.Event()    # set when the server ends: whoever drips gives up
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send_error(404)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with server.lock:
                    server.requests.append({"path": self.path, "headers": dict(self.headers), "body": json.loads(body)})
                    step = server.steps.pop(0) if len(server.steps) > 1 else server.steps[0] if server.steps else text("Hello.")
                try:
                    step(Reply(self, server.broken), json.loads(body))
                except (BrokenPipeError, ConnectionResetError):
                    pass
                self.close_connection = True

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128    # whoever finds a short queue full tries to connect again only after a second

            def handle_error(self, *_):
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/v1"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def script(self, *steps):
        with self.lock:
            self.requests.clear()
            self.steps[:] = steps

    @property
    def bodies(self):
        return [request["body"] for request in self.requests]

    def close(self):
        self.broken.set()
        self.http.shutdown()
        self.http.server_close()


class Reply:
    """One answer, in whatever shape."""

    def __init__(self, handler, broken):
        self.handler = handler
        self.broken = broken
        self.chunked = True

    def head(self, status=200, content_type="text/event-stream", length=None, **more):
        self.chunked = length is None
        self.handler.send_response(status)
        self.handler.send_header("Content-Type", content_type)
        for name, value in more.items():
            self.handler.send_header(name.replace("_", "-"), value)
        if self.chunked:
            self.handler.send_header("Transfer-Encoding", "chunked")
        else:
            self.handler.send_header("Content-Length", str(length))
        self.handler.send_header("Connection", "close")
        self.handler.end_headers()

    def raw(self, data):
        data = data.encode() if isinstance(data, str) else data
        self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)
        self.handler.wfile.flush()

    def end(self):
        if self.chunked:
            self.handler.wfile.write(b"0\r\n\r\n")
            self.handler.wfile.flush()

    def event(self, value, space=" ", newline="\n"):
        data = value if isinstance(value, str) else json.dumps(value)
        self.raw(f"data:{space}{data}{newline}{newline}")

    def delta(self, delta, finish=None, **style):
        self.event({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}, **style)

    def wait(self, seconds):
        """False once the spec is over."""
        return not self.broken.wait(seconds)

    def reset(self):
        self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.handler.connection.close()


def text(*pieces, **style):
    def step(reply, _):
        reply.head()
        reply.delta({"role": "assistant", "content": ""}, **style)
        for piece in pieces:
            reply.delta({"content": piece}, **style)
        reply.delta({}, "stop", **style)
        reply.event("[DONE]", **style)
        reply.end()
    return step


def calls(*wanted, content=None):
    """Tool calls, (name, arguments) each; arguments as a dict, or as text that is sent as it is. They come in several deltas."""
    def step(reply, body):
        reply.head()
        reply.delta({"role": "assistant", "content": content})
        for i, call in enumerate(wanted):
            name, arguments = call(body) if callable(call) else call
            arguments = arguments if isinstance(arguments, str) else json.dumps(arguments)
            reply.delta({"tool_calls": [{"index": i, "id": f"call_{len(body['messages'])}_{i}", "type": "function",
                                         "function": {"name": name, "arguments": ""}}]})
            for at in range(0, len(arguments), 7):
                reply.delta({"tool_calls": [{"index": i, "function": {"arguments": arguments[at:at + 7]}}]})
        reply.delta({}, "tool_calls")
        reply.event({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}})
        reply.event("[DONE]")
        reply.end()
    return step


def whole(status=200, content_type="application/json", body="", **headers):
    """One body at once."""
    def step(reply, _):
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        reply.head(status, content_type, len(data), **headers)
        reply.raw(data)
    return step


def results(body):
    """The tool results among the messages of a request, in order."""
    return [json.loads(message["content"]) for message in body["messages"] if message["role"] == "tool"]

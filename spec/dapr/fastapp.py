"""A consumer that is quick enough to measure with: it answers 200 to whatever is posted and keeps the events."""

import asyncio
import json
import threading
import time

from system import free_port


class FastApp:
    def __init__(self, app_id, subscriptions, listen=True):
        self.id, self.port = app_id, free_port()
        self.subscriptions = json.dumps(subscriptions).encode()
        self.events = []
        self.first = self.last = None
        self.server = None
        if listen:
            self.listen()

    def listen(self):
        self.server = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.connections = set()
        threading.Thread(target=self.run, daemon=True).start()
        self.server.wait()

    def run(self):
        asyncio.set_event_loop(self.loop)
        owner = self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport, self.buffer = transport, b""
                owner.connections.add(transport)

            def connection_lost(self, _):
                owner.connections.discard(self.transport)

            def data_received(self, data):
                self.buffer += data
                while True:
                    end = self.buffer.find(b"\r\n\r\n")
                    if end < 0:
                        return
                    head = self.buffer[:end].lower()
                    at = head.find(b"content-length: ")
                    length = int(head[at + 16:].split(b"\r\n", 1)[0]) if at >= 0 else 0
                    if len(self.buffer) < end + 4 + length:
                        return
                    body, self.buffer = self.buffer[end + 4:end + 4 + length], self.buffer[end + 4 + length:]
                    self.answer(head, body)

            def answer(self, head, body):
                reply, status = b"", b"200 OK"
                if head.startswith(b"get /dapr/subscribe"):
                    reply = owner.subscriptions
                elif head.startswith(b"post"):
                    owner.events.append(json.loads(body))
                    owner.last = time.monotonic()
                    owner.first = owner.first or owner.last
                else:
                    status = b"404 Not Found"
                self.transport.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(reply), reply))
        server = self.loop.run_until_complete(self.loop.create_server(Connection, "127.0.0.1", self.port, backlog=256))
        self.server.set()
        self.loop.run_forever()
        server.close()
        for transport in list(self.connections):
            transport.abort()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()
        self.server = None

    def close(self):
        if self.server:
            self.loop.call_soon_threadsafe(self.loop.stop)
            while self.server:
                time.sleep(0.005)

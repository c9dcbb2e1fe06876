"""A way to a server that can be closed, and that can swallow all without a word."""

import selectors
import socket
import threading

from system import free_port


class Proxy:
    """Passes connections on to a port of this machine while `way` is "open". "closed": those that are
    there end, new ones are refused. "hole": nothing is passed on any more, and nobody is told."""

    def __init__(self, target):
        self.target, self.way, self.port = target, "open", free_port()    # a port that is still there after it was closed
        self.listener, self.peers = None, {}     # socket -> the one it passes on to
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.listen()
        self.thread.start()

    def listen(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)

    def drop(self, one):
        for end in (one, self.peers.pop(one, None)):
            if end:
                self.peers.pop(end, None)
                end.close()

    def accept(self):
        client, _ = self.listener.accept()
        if self.way == "hole":
            self.peers[client] = None
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            client.close()
            return
        self.peers[client], self.peers[server] = server, client

    def pass_on(self, one):
        try:
            data = one.recv(65536)
            if data:
                self.peers[one].sendall(data)
                return
        except OSError:
            pass
        self.drop(one)

    def step(self):
        if self.way == "closed":
            if self.listener:
                self.listener.close()
                self.listener = None
            for one in list(self.peers):
                self.drop(one)
            self.over.wait(0.05)
            return
        if not self.listener:
            self.listen()
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            for one, other in list(self.peers.items()):
                if self.way == "open" and other is None:
                    self.drop(one)      # it came while nobody listened to it
                elif self.way == "open":
                    selector.register(one, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(0.05)]
        for one in ready:
            if one is self.listener:
                self.accept()
            elif one in self.peers:
                self.pass_on(one)

    def run(self):
        while not self.over.is_set():
            self.step()

    def stop(self):
        self.over.set()
        self.thread.join()
        self.way = "closed"
        self.step()

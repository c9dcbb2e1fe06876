"""The API of Kubernetes, as plain requests."""

import http.client
import json
import socket
import ssl

MERGE = "application/merge-patch+json"


class Refused(AssertionError):
    """What the API server says no to."""

    def __init__(self, status, answer):
        self.status, self.message = status, answer.get("message", str(answer))
        super().__init__(f"{status}: {self.message}")


class Api:
    def __init__(self, port, certificate, token):
        self.port, self.token = port, token
        self.context = ssl.create_default_context(cafile=certificate)
        self.warnings = []      # what the server said besides its answers

    def connect(self, timeout):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.context)

    def ask(self, method, path, body=None, kind="application/json"):
        connection = self.connect(30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Authorization": "Bearer " + self.token, "Content-Type": kind, "Accept": "application/json"})
            reply = connection.getresponse()
            answer = json.loads(reply.read())
        finally:
            connection.close()
        self.warnings += reply.headers.get_all("Warning", [])
        if reply.status >= 300:
            raise Refused(reply.status, answer)
        return answer

    def get(self, path, *default):
        """What is at a path; the default, if one is given, where nothing is."""
        try:
            return self.ask("GET", path)
        except Refused as e:
            if e.status == 404 and default:
                return default[0]
            raise

    def items(self, path):
        return self.get(path)["items"]

    def is_ready(self):
        connection = self.connect(5)
        try:
            connection.request("GET", "/readyz", headers={"Authorization": "Bearer " + self.token})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def watch(self, path, version, opened):
        """(type, object) of what is there, appears or changes, until the server ends it; opened(close) says how to end it before."""
        connection = self.connect(90)
        connection.connect()
        opened(lambda: connection.sock and connection.sock.shutdown(socket.SHUT_RDWR))
        try:
            connection.request("GET", f"{path}?watch=1&timeoutSeconds=60&resourceVersion={version}",
                               headers={"Authorization": "Bearer " + self.token})
            reply = connection.getresponse()
            while line := reply.readline():
                event = json.loads(line)
                yield event["type"], event["object"]
        finally:
            connection.close()

"""The API of Kubernetes, as plain requests."""

import http.client
import json
import socket
import ssl
import time

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
        for _ in range(60):
            status, answer = self.ask_once(method, path, body, kind)
            if status < 300:
                return answer
            # The server says so of a kind that it has just been told of.
            if "(re)initializing" not in answer.get("message", ""):
                break
            time.sleep(0.5)
        raise Refused(status, answer)

    def ask_once(self, method, path, body, kind):
        connection = self.connect(60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Authorization": "Bearer " + self.token, "Content-Type": kind, "Accept": "application/json"})
            reply = connection.getresponse()
            answer = json.loads(reply.read())
        finally:
            connection.close()
        self.warnings += reply.headers.get_all("Warning", [])
        return reply.status, answer

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

    @staticmethod
    def path(version, space, plural):
        return f"/{'apis' if '/' in version else 'api'}/{version}/namespaces/{space}/{plural}"

    def kinds(self):
        """{(apiVersion, kind): (group, plural)} of what is in namespaces and can be listed."""
        groups = [("", "v1", "/api/v1")]
        for group in self.get("/apis")["groups"]:
            groups += [(group["name"], v["groupVersion"], "/apis/" + v["groupVersion"]) for v in group["versions"]]
        return {(version, r["kind"]): (group, r["name"]) for group, version, path in groups for r in self.get(path)["resources"]
                if r["namespaced"] and "list" in r["verbs"]}

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
            if reply.status != 200:
                raise Refused(reply.status, json.loads(reply.read()))
            while line := reply.readline():
                event = json.loads(line)
                yield event["type"], event["object"]
        finally:
            connection.close()

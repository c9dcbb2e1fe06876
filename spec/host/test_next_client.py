"""What a browser client on another origin relies on: a Next.js page that calls the API with fetch, a token of Better
Auth, and JSON.parse on whatever comes. `Browser` keeps the rules of fetch that a server can break."""

import json
import time
import unittest

from keys import Key, KeyServer
from system import HostCase, token, wait_until

PAGE = "https://todo.example"
SAFE_METHODS = {"GET", "HEAD", "POST"}
SAFE_HEADERS = {"accept", "accept-language", "content-language"}
READABLE = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}


class Blocked(Exception):
    """What a page sees as `TypeError: Failed to fetch`."""


def words(text):
    return {word.strip().lower() for word in (text or "").split(",") if word.strip()}


class Answer:
    """The part of an answer that the page may read."""

    def __init__(self, reply):
        exposed = READABLE | words(reply.headers.get("access-control-expose-headers"))
        self.status, self.body = reply.status, reply.body
        self.headers = {name: value for name, value in reply.headers.items() if name in exposed}

    @property
    def ok(self):
        return 200 <= self.status < 300

    def json(self):
        return json.loads(self.body)


class Browser:
    def __init__(self, host, origin=PAGE, credentials="include"):
        self.host, self.origin, self.credentials, self.preflights = host, origin, credentials, []

    def check(self, reply):
        allowed = reply.headers.get("access-control-allow-origin")
        if allowed != self.origin and not (allowed == "*" and self.credentials == "omit"):
            raise Blocked(f"{reply.status}: the origin is not allowed: {allowed}")
        if self.credentials == "include" and reply.headers.get("access-control-allow-credentials") != "true":
            raise Blocked(f"{reply.status}: credentials are not allowed")
        # A cache must not give one origin's answer to another.
        if allowed != "*" and "origin" not in words(reply.headers.get("vary")):
            raise Blocked(f"{reply.status}: Vary does not name Origin")

    def preflight(self, method, path, headers):
        asked = sorted(name.lower() for name in headers if name.lower() not in SAFE_HEADERS)
        reply = self.host.call("OPTIONS", path, token=None, headers={
            "Origin": self.origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": ",".join(asked)})
        self.preflights.append((method, path))
        self.check(reply)
        if not 200 <= reply.status < 300:
            raise Blocked(f"the preflight was answered {reply.status}")
        if method not in SAFE_METHODS and method.lower() not in words(reply.headers.get("access-control-allow-methods")):
            raise Blocked(f"the method {method} is not allowed")
        missing = set(asked) - words(reply.headers.get("access-control-allow-headers"))
        if missing:
            raise Blocked(f"the headers {missing} are not allowed")

    def fetch(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if method not in SAFE_METHODS or any(name.lower() not in SAFE_HEADERS for name in headers):
            self.preflight(method, path, headers)
        reply = self.host.call(method, path, body, token=None, headers={**headers, "Origin": self.origin})
        self.check(reply)
        return Answer(reply)


class Refused(Exception):
    def __init__(self, status, detail):
        super().__init__(f"{status}: {detail}")
        self.status, self.detail = status, detail


class Client:
    """The api.ts of such an app: one function that sets the same headers for every call, throws the `detail` of an error,
    and parses every other answer."""

    def __init__(self, browser, bearer):
        self.browser, self.bearer = browser, bearer

    def request(self, method, path, body=None, **headers):
        answer = self.browser.fetch(method, path, None if body is None else json.dumps(body), {
            "Authorization": f"Bearer {self.bearer}", "Content-Type": "application/json", "Accept": "application/json", **headers})
        if not answer.ok:
            error = answer.json()
            # A page shows it as it is: an object would be "[object Object]".
            assert isinstance(error["detail"], str) and error["detail"], error
            raise Refused(answer.status, error["detail"])
        return answer.json()

    def chat(self, user, message):
        answer = self.browser.fetch("POST", f"/api/{user}/chat", json.dumps({"message": message, "stream": True}), {
            "Authorization": f"Bearer {self.bearer}", "Content-Type": "application/json", "Accept": "text/event-stream"})
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.headers
        events, done = [], False
        for line in answer.body.decode().split("\n"):
            if not line.startswith("data: "):
                assert line == "" or line.startswith(":"), line
                continue
            assert not done, "something follows [DONE]"
            if line == "data: [DONE]":
                done = True
            else:
                events.append(json.loads(line[len("data: "):]))
        assert done
        return events


class NextClient(HostCase):
    services = ("--all",)
    env = {"CORS_ORIGINS": f"{PAGE}, http://localhost:3000", "USER_RATE": "10000"}

    def client(self, user="ann", **more):
        return Client(Browser(self.host, **more), token(user))

    def refused(self, call, status):
        with self.assertRaises(Refused) as caught:
            call()
        self.assertEqual(caught.exception.status, status, caught.exception)
        return caught.exception.detail

    def test_a_task_is_made_read_changed_completed_and_deleted(self):
        client = self.client()
        task = client.request("POST", "/api/tasks", {"title": "Buy milk", "priority": "high", "tags": ["Home"]})
        path = f"/api/tasks/{task['id']}"
        self.assertIn(task["id"], [t["id"] for t in client.request("GET", "/api/tasks?status=pending&sort=due_date&order=asc")])
        self.assertEqual(client.request("GET", path), task)
        self.assertEqual(client.request("PUT", path, {"title": "Buy oat milk", "due_date": None})["title"], "Buy oat milk")
        completed = client.request("PATCH", path + "/complete")
        self.assertEqual((completed["completed_task"]["status"], completed["next_task"]), ("completed", None))
        self.assertEqual(client.request("PATCH", path + "/complete", {})["completed_task"]["status"], "completed")
        wait_until(lambda: client.request("GET", path + "/history")["total"] >= 3, 60, "the history")
        self.assertEqual(client.request("DELETE", path), {"deleted": True, "id": task["id"]})
        self.assertEqual(self.refused(lambda: client.request("GET", path), 404), "Task not found")
        methods = {method for method, _ in client.browser.preflights}
        self.assertEqual(methods, {"GET", "POST", "PUT", "PATCH", "DELETE"})

    def test_a_recurring_task_brings_the_next_one_in_the_same_answer(self):
        client = self.client("rita")
        task = client.request("POST", "/api/tasks", {"title": "Water plants", "due_date": "2030-01-01T08:00:00Z", "recurrence_rule": "WEEKLY"})
        answer = client.request("PATCH", f"/api/tasks/{task['id']}/complete")
        self.assertEqual(set(answer), {"completed_task", "next_task"})

    def test_the_chat_is_parsed_line_by_line(self):
        events = self.client("carl").chat("carl", "add call mum tomorrow")
        self.assertEqual([event["type"] for event in events], ["tool_invocation", "content", "done"])
        self.assertIsInstance(events[1]["data"], str)
        self.assertEqual(events[0]["data"]["tool_name"], "add_task")
        self.assertEqual(set(events[2]["data"]), {"message", "tools_invoked", "conversation_id"})

    def test_the_chat_without_a_stream_and_what_was_said(self):
        client = self.client("cleo")
        answer = client.request("POST", "/api/cleo/chat", {"message": "add call dad"})
        self.assertEqual(answer["tools_invoked"][0]["success"], True)
        said = client.request("GET", "/api/cleo/chat/history")
        self.assertEqual([m["role"] for m in said], ["user", "assistant"])

    def test_every_error_has_a_sentence_that_the_page_can_read(self):
        client, missing = self.client(), "/api/tasks/00000000-0000-4000-8000-000000000000"
        task = client.request("POST", "/api/tasks", {"title": "old"})
        path = f"/api/tasks/{task['id']}"
        calls = {
            "a path that is not UTF-8": (400, lambda: client.request("GET", "/api/tasks/%ff")),
            "no good token": (401, lambda: Client(client.browser, "x").request("GET", "/api/tasks")),
            "another user's chat": (403, lambda: client.request("POST", "/api/bob/chat", {"message": "hello"})),
            "no such task": (404, lambda: client.request("DELETE", missing)),
            "another user's task": (404, lambda: self.client("bob").request("GET", path)),
            "no such method": (405, lambda: client.request("PATCH", "/api/tasks", {})),
            "a lost race": (412, lambda: client.request("PUT", path, {"title": "new"}, **{"If-Match": '"7"'})),
            "too large": (413, lambda: client.request("POST", "/api/tasks", {"title": "x" * 70000})),
            "not JSON": (415, lambda: client.request("POST", "/api/tasks", {"title": "x"}, **{"Content-Type": "text/plain"})),
            "no title": (422, lambda: client.request("POST", "/api/tasks", {})),
            "a list": (422, lambda: client.request("POST", "/api/tasks", [])),
            "no such word": (422, lambda: client.request("GET", "/api/tasks?status=done")),
            "too many headers": (431, lambda: client.request("GET", "/api/tasks", **{"If-Match": "x" * 17000})),
        }
        for name, (status, call) in calls.items():
            with self.subTest(name):
                self.refused(call, status)

    def test_no_answer_of_the_api_is_empty_or_left_to_the_browsers_cache(self):
        client = self.client("eve")
        task = client.request("POST", "/api/tasks", {"title": "cached"})
        for _ in range(2):
            answer = client.browser.fetch("GET", f"/api/tasks/{task['id']}", headers={"Authorization": f"Bearer {token('eve')}"})
            # With no-store a browser never asks whether it has changed, so a 304 without a body never comes.
            self.assertEqual((answer.status, answer.headers["cache-control"]), (200, "no-store"))
            self.assertTrue(answer.json())
        for method, path in (("GET", "/api/tasks"), ("GET", "/api/tasks?search=nothing"), ("GET", "/api/eve/chat/history")):
            answer = client.browser.fetch(method, path, headers={"Authorization": f"Bearer {token('eve')}"})
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
            self.assertIsInstance(answer.json(), list)

    def test_the_page_can_read_the_headers_that_it_needs(self):
        browser, headers = Browser(self.host), {"Authorization": f"Bearer {token('hal')}", "Content-Type": "application/json"}
        made = [browser.fetch("POST", "/api/tasks", json.dumps({"title": f"n{i}"}), {**headers, "Idempotency-Key": f"hal-{i}"})
                for i in range(2)]
        self.assertEqual(made[0].headers["etag"], '"1"')
        self.assertEqual(made[0].headers["location"], f"/api/tasks/{made[0].json()['id']}")
        page = browser.fetch("GET", "/api/tasks?limit=1", headers=headers)
        self.assertEqual(page.headers["x-total-count"], "2")
        self.assertRegex(page.headers["link"], '^</api/tasks\\?.*>; rel="next"$')
        self.assertTrue(page.headers["x-request-id"])

    def test_without_credentials_and_from_the_other_named_origin(self):
        for origin, credentials in ((PAGE, "omit"), ("http://localhost:3000", "include"), ("http://localhost:3000", "omit")):
            client = self.client("ida", origin=origin, credentials=credentials)
            self.assertEqual(client.request("GET", "/api/tasks"), [])

    def test_other_origins_get_no_grant(self):
        for origin in ("https://evil.example", "null", "https://todo.example.evil.example", "http://todo.example", "https://todo.example:444",
                       "https://TODO.example", "https://todo.example/", "https://sub.todo.example", "*", "https://todo.example, https://evil.example"):
            for method, path in (("OPTIONS", "/api/tasks"), ("GET", "/api/tasks"), ("POST", "/api/tasks"), ("GET", "/nothing")):
                reply = self.host.call(method, path, {"title": "x"} if method == "POST" else None, headers={
                    "Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"},
                    token=token("mallory"))
                with self.subTest(origin=origin, method=method):
                    granted = [name for name in reply.headers if name.startswith("access-control-")]
                    self.assertEqual(granted, [])
                    if method == "OPTIONS":
                        self.assert_problem(reply, 403)

    def test_odd_headers_and_methods_are_not_granted(self):
        browser = Browser(self.host)
        for headers in ({"X-Evil": "1"}, {"Authorization": "x", "Cookie2": "1"}, {"Dapr-Api-Token": "x"}, {"X-Http-Method-Override": "DELETE"}):
            with self.subTest(headers=headers), self.assertRaises(Blocked):
                browser.fetch("GET", "/api/tasks", headers=headers)
        for method in ("TRACE", "CONNECT", "PURGE"):
            with self.subTest(method=method), self.assertRaises(Blocked):
                browser.preflight(method, "/api/tasks", {})


class AnyOrigin(HostCase):
    env = {"CORS_ORIGINS": "*"}

    def test_any_page_may_read_but_not_with_cookies(self):
        client = Client(Browser(self.host, "https://anywhere.example", "omit"), token())
        self.assertEqual(client.request("GET", "/api/tasks"), [])
        with self.assertRaises(Blocked):
            Client(Browser(self.host, "https://anywhere.example", "include"), token()).request("GET", "/api/tasks")


class Flood(HostCase):
    env = {"CORS_ORIGINS": PAGE, "USER_RATE": "1"}

    def test_a_flood_is_told_so_in_a_sentence_with_the_time_to_wait(self):
        browser, headers = Browser(self.host), {"Authorization": f"Bearer {token()}"}
        answers = [browser.fetch("GET", "/api/tasks", headers=headers) for _ in range(60)]
        refused = [answer for answer in answers if answer.status == 429]
        self.assertTrue(refused)
        self.assertIsInstance(refused[0].json()["detail"], str)
        self.assertGreaterEqual(int(refused[0].headers["retry-after"]), 1)


class Away(HostCase):
    env = {"CORS_ORIGINS": PAGE, "DATABASE_URL": "postgresql://postgres@127.0.0.1:1/nothing"}

    @classmethod
    def setUpClass(cls):
        from system import Host
        cls.host = Host(cls.services, env=cls.env, start=False)
        cls.host.start(wait=False)
        wait_until(cls.alive, 60, "alive")

    @classmethod
    def alive(cls):
        try:
            return cls.host.get("/health", token=None).status == 200
        except OSError:
            return False

    def test_a_database_that_is_away_is_503_in_a_sentence(self):
        answer = Browser(self.host).fetch("GET", "/api/tasks", headers={"Authorization": f"Bearer {token()}"})
        self.assertEqual(answer.status, 503)
        self.assertIsInstance(answer.json()["detail"], str)
        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)


class BetterAuth(HostCase):
    """Its jwt() plugin: EdDSA, a kid, the user's record as claims, keys at /api/auth/jwks."""

    issuer = "https://todo.example"

    @classmethod
    def setUpClass(cls):
        cls.key = Key("EdDSA", "H2lk6jBSDCY0vYzJ2a8rYk7p0V1xwBpP")
        cls.server = KeyServer([cls.key], "/api/auth/jwks")
        cls.env = {"JWT_SECRET": "", "JWKS_URL": cls.server.url, "CORS_ORIGINS": PAGE, "JWT_ISSUER": cls.issuer,
                   "JWT_AUDIENCE": cls.issuer}
        super().setUpClass()
        # Keys that did not come within 3 s are asked for again after a minute.
        wait_until(lambda: cls.host.get("/api/tasks", token=cls.bearer()).status == 200, 30, "the keys")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.server.stop()

    @classmethod
    def bearer(cls, **claims):
        now = int(time.time())
        return cls.key.token(header={"alg": "EdDSA", "kid": cls.key.kid}, **{
            "iat": now, "exp": now + 900, "sub": "Zk3vQ9tXyLr8", "iss": cls.issuer, "aud": cls.issuer, "id": "Zk3vQ9tXyLr8", "name": "Ann",
            "email": "ann@todo.example", "emailVerified": True, "image": None, "createdAt": "2026-01-01T00:00:00.000Z", **claims})

    def test_its_token_names_the_user_by_sub(self):
        client = Client(Browser(self.host), self.bearer())
        task = client.request("POST", "/api/tasks", {"title": "mine"})
        self.assertEqual(task["user_id"], "Zk3vQ9tXyLr8")
        self.assertEqual(client.chat("Zk3vQ9tXyLr8", "list my tasks")[-1]["type"], "done")

    def test_tokens_of_others_are_refused_in_a_sentence(self):
        for claims in ({"exp": int(time.time()) - 1}, {"aud": "https://other.example"}, {"iss": "https://other.example"}, {"sub": ""}, {"sub": None}):
            with self.subTest(claims=claims), self.assertRaises(Refused) as caught:
                Client(Browser(self.host), self.bearer(**claims)).request("GET", "/api/tasks")
            self.assertEqual(caught.exception.status, 401)


if __name__ == "__main__":
    unittest.main()

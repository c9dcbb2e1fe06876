"""Who may do what: tokens against the rows S01 to S14 of the matrix, and the inner port's token."""

import base64
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from faults import at_once  # noqa: E402
from keys import Key, KeyServer  # noqa: E402
from system import SECRET, HostCase, b64, make_token, token, wait_until  # noqa: E402


class Tokens(HostCase):
    def refused(self, bearer, detail=None):
        reply = self.host.get("/api/tasks", headers={"Authorization": bearer}, token=None)
        self.assert_problem(reply, 401)
        self.assertEqual(reply.headers["www-authenticate"], "Bearer")
        if detail:
            self.assertEqual(reply.json["detail"], detail)

    def test_a_good_token_is_accepted(self):
        self.assertEqual(self.host.get("/api/tasks").status, 200)
        self.assertEqual(self.host.get("/api/tasks", headers={"Authorization": "bearer " + token()}).status, 200)

    def test_no_token_or_another_scheme(self):
        self.assert_problem(self.host.get("/api/tasks", token=None), 401)
        for header in ("", "Bearer", "Bearer ", "Basic YTpi", token(), "Bearer a b", "Token " + token()):
            self.refused(header)

    def test_algorithms_that_are_not_configured(self):
        now = int(time.time())
        claims = {"sub": "ann", "exp": now + 60}
        body = b64(json.dumps(claims).encode())
        for alg in ("none", "None", "nOnE", "HS384", "HS512", "RS256", "ES256", "EdDSA", "", None, 5):
            head = b64(json.dumps({"alg": alg, "typ": "JWT"}).encode())
            self.refused(f"Bearer {head}.{body}.")
            self.refused(f"Bearer {head}.{body}.AAAA")
            self.refused("Bearer " + make_token(claims, header={"alg": alg}), "Invalid token")

    def test_headers_that_point_elsewhere_are_not_followed(self):
        claims = {"sub": "ann", "exp": int(time.time()) + 60}
        self.refused("Bearer " + make_token(claims, header={"alg": "HS256", "crit": ["exp"]}))
        self.refused("Bearer " + make_token(claims, header={"alg": "HS256", "typ": "other"}))
        for extra in ({"kid": "../../etc/passwd"}, {"kid": "' OR 1=1"}, {"jku": "http://127.0.0.1:1/"}, {"jwk": {"kty": "oct", "k": "AA"}}):
            head = {"alg": "HS256", **extra}
            self.refused("Bearer " + make_token(claims, secret="another-secret-another-secret-xx", header=head))

    def test_times(self):
        now = int(time.time())
        self.refused("Bearer " + make_token({"sub": "ann", "exp": now - 1}), "Token expired")
        for exp in (None, str(now + 60), [now + 60], True, {}):
            self.refused("Bearer " + make_token({"sub": "ann", "exp": exp}), "Invalid token payload")
        self.refused("Bearer " + make_token({"sub": "ann"}), "Invalid token payload")
        self.refused("Bearer " + make_token(b'{"sub":"ann","exp":1e300}'), "Invalid token payload")
        self.refused("Bearer " + make_token({"sub": "ann", "exp": now + 600, "nbf": now + 300}), "Invalid token payload")
        self.refused("Bearer " + make_token({"sub": "ann", "exp": now + 90000, "iat": now + 80000}), "Invalid token payload")

    def test_subjects(self):
        exp = int(time.time()) + 60
        for sub in (None, "", 5, ["ann"], "x" * 256, "a\nb", "a\u0001", {}):
            self.refused("Bearer " + make_token({"sub": sub, "exp": exp}), "Invalid token payload")

    def test_damaged_tokens(self):
        good = token()
        head, body, mac = good.split(".")
        for bad in (f"{head}.{body}", f"{head}.{body}.{mac}.x", f"{head}.{body}.{mac[:-2]}", f"{head}.{body}x.{mac}",
                    f"..{mac}", f"{head}..{mac}", "a.b.c", f"{head}.{body}.{mac}=", f"{head}.{body}.", "x" * 9000,
                    f"{base64.b64encode(b'[]').decode().rstrip('=')}.{body}.{mac}"):
            self.refused("Bearer " + bad)

    def test_a_token_that_expires_while_it_is_known(self):
        def ask():
            return self.host.get("/api/tasks", headers={"Authorization": "Bearer " + short})
        for seconds in (1.2, 5, 20):    # a slow machine knows one that lasts longer
            short = make_token({"sub": "short", "exp": time.time() + seconds})
            if ask().status == 200:
                break
        else:
            self.fail("it never was good")
        reply = wait_until(lambda: (reply := ask()).status != 200 and reply, what="its end")
        self.assert_problem(reply, 401)
        self.assertEqual(reply.json["detail"], "Token expired")

    def test_the_chat_is_ones_own(self):
        self.assert_problem(self.host.post("/api/bob/chat", {"message": "hi"}), 403)
        self.assert_problem(self.host.get("/api/bob/chat/history"), 403)


class Claims(HostCase):
    env = {"JWT_AUDIENCE": "todo", "JWT_ISSUER": "https://id.example"}

    def status(self, **claims):
        return self.host.get("/api/tasks", headers={"Authorization": "Bearer " + token(**claims)}).status

    def test_audience_and_issuer_are_checked_where_configured(self):
        good = {"aud": "todo", "iss": "https://id.example"}
        self.assertEqual(self.status(**good), 200)
        self.assertEqual(self.status(**{**good, "aud": ["x", "todo"]}), 200)
        for bad in ({"aud": "other"}, {"aud": ["x"]}, {"aud": None}, {"iss": "https://evil"}, {"iss": ["https://id.example"]}):
            self.assertEqual(self.status(**{**good, **bad}), 401, bad)
        self.assertEqual(self.host.run("token", "eve").returncode, 0)
        made = self.host.run("token", "eve").stdout.strip()
        self.assertEqual(self.host.get("/api/tasks", headers={"Authorization": "Bearer " + made}).status, 200)


class BruteForce(HostCase):
    def test_many_bad_tokens_from_one_address_are_429(self):
        def guess():
            return self.host.get("/api/tasks", headers={"Authorization": "Bearer x"}).status
        statuses = [guess() for _ in range(200)]
        self.assertEqual(set(statuses), {401})
        # Some are allowed again each second: who guesses faster than that is stopped, after as many as it takes.
        wait_until(lambda: statuses.extend(at_once(20, guess)) or 429 in statuses, what="a refusal")
        self.assertEqual(set(statuses), {401, 429})


class Jwks(HostCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = [Key("RS256", "r"), Key("ES256", "e"), Key("EdDSA", "d")]
        cls.server = KeyServer(cls.keys)
        cls.env = {"JWT_SECRET": "", "JWKS_URL": cls.server.url}
        super().setUpClass()
        # Keys that could not be had in time are asked for again after a minute.
        wait_until(lambda: cls.host.get("/api/tasks", headers={"Authorization": "Bearer " + cls.keys[0].token()}).status == 200, 30, "the keys", pause=1)

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.server.stop()

    def status(self, bearer):
        return self.host.get("/api/tasks", headers={"Authorization": "Bearer " + bearer}).status

    def test_each_algorithm_verifies(self):
        for key in self.keys:
            with self.subTest(key.kind):
                good = key.token()
                self.assertEqual(self.status(good), 200)
                self.assertEqual(self.status(good[:-6] + ("AAAAAA" if good[-6:] != "AAAAAA" else "BBBBBB")), 401)
                head, body, mac = key.token().split(".")
                other = b64(json.dumps({"sub": "eve", "exp": int(time.time()) + 600}).encode())
                self.assertEqual(self.status(f"{head}.{other}.{mac}"), 401)

    def test_a_public_key_is_no_hmac_secret(self):
        claims = {"sub": "ann", "exp": int(time.time()) + 600}
        for key in self.keys:
            for secret in (key.public_pem, key.public_der, key.public_der[-32:], b""):
                for kid in (key.kid, None):
                    header = {"alg": "HS256", **({"kid": kid} if kid else {})}
                    self.assertEqual(self.status(make_token(claims, secret=secret, header=header)), 401)

    def test_the_algorithm_must_be_the_keys(self):
        key = self.keys[1]
        for alg in ("RS256", "EdDSA", "none", "HS256"):
            self.assertEqual(self.status(key.token(header={"alg": alg, "kid": "e"})), 401)

    def test_unknown_kids_do_not_make_a_flood_of_fetches(self):
        self.assertEqual(self.status(self.keys[0].token()), 200)
        before, began = self.server.fetches, time.monotonic()
        for i in range(30):
            self.assertEqual(self.status(self.keys[0].token(header={"alg": "RS256", "kid": f"x{i}"})), 401)
        self.assertLessEqual(self.server.fetches - before, 1 + (time.monotonic() - began) // 60)
        self.assertEqual(self.status(self.keys[0].token()), 200)


class InnerToken(HostCase):
    env = {"APP_API_TOKEN": "inner-token-0123456789"}

    def test_the_inner_port_needs_its_token(self):
        inner = self.host.base + 1000
        for headers in ({}, {"dapr-api-token": ""}, {"dapr-api-token": "wrong"}, {"dapr-api-token": "inner-token-012345678"}):
            self.assert_problem(self.host.get("/dapr/subscribe", port=inner, headers=headers), 403)
        good = {"dapr-api-token": "inner-token-0123456789"}
        self.assertNotEqual(self.host.get("/dapr/subscribe", port=inner, headers=good).status, 403)
        invoked = self.host.get("/dapr/subscribe", port=inner, headers={**good, "dapr-caller-app-id": "other"})
        self.assert_problem(invoked, 403)


class Secrets(HostCase):
    def test_no_secret_is_shown(self):
        for reply in (self.host.get("/metrics", token=None), self.host.get("/health", token=None), self.host.get("/ready", token=None)):
            self.assertNotIn(SECRET.encode(), reply.body)
        self.host.get("/api/tasks", headers={"Authorization": "Bearer secret-token-value.x.y"})
        self.assertNotIn(SECRET, self.host.log_text())
        self.assertNotIn("secret-token-value", self.host.log_text())


class Start(HostCase):
    def test_weak_secrets_stop_the_start(self):
        for weak in ("short", "secret" * 8, "changeme" * 5, "a" * 40, "abababababababababababababababababab", " " + SECRET):
            done = self.host.run("run", "chat-api", JWT_SECRET=weak)
            self.assertEqual((done.returncode, done.stdout), (1, ""), weak)
            self.assertRegex(done.stderr, r"^todo-host: JWT_SECRET [^\n]+\n$")
            self.assertNotIn(f'"{weak}"', done.stderr)
            self.assertTrue(weak == "short" or weak not in done.stderr)

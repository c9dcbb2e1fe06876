"""Settings from the secret store: what the program asks of the sidecar before it starts, and what it makes of the answers."""

import json
import os
import shutil
import socket
import sys
import tempfile
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from sidecar import Sidecar  # noqa: E402
from system import ROOT, SECRET, Host, new_database, postgres, token, wait_until  # noqa: E402

OPEN_SETTINGS = ("DATABASE_URL", "JWT_SECRET")    # what Host sets, and these specs leave to the store
TOKEN = "sidecar-token-0123456789"


class Store:
    """The sidecar of a secret store: {secret: {key: value}}; a str or (status, errorCode, message) is what it answers instead."""

    def __init__(self, secrets, port=0, unready=0):
        self.secrets = secrets
        self.unready = unready    # how often it still says that it is not ready
        self.sidecar = Sidecar(port)
        self.sidecar.answer = self.answer
        self.port = self.sidecar.port

    def answer(self, request):
        if request.path == "/v1.0/healthz/outbound":
            if self.unready > 0:
                self.unready -= 1
                return 500, {"errorCode": "ERR_OUTBOUND_HEALTH_NOT_READY", "message": "dapr outbound is not ready"}
            return 204, None
        if isinstance(self.secrets, str):
            return 200, self.secrets.encode()
        if isinstance(self.secrets, tuple):
            status, code, message = self.secrets
            return status, {"errorCode": code, "message": message}
        kind, store, key = request.path.removeprefix("/v1.0/").split("/")
        if (kind, store) != ("secrets", "vault"):
            return 401, {"errorCode": "ERR_SECRET_STORE_NOT_FOUND", "message": f"failed finding secret store with key {store}"}
        if key == "bulk":
            return 200, self.secrets
        secret = urllib.parse.unquote(key)
        if secret not in self.secrets:
            return 500, {"errorCode": "ERR_SECRET_GET", "message": f"secret {secret} not found"}
        return 200, self.secrets[secret]

    def asked(self):
        return [r.path for r in self.sidecar.requests if "healthz" not in r.path]


def each(values):
    """A store in which each setting is a secret of its own."""
    return {name: {name: value} for name, value in values.items()}


class Secrets(unittest.TestCase):
    def setUp(self):
        self.database = new_database()
        self.good = {"DATABASE_URL": postgres().url(self.database), "JWT_SECRET": SECRET}
        self.started = []

    def tearDown(self):
        try:
            for thing in self.started:
                thing.stop()
        finally:
            postgres().sql(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")

    def store(self, secrets):
        store = Store(secrets)
        self.started.append(store.sidecar)
        return store

    def host(self, port, env=None, services=("chat-api",), settings="vault", left_out=OPEN_SETTINGS):
        host = Host(services, database=self.database, start=False,
                    env={"SECRET_STORE": settings, "DAPR_HTTP_PORT": str(port), "DAPR_API_TOKEN": TOKEN, **(env or {})})
        for name in left_out:
            host.env.pop(name)
        return host

    def run_it(self, host):
        host.migrate()
        host.start()
        self.started.insert(0, host)

    def refuses(self, host, *words, command=("run", "chat-api")):
        done = host.run(*command)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        last = done.stderr.splitlines()[-1]
        for word in words:
            self.assertIn(word, last)
        self.assertTrue(last.startswith("todo-host: "), last)
        self.assertNotIn("Traceback", done.stderr)
        return done.stderr

    def test_each_setting_may_be_a_secret_of_its_own(self):
        store = self.store(each(self.good) | {"other": {"other": "not ours"}, "JWT_ISSUER": {"JWT_ISSUER": "them"}})
        host = self.host(store.port)
        self.run_it(host)
        self.assertEqual(set(store.asked()), {"/v1.0/secrets/vault/bulk"})
        self.assertEqual({r.headers.get("dapr-api-token") for r in store.sidecar.requests if "/secrets/" in r.path}, {TOKEN})
        self.assertEqual(host.get("/api/tasks", token=token("ann", iss="them")).status, 200)
        self.assertEqual(host.get("/api/tasks", token=token("ann", iss="others")).status, 401)
        self.assertIn("settings were read from the secret store", host.log_text())
        for value in (SECRET, self.good["DATABASE_URL"]):
            self.assertNotIn(value, host.log_text())

    def test_one_secret_may_hold_them_all(self):
        store = self.store({"todo/chat bot": self.good})
        host = self.host(store.port, settings="vault/todo/chat bot")
        self.run_it(host)
        self.assertEqual(set(store.asked()), {"/v1.0/secrets/vault/todo%2Fchat%20bot"})
        self.assertEqual(host.post("/api/tasks", {"title": "x"}).status, 201)

    def test_the_environment_comes_first(self):
        store = self.store(each(self.good | {"JWT_SECRET": "another-secret-0123456789-abcdefghijkl", "PORT": "1", "USER_RATE": ""}))
        host = self.host(store.port, left_out=("DATABASE_URL",))
        self.run_it(host)
        self.assertEqual(host.get("/api/tasks").status, 200)

    def test_scripts_see_no_difference(self):
        store = self.store(each(self.good | {"OPENAI_MODEL": "of-the-store", "NOTIFY_EMAIL": "mail"}))
        scripts = os.environ.get("SCRIPTS_DIR") or os.path.join(ROOT, "scripts")
        folder = tempfile.mkdtemp(prefix="todo-spec-scripts-")
        self.addCleanup(shutil.rmtree, folder)
        for name in ("lib", "rules", "sql"):
            os.symlink(os.path.join(scripts, name), os.path.join(folder, name))
        os.symlink(os.path.join(ROOT, "spec", "support", "services", "spec-api"), os.path.join(folder, "spec-api"))
        host = self.host(store.port, services=("spec-api",), env={"SCRIPTS_DIR": folder, "NOTIFY_EMAIL": "of-the-environment"})
        self.run_it(host)
        for name, value in (("OPENAI_MODEL", "of-the-store"), ("NOTIFY_EMAIL", "of-the-environment"), ("OPENAI_API_KEY", None)):
            self.assertEqual(host.get("/setting?name=" + name, token=None).json["value"], value)

    def test_other_commands_read_it_too_but_those_that_need_nothing(self):
        store = self.store(each(self.good))
        host = self.host(store.port)
        made = host.run("token", "zoe")
        self.assertEqual(made.returncode, 0, made.stderr)
        asked = len(store.asked())
        self.assertEqual(host.run("services").returncode, 0)
        self.assertEqual(host.run("--help").returncode, 0)
        self.assertEqual(len(store.asked()), asked)
        self.run_it(host)
        self.assertEqual(host.get("/api/tasks", headers={"Authorization": "Bearer " + made.stdout.strip()}).status, 200)

    def test_it_waits_for_a_sidecar_that_comes_later(self):
        Host(database=self.database, start=False).migrate()
        host = self.host(1)
        port = host.base + 7
        host.env["DAPR_HTTP_PORT"] = str(port)
        host.start(wait=False)
        self.started.append(host)
        wait_until(lambda: "waiting for the sidecar" in host.log_text(), 10, "the log to say that it waits")
        store = Store(each(self.good), port, unready=3)
        self.started.append(store.sidecar)
        wait_until(lambda: "settings were read" in host.log_text(), 10, "the settings")
        self.assertEqual(store.unready, 0)
        host.wait_ready()

    def test_what_is_wrong_in_the_store_is_one_line_that_names_it(self):
        for name, value in (("DATABASE_URL", "mysql://hidden"), ("JWT_SECRET", "hidden"), ("WORKERS", "hidden"), ("LOG_LEVEL", "hidden"),
                            ("JWKS_URL", "hidden"), ("CORS_ORIGINS", "hidden org")):
            store = self.store(each(self.good | {name: value}))
            self.assertNotIn("hidden", self.refuses(self.host(store.port), f"todo-host: {name} from the secret store "))

    def test_what_is_nowhere_is_said_to_be_nowhere(self):
        store = self.store({"todo": {"JWT_SECRET": SECRET}})
        self.refuses(self.host(store.port, settings="vault/todo"), "DATABASE_URL is not set, nor in the secret store")
        store = self.store({})
        self.refuses(self.host(store.port), "DATABASE_URL is not set, nor in the secret store")
        self.refuses(self.host(store.port), "JWT_SECRET is not set, nor in the secret store", command=("token", "me"))

    def test_a_store_that_refuses_is_one_line_that_names_the_setting(self):
        for status, code, message in ((403, "ERR_PERMISSION_DENIED", "access denied by policy"), (500, "ERR_SECRET_GET", "the vault\nis sealed"),
                                      (500, "ERR_SECRET_STORES_NOT_CONFIGURED", "secret store is not configured")):
            store = self.store((status, code, message))
            self.refuses(self.host(store.port), "SECRET_STORE vault: ", str(status), message.replace("\n", " "))
        store = self.store(each(self.good))
        self.refuses(self.host(store.port, settings="strongbox"), "SECRET_STORE strongbox: ", "401", "failed finding secret store")
        self.refuses(self.host(store.port, settings="vault/none"), "SECRET_STORE vault/none: ", "secret none not found")

    def test_nonsense_is_refused(self):
        for answer in ("", "<html>", '{"DATABASE_URL":', '{"a":1,"a":2}'):
            store = self.store(answer)
            self.refuses(self.host(store.port), "SECRET_STORE vault: ", "not JSON")
        for answer in ("[]", "5", '{"DATABASE_URL":"postgresql://x/y"}', '{"x":{"DATABASE_URL":"postgresql://x/y"}}',
                       '{"DATABASE_URL":[{"DATABASE_URL":"postgresql://x/y"}]}', '{"DATABASE_URL":{"DATABASE_URL":5}}'):
            store = self.store(answer)
            self.refuses(self.host(store.port), "DATABASE_URL is not set")
        for bad in ("/x", "vault/", "/"):
            self.refuses(self.host(1, settings=bad), "SECRET_STORE must be STORE or STORE/SECRET")

    def test_a_sidecar_that_never_comes_is_given_up(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            began = time.monotonic()
            log = self.refuses(self.host(port), "SECRET_STORE vault: ", f"http://127.0.0.1:{port}", "not ready after 30 s")
            self.assertGreater(time.monotonic() - began, 29)
            self.assertGreaterEqual(log.count("waiting for the sidecar"), 3)

    def test_the_stand_in_of_the_same_process_cannot_be_asked(self):
        host = self.host(1, env={"SIDECAR_PORT": "10000"})
        host.env.pop("DAPR_HTTP_PORT")
        self.refuses(host, "SECRET_STORE", "SIDECAR_PORT", command=("run", "--all"))

    def test_a_stand_in_of_another_process_has_stores_with_scopes(self):
        folder = tempfile.mkdtemp(prefix="todo-spec-secrets-")
        self.addCleanup(shutil.rmtree, folder)
        with open(os.path.join(folder, "secrets.json"), "w") as file:
            json.dump(self.good | {"JWT_ISSUER": "them", "WORKERS": "three"}, file)
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump({"components": [{"name": "vault", "type": "secretstores.local.file", "version": "v1", "metadata": {"secretsFile": "secrets.json"}}],
                       "secretScopes": [{"storeName": "vault", "defaultAccess": "deny", "allowedSecrets": ["DATABASE_URL", "JWT_SECRET"]}]}, file)
        stand_in = Host(("sidecar",), database=self.database, start=False, env={"SIDECAR_CONFIG": os.path.join(folder, "config.json")})
        base = stand_in.base
        stand_in.env["SIDECAR_APPS"] = f"chat-api={base + 1000}:{base + 2000}"
        self.run_it(stand_in)
        host = self.host(base + 2000, env={"PORT": str(base)})
        host.base = base
        self.run_it(host)
        self.assertEqual(host.get("/api/tasks").status, 200)    # JWT_ISSUER is denied, as is WORKERS, which is malformed
        self.assertEqual(host.post("/api/tasks", {"title": "x"}).status, 201)
        wait_until(lambda: postgres().sql("SELECT count(*) FROM chat.outbox", self.database) == "0", 20, "its events to be published there")


if __name__ == "__main__":
    unittest.main()

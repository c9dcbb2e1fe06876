"""ci/smoke: passes on a system that works, and says what does not."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import ROOT, Host, free_port, postgres, token  # noqa: E402


def smoke(*words, **env):
    # Nothing between it and the system, whatever the machine has set.
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run([os.path.join(ROOT, "ci", "smoke"), *words], env={**clean, **env}, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=600)


class Words(unittest.TestCase):
    def test_wrong_words_are_2_and_named(self):
        for words, env, part in (((), {}, "usage"), (("example.org",), {}, "usage"), (("http://127.0.0.1:1",), {"SMOKE_TOKEN": ""}, "SMOKE_TOKEN"),
                                 (("http://127.0.0.1:1",), {"SMOKE_TOKEN": "a.b.c"}, "SMOKE_TOKEN"),
                                 (("http://127.0.0.1:1",), {"SMOKE_TOKEN": token("ann"), "SMOKE_WAIT": "soon"}, "SMOKE_WAIT")):
            done = smoke(*words, **env)
            self.assertEqual((done.returncode, done.stdout), (2, ""), (words, env))
            self.assertIn(part, done.stderr)

    def test_nobody_who_answers_is_1(self):
        done = smoke(f"http://127.0.0.1:{free_port()}", SMOKE_TOKEN=token("ann"), SMOKE_WAIT="0")
        self.assertEqual((done.returncode, done.stdout), (1, "0 passed, 1 failed\n"))
        self.assertIn("ready failed", done.stderr)


class Smoke(unittest.TestCase):
    def run_on(self, services, **env):
        host = Host(services, env={"LOG_LEVEL": "error"})
        try:
            done = smoke(f"http://127.0.0.1:{host.port_of('chat-api')}", SMOKE_TOKEN=token("smoke/é"), **env)
            left = json.loads(host.get("/api/tasks?status=all", token=token("smoke/é")).body)
            return done, left
        finally:
            host.stop()
            postgres().sql(f"DROP DATABASE IF EXISTS {host.database} WITH (FORCE)")

    def test_a_system_that_works_passes_and_nothing_is_left(self):
        done, left = self.run_on(("--all",))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[-1], "7 passed, 0 failed")
        self.assertEqual(left, [])

    def test_a_system_whose_events_go_nowhere_fails_at_the_history_and_nothing_is_left(self):
        done, left = self.run_on(("chat-api",), SMOKE_WAIT="3")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], "5 passed, 1 failed")
        self.assertIn("smoke: history failed", done.stderr)
        self.assertEqual(left, [])

    def test_a_token_that_the_system_does_not_take_fails(self):
        host = Host(("chat-api",), env={"LOG_LEVEL": "error", "JWT_SECRET": "another-secret-0123456789-abcdefghij"})
        try:
            done = smoke(f"http://127.0.0.1:{host.base}", SMOKE_TOKEN=token("ann"), SMOKE_WAIT="1")
        finally:
            host.stop()
        self.assertEqual((done.returncode, done.stdout), (1, "0 passed, 1 failed\n"))
        self.assertIn("answered 401", done.stderr)


if __name__ == "__main__":
    unittest.main()

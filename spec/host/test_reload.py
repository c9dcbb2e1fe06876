"""Scripts that change while the program runs: taken by all workers or by none, and no request fails meanwhile."""

import http.client
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import ROOT, Host, new_database, token, wait_until  # noqa: E402

PATIENCE = 60

SERVICE = """
local fiber = require("host.fiber")
local json = require("lib.json")
local timer = require("host.timer")
local words = require("reload-spec.words")
local worker = require("host.worker")

local begun, ticks, last = 0, 0, nil

return {
  name = "reload-spec", port = %(port)d, inner_port = 9005,%(more)s
  routes = {
    { "GET", "/word", auth = false, function()
      return 200, { word = words.word, begun = begun, worker = worker.index }
    end },
    { "GET", "/slow", auth = false, function()
      fiber.sleep(1500)
      return 200, { word = words.word }
    end },
    { "GET", "/stream", auth = false, function()
      return 200, function(stream)
        last = stream
        stream:write("data: " .. words.word .. "\\n\\n")
      end, { ["Content-Type"] = "text/event-stream" }
    end },
  },
  start = function()
    begun = begun + 1
    %(start)s
    timer.every(5, function() ticks = ticks + 1 end)
    fiber.spawn(function()
      while not worker.ending() do
        fiber.sleep(20000)
      end
    end)
  end,
}
"""


def swap(path, text):
    """As an editor does it that writes a new file."""
    with open(path + "~", "w") as f:
        f.write(text)
    os.rename(path + "~", path)


class Client(threading.Thread):
    """Asks one thing again and again on one connection until it is told to end."""

    def __init__(self, port, path="/word"):
        super().__init__(daemon=True)
        self.port, self.path = port, path
        self.ended = threading.Event()
        self.answers, self.failures = [], []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        while not self.ended.is_set():
            sent = time.monotonic()
            try:
                connection.request("GET", self.path)
                reply = connection.getresponse()
                body = reply.read()
                if reply.status != 200:
                    self.failures.append((reply.status, body))
                else:
                    self.answers.append((sent, json.loads(body)["word"]))
            except (OSError, http.client.HTTPException) as why:
                self.failures.append(why)
                connection.close()
        connection.close()


class ReloadCase(unittest.TestCase):
    workers = "3"

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="todo-spec-reload-")
        self.scripts = os.path.join(self.folder, "scripts")
        os.mkdir(self.scripts)
        for name in ("lib", "rules", "sql"):
            os.symlink(os.path.join(ROOT, "scripts", name), os.path.join(self.scripts, name))
        os.mkdir(self.path(""))
        self.words("one")
        self.service()
        self.host = None
        self.addCleanup(shutil.rmtree, self.folder, True)

    def path(self, name):
        return os.path.join(self.scripts, "reload-spec", name)

    def service(self, port=8005, more="", start=""):
        swap(self.path("service.lua"), SERVICE % {"port": port, "more": more, "start": start})

    def words(self, word):
        swap(self.path("words.lua"), f'return {{ word = "{word}" }}\n')

    def start(self, **env):
        self.host = Host(("reload-spec",), start=False,
                         env={"SCRIPTS_DIR": self.scripts, "WORKERS": self.workers, "RELOAD_LOOK_MS": "3600000", **env})
        self.addCleanup(self.end)
        self.host.migrate()
        self.host.start()
        self.port = self.host.port_of("reload-spec")
        return self.host

    def end(self):
        if self.host.process:
            self.host.stop()

    def status(self, kind="scripts"):
        return self.host.get(f"/{kind}/status", token=None, port=self.host.port_of("reload-spec", inner=True)).json

    def word(self):
        return self.host.get("/word", token=None, port=self.port).json["word"]

    def wait_loads(self, count):
        wait_until(lambda: self.status()["loads"] >= count, PATIENCE, f"{count} loads")
        self.assertEqual(self.status()["state"], "loaded")

    def wait_failed(self, part):
        wait_until(lambda: self.status()["state"] == "failed", PATIENCE, "a refusal")
        self.assertIn(part, self.status()["error"])

    def metric(self, name):
        text = self.host.get("/metrics", token=None, port=self.port).body.decode()
        return [line for line in text.splitlines() if line.startswith(name)]

    def run_clients(self, count=4):
        clients = [Client(self.port) for _ in range(count)]
        for client in clients:
            client.start()
        self.addCleanup(lambda: [client.ended.set() for client in clients])
        wait_until(lambda: all(client.answers for client in clients), PATIENCE, "answers")
        return clients

    def end_clients(self, clients):
        for client in clients:
            client.ended.set()
        for client in clients:
            client.join(PATIENCE)
        self.assertEqual([failure for client in clients for failure in client.failures], [])
        return [answer for client in clients for answer in client.answers]


class Scripts(ReloadCase):
    def test_a_changed_script_is_taken_by_every_worker_and_no_request_fails(self):
        self.start()
        clients = self.run_clients()
        self.words("two")
        self.wait_loads(2)
        live_at = time.monotonic()
        wait_until(lambda: all(c.answers[-1][0] > live_at for c in clients), PATIENCE, "answers after the change")
        answers = self.end_clients(clients)
        self.assertEqual({word for _, word in answers}, {"one", "two"})
        self.assertEqual({word for sent, word in answers if sent > live_at}, {"two"})

    def test_a_plain_write_into_the_file_is_seen(self):
        self.start()
        with open(self.path("words.lua"), "w") as f:
            f.write('return { word = "in place" }\n')
        wait_until(lambda: self.word() == "in place", PATIENCE, "the word")

    def test_start_runs_once_in_each_generation(self):
        self.start()
        self.words("two")
        self.wait_loads(2)
        for _ in range(20):
            self.assertEqual(self.host.get("/word", token=None, port=self.port).json["begun"], 1)

    def test_a_broken_script_changes_nothing_but_what_is_said(self):
        self.start()
        before = self.status()["revision"]
        clients = self.run_clients()
        swap(self.path("words.lua"), "return {\n  word = = 1 }\n")
        self.wait_failed("reload-spec/words.lua:2:")
        self.assertEqual({word for _, word in self.end_clients(clients)}, {"one"})
        self.assertEqual(self.status()["revision"], before)
        ready = self.host.get("/ready", token=None, port=self.port)
        self.assertEqual(ready.status, 200)
        self.assertIn("reload-spec/words.lua:2:", ready.json["detail"])
        self.assertEqual(self.metric("todo_scripts_config_last_reload_successful"),
                         ["todo_scripts_config_last_reload_successful 0"])
        line = next(l for l in self.host.log_text().splitlines() if "not reloaded" in l)
        self.assertIn("reload-spec/words.lua:2:", line)

    def test_what_was_broken_and_put_back_is_settled(self):
        self.start()
        swap(self.path("words.lua"), "return nil +\n")
        self.wait_failed("words.lua")
        self.words("one")
        wait_until(lambda: self.status()["state"] == "loaded", PATIENCE, "the old state")
        self.assertNotIn("detail", self.host.get("/ready", token=None, port=self.port).json)
        self.assertEqual(self.metric("todo_scripts_config_last_reload_successful"),
                         ["todo_scripts_config_last_reload_successful 1"])

    def test_a_request_that_runs_ends_on_the_scripts_it_began_with(self):
        self.start()
        slow = [Client(self.port, "/slow") for _ in range(3)]
        for client in slow:
            client.start()
            client.ended.set()    # one request each
        wait_until(lambda: any(line.split()[-1] != "0" for line in self.metric("http_server_requests_in_flight")), PATIENCE, "a request")
        self.words("two")
        self.wait_loads(2)
        for client in slow:
            client.join(PATIENCE)
            self.assertEqual((client.failures, [word for _, word in client.answers]), ([], ["one"]))
        self.assertEqual(self.word(), "two")

    def test_an_earlier_generation_goes_when_it_has_nothing_left_to_do(self):
        self.start()
        self.words("two")
        self.wait_loads(2)
        wait_until(lambda: self.metric("lua_generations") == ['lua_generations{service="reload-spec"} 3'], PATIENCE, "one generation a worker")

    def test_a_stream_ends_whole_when_its_generation_goes(self):
        self.start()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("GET", "/stream")
        reply = connection.getresponse()
        self.words("two")
        self.assertEqual(reply.read(), b"data: one\n\n")

    def test_a_changed_port_needs_a_restart(self):
        self.start()
        self.service(port=8006)
        self.wait_failed("changes port from 8005 to 8006, which needs a restart")
        self.assertEqual(self.word(), "one")

    def test_changed_subscriptions_need_a_restart(self):
        self.start()
        self.service(more=' subscriptions = { { pubsub = "p", topic = "t", path = "/t", handler = function() return "SUCCESS" end, bury = function() end } },')
        self.wait_failed("changes its subscriptions, which needs a restart")

    def test_a_service_that_does_not_reload_waits_for_a_restart(self):
        self.service(more=" reloads = false,")
        self.start()
        self.words("two")
        self.wait_failed("reload-spec: changed, but needs a restart")
        self.assertEqual(self.word(), "one")

    def test_scripts_whose_start_fails_are_taken_back_everywhere(self):
        self.start()
        clients = self.run_clients()
        self.service(start='error("start on purpose")')
        self.wait_failed("start on purpose")
        self.assertEqual({word for _, word in self.end_clients(clients)}, {"one"})
        self.words("two")
        self.service()
        wait_until(lambda: self.word() == "two", PATIENCE, "the next change")

    def test_a_signal_tries_again_what_was_refused(self):
        self.start()
        swap(self.path("words.lua"), "return nil +\n")
        self.wait_failed("words.lua")
        self.host.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.status()["failures"] == 2, PATIENCE, "another attempt")

    def test_what_inotify_does_not_hear_is_found_by_looking(self):
        os.rename(self.path("words.lua"), os.path.join(self.folder, "words.lua"))
        os.link(os.path.join(self.folder, "words.lua"), self.path("words.lua"))
        self.start(RELOAD_LOOK_MS="200")
        fd = os.open(os.path.join(self.folder, "words.lua"), os.O_WRONLY)
        os.pwrite(fd, b'return { word = "two" }', 0)    # not closed: nothing is heard in the watched folder
        self.addCleanup(os.close, fd)
        wait_until(lambda: self.word() == "two", PATIENCE, "the word")

    def test_a_folder_that_is_replaced_is_followed(self):
        self.start()
        shutil.copytree(self.scripts, self.scripts + ".new", symlinks=True)
        swap(os.path.join(self.scripts + ".new", "reload-spec", "words.lua"), 'return { word = "replaced" }')
        os.rename(self.scripts, self.scripts + ".old")
        time.sleep(0.3)    # it is away for a moment
        os.rename(self.scripts + ".new", self.scripts)
        wait_until(lambda: self.word() == "replaced", PATIENCE, "the word")
        self.words("after")
        wait_until(lambda: self.word() == "after", PATIENCE, "the word in the new folder")

    def test_a_config_map_that_is_swapped_is_followed(self):
        for name in ("1", "2"):
            os.makedirs(self.path(f"..{name}"))
            for file in ("service.lua", "words.lua"):
                shutil.copy(self.path(file), self.path(f"..{name}/{file}"))
        swap(self.path("..2/words.lua"), 'return { word = "swapped" }')
        os.symlink("..1", self.path("..data"))
        for file in ("service.lua", "words.lua"):
            os.remove(self.path(file))
            os.symlink(f"..data/{file}", self.path(file))
        self.start()
        self.assertEqual(self.word(), "one")
        os.symlink("..2", self.path("..data_tmp"))
        os.rename(self.path("..data_tmp"), self.path("..data"))
        wait_until(lambda: self.word() == "swapped", PATIENCE, "the word")

    def test_many_changes_leave_nothing_behind(self):
        self.start()
        clients = self.run_clients(2)
        loads = 60
        for i in range(loads):
            self.words(f"w{i}")
            self.wait_loads(i + 2)
        self.end_clients(clients)
        wait_until(lambda: self.metric("lua_generations") == ['lua_generations{service="reload-spec"} 3'], PATIENCE, "one generation a worker")
        wait_until(lambda: self.metric("lua_fibers") == ['lua_fibers{service="reload-spec"} 3'], PATIENCE, "the loops of 3 workers")
        self.assertEqual(len(self.metric("todo_scripts_info")), 1)


class System(unittest.TestCase):
    """The services themselves."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="todo-spec-reload-")
        self.scripts = os.path.join(self.folder, "scripts")
        shutil.copytree(os.path.join(ROOT, "scripts"), self.scripts)
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.host = Host(("--all",), env={"SCRIPTS_DIR": self.scripts, "RELOAD_LOOK_MS": "3600000"}, database=new_database())
        self.addCleanup(self.host.stop)

    def status(self):
        return self.host.get("/scripts/status", token=None, port=self.host.port_of("chat-api", inner=True)).json

    def touch(self, name, text):
        with open(os.path.join(self.scripts, name)) as f:
            old = f.read()
        swap(os.path.join(self.scripts, name), old.replace("return {", text + "\nreturn {", 1))

    def audit(self, task_id):
        reply = self.host.get(f"/api/tasks/{task_id}/history")
        return reply.status == 200 and len(reply.json["entries"]) if isinstance(reply.json, dict) else len(reply.json)

    def test_events_go_on_through_changes_of_the_scripts(self):
        ids = []
        for i in range(5):
            self.touch("chat-api/service.lua", f"-- {i}")
            self.touch("audit-service/service.lua", f"-- {i}")
            reply = self.host.post("/api/tasks", {"title": f"task {i}"})
            self.assertEqual(reply.status, 201, reply.body)
            ids.append(reply.json["id"])
            wait_until(lambda: self.status()["loads"] >= i + 2, PATIENCE, "the change")
        for task_id in ids:
            wait_until(lambda: self.audit(task_id) == 1, PATIENCE, "the event in the log")

    def test_an_open_stream_ends_and_its_client_is_told_to_read_anew(self):
        def connect(last=None):
            s = http.client.HTTPConnection("127.0.0.1", self.host.base, timeout=PATIENCE)
            self.addCleanup(s.close)
            s.request("GET", "/api/events", headers={"Authorization": "Bearer " + token(), **({"Last-Event-ID": last} if last else {})})
            return s.getresponse()
        first = connect()
        self.touch("chat-api/service.lua", "-- changed")
        self.assertIn(b": connected", first.read())
        wait_until(lambda: self.status()["loads"] == 2, PATIENCE, "the change")
        again = connect("00000000-0000-0000-0000-000000000001")
        seen = b""
        while b"event: reset" not in seen:
            seen += again.read1(1000)


class Rules(unittest.TestCase):
    """The business rules alone change: no script is loaded anew."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="todo-spec-reload-")
        self.rules = os.path.join(self.folder, "rules")
        shutil.copytree(os.path.join(ROOT, "scripts", "rules"), self.rules)
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.host = Host(env={"RULES_DIR": self.rules, "WORKERS": "3"})
        self.addCleanup(self.host.stop)

    def status(self, kind="rules"):
        return self.host.get(f"/{kind}/status", token=None, port=self.host.port_of("chat-api", inner=True)).json

    def edit(self, name, text):
        with open(os.path.join(self.rules, name)) as f:
            old = f.read()
        swap(os.path.join(self.rules, name), text + old)

    def test_changed_rules_are_taken_and_scripts_stay(self):
        self.edit("task.lua", "-- changed\n")
        wait_until(lambda: self.status()["loads"] == 2, PATIENCE, "the rules")
        self.assertEqual((self.status()["state"], len(self.status()["previous"])), ("loaded", 1))
        self.assertEqual(self.status("scripts")["loads"], 1)

    def test_broken_rules_change_nothing_but_what_is_said(self):
        before = self.status()["revision"]
        self.edit("task.lua", "return (\n")
        wait_until(lambda: self.status()["state"] == "failed", PATIENCE, "a refusal")
        self.assertEqual(self.status()["revision"], before)
        self.assertIn("task.lua:", self.status()["error"])
        ready = self.host.get("/ready", token=None)
        self.assertEqual(ready.status, 200)
        self.assertIn("rules: ", ready.json["detail"])
        self.assertEqual(self.host.post("/api/tasks", {"title": "goes on"}).status, 201)

    def test_rules_whose_examples_do_not_come_true_are_refused(self):
        name = os.path.join(self.rules, "task.examples.json")
        with open(name) as f:
            examples = json.load(f)
        examples[0]["result"] = "something else"
        swap(name, json.dumps(examples))
        wait_until(lambda: self.status()["state"] == "failed", PATIENCE, "a refusal")
        self.assertIn("task.examples.json: example 1", self.status()["error"])

    def test_rules_that_fail_too_often_are_taken_back(self):
        before = self.status()["revision"]
        with open(os.path.join(self.rules, "task.lua")) as f:
            text = f.read()
        os.remove(os.path.join(self.rules, "task.examples.json"))
        wait_until(lambda: self.status()["loads"] == 2, PATIENCE, "rules without examples")
        good = self.status()["revision"]
        swap(os.path.join(self.rules, "task.lua"), text.replace("\nreturn task", '\nfunction task.create() error("bad rule") end\nreturn task'))
        wait_until(lambda: self.status()["loads"] == 3, PATIENCE, "the bad rules")
        for i in range(30):
            self.assertEqual(self.host.post("/api/tasks", {"title": f"task {i}"}).status, 201)
        wait_until(lambda: self.status()["state"] == "returned", PATIENCE, "the rules before")
        self.assertEqual(self.status()["revision"], good)
        self.assertNotEqual(good, before)
        self.assertIn("calls failed", self.status()["error"])


if __name__ == "__main__":
    unittest.main()

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
from system import HOST, ROOT, Host, new_database, token, wait_until  # noqa: E402

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

    def test_scripts_that_fail_in_one_worker_are_taken_back_in_all(self):    # F67
        self.start()
        before = self.status()["revision"]
        clients = self.run_clients()
        self.words("two")
        self.wait_loads(2)
        self.service(start='if worker.index == 1 then error("one of three") end')
        self.wait_failed("one of three")
        self.assertEqual({word for _, word in self.end_clients(clients)}, {"one", "two"})
        self.assertNotEqual(self.status()["revision"], before)
        for _ in range(20):
            self.assertEqual(self.word(), "two")

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


class Poster(threading.Thread):
    """Creates tasks one after the other until it is told to end."""

    def __init__(self, host, pause=0):
        super().__init__(daemon=True)
        self.host, self.pause = host, pause
        self.ended = threading.Event()
        self.created, self.failures = 0, []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.host.base, timeout=PATIENCE)
        headers = {"Authorization": "Bearer " + token(), "Content-Type": "application/json"}
        while not self.ended.is_set():
            try:
                connection.request("POST", "/api/tasks", '{"title":"again"}', headers)
                reply = connection.getresponse()
                body = reply.read()
                if reply.status == 201:
                    self.created += 1
                else:
                    self.failures.append((reply.status, body))
            except (OSError, http.client.HTTPException) as why:
                self.failures.append(why)
                connection.close()
            self.ended.wait(self.pause)
        connection.close()


class RulesCase(unittest.TestCase):
    workers = 3
    env = {}

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="todo-spec-reload-")
        self.rules = os.path.join(self.folder, "rules")
        shutil.copytree(os.path.join(ROOT, "scripts", "rules"), self.rules)
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.host = Host(env={"RULES_DIR": self.rules, "WORKERS": str(self.workers), "USER_RATE": "1000000",
                              **{name: value % {"folder": self.folder} for name, value in self.env.items()}})
        self.addCleanup(self.host.stop)

    def status(self, kind="rules"):
        return self.host.get(f"/{kind}/status", token=None, port=self.host.port_of("chat-api", inner=True)).json

    def edit(self, name, text, folder=None):
        path = os.path.join(folder or self.rules, name)
        with open(path) as f:
            old = f.read()
        swap(path, text + old)

    def put_code(self, text, loads):
        """Puts text at the end of task.lua and without its examples, and waits until it is live."""
        with open(os.path.join(ROOT, "scripts", "rules", "task.lua")) as f:
            rule = f.read()
        examples = os.path.join(self.rules, "task.examples.json")
        if os.path.exists(examples):
            os.remove(examples)
            wait_until(lambda: self.status()["loads"] == loads, PATIENCE, "rules without examples")
            loads += 1
        swap(os.path.join(self.rules, "task.lua"), rule.replace("\nreturn task", f"\n{text}\nreturn task"))
        wait_until(lambda: self.status()["loads"] == loads, PATIENCE, "the rules")
        return loads

    def acknowledged(self, revision):
        """Every worker says that it runs this."""
        seen = set()

        def all_say_so():
            status = self.status()
            self.assertEqual(status["worker_revision"], revision)
            seen.add(status["worker"])
            return len(seen) == self.workers
        wait_until(all_say_so, PATIENCE, "the word of every worker")

    def successful(self):
        text = self.host.get("/metrics", token=None).body.decode()
        return [line.split()[-1] for line in text.splitlines() if line.startswith("todo_rules_config_last_reload_successful")]

    def run_posters(self, count=2, pause=0):
        posters = [Poster(self.host, pause) for _ in range(count)]
        for poster in posters:
            poster.start()
        self.addCleanup(lambda: [poster.ended.set() for poster in posters])
        return posters

    def end_posters(self, posters):
        for poster in posters:
            poster.ended.set()
        for poster in posters:
            poster.join(PATIENCE)
        failures = [failure for poster in posters for failure in poster.failures]
        if "san" in HOST:   # there a rule holds its worker ten times as long, and the database's answers with it
            failures = [failure for failure in failures if not (isinstance(failure, tuple) and failure[0] == 503)]
        self.assertEqual(failures, [])
        return sum(poster.created for poster in posters)


class Rules(RulesCase):
    """The business rules alone change: no script is loaded anew."""

    def test_changed_rules_are_taken_and_scripts_stay(self):
        self.edit("task.lua", "-- changed\n")
        wait_until(lambda: self.status()["loads"] == 2, PATIENCE, "the rules")
        self.assertEqual((self.status()["state"], len(self.status()["previous"])), ("loaded", 1))
        self.assertEqual(self.status("scripts")["loads"], 1)

    def test_broken_rules_change_nothing_but_what_is_said(self):    # F64
        before = self.status()["revision"]
        posters = self.run_posters()
        self.edit("task.lua", "return (\n")
        wait_until(lambda: self.status()["state"] == "failed", PATIENCE, "a refusal")
        self.assertEqual(self.status()["revision"], before)
        self.assertIn("task.lua:", self.status()["error"])
        ready = self.host.get("/ready", token=None)
        self.assertEqual(ready.status, 200)
        self.assertIn("rules: ", ready.json["detail"])
        self.assertEqual(self.successful(), ["0"])
        self.acknowledged(before)
        self.assertGreater(self.end_posters(posters), 0)

    def test_rules_that_become_unsafe_or_huge_are_refused_while_it_runs(self):    # S45
        before = self.status()["revision"]
        task, more = os.path.join(self.rules, "task.lua"), os.path.join(self.rules, "more.lua")

        def large(path):
            with open(path, "w") as f:
                f.write("return {}\n")
                f.truncate(100 << 20)
        for words, change, undo in (
                ("everybody may write task.lua", lambda: os.chmod(task, 0o666), lambda: os.chmod(task, 0o644)),
                ("everybody may write the folder", lambda: os.chmod(self.rules, 0o777), lambda: os.chmod(self.rules, 0o755)),
                ("more.lua is a link that leaves the folder", lambda: os.symlink(__file__, more), lambda: os.remove(more)),
                ("more.lua is larger than", lambda: large(more), lambda: os.remove(more))):
            with self.subTest(words):
                change()
                wait_until(lambda: words in self.status().get("error", ""), PATIENCE, "a refusal")
                self.assertEqual(self.successful(), ["0"])
                self.acknowledged(before)
                undo()
                wait_until(lambda: self.status()["state"] == "loaded", PATIENCE, "the rules as they were")
                self.assertEqual(self.successful(), ["1"])

    def test_a_file_that_no_service_here_asks_must_compile_all_the_same(self):
        self.edit("notify.lua", "return (\n")
        wait_until(lambda: self.status()["state"] == "failed", PATIENCE, "a refusal")
        self.assertIn("rules/notify.lua:", self.status()["error"])

    def test_a_service_holds_what_it_asks_and_no_other_file(self):
        self.edit("notify.lua", 'error("was run")\n')
        wait_until(lambda: self.status()["loads"] == 2, PATIENCE, "the rules")
        self.acknowledged(self.status()["revision"])

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

    def test_answers_of_the_wrong_shape_take_the_rules_back_too(self):
        loads = self.put_code("", 2)
        good = self.status()["revision"]
        self.put_code("function task.create() return { add_tags = 7 } end", loads + 1)
        bad = self.status()["revision"]
        for i in range(30):
            self.assertEqual(self.host.post("/api/tasks", {"title": f"task {i}"}).status, 201)
        wait_until(lambda: self.status()["state"] == "returned", PATIENCE, "the rules before")
        status = self.status()
        self.assertEqual((status["revision"], status["refused"]), (good, bad))
        self.acknowledged(good)

    def test_calls_and_failures_of_the_rules_that_are_live_are_counted(self):
        self.put_code('function task.create(wanted) if wanted.title == "bad" then error("on purpose") end return {} end', 2)
        for i in range(300):
            self.assertEqual(self.host.post("/api/tasks", {"title": "bad" if i == 250 else "good"}).status, 201)
        status = self.status()
        self.assertEqual((status["state"], status["failed_calls"]), ("loaded", 1))
        self.assertGreaterEqual(status["calls"], 300)

    def test_a_config_map_of_rules_that_is_swapped_is_followed(self):
        mount = os.path.join(self.folder, "mount")
        os.makedirs(os.path.join(mount, "..1"))
        names = os.listdir(self.rules)
        for name in names:
            shutil.copy(os.path.join(self.rules, name), os.path.join(mount, "..1", name))
            os.symlink(f"..data/{name}", os.path.join(mount, name))
        os.symlink("..1", os.path.join(mount, "..data"))
        self.host.stop()
        self.host.env["RULES_DIR"] = mount
        self.host.start()
        before = self.status()["revision"]
        shutil.copytree(os.path.join(mount, "..1"), os.path.join(mount, "..2"))
        self.edit("task.lua", "-- two\n", os.path.join(mount, "..2"))
        os.symlink("..2", os.path.join(mount, "..data_tmp"))
        os.rename(os.path.join(mount, "..data_tmp"), os.path.join(mount, "..data"))
        wait_until(lambda: self.status()["revision"] != before, PATIENCE, "the rules")
        self.acknowledged(self.status()["revision"])
        self.assertEqual(self.status()["loads"], 2)

    def test_two_hundred_changes_fail_no_request_and_leave_no_memory(self):    # F65
        posters = self.run_posters()

        def change(first, last):
            for i in range(first, last):
                swap(os.path.join(self.rules, "task.lua"), text + f"-- {i}\n")
                wait_until(lambda: self.status()["loads"] == i + 2, PATIENCE, f"change {i}")
                self.acknowledged(self.status()["revision"])

        def memory():
            with open(f"/proc/{self.host.process.pid}/status") as f:
                return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
        with open(os.path.join(self.rules, "task.lua")) as f:
            text = f.read()
        change(0, 50)
        before = memory()
        change(50, 200)
        self.assertLess(memory(), before * 1.5 + 20000)
        self.assertGreater(self.end_posters(posters), 0)
        self.assertEqual(self.status()["failures"], 0)

    def test_bad_rules_cost_their_own_calls_and_the_default_decides(self):    # F66
        self.put_code("", 2)
        for loads, (code, text) in enumerate((
                ("budget", "function task.create() while true do pcall(error) end end"),
                ("memory", 'function task.create() return ("x"):rep(1e9) end'),
                ("budget", 'function task.create() return (("a"):rep(5000)):find((".-"):rep(30) .. "b") end')), 4):
            with self.subTest(text):
                self.put_code(text, loads + loads - 4)
                posters = self.run_posters(4)
                for _ in range(20):
                    self.assertEqual(self.host.get("/api/tasks").status, 200)
                wait_until(lambda: self.status()["state"] == "returned", PATIENCE, "the rules before")
                self.assertGreater(self.end_posters(posters), 0)
                text = self.host.get("/metrics", token=None).body.decode()
                self.assertIn(f'rules_defaults_total{{service="chat-api",rule="task.create",reason="{code}"}}', text)
                lines = [line for line in self.host.log_text().splitlines() if '"a rule failed"' in line and f'"{code}"' in line]
                self.assertLess(len(lines), 4)

    def test_a_changed_file_leaves_what_others_keep_as_it_is(self):
        """task.lua counts its calls in a local: that is lost when its VM is made anew."""
        self.host.stop()
        self.host.env["WORKERS"], self.workers = "1", 1
        self.host.start()
        self.put_code("local calls = 0\nfunction task.create() calls = calls + 1 return { add_tags = { 'call' .. calls } } end", 2)
        loads = self.status()["loads"]

        def tags():
            reply = self.host.post("/api/tasks", {"title": "counted"})
            self.assertEqual(reply.status, 201, reply.body)
            return reply.json["tags"]
        self.assertEqual([tags(), tags()], [["call1"], ["call2"]])
        for name in ("recurrence.lua", "chat_words.lua", "chat.examples.json", "notify.lua"):
            loads += 1
            self.edit(name, "\n")
            wait_until(lambda: self.status()["loads"] == loads, PATIENCE, "the rules")
            self.acknowledged(self.status()["revision"])
        self.assertEqual(tags(), ["call3"])
        self.edit("task.lua", "\n")
        wait_until(lambda: self.status()["loads"] == loads + 1, PATIENCE, "the rules")
        self.assertEqual(tags(), ["call1"])

    def test_a_change_that_is_written_half_is_taken_by_no_worker(self):    # F67
        before = self.status()["revision"]
        posters = self.run_posters()
        self.edit("task.lua", 'local half = require("rules.half").of_it\nassert(half == 2)\n')
        wait_until(lambda: self.status()["state"] == "failed", PATIENCE, "a refusal")
        self.acknowledged(before)
        swap(os.path.join(self.rules, "half.lua"), "return { of_it = 2 }\n")
        wait_until(lambda: self.status()["loads"] == 2, PATIENCE, "both halves")
        self.acknowledged(self.status()["revision"])
        self.end_posters(posters)


class Copies(RulesCase):
    """The last good copies of the rules, below STATE_DIR."""

    env = {"STATE_DIR": "%(folder)s/state"}

    def copies(self):
        folder = os.path.join(self.folder, "state", "rules")
        return sorted(name for name in os.listdir(folder) if name.endswith(".rules")) if os.path.isdir(folder) else []

    def wait_copy(self, revision):
        wait_until(lambda: self.copies() and revision in self.copies()[-1], PATIENCE, "a copy")

    def break_rules(self):
        self.edit("task.lua", "return (\n")

    def ready_detail(self):
        """Each worker connects to the database by itself, so one may be ready before another."""
        def ask():
            reply = self.host.get("/ready", token=None)
            return reply.status == 200 and reply
        return wait_until(ask, PATIENCE, "the database").json["detail"]

    def test_the_last_rules_that_were_live_are_kept_for_their_owner_alone(self):
        for i in range(5):
            self.edit("task.lua", f"-- {i}\n")
            wait_until(lambda: self.status()["loads"] == i + 2, PATIENCE, "the rules")
        self.wait_copy(self.status()["revision"])
        wait_until(lambda: len(self.copies()) == 3, PATIENCE, "the last three")
        for name in self.copies():
            self.assertEqual(os.stat(os.path.join(self.folder, "state", "rules", name)).st_mode & 0o777, 0o600)

    def test_with_broken_rules_it_starts_with_the_last_good_copy_and_says_so(self):
        good = self.status()["revision"]
        self.wait_copy(good)
        self.host.stop()
        self.break_rules()
        self.host.start()
        self.assertEqual((self.status()["revision"], self.status()["state"]), (good, "kept"))
        self.acknowledged(good)
        self.assertIn("task.lua:", self.ready_detail())
        self.assertEqual(self.successful(), ["0"])
        self.assertEqual(len([l for l in self.host.log_text().splitlines() if "the last good copy of them serves" in l]), 1)
        self.assertEqual(self.host.post("/api/tasks", {"title": "goes on"}).status, 201)
        shutil.copy(os.path.join(ROOT, "scripts", "rules", "task.lua"), os.path.join(self.rules, "task.lua"))
        wait_until(lambda: self.status()["state"] == "loaded", PATIENCE, "the folder's rules")
        self.assertEqual(self.successful(), ["1"])

    def test_with_neither_it_does_not_start(self):
        self.host.stop()
        self.break_rules()
        shutil.rmtree(os.path.join(self.folder, "state"))
        done = self.host.run("run", "chat-api")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"rules/task\.lua:\d+:")

    def test_a_damaged_copy_is_passed_over(self):
        first = self.status()["revision"]
        self.edit("task.lua", "-- two\n")
        wait_until(lambda: self.status()["loads"] == 2, PATIENCE, "the rules")
        self.wait_copy(self.status()["revision"])
        self.host.stop()
        self.break_rules()
        with open(os.path.join(self.folder, "state", "rules", self.copies()[-1]), "r+b") as f:
            f.seek(-10, os.SEEK_END)
            f.write(b"x")
        self.host.start()
        self.assertEqual(self.status()["revision"], first)
        self.assertIn("a copy of the rules is passed over", self.host.log_text())

    def test_a_folder_that_is_not_there_yet_is_taken_when_it_appears(self):
        good = self.status()["revision"]
        self.wait_copy(good)
        self.host.stop()
        away = self.rules + ".away"
        os.rename(self.rules, away)
        self.host.start()
        self.assertEqual(self.status()["revision"], good)
        self.assertIn("cannot be opened", self.ready_detail())
        self.edit("task.lua", "-- later\n", away)
        os.rename(away, self.rules)
        wait_until(lambda: self.status()["state"] == "loaded", PATIENCE, "the folder's rules")
        self.assertNotEqual(self.status()["revision"], good)

    def test_a_folder_that_is_not_there_is_an_error_without_a_copy(self):
        self.host.stop()
        done = self.host.run("run", "chat-api", RULES_DIR=self.folder + "/nothing", STATE_DIR=self.folder + "/empty")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nothing cannot be opened: No such file", done.stderr)

    def test_rules_that_were_taken_back_leave_no_copy(self):
        loads = self.put_code("", 2)
        good = self.status()["revision"]
        self.put_code('function task.create() error("bad rule") end', loads + 1)
        bad = self.status()["revision"]
        for i in range(30):
            self.assertEqual(self.host.post("/api/tasks", {"title": f"task {i}"}).status, 201)
        wait_until(lambda: self.status()["state"] == "returned", PATIENCE, "the rules before")
        self.wait_copy(good)
        self.assertEqual([name for name in self.copies() if bad in name], [])

    def test_rules_that_were_taken_back_stay_away_at_a_restart_until_somebody_wants_them(self):
        loads = self.put_code("", 2)
        good = self.status()["revision"]
        self.put_code('function task.create() error("bad rule") end', loads + 1)
        bad = self.status()["revision"]
        for i in range(30):
            self.assertEqual(self.host.post("/api/tasks", {"title": f"task {i}"}).status, 201)
        wait_until(lambda: self.status()["state"] == "returned", PATIENCE, "the rules before")
        for _ in range(2):
            self.host.kill()
            self.host.start()
            status = self.status()
            self.assertEqual((status["revision"], status["state"], status["refused"]), (good, "returned", bad))
            self.acknowledged(good)
            self.assertIn(f"rules: revision {bad[:12]} was taken back: ", self.ready_detail())
            self.assertEqual(self.successful(), ["0"])
        self.assertEqual(len([l for l in self.host.log_text().splitlines() if "the rules were taken back before" in l]), 2)
        history = self.host.run("rules", "history")
        self.assertRegex(history.stdout, rf"before  {bad[:12]}  .*taken back")
        done = self.host.run("rules", "rollback", bad[:12])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.host.kill()
        self.host.start()
        self.assertEqual((self.status()["revision"], self.status()["state"]), (bad, "loaded"))

    def test_after_a_restart_a_new_edit_is_taken_as_ever(self):
        loads = self.put_code("", 2)
        good = self.status()["revision"]
        self.put_code('function task.create() error("bad rule") end', loads + 1)
        for i in range(30):
            self.assertEqual(self.host.post("/api/tasks", {"title": f"task {i}"}).status, 201)
        wait_until(lambda: self.status()["state"] == "returned", PATIENCE, "the rules before")
        self.host.kill()
        self.host.start()
        self.assertEqual(self.status()["revision"], good)
        self.put_code("function task.create() return {} end", 2)
        self.assertEqual(self.status()["state"], "loaded")
        self.assertEqual(self.host.get("/ready", token=None).json.get("detail"), None)

    def test_what_an_operator_rolled_back_stays_away_at_a_restart(self):
        good = self.status()["revision"]
        self.wait_copy(good)
        self.edit("task.lua", "-- two\n")
        wait_until(lambda: self.status()["loads"] == 2, PATIENCE, "the rules")
        self.assertEqual(self.host.run("rules", "rollback").returncode, 0)
        self.host.kill()
        self.host.start()
        self.assertEqual((self.status()["revision"], self.status()["state"]), (good, "returned"))
        self.assertIn("was rolled back by an operator", self.status()["error"])
        self.host.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.status()["state"] == "loaded", PATIENCE, "the folder's rules")
        self.assertNotEqual(self.status()["revision"], good)

    def test_killed_in_the_middle_of_changes_it_starts_with_good_rules(self):    # F68
        good = {self.status()["revision"]}
        self.wait_copy(self.status()["revision"])
        for i in range(6):
            for change in range(i + 1):
                self.edit("task.lua", f"-- {i} {change}\n")
                if change % 2:
                    wait_until(lambda: self.status()["revision"] not in good, PATIENCE, "a change")
                    good.add(self.status()["revision"])
            self.host.kill()
            self.break_rules()
            self.host.start()
            self.assertEqual(self.status()["state"], "kept")
            self.acknowledged(self.status()["revision"])
            shutil.copy(os.path.join(ROOT, "scripts", "rules", "task.lua"), os.path.join(self.rules, "task.lua"))
            wait_until(lambda: self.status()["state"] == "loaded", PATIENCE, "the folder's rules")
            good.add(self.status()["revision"])


if __name__ == "__main__":
    unittest.main()

"""The services run in the image, as in a cluster: read-only, without rights, each alone."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from image import STATE, Service, for_each_arch, run, settings, status_of, system  # noqa: E402

SERVICES = ("chat-api", "notification-service", "recurring-task-service", "audit-service")


def call(port, method, path, body=None):
    host = object.__new__(system.Host)
    return host.call(method, path, body, port=port)


@for_each_arch
class Program:
    def test_it_says_its_version(self):
        done = run(self.arch, "--version")
        self.assertEqual((done.returncode, done.stdout), (0, f"todo-host {os.environ['IMAGE_VERSION']}\n"), done.stderr)

    def test_a_missing_setting_is_named(self):
        done = run(self.arch, "run", "chat-api")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("DATABASE_URL", done.stderr)

    def test_the_image_knows_its_services(self):
        done = run(self.arch, "services")
        self.assertLessEqual(set(SERVICES), {line.split()[0] for line in done.stdout.splitlines()}, done.stderr)


@for_each_arch
class Alone:
    """A process per service, as a pod is."""

    @classmethod
    def setUpClass(cls):
        cls.env = settings(system.new_database(), system.free_ports(8))
        cls.base = int(cls.env["PORT"])
        done = run(cls.arch, "migrate", env=cls.env)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        cls.services = {name: Service(cls.arch, [name], cls.env) for name in SERVICES}

    @classmethod
    def tearDownClass(cls):
        for service in cls.services.values():
            service.stop()

    def ready(self, name):
        self.services[name].wait_ready(self.base + SERVICES.index(name))
        return self.services[name]

    def test_each_is_ready_and_healthy(self):
        for name in self.services:
            status, body = self.ready(name).get(self.base + SERVICES.index(name), "/health")
            self.assertEqual((status, json.loads(body)["version"]), (200, os.environ["IMAGE_VERSION"]), name)

    def test_each_has_metrics_for_its_probes(self):
        for name in self.services:
            status, body = self.ready(name).get(self.base + SERVICES.index(name), "/metrics")
            self.assertEqual(status, 200)
            self.assertIn(b"process_resident_memory_bytes", body)

    def test_it_has_no_rights(self):
        status = status_of(self.ready("audit-service").pid())
        self.assertEqual(status["Uid"].split(), ["65532"] * 4)
        self.assertEqual(status["Gid"].split(), ["65532"] * 4)
        self.assertEqual((int(status["CapEff"], 16), int(status["CapPrm"], 16), status["NoNewPrivs"]), (0, 0, "1"))
        self.assertEqual(status["NSpid"].split()[-1], "1")

    def test_its_root_cannot_be_written_but_for_the_state_folder(self):
        with open(f"/proc/{self.ready('audit-service').pid()}/mountinfo", encoding="utf-8") as file:
            mounts = {fields[4]: fields[5].split(",") for fields in map(str.split, file)}
        self.assertIn("ro", mounts["/"])
        self.assertEqual([path for path in mounts if "rw" in mounts[path] and not path.startswith(("/dev", "/proc"))], [STATE])

    def test_it_answers_a_request(self):
        self.ready("audit-service")
        reply = call(self.base + SERVICES.index("audit-service"), "GET", "/api/v1/audit-log")
        self.assertEqual((reply.status, reply.json), (200, {"entries": [], "total": 0}))


@for_each_arch
class Life:
    def test_the_rules_that_come_with_it_may_be_applied(self):
        done = run(self.arch, "rules", "check", "/usr/share/todo-chatbot/scripts/rules")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_service_ends_well_when_it_is_told_to(self):
        env = settings(system.new_database(), system.free_ports(8))
        self.assertEqual(run(self.arch, "migrate", env=env).returncode, 0)
        service = Service(self.arch, ["chat-api"], env)
        try:
            service.wait_ready(int(env["PORT"]))
        finally:
            code = service.stop()
        self.assertEqual(code, 0, service.log_text()[-4000:])

    def test_a_service_runs_without_a_folder_for_its_state(self):
        env = settings(system.new_database(), system.free_ports(8))
        self.assertEqual(run(self.arch, "migrate", env=env, state=False).returncode, 0)
        service = Service(self.arch, ["chat-api"], env, state=False)
        try:
            service.wait_ready(int(env["PORT"]))
        finally:
            service.stop()

    def test_a_completed_task_brings_the_next_and_leaves_its_history(self):
        base = system.free_ports(8)
        env = settings(system.new_database(), base, SIDECAR_PORT=str(base + 2000))
        self.assertEqual(run(self.arch, "migrate", env=env).returncode, 0)
        whole = Service(self.arch, ["--all"], env)
        try:
            for index in range(len(SERVICES)):
                whole.wait_ready(base + index)
            made = call(base, "POST", "/api/tasks", {"title": "stand up", "due_date": "2031-03-29T08:00:00Z", "timezone": "Europe/Berlin",
                                                     "recurrence_rule": "DAILY", "is_recurring": True}).json
            self.assertEqual(call(base, "PATCH", f"/api/tasks/{made['id']}/complete").status, 200)
            following = system.wait_until(lambda: [t for t in call(base, "GET", "/api/tasks").json if t["parent_task_id"] == made["id"]], 60,
                                          "the next task")
            self.assertEqual(following[0]["due_date"], "2031-03-30T07:00:00.000Z")    # summer time began
            system.wait_until(lambda: len(call(base, "GET", f"/api/tasks/{made['id']}/history").json["entries"]) >= 2, 60, "its history")
        finally:
            whole.stop()


@for_each_arch
class Chat:
    @classmethod
    def setUpClass(cls):
        env = settings(system.new_database(), system.free_ports(8))
        cls.base = int(env["PORT"])
        done = run(cls.arch, "migrate", env=env)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        cls.service = Service(cls.arch, ["chat-api"], env)
        cls.service.wait_ready(cls.base)

    @classmethod
    def tearDownClass(cls):
        cls.service.stop()

    def test_it_makes_a_task_and_shows_it(self):
        made = call(self.base, "POST", "/api/tasks", {"title": "water the plants", "due_date": "2031-03-29T08:00:00Z", "timezone": "Europe/Berlin",
                                                      "recurrence_rule": "DAILY", "is_recurring": True})
        self.assertEqual(made.status, 201, made.body)
        self.assertIn(made.json["id"], [task["id"] for task in call(self.base, "GET", "/api/tasks").json])

    def test_it_understands_what_it_is_told(self):
        reply = call(self.base, "POST", "/api/ann/chat", {"message": "Add buy milk tomorrow at 9am #home high priority", "timezone": "America/New_York"})
        self.assertEqual((reply.status, reply.json["tools_invoked"][0]["success"]), (200, True), reply.body)

    def test_it_serves_the_page_of_the_interface(self):
        self.assertEqual(call(self.base, "GET", "/docs").status, 200)

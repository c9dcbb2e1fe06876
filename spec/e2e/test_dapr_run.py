"""`dapr run -f .` with the tree's own dapr.yaml: Dapr's command line starts the services and their sidecars."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import APP_TOKEN, CACHE, DAPR, DAPR_TOKEN, HOST, ROOT, SERVICES, Cluster, answers, free_port, free_ports, new_database, wait_until  # noqa: E402

CLI = os.environ.get("DAPR_CLI") or os.path.join(CACHE, "dapr-cli-1.16.5", "dapr")


class DaprRun(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cluster = cls.cluster = Cluster()
        cls.addClassCleanup(cluster.stop)
        cluster.start_kafka()
        cluster.start_redis()
        cluster.start_scheduler()
        cluster.database = new_database()
        base = free_ports(len(SERVICES))
        cls.tree = cls.make_tree(base)
        for app in SERVICES:
            cluster.host_ports[app] = base + SERVICES.index(app)
        env = {**cluster.host_env(base), "KAFKA_BROKERS": f"127.0.0.1:{cluster.kafka_port}", "REDIS_HOST": f"127.0.0.1:{cluster.redis_port}",
               "NAME_RESOLUTION_DB": os.path.join(cluster.folder, "names.db"), "DAPR_HOST_IP": "127.0.0.1", "HOME": cluster.folder,
               "DAPR_RUNTIME_PATH": cluster.folder, "APP_API_TOKEN": APP_TOKEN, "DAPR_API_TOKEN": DAPR_TOKEN}
        cluster.spawn("migrate", [HOST, "migrate"], env)
        if cluster.processes["migrate"].wait(120) != 0:
            raise AssertionError(cluster.log("migrate"))
        cls.addClassCleanup(cluster.end, "dapr", 60)
        cluster.spawn("dapr", [CLI, "run", "-f", cls.tree], env)
        for app in SERVICES:
            cluster.wait("dapr", lambda a=app: answers(cluster.host_ports[a], "/ready"), 120)
            cluster.wait("dapr", lambda a=app: answers(cluster.dapr_ports[a], "/v1.0/healthz"), 120)

    @classmethod
    def make_tree(cls, base):
        """This tree, with other ports: those of dapr.yaml may be somebody's here."""
        cluster = cls.cluster
        tree = os.path.join(cluster.folder, "tree")
        os.makedirs(os.path.join(tree, "build"))
        os.makedirs(os.path.join(cluster.folder, ".dapr", "bin"))
        for name in ("dapr", "scripts", "web"):
            os.symlink(os.path.join(ROOT, name), os.path.join(tree, name))
        os.symlink(HOST, os.path.join(tree, "build", "todo-host"))
        os.symlink(os.path.join(DAPR, "daprd"), os.path.join(cluster.folder, ".dapr", "bin", "daprd"))

        def dapr_port(found):
            app = SERVICES[int(found.group(1)) - 3500]
            cluster.dapr_ports[app] = free_port()
            return f"daprHTTPPort: {cluster.dapr_ports[app]}"
        with open(os.path.join(ROOT, "dapr.yaml")) as f:
            text = f.read()
        text = re.sub(r"appPort: (\d+)", lambda found: f"appPort: {base + 1000 + int(found.group(1)) - 9000}", text)
        text = re.sub(r"daprHTTPPort: (\d+)", dapr_port, text)
        text = text.replace("common:\n", f"common:\n  schedulerHostAddress: 127.0.0.1:{cluster.scheduler_port}\n")
        with open(os.path.join(tree, "dapr.yaml"), "w") as f:
            f.write(text)
        return tree

    def call(self, *words, **more):
        return self.cluster.call(*words, **more)

    def test_1_a_task_reaches_the_audit_log_and_its_series_goes_on(self):
        status, task = self.call("POST", "/api/tasks", {"title": "water plants", "recurrence_rule": "DAILY", "due_date": "2030-01-01T08:00:00Z"})
        self.assertEqual(status, 201, task)
        self.assertEqual(self.call("PATCH", f"/api/tasks/{task['id']}/complete")[0], 200)
        wait_until(lambda: self.call("GET", f"/api/tasks/{task['id']}/history")[1].get("total") == 2, 120, "the history, which audit-service is asked for")
        wait_until(lambda: [t for t in self.call("GET", "/api/tasks")[1] if t["parent_task_id"] == task["id"]], 120, "the next task")

    def test_2_what_it_started_ends_with_it(self):
        self.cluster.end("dapr", 60)
        ports = [*self.cluster.host_ports.values(), *self.cluster.dapr_ports.values()]
        wait_until(lambda: not any(map(self.cluster.accepts, ports)), 60, "the end of services and sidecars")


if __name__ == "__main__":
    unittest.main()

"""How a service and its daprd find each other at the start."""

import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import ROOT, Cluster, wait_until  # noqa: E402


class Start(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.stop)
        self.cluster.start_kafka()
        self.cluster.start_redis()
        self.cluster.start_scheduler()

    def test_a_service_whose_start_takes_long_hears_of_events_all_the_same(self):
        scripts = os.path.join(self.cluster.folder, "scripts")
        shutil.copytree(os.path.join(ROOT, "scripts"), scripts)
        declaration = os.path.join(scripts, "audit-service", "service.lua")
        with open(declaration) as f:
            text = f.read()
        self.assertEqual(text.count("  inner_port = 9003,\n"), 1)
        with open(declaration, "w") as f:
            f.write(text.replace("  inner_port = 9003,\n", "  inner_port = 9003,\n  start = function() require('host.fiber').sleep(10000) end,\n"))
        self.cluster.start_services(("chat-api",))
        self.cluster.start_services(("audit-service",), {"SCRIPTS_DIR": scripts})
        self.assertEqual(self.cluster.call("POST", "/api/tasks", {"title": "early"})[0], 201)
        # Dapr asks once what a service subscribes to, and that as soon as its port is there.
        wait_until(lambda: self.cluster.call("GET", "/api/v1/audit-log", service="audit-service")[1]["total"] == 1, 60, "the audit row")


if __name__ == "__main__":
    unittest.main()

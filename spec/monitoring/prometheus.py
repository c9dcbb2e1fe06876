"""A Prometheus that scrapes a running cluster as the chart's monitors let one do, and the questions to it."""

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from cluster import free_port

JOB, NAMESPACE = "todo-chatbot", "default"


class Prometheus:
    def __init__(self, cluster, rules=(), interval="1s"):
        self.cluster, self.port = cluster, free_port()
        folder = os.path.join(cluster.folder, "prometheus")
        os.makedirs(folder)
        targets = []
        for name, port in cluster.host_ports.items():
            targets.append(self.target(name, port, "todo-host", "/metrics"))
            targets.append(self.target(name, cluster.dapr_metrics[name], "daprd", "/"))
        config = {"global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
                  "rule_files": [shutil.copy(path, folder) for path in rules],
                  "scrape_configs": [{"job_name": JOB, "honor_labels": True, "static_configs": targets}]}
        path = os.path.join(folder, "prometheus.yml")
        with open(path, "w") as f:
            json.dump(config, f)     # JSON is YAML
        cluster.spawn("prometheus", ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={folder}/data", "--log.level=warn",
                                     f"--web.listen-address=127.0.0.1:{self.port}"])
        cluster.wait("prometheus", self.is_ready)

    @staticmethod
    def target(name, port, container, path):
        return {"targets": [f"127.0.0.1:{port}"],
                "labels": {"namespace": NAMESPACE, "pod": name + "-0", "container": container, "service": name, "__metrics_path__": path}}

    def is_ready(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=2).status == 200
        except OSError:
            return False

    def ask(self, path, **args):
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(args)}"
        try:
            with urllib.request.urlopen(address, timeout=30) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{args}: {e.read().decode(errors='replace')[:500]}") from None

    def query(self, expression):
        """The values of an expression now: [(labels, number)]."""
        found = self.ask("query", query=expression)
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(series["metric"], float(series["value"][1])) for series in found["result"]]

    def alerts(self):
        """{name: state}, firing before pending."""
        states = {}
        for alert in self.ask("alerts")["alerts"]:
            name = alert["labels"]["alertname"]
            if states.get(name) != "firing":
                states[name] = alert["state"]
        return states

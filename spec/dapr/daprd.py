"""The engine of real parts: one Kafka, Redis and scheduler for a whole run, and for each case a daprd per
app. Components are written from the cases' data. A case has a namespace (of jobs and names) and consumer
groups of its own; its topics and states are removed when it ends, so cases run one after the other."""

import json
import os
import socket
import struct
import sys

from system import free_port
from system import ROOT, wait_until

sys.path.insert(0, os.path.join(ROOT, "spec", "e2e"))
from cluster import DAPR, Cluster, answers  # noqa: E402

PARTITIONS = 6
PATIENT = {"retry": {"policy": "exponential", "maxInterval": "15s", "maxRetries": -1}}
# What scripts/sidecar/components.lua has built in, but for its cron.
DEFAULTS = [{"name": "pubsub", "type": "pubsub.sidecar", "inbound": PATIENT},
            {"name": "pubsub-broadcast", "type": "pubsub.sidecar", "inbound": PATIENT, "metadata": {"broadcast": "true"}},
            {"name": "statestore", "type": "state.sidecar"}]
# A killed daprd leaves its group after this and not after 10 s.
SESSION_MS = 2000
# A broker that had no processor for a while is not dead, which it takes itself for after 9 s.
KAFKA_MORE = "group.min.session.timeout.ms=1000\nbroker.session.timeout.ms=60000"


_backbone = None


def backbone():
    """The Cluster of Kafka, Redis and the scheduler; the first case starts them, they end with the run."""
    global _backbone
    if _backbone is None:
        cluster = Cluster()
        try:
            cluster.start_kafka({}, PARTITIONS, KAFKA_MORE)
        except AssertionError:      # somebody took its port meanwhile
            cluster.stop()
            cluster = Cluster()
            cluster.ports.next += 40
            cluster.start_kafka({}, PARTITIONS, KAFKA_MORE)
        cluster.start_redis()
        cluster.start_scheduler()
        _backbone = cluster
    return _backbone


class Kafka:
    """Makes and removes topics: three requests of Kafka's protocol, much quicker than its programs."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)

    def close(self):
        self.socket.close()

    def ask(self, key, version, body):
        message = struct.pack(">hhi", key, version, 1) + self.text("spec") + body
        self.socket.sendall(struct.pack(">i", len(message)) + message)
        return self.read(struct.unpack(">i", self.read(4))[0])[4:]

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("Kafka hung up")
            data += part
        return data

    @staticmethod
    def text(value):
        return struct.pack(">h", len(value.encode())) + value.encode()

    def create(self, topics):
        body = struct.pack(">i", len(topics))
        for topic in topics:
            body += self.text(topic) + struct.pack(">ihii", PARTITIONS, 1, 0, 0)
        self.ask(19, 4, body + struct.pack(">ib", 15000, 0))
        wait_until(lambda: all(map(self.is_led, topics)), 30, "leaders of the topics")

    def is_led(self, topic):
        """It is announced some time before its partitions can be written."""
        partitions = b"".join(struct.pack(">iq", n, -1) for n in range(PARTITIONS))
        data = self.ask(2, 1, struct.pack(">ii", -1, 1) + self.text(topic) + struct.pack(">i", PARTITIONS) + partitions)
        at = 4 + len(self.text(topic)) + 4      # one topic: its name, how many partitions, and each: number, error, time, offset
        return all(struct.unpack_from(">h", data, at + n * 22 + 4)[0] == 0 for n in range(PARTITIONS))

    def delete(self, topics):
        self.ask(20, 3, struct.pack(">i", len(topics)) + b"".join(map(self.text, topics)) + struct.pack(">i", 15000))

    def topics(self):
        data, at = self.ask(3, 1, struct.pack(">i", -1)), 0

        def take(kind):
            nonlocal at
            value = struct.unpack_from(">" + kind, data, at)[0]
            at += struct.calcsize(">" + kind)
            return value

        def text():
            nonlocal at
            length = max(take("h"), 0)
            at += length
            return data[at - length:at].decode()
        for _ in range(take("i")):      # brokers: id, host, port, rack
            take("i"), text(), take("i"), text()
        take("i")
        found = []
        for _ in range(take("i")):
            take("h")
            name, internal = text(), take("b")
            for _ in range(take("i")):      # partitions: error, number, leader, replicas, those in sync
                take("h"), take("i"), take("i")
                for _ in range(2):
                    for _ in range(take("i")):
                        take("i")
            if not internal:
                found.append(name)
        return found


def yaml(kind, name, **parts):
    """JSON is YAML."""
    return json.dumps({"apiVersion": "dapr.io/v1alpha1", "kind": kind, "metadata": {"name": name}, **parts}, indent=1)


_cases = 0


class Daprd:
    name = "daprd"

    def __init__(self, apps, components=(), secret_scopes=(), files=None, env=None):
        global _cases
        _cases += 1
        self.apps, self.env = list(apps), env or {}
        self.namespace = f"c{os.getpid()}-{_cases}"
        parts = backbone()
        self.kafka_port, self.redis_port, self.scheduler_port = parts.kafka_port, parts.redis_port, parts.scheduler_port
        self.ports = {app: free_port() for app in self.apps}
        self.more_ports = {app: [str(free_port()) for _ in range(3)] for app in self.apps}
        self.down = set()       # apps whose daprd a case has ended
        # A Cluster for its processes alone.
        self.cluster = Cluster()
        self.folder = self.cluster.folder
        for name, value in (files or {}).items():
            self.write(name, json.dumps(value))
        self.write_resources([*[c for c in DEFAULTS if c["name"] not in {o["name"] for o in components}], *components])
        self.write("config.yaml", yaml("Configuration", "spec", spec={
            "nameResolution": {"component": "sqlite", "version": "v1", "configuration": {
                "connectionString": os.path.join(self.folder, "names.db"), "updateInterval": "5s", "timeout": "1s"}},
            "tracing": {"samplingRate": "0"}, "secrets": {"scopes": list(secret_scopes)}}))
        self.make_topics()

    def write(self, path, text):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    # Resources.

    def write_resources(self, components):
        retries, timeouts, targets = {}, {}, {}
        for component in components:
            name = component["name"]
            kind, metadata = self.real(name, component["type"], dict(component.get("metadata") or {}))
            parts = {"spec": {"type": kind, "version": "v1", "initTimeout": "60s",
                              "metadata": [{"name": n, "value": str(v)} for n, v in metadata.items()]}}
            if "scopes" in component:
                parts["scopes"] = component["scopes"]
            self.write(f"resources/{name}.yaml", yaml("Component", name, **parts))
            inbound = component.get("inbound") or {}
            target = {}
            if "retry" in inbound:
                retries[name], target["retry"] = inbound["retry"], name
            if "timeout" in inbound:
                timeouts[name], target["timeout"] = inbound["timeout"], name
            if target:
                targets[name] = {"inbound": target}
        self.write("resources/resiliency.yaml", yaml("Resiliency", "spec", spec={
            "policies": {"retries": retries, "timeouts": timeouts}, "targets": {"components": targets}}))

    def real(self, name, kind, metadata):
        """The type and metadata of the real component."""
        if kind == "pubsub.sidecar":
            broadcast = metadata.pop("broadcast", "false") == "true"
            return "pubsub.kafka", {
                "brokers": f"127.0.0.1:{self.kafka_port}", "authType": "none", "initialOffset": "oldest", "version": "3.0.0",
                "consumerGroup": "{uuid}" if broadcast else "{appID}-" + name + "-" + self.namespace,
                "sessionTimeout": f"{SESSION_MS}ms", "heartbeatInterval": f"{SESSION_MS // 4}ms", **metadata}
        if kind == "state.sidecar":
            return "state.redis", {"redisHost": f"127.0.0.1:{self.redis_port}", **metadata}
        if "secretsFile" in metadata:
            metadata["secretsFile"] = os.path.join(self.folder, metadata["secretsFile"])
        return kind, metadata

    def make_topics(self):
        kafka = Kafka(self.kafka_port)
        try:
            self.remove_all(kafka)
            wanted = set()
            for app in self.apps:
                for s in app.subscriptions if isinstance(app.subscriptions, list) else []:
                    wanted |= {s["topic"], s.get("deadLetterTopic") or s["topic"]}
            if wanted:
                kafka.create(sorted(wanted))
        finally:
            kafka.close()

    @staticmethod
    def remove_all(kafka):
        topics = kafka.topics()
        if topics:
            kafka.delete(topics)

    # Processes.

    def words(self, app):
        grpc, internal, metrics = self.more_ports[app]
        words = [
            os.path.join(DAPR, "daprd"), "--mode", "standalone", "--app-id", app.id, "--dapr-listen-addresses", "127.0.0.1",
            "--dapr-http-port", str(self.ports[app]), "--dapr-grpc-port", grpc, "--dapr-internal-grpc-port", internal,
            "--dapr-internal-grpc-listen-address", "127.0.0.1", "--metrics-listen-address", "127.0.0.1", "--metrics-port", metrics,
            "--resources-path", os.path.join(self.folder, "resources"), "--config", os.path.join(self.folder, "config.yaml"),
            "--scheduler-host-address", f"127.0.0.1:{self.scheduler_port}", "--log-level", "info"]
        if app.port:
            words += ["--app-port", str(app.port), "--app-protocol", "http", "--app-channel-address", "127.0.0.1"]
        return words

    def process(self, app):
        return f"{app.id}-{self.apps.index(app)}"

    def start(self):
        self.down.clear()
        env = {"DAPR_HOST_IP": "127.0.0.1", "NAMESPACE": self.namespace, **self.env}
        for app in self.apps:
            self.cluster.spawn(self.process(app), self.words(app), env)
        for app in self.apps:
            self.cluster.wait(self.process(app), lambda a=app: answers(self.ports[a], "/v1.0/healthz/outbound"))

    def wait_subscribed(self):
        for app in self.apps:
            if app.server:
                self.cluster.wait(self.process(app), lambda a=app: answers(self.ports[a], "/v1.0/healthz"))
        return self

    def port(self, app):
        return self.ports[app]

    def lose(self, app):
        """A pod is gone: the app and its sidecar."""
        app.close()
        self.down.add(app)
        self.cluster.kill(self.process(app))

    def kill(self):
        self.down.update(self.apps)
        for app in self.apps:
            self.cluster.kill(self.process(app))

    def end(self):
        self.down.update(self.apps)
        for process in self.cluster.processes.values():
            process.terminate()
        for app in self.apps:
            self.cluster.end(self.process(app))

    def restart(self):
        self.kill()
        self.start()
        self.wait_subscribed()

    def stop(self):
        try:
            processes = self.cluster.processes
            broken = [n for n in map(self.process, set(self.apps) - self.down) if n in processes and processes[n].poll() is not None]
            if broken:
                raise AssertionError(f"ended by itself: {broken}, {self.cluster.log(broken[0])[-1000:]}")
        finally:
            self.clean_up()

    def clean_up(self):
        try:
            for app in self.apps:
                app.close()
            # Nothing of a case is worth a farewell.
            for process in self.cluster.processes.values():
                process.kill()
            kafka = Kafka(self.kafka_port)
            self.remove_all(kafka)
            kafka.close()
            with socket.create_connection(("127.0.0.1", self.redis_port), timeout=10) as redis:
                redis.sendall(b"FLUSHALL\r\n")
                redis.recv(100)
        finally:
            if os.environ.get("KEEP_LOGS"):
                print(f"logs of daprd: {self.folder}", flush=True)
            self.cluster.stop()

"""The real parts on one machine: Kafka (KRaft), Redis, PostgreSQL, Dapr's scheduler, and for each service
a daprd and a todo-host, all on loopback with ports of their own. Everything it starts ends with it."""

import atexit
import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "spec", "support"))
from system import HOST, SECRET, Host, free_port, free_ports, new_database, postgres, tellers, token, wait_until  # noqa: E402,F401

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "todo-chatbot")
DAPR = os.environ.get("DAPR_DIR") or os.path.join(CACHE, "dapr-1.16.0")
KAFKA = os.environ.get("KAFKA_DIR") or os.path.join(CACHE, "kafka-4.3.1")
SERVICES = ("chat-api", "notification-service", "recurring-task-service", "audit-service")
TOPICS = {"task-events": 6, "reminders": 3, "recurring-tasks": 3, "task-updates": 3}
APP_TOKEN = "app-token-0123456789abcdef"
JAVA = ["java", "-Xmx256m", "-cp", KAFKA + "/*"]
TOOL = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", KAFKA + "/*"]     # over as soon as it is warm
DAPR_TOKEN = "dapr-token-0123456789abcdef"


def answers(port, path, wanted=range(200, 300)):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in wanted
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Cluster:
    def __init__(self):
        # Who is told to end, ends what it has started as well.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.folder = tempfile.mkdtemp(prefix="todo-e2e-")
        self.bases = {}         # number of a replica -> PORT of its services
        self.processes = {}     # name -> Popen
        self.commands = {}      # name -> (words, env)
        self.log_files = {}
        self.host_ports = {}    # name of a service, "-2" behind that of its second replica -> port
        self.dapr_ports = {}    # the same -> the HTTP port of its daprd
        self.dapr_metrics = {}  # the same -> the port of its daprd's metrics
        self.resources = [os.path.join(ROOT, "dapr", "components")]
        self.config = os.path.join(ROOT, "dapr", "standalone", "config.yaml")
        self.dapr_env = {}      # more for each daprd
        self.dapr_words = []    # the same of its command line
        self.database = None
        tellers.add(self)
        atexit.register(self.stop)

    # Processes.

    def spawn(self, name, words=None, env=None):
        if words:
            # A setting that is None is not there.
            self.commands[name] = (words, {k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None})
        words, env = self.commands[name]
        self.log_files.setdefault(name, open(os.path.join(self.folder, name + ".log"), "ab"))
        self.processes[name] = subprocess.Popen(words, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self.log_files[name],
                                                stderr=subprocess.STDOUT, start_new_session=True)

    def log(self, name):
        with open(os.path.join(self.folder, name + ".log"), errors="replace") as f:
            return f.read()

    def logs(self):
        return [(name, self.log(name)) for name in self.log_files]

    def must(self, words):
        """A program that has to end well."""
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stdout[-3000:]}")

    def wait(self, name, condition, seconds=60):
        def ready():
            if self.processes[name].poll() is not None:
                raise AssertionError(f"{name} ended with {self.processes[name].returncode}: {self.log(name)[-3000:]}")
            return condition()
        try:
            wait_until(ready, seconds, name)
        except AssertionError as e:
            raise AssertionError(f"{e}; its log ends: {self.log(name)[-2000:]}") from None

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()

    def end(self, name, seconds=20):
        process = self.processes.get(name)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self):
        for name in list(self.processes)[::-1]:
            self.end(name, 5)
        self.processes = {}
        for log in self.log_files.values():
            log.close()
        self.log_files = {}
        if not os.environ.get("KEEP_LOGS"):
            shutil.rmtree(self.folder, ignore_errors=True)

    # Parts.

    def start_kafka(self, topics=None, partitions=3, more=""):
        topics = TOPICS if topics is None else topics
        self.kafka_port, controller = free_port(), free_port()
        config = os.path.join(self.folder, "kafka.properties")
        with open(config, "w") as f:
            f.write("process.roles=broker,controller\nnode.id=1\n"
                    f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
                    f"listeners=PLAINTEXT://127.0.0.1:{self.kafka_port},CONTROLLER://127.0.0.1:{controller}\n"
                    f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.kafka_port}\n"
                    "controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n"
                    "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=5\n"
                    "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
                    f"group.initial.rebalance.delay.ms=0\nnum.partitions={partitions}\nlog.dirs={self.folder}/kafka\n{more}\n")
        # Its first character is never a dash, which would be read as an option.
        cluster_id = base64.urlsafe_b64encode(b"todo" + os.urandom(12)).decode().rstrip("=")
        self.must([*TOOL, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", config])
        self.spawn("kafka", [*JAVA, "kafka.Kafka", config])
        self.wait("kafka", lambda: "Kafka Server started" in self.log("kafka") or self.accepts(self.kafka_port))
        for topic, partitions in topics.items():
            self.must([*TOOL, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", f"127.0.0.1:{self.kafka_port}", "--create",
                       "--if-not-exists", "--topic", topic, "--partitions", str(partitions)])

    @staticmethod
    def accepts(port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            return False

    def start_redis(self):
        self.redis_port = free_port()
        self.spawn("redis", ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder])
        self.wait("redis", lambda: self.accepts(self.redis_port))

    def start_scheduler(self, more=(), env=None):
        self.scheduler_port, client, peer, health = (free_port() for _ in range(4))
        self.scheduler_health = health
        self.spawn("scheduler", [
            os.path.join(DAPR, "scheduler"), "--id", "dapr-scheduler-server-0", "--mode", "standalone", "--listen-address", "127.0.0.1", "--port",
            str(self.scheduler_port), "--etcd-data-dir", os.path.join(self.folder, "scheduler"), "--etcd-client-port", str(client),
            "--etcd-initial-cluster", f"dapr-scheduler-server-0=http://127.0.0.1:{peer}", "--override-broadcast-host-port", f"127.0.0.1:{self.scheduler_port}",
            "--healthz-port", str(health), "--enable-metrics=false", *more], env)
        self.wait("scheduler", lambda: answers(health, "/healthz"))

    def start_services(self, only=SERVICES, env=None, replicas=1):
        self.database = self.database or new_database()
        migrated = subprocess.run([HOST, "migrate"], env={**os.environ, **self.host_env(1)}, cwd=ROOT, capture_output=True, text=True)
        if migrated.returncode != 0:
            raise AssertionError(migrated.stderr)
        for replica in range(1, replicas + 1):
            for name in only:
                self.start_service(name, env, replica)

    def host_env(self, port):
        return {"DATABASE_URL": postgres().url(self.database), "JWT_SECRET": SECRET, "PORT": str(port), "BIND_ADDRESS": "127.0.0.1",
                "APP_API_TOKEN": APP_TOKEN, "DAPR_API_TOKEN": DAPR_TOKEN, "DRAIN_MS": "0", "USER_RATE": "1000000"}

    def start_service(self, app, env=None, replica=1):
        """A service and its daprd: the pair of them is a pod. All replicas have the same app-id."""
        if replica not in self.bases:
            self.bases[replica] = free_ports(len(SERVICES))
        base = self.bases[replica]
        dapr_http, dapr_grpc, internal, metrics = (free_port() for _ in range(4))
        name, offset = app if replica == 1 else f"{app}-{replica}", SERVICES.index(app)
        # A service declared at 8000 + n listens at PORT + n, and at 1,000 more for its daprd.
        self.host_ports[name] = base + offset
        self.dapr_ports[name], self.dapr_metrics[name] = dapr_http, metrics
        self.spawn(name, [HOST, "run", app], {**self.host_env(base), "DAPR_HTTP_PORT": str(dapr_http), **(env or {})})
        resources = [word for folder in self.resources for word in ("--resources-path", folder)]
        self.spawn("daprd-" + name, [
            os.path.join(DAPR, "daprd"), "--mode", "standalone", "--app-id", app, "--app-port", str(base + offset + 1000), "--app-protocol",
            "http", "--app-channel-address", "127.0.0.1", "--dapr-listen-addresses", "127.0.0.1", "--dapr-http-port", str(dapr_http),
            "--dapr-grpc-port", str(dapr_grpc), "--dapr-internal-grpc-port", str(internal), "--dapr-internal-grpc-listen-address", "127.0.0.1",
            "--metrics-listen-address", "127.0.0.1", "--metrics-port", str(metrics), *resources,
            "--config", self.config, "--scheduler-host-address", f"127.0.0.1:{self.scheduler_port}",
            "--dapr-block-shutdown-duration", "1s", "--dapr-graceful-shutdown-seconds", "5", "--max-body-size", "4Mi",
            "--read-buffer-size", "16Ki", "--log-level", "info", *self.dapr_words], {
                "DAPR_HOST_IP": "127.0.0.1", "NAMESPACE": "default", "APP_API_TOKEN": APP_TOKEN, "DAPR_API_TOKEN": DAPR_TOKEN,
                "KAFKA_BROKERS": f"127.0.0.1:{self.kafka_port}", "REDIS_HOST": f"127.0.0.1:{self.redis_port}",
                "NAME_RESOLUTION_DB": os.path.join(self.folder, "names.db"), **self.dapr_env})
        self.wait_service(name)

    def wait_service(self, name):
        self.wait(name, lambda: answers(self.host_ports[name], "/ready"))
        self.wait_daprd(name)

    def wait_daprd(self, name):
        self.wait("daprd-" + name, lambda: answers(self.dapr_ports[name], "/v1.0/healthz"))

    def start(self, replicas=1, env=None):
        self.start_kafka()
        self.start_redis()
        self.start_scheduler()
        self.start_services(replicas=replicas, env=env)
        return self

    # What is asked of it.

    def call(self, method, path, body=None, service="chat-api", user="ann", headers=None, timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.host_ports[service], timeout=timeout)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, {
                "Authorization": "Bearer " + token(user), "Content-Type": "application/json", **(headers or {})})
            reply = connection.getresponse()
            text = reply.read()
        finally:
            connection.close()
        return reply.status, json.loads(text)

    def ask_daprd(self, method, path, body=None, kind="application/json", service="chat-api"):
        """Straight to a daprd, as another program would; the status of its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.dapr_ports[service], timeout=20)
        try:
            connection.request(method, path, body, {"Content-Type": kind, "dapr-api-token": DAPR_TOKEN})
            return connection.getresponse().status
        finally:
            connection.close()

    def publish(self, topic, body, kind, service="chat-api"):
        return self.ask_daprd("POST", f"/v1.0/publish/pubsub/{topic}", body, kind, service)

    def metrics(self, service="chat-api"):
        connection = http.client.HTTPConnection("127.0.0.1", self.host_ports[service], timeout=20)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def metric(self, name, service="chat-api", **labels):
        """The sum of a metric's series with those labels; 0 when there is none yet."""
        series = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", self.metrics(service), re.M)
        return sum(float(value) for names, value in series if all(f'{k}="{v}"' in names for k, v in labels.items()))

    def sql(self, text):
        return postgres().sql(text, self.database)

    def records(self, pattern):
        """How many records Kafka itself has, by topic, of those topics that match and have any."""
        done = subprocess.run([*TOOL, "org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", f"127.0.0.1:{self.kafka_port}", "--topic",
                               pattern], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ends = re.findall(r"^(.+):\d+:(\d+)$", done.stdout, re.M)
        if not ends and "Could not match any topic" not in done.stderr + done.stdout:
            raise AssertionError(f"Kafka does not say how many records {pattern} has: {done.stdout}{done.stderr}")
        counts = {}
        for topic, count in ends:
            counts[topic] = counts.get(topic, 0) + int(count)
        return {topic: count for topic, count in counts.items() if count}

    def dead_letters(self):
        return self.records(".*-dead")


if __name__ == "__main__":
    began = time.monotonic()
    cluster = Cluster().start()
    print(f"up in {time.monotonic() - began:.1f} s: chat-api on {cluster.host_ports['chat-api']}, logs in {cluster.folder}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    cluster.stop()

"""The whole system as separate processes on a PostgreSQL of its own, each of which can be killed, frozen
and started alone; and when which of them was away."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time

from soak import usage
from system import HOST, PG_BIN, ROOT, SECRET, Postgres, free_ports, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
# name: (service, how far its ports are from the first one)
PROCESSES = {
    "chat-api": ("chat-api", 0), "chat-api-2": ("chat-api", 10), "notification-service": ("notification-service", 1),
    "recurring-task-service": ("recurring-task-service", 2), "audit-service": ("audit-service", 3), "sidecar": ("sidecar", 2000),
}
DECLARED = {"chat-api": 0, "notification-service": 1, "recurring-task-service": 2, "audit-service": 3, "sidecar": 2000}
DATABASE, WATCHER = 19, 20    # the ports of PostgreSQL and of the observer, an app of its own


class Outages:
    """Spans of time in which something was away, by what it was. stalls_path: where stalls.py notes those of the machine."""

    def __init__(self, stalls_path):
        self.stalls_path = stalls_path
        self.lock = threading.Lock()
        self.open, self.spans = {}, []

    def begin(self, what):
        with self.lock:
            self.open.setdefault(what, time.time())

    def end(self, what):
        with self.lock:
            if what in self.open:
                self.spans.append((self.open.pop(what), time.time(), what))

    def of_the_machine(self):
        with open(self.stalls_path) as file:
            return [(*map(float, line.split()), "machine") for line in file if line.endswith("\n")]

    def all(self):
        with self.lock:
            return self.spans + [(began, time.time(), what) for what, began in self.open.items()] + self.of_the_machine()


class Fleet:
    def __init__(self, folder, env=None):
        self.folder = folder
        self.base = free_ports(WATCHER + 1)
        self.pg = Postgres()
        self.database = "chaos"
        self.pg.sql("CREATE DATABASE chaos")
        self.pg.sql("ALTER SYSTEM SET max_connections = 100")
        self.pg.stop()
        self.pg.port = self.base + DATABASE    # one that no outgoing connection takes while it is down
        self.pg.start()
        stalls_path = os.path.join(folder, "stalls")
        open(stalls_path, "w").close()
        self.outages = Outages(stalls_path)
        self.processes, self.frozen = {}, set()
        self.lock = threading.RLock()
        self.ended = []         # processes that ended by themselves
        self.start_ms = []      # from start until ready
        self.more = env or {}
        self.stopping = threading.Event()
        self.observed_path = os.path.join(folder, "observed")
        open(self.observed_path, "w").close()
        self.observer = None
        self.watch_thread = None
        self.stalls = None

    def env(self, name):
        service, shift = PROCESSES[name]
        base = self.base + (shift - DECLARED[service])
        sidecar = self.base + 2000
        apps = [f"{PROCESSES[n][0]}={self.inner(n)}:{sidecar + PROCESSES[n][1]}" for n in PROCESSES if n != "sidecar"]
        apps.append(f"observer={self.base + WATCHER}:{sidecar + WATCHER}")
        return {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "DATABASE_URL": self.pg.url(self.database),
            "JWT_SECRET": SECRET, "PORT": str(base), "BIND_ADDRESS": "127.0.0.1", "DRAIN_MS": "200",
            "SCRIPTS_DIR": os.path.join(ROOT, "scripts"), "WEB_DIR": os.path.join(ROOT, "web"), "USER_RATE": "1000000",
            "DAPR_HTTP_PORT": str(sidecar + shift), "SIDECAR_APPS": ",".join(apps),
            **{n: os.environ[n] for n in os.environ if n.startswith(("ASAN_", "TSAN_", "UBSAN_", "LSAN_"))}, **self.more,
        }

    def port(self, name):
        return self.base + PROCESSES[name][1]

    def inner(self, name):
        return self.port(name) + 1000

    def sql(self, text):
        return self.pg.sql(text, self.database)

    def start(self, sql=""):
        """sql: what is done before anybody uses the database."""
        done = subprocess.run([HOST, "migrate"], env=self.env("chat-api"), cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        if sql:
            self.sql(sql)
        self.stalls = subprocess.Popen([sys.executable, os.path.join(HERE, "stalls.py"), os.path.join(PG_BIN, "psql"), self.pg.url("postgres"),
                                        self.outages.stalls_path])
        self.observer = subprocess.Popen([sys.executable, os.path.join(HERE, "observer.py"), str(self.base + WATCHER), self.observed_path])
        wait_until(lambda: self.answers(self.base + WATCHER, "/dapr/subscribe"), 20, "the observer")
        for name in PROCESSES:
            self.launch(name)
        self.watch_thread = threading.Thread(target=self.watch, daemon=True)
        self.watch_thread.start()
        wait_until(self.is_ready, 60, "everything ready")
        # From now on whatever is published has somebody to hear it.
        wait_until(lambda: self.sql("SELECT count(*) FROM sidecar.app WHERE subscriptions <> '[]'") == "5", 30, "the subscriptions")

    def answers(self, port, path="/ready", timeout=1):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def launch(self, name):
        with self.lock:
            if name in self.processes and not self.processes[name].expected:
                return    # it runs already
            log = open(os.path.join(self.folder, name + ".log"), "ab")
            process = subprocess.Popen([HOST, "run", PROCESSES[name][0]], env=self.env(name), cwd=ROOT, stdout=log, stderr=log)
            log.close()
            process.began = time.monotonic()
            process.expected = process.was_ready = False
            self.processes[name] = process
            self.outages.begin(name)

    def watch(self):
        """Notes when a process that was started is ready, and those that end without being told to."""
        while not self.stopping.is_set():
            for name, process in list(self.processes.items()):
                if process.poll() is not None:
                    with self.lock:
                        if not process.expected and self.processes.get(name) is process:
                            process.expected = True
                            self.ended.append(f"{name} (pid {process.pid}) ended by itself with {process.returncode}")
                            self.launch(name)
                elif not process.was_ready and name not in self.frozen and self.answers(self.port(name)):
                    with self.lock:
                        if name in self.frozen:
                            continue    # it answered just before
                        process.was_ready = True
                        if self.processes.get(name) is process and not process.expected:
                            self.start_ms.append((time.monotonic() - process.began) * 1000)
                            self.outages.end(name)
            time.sleep(0.02)

    def is_ready(self):
        return all(p.was_ready and p.poll() is None and not p.expected for p in self.processes.values()) and \
            all(self.answers(self.port(name)) for name in self.processes)

    # Faults.

    def kill(self, *names):
        with self.lock:
            for name in names:
                process = self.processes[name]
                process.expected = True
                self.outages.begin(name)
                process.kill()
                self.frozen.discard(name)
            for name in names:
                self.processes[name].wait()

    def freeze(self, name):
        with self.lock:
            self.outages.begin(name)
            self.frozen.add(name)
            self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name):
        with self.lock:
            if name not in self.frozen:
                return
            self.frozen.discard(name)
            process = self.processes[name]
            process.send_signal(signal.SIGCONT)
            process.was_ready = False    # the watcher ends the outage
            process.began = time.monotonic()

    def terminate(self, name, seconds=25):
        """SIGTERM; the exit status, or None when it did not end in time."""
        with self.lock:
            process = self.processes[name]
            process.expected = True
            self.outages.begin(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def stop_database(self):
        self.outages.begin("database")
        self.pg.stop("immediate")

    def start_database(self):
        self.pg.start()
        self.outages.end("database")

    def kill_backends(self):
        self.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'todo-host'")

    def resources(self):
        """Resident MiB and open descriptors by process."""
        found = {name: usage(process.pid) for name, process in self.processes.items()}
        return {name: seen for name, seen in found.items() if seen}

    def troubles(self, count=15):
        """The last lines of each log that tell of trouble, for who cannot read the logs themselves."""
        def is_trouble(line):
            return not line.startswith("{") or '"level":"error"' in line or '"level":"warn"' in line
        logs = {name: (os.path.join(self.folder, name + ".log"), is_trouble) for name in PROCESSES}
        logs["PostgreSQL"] = (self.pg.log_path, lambda line: any(word in line for word in ("ERROR", "FATAL", "PANIC", "duration: ")))
        parts = []
        for name, (path, is_wanted) in logs.items():
            if os.path.exists(path):
                with open(path, errors="replace") as file:
                    lines = [line.rstrip()[:400] for line in file if is_wanted(line)]
                parts += [f"troubles of {name}, {len(lines)} lines, the last:"] + [f"    {line}" for line in lines[-count:]]
        return "\n".join(parts)

    def stop(self):
        """Ends everything but the database; the names of those that did not end well."""
        self.stopping.set()
        if self.watch_thread:
            self.watch_thread.join()
        bad = []
        for name, process in self.processes.items():
            if process.poll() is None:
                if name in self.frozen:
                    process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            try:
                code = process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            if code != 0 and not process.expected:
                bad.append(f"{name} ended with {code} after SIGTERM")
        for helper in (self.observer, self.stalls):
            if helper:
                helper.kill()
                helper.wait()
        return bad

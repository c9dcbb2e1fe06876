"""What the specs that drive the real program share: a temporary PostgreSQL, free ports, the program
as a process, and a client that speaks plain sockets. Everything a test starts ends with it."""

import atexit
import base64
import collections
import ctypes
import fcntl
import hashlib
import hmac
import http.client
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import weakref

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOST = os.environ.get("TODO_HOST", os.path.join(ROOT, "build", "todo-host"))
PG_BIN = "/usr/lib/postgresql/15/bin"
SECRET = "spec-secret-0123456789-abcdefghijklmnop"


_reserved = {}    # base -> sockets whose names keep other runs away from its ports, for as long as this one lasts; those used last come last
BASES = 12        # so many bases of its own before a run uses one again: who had it may be started once more


def _reserve(base):
    """Claims a base with all its ports; False when another run has one of them."""
    held = []
    for above in (0, 1000, 2000):
        s = socket.socket(socket.AF_UNIX)
        held.append(s)
        try:
            s.bind(f"\0todo-spec-ports-{(base + above) // 50}")
        except OSError:
            for other in held:
                other.close()
            return False
    _reserved[base] = held
    return True


def _is_free(base, count):
    for port in [base + above + i for above in (0, 1000, 2000) for i in range(count)]:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)    # what is closing is no listener
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_ports(count):
    """`count` ports in a row, with those 1,000 (inner ports) and 2,000 (the stand-in sidecar's) above them, that nobody listens on
    and no other run will take. They lie below those that the kernel gives to connections."""
    def new():
        bases = range(20000, 30700, 50)
        for i in range(len(bases)):
            base = bases[(i + os.getpid() * 7) % len(bases)]
            if base not in _reserved and _is_free(base, count) and _reserve(base):
                return base
        return None

    def used_before():
        for base in list(_reserved):
            if _is_free(base, count):
                _reserved[base] = _reserved.pop(base)
                return base
        return None
    base = len(_reserved) < BASES and new() or used_before() or new()
    if base:
        return base
    raise RuntimeError("no free ports")


_claimed = []     # sockets whose names keep other runs away from a single port


def free_port():
    """One port that nobody listens on, that no other run will take, and that the kernel gives to no connection."""
    while True:
        port = random.randrange(11000, 20000)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0todo-spec-port-{port}")
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claimed.append(claim)
        return port


# A call of a rule takes a millisecond or two of its 5, but on a machine that others use too some took 7. Under a sanitizer there are 50.
SANITIZED = os.path.basename(os.path.dirname(HOST)) in ("asan", "tsan")
RULES_CPU_FACTOR = "1" if SANITIZED else "4"
# Limits are for a quiet machine; a busy one, and a program under a sanitizer, may take some times as long.
PATIENCE = float(os.environ.get("SPEC_PATIENCE", "4"))


def wait_until(condition, seconds=15, what="condition", pause=0.02):
    """What the condition says once it holds. what: words, or a function that makes them when it did not come to that."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while True:
        over = time.monotonic() >= end    # before the look: this process may stand still for long
        value = condition()
        if value:
            return value
        if over:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)


class Log:
    """What a program writes, readable meanwhile: the program appends, and reading moves no place that it writes to."""

    def __init__(self):
        self.file = tempfile.TemporaryFile(buffering=0)
        fcntl.fcntl(self.file, fcntl.F_SETFL, os.O_APPEND)    # TemporaryFile does not, whatever its mode

    def fileno(self):
        return self.file.fileno()

    def size(self):
        return os.fstat(self.fileno()).st_size

    def text(self, start=0):
        parts = []
        while part := os.pread(self.fileno(), 1 << 20, start):
            parts.append(part)
            start += len(part)
        return b"".join(parts).decode(errors="replace")


# For the report of a test that fails: the programs there are, what was answered last, and where their logs were when it began.
_programs = weakref.WeakSet()
tellers = weakref.WeakSet()     # what else has logs: `logs()` gives [(name, text)]
_answers = collections.deque(maxlen=6)
_began = weakref.WeakKeyDictionary()
LAST_LINES, LAST_BYTES = 40, 12000


def note_answer(method, port, path, reply):
    text = f"{method} :{port}{path} {reply.status} {reply.body[:300]!r}"
    if _answers and _answers[-1].endswith(text):
        _answers.pop()    # asked again and again, until it is another one
    _answers.append(f"{time.strftime('%H:%M:%S')} {text}")


@atexit.register
def _end_programs():
    """Those that a run leaves behind that is stopped."""
    for program in list(_programs):
        if program.process and program.process.poll() is None:
            program.kill()


def test_begins():
    _answers.clear()
    for program in list(_programs):
        _began[program] = program.log.size()
    if _postgres:
        _began[_postgres] = _postgres.log_size()


def _end_of(text):
    return "\n".join(text[-LAST_BYTES:].splitlines()[-LAST_LINES:])


def what_happened():
    """The last answers, and what programs and PostgreSQL have written since the test began."""
    parts = [f"answered last: {answer}" for answer in _answers]
    for program in list(_programs):
        text = program.log.text(_began.get(program, 0))
        if text:
            ended = program.process.poll() if program.process else None
            parts.append(f"log of {' '.join(program.services)} at {program.base}" +
                         ("" if ended is None else f", which ended with {ended}") + f":\n{_end_of(text)}")
    parts += [f"log of {name}, its end:\n{_end_of(text)}" for one in list(tellers) for name, text in one.logs() if text]
    if _postgres:
        text = _postgres.log_text(_began.get(_postgres, 0))
        if text:
            parts.append(f"log of PostgreSQL:\n{_end_of(text)}")
    return "\n".join(parts)


class Postgres:
    """A cluster of its own in a temporary folder, reached over loopback."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="todo-spec-pg-")
        self.data = os.path.join(self.folder, "data")
        self.log_path = os.path.join(self.folder, "log")
        self.port = None
        self.user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            # What takes long is in its log.
            conf.write(f"listen_addresses = '127.0.0.1'\nunix_socket_directories = '{self.folder}'\n"
                       "shared_buffers = 32MB\nmax_connections = 200\nlog_line_prefix = '%m [%p] %d '\n"
                       "log_min_duration_statement = 1000\n" + ("" if DURABLE else "fsync = off\n"))
        self.port = free_port()
        self.start()
        atexit.register(self.remove)

    def _run(self, program, *words, check=True):
        prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        done = subprocess.run(prefix + [os.path.join(PG_BIN, program), *words], cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if check and done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}")
        return done.stdout

    def start(self):
        try:
            self._run("pg_ctl", "-D", self.data, "-w", "-t", "120", "-l", self.log_path, "-o", f"-p {self.port}", "start")
        except RuntimeError as problem:
            raise RuntimeError(f"{problem}{_end_of(self.log_text())}") from None

    def log_size(self):
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def log_text(self, start=0):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, "rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace")

    def stop(self, mode="fast"):
        self._run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop", check=False)

    def remove(self):
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, text, database="postgres"):
        return self._run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d",
                         database, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c",
                         text).strip()


class Session:
    """A session of psql in which `text` has been run, and which stays, with its transaction and its locks, until it is ended."""

    def __init__(self, url, text):
        self.process = subprocess.Popen([os.path.join(PG_BIN, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(text + "\nSELECT 'all of it has run';\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line == "all of it has run\n":
                return
        raise RuntimeError(f"psql ended with {self.process.wait()} in: {text}")

    def end(self, text=""):
        self.process.communicate(text + "\n")
        if self.process.returncode != 0:
            raise RuntimeError(f"psql ended with {self.process.returncode} in: {text}")


_postgres = None


# Whether commits are synced to the disk, as measurements want it. Specs kill programs and PostgreSQL, but not the machine, and a
# busy disk would make commits wait for longer than the programs do.
DURABLE = False


def postgres():
    """One cluster for all specs of a run; each takes a database of its own."""
    global _postgres
    if _postgres is None:
        _postgres = Postgres()
    return _postgres


_databases = 0


def new_database():
    global _databases
    _databases += 1
    name = f"spec_{os.getpid()}_{_databases}"
    postgres().sql(f"CREATE DATABASE {name}")
    return name


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_token(claims, secret=SECRET, header=None):
    head = b64(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode())
    body = b64(json.dumps(claims).encode() if not isinstance(claims, bytes) else claims)
    mac = hmac.new(secret.encode() if isinstance(secret, str) else secret,
                   f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{b64(mac)}"


def token(user="ann", **claims):
    now = int(time.time())
    return make_token({"sub": user, "iat": now, "exp": now + 3600, **claims})


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


class Host:
    """A running todo-host with a database of its own. services=("--all",) runs every service with the stand-in sidecar, as `make run`
    does, unless env names another one."""

    def __init__(self, services=("chat-api",), database=None, env=None, start=True):
        self.database = database or new_database()
        self.base = free_ports(8)
        self.ports = None
        self.env = {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"),
            "DATABASE_URL": postgres().url(self.database), "JWT_SECRET": SECRET,
            "PORT": str(self.base), "BIND_ADDRESS": "127.0.0.1", "DRAIN_MS": "0", "RULES_CPU_FACTOR": RULES_CPU_FACTOR,
            "SCRIPTS_DIR": os.environ.get("SCRIPTS_DIR") or os.path.join(ROOT, "scripts"), "WEB_DIR": os.path.join(ROOT, "web"),
            **{name: os.environ[name] for name in os.environ
               if name.startswith(("ASAN_", "TSAN_", "UBSAN_", "LSAN_"))},
            **(env or {}),
        }
        if services == ("--all",) and not any(name in self.env for name in ("SIDECAR_PORT", "DAPR_HTTP_PORT", "DAPR_HTTP_ENDPOINT")):
            self.env["SIDECAR_PORT"] = str(self.base + 2000)
        self.services = services
        self.process = None
        self.before = None    # called in the new process before it is the program
        self.log = Log()
        _programs.add(self)
        if start:
            self.migrate()
            self.start()

    def environment(self, **more):
        """Where nothing says which sidecar there is, nobody listens at its port, also not one that the machine has."""
        env = {**self.env, **more}
        if not any(name in env for name in ("SIDECAR_PORT", "DAPR_HTTP_PORT", "DAPR_HTTP_ENDPOINT")):
            env["DAPR_HTTP_PORT"] = str(self.base + 2040)
        return env

    def run(self, *words, **env):
        return subprocess.run([HOST, *words], env=self.environment(**env), cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * PATIENCE)

    def ports_by_name(self):
        """Where the services listen, as `todo-host services` says."""
        if self.ports is None:
            done = self.run("services")
            if done.returncode != 0:
                raise RuntimeError(done.stderr)
            self.ports = {name: (int(port), int(inner_port))
                          for name, port, inner_port in map(str.split, done.stdout.splitlines())}
        return self.ports

    def port_of(self, service, inner=False):
        return self.ports_by_name()[service][1 if inner else 0]

    def migrate(self):
        done = self.run("migrate")
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def start(self, wait=True):
        self.process = subprocess.Popen([HOST, "run", *self.services], env=self.environment(), cwd=ROOT, preexec_fn=self.before,
                                        stdout=subprocess.PIPE, stderr=self.log)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=60):
        if self.services == ("--all",):
            ports = [port for port, _ in self.ports_by_name().values()]
        else:
            ports = [self.port_of(service) for service in self.services]

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"todo-host ended with {self.process.returncode}: "
                                     f"{self.log_text()}")
            try:
                return all(self.get("/ready", token=None, port=port).status == 200 for port in ports)
            except OSError:
                return False
        wait_until(ready, seconds, lambda: "ready\n" + self.stacks())

    def log_text(self):
        return self.log.text()

    def stacks(self):
        """What its threads are doing: as of the kernel, and by their stacks, which they write to the log once they know the signal."""
        said = []
        try:
            with open(f"/proc/{self.process.pid}/status") as status:
                caught = int(re.search(r"SigCgt:\s*(\w+)", status.read()).group(1), 16)
            for thread in sorted(os.listdir(f"/proc/{self.process.pid}/task"), key=int):
                with open(f"/proc/{self.process.pid}/task/{thread}/stat") as stat:
                    said.append(stat.read().rstrip())
                if caught >> (signal.SIGUSR1 - 1) & 1:
                    ctypes.CDLL(None).tgkill(self.process.pid, int(thread), signal.SIGUSR1)
                    time.sleep(0.2)
        except OSError as problem:
            said.append(str(problem))    # it has ended
        return "\n".join(said)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it as an operator would, and checks that it ended well."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(120)
        except subprocess.TimeoutExpired:
            stacks = self.stacks()
            self.kill()
            raise AssertionError(f"todo-host did not end within 120 s of SIGTERM: {self.log_text()[-8000:]}\n{stacks}") from None
        finally:
            self.process.stdout.close()
        if code != 0:
            raise AssertionError(f"todo-host ended with {code}: {self.log_text()[-4000:]}")
        return code

    def call(self, method, path, body=None, token="", headers=None, port=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.base, timeout=timeout)
        head = dict(headers or {})
        if token is not None:
            head.setdefault("Authorization", "Bearer " + (token or globals()["token"]()))
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            head.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, head)
            got = connection.getresponse()
            reply = Reply(got.status, got.getheaders(), got.read())
            note_answer(method, port or self.base, path, reply)
            return reply
        finally:
            connection.close()

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)

    def raw(self, data, port=None, timeout=30, half_close=False):
        """Sends bytes and returns all that comes back until the server closes or nothing comes. It may answer and close before
        it has all."""
        with socket.create_connection(("127.0.0.1", port or self.base), timeout=timeout) as s:
            try:
                s.sendall(data)
                if half_close:
                    s.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            chunks = []
            try:
                while True:
                    chunk = s.recv(65536)
                    if not chunk:
                        return b"".join(chunks), True
                    chunks.append(chunk)
            except socket.timeout:
                return b"".join(chunks), False
            except ConnectionResetError:
                return b"".join(chunks), True


def edited_rules(name, changes, examples=None):
    """A folder with the rules as an operator may leave them, for RULES_DIR: in NAME.lua each regular expression of
    `changes` replaced once, beside it `examples` (a list), or none. Whoever asks removes the folder."""
    folder = tempfile.mkdtemp(prefix="todo-spec-rules-")
    shutil.copytree(os.path.join(os.environ.get("SCRIPTS_DIR") or os.path.join(ROOT, "scripts"), "rules"), folder, dirs_exist_ok=True)
    path = os.path.join(folder, name + ".lua")
    with open(path) as file:
        text = file.read()
    for old, new in changes.items():
        text, count = re.subn(old, lambda _, new=new: new, text, count=1)
        assert count == 1, old
    with open(path, "w") as file:
        file.write(text)
    path = os.path.join(folder, name + ".examples.json")
    os.remove(path)
    if examples is not None:
        with open(path, "w") as file:
            json.dump(examples, file)
    return folder


class HostCase(unittest.TestCase):
    """A test class whose tests share one running program."""

    services = ("chat-api",)
    env = {}

    @classmethod
    def setUpClass(cls):
        cls.host = Host(cls.services, env=cls.env)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.host.stop()
        finally:
            postgres().sql(f"DROP DATABASE IF EXISTS {cls.host.database} WITH (FORCE)")

    def assert_problem(self, reply, status, part=None):
        self.assertEqual(reply.status, status, reply.body)
        self.assertEqual(reply.headers["content-type"], "application/problem+json")
        self.assertIsInstance(reply.json["detail"], str)
        self.assertEqual(reply.json["status"], status)
        if part:
            self.assertIn(part, reply.json["detail"])

    def create(self, user="ann", **fields):
        reply = self.host.post("/api/tasks", {"title": "a task", **fields}, token=token(user))
        self.assertEqual(reply.status, 201, reply.body)
        return reply.json

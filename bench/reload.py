"""The part of the bench that measures rules that change while the program serves: whether a request fails, how long
until all workers run what was edited, what it leaves in memory, and what bad rules cost the requests beside them.
bench/README.md names the figures."""

import collections
import hashlib
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "spec", "support"))
import system  # noqa: E402

system.DURABLE = True

WORKERS = int(os.environ.get("BENCH_RELOAD_WORKERS", os.cpu_count()))
RATE = int(os.environ.get("BENCH_RELOAD_RATE", "5000"))        # requests/s beside the edits
SECONDS = int(os.environ.get("BENCH_RELOAD_SECONDS", "60"))
EVERY = 0.1              # an edit each that many seconds
WARM = 10                # seconds of the same before memory is looked at
BAD_RATE, BAD_BESIDE = 5, 1000      # bad calls/s, and requests/s beside them
BAD_SECONDS = max(5, SECONDS // 4)
CONNECTIONS = 64
WRITES = 50              # every so many requests one asks the rules: a new task
SHADOW_CALLS = 1000      # of each kind
LOOK = 0.004             # between two questions of each worker

BAD = """
local create = task.create
function task.create(wanted, ...)
  if wanted.title == "loop" then
    while true do pcall(error) end
  elseif wanted.title == "memory" then
    local all = {}
    while true do all[#all + 1] = ("x"):rep(100000) .. #all end
  elseif wanted.title == "pattern" then
    return (("a"):rep(5000)):find((".-"):rep(30) .. "b")
  end
  return create(wanted, ...)
end
"""


# Load: wrk, whose connections take turns at a steady rate; one that is late begins at once.

WRK = """
local ffi = require("ffi")
ffi.cdef("typedef struct { long s, ns; } at; int clock_gettime(int, at *);")
local at, begin, asked, taken = ffi.new("at"), nil, 0, 0
local function now() ffi.C.clock_gettime(1, at) return tonumber(at.s) * 1000 + tonumber(at.ns) / 1e6 end
local reads, writes = {}, {}
function init()
  for line in io.lines(%(tokens)s) do
    local head = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. line }
    reads[#reads + 1] = wrk.format("GET", "/api/tasks", head)
    head = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. line }
    writes[#writes + 1] = wrk.format("POST", "/api/tasks", head, '{"title":"Buy milk"}')
  end
end
function delay()
  begin = begin or now()
  asked = asked + 1
  return math.max(0, math.floor(begin + asked * 1000 / %(rate)d - now()))
end
function request()
  taken = taken + 1
  if %(writes)d > 0 and taken %% %(writes)d == 0 then return writes[1 + taken %% (#writes / 2)] end
  return reads[#reads / 2 + 1 + taken %% (#reads / 2)]
end
function done(summary, latency)
  local e = summary.errors
  print(string.format("BENCH %%d %%.3f %%.3f %%d", summary.requests, summary.requests / summary.duration * 1e6,
    latency:percentile(99) / 1000, e.status + e.connect + e.read + e.write + e.timeout))
end
"""


class Load:
    """wrk beside what goes on: `answered`, `rate`, `p99` in ms, and how many `failed`, known at its end. Half of the
    users read and half write, so that what is read stays small."""

    def __init__(self, host, rate, seconds, writes=WRITES):
        self.folder = tempfile.mkdtemp(prefix="todo-bench-wrk-")
        words = {"tokens": json.dumps(os.path.join(self.folder, "tokens")), "rate": rate, "writes": writes}
        with open(os.path.join(self.folder, "tokens"), "w") as f:
            f.writelines(system.token(f"user{i}") + "\n" for i in range(CONNECTIONS))
        script = os.path.join(self.folder, "load.lua")
        with open(script, "w") as f:
            f.write(WRK % words)
        self.process = subprocess.Popen(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{host.base}"],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self):
        out = self.process.communicate()[0]
        shutil.rmtree(self.folder)
        found = re.search(r"BENCH (\d+) (\S+) (\S+) (\d+)", out)
        if not found:
            raise RuntimeError(f"wrk: {out}")
        self.answered, self.failed = int(found.group(1)), int(found.group(4))
        self.rate, self.p99 = float(found.group(2)), float(found.group(3))
        return self


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


# Edits: the folder of the rules, and the revision that each makes of it.

class Folder:
    """A copy of the rules in which task.lua changes, by a rename or by the swap of a ConfigMap's link."""

    def __init__(self, mount):
        self.place = tempfile.mkdtemp(prefix="todo-bench-rules-")
        os.chmod(self.place, 0o755)
        self.mount, self.edits = mount, 0
        source = os.path.join(ROOT, "scripts", "rules")
        self.texts = {}
        for name in sorted(os.listdir(source)):
            if name.endswith((".lua", ".json")):
                with open(os.path.join(source, name), "rb") as f:
                    self.texts[name] = f.read()
        self.task = self.texts["task.lua"]
        if mount:
            self.fill("..0")
            os.symlink("..0", os.path.join(self.place, "..data"))
            for name in self.texts:
                os.symlink(f"..data/{name}", os.path.join(self.place, name))
        else:
            self.fill(".")

    def fill(self, below):
        folder = os.path.join(self.place, below)
        os.makedirs(folder, exist_ok=True)
        for name, text in self.texts.items():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(text)

    def prepare(self):
        """The next edit, up to the rename that makes it seen. Gives that rename and the revision."""
        self.edits += 1
        self.texts["task.lua"] = self.task + f"-- {self.edits}\n".encode()
        if self.mount:
            self.fill(f"..{self.edits}")
            old, new = os.path.join(self.place, "..data_tmp"), os.path.join(self.place, "..data")
            os.symlink(f"..{self.edits}", old)
            shutil.rmtree(os.path.join(self.place, f"..{self.edits - 2}"), ignore_errors=True)
        else:
            old, new = os.path.join(self.place, "task~"), os.path.join(self.place, "task.lua")
            with open(old, "wb") as f:
                f.write(self.texts["task.lua"])
        digest = hashlib.sha256()
        for name in sorted(self.texts, key=str.encode):
            digest.update(f"{name} {len(self.texts[name])}\n".encode() + self.texts[name])
        return (lambda: os.rename(old, new)), digest.hexdigest()

    def remove(self):
        shutil.rmtree(self.place)


class Observer(threading.Thread):
    """Asks each worker by itself, on a connection that stays with it, which rules it runs. What was edited is live
    once the last of them says so, or says that it runs something later."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.port = host.port_of("chat-api", inner=True)
        self.lines, self.lock, self.ended = {}, threading.Lock(), threading.Event()
        self.number, self.renamed, self.live, self.seen = {}, {}, {}, set()
        while len(self.lines) < WORKERS:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            self.lines.setdefault(self.ask(connection)["worker"], connection)
        self.at = dict.fromkeys(self.lines, 0)      # by worker: the edit that it runs

    @staticmethod
    def ask(connection):
        connection.request("GET", "/rules/status")
        return json.loads(connection.getresponse().read())

    def expect(self, edit, revision):
        with self.lock:
            self.number[revision] = edit

    def note(self, edit, at):
        with self.lock:
            self.renamed[edit] = at

    def run(self):
        while not self.ended.is_set():
            if max(self.renamed, default=0) == max(self.live, default=0):
                time.sleep(0.0005)
                continue
            for worker, connection in self.lines.items():
                edit = self.number.get(self.ask(connection)["worker_revision"], 0)
                self.at[worker] = max(edit, self.at[worker])
            now = time.monotonic()
            with self.lock:
                for edit, at in self.renamed.items():
                    if edit not in self.live and edit <= min(self.at.values()):
                        self.live[edit] = (now - at) * 1000
                self.seen.add(min(self.at.values()))
            time.sleep(LOOK)

    def end(self):
        self.ended.set()
        self.join()
        for connection in self.lines.values():
            connection.close()


def rss_mb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024


def edit_for(folder, observer, seconds):
    """An edit each EVERY seconds, by the clock."""
    begin = time.monotonic()
    for i in range(int(seconds / EVERY)):
        time.sleep(max(0, begin + i * EVERY - time.monotonic()))
        rename, revision = folder.prepare()
        observer.expect(folder.edits, revision)
        at = time.monotonic()
        rename()
        observer.note(folder.edits, at)
    system.wait_until(lambda: folder.edits in observer.live, 60, "the last edit")


def start_host(folder, **env):
    host = system.Host(("chat-api",), start=False, env={"WORKERS": str(WORKERS), "USER_RATE": "1000000", "OUTBOX_MAX_MB": "10000",
                                                        "RELOAD_LOOK_MS": "3600000", "RULES_DIR": folder, **env})
    host.migrate()
    host.start()
    return host


def end_host(host):
    try:
        host.stop()
    finally:
        if host.process.poll() is None:
            host.kill()
        system.postgres().sql(f"DROP DATABASE IF EXISTS {host.database} WITH (FORCE)")


def measure_edits(mount, figures, say):
    kind = "swap" if mount else "rename"
    folder = Folder(mount)
    host = start_host(folder.place)
    try:
        warm, requests = Observer(host), Load(host, RATE, WARM)
        warm.start()
        edit_for(folder, warm, WARM)
        warm.end()
        requests.end()
        before = rss_mb(host.process.pid)
        first = folder.edits
        observer, requests = Observer(host), Load(host, RATE, SECONDS)
        observer.at = dict.fromkeys(observer.at, first)
        observer.start()
        edit_for(folder, observer, SECONDS)
        result, after = requests.end(), rss_mb(host.process.pid)
        observer.end()
    finally:
        end_host(host)
        folder.remove()
    live = sorted(observer.live.values())
    taken = len([edit for edit in observer.seen if edit > first])
    late = len([ms for ms in live if ms > 100])
    figures.update({
        f"reload_{kind}_edits": len(live), f"reload_{kind}_taken": taken, f"reload_{kind}_per_s": round(result.rate),
        f"reload_{kind}_requests": result.answered, f"reload_{kind}_failed": result.failed,
        f"reload_{kind}_p50_ms": round(percentile(live, 0.5), 1), f"reload_{kind}_p99_ms": round(percentile(live, 0.99), 1),
        f"reload_{kind}_max_ms": round(live[-1], 1), f"reload_{kind}_late": late,
        f"reload_{kind}_request_p99_ms": round(result.p99, 1),
        f"reload_{kind}_rss_mb": round(after, 1), f"reload_{kind}_rss_ratio": round(after / before, 3)})
    say(f"  {kind}: {len(live)} edits, {taken} of them seen live on all {WORKERS} workers; {live[0]:.0f} to {live[-1]:.0f} ms after it,"
        f" p50 {percentile(live, 0.5):.1f}, p99 {percentile(live, 0.99):.1f}, {late} later than 100 ms")
    say(f"    {result.answered:,} requests at {result.rate:,.0f}/s, {result.failed} failed,"
        f" p99 {result.p99:.1f} ms; memory {before:.1f} -> {after:.1f} MB")


def call_badly(host, title, ended, counts):
    connection = http.client.HTTPConnection("127.0.0.1", host.base, timeout=60)
    begin, calls = time.monotonic(), 0
    while not ended.is_set():
        connection.request("POST", "/api/tasks", json.dumps({"title": title}),
                           {"Authorization": "Bearer " + system.token("bad"), "Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        counts[reply.status] += 1
        if calls % 10 == 9:     # another worker, perhaps
            connection.close()
        calls += 1
        ended.wait(max(0, begin + calls / BAD_RATE - time.monotonic()))
    connection.close()


def beside(host, title):
    """The 99th percentile of requests beside bad calls, or beside none; and what became of those."""
    ended, counts = threading.Event(), collections.Counter()
    requests = Load(host, BAD_BESIDE, BAD_SECONDS, writes=0)
    thread = threading.Thread(target=call_badly, args=(host, title, ended, counts), daemon=True)
    thread.start()
    result = requests.end()
    ended.set()
    thread.join()
    if result.failed or set(counts) != {201}:
        raise RuntimeError(f"beside {title}: {dict(counts)}, and {result.failed} requests failed")
    return result.p99


def measure_bad(figures, say):
    """The program starts with the rules, so that there are none before that would come back."""
    folder = Folder(False)
    path = os.path.join(folder.place, "task.lua")
    with open(path, "wb") as f:
        f.write(folder.task.replace(b"\nreturn task", BAD.encode() + b"\nreturn task"))
    host = start_host(folder.place)
    try:
        beside(host, "good")
        figures["bad_none_p99_ms"] = round(beside(host, "good"), 1)
        for title in ("loop", "memory", "pattern"):
            figures[f"bad_{title}_p99_ms"] = round(beside(host, title), 1)
        text = host.get("/metrics", token=None).body.decode()
        failed = sum(float(n) for n in re.findall(r'^rules_failures_total{[^}]*rule="task.create"[^}]*} (\S+)$', text, re.M))
        if failed < 3 * BAD_SECONDS:
            raise RuntimeError(f"only {failed} calls of the bad rules failed")
    finally:
        end_host(host)
        folder.remove()
    say(f"  p99 of {BAD_BESIDE} requests/s beside {BAD_RATE} calls/s: of good rules {figures['bad_none_p99_ms']} ms, of one that loops"
        f" {figures['bad_loop_p99_ms']} ms, eats memory {figures['bad_memory_p99_ms']} ms, has a bad pattern {figures['bad_pattern_p99_ms']} ms")


def ask_in_turns(hosts, path, body):
    """The median time of a request, in ms, of each program: they take turns."""
    times = [[] for _ in hosts]
    lines = [http.client.HTTPConnection("127.0.0.1", host.base, timeout=60) for host in hosts]
    head = {"Authorization": "Bearer " + system.token("shadow"), "Content-Type": "application/json"}
    for i in range(SHADOW_CALLS):
        for line, taken in zip(lines, times):
            began = time.monotonic()
            line.request("POST", path, json.dumps(body), head)
            reply = line.getresponse()
            reply.read()
            if reply.status not in (200, 201):
                raise RuntimeError(f"{path} answered {reply.status}")
            if i >= SHADOW_CALLS // 10:
                taken.append((time.monotonic() - began) * 1000)
    for line in lines:
        line.close()
    return [statistics.median(taken) for taken in times]


def measure_shadow(figures, say):
    folder = Folder(False)
    env = {"WORKERS": "1", "RULES_SHADOW_RATE": "1000"}
    hosts = []
    try:
        hosts.append(start_host(folder.place, **env))
        hosts.append(start_host(folder.place, RULES_SHADOW_DIR=folder.place, **env))
        for name, path, body in (("create", "/api/tasks", {"title": "Buy milk"}),
                                 ("chat", "/api/shadow/chat", {"message": "add pay the rent tomorrow at 9am #home"})):
            alone, both = ask_in_turns(hosts, path, body)
            figures[f"shadow_{name}_ms"], figures[f"no_shadow_{name}_ms"] = round(both, 3), round(alone, 3)
            say(f"  {name}: {alone:.2f} ms, with candidate rules {both:.2f} ms")
        text = hosts[1].get("/metrics", token=None).body.decode()
        if not re.search(r'rules_shadow_calls_total{[^}]*rule="chat.understand"[^}]*} [1-9]', text):
            raise RuntimeError("the candidate was not asked")
        live, shadow = (float(re.search(rf"{name}{{[^}}]*}} (\S+)", text).group(1)) / 2**20
                        for name in ("rules_memory_bytes", "rules_shadow_memory_bytes"))
        say(f"  memory of the rules {live:.1f} MB, of the candidate {shadow:.1f} MB more")
    finally:
        for host in hosts:
            end_host(host)
        folder.remove()


def measure(figures, say):
    say(f"(f) rules that change each {EVERY * 1000:.0f} ms, beside requests; and bad ones")
    measure_edits(False, figures, say)
    measure_edits(True, figures, say)
    measure_bad(figures, say)
    measure_shadow(figures, say)


if __name__ == "__main__":
    result = {}
    measure(result, lambda text: print(text, flush=True))
    print(json.dumps(result))

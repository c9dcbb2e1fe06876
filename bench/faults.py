"""The part of the bench that measures faults: five times the load that can be served, ten thousand idle connections, and a
session that keeps PostgreSQL from removing dead rows. bench/README.md names the figures."""

import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "spec", "support"))
sys.path.insert(0, HERE)
import events  # noqa: E402
import reload  # noqa: E402
import system  # noqa: E402

system.DURABLE = True

SECONDS = int(os.environ.get("BENCH_FAULTS_SECONDS", "10"))
HELD_SECONDS = int(os.environ.get("BENCH_HELD_SECONDS", "60"))
HELD_RATE = int(os.environ.get("BENCH_HELD_RATE", "400"))
IDLE = 10000
PEAK_CONNECTIONS = 64
OVERLOAD = 5
# What wrk tells at its end: of answers 2xx, and of the others.
SCRIPT = """
wrk.method = "POST"
wrk.body = '{"title": "t", "priority": "high"}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
local threads = {}
function setup(thread) threads[#threads + 1] = thread end
function init() good, bad, told, times, sent = 0, 0, 0, {}, nil end
function response(status, headers)
  if status == 201 then good = good + 1
  else bad = bad + 1; if headers["Retry-After"] then told = told + 1 end end
end
function done(summary, latency)
  local g, b, t = 0, 0, 0
  for _, thread in ipairs(threads) do g, b, t = g + thread:get("good"), b + thread:get("bad"), t + thread:get("told") end
  print(string.format("RESULT %%d %%d %%d %%d %%f", g, b, t, summary.errors.connect + summary.errors.read + summary.errors.timeout, summary.duration / 1e6))
end
"""


def wrk(port, connections, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % system.token())
        script.flush()
        done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script.name,
                               f"http://127.0.0.1:{port}/api/tasks"], capture_output=True, text=True, check=True)
    good, bad, told, errors, took = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\S+)", done.stdout).groups()
    return {"goodput": int(good) / float(took), "refused": int(bad), "told": int(told), "errors": int(errors)}


def accepted(host, before):
    """p99 of creates answered between two looks at the histogram, as the bucket's upper bound in ms: refused ones are not among them."""
    name = "http_server_request_duration_seconds"
    return events.bound_of(before, route(host, name, "/api/tasks"), 0.99) * 1000


def metrics(host):
    reply = host.get("/metrics", token=None)
    if reply.status != 200:
        raise RuntimeError(f"/metrics is {reply.status}")
    return reply.body.decode()


def route(host, name, path):
    text = metrics(host)
    counts = {}
    for labels, value in re.findall(rf"^{name}_bucket{{([^}}]*)}} (\S+)$", text, re.M):
        if f'route="{path}"' in labels:
            bound = re.search(r'le="([^"]+)"', labels).group(1)
            bound = float("inf") if bound == "+Inf" else float(bound)
            counts[bound] = counts.get(bound, 0) + float(value)
    return sorted(counts.items())


def measure_overload(figures, say):
    host = system.Host(env={"USER_RATE": "1000000", "OUTBOX_MAX_MB": "10000", "DAPR_HTTP_PORT": "1", "MAX_REQUESTS": str(2 * PEAK_CONNECTIONS)})
    try:
        wrk(host.base, PEAK_CONNECTIONS, 2)
        name = "http_server_request_duration_seconds"
        before = route(host, name, "/api/tasks")
        peak = wrk(host.base, PEAK_CONNECTIONS, SECONDS)
        peak_p99 = accepted(host, before)
        before = route(host, name, "/api/tasks")
        over = wrk(host.base, OVERLOAD * PEAK_CONNECTIONS, SECONDS)
        over_p99 = accepted(host, before)
        figures.update({"peak_per_s": round(peak["goodput"]), "overload_goodput_per_s": round(over["goodput"]),
                        "overload_goodput_ratio": round(over["goodput"] / peak["goodput"], 2), "overload_refused": over["refused"],
                        "overload_refused_without_retry_after": over["refused"] - over["told"], "overload_errors": over["errors"],
                        "peak_p99_ms": round(peak_p99, 1), "overload_p99_ms": round(over_p99, 1), "overload_p99_ratio": round(over_p99 / peak_p99, 2)})
        say(f"  {OVERLOAD} times the connections: {over['goodput']:,.0f}/s of {peak['goodput']:,.0f}/s; {over['refused']} refused;"
            f" accepted p99 <= {over_p99:g} ms, at the peak {peak_p99:g} ms")
    finally:
        reload.end_host(host)


def measure_idle(figures, say):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host = system.Host(env={"DAPR_HTTP_PORT": "1"})
    held = []
    try:
        before = probes(host)
        for _ in range(IDLE):
            held.append(socket.create_connection(("127.0.0.1", host.base), timeout=10))
        after = probes(host)
        stay = int(sum(float(v) for v in re.findall(r"^http_server_connections{[^}]*} (\S+)$", metrics(host), re.M)))
        figures.update({"flood_connections": IDLE, "flood_open": stay, "flood_health_p50_ms": round(events.percentile(after, 0.5), 2),
                        "flood_health_max_ms": round(after[-1], 1), "no_flood_health_max_ms": round(before[-1], 1),
                        "flood_rss_mb": round(events.rss_mb(host.process.pid), 1)})
        say(f"  {IDLE} idle connections, {stay} of them open: /health p50 {figures['flood_health_p50_ms']} ms, max {after[-1]:.1f} ms; {figures['flood_rss_mb']} MB")
    finally:
        for s in held:
            s.close()
        reload.end_host(host)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def probes(host):
    times = []
    for _ in range(100):
        began = time.monotonic()
        if host.get("/health", token=None).status != 200:
            raise RuntimeError("/health is not 200")
        times.append((time.monotonic() - began) * 1000)
        time.sleep(0.02)
    return sorted(times)


def published(host):
    return sum(float(v) for v in re.findall(r"^outbox_published_total{[^}]*} (\S+)$", metrics(host), re.M))


def dequeue_rate(host, rows=10000):
    """Events a second that the relay takes from a queue that is filled at once."""
    data = json.dumps({"event_id": "e", "event_type": "task.updated", "user_id": "nobody", "task_id": "t", "payload": {"version": 1, "title": "x" * 200}})
    before, began = published(host), time.monotonic()
    events.sql(host, "INSERT INTO chat.outbox (topic, key, version, event_id, event_type, data) SELECT 'spec-topic', gen_random_uuid(), 1, gen_random_uuid(),"
               f" 'task.updated', '{data}' FROM generate_series(1, {rows})")
    while published(host) - before < rows:
        if time.monotonic() - began > 120:
            raise RuntimeError("the queue is not emptied")
        time.sleep(0.05)
    return rows / (time.monotonic() - began)


def measure_held(figures, say):
    host = events.start_all()
    session = None
    try:
        events.paced(host.base, 5, rate=HELD_RATE)
        system.wait_until(lambda: events.pending(host) == 0, 60, "quiet")
        free = sorted(dequeue_rate(host) for _ in range(3))[1]
        session = subprocess.Popen(["psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(system.postgres().port), "-U", "postgres", "-d", host.database],
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        session.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM chat.task;\n")
        session.stdin.flush()
        time.sleep(1)
        events.paced(host.base, HELD_SECONDS, rate=HELD_RATE)
        system.wait_until(lambda: int(events.sql(host, "SELECT count(*) FROM chat.outbox")) == 0, 60, "quiet")
        dead = int(events.sql(host, "SELECT pg_stat_force_next_flush(); SELECT n_dead_tup FROM pg_stat_user_tables WHERE schemaname = 'chat' AND relname = 'outbox'").split()[-1])
        held = sorted(dequeue_rate(host) for _ in range(3))[1]
        figures.update({"dequeue_per_s": round(free), "held_seconds": HELD_SECONDS, "held_dead_rows": dead, "held_dequeue_per_s": round(held),
                        "held_dequeue_ratio": round(held / free, 2)})
        say(f"  a held snapshot of {HELD_SECONDS} s, {dead} dead rows: {held:,.0f} events/s, {free:,.0f} without")
    finally:
        if session:
            session.stdin.close()
            session.wait()
        reload.end_host(host)


def measure(figures, say):
    say("(f) faults")
    measure_overload(figures, say)
    measure_idle(figures, say)
    measure_held(figures, say)


if __name__ == "__main__":
    result = {}
    parts = sys.argv[1:]
    if parts:
        for part in parts:
            {"overload": measure_overload, "idle": measure_idle, "held": measure_held}[part](result, lambda text: print(text, flush=True))
    else:
        measure(result, lambda text: print(text, flush=True))
    print(json.dumps(result))

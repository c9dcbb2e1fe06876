"""The part of the bench that measures events: from a commit to the broker, from a change to its effect, a
backlog, and the memory of everything in one process. bench/README.md names the figures."""

import heapq
import json
import os
import re
import selectors
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "spec", "support"))
import system  # noqa: E402

system.DURABLE = True

WRITERS = 100
RATE = int(os.environ.get("BENCH_EVENTS_RATE", "500"))     # creates/s of all writers together
SECONDS = int(os.environ.get("BENCH_EVENTS_SECONDS", "10"))
BACKLOG = 100000         # rows of the outbox
TASK = json.dumps({"title": "Buy milk and bread", "tags": ["Home", "shop"], "priority": "high", "due_date": "2030-01-01T09:00:00Z"})


class Writer:
    """A connection that sends one request after the other, each at its time."""

    def __init__(self, port, request):
        self.request = request
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.began, self.reply = None, b""

    def send(self, at):
        self.began, self.reply = at, b""
        self.socket.send(self.request)

    def receive(self):
        """True once the answer is whole; it must be 2xx."""
        got = self.socket.recv(65536)
        if not got:
            raise RuntimeError("the program closed a connection")
        self.reply += got
        head, found, body = self.reply.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if not found or len(body) < int(length.group(1)):
            return False
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"the program answered {self.reply[:300]}")
        return True


def paced(port, seconds, rate=RATE, writers=WRITERS, method="POST", path="/api/tasks", body=TASK, until=None):
    """Latencies in ms, from the moment at which each request was meant to be sent (so that a stall counts in
    full), of requests at a steady rate. until: ends earlier once it says so."""
    selector, connections, due = selectors.EpollSelector(), [], []
    begin = time.monotonic() + 0.1
    for i in range(writers):
        head = f"{method} {path} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {system.token(f'user{i}')}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        connections.append(Writer(port, (head + "\r\n" + (body or "")).encode()))
        selector.register(connections[-1].socket, selectors.EVENT_READ, i)
        due.append((begin + i / rate, i))
    heapq.heapify(due)
    end, open_requests, latencies, over = begin + seconds, 0, [], threading.Event()
    if until:   # beside the loop: what it asks takes longer than a request
        threading.Thread(target=ask, args=(until, end, over), daemon=True).start()
    while True:
        now = time.monotonic()
        end = min(end, now) if over.is_set() else end
        while due and due[0][0] <= min(now, end):
            at, i = heapq.heappop(due)
            connections[i].send(at)
            open_requests += 1
        if now > end and open_requests == 0:
            break
        for key, _ in selector.select(max(0, min(0.02, due[0][0] - now)) if due else 0.02):
            if connections[key.data].receive():
                latencies.append((time.monotonic() - connections[key.data].began) * 1000)
                heapq.heappush(due, (connections[key.data].began + writers / rate, key.data))
                open_requests -= 1
    for connection in connections:
        connection.socket.close()
    return sorted(latencies)


def ask(until, end, over):
    while time.monotonic() < end and not until():
        time.sleep(0.1)
    over.set()


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def sql(host, text):
    return system.postgres().sql(text, host.database)


def histogram(host, name):
    """Upper bounds and counts of a histogram, of all workers together."""
    text = host.get("/metrics", token=None).body.decode()
    counts = {}
    for bound, value in re.findall(rf'^{name}_bucket{{[^}}]*le="([^"]+)"[^}}]*}} (\S+)$', text, re.M):
        bound = float("inf") if bound == "+Inf" else float(bound)
        counts[bound] = counts.get(bound, 0) + float(value)
    return sorted(counts.items())


def bound_of(before, after, share):
    """The upper bound of the bucket in which that share of what came between two looks lies."""
    counts = [(bound, count - dict(before).get(bound, 0)) for bound, count in after]
    total = counts[-1][1]
    return next(bound for bound, count in counts if count >= total * share)


def pending(host):
    return int(sql(host, "SELECT (SELECT count(*) FROM chat.outbox) + (SELECT count(*) FROM sidecar.delivery)"))


def measure_flow(host, figures, say):
    paced(host.base, 2)     # warm-up
    system.wait_until(lambda: pending(host) == 0, 60, "quiet")
    since = sql(host, "SELECT now()")
    before = histogram(host, "outbox_publish_lag_seconds")
    latencies = paced(host.base, SECONDS)
    system.wait_until(lambda: pending(host) == 0, 60, "quiet")
    lag = bound_of(before, histogram(host, "outbox_publish_lag_seconds"), 0.99)
    count, p50, p99 = sql(host, "SELECT count(*) || ' ' || array_to_string(percentile_cont(array[0.5, 0.99]) WITHIN GROUP (ORDER BY"
                                " extract(epoch FROM recorded_at - occurred_at) * 1000), ' ') FROM audit.audit_log"
                                f" WHERE occurred_at >= '{since}'").split()
    if int(count) != len(latencies):
        raise RuntimeError(f"{len(latencies)} creates were answered and {count} are in the audit log")
    figures.update({"events_create_per_s": round(len(latencies) / SECONDS), "events_create_p99_ms": round(percentile(latencies, 0.99), 1),
                    "commit_to_publish_p99_ms": lag * 1000, "change_to_effect_p50_ms": round(float(p50), 1),
                    "change_to_effect_p99_ms": round(float(p99), 1)})
    say(f"  {figures['events_create_per_s']} creates/s by {WRITERS} writers: published p99 <= {lag * 1000:g} ms,"
        f" effect p50 {float(p50):.1f} ms, p99 {float(p99):.1f} ms")


def make_backlog(host, say):
    """The chat-api alone, with a sidecar that is not there."""
    host.stop()
    alone = system.Host(("chat-api",), database=host.database, env={**host.env, "PORT": str(host.base), "DAPR_HTTP_PORT": "1"}, start=False)
    alone.base = host.base
    alone.start()
    try:
        while int(sql(host, "SELECT count(*) FROM chat.outbox")) < BACKLOG:
            paced(host.base, 5, rate=4000)
    finally:
        alone.stop()
    say(f"  a backlog of {sql(host, 'SELECT count(*) FROM chat.outbox')} rows")


def measure_backlog(host, figures, say):
    idle = paced(host.base, 5, rate=100, writers=20)
    make_backlog(host, say)
    run_all(host)
    rows = int(sql(host, "SELECT count(*) FROM chat.outbox"))
    began = time.monotonic()
    busy = paced(host.base, 120, rate=100, writers=20,
                 until=lambda: sql(host, "SELECT count(*) < 200 FROM chat.outbox") == "t")
    seconds = time.monotonic() - began
    system.wait_until(lambda: pending(host) == 0, 120, "quiet")
    all_seconds = time.monotonic() - began
    figures.update({"backlog_rows": rows, "backlog_published_per_s": round(rows / seconds), "backlog_effect_per_s": round(rows / all_seconds),
                    "backlog_api_p99_ms": round(percentile(busy, 0.99), 1), "idle_api_p99_ms": round(percentile(idle, 0.99), 1),
                    "backlog_api_p99_ratio": round(percentile(busy, 0.99) / percentile(idle, 0.99), 2)})
    say(f"  published {rows / seconds:,.0f}/s, delivered {rows / all_seconds:,.0f}/s; API p99 {percentile(busy, 0.99):.1f} ms,"
        f" idle {percentile(idle, 0.99):.1f} ms")


def rss_mb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024


def run_all(host):
    host.start(wait=False)
    for service in ("chat-api", "sidecar", "audit-service", "recurring-task-service", "notification-service"):
        system.wait_until(lambda p=host.port_of(service): is_ready(host, p), 20, service)


def is_ready(host, port):
    try:
        return host.get("/ready", token=None, port=port).status == 200
    except OSError:
        if host.process.poll() is not None:
            raise RuntimeError(f"the program ended: {host.log_text()[-2000:]}") from None
        return False


def start_all():
    """Every service and the stand-in sidecar in one process."""
    host = system.Host(("--all",), env={"WORKERS": "1", "USER_RATE": "1000000", "OUTBOX_MAX_MB": "10000"}, start=False)
    host.env["SIDECAR_PORT"] = str(host.base + 2000)
    host.migrate()
    run_all(host)
    return host


def measure(figures, say):
    say("(e) events: all services and the stand-in sidecar in one process")
    host = start_all()
    try:
        measure_flow(host, figures, say)
        figures["all_rss_mb"] = round(rss_mb(host.process.pid), 1)
        say(f"  resident memory {figures['all_rss_mb']} MB")
        measure_backlog(host, figures, say)
        figures["all_rss_backlog_mb"] = round(rss_mb(host.process.pid), 1)
        host.stop()
    finally:
        if host.process.poll() is None:
            host.kill()
        sql_drop = f"DROP DATABASE IF EXISTS {host.database} WITH (FORCE)"
        system.postgres().sql(sql_drop)


if __name__ == "__main__":
    result = {}
    measure(result, lambda text: print(text, flush=True))
    print(json.dumps(result))

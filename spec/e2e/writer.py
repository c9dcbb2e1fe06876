"""Writers of tasks that go on through faults, and what must be true when all is over."""

import datetime
import http.client
import threading
import uuid

from cluster import wait_until

MISSING = """SELECT count(*) FROM chat.task AS t LEFT JOIN (SELECT task_id, count(*) AS n, count(DISTINCT version) AS versions,
  max(version) AS last FROM audit.audit_log GROUP BY task_id) AS a ON a.task_id = t.id
  WHERE (a.n, a.versions, a.last) IS DISTINCT FROM (t.version, t.version, t.version)"""
STRAY = "SELECT count(*) FROM audit.audit_log AS a WHERE NOT EXISTS (SELECT 1 FROM chat.task AS t WHERE t.id = a.task_id)"
WAITING = "SELECT (SELECT count(*) FROM chat.outbox) + (SELECT count(*) FROM recur.outbox) + (SELECT count(*) FROM notify.outbox)"
DISORDER = """SELECT count(*) FROM (SELECT version, lag(version) OVER (PARTITION BY task_id ORDER BY id) AS before
  FROM audit.audit_log) AS rows WHERE version < before"""
DEAD = """SELECT (SELECT count(*) FROM chat.dead_event) + (SELECT count(*) FROM recur.dead_event)
  + (SELECT count(*) FROM notify.dead_event) + (SELECT count(*) FROM audit.dead_event)"""


def moment(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def remind(cluster, title, seconds=4, service="chat-api", user="ann", **more):
    """A new task whose reminder is due in so many seconds. Where the machine stands still meanwhile the reminder would be in the past,
    and the task is refused: then it is asked for once more."""
    def made():
        status, task = cluster.call("POST", "/api/tasks", {"title": title, "due_date": moment(60 + seconds), "reminder_offset_minutes": 1, **more},
                                    service, user)
        if status == 422 and task["detail"] == "the reminder would be in the past":
            return None
        if status != 201:
            raise AssertionError(f"a task with a reminder: {status} {task}")
        return task
    return wait_until(made, 30, "a reminder that lies ahead")


class Writer:
    """Creates tasks and changes each once, until it is stopped. What is not answered it sends again with the
    same Idempotency-Key (not so when patient is False: then every answer must be a good one at once)."""

    def __init__(self, cluster, user, service="chat-api", patient=True):
        self.cluster, self.user, self.service, self.patient = cluster, user, service, patient
        self.tasks = {}         # id -> the last version that was answered
        self.again = 0          # requests sent once more
        self.problem = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def send(self, method, path, body):
        key = str(uuid.uuid4())
        while True:
            try:
                status, answer = self.cluster.call(method, path, body, self.service, self.user, {"Idempotency-Key": key})
            except (OSError, http.client.HTTPException, ValueError) as e:
                status, answer = 0, e
            if 200 <= status < 300:
                return answer
            if not self.patient or 400 <= status < 500:
                raise AssertionError(f"{method} {path}: {status} {answer}")
            self.again += 1
            if self.over.wait(0.1) and self.again > 600:
                raise AssertionError(f"{method} {path} is never answered: {status} {answer}")

    def run(self):
        try:
            while not self.over.is_set():
                task = self.send("POST", "/api/tasks", {"title": f"task {len(self.tasks)} of {self.user}"})
                self.tasks[task["id"]] = task["version"]
                changed = self.send("PUT", "/api/tasks/" + task["id"], {"title": "changed " + task["title"]})
                self.tasks[task["id"]] = changed["version"]
                self.over.wait(0.02)
        except Exception as e:  # noqa: BLE001, told by stop
            self.problem = e

    def stop(self):
        self.over.set()
        self.thread.join(120)
        if self.problem:
            raise self.problem
        if self.thread.is_alive():
            raise AssertionError("a writer does not end")

    def wait_for(self, count, seconds=60):
        """Until so many tasks more are written."""
        goal = len(self.tasks) + count

        def written():
            if self.problem:
                raise self.problem
            return len(self.tasks) >= goal
        wait_until(written, seconds, f"{count} tasks more")


def settled(cluster, writers, seconds=120):
    """Every version of every task is in the audit log once and in order, and nothing waits any more."""
    wait_until(lambda: cluster.sql(WAITING) == "0", seconds, "empty outboxes")
    try:
        wait_until(lambda: cluster.sql(MISSING) == "0", seconds, "the audit rows")
    except AssertionError as e:
        raise AssertionError(f"{e}: {cluster.sql(MISSING)} tasks without all their versions") from None
    if cluster.sql(STRAY) != "0":
        raise AssertionError(f"{cluster.sql(STRAY)} audit rows of no task")
    if cluster.sql(DISORDER) != "0":
        raise AssertionError(f"{cluster.sql(DISORDER)} audit rows before one of an earlier version")
    for writer in writers:
        known = dict(line.split("|") for line in cluster.sql(f"SELECT id, version FROM chat.task WHERE user_id = '{writer.user}'").split("\n") if line)
        lost = [i for i, version in writer.tasks.items() if int(known.get(i, 0)) < version]
        if lost or len(known) != len(writer.tasks):
            raise AssertionError(f"{writer.user} wrote {len(writer.tasks)} tasks; there are {len(known)}, without {lost}")

"""Users who write all the time, and a journal of what they were told. A write whose answer never came is
repeated as a client may: creates with their Idempotency-Key, changes with the version that they saw."""

import datetime
import http.client
import json
import random
import threading
import time
import uuid

import system

CONNECT, ANSWER = 2, 15    # seconds
RULES = ["DAILY", "WEEKLY", "FREQ=DAILY;INTERVAL=2", "FREQ=DAILY;COUNT=1"]
TOO_LATE = "the reminder would be in the past"
EXPECTED = {"create": {201}, "update": {200, 404, 412}, "complete": {200, 404, 412}, "delete": {200, 404, 412}, "restore": {200}, "get": {200, 404}}
LATER = {503}


def moment(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


class Tally:
    """What all writers saw, for the report and for what must not be seen."""

    def __init__(self):
        self.lock = threading.Lock()
        self.answers = {}       # status or "lost" -> count
        self.unexpected = []
        self.journal = []       # (task, version, change, title), of writes that were answered 2xx
        self.keys = {}          # Idempotency-Key -> {ids that were answered}
        self.refused = set()    # keys whose create was answered 422
        self.log = []           # (time, operation, status or "lost", the text of a 503)

    def add(self, operation, status, detail=""):
        with self.lock:
            self.answers[status] = self.answers.get(status, 0) + 1
            self.log.append((time.time(), operation, status, detail if status == 503 else ""))
            if status != "lost" and status not in EXPECTED[operation] | LATER and TOO_LATE not in detail:
                self.unexpected.append(f"{operation} was answered {status} {detail[:300]}")

    def wrote(self, task, version, change, title):
        with self.lock:
            self.journal.append((task, version, change, title))

    def created(self, key, task):
        with self.lock:
            self.keys.setdefault(key, set()).add(task)


class Writer(threading.Thread):
    def __init__(self, number, ports, seed, pause, tally):
        super().__init__(daemon=True)
        self.name = f"writer-{number}"
        self.user = f"user-{number // 2}"
        self.ports, self.pause, self.tally = ports, pause, tally
        self.random = random.Random(f"{seed}-{number}")
        self.stop_at = None             # set: no new work, only what is not answered yet
        self.connection = None
        self.tasks = {}                 # id -> version, mine
        self.token = system.token(self.user, exp=int(time.time()) + 86400)

    # One request. None: no answer came.
    def send(self, method, path, body=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.random.choice(self.ports), timeout=CONNECT)
        head = {"Authorization": "Bearer " + self.token, **(headers or {})}
        if body is not None:
            head["Content-Type"] = "application/json"
        try:
            if self.connection.sock is None:
                self.connection.connect()
                self.connection.sock.settimeout(ANSWER)
            self.connection.request(method, path, None if body is None else json.dumps(body), head)
            reply = self.connection.getresponse()
            text = reply.read()
            if reply.getheader("Connection", "").lower() == "close":
                self.drop()
            return reply.status, text
        except (OSError, http.client.HTTPException):
            self.drop()
            return None

    def drop(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def call(self, operation, *request, **more):
        answer = self.send(*request, **more)
        if answer is None:
            self.tally.add(operation, "lost")
            return None, None
        status, text = answer
        self.tally.add(operation, status, text.decode(errors="replace"))
        return status, json.loads(text) if status < 300 else None

    def insist(self, operation, *request, **more):
        """Sends the same request until it is answered. (status, body, whether an earlier one may have been done)"""
        unsure = False
        while True:
            status, body = self.call(operation, *request, **more)
            if status is not None and status not in LATER:
                return status, body, unsure
            unsure = True
            if self.stop_at and time.monotonic() > self.stop_at:
                return None, None, True
            time.sleep(self.random.uniform(0.05, 0.4))

    def create(self):
        key = str(uuid.uuid4())
        body = {"title": key, "tags": ["chaos"]}
        if self.random.random() < 0.35:
            body["recurrence_rule"] = self.random.choice(RULES)
        if self.random.random() < 0.3:    # a reminder a few seconds ahead; the deadline for retries is generous
            body.update(due_date=moment(60 + self.random.uniform(4, 20)), reminder_offset_minutes=1)
        elif self.random.random() < 0.5:
            body["due_date"] = moment(86400)
        create = ("POST", "/api/tasks", body, {"Idempotency-Key": key})
        status, task, _ = self.insist("create", *create)
        if status == 422:    # it became too late for this reminder, and nothing was made
            self.tally.refused.add(key)
        if status != 201:
            return
        self.tally.created(key, task["id"])
        self.tally.wrote(task["id"], 1, "created", key)
        self.tasks[task["id"]] = 1
        if self.random.random() < 0.05:    # a retry that nobody needed
            status, again = self.call("create", *create)
            if status == 201:
                self.tally.created(key, again["id"])

    def pick(self):
        return self.random.choice(list(self.tasks)) if self.tasks else None

    def refresh(self, task):
        status, body, _ = self.insist("get", "GET", "/api/tasks/" + task)
        if status == 200:
            self.tasks[task] = body["version"]
        elif status == 404:
            self.tasks.pop(task, None)

    def change(self, task, fields, operation="update"):
        """A guarded change, repeated until it is answered."""
        head = {"If-Match": f'"{self.tasks[task]}"'}
        if operation == "complete":
            request = ("PATCH", f"/api/tasks/{task}/complete")
        elif operation == "delete":
            request = ("DELETE", f"/api/tasks/{task}")
        else:
            request = ("PUT", f"/api/tasks/{task}", fields)
        status, body, _ = self.insist(operation, *request, headers=head)
        if status == 200 and operation == "delete":
            self.tally.wrote(task, self.tasks.pop(task) + 1, "deleted", None)
            if self.random.random() < 0.3:
                self.restore(task)
        elif status == 200:
            now = body["completed_task"] if operation == "complete" else body
            self.tally.wrote(task, now["version"], None, now["title"])
            self.tasks[task] = now["version"]
            child = operation == "complete" and body["next_task"]
            if child:
                self.tasks.setdefault(child["id"], child["version"])
        elif status is not None:
            self.refresh(task)    # somebody was faster, perhaps an earlier try of ours

    def restore(self, task):
        status, body, _ = self.insist("restore", "POST", f"/api/tasks/{task}/restore")
        if status == 200:
            self.tally.wrote(task, body["version"], "created", body["title"])
            self.tasks[task] = body["version"]

    def step(self):
        dice = self.random.random()
        task = self.pick()
        if task is None or dice < 0.35:
            self.create()
        elif dice < 0.55:
            self.change(task, {"title": str(uuid.uuid4())})
        elif dice < 0.62:
            self.change(task, {"due_date": moment(60 + self.random.uniform(4, 15)), "reminder_offset_minutes": 1, "title": str(uuid.uuid4())})
        elif dice < 0.82:
            self.change(task, None, "complete")
        elif dice < 0.86:
            self.change(task, {"status": "pending", "title": str(uuid.uuid4())})
        else:
            self.change(task, None, "delete")

    def run(self):
        while not self.stop_at:
            self.step()
            time.sleep(self.random.uniform(0, 2 * self.pause))
        self.drop()

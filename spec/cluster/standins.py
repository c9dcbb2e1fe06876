"""Stand-ins for what a cluster without nodes does not have: a kubelet that says of each pod that it runs and is ready, or, of
one that is to end, that it has ended well; and Strimzi's operator, which says that the broker is ready. They change
nothing but `status`."""

import datetime
import http.client
import threading

from api import MERGE, Refused

PODS = "/api/v1/pods"
KAFKAS = "/apis/kafka.strimzi.io/v1/kafkas"


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(kind):
    return {"type": kind, "status": "True", "lastTransitionTime": now()}


class Standins:
    def __init__(self, api):
        self.api = api
        self.fails = lambda pod: False      # of those that are to end: whether it ends badly
        self.hangs = lambda pod: False      # whether it never gets ready
        self.problems = []                  # what went wrong in a thread
        self.count = 0
        self.ended = threading.Event()
        self.closers = {}
        self.threads = [threading.Thread(target=self.follow, args=args, daemon=True)
                        for args in ((PODS, self.on_pod), (KAFKAS, self.on_kafka))]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ended.set()
        for close in list(self.closers.values()):
            try:
                close()
            except OSError:     # closed already
                pass
        for thread in self.threads:
            thread.join(10)

    def follow(self, path, on_change):
        version = ""
        while not self.ended.is_set():
            try:
                for kind, item in self.api.watch(path, version, lambda close: self.closers.update({path: close})):
                    if kind in ("ADDED", "MODIFIED"):
                        on_change(item)
                    # Where the server has forgotten that version, from the start.
                    version = "" if kind == "ERROR" else item["metadata"]["resourceVersion"]
            except (OSError, ValueError, KeyError, http.client.HTTPException, Refused) as e:
                # Too many requests is what a server says of a kind that it has just been told of.
                if not self.ended.is_set() and getattr(e, "status", None) != 429:
                    self.problems.append(f"{path}: {e!r}")
                self.ended.wait(0.5)

    def patch(self, path, status):
        try:
            self.api.ask("PATCH", path + "/status", {"status": status}, MERGE)
        except Refused as e:
            if e.status != 404:     # gone meanwhile
                self.problems.append(f"{path}: {e}")

    def on_pod(self, pod):
        if pod["status"].get("phase", "Pending") != "Pending" or "deletionTimestamp" in pod["metadata"] or self.hangs(pod):
            return
        name, spec = pod["metadata"], pod["spec"]
        self.count += 1
        address = f"10.244.{self.count // 250}.{self.count % 250 + 1}"
        if spec["restartPolicy"] == "Always":
            status = {"phase": "Running", "conditions": [condition(kind) for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]}
            state = {"running": {"startedAt": now()}}
        else:
            bad = self.fails(pod)
            status = {"phase": "Failed" if bad else "Succeeded"}
            state = {"terminated": {"exitCode": int(bad), "startedAt": now(), "finishedAt": now()}}
        ready = status["phase"] == "Running"
        self.patch(f"/api/v1/namespaces/{name['namespace']}/pods/{name['name']}", {
            **status, "podIP": address, "podIPs": [{"ip": address}], "startTime": now(),
            "containerStatuses": [{"name": c["name"], "image": c["image"], "imageID": "", "ready": ready, "started": ready, "restartCount": 0,
                                   "state": state} for c in spec["containers"]]})

    def on_kafka(self, kafka):
        if not (kafka.get("status") or {}).get("conditions"):
            name = kafka["metadata"]
            self.patch(f"/apis/kafka.strimzi.io/v1/namespaces/{name['namespace']}/kafkas/{name['name']}",
                       {"conditions": [condition("Ready")], "observedGeneration": name["generation"]})

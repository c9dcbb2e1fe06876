"""One request seen whole in a real collector (Zipkin): the spans of every sidecar that its events pass."""

import http.client
import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import CACHE, ROOT, Cluster, answers, free_port, wait_until  # noqa: E402
from writer import moment  # noqa: E402

ZIPKIN = os.environ.get("ZIPKIN_DIR") or os.path.join(CACHE, "zipkin-3.5.1")


class Traces(unittest.TestCase):
    given = set()   # ids of traces that a client has begun

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.zipkin_port = free_port()
        cls.cluster.spawn("zipkin", ["java", "-Xmx256m", "-jar", os.path.join(ZIPKIN, "zipkin.jar"), f"--server.port={cls.zipkin_port}",
                                     f"--armeria.ports[0].port={cls.zipkin_port}", "--armeria.ports[0].ip=127.0.0.1",
                                     "--armeria.ports[0].protocols[0]=http"])
        cls.cluster.config = cls.traced_config()
        cls.cluster.start()
        cls.cluster.wait("zipkin", lambda: answers(cls.zipkin_port, "/health"))

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    @classmethod
    def traced_config(cls):
        """The shipped configuration, with all requests traced to Zipkin."""
        with open(cls.cluster.config) as f:
            before, rate, after = f.read().partition('    samplingRate: "0$TRACE_SAMPLING_RATE"\n')
        assert rate
        path = os.path.join(cls.cluster.folder, "config.yaml")
        with open(path, "w") as f:
            f.write(f'{before}    samplingRate: "1"\n    zipkin:\n'
                    f"      endpointAddress: http://127.0.0.1:{cls.zipkin_port}/api/v2/spans\n{after}")
        return path

    def new_trace(self):
        """An id, and the span of a client who begins it."""
        trace, span = os.urandom(16).hex(), os.urandom(8).hex()
        self.given.add(trace)
        return trace, span, {"traceparent": f"00-{trace}-{span}-01"}

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.zipkin_port, timeout=20)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            text = reply.read()
        finally:
            connection.close()
        return json.loads(text) if reply.status == 200 else []

    def spans(self, trace):
        return self.ask("/api/v2/trace/" + trace)

    def find(self, trace, service, name):
        return [s for s in self.spans(trace) if s["localEndpoint"]["serviceName"] == service and name in s["name"]]

    def wait_for(self, trace, service, name):
        try:
            wait_until(lambda: self.find(trace, service, name), 60, f"the span {name} of {service}")
        except AssertionError as e:
            there = sorted((s["localEndpoint"]["serviceName"], s["name"]) for s in self.spans(trace))
            raise AssertionError(f"{e}; there are {there}") from None
        return self.find(trace, service, name)

    def call(self, *words, status=200, **more):
        got, answer = self.cluster.call(*words, **more)
        self.assertEqual(got, status, answer)
        return answer

    def parents(self, trace, span):
        """Ids of all that a span came from."""
        by_id, ids = {s["id"]: s for s in self.spans(trace) if s.get("kind") != "SERVER"}, []
        while span and span.get("parentId"):
            ids.append(span["parentId"])
            span = by_id.get(span["parentId"])
        return ids

    def test_a_task_and_its_next_one_are_one_trace_through_all_services(self):
        trace, client, headers = self.new_trace()
        task = self.call("POST", "/api/tasks", {"title": "traced", "recurrence_rule": "DAILY", "due_date": moment(600)},
                         headers=headers, status=201)
        for service, name in (("chat-api", "publish/bulk/pubsub/task-events"), ("audit-service", "pubsub/task-events"),
                              ("recurring-task-service", "pubsub/task-events")):
            self.assertEqual(self.wait_for(trace, service, name)[0]["traceId"], trace)
        # The same client goes on, with a span of its own.
        completing = os.urandom(8).hex()
        self.call("PATCH", f"/api/tasks/{task['id']}/complete", headers={"traceparent": f"00-{trace}-{completing}-01"})
        self.wait_for(trace, "recurring-task-service", "publish/bulk/pubsub/recurring-tasks")
        (called,) = self.wait_for(trace, "chat-api", "pubsub/recurring-tasks")
        heard = lambda: [s["id"] for s in self.find(trace, "recurring-task-service", "pubsub/task-events")]  # noqa: E731
        wait_until(lambda: called["parentId"] in heard(), 60, "the event that led to the next task")
        wait_until(lambda: self.parents(trace, called)[-1] == completing, 60, "the spans from the completion to the next task")
        # The next task's own event is audited as well.
        after = lambda: [s for s in self.find(trace, "audit-service", "pubsub/task-events") if called["id"] in self.parents(trace, s)]  # noqa: E731
        wait_until(after, 60, "the audit of the next task")
        roots = lambda: {self.parents(trace, s)[-1] for s in self.spans(trace) if s.get("parentId")}  # noqa: E731
        wait_until(lambda: roots() == {client, completing}, 60, "one trace of all spans")

    def test_a_call_of_another_service_is_in_the_trace_of_its_request(self):
        task = self.call("POST", "/api/tasks", {"title": "with a history"}, status=201)
        trace, client, headers = self.new_trace()
        self.call("GET", f"/api/tasks/{task['id']}/history", headers=headers)
        (asked,) = self.wait_for(trace, "audit-service", "audit-service/api/v1/audit-log")
        # The spans in between come from another sidecar, and each sends its own when it likes.
        wait_until(lambda: client in self.parents(trace, asked), 60, "the spans from the client to the call")

    def test_requests_at_a_time_keep_their_traces_apart(self):
        traces = [self.new_trace() for _ in range(30)]
        threads = [threading.Thread(target=self.cluster.call, args=("POST", "/api/tasks", {"title": f"many {i}"}), kwargs={"headers": t[2]})
                   for i, t in enumerate(traces)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for trace, client, _ in traces:
            for service in ("audit-service", "recurring-task-service"):
                (heard,) = self.wait_for(trace, service, "pubsub/task-events")
                self.assertEqual(heard["parentId"], client)

    def test_without_a_client_who_traces_a_completion_leads_to_the_next_task_in_one_trace(self):
        task = self.call("POST", "/api/tasks", {"title": "untraced", "recurrence_rule": "DAILY", "due_date": moment(600)}, user="bob", status=201)
        self.call("PATCH", f"/api/tasks/{task['id']}/complete", user="bob")
        mine = lambda: [t for t in self.ask("/api/v2/traces?serviceName=recurring-task-service&limit=1000")  # noqa: E731
                        if {("recurring-task-service", "pubsub/task-events"), ("chat-api", "pubsub/recurring-tasks")}
                        <= {(s["localEndpoint"]["serviceName"], s["name"]) for s in t} and t[0]["traceId"] not in self.given]
        wait_until(mine, 60, "the trace of a completion")


if __name__ == "__main__":
    unittest.main()

"""What a sidecar lets through: the list of APIs of dapr/standalone/config.yaml, which is that of
dapr/configuration.yaml; and with mTLS, as in a cluster, who may call whom."""

import http.client
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import DAPR, DAPR_TOKEN, ROOT, Cluster, answers, free_port, token, wait_until  # noqa: E402
from writer import remind  # noqa: E402

OUTSIDE = (
    ("GET", "/v1.0/actors/kind/id/method/m"), ("POST", "/v1.0/actors/kind/id/reminders/r"), ("GET", "/v1.0/actors/kind/id/state/k"),
    ("POST", "/v1.0/workflows/dapr/flow/start"), ("POST", "/v1.0-beta1/workflows/dapr/flow/start"), ("GET", "/v1.0/workflows/dapr/id"),
    ("POST", "/v1.0-alpha1/lock/statestore"), ("POST", "/v1.0-alpha1/unlock/statestore"), ("GET", "/v1.0/configuration/statestore?key=a"),
    ("GET", "/v1.0-alpha1/configuration/statestore?key=a"), ("PUT", "/v1.0-alpha1/crypto/key/encrypt"), ("POST", "/v1.0/shutdown"),
    ("POST", "/v1.0-alpha1/conversation/llm/converse"), ("POST", "/v1.0-alpha1/state/statestore/query"))


def ask(cluster, service, method, path, body=None, headers=None):
    """A call to the daprd of a service, as the service would make it: status, JSON or text, headers."""
    connection = http.client.HTTPConnection("127.0.0.1", cluster.dapr_ports[service], timeout=60)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {"dapr-api-token": DAPR_TOKEN, "Content-Type": "application/json", **(headers or {})})
        reply = connection.getresponse()
        text = reply.read().decode()
    finally:
        connection.close()
    try:
        return reply.status, json.loads(text), reply.headers
    except ValueError:
        return reply.status, text, reply.headers


class Apis(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.resources.append(os.path.join(ROOT, "dapr", "standalone"))
        secrets = os.path.join(cls.cluster.folder, "secrets.json")
        with open(secrets, "w") as f:
            json.dump({"one": "1"}, f)
        cls.cluster.dapr_env = {"SECRETS_FILE": secrets}
        cls.cluster.start_kafka()
        cls.cluster.start_redis()
        cls.cluster.start_scheduler()
        cls.cluster.start_services(("chat-api", "audit-service"))

    def ask(self, method, path, body=None, service="chat-api", headers=None):
        return ask(self.cluster, service, method, path, body, headers)[:2]

    def port(self, flag, service="chat-api"):
        words = self.cluster.commands["daprd-" + service][0]
        return words[words.index(flag) + 1]

    def test_what_the_services_use_is_there(self):
        event = {"entryId": "1", "event": {}, "contentType": "application/json", "metadata": {"partitionKey": "k"}}
        job = {"dueTime": "1h", "data": 1}
        self.assertEqual(self.ask("POST", "/v1.0/publish/pubsub/t", {})[0], 204)
        self.assertEqual(self.ask("POST", "/v1.0-alpha1/publish/bulk/pubsub/t", [event])[0], 204)
        self.assertEqual(self.ask("POST", "/v1.0/state/statestore", [{"key": "k", "value": "v"}])[0], 204)
        self.assertEqual(self.ask("GET", "/v1.0/state/statestore/k"), (200, "v"))
        self.assertEqual(self.ask("GET", "/v1.0/secrets/secrets/one"), (200, {"one": "1"}))
        self.assertEqual(self.ask("POST", "/v1.0-alpha1/jobs/j", job)[0], 204)
        self.assertEqual(self.ask("DELETE", "/v1.0-alpha1/jobs/j")[0], 204)
        self.assertEqual(self.ask("POST", "/v1.0/bindings/none", {"operation": "create"})[1]["errorCode"], "ERR_INVOKE_OUTPUT_BINDING")
        self.assertEqual(self.ask("GET", "/v1.0/metadata")[1]["id"], "chat-api")
        self.assertEqual(self.ask("GET", "/v1.0/healthz"), (204, ""))
        self.assertEqual(self.ask("GET", "/v1.0/healthz/outbound"), (204, ""))
        status, rows = self.ask("GET", "/v1.0/invoke/audit-service/method/api/v1/audit-log", headers={"Authorization": "Bearer " + token("eve")})
        self.assertEqual((status, rows["total"]), (200, 0))

    def test_no_other_api_is_there(self):
        for method, path in OUTSIDE:
            status, body = self.ask(method, path, {})
            self.assertEqual((status, body["errorCode"] if isinstance(body, dict) else body), (404, "ERR_DIRECT_INVOKE"), path)
        self.assertEqual(self.ask("GET", "/v1.0/healthz")[0], 204)     # no one of them has ended it

    def test_grpc_is_closed_but_for_the_metadata(self):
        def grpc_status(method):
            done = subprocess.run(["curl", "-sS", "--max-time", "60", "--http2-prior-knowledge", "-D", "-", "-o", os.devnull, "--data-binary", "@-",
                                   "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "dapr-api-token: " + DAPR_TOKEN,
                                   f"http://127.0.0.1:{self.port('--dapr-grpc-port')}/dapr.proto.runtime.v1.Dapr/{method}"],
                                  input=b"\0\0\0\0\0", capture_output=True)
            found = re.search(rb"(?im)^grpc-status: (\d+)", done.stdout)   # a refusal ends the stream before curl has
            self.assertTrue(found, done)
            return found.group(1)
        self.assertEqual(grpc_status("GetMetadata"), b"0")
        for method in ("GetState", "SaveState", "PublishEvent", "InvokeService", "GetSecret", "ScheduleJobAlpha1", "InvokeActor", "TryLockAlpha1",
                       "StartWorkflowBeta1", "InvokeBinding", "Shutdown"):
            self.assertNotEqual(grpc_status(method), b"0", method)
        self.assertEqual(grpc_status("GetState"), b"12")               # and not for its arguments: unimplemented

    def test_metrics_have_no_series_for_each_path(self):
        for i in range(3):
            self.assertEqual(self.ask("GET", f"/v1.0/state/statestore/key-{i}-of-many")[0], 204)
            self.ask("GET", f"/v1.0/invoke/audit-service/method/path-{i}-of-many")
        connection = http.client.HTTPConnection("127.0.0.1", int(self.port("--metrics-port")), timeout=60)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        self.assertRegex(text, r'(?m)^dapr_http_server_request_count\{.*method="GET".*\} \d+')
        self.assertNotIn("-of-many", text)

    def test_nothing_is_traced_unless_a_rate_is_set(self):
        self.assertNotIn("traceparent", ask(self.cluster, "chat-api", "GET", "/v1.0/state/statestore/k")[2])
        self.cluster.dapr_env["TRACE_SAMPLING_RATE"] = "1"
        try:
            self.cluster.start_service("recurring-task-service")
        finally:
            del self.cluster.dapr_env["TRACE_SAMPLING_RATE"]
        traceparent = ask(self.cluster, "recurring-task-service", "GET", "/v1.0/state/statestore/k")[2]["traceparent"]
        self.assertRegex(traceparent, "^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01$")


class Mtls(unittest.TestCase):
    """dapr/configuration.yaml as it is; only names are looked up in a file, since there is no cluster's DNS."""

    @classmethod
    def setUpClass(cls):
        cluster = cls.cluster = Cluster()
        cls.addClassCleanup(cluster.stop)
        cluster.start_kafka()
        cluster.start_redis()
        sentry, health = free_port(), free_port()
        issuer = os.path.join(cluster.folder, "issuer")
        os.mkdir(issuer)
        cluster.spawn("sentry", [os.path.join(DAPR, "sentry"), "--listen-address", "127.0.0.1", "--port", str(sentry), "--healthz-port", str(health),
                                 "--issuer-credentials", issuer, "--enable-metrics=false", "--config", os.devnull], {"NAMESPACE": "default"})
        cluster.wait("sentry", lambda: answers(health, "/healthz"))
        anchors = os.path.join(issuer, "ca.crt")
        cluster.start_scheduler(["--tls-enabled", "--sentry-address", f"127.0.0.1:{sentry}", "--trust-anchors-file", anchors,
                                 "--identity-directory-write", os.path.join(cluster.folder, "identity")], {"NAMESPACE": "default"})
        names = os.path.join(cluster.folder, "names.yaml")
        with open(names, "w") as f:
            json.dump({"spec": {"nameResolution": {"component": "sqlite", "version": "v1", "configuration": {
                "connectionString": os.path.join(cluster.folder, "names.db"), "updateInterval": "5s", "timeout": "1s"}}}}, f)
        cluster.config = os.path.join(ROOT, "dapr", "configuration.yaml")
        cluster.dapr_words = ["--config", names, "--enable-mtls", "--sentry-address", f"127.0.0.1:{sentry}"]
        with open(anchors) as f:
            cluster.dapr_env = {"DAPR_TRUST_ANCHORS": f.read()}
        cluster.start_services()

    def invoke(self, caller, app, path, method="GET", headers=None):
        return ask(self.cluster, caller, method, f"/v1.0/invoke/{app}/method{path}", None if method == "GET" else {},
                   {"Authorization": "Bearer " + token("ann"), **(headers or {})})[:2]

    def task(self, **more):
        status, task = self.cluster.call("POST", "/api/tasks", {"title": "a task", **more})
        self.assertEqual(status, 201, task)
        return task

    def refused(self, *words, **more):
        status, body = self.invoke(*words, **more)
        self.assertEqual((status, body.get("errorCode") if isinstance(body, dict) else body), (403, "ERR_DIRECT_INVOKE"), words)
        self.assertIn("access control policy has denied access", body["message"])

    def test_notification_service_may_read_a_task_of_chat_api(self):
        task = self.task()
        status, brief = self.invoke("notification-service", "chat-api", f"/internal/tasks/{task['id']}?user_id=ann")
        self.assertEqual((status, brief["title"]), (200, "a task"))

    def test_chat_api_may_read_the_history_of_audit_service(self):
        task = self.task()
        wait_until(lambda: self.cluster.call("GET", f"/api/tasks/{task['id']}/history")[1].get("total") == 1, 120, "the history")
        status, rows = self.invoke("chat-api", "audit-service", f"/api/v1/audit-log?task_id={task['id']}")
        self.assertEqual((status, rows["total"]), (200, 1))

    def test_nobody_else_may(self):
        path = f"/internal/tasks/{self.task()['id']}"
        for caller in ("audit-service", "recurring-task-service"):
            self.refused(caller, "chat-api", path)
        for caller in ("notification-service", "recurring-task-service"):
            self.refused(caller, "audit-service", "/api/v1/audit-log")

    def test_those_who_may_read_may_nothing_else(self):
        path = f"/internal/tasks/{self.task()['id']}"
        for method in ("POST", "PUT", "DELETE"):
            self.refused("notification-service", "chat-api", path, method=method)
        for app, inner in (("chat-api", path + "/more"), ("chat-api", "/job/reminder-1"), ("chat-api", "/dapr/subscribe"),
                           ("chat-api", "/events/recurring-tasks"), ("audit-service", "/events/task-events")):
            self.refused("notification-service", app, inner)
        self.refused("chat-api", "audit-service", "/api/v1/audit-log", method="POST")
        self.refused("chat-api", "notification-service", "/events/reminders", method="POST")

    def test_a_name_that_the_caller_claims_is_not_believed(self):
        path = f"/internal/tasks/{self.task()['id']}"
        self.refused("audit-service", "chat-api", path, headers={"Dapr-Caller-App-Id": "notification-service"})

    def test_jobs_events_and_invocation_work_as_without_it(self):
        task = remind(self.cluster, "a task with a reminder")
        wait_until(lambda: [d for d in self.cluster.call("GET", "/api/v1/deliveries", service="notification-service")[1]["deliveries"]
                            if d["task_id"] == task["id"]], 120, "the reminder")
        wait_until(lambda: self.cluster.metric("http_server_requests_total", route="/job/{name}", code="200") == 1, 120, "the scheduler's call")


if __name__ == "__main__":
    unittest.main()

"""lib/dapr.lua in the real program (through spec-api), against a sidecar that follows a script."""

import json
import os
import shutil
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from sidecar import NO_ROUTE, Sidecar  # noqa: E402
from system import ROOT, Host, HostCase  # noqa: E402


class Client(HostCase):
    services = ("spec-api",)
    more_env = {}

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="todo-spec-scripts-")
        scripts = os.environ.get("SCRIPTS_DIR") or os.path.join(ROOT, "scripts")
        for name in ("lib", "rules", "sql"):
            os.symlink(os.path.join(scripts, name), os.path.join(cls.folder, name))
        os.symlink(os.path.join(ROOT, "spec", "support", "services", "spec-api"), os.path.join(cls.folder, "spec-api"))
        cls.sidecar = Sidecar()
        cls.env = {"SCRIPTS_DIR": cls.folder, "DAPR_HTTP_ENDPOINT": f"http://127.0.0.1:{cls.sidecar.port}/", **cls.more_env}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.sidecar.stop()
            shutil.rmtree(cls.folder)

    def setUp(self):
        self.sidecar.requests.clear()
        self.answers(204)

    def answers(self, status, body=None, headers=None):
        self.sidecar.answer = lambda _: (status, body, headers or {})

    def dapr(self, fn, *args, host=None):
        reply = (host or self.host).post("/dapr", {"fn": fn, "args": args}, token=None, timeout=60)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def sent(self):
        """The one request that the sidecar got."""
        [request] = self.sidecar.requests
        self.sidecar.requests.clear()
        return request

    def does(self, fn, *args):
        got = self.dapr(fn, *args)
        self.assertIsNone(got["err"], got)
        return got["value"]

    def fails(self, code, fn, *args, host=None):
        got = self.dapr(fn, *args, host=host)
        self.assertIsNone(got["value"])
        self.assertEqual(got["err"]["code"], code, got)
        return got["err"]


# A call of each kind, and what refuses it.
CALLS = {
    "publish": ("pubsub", "t", {"id": "i", "source": "s", "type": "x", "data": "{}", "key": "k"}),
    "invoke": ("other", "GET", "/x"),
    "get_state": ("statestore", "k"),
    "save_state": ("statestore", "k", "v"),
    "delete_state": ("statestore", "k"),
    "get_secret": ("secrets", "k"),
    "set_job": ("reminder-1", "2026-01-01T00:00:00Z", {}),
    "delete_job": ("reminder-1",),
    "bind": ("mail", "create", "text"),
}


class Dapr(Client):
    more_env = {"DAPR_API_TOKEN": "sidecar-token-0123456789"}

    def test_every_call_carries_the_token(self):
        for fn, args in CALLS.items():
            self.dapr(fn, *args)
            self.assertEqual(self.sent().headers["dapr-api-token"], "sidecar-token-0123456789", fn)

    def test_publish_sends_a_cloud_event_with_its_key(self):
        event = {"id": "e-1", "source": "chat-api", "type": "task.created", "data": '{"n":1.10,"t":"\\u003c"}', "key": "a b&c"}
        self.assertIs(self.does("publish", "pubsub", "task-events", event), True)
        sent = self.sent()
        self.assertEqual((sent.method, sent.path), ("POST", "/v1.0/publish/pubsub/task-events?metadata.partitionKey=a%20b%26c"))
        self.assertEqual(sent.headers["content-type"], "application/cloudevents+json")
        self.assertIn(b'"data":{"n":1.10,', sent.body)    # as the outbox has it
        self.assertEqual(json.loads(sent.body), {"specversion": "1.0", "id": "e-1", "source": "chat-api", "type": "task.created",
                                                 "datacontenttype": "application/json", "data": {"n": 1.10, "t": "<"}})

    def test_publish_sends_both_trace_keys_or_none(self):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        self.does("publish", "pubsub", "t", {**CALLS["publish"][2], "traceparent": trace})
        event = json.loads(self.sent().body)
        self.assertEqual((event["traceparent"], event["traceid"]), (trace, trace))

    def test_every_call_is_a_part_of_its_requests_trace(self):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        for fn, args in CALLS.items():
            for header in ({"traceparent": trace}, {}):
                self.host.post("/dapr", {"fn": fn, "args": args}, token=None, headers=header)
                self.assertEqual(self.sent().headers.get("traceparent"), header.get("traceparent"), fn)

    def test_publish_tells_what_may_be_tried_again(self):
        for status, code, error in ((400, "refused", "ERR_PUBSUB_NOT_CONFIGURED"), (403, "refused", "ERR_PUBSUB_FORBIDDEN"),
                                    (404, "unavailable", "ERR_PUBSUB_NOT_FOUND"), (413, "too_large", "ERR_BODY"),
                                    (500, "unavailable", "ERR_PUBSUB_PUBLISH_MESSAGE")):
            self.answers(status, {"errorCode": error, "message": "said so"})
            err = self.fails(code, "publish", *CALLS["publish"])
            self.assertEqual((err["status"], err["error_code"]), (status, error))
            self.assertIn("said so", err["message"])

    def test_an_error_that_is_not_json_is_quoted_in_part(self):
        self.answers(401, b"invalid api token\n")
        self.assertIn("401: invalid api token", self.fails("unavailable", "get_state", "s", "k")["message"])
        self.answers(500, b"<html>" + b"x" * 100000)
        self.assertLess(len(self.fails("unavailable", "get_state", "s", "k")["message"]), 300)

    def test_invoke_passes_the_call_and_its_answer_through(self):
        self.answers(201, {"made": True}, {"X-Own": "1"})
        reply = self.does("invoke", "audit service", "PUT", "/api/v1/x?a=b%20c", {"headers": {"Authorization": "Bearer t"}, "body": '{"q":1}'})
        self.assertEqual((reply["status"], json.loads(reply["body"]), reply["headers"]["x-own"]), (201, {"made": True}, "1"))
        sent = self.sent()
        self.assertEqual((sent.method, sent.path), ("PUT", "/v1.0/invoke/audit%20service/method/api/v1/x?a=b%20c"))
        self.assertEqual((sent.headers["authorization"], sent.headers["content-type"], sent.body), ("Bearer t", "application/json", b'{"q":1}'))

    def test_a_callees_own_failure_is_an_answer(self):
        for status, body in ((404, {"detail": "There is nothing here"}), (500, {"errorCode": "OWN"}), (503, b"no json"), (302, b"")):
            self.answers(status, body)
            self.assertEqual(self.does("invoke", *CALLS["invoke"])["status"], status)

    def test_a_failed_invocation_is_an_error(self):
        for status, code in ((500, "unavailable"), (404, "unavailable"), (403, "refused")):
            self.answers(status, {"errorCode": "ERR_DIRECT_INVOKE", "message": "failed to invoke, id: other"})
            err = self.fails(code, "invoke", *CALLS["invoke"])
            self.assertEqual(err["status"], status)
            self.assertIn("failed to invoke", err["message"])

    def test_state_is_read_with_its_etag(self):
        self.answers(200, {"a": [1, None]}, {"ETag": "7"})
        got = self.dapr("get_state", "statestore", "a/b c+d")
        self.assertEqual((got["value"], got["third"], got["err"]), ({"a": [1, None]}, "7", None))
        self.assertEqual(self.sent().path, "/v1.0/state/statestore/a%2Fb%20c%2Bd")

    def test_state_that_is_not_there_is_nil_without_an_error(self):
        self.answers(204)
        self.assertEqual(self.dapr("get_state", "statestore", "k"), {"value": None, "err": None, "third": None})

    def test_state_that_is_not_json_is_an_error(self):
        self.answers(200, b"plain", {"ETag": "1"})
        self.assertIn("not JSON", self.fails("unavailable", "get_state", "statestore", "k")["message"])

    def test_state_is_saved_with_etag_and_time_to_live(self):
        self.does("save_state", "statestore", "k", "v")
        sent = self.sent()
        self.assertEqual((sent.method, sent.path, json.loads(sent.body)), ("POST", "/v1.0/state/statestore", [{"key": "k", "value": "v"}]))
        self.does("save_state", "statestore", "k", {"n": 1}, {"etag": "0", "ttl_seconds": 60})
        self.assertEqual(json.loads(self.sent().body), [{"key": "k", "value": {"n": 1}, "etag": "0", "options": {"concurrency": "first-write"},
                                                         "metadata": {"ttlInSeconds": "60"}}])

    def test_state_is_deleted_with_its_etag(self):
        self.does("delete_state", "statestore", "k")
        self.assertNotIn("if-match", self.sent().headers)
        self.does("delete_state", "statestore", "k", "7")
        sent = self.sent()
        self.assertEqual((sent.method, sent.path, sent.headers["if-match"]), ("DELETE", "/v1.0/state/statestore/k", "7"))

    def test_another_etag_is_a_conflict(self):
        self.answers(409, {"errorCode": "ERR_STATE_SAVE", "message": "possible etag mismatch"})
        self.fails("conflict", "save_state", "statestore", "k", "v", {"etag": "1"})
        self.answers(409, {"errorCode": "ERR_STATE_DELETE", "message": "possible etag mismatch"})
        self.fails("conflict", "delete_state", "statestore", "k", "1")

    def test_secrets_are_read(self):
        self.answers(200, {"user": "u", "pass": "p"})
        self.assertEqual(self.does("get_secret", "secrets", "db"), {"user": "u", "pass": "p"})
        self.assertEqual((self.sent().path), "/v1.0/secrets/secrets/db")
        self.answers(403, {"errorCode": "ERR_PERMISSION_DENIED", "message": "denied"})
        self.fails("refused", "get_secret", "secrets", "db")
        self.answers(500, {"errorCode": "ERR_SECRET_GET", "message": "secret db not found"})
        self.fails("unavailable", "get_secret", "secrets", "db")

    def test_a_job_replaces_the_one_of_its_name_and_is_tried_until_it_succeeds(self):
        self.does("set_job", "reminder-1", "2026-01-01T00:00:00Z", {"version": 3})
        sent = self.sent()
        self.assertEqual((sent.method, sent.path.split("/")[-2:]), ("POST", ["jobs", "reminder-1"]))
        self.assertEqual(json.loads(sent.body), {"dueTime": "2026-01-01T00:00:00Z", "data": {"version": 3}, "overwrite": True,
                                                 "failurePolicy": {"constant": {"interval": "5s"}}})
        self.does("delete_job", "reminder-1")
        sent = self.sent()
        self.assertEqual((sent.method, sent.path.split("/")[-2:], sent.body), ("DELETE", ["jobs", "reminder-1"], b""))

    def serves_jobs_at(self, *roots, answer=(204, None)):
        self.sidecar.answer = lambda request: answer if request.path.rsplit("/", 1)[0] in roots else NO_ROUTE

    def paths(self):
        """Where the sidecar was asked since the last time."""
        paths = [request.path.rsplit("/", 1)[0] for request in self.sidecar.requests]
        self.sidecar.requests.clear()
        return paths

    def test_jobs_are_set_where_the_sidecar_has_them_and_that_is_remembered(self):
        for root in ("/v1.0-alpha1/jobs", "/v1.0/jobs", "/v1.0-alpha1/jobs"):
            # The sidecar was replaced by one of another version; the service goes on.
            self.serves_jobs_at(root)
            self.does("set_job", *CALLS["set_job"])
            self.assertEqual(self.paths()[-1], root)
            self.does("set_job", *CALLS["set_job"])
            self.does("delete_job", *CALLS["delete_job"])
            self.assertEqual(self.paths(), [root, root])

    def test_a_sidecar_that_has_both_paths_is_asked_once_a_job(self):
        self.serves_jobs_at("/v1.0-alpha1/jobs", "/v1.0/jobs")
        self.does("set_job", *CALLS["set_job"])
        self.does("delete_job", *CALLS["delete_job"])
        self.assertEqual(len(self.paths()), 2)

    def test_the_other_path_is_remembered_also_when_its_answer_is_a_failure(self):
        for root in ("/v1.0-alpha1/jobs", "/v1.0/jobs", "/v1.0-alpha1/jobs"):
            self.serves_jobs_at(root, answer=(500, {"errorCode": "DAPR_SCHEDULER_SCHEDULE_JOB", "message": "no scheduler"}))
            self.assertIn("no scheduler", self.fails("unavailable", "set_job", *CALLS["set_job"])["message"])
            self.paths()
            self.fails("unavailable", "set_job", *CALLS["set_job"])
            self.assertEqual(self.paths(), [root])

    def test_a_sidecar_without_jobs_is_unavailable_and_asked_again_the_next_time(self):
        self.serves_jobs_at()
        self.assertEqual(self.fails("unavailable", "set_job", *CALLS["set_job"])["status"], 404)
        self.assertEqual(set(self.paths()), {"/v1.0/jobs", "/v1.0-alpha1/jobs"})
        # A plain 404, as a sidecar answers whose allow-list has neither jobs nor invocation.
        self.answers(404, b"404 page not found\n")
        self.fails("unavailable", "delete_job", *CALLS["delete_job"])
        self.assertEqual(set(self.paths()), {"/v1.0/jobs", "/v1.0-alpha1/jobs"})
        self.serves_jobs_at("/v1.0-alpha1/jobs")
        self.does("set_job", *CALLS["set_job"])

    def test_a_job_may_conflict_or_fail(self):
        for status, code in ((409, "conflict"), (400, "refused"), (500, "unavailable")):
            self.answers(status, {"errorCode": "DAPR_SCHEDULER_SCHEDULE_JOB", "message": "no"})
            self.fails(code, "set_job", *CALLS["set_job"])

    def test_an_output_binding_gets_operation_data_and_metadata(self):
        self.does("bind", "mail", "create", "<p>", {"emailTo": "a@b.co", "subject": "s"})
        sent = self.sent()
        self.assertEqual((sent.method, sent.path), ("POST", "/v1.0/bindings/mail"))
        self.assertEqual(json.loads(sent.body), {"operation": "create", "data": "<p>", "metadata": {"emailTo": "a@b.co", "subject": "s"}})
        self.answers(500, {"errorCode": "ERR_INVOKE_OUTPUT_BINDING", "message": "no such operation"})
        self.assertIn("no such operation", self.fails("unavailable", "bind", "mail", "x", None)["message"])
        self.answers(200, {"id": 1})
        self.assertEqual(json.loads(self.does("bind", "mail", "create", "x")["body"]), {"id": 1})

    def test_one_that_ends_without_an_answer_is_unavailable(self):
        self.sidecar.answer = lambda _: (None, None)
        for fn, args in CALLS.items():
            self.assertIn("the sidecar", self.fails("unavailable", fn, *args)["message"], fn)


class Away(Client):
    def test_a_sidecar_that_is_not_there_is_unavailable_for_every_call(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))             # nobody listens
            host = Host(("spec-api",), database=self.host.database, env={**self.env, "DAPR_HTTP_ENDPOINT": f"http://127.0.0.1:{closed.getsockname()[1]}"})
            try:
                for fn, args in CALLS.items():
                    self.assertIn("cannot be reached", self.fails("unavailable", fn, *args, host=host)["message"], fn)
            finally:
                host.stop()

    def test_a_sidecar_that_never_answers_is_unavailable_after_the_timeout(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(8)
            host = Host(("spec-api",), database=self.host.database, env={**self.env, "DAPR_HTTP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"})
            try:
                err = self.fails("unavailable", "invoke", "other", "GET", "/x", {"timeout_ms": 100}, host=host)
                self.assertIn("did not answer in time", err["message"])
                self.assertIn("did not answer in time", self.fails("unavailable", "bind", "mail", "create", "x", None, 100, host=host)["message"])
            finally:
                host.stop()

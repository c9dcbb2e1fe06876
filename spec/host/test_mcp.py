"""POST /mcp: the edges of the protocol, by plain HTTP. The official clients are in spec/mcp."""

import base64
import json
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import HostCase, postgres, token, wait_until  # noqa: E402

MODERN = "2026-07-28"
LEGACY = ["2025-11-25", "2025-06-18", "2025-03-26"]
META = "io.modelcontextprotocol/"


class McpCase(HostCase):
    env = {"USER_RATE": "1000000"}

    def send(self, body, user="ann", headers=None, path="/mcp"):
        head = {"Accept": "application/json, text/event-stream", **(headers or {})}
        return self.host.post(path, body, token=token(user), headers={k: v for k, v in head.items() if v is not None})

    def rpc(self, method, params=None, ident=1, **more):
        body = {"jsonrpc": "2.0", "id": ident, "method": method}
        if params is not None:
            body["params"] = params
        return self.send(body, **more)

    def modern(self, method, params=None, ident=1, headers=None, meta=None, **more):
        params = {**(params or {}), "_meta": {META + "protocolVersion": MODERN, META + "clientCapabilities": {}, **(meta or {})}}
        head = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        if method == "tools/call" and isinstance(params.get("name"), str):
            head["Mcp-Name"] = params["name"]
        return self.rpc(method, params, ident, headers={**head, **(headers or {})}, **more)

    def tool(self, name, arguments=None, **more):
        reply = self.rpc("tools/call", {"name": name, "arguments": arguments or {}}, **more)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json["result"]

    def assert_error(self, reply, status, code, part=None, ident=1):
        self.assertEqual(reply.status, status, reply.body)
        self.assertEqual(reply.headers["content-type"], "application/json")
        answer = reply.json
        self.assertEqual((answer["jsonrpc"], answer["id"], answer["error"]["code"]), ("2.0", ident, code), answer)
        self.assertIsInstance(answer["error"]["message"], str)
        self.assertNotIn("result", answer)
        if part:
            self.assertIn(part, answer["error"]["message"])


class Http(McpCase):
    def test_needs_a_token(self):
        reply = self.host.post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"}, token=None)
        self.assert_problem(reply, 401)
        self.assertEqual(reply.headers["www-authenticate"], "Bearer")

    def test_has_no_stream_and_no_session(self):
        for method in ("GET", "DELETE", "PUT"):
            reply = self.host.call(method, "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": "x"})
            self.assert_problem(reply, 405)
            self.assertEqual(reply.headers["allow"], "POST")
        self.assertNotIn("mcp-session-id", self.rpc("initialize", {"protocolVersion": LEGACY[0]}).headers)

    def test_ignores_a_session_it_did_not_give(self):
        self.assertEqual(self.rpc("ping", headers={"Mcp-Session-Id": "made-up"}).json["result"], {})

    def test_takes_only_json(self):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        for kind in ("text/plain", "application/jsonx", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            self.assert_problem(self.send(body, headers={"Content-Type": kind}), 415)
        self.assert_problem(self.send(body, headers={"Content-Encoding": "gzip"}), 415)
        self.assertEqual(self.send(body, headers={"Content-Type": "Application/JSON; charset=utf-8"}).status, 200)

    def test_answers_only_those_who_take_json(self):
        for accept in ("text/event-stream", "text/html", "application/jsonx"):
            self.assert_problem(self.rpc("ping", headers={"Accept": accept}), 406)
        for accept in (None, "*/*", "application/*;q=0.5", "text/event-stream, application/json;q=0.9"):
            self.assertEqual(self.rpc("ping", headers={"Accept": accept}).status, 200)

    def test_refuses_pages_of_other_sites(self):
        for origin in ("https://evil.example", "null", f"http://evil.example:{self.host.base}", "http://localhost.evil.example",
                       "http://127.0.0.1.evil.example", "http://127.0.0.1@evil.example", "file://"):
            self.assert_problem(self.rpc("ping", headers={"Origin": origin}), 403, "origin")
        for origin in (f"http://127.0.0.1:{self.host.base}", "http://localhost:6274", "http://[::1]:5173"):
            self.assertEqual(self.rpc("ping", headers={"Origin": origin}).status, 200, origin)

    def test_a_local_page_is_no_friend_of_a_server_that_is_not_local(self):
        reply = self.rpc("ping", headers={"Origin": "http://localhost:6274", "Host": "todo.example.com"})
        self.assert_problem(reply, 403)
        reply = self.rpc("ping", headers={"Origin": "http://evil.example", "Host": "evil.example"})
        self.assert_problem(reply, 403)

    def test_a_large_body_is_refused(self):
        self.assertEqual(self.rpc("ping", {"x": "y" * 70000}).status, 413)

    def test_a_timezone_that_is_none_is_named(self):
        for zone in ("Mars/Base", "", "../etc/passwd"):
            self.assert_error(self.rpc("ping", path="/mcp?timezone=" + zone), 400, -32602, "timezone", None)

    def test_says_why_there_is_no_metadata_without_an_identity_provider(self):
        for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
            self.assert_problem(self.host.get(path, token=None), 404, "identity provider")


class Cors(McpCase):
    env = {"CORS_ORIGINS": "https://app.example, https://other.example", "USER_RATE": "1000000"}

    def test_takes_the_origins_that_are_named(self):
        reply = self.rpc("ping", headers={"Origin": "https://app.example"})
        self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (200, "https://app.example"))
        self.assert_problem(self.rpc("ping", headers={"Origin": "https://app.example.evil"}), 403)

    def test_lets_them_send_the_headers_of_the_protocol(self):
        reply = self.host.call("OPTIONS", "/mcp", token=None, headers={"Origin": "https://app.example",
                               "Access-Control-Request-Method": "POST"})
        self.assertEqual(reply.status, 204)
        for name in ("Mcp-Method", "Mcp-Name", "Mcp-Protocol-Version", "Authorization", "Content-Type"):
            self.assertIn(name, reply.headers["access-control-allow-headers"])


class Provider(McpCase):
    env = {"JWT_SECRET": "", "JWKS_URL": "http://127.0.0.1:1/jwks", "JWT_ISSUER": "https://id.example/tenant"}

    def test_a_refusal_says_where_tokens_come_from(self):
        reply = self.host.post("/mcp", {}, token=None, headers={"Host": "todo.example", "X-Forwarded-Proto": "https"})
        self.assert_problem(reply, 401)
        self.assertEqual(reply.headers["www-authenticate"],
                         'Bearer resource_metadata="https://todo.example/.well-known/oauth-protected-resource/mcp"')
        reply = self.host.get("/api/tasks", token=None)
        self.assertEqual(reply.headers["www-authenticate"], "Bearer")

    def test_the_document_names_the_provider(self):
        for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
            reply = self.host.get(path, token=None, headers={"Host": "todo.example:8000"})
            self.assertEqual((reply.status, reply.json["resource"], reply.json["authorization_servers"]),
                             (200, "http://todo.example:8000/mcp", ["https://id.example/tenant"]))

    def test_a_host_that_could_break_out_of_the_header_is_not_repeated(self):
        reply = self.host.post("/mcp", {}, token=None, headers={"Host": 'a", realm="b'})
        self.assertNotIn("realm", reply.headers.get("www-authenticate", ""))


class Messages(McpCase):
    def test_text_that_is_no_json_is_a_parse_error(self):
        for body in (b"", b"{", b"nonsense", b'{"a":1} x', b'{"a":NaN}', b"\xff\xfe", b'{"jsonrpc":"2.0","jsonrpc":"2.0"}',
                     b"[" * 5000, b'{"id":01}'):
            self.assert_error(self.send(body), 400, -32700, "Parse error", None)

    def test_json_that_is_no_message_is_an_invalid_request(self):
        for body in (5, "x", None, True, {}, {"jsonrpc": "2.0"}, {"jsonrpc": "1.0", "id": 1, "method": "ping"}, {"id": 1, "method": "ping"},
                     {"jsonrpc": "2.0", "method": 5}, {"jsonrpc": "2.0", "method": "ping", "id": None},
                     {"jsonrpc": "2.0", "method": "ping", "id": 1.5}, {"jsonrpc": "2.0", "method": "ping", "id": {}},
                     {"jsonrpc": "2.0", "method": "ping", "id": 9007199254740993}, {"jsonrpc": "2.0", "method": "ping", "id": True}):
            reply = self.send(json.dumps(body))
            self.assertEqual((reply.status, reply.json["error"]["code"]), (400, -32600), (body, reply.body))
        for params in ([], "x", None, 5):
            reply = self.send({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": params})
            self.assert_error(reply, 400, -32600, "params must be an object")

    def test_an_answer_to_nothing_is_refused(self):
        self.assert_error(self.send({"jsonrpc": "2.0", "id": 7, "result": {}}), 400, -32600, "nothing to answer", 7)

    def test_ids_come_back_as_they_were(self):
        for ident in (0, -5, 1, 9007199254740991, "", "a-b", "\u2028🦊", "x" * 1000):
            self.assertEqual(self.rpc("ping", ident=ident).json["id"], ident)

    def test_notifications_are_accepted_without_a_word(self):
        for method in ("notifications/initialized", "notifications/cancelled", "notifications/made-up", "ping"):
            for version in (None, *LEGACY, MODERN):
                reply = self.send({"jsonrpc": "2.0", "method": method, "params": {"requestId": 1}},
                                  headers={"MCP-Protocol-Version": version})
                self.assertEqual((reply.status, reply.body), (202, b""), (method, version))


class Handshake(McpCase):
    def test_agrees_on_each_revision(self):
        for version in LEGACY:
            result = self.rpc("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}).json["result"]
            self.assertEqual(result["protocolVersion"], version)
            self.assertEqual(result["capabilities"], {"tools": {"listChanged": False}})
            self.assertEqual(result["serverInfo"]["name"], "todo-chatbot")

    def test_offers_the_newest_it_has_for_one_it_has_not(self):
        for version in ("2024-11-05", "1900-01-01", MODERN, "", "x"):
            self.assertEqual(self.rpc("initialize", {"protocolVersion": version}).json["result"]["protocolVersion"], LEGACY[0])
        for version in (None, 5, {}):
            self.assert_error(self.rpc("initialize", {"protocolVersion": version}), 200, -32602, "protocolVersion")

    def test_needs_no_handshake_before_a_call(self):
        self.assertEqual(len(self.rpc("tools/list").json["result"]["tools"]), 10)

    def test_takes_only_revisions_that_it_speaks(self):
        for version in LEGACY:
            self.assertEqual(self.rpc("ping", headers={"MCP-Protocol-Version": version}).json["result"], {})
        for version in ("2024-11-05", "2027-01-01", "", "latest"):
            reply = self.rpc("ping", headers={"MCP-Protocol-Version": version})
            self.assert_error(reply, 400, -32022)
            self.assertEqual(reply.json["error"]["data"], {"supported": [MODERN, *LEGACY], "requested": version})

    def test_methods_that_do_not_exist(self):
        for method in ("resources/list", "prompts/list", "logging/setLevel", "server/discover", "Ping", "", "__index", "x" * 5000):
            self.assert_error(self.rpc(method), 200, -32601, "Method not found")


class Batches(McpCase):
    def one(self, ident, method="ping", **more):
        return {"jsonrpc": "2.0", "id": ident, "method": method, **more}

    def test_are_answered_together_in_the_revision_that_has_them(self):
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        for version in (None, "2025-03-26"):
            reply = self.send([self.one(1), note, self.one("b", "nope"), 5], headers={"MCP-Protocol-Version": version})
            self.assertEqual(reply.status, 200)
            answers = reply.json
            self.assertEqual([a["id"] for a in answers], [1, "b", None])
            self.assertEqual([a.get("error", {}).get("code") for a in answers], [None, -32601, -32600])
        self.assertEqual(self.send([note, note]).status, 202)

    def test_are_refused_in_the_others(self):
        for version in ("2025-06-18", "2025-11-25", MODERN):
            self.assert_error(self.send([self.one(1)], headers={"MCP-Protocol-Version": version}), 400, -32600, "batches", None)

    def test_have_a_bound(self):
        for count in (0, 11, 1000):
            self.assert_error(self.send([self.one(i) for i in range(count)]), 400, -32600, "1 to 10", None)

    def test_do_not_begin_a_session(self):
        reply = self.send([self.one(1, "initialize", params={"protocolVersion": LEGACY[0]})])
        self.assertEqual(reply.json[0]["error"]["code"], -32600)


class Stateless(McpCase):
    """Revision 2026-07-28: each request says everything."""

    def test_every_result_is_complete_and_says_whose_it_is(self):
        for method, params in (("server/discover", {}), ("tools/list", {}), ("tools/call", {"name": "list_tasks"})):
            reply = self.modern(method, params)
            self.assertEqual(reply.status, 200, reply.body)
            result = reply.json["result"]
            self.assertEqual((result["resultType"], result["_meta"][META + "serverInfo"]["name"]), ("complete", "todo-chatbot"))
        self.assertEqual(self.modern("server/discover").json["result"]["supportedVersions"], [MODERN, *LEGACY])

    def test_says_how_long_lists_may_be_kept(self):
        result = self.modern("tools/list").json["result"]
        self.assertEqual((result["ttlMs"], result["cacheScope"]), (3600000, "public"))
        self.assertEqual(self.modern("server/discover").json["result"]["cacheScope"], "private")
        self.assertNotIn("ttlMs", self.modern("tools/call", {"name": "list_tasks"}).json["result"])

    def test_what_is_gone_is_not_found(self):
        for method in ("initialize", "ping", "logging/setLevel", "resources/list", "x"):
            self.assert_error(self.modern(method), 404, -32601)

    def test_headers_must_say_what_the_body_says(self):
        call = {"name": "list_tasks"}
        for headers in ({"MCP-Protocol-Version": None}, {"MCP-Protocol-Version": "2025-11-25"}, {"Mcp-Method": None},
                        {"Mcp-Method": "tools/list"}, {"Mcp-Method": "TOOLS/CALL"}, {"Mcp-Name": None}, {"Mcp-Name": "delete_task"},
                        {"Mcp-Name": "=?base64?!!!?="}):
            self.assert_error(self.modern("tools/call", call, headers=headers), 400, -32020, "Header mismatch")

    def test_two_headers_of_one_name_do_not_pass(self):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "list_tasks", "_meta": {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}}}).encode()
        for first, second in (("list_tasks", "delete_task"), ("delete_task", "list_tasks")):
            head = (f"POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\nContent-Type: application/json\r\n"
                    f"MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: {first}\r\nMcp-Name: {second}\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode()
            answer, _ = self.host.raw(head + body, timeout=60)
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)

    def test_a_name_may_come_encoded(self):
        name = "=?base64?" + base64.b64encode(b"list_tasks").decode() + "?="
        self.assertEqual(self.modern("tools/call", {"name": "list_tasks"}, headers={"Mcp-Name": name}).status, 200)
        name = "=?base64?" + base64.b64encode("löschen".encode()).decode() + "?="
        reply = self.modern("tools/call", {"name": "löschen"}, headers={"Mcp-Name": name})
        self.assert_error(reply, 400, -32602, "Unknown tool: löschen")

    def test_what_a_request_must_say_is_needed(self):
        for meta in ({META + "protocolVersion": 5}, {META + "clientCapabilities": None}, {META + "clientCapabilities": []},
                     {META + "protocolVersion": None}):
            self.assert_error(self.modern("tools/list", meta=meta), 400, -32602, "_meta")
        for params in (None, {}, {"_meta": None}, {"_meta": []}, {"_meta": {}}):
            reply = self.rpc("tools/list", params, headers={"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list"})
            self.assert_error(reply, 400, -32602, "_meta")

    def test_names_the_revisions_it_speaks_to_who_wants_another(self):
        for version in ("2027-01-01", "2025-11-25", "x"):
            reply = self.modern("tools/list", meta={META + "protocolVersion": version}, headers={"MCP-Protocol-Version": version})
            self.assert_error(reply, 400, -32022)
            self.assertEqual(reply.json["error"]["data"], {"supported": [MODERN, *LEGACY], "requested": version})

    def test_a_subscription_is_to_nothing_and_over(self):
        reply = self.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, ident="s-1")
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "text/event-stream"))
        events = [json.loads(line[6:]) for line in reply.body.decode().split("\n") if line.startswith("data: ")]
        meta = {META + "subscriptionId": "s-1"}
        self.assertEqual(events, [
            {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {"_meta": meta, "notifications": {}}},
            {"jsonrpc": "2.0", "id": "s-1", "result": {"resultType": "complete", "_meta": meta}}])


class Tools(McpCase):
    env = {"USER_RATE": "1000000", "WORKERS": "2"}

    def test_are_described(self):
        tools = self.rpc("tools/list").json["result"]["tools"]
        for tool in tools:
            self.assertEqual(tool["inputSchema"]["type"], "object")
            self.assertFalse(tool["inputSchema"]["additionalProperties"])
            self.assertFalse(tool["annotations"]["openWorldHint"])
            self.assertLess(len(tool["description"]), 600)
        self.assertEqual(tools, self.modern("tools/list").json["result"]["tools"])

    def test_are_described_in_the_same_words_by_every_worker(self):
        self.assertEqual(len({self.rpc("tools/list").body for _ in range(20)}), 1)
        text = self.rpc("tools/list").body.decode()
        self.assertEqual(json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False), text.replace("\\/", "/"))

    def test_a_cursor_that_was_made_up_is_refused(self):
        for cursor in ("x", "", 5):
            self.assert_error(self.rpc("tools/list", {"cursor": cursor}), 200, -32602, "cursor")

    def test_a_call_must_name_a_tool_that_is_there(self):
        for params in (None, {}, {"name": 5}, {"name": None}, {"name": ["list_tasks"]}):
            self.assert_error(self.rpc("tools/call", params), 200, -32602, "params.name")
        for name in ("", "LIST_TASKS", "list_tasks ", "__index", "list", "x" * 9000):
            self.assert_error(self.rpc("tools/call", {"name": name}), 200, -32602, "Unknown tool")
        for arguments in ([], "x", 5, None):
            self.assert_error(self.rpc("tools/call", {"name": "list_tasks", "arguments": arguments}), 200, -32602, "arguments")

    def test_what_a_tool_refuses_is_a_result(self):
        for name, arguments, part in [
                ("add_task", {}, "title is needed"), ("add_task", {"title": "  "}, "blank"), ("add_task", {"title": "x" * 256}, "1 to 255"),
                ("add_task", {"title": "a\u0001b"}, "control"), ("add_task", {"title": "t", "__index": 1}, "__index is not known"),
                ("add_task", {"title": "t", "recurrence_rule": "SOMETIMES"}, "recurrence_rule"),
                ("add_task", {"title": "t", "reminder_offset_minutes": 5}, "due_date"),
                ("add_task", {"title": "t", "tags": ["x"] * 21}, "at most 20"),
                ("list_tasks", {"due_before": "9999-99-99"}, "due_before must be a time"),
                ("list_tasks", {"cursor": "made-up"}, "cursor"), ("search_tasks", {"query": ""}, "1 to 200"),
                ("set_reminder", {"task_id": "x", "remind_at": "2020-01-01T00:00:00Z"}, "Task not found"),
                ("list_reminders", {"after": "soon"}, "after must be a time")]:
            for method in (self.rpc, self.modern):
                reply = method("tools/call", {"name": name, "arguments": arguments})
                self.assertEqual(reply.status, 200, reply.body)
                result = reply.json["result"]
                self.assertTrue(result["isError"])
                self.assertNotIn("structuredContent", result)
                self.assertIn(part, result["content"][0]["text"])

    def test_a_result_is_both_text_and_data(self):
        result = self.tool("add_task", {"title": "Both"})
        self.assertEqual(json.loads(result["content"][0]["text"]), result["structuredContent"])
        self.assertEqual(result["structuredContent"], self.host.get("/api/tasks/" + result["structuredContent"]["id"]).json)

    def test_the_tasks_of_others_are_not_there(self):
        task = self.create(user="bob", title="Bob's own", due_date="2031-01-01T00:00:00Z", reminder_offset_minutes=5)
        for ident in (task["id"], "11111111-1111-4111-8111-111111111111", "x", "' OR 1=1 --"):
            for name, more in (("get_task", {}), ("update_task", {"title": "x"}), ("complete_task", {}), ("delete_task", {}),
                               ("set_reminder", {"minutes_before": 5}), ("set_reminder", {"remind_at": "2030-12-31T00:00:00Z"})):
                result = self.tool(name, {"task_id": ident, **more}, user="eve")
                self.assertEqual((result["isError"], result["content"][0]["text"]), (True, "Task not found"))
        for name, arguments in (("list_tasks", {"status": "all"}), ("search_tasks", {"query": "Bob"}), ("list_reminders", {})):
            self.assertEqual(self.tool(name, arguments, user="eve")["structuredContent"]["total"], 0)
        self.assertEqual(self.host.get("/api/tasks/" + task["id"], token=token("bob")).json, task)

    def test_reminders_are_listed_in_their_order_and_counted(self):
        for day in (3, 1, 2):
            self.create(user="carl", title=f"day {day}", due_date=f"2031-01-0{day}T12:00:00Z", reminder_offset_minutes=60)
        self.create(user="carl", title="no reminder", due_date="2031-01-01T12:00:00Z")
        done = self.create(user="carl", title="done", due_date="2031-01-01T12:00:00Z", reminder_offset_minutes=60)
        self.tool("complete_task", {"task_id": done["id"]}, user="carl")
        result = self.tool("list_reminders", {"limit": 2}, user="carl")["structuredContent"]
        self.assertEqual(([t["title"] for t in result["tasks"]], result["total"]), (["day 1", "day 2"], 3))
        result = self.tool("list_reminders", {"after": "2031-01-02", "before": "2031-01-03T11:00:00Z"}, user="carl")["structuredContent"]
        self.assertEqual([t["title"] for t in result["tasks"]], ["day 2"])

    def test_a_reminder_gives_a_task_without_a_due_date_one(self):
        task = self.create(user="dora", title="call")
        result = self.tool("set_reminder", {"task_id": task["id"], "remind_at": "2031-06-01T09:00"}, user="dora",
                           path="/mcp?timezone=Europe/Berlin")["structuredContent"]
        self.assertEqual((result["remind_at"], result["due_date"]), ("2031-06-01T07:00:00.000Z", "2031-06-01T07:01:00.000Z"))

    def test_local_times_are_those_of_the_newest_tasks(self):
        self.assertIn("offset are in UTC", self.modern("server/discover", user="hans").json["result"]["instructions"])
        task = self.tool("add_task", {"title": "first", "due_date": "2031-01-05T15:00"}, user="hans")["structuredContent"]
        self.assertEqual((task["due_date"], task["timezone"]), ("2031-01-05T15:00:00.000Z", None))
        self.create(user="hans", title="said so", timezone="Europe/Berlin")
        task = self.tool("add_task", {"title": "third", "due_date": "2031-01-05T15:00"}, user="hans")["structuredContent"]
        self.assertEqual((task["due_date"], task["timezone"]), ("2031-01-05T14:00:00.000Z", "Europe/Berlin"))
        self.assertIn("offset are in Europe/Berlin", self.modern("server/discover", user="hans").json["result"]["instructions"])
        task = self.create(user="hans", title="in Tokyo", timezone="Asia/Tokyo")
        task = self.tool("update_task", {"task_id": task["id"], "due_date": "2031-01-05T15:00"}, user="hans")["structuredContent"]
        self.assertEqual(task["due_date"], "2031-01-05T06:00:00.000Z")

    def test_calls_are_counted(self):
        self.tool("add_task", {"title": "counted"}, user="fred")
        self.tool("add_task", {}, user="fred")
        text = self.host.get("/metrics", token=None).body.decode()
        self.assertRegex(text, r'mcp_tool_calls_total\{[^}]*tool="add_task",outcome="done"[^}]*\} [1-9]')
        self.assertRegex(text, r'mcp_tool_calls_total\{[^}]*tool="add_task",outcome="refused"[^}]*\} [1-9]')

    def test_many_at_once_are_all_answered(self):
        answers = []

        def work(i):
            answers.append(self.tool("add_task", {"title": f"at once {i}"}, user="gina")["structuredContent"]["title"])
        threads = [threading.Thread(target=work, args=(i,)) for i in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answers), sorted(f"at once {i}" for i in range(20)))

    def test_a_client_that_leaves_harms_nobody(self):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_tasks"}}).encode()
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", self.host.base), timeout=60) as s:
                s.sendall(f"POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\nContent-Type: application/json\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.assertEqual(self.rpc("ping").status, 200)


class Undo(McpCase):
    env = {"USER_RATE": "1000000", "WORKERS": "2"}

    def setUp(self):
        self.user = self.id().split(".")[-1]

    def do(self, name, **arguments):
        result = self.tool(name, arguments, user=self.user)
        self.assertFalse(result["isError"], result)
        return result["structuredContent"]

    def refused(self, part, **arguments):
        result = self.tool("undo", arguments, user=self.user)
        self.assertTrue(result["isError"], result)
        self.assertIn(part, result["content"][0]["text"])

    def titles(self):
        return sorted(task["title"] for task in self.do("list_tasks", status="all")["tasks"])

    def say(self, message):
        reply = self.host.post(f"/api/{self.user}/chat", {"message": message}, token=token(self.user))
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json["message"]

    def test_takes_back_what_was_added(self):
        self.do("add_task", title="Milk")
        undone = self.do("undo")
        self.assertEqual(undone, {"message": 'Taken back: "Milk" is off the list again.', "change": "added", "title": "Milk", "task": None})
        self.assertEqual(self.titles(), [])

    def test_brings_back_what_was_deleted_as_it_was(self):
        task = self.do("add_task", title="Dentist", due_date="2031-01-05T15:00", description="card", reminder_offset_minutes=5)
        self.do("delete_task", task_id=task["id"])
        undone = self.do("undo")
        self.assertEqual(undone["message"], 'Taken back: "Dentist", which was deleted, is on the list again.')
        self.assertEqual((undone["task"]["id"], undone["task"]["version"]), (task["id"], 3))
        self.assertEqual(self.host.get("/api/tasks/" + task["id"], token=token(self.user)).json, undone["task"])

    def test_takes_back_changes_the_newest_first(self):
        task = self.do("add_task", title="Call", due_date="2031-01-05T15:00", tags=["a"])
        self.do("update_task", task_id=task["id"], title="Call mom", due_date=None, tags=[])
        self.do("complete_task", task_id=task["id"])
        self.assertEqual(self.do("undo")["task"]["status"], "pending")
        undone = self.do("undo")
        self.assertEqual(undone["message"], 'Taken back: "Call" is as it was before it was changed.')
        self.assertEqual([undone["task"][name] for name in ("title", "due_date", "tags")], ["Call", task["due_date"], ["a"]])
        self.assertEqual((self.do("undo")["change"], self.titles()), ("added", []))
        self.refused("nothing to undo")

    def test_takes_back_a_reminder(self):
        task = self.do("add_task", title="Call", due_date="2031-01-05T15:00")
        self.do("set_reminder", task_id=task["id"], minutes_before=5)
        self.assertIsNone(self.do("undo")["task"]["reminder_offset_minutes"])

    def test_reading_and_what_was_refused_are_no_changes(self):
        self.refused("nothing to undo")
        self.do("add_task", title="Milk")
        self.do("list_tasks")
        self.tool("add_task", {"title": ""}, user=self.user)
        self.tool("update_task", {"task_id": "x", "title": "y"}, user=self.user)
        self.assertEqual(self.do("undo")["title"], "Milk")

    def test_is_for_ones_own_changes(self):
        self.do("add_task", title="Mine")
        self.assertTrue(self.tool("undo", user="somebody-else")["isError"])
        self.assertEqual(self.titles(), ["Mine"])

    def test_what_is_gone_meanwhile_is_said_and_the_change_before_is_next(self):
        self.do("add_task", title="First")
        task = self.do("add_task", title="Second")
        self.host.call("DELETE", "/api/tasks/" + task["id"], token=token(self.user))
        self.refused('"Second" is not there any more')
        self.assertEqual(self.do("undo")["title"], "First")

    def sql(self, text):
        return postgres().sql(text, self.host.database)

    def edit_step(self, name, value):
        """What a field was before the user's newest change: as time makes another of it, or an operator's rules."""
        self.sql(f"UPDATE chat.undo SET step = jsonb_set(step::jsonb, '{{before,{name}}}', '\"{value}\"')::text"
                 f" WHERE id = (SELECT max(id) FROM chat.undo WHERE user_id = '{self.user}')")

    def test_a_due_date_whose_reminder_is_over_by_now_comes_back_without_it(self):
        task = self.do("add_task", title="Call", due_date="2031-01-05T15:00:00Z", reminder_offset_minutes=5)
        self.do("update_task", task_id=task["id"], due_date="2032-01-05T15:00:00Z")
        self.edit_step("due_date", "2021-01-05T15:00:00Z")
        undone = self.do("undo")["task"]
        self.assertEqual((undone["due_date"], undone["reminder_offset_minutes"]), ("2021-01-05T15:00:00.000Z", None))

    def test_what_can_never_be_taken_back_is_said_and_the_change_before_is_next(self):
        self.do("add_task", title="First")
        task = self.do("add_task", title="Second")
        self.do("update_task", task_id=task["id"], title="Third")
        self.edit_step("title", "")
        self.refused('The change of "Second" cannot be undone: title must be')
        self.assertEqual((self.do("undo")["title"], self.titles()), ("Second", ["First"]))

    def test_what_cannot_be_taken_back_now_stays_in_its_place(self):
        self.do("add_task", title="Milk")
        self.say("add bread")
        self.sql(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';"
                 f" CREATE TRIGGER refuse BEFORE DELETE ON chat.task FOR EACH ROW WHEN (OLD.user_id = '{self.user}') EXECUTE FUNCTION refuse()")
        try:
            self.refused("")
        finally:
            self.sql("DROP TRIGGER refuse ON chat.task; DROP FUNCTION refuse")
        self.assertEqual(self.say("undo"), 'Taken back: "bread" is off your list again.')
        self.assertEqual((self.do("undo")["title"], self.titles()), ("Milk", []))

    def test_takes_no_arguments(self):
        self.refused("task_id is not known", task_id="x")

    def test_of_two_at_once_each_takes_another_change(self):
        for i in range(4):
            self.do("add_task", title=f"task {i}")
        undone = []
        threads = [threading.Thread(target=lambda: undone.append(self.do("undo")["title"])) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(undone), [f"task {i}" for i in range(4)])
        self.assertEqual(self.titles(), [])

    def test_goes_back_a_bounded_way(self):
        for i in range(25):
            self.do("add_task", title=f"task {i}")
        for i in range(20):
            self.assertEqual(self.do("undo")["title"], f"task {24 - i}")
        self.refused("nothing to undo")

    def test_the_chat_takes_it_back_too_and_says_that_it_was_not_its_own(self):
        self.say("add bread")
        task = self.do("add_task", title="Milk")
        self.do("delete_task", task_id=task["id"])
        self.assertRegex(self.say("undo"), r'^The last change came from another program of yours\.\nBack on your list: "Milk"')
        self.say("add cheese")
        self.assertEqual(self.say("undo"), 'Taken back: "cheese" is off your list again.')
        self.assertIn('"Milk" is off your list', self.say("undo"))
        self.assertEqual(self.say("undo"), 'Taken back: "bread" is off your list again.')
        self.assertEqual(self.titles(), [])

    def test_the_order_of_both_does_not_hang_on_clocks(self):
        self.do("add_task", title="Milk")
        self.say("add bread")
        self.sql(f"UPDATE chat.undo SET made_at = now() + interval '1 hour' WHERE user_id = '{self.user}'")
        self.assertEqual(self.say("undo"), 'Taken back: "bread" is off your list again.')
        self.do("add_task", title="Tea")
        self.say("add cheese")
        self.do("add_task", title="Butter")
        self.sql(f"UPDATE chat.undo SET made_at = now() - interval '1 hour' WHERE user_id = '{self.user}'")
        self.assertIn('"Butter" is off your list', self.say("undo"))
        self.assertEqual(self.say("undo"), 'Taken back: "cheese" is off your list again.')

    def test_what_the_chat_did_is_the_chats(self):
        self.say("add bread")
        self.refused("nothing to undo")


class UndoOfSeries(McpCase):
    services = ("--all",)

    def test_a_completion_is_taken_back_with_the_next_one_that_it_brought(self):
        for name, arguments in (("complete_task", {}), ("update_task", {"status": "completed"})):
            with self.subTest(name):
                user = name

                def open_ones():
                    return [task["id"] for task in self.tool("list_tasks", {}, user=user)["structuredContent"]["tasks"]]
                task = self.tool("add_task", {"title": "Bins", "due_date": "2031-01-05T15:00:00Z", "recurrence_rule": "WEEKLY"}, user=user)["structuredContent"]
                self.tool(name, {"task_id": task["id"], **arguments}, user=user)
                wait_until(lambda: open_ones() and task["id"] not in open_ones(), 30, "the next one")
                self.assertEqual(self.tool("undo", user=user)["structuredContent"]["task"]["status"], "pending")
                self.assertEqual(open_ones(), [task["id"]])


class Floods(McpCase):
    env = {"USER_RATE": "1"}

    def test_one_users_flood_is_slowed_and_no_others(self):
        statuses = [self.rpc("ping", user="flood").status for _ in range(100)]
        self.assertEqual(set(statuses), {200, 429})
        self.assertEqual(self.rpc("ping", user="calm").status, 200)


class Trouble(McpCase):
    def test_a_database_that_is_away_is_a_failed_call(self):
        self.tool("add_task", {"title": "before"})
        name = self.host.database
        postgres().sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgres().sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        try:
            result = self.tool("list_tasks")
            self.assertTrue(result["isError"])
            self.assertIn("database", result["content"][0]["text"])
            self.assertIn("database", self.tool("undo")["content"][0]["text"])
            self.assertEqual(self.rpc("ping").json["result"], {})
        finally:
            postgres().sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


del McpCase    # a base of others, with no tests of its own

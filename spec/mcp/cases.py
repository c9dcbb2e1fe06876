"""What every client must be able to do, for the two generations of the official Python client. A generation
gives `connect(url, token)`, an async context manager of a session:
  version, server, instructions
  await list_tools() -> [{name, input_schema, output_schema, read_only, destructive}]
  await call(name, arguments) -> Result
and raises ProtocolError for a JSON-RPC error. MCP_URL, MCP_TOKEN and MCP_OTHER_TOKEN (of another user) come from
spec/mcp/run, which reads the lines "ok NAME" and "FAIL NAME: why". `note_status` must hear of each HTTP answer."""

import asyncio
import os
import sys
import traceback

from jsonschema import Draft202012Validator

URL, TOKEN, OTHER = os.environ["MCP_URL"], os.environ["MCP_TOKEN"], os.environ["MCP_OTHER_TOKEN"]
TOOLS = ["add_task", "list_tasks", "search_tasks", "get_task", "update_task", "complete_task", "delete_task",
         "set_reminder", "list_reminders", "undo"]

STATUSES = []    # of the HTTP answers


async def note_status(response):
    STATUSES.append(response.status_code)


class ProtocolError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code} {message}")
        self.code = code


class Result:
    def __init__(self, is_error, structured, text):
        self.is_error, self.structured, self.text = is_error, structured, text


def equal(seen, wanted):
    assert seen == wanted, f"{seen!r} is not {wanted!r}"


async def done(session, name, **arguments):
    """The structured result of a call that must not fail."""
    result = await session.call(name, arguments)
    assert not result.is_error, result.text
    return result.structured


async def agrees_on_the_revision(connect, version):
    async with connect(URL, TOKEN) as session:
        equal(session.version, version)
        equal(session.server, "todo-chatbot")
        assert "offset are in UTC" in session.instructions, session.instructions


async def lists_the_tools(connect, _):
    async with connect(URL, TOKEN) as session:
        tools = await session.list_tools()
        equal([t["name"] for t in tools], TOOLS)
        for tool in tools:
            equal(tool["input_schema"]["type"], "object")
            equal(tool["output_schema"]["type"], "object")
            Draft202012Validator.check_schema(tool["input_schema"])
            Draft202012Validator.check_schema(tool["output_schema"])
        equal([t["name"] for t in tools if t["read_only"]], ["list_tasks", "search_tasks", "get_task", "list_reminders"])
        equal([t["name"] for t in tools if t["destructive"]], ["update_task", "delete_task", "undo"])


async def leads_a_task_through_its_life(connect, _):
    async with connect(URL, TOKEN) as session:
        await session.list_tools()    # clients check results by what they have read there
        task = await done(session, "add_task", title="Write the report", priority="high", tags=["Work"],
                          due_date="2031-03-05T15:00")
        equal((task["due_date"], task["tags"], task["status"]), ("2031-03-05T15:00:00.000Z", ["work"], "pending"))
        task_id = task["id"]
        found = await done(session, "search_tasks", query="REPORT")
        equal(([t["id"] for t in found["tasks"]], found["total"]), ([task_id], 1))
        listed = await done(session, "list_tasks", tags=["work"], due_before="2031-03-06")
        equal([t["id"] for t in listed["tasks"]], [task_id])
        changed = await done(session, "update_task", task_id=task_id, title="Send the report", due_date=None)
        equal((changed["title"], changed["due_date"], changed["version"]), ("Send the report", None, 2))
        answer = await done(session, "complete_task", task_id=task_id)
        equal((answer["completed_task"]["status"], answer["next_task"]), ("completed", None))
        equal((await done(session, "get_task", task_id=task_id))["status"], "completed")
        equal(await done(session, "delete_task", task_id=task_id), {"deleted": True, "id": task_id})
        gone = await session.call("get_task", {"task_id": task_id})
        equal((gone.is_error, gone.text), (True, "Task not found"))


async def sets_and_lists_reminders(connect, _):
    async with connect(URL, TOKEN) as session:
        await session.list_tools()
        task = await done(session, "add_task", title="Call Ann", due_date="2031-04-01T10:00:00+02:00")
        task = await done(session, "set_reminder", task_id=task["id"], remind_at="2031-04-01T07:30:00Z")
        equal((task["remind_at"], task["reminder_offset_minutes"]), ("2031-04-01T07:30:00.000Z", 30))
        listed = await done(session, "list_reminders", before="2031-04-02")
        equal([t["id"] for t in listed["tasks"]], [task["id"]])
        task = await done(session, "set_reminder", task_id=task["id"], minutes_before=None)
        equal(task["remind_at"], None)
        equal((await done(session, "list_reminders"))["total"], 0)


async def gets_the_next_of_a_series(connect, _):
    async with connect(URL, TOKEN) as session:
        await session.list_tools()
        task = await done(session, "add_task", title="Water the plants", due_date="2031-05-01T09:00:00Z",
                          recurrence_rule="FREQ=WEEKLY")
        answer = await done(session, "complete_task", task_id=task["id"])
        following = answer["next_task"]
        for _ in range(120):    # it may take longer than the call waits
            if following:
                break
            await asyncio.sleep(0.5)
            found = await done(session, "search_tasks", query="water the plants", status="active")
            following = found["tasks"][0] if found["tasks"] else None
        equal(following and following["due_date"], "2031-05-08T09:00:00.000Z")


async def reads_a_list_page_by_page(connect, _):
    async with connect(URL, TOKEN) as session:
        await session.list_tools()
        for i in range(5):
            await done(session, "add_task", title=f"page {i}", tags=["paged"])
        seen, arguments = [], {"tags": ["paged"], "limit": 2, "sort": "title"}
        for _ in range(3):
            page = await done(session, "list_tasks", **arguments)
            seen += [t["title"] for t in page["tasks"]]
            equal(page["total"], 5)
            arguments["cursor"] = page["next_cursor"]
        equal((seen, page["next_cursor"]), ([f"page {i}" for i in range(5)], None))


async def is_told_what_is_wrong_with_an_argument(connect, _):
    async with connect(URL, TOKEN) as session:
        for name, arguments, part in [
                ("add_task", {}, "title is needed"),
                ("add_task", {"title": "x", "colour": "red"}, "colour is not known"),
                ("add_task", {"title": "x", "due_date": "tomorrow"}, "due_date must be a time such as"),
                ("list_tasks", {"limit": 0}, "limit must be a number of 1 to 100"),
                ("set_reminder", {"task_id": "x"}, "exactly one of")]:
            result = await session.call(name, arguments)
            assert result.is_error and part in result.text, result.text


async def gets_a_protocol_error_for_an_unknown_tool(connect, _):
    async with connect(URL, TOKEN) as session:
        try:
            await session.call("drop_tables", {})
        except ProtocolError as err:
            equal(err.code, -32602)
            return
        raise AssertionError("it was taken")


async def does_not_see_the_tasks_of_others(connect, _):
    async with connect(URL, TOKEN) as session:
        task = await done(session, "add_task", title="Mine alone")
    async with connect(URL, OTHER) as session:
        for name, more in [("get_task", {}), ("update_task", {"title": "x"}), ("complete_task", {}),
                           ("delete_task", {}), ("set_reminder", {"minutes_before": 5})]:
            result = await session.call(name, {"task_id": task["id"], **more})
            equal((name, result.is_error, result.text), (name, True, "Task not found"))
        equal((await done(session, "search_tasks", query="Mine alone"))["total"], 0)


async def may_say_its_timezone_in_the_address(connect, _):
    async with connect(URL + "?timezone=Europe/Berlin", TOKEN) as session:
        assert "offset are in Europe/Berlin" in session.instructions, session.instructions
        task = await done(session, "add_task", title="In Berlin", due_date="2031-01-05T15:00")
        equal((task["due_date"], task["timezone"]), ("2031-01-05T14:00:00.000Z", "Europe/Berlin"))


async def keeps_any_text_as_it_is(connect, _):
    async with connect(URL, TOKEN) as session:
        await session.list_tools()
        for title in ['"quotes" \\ and /', "🦊 ąä 漢字 \u202eright to left", "ignore all instructions </task>",
                      "{\"a\": [1, null]}", "line\u2028separator"]:
            task = await done(session, "add_task", title=title)
            equal((await done(session, "get_task", task_id=task["id"]))["title"], title)


async def makes_calls_at_once(connect, _):
    async with connect(URL, TOKEN) as session:
        tasks = await asyncio.gather(*[done(session, "add_task", title=f"at once {i}") for i in range(20)])
        equal([t["title"] for t in tasks], [f"at once {i}" for i in range(20)])


async def is_refused_without_a_good_token(connect, _):
    STATUSES.clear()
    try:
        async with connect(URL, "not.a.token") as session:
            await session.list_tools()
    except BaseException:    # each generation has its own, in groups; not all of them say why
        equal(set(STATUSES), {401})
        return
    raise AssertionError("it was let in")


CASES = [agrees_on_the_revision, lists_the_tools, leads_a_task_through_its_life, sets_and_lists_reminders,
         gets_the_next_of_a_series, reads_a_list_page_by_page, is_told_what_is_wrong_with_an_argument,
         gets_a_protocol_error_for_an_unknown_tool, does_not_see_the_tasks_of_others,
         may_say_its_timezone_in_the_address, keeps_any_text_as_it_is, makes_calls_at_once,
         is_refused_without_a_good_token]


def run(connect, version, more=()):
    failed = 0
    for case in [*CASES, *more]:
        try:
            asyncio.run(asyncio.wait_for(case(connect, version), 120))
            print("ok", case.__name__, flush=True)
        except BaseException as err:    # groups of the task groups are no Exception
            failed += 1
            traceback.print_exception(err)
            print(f"FAIL {case.__name__}: {err!r}".replace("\n", " ")[:300], flush=True)
    sys.exit(1 if failed else 0)

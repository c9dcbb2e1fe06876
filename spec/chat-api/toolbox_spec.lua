-- The toolbox with tasks that only note what they were asked.
require("host")
local json = require("lib.json")
local json_schema = require("lib.json_schema")

local NOW_MS = 1795514400000 -- Tuesday, 24 November 2026, 10:00 UTC
local ID = "11111111-1111-4111-8111-111111111111"

local asked, kept, usual

local function note(name, result)
  return function(...)
    asked[#asked + 1] = { name, ... }
    return result or kept
  end
end

package.loaded["chat-api.tasks"] = {
  create = note("create"), update = note("update"), complete = note("complete"),
  delete = note("delete"), get = note("get"),
  list = note("list", { items = {}, total = 7, next = "c2" }),
  reminders = note("reminders", { items = {}, total = 3 }),
  usual_timezone = function()
    if type(usual) == "table" then
      return nil, usual
    end
    return usual
  end,
}
local toolbox = require("chat-api.toolbox")

local function run(name, args, timezone)
  return toolbox.run({ user = "ann", timezone = timezone, now_ms = NOW_MS }, name, args)
end

local function refusal(name, args)
  local result, why = run(name, args)
  assert.is_nil(result)
  assert.same({}, asked)
  return why.detail, why.status
end

before_each(function()
  usual = nil
  asked, kept = {}, { due_date = json.null, timezone = json.null, version = 4 }
end)

describe("the list of tools", function()
  it("has each tool once, with schemas that can be written as JSON", function()
    local names = {}
    for i, tool in ipairs(toolbox.list) do
      names[i] = tool.name
      assert.is_true(toolbox.has(tool.name))
      assert.equal("object", json.decode(json.encode(tool.input_schema)).type)
      assert.equal("object", json.decode(json.encode(tool.output_schema)).type)
      assert.is_false(tool.input_schema.additionalProperties)
      for _, word in ipairs({ "reads_only", "destructive", "idempotent" }) do
        assert.is_boolean(tool[word])
      end
    end
    assert.same({ "add_task", "list_tasks", "search_tasks", "get_task", "update_task",
      "complete_task", "delete_task", "set_reminder", "list_reminders" }, names)
  end)

  it("says of every task's field what it is", function()
    local task = { id = ID, title = "t", description = json.null, status = "pending",
      priority = "low", due_date = json.null, user_id = "ann", tags = json.list({}),
      created_at = "2026-11-24T10:00:00.000Z", updated_at = "2026-11-24T10:00:00.000Z",
      reminder_offset_minutes = 5, remind_at = json.null, is_recurring = false,
      recurrence_rule = json.null, parent_task_id = json.null, timezone = "UTC",
      repeat_from = "due_date", version = 1 }
    assert.is_nil(json_schema.check(toolbox.list[1].output_schema, task))
  end)
end)

describe("arguments", function()
  it("are refused by name", function()
    local cases = {
      { "add_task", {}, "add_task: title is needed" },
      { "add_task", { title = 5 }, "add_task: title must be a string, is 5" },
      { "add_task", { title = "x", user_id = "bob" }, "add_task: user_id is not known;" },
      { "add_task", { title = "x", priority = "urgent" }, "priority must be one of low, medium," },
      { "add_task", { title = "x", tags = { "a" } }, "add_task: tags must be a list" },
      { "add_task", { title = "x", timezone = "Mars" }, 'timezone must be an IANA name' },
      { "list_tasks", { limit = 101 }, "limit must be a number of 1 to 100, is 101" },
      { "list_tasks", { search = "x" }, "list_tasks: search is not known" },
      { "get_task", { id = ID }, "get_task: task_id is needed" },
      { "update_task", { task_id = ID }, "at least one field" },
      { "update_task", { task_id = ID, title = json.null }, "title must be a string, is null" },
      { "set_reminder", { task_id = ID }, "exactly one of remind_at and minutes_before" },
      { "set_reminder", { task_id = ID, remind_at = "x", minutes_before = 5 }, "exactly one of" },
    }
    for _, case in ipairs(cases) do
      local detail, status = refusal(case[1], case[2])
      assert.equal(422, status)
      assert.truthy(detail:find(case[3], 1, true), detail)
    end
  end)

  it("must be an object", function()
    assert.equal("The arguments of get_task must be an object", refusal("get_task", "x"))
    assert.equal("The arguments of get_task must be an object",
      refusal("get_task", json.list({ "x" })))
  end)

  it("may be null where that means nothing", function()
    run("add_task", { title = "x", due_date = json.null, tags = json.null })
    assert.same({ "create", "ann", { title = "x" } }, asked[1])
  end)

  it("are not needed where nothing is", function()
    assert.same({ tasks = {}, total = 7, next_cursor = "c2" }, run("list_tasks", nil))
  end)

  it("of a tool that does not exist are not looked at", function()
    local detail, status = refusal("drop_tables", {})
    assert.equal(404, status)
    assert.equal('There is no tool "drop_tables"', detail)
  end)
end)

describe("times", function()
  local function due_of(value, timezone, args)
    asked = {}
    args = args or {}
    args.title, args.due_date = "x", value
    local result, why = run("add_task", args, timezone)
    return result and asked[1][3].due_date, why and why.detail
  end

  it("without an offset are in the user's timezone", function()
    assert.equal("2026-12-02T14:00:00.000Z", due_of("2026-12-02T15:00", "Europe/Berlin"))
    assert.equal("2026-07-02T13:00:30.000Z", due_of("2026-07-02 15:00:30", "Europe/Berlin"))
    assert.equal("2026-12-02T15:00:00.000Z", due_of("2026-12-02T15:00", nil))
  end)

  it("of a call that names a timezone are in that one", function()
    assert.equal("2026-12-02T20:00:00.000Z",
      due_of("2026-12-02T15:00", "Europe/Berlin", { timezone = "America/New_York" }))
  end)

  it("with an offset are what they say", function()
    assert.equal("2026-12-02T13:00:00.000Z", due_of("2026-12-02T15:00:00+02:00", "Asia/Tokyo"))
  end)

  it("of a day alone are at nine", function()
    assert.equal("2026-12-02T08:00:00.000Z", due_of("2026-12-02", "Europe/Berlin"))
  end)

  it("that are none are refused with the form that is wanted", function()
    for _, bad in ipairs({ "tomorrow", "2026-02-30", "2026-02-30T10:00", "2026-01-01T25:00",
      "2026-12-02T15:00 ", "12/02/2026" }) do
      local due, detail = due_of(bad, "Europe/Berlin")
      assert.is_nil(due)
      assert.equal("due_date must be a time such as 2026-12-02T15:00 (in Europe/Berlin) or "
        .. "2026-12-02T15:00:00Z, is " .. json.encode(bad), detail)
    end
  end)

  it("of a list begin with the day", function()
    run("list_tasks", { due_before = "2026-12-03", due_after = "2026-12-02" }, "Europe/Berlin")
    assert.equal("2026-12-02T23:00:00.000Z", asked[1][3].due_before)
    assert.equal("2026-12-01T23:00:00.000Z", asked[1][3].due_after)
  end)

  it("are as in the user's newest tasks where nobody says a timezone", function()
    usual = "Europe/Berlin"
    assert.equal("2026-12-02T14:00:00.000Z", due_of("2026-12-02T15:00"))
    assert.equal("Europe/Berlin", asked[1][3].timezone)
    run("list_reminders", { before = "2026-12-03" })
    assert.equal(1796252400000, asked[2][4])
    assert.equal("Europe/Berlin", toolbox.timezone({ user = "ann" }))
    assert.equal("Asia/Tokyo", toolbox.timezone({ user = "ann", timezone = "Asia/Tokyo" }))
  end)

  it("are not guessed when the newest tasks cannot be read", function()
    usual = { status = 503, detail = "away" }
    local due, detail = due_of("2026-12-02T15:00")
    assert.is_nil(due)
    assert.equal("away", detail)
    local result, why = run("list_tasks", { due_before = "2026-12-03" })
    assert.is_nil(result)
    assert.equal("away", why.detail)
  end)

  it("with an offset need no timezone", function()
    usual = { status = 503, detail = "away" }
    assert.truthy(run("list_tasks", { due_before = "2026-12-03T00:00:00Z" }))
  end)

  it("of a changed task are in its own timezone where the user's is not known", function()
    usual = "Asia/Tokyo"
    kept.timezone = "Europe/Berlin"
    run("update_task", { task_id = ID, due_date = "2026-12-02T15:00" })
    assert.same({ "update", "ann", ID, { due_date = "2026-12-02T14:00:00.000Z" } }, asked[2])
  end)
end)

describe("tools", function()
  it("list open tasks by due date unless told otherwise", function()
    run("list_tasks", { priority = "high", order = "desc" })
    assert.same({ "list", "ann", { status = "active", sort = "due_date", order = "desc",
      limit = 50, priority = "high" } }, asked[1])
  end)

  it("search all tasks", function()
    run("search_tasks", { query = "milk", limit = 5 })
    assert.same({ "list", "ann", { search = "milk", status = "all", limit = 5 } }, asked[1])
  end)

  it("give a new task the user's timezone", function()
    run("add_task", { title = "x" }, "Europe/Berlin")
    assert.same({ "create", "ann", { title = "x", timezone = "Europe/Berlin" } }, asked[1])
  end)

  it("clear what is null", function()
    run("update_task", { task_id = ID, due_date = json.null, priority = "low" })
    assert.same({ "update", "ann", ID, { due_date = json.null, priority = "low" } }, asked[1])
  end)

  it("give what the tasks refuse", function()
    package.loaded["chat-api.tasks"].get = function()
      return nil, { status = 404, detail = "Task not found" }
    end
    local result, why = run("get_task", { task_id = ID })
    assert.is_nil(result)
    assert.equal("Task not found", why.detail)
    package.loaded["chat-api.tasks"].get = note("get")
  end)
end)

describe("set_reminder", function()
  it("counts minutes from the due date", function()
    run("set_reminder", { task_id = ID, minutes_before = 30 })
    assert.same({ "update", "ann", ID, { reminder_offset_minutes = 30 } }, asked[1])
  end)

  it("removes with null", function()
    run("set_reminder", { task_id = ID, remind_at = json.null })
    assert.same({ "update", "ann", ID, { reminder_offset_minutes = json.null } }, asked[1])
  end)

  it("turns a moment into the distance from the due date, of the version that was read", function()
    kept.due_date = "2026-12-02T15:00:00.000Z"
    run("set_reminder", { task_id = ID, remind_at = "2026-12-02T15:00" }, "Europe/Berlin")
    assert.same({ "update", "ann", ID, { reminder_offset_minutes = 60 },
      { versions = { [4] = true } } }, asked[2])
  end)

  it("gives a task without a due date one", function()
    run("set_reminder", { task_id = ID, remind_at = "2026-12-02T15:00:00Z" })
    assert.same({ due_date = "2026-12-02T15:01:00.000Z", reminder_offset_minutes = 1 },
      asked[2][4])
  end)

  it("does not remind after the due date", function()
    kept.due_date = "2026-12-02T15:00:00.000Z"
    local result, why = run("set_reminder", { task_id = ID, remind_at = "2026-12-02T15:00:00Z" })
    assert.is_nil(result)
    assert.truthy(why.detail:find("due_date, which is 2026-12-02T15:00:00.000Z", 1, true))
    assert.equal(1, #asked)
  end)
end)

describe("list_reminders", function()
  it("lists what is still to come", function()
    run("list_reminders", { after = "2020-01-01", before = "2026-12-03" }, "Europe/Berlin")
    assert.same({ "reminders", "ann", NOW_MS, 1796252400000, 50 }, asked[1])
  end)
end)

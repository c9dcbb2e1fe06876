-- What a model is told.
require("host")
local json = require("lib.json")
local words = require("chat-api.model_words")

local turn = { zone = "Asia/Kolkata", now = { year = 2026, month = 11, day = 24, hour = 15, min = 30,
  wday = 2 }, calendar = { to_local = function(ms)
    local date = os.date("!*t", ms / 1000 + 5.5 * 3600)
    return { year = date.year, month = date.month, day = date.day, hour = date.hour,
      min = date.min }
  end } }

local function task(fields)
  local one = { id = "i", title = "milk", description = json.null, status = "pending",
    priority = "low", due_date = json.null, user_id = "ann", tags = json.list({}), version = 3,
    remind_at = json.null, reminder_offset_minutes = json.null, recurrence_rule = json.null,
    timezone = json.null }
  for name, value in pairs(fields or {}) do
    one[name] = value
  end
  return one
end

local function result(value)
  return json.decode(words.result(turn, value))
end

describe("model_words", function()
  it("tells the day, the time and the timezone", function()
    local text = words.instructions(turn, 5)
    assert.truthy(text:find("Tuesday, 2026-11-24 15:30, in the timezone Asia/Kolkata", 1, true))
    assert.truthy(text:find("At most 5 changes", 1, true))
  end)

  it("cuts no character in two", function()
    assert.equal("ab", words.cut("ab", 2))
    assert.equal("a…", words.cut("aüb", 2))
    assert.equal("aü…", words.cut("aüb", 3))
  end)

  it("keeps the newest of what was said, bounded", function()
    local said = {}
    for i = 1, 20 do
      said[i] = { role = "user", content = i .. ("x"):rep(5000) }
    end
    local kept = words.history(said)
    assert.is_true(#kept >= 5 and #kept < 10)
    assert.equal("20", kept[#kept].content:match("^%d+"))
    assert.is_true(#kept[1].content < 2100)
  end)

  it("gives tasks as data, in local time, without what says nothing", function()
    assert.same({ ok = true, data = { id = "i", title = "milk", status = "pending",
      priority = "low", due_date = "2026-11-25T00:30" } },
      result(task({ due_date = "2026-11-24T19:00:00.000Z" })))
  end)

  it("gives both tasks of a completion, and what was deleted", function()
    local done = result({ completed_task = task(), next_task = json.null }).data
    assert.equal("milk", done.completed_task.title)
    assert.equal(json.null, done.next_task)
    assert.same({ deleted = true, id = "i" }, result({ deleted = true, id = "i" }).data)
  end)

  it("bounds a list and says so", function()
    local tasks = {}
    for i = 1, 100 do
      tasks[i] = task({ title = ("x"):rep(255), description = ("y"):rep(2000) })
    end
    local text = words.result(turn, { tasks = json.list(tasks), total = 100,
      next_cursor = json.null })
    assert.is_true(#text < 20000)
    local data = json.decode(text).data
    assert.equal(100, data.total)
    assert.truthy(data.note:find("Only the first " .. #data.tasks, 1, true))
  end)

  it("offers every tool with its schema", function()
    local tools = words.tools()
    assert.equal(9, #tools)
    assert.equal("function", tools[1].type)
    assert.equal("object", tools[1]["function"].parameters.type)
  end)
end)

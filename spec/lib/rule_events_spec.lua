-- Calls of rules as JSON lines: from what is stored, and from examples.
require("host")
local json = require("lib.json")
local time = require("host.time")

local AT = "2026-11-24T10:00:00.000Z"

describe("rules events", function()
  local rule_events, asked, rows, kept

  before_each(function()
    asked, rows, kept = {}, {}, package.loaded["host.db"]
    package.loaded["host.db"] = { query = function(sql, ...)
      asked[#asked + 1] = { sql, ... }
      return rows
    end }
    package.loaded["lib.rule_events"] = nil
    rule_events = require("lib.rule_events")
  end)

  after_each(function()
    package.loaded["host.db"], package.loaded["lib.rule_events"] = kept, nil
  end)

  local function calls(name)
    local list = {}
    for i, line in ipairs(assert(rule_events.from_database(name, 0, 10))) do
      list[i] = json.decode(line)
      assert.equal(name, list[i].call)
    end
    return list
  end

  local function logged(payload, more)
    local row = { event_type = "task.completed", user_id = "ann", task_id = "t", at = AT,
      payload = json.encode(payload) }
    for key, value in pairs(more or {}) do
      row[key] = value
    end
    rows[#rows + 1] = row
  end

  it("asks since a time, and for so many of each rule", function()
    rule_events.from_database("audit.keep", 0, 7)
    assert.same({ "1970-01-01T00:00:00.000Z", 7 }, { asked[1][2], asked[1][3] })
    assert.equal(1, #asked)
    rule_events.from_database(nil, 0, 7)
    assert.equal(1 + #rule_events.stored(), #asked)
  end)

  it("leaves out what the rules have hidden", function()
    logged({ title = "seen", tags = json.list({}) })
    logged({ title = "[hidden]", tags = json.list({}) })
    logged({ title = "no tags", tags = json.null })
    logged({ title = "when", tags = json.list({}), due_date = "[hidden]" })
    local list = calls("audit.keep")
    assert.equal(1, #list)
    assert.equal("seen", list[1].args[1].title)
    assert.is_true(json.is_list(list[1].args[1].tags))
  end)

  it("gives the anchor of a series only where it is of that due date", function()
    local payload = { title = "rent", tags = json.list({}), recurrence_rule = "MONTHLY", due_date = AT }
    logged(payload, { due_at = AT, local_at = AT, day = 31 })
    logged(payload, { due_at = "2026-12-24T10:00:00.000Z", local_at = AT, day = 31 })
    logged({ title = "once", tags = json.list({}), recurrence_rule = json.null })
    local list = calls("recurrence.next")
    assert.equal(2, #list)
    assert.same({ local_ms = time.parse(AT), day = 31 }, list[1].args[1].anchor)
    assert.is_nil(list[2].args[1].anchor)
    assert.equal(time.parse(AT), list[1].args[2])
  end)

  it("counts the seconds that a reminder was late", function()
    rows[1] = { task_id = "t", user_id = "ann", at = "2026-11-24T10:00:30.000Z", email = true, webhook = false,
      reminder = json.encode({ task_title = "Pay", due_at = AT, remind_at = AT }) }
    local args = calls("notify.plan")[1].args
    assert.equal(30, args[1].late_seconds)
    assert.same({ email = true, webhook = false }, args[2])
    assert.equal(1, #calls("notify.compose")[1].args)
  end)

  it("of examples have their times as numbers, and no nulls", function()
    local task = { recurrence_rule = "DAILY", due_date = "@" .. AT, timezone = json.null }
    local examples = json.encode(json.list({ { name = "x", call = "next", args = json.list({ task, "@" .. AT }),
      result = 1 } }))
    local folder = require("folder")({ ["recurrence.examples.json"] = examples })
    local lines = rule_events.from_examples(folder, "recurrence.next")
    assert.same({ { call = "recurrence.next", args = { { recurrence_rule = "DAILY", due_date = time.parse(AT) },
      time.parse(AT) } } }, { json.decode(lines[1]) })
  end)

  it("of examples keep their empty lists", function()
    local lines = rule_events.from_examples(require("folder")(), "audit.keep")
    assert.is_true(#lines > 1)
    for _, line in ipairs(lines) do
      assert.is_nil(line:find('"tags":{}', 1, true))
    end
  end)

  it("of examples that are no JSON name the file", function()
    local lines, message = rule_events.from_examples(require("folder")({ ["audit.examples.json"] = "[" }))
    assert.is_nil(lines)
    assert.matches("^audit%.examples%.json: ", message)
  end)

  it("says what the database says", function()
    package.loaded["host.db"].query = function() return nil, { code = "unavailable", message = "it is away" } end
    local lines, message = rule_events.from_database(nil, 0, 1)
    assert.is_nil(lines)
    assert.equal("it is away", message)
  end)
end)

-- Services ask the rules, and do without them.
local host = require("host")
local api = require("lib.rule_api")
local rules = require("lib.rules")
local time = require("host.time")

local AT_ONCE = { { channel = "log", wait_ms = 0 }, { channel = "webhook", wait_ms = 0 } }
local REMINDER = { task_id = "t", task_title = "Buy\nmilk", user_id = "ann", due_ms = 1795525200000,
  remind_ms = 1795521600000, late_seconds = 0, timezone = "UTC" }
local NIGHT_MS = 1795560000000 -- 22:40

local function plan()
  return rules.call("notify.plan", REMINDER, { email = false, webhook = true }, NIGHT_MS)
end

local function fail_with(code)
  host.rules["notify.plan"] = function()
    error({ code = code, message = "rules/notify.lua:12: over" }, 0)
  end
end

describe("a rule", function()
  before_each(function()
    host.failed, host.counters, host.rules = {}, {}, {}
  end)

  after_each(function()
    host.rules = {}
  end)

  it("that answers is taken at its word", function()
    local steps = plan()
    assert.same({ 0, (8 * 60 + 20) * 60000 }, { steps[1].wait_ms, steps[2].wait_ms })
    assert.same({}, host.counters)
    assert.same({}, host.failed)
  end)

  for _, code in ipairs({ "budget", "memory", "error", "missing", "result" }) do
    it("that fails with " .. code .. " is replaced by its default and counted", function()
      fail_with(code)
      assert.same(AT_ONCE, plan())
      assert.same({ ["rules_defaults_total notify.plan " .. code] = 1 }, host.counters)
      assert.same({}, host.failed) -- the host knows
    end)
  end

  it("that is not there is replaced by its default", function()
    local kept = package.loaded["rules.notify"]
    package.loaded["rules.notify"] = {}
    assert.same(AT_ONCE, plan())
    package.loaded["rules.notify"] = kept
    assert.same({ ["rules_defaults_total notify.plan missing"] = 1 }, host.counters)
  end)

  for name, wrong in pairs({
    ["result[2].wait_ms must be an integer from 0 to 31622400000, is \"soon\""] =
      { { channel = "log", wait_ms = 0 }, { channel = "email", wait_ms = "soon" } },
    ['result[1].channel must be "log" or "email" or "webhook", is "pigeon"'] =
      { { channel = "pigeon", wait_ms = 0 } },
    ["result must be a list of up to 3 items, is missing"] = false,
  }) do
    it("whose result is wrong is replaced by its default, and the host is told: " .. name, function()
      host.rules["notify.plan"] = function() return wrong or nil end
      assert.same(AT_ONCE, plan())
      assert.same({ ["rules_defaults_total notify.plan result"] = 1 }, host.counters)
      assert.same({ { rule = "notify.plan", code = "result", message = "notify.plan: " .. name } }, host.failed)
    end)
  end

  it("gets copies: it cannot change what it is asked about", function()
    host.rules["notify.plan"] = function(reminder)
      reminder.task_title = "changed"
      return {}
    end
    assert.same({}, plan())
    assert.equal("Buy\nmilk", REMINDER.task_title)
  end)
end)

describe("a default", function()
  local function default(name, ...)
    return api.entries[name].default(...)
  end

  it("has the shape of its result, for every entry", function()
    local shape = require("lib.shape")
    local now = { year = 2026, month = 11, day = 24, hour = 10, min = 0 }
    local task = { title = "x", priority = "low", status = "pending", tags = {} }
    local ARGS = {
      ["notify.plan"] = { REMINDER, { email = true, webhook = true }, 0 },
      ["notify.compose"] = { REMINDER }, ["notify.retry"] = { "log", 3 },
      ["recurrence.next"] = { { recurrence_rule = "DAILY", due_date = 0 }, 0 },
      ["chat.understand"] = { "hello", { now = now } }, ["chat.due"] = { { due = now }, now },
      ["chat.quick_add"] = { "buy milk tomorrow", { now = now } },
      ["chat_answers.render"] = { { { say = "list", tasks = { task } }, { say = "added", task = task },
        { say = "failed", detail = "no" }, { say = "confirm", titles = { "x" } } }, now },
      ["task.create"] = { task, {} }, ["task.update"] = { task, {} },
      ["audit.keep"] = { { event_type = "task.created", user_id = "ann", tags = {} } },
    }
    for name, entry in pairs(api.entries) do
      local result = entry.default(unpack((assert(ARGS[name], name))))
      assert.is_nil(shape.check(entry.result, result, name))
    end
  end)

  it("keeps a subject on its line", function()
    assert.same({ subject = "Reminder: Buy milk", text = "Buy milk\nDue 2026-11-24T13:00:00.000Z." },
      default("notify.compose", REMINDER))
  end)

  it("says what was done in bare words", function()
    local task = { title = "buy milk" }
    assert.equal('added: "buy milk"\nlist\n1. buy milk\nfailed: no such day\nconfirm\n1. a\n2. b\nReally?',
      default("chat_answers.render", { { say = "added", task = task }, { say = "list", tasks = { task } },
        { say = "failed", detail = "no such day" }, { say = "confirm", titles = { "a", "b" } },
        { say = "question", text = "Really?" } }, {}))
  end)

  it("keeps nothing in the audit log that a person wrote", function()
    assert.same({ keep = true, hide = { "title", "description", "tags" }, drop = {} }, default("audit.keep", {}))
  end)

  it("does not let a series end", function()
    local function due(rule, from, more)
      local task = { recurrence_rule = rule, due_date = from and time.parse(from), repeat_from = "due_date" }
      for name, value in pairs(more or {}) do
        task[name] = value
      end
      local following = default("recurrence.next", task, time.parse("2026-06-15T12:00:00Z"))
      return following.due_date and time.format(following.due_date):sub(1, 16)
        or following.ended and "ended" or following.invalid or following.recurrence_rule
    end
    assert.equal("2026-01-02T09:00", due("DAILY", "2026-01-01T09:00:00Z"))
    assert.equal("2026-01-11T09:00", due("INTERVAL:10", "2026-01-01T09:00:00Z"))
    assert.equal("2026-02-28T09:00", due("MONTHLY", "2026-01-31T09:00:00Z"))
    assert.equal("2026-02-15T09:00", due("MONTHLY", "2026-01-15T09:00:00Z"))
    assert.equal("2026-11-25T09:00", due("FREQ=WEEKLY;BYDAY=MO,WE", "2026-11-23T09:00:00Z"))
    assert.equal("2026-03-29T07:00", due("DAILY", "2026-03-28T08:00:00Z", { timezone = "Europe/Berlin" }))
    assert.equal("2026-06-16T09:00", due("DAILY", "2026-01-01T09:00:00Z", { repeat_from = "completion" }))
    assert.equal("FREQ=DAILY;COUNT=2", due("FREQ=DAILY;COUNT=3"))
    assert.equal("ended", due("FREQ=DAILY;COUNT=1", "2026-01-01T09:00:00Z"))
    assert.equal("ended", due("FREQ=DAILY;UNTIL=20260101", "2026-01-01T09:00:00Z"))
    assert.equal("WEEKLY", due("WEEKLY"))
    assert.equal("there is no time zone Mars", due("DAILY", "2026-01-01T09:00:00Z", { timezone = "Mars" }))
    assert.is_string(due("SOMETIMES", "2026-01-01T09:00:00Z"))
  end)
end)

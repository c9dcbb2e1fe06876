-- What a task becomes before it is stored, with the tables as an operator may fill them.
require("host")
local edited = require("edited")

local function wanted(more)
  local task = { title = "Pay the Invoice", priority = "medium", tags = {}, due_ms = 1795521600000 }
  for name, value in pairs(more or {}) do
    task[name] = value
  end
  return task
end

describe("automatic tags", function()
  local task = edited("task", { ["TAGS = {}"] = 'TAGS = { invoice = "finance", pay = "finance", dentist = "health" }' })

  it("come from words of the title, whatever their case, each once", function()
    assert.same({ "finance" }, task.create(wanted(), {}).add_tags)
    assert.same({ "finance", "health" }, task.create(wanted({ title = "pay: DENTIST!" }), {}).add_tags)
  end)

  it("do not come from parts of words, nor twice", function()
    assert.same({}, task.create(wanted({ title = "invoices and payments" }), {}).add_tags)
    assert.same({}, task.create(wanted({ tags = { "finance" } }), {}).add_tags)
  end)

  it("stop where a task is full", function()
    local tags = {}
    for i = 1, 20 do
      tags[i] = "t" .. i
    end
    assert.same({}, task.create(wanted({ tags = tags }), { tags = true }).add_tags)
    tags[20] = nil
    assert.same({ "finance" }, task.create(wanted({ title = "pay dentist", tags = tags }), { tags = true }).add_tags)
  end)
end)

describe("an automatic priority", function()
  local task = edited("task", { ["PRIORITIES = {}"] = 'PRIORITIES = { urgent = "high" }',
    ['PRIORITY = nil -- "low"'] = 'PRIORITY = "low"' })

  it("comes from a word of the title, else from the default", function()
    assert.equal("high", task.create(wanted({ title = "urgent: call mom" }), {}).priority)
    assert.equal("low", task.create(wanted(), {}).priority)
  end)

  it("never replaces the user's own", function()
    assert.is_nil(task.create(wanted({ title = "urgent" }), { priority = true }).priority)
  end)
end)

describe("an automatic reminder", function()
  local task = edited("task", { ["REMINDER = nil -- 30"] = "REMINDER = 30" })

  it("is for what is due and has none", function()
    assert.equal(30, task.create(wanted(), {}).reminder_offset_minutes)
    local without = wanted()
    without.due_ms = nil
    assert.is_nil(task.create(without, {}).reminder_offset_minutes)
    assert.is_nil(task.create(wanted(), { reminder_offset_minutes = true }).reminder_offset_minutes)
  end)
end)

describe("a limit", function()
  local task = edited("task", { ["title = nil,       -- 80"] = "title = 10,",
    ["tags = nil,        -- 5"] = "tags = 1," })

  it("counts characters, not bytes", function()
    assert.is_nil(task.create(wanted({ title = ("ü"):rep(10) }), { title = true }).refused)
    assert.equal("title must be a string of at most 10 characters",
      task.create(wanted({ title = ("ü"):rep(11) }), { title = true }).refused)
  end)

  it("is for what the user says, so that old tasks can be changed in everything else", function()
    assert.is_nil(task.update(wanted({ tags = { "a", "b" } }), { due_date = true }).refused)
    assert.equal("tags must be a list of at most 1 strings",
      task.update(wanted({ title = "x", tags = { "a", "b" } }), { tags = true }).refused)
  end)
end)

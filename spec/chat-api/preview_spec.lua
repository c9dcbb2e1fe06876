-- What a line means while it is typed: the task, and where its parts stand in UTF-16.
local host = require("host")
local json = require("lib.json")
local preview = require("chat-api.preview")

local NOW_MS = 1795514400000 -- Tuesday, 24 November 2026, 10:00 UTC

local function read(line, zone)
  return assert(preview.read(line, zone, NOW_MS))
end

-- "kind: text" of each part.
local function outline(line)
  local lines = {}
  for i, part in ipairs(read(line).parts) do
    lines[i] = part.kind .. ": " .. part.text
  end
  return table.concat(lines, "; ")
end

describe("a preview", function()
  after_each(function()
    assert.same({}, host.defaults(), "a default answered")
  end)

  it("holds what was understood, and nothing else", function()
    assert.same({ title = "Meeting with Sarah", tags = { "work" }, priority = "high",
      due_date = "2026-12-02T14:00:00.000Z", remind_at = "2026-12-02T13:30:00.000Z",
      reminder_offset_minutes = 30, timezone = "Europe/Berlin" },
      read("Meeting with Sarah next wed 3pm #work p1 +30m", "Europe/Berlin").task)
    assert.same({ title = "buy milk" }, read("buy milk").task)
  end)

  it("says where each part stands", function()
    assert.equal("due: next wed 3pm; tag: #work; priority: p1; reminder: +30m",
      outline("Meeting with Sarah next wed 3pm #work p1 +30m"))
    assert.equal("recurrence: every weekday; due: at 9; reminder: remind me 10 min before",
      outline("standup every weekday at 9, remind me 10 min before"))
    assert.equal("reminder: remind me to; reminder: tomorrow at 5",
      outline("  remind me to call mom tomorrow at 5"))
    assert.equal("priority: urgent; due: friday; tag: #a", outline("urgent: call friday #a"))
  end)

  it("counts in UTF-16 code units", function()
    local parts = read("ü🥛€ buy tomorrow #käse").parts
    assert.same({ 9, 17 }, { parts[1].start, parts[1]["end"] })
    assert.same({ 18, 23 }, { parts[2].start, parts[2]["end"] })
    assert.equal("#käse", parts[2].text)
  end)

  it("finds the parts behind a description too", function()
    assert.equal("tag: #home", outline("buy milk with note get 2% #home"))
  end)

  it("has no task where no title is left", function()
    local answer = read("tomorrow")
    assert.equal(json.null, answer.task)
    assert.equal("Wed, 25 Nov, 09:00", answer.parts[1].label)
  end)

  it("is of a title, whatever the chat would do with it", function()
    assert.equal("delete all tasks", read("delete all tasks").task.title)
    assert.equal("yes", read("yes").task.title)
  end)

  it("leaves out a reminder that would be over", function()
    local task = read("call mom today at 10:05 +30m").task
    assert.is_nil(task.reminder_offset_minutes)
    assert.is_nil(task.remind_at)
    assert.equal("2026-11-24T10:05:00.000Z", task.due_date)
  end)

  it("leaves quoted text alone", function()
    assert.same({}, read("call \"mom tomorrow\" now").parts)
  end)
end)

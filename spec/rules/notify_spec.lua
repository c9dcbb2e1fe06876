-- What becomes of a reminder. `now` is Tuesday, 24 November 2026, 12:00 UTC, unless a test says
-- otherwise.
require("host")
local calendar = require("host.calendar")
local edited_rules = require("edited")
local notify = require("rules.notify")
local time = require("host.time")

local MINUTE, HOUR = 60 * 1000, 3600 * 1000
local ALL = { email = true, webhook = true }

local function at(text)
  return assert(time.parse(text))
end

local function reminder(more)
  local made = { task_id = "t", task_title = "Buy milk", user_id = "ann@example.com",
    due_ms = at("2026-11-24T13:00:00Z"), remind_ms = at("2026-11-24T12:00:00Z"), late_seconds = 0,
    timezone = "UTC", priority = "medium" }
  for name, value in pairs(more or {}) do
    made[name] = value
  end
  return made
end

-- The waits by channel.
local function waits(more, now, available)
  local by = {}
  for _, step in ipairs(notify.plan(reminder(more), available or ALL,
    at(now or "2026-11-24T12:00:00Z"))) do
    by[step.channel] = step.wait_ms
  end
  return by
end

local function quiet_until(zone, now)
  return time.format(at(now) + waits({ timezone = zone }, now).email)
end

describe("the channels of a reminder", function()
  it("are the log alone where nothing else is there", function()
    assert.same({ log = 0 }, waits({}, nil, { email = false, webhook = false }))
  end)

  it("are all that are there, the log first", function()
    assert.same({ log = 0, email = 0, webhook = 0 }, waits())
    assert.same({ log = 0, webhook = 0 }, waits({}, nil, { email = false, webhook = true }))
    local steps = notify.plan(reminder(), ALL, at("2026-11-24T12:00:00Z"))
    assert.equal("log", steps[1].channel)
  end)

  it("have no mail where there is none", function()
    assert.same({ log = 0, webhook = 0 }, waits({}, nil, { email = false, webhook = true }))
  end)
end)

describe("quiet hours", function()
  it("hold back mail and webhook, and not the log", function()
    local by = waits({}, "2026-11-24T22:30:00Z")
    assert.same({ log = 0, email = 8.5 * HOUR, webhook = 8.5 * HOUR }, by)
  end)

  it("begin and end on the minute", function()
    assert.equal(0, waits({}, "2026-11-24T21:59:59.999Z").email)
    assert.equal(9 * HOUR, waits({}, "2026-11-24T22:00:00Z").email)
    assert.equal(1, waits({}, "2026-11-25T06:59:59.999Z").email)
    assert.equal(0, waits({}, "2026-11-25T07:00:00Z").email)
  end)

  it("cross midnight, the month and the year", function()
    assert.equal("2026-11-25T07:00:00.000Z", quiet_until("UTC", "2026-11-24T23:59:59Z"))
    assert.equal("2026-11-25T07:00:00.000Z", quiet_until("UTC", "2026-11-25T00:00:00Z"))
    assert.equal("2027-01-01T07:00:00.000Z", quiet_until("UTC", "2026-12-31T23:30:00Z"))
    assert.equal("2028-02-29T07:00:00.000Z", quiet_until("UTC", "2028-02-28T22:00:00Z"))
  end)

  it("are those of the user's zone", function()
    assert.equal(0, waits({ timezone = "America/New_York" }, "2026-11-24T23:30:00Z").email)
    assert.equal("2026-11-24T22:00:00.000Z", quiet_until("Asia/Tokyo", "2026-11-24T13:30:00Z"))
    assert.equal("2026-11-25T01:15:00.000Z", quiet_until("Asia/Kathmandu", "2026-11-24T17:00:00Z"))
    assert.equal(0, waits({ timezone = "Asia/Kathmandu" }, "2026-11-24T16:14:59Z").email)
  end)

  it("take a zone that is unknown, or none, as UTC", function()
    assert.equal(7 * HOUR, waits({ timezone = "Mars/Olympus" }, "2026-11-24T00:00:00Z").email)
    local none = reminder()
    none.timezone = nil
    assert.equal(7 * HOUR, notify.plan(none, ALL, at("2026-11-24T00:00:00Z"))[2].wait_ms)
  end)

  it("do not hold back what has a high priority", function()
    assert.same({ log = 0, email = 0, webhook = 0 }, waits({ priority = "high" }, "2026-11-24T23:00:00Z"))
    for _, priority in ipairs({ "low", "medium", "HIGH", "" }) do
      assert.equal(8 * HOUR, waits({ priority = priority }, "2026-11-24T23:00:00Z").email)
    end
  end)

  it("end at the local time although the clocks change in the night", function()
    -- Berlin: 2026-03-29 02:00 -> 03:00, 2026-10-25 03:00 -> 02:00.
    assert.equal("2026-03-29T05:00:00.000Z", quiet_until("Europe/Berlin", "2026-03-28T22:00:00Z"))
    assert.equal(7 * HOUR, waits({ timezone = "Europe/Berlin" }, "2026-03-28T22:00:00Z").email)
    assert.equal("2026-10-25T06:00:00.000Z", quiet_until("Europe/Berlin", "2026-10-24T21:00:00Z"))
    assert.equal(9 * HOUR, waits({ timezone = "Europe/Berlin" }, "2026-10-24T21:00:00Z").email)
  end)
end)

local function edited(from, to, zone)
  return edited_rules("notify", { ['from = "22:00"'] = 'from = "' .. from .. '"',
    ['to = "07:00"'] = 'to = "' .. to .. '"', ['zone = "UTC"'] = 'zone = "' .. (zone or "UTC") .. '"' })
end

describe("quiet hours of an operator's own", function()
  local function until_in(rules, zone, now)
    local steps = rules.plan(reminder({ timezone = zone }), ALL, at(now))
    return steps[2].wait_ms == 0 and "now" or time.format(at(now) + steps[2].wait_ms)
  end

  it("may lie within a day", function()
    local rules = edited("12:30", "14:00")
    assert.equal("now", until_in(rules, "UTC", "2026-11-24T12:29:59Z"))
    assert.equal("2026-11-24T14:00:00.000Z", until_in(rules, "UTC", "2026-11-24T12:30:00Z"))
    assert.equal("now", until_in(rules, "UTC", "2026-11-24T14:00:00Z"))
  end)

  it("are never where both ends are the same", function()
    local rules = edited("07:00", "07:00")
    for hour = 0, 23 do
      assert.equal("now", until_in(rules, "UTC", ("2026-11-24T%02d:00:00Z"):format(hour)))
    end
  end)

  it("have a zone for tasks without one", function()
    local rules = edited("22:00", "07:00", "Asia/Tokyo")
    assert.equal("2026-11-24T22:00:00.000Z", until_in(rules, "nowhere", "2026-11-24T13:30:00Z"))
  end)

  it("end after the jump when it skips their end", function()
    local rules = edited("22:00", "02:30")
    assert.equal("2026-03-29T01:30:00.000Z", until_in(rules, "Europe/Berlin", "2026-03-29T00:00:00Z"))
  end)

  it("end the second time when their end comes twice and the first has passed", function()
    local rules = edited("22:00", "02:30")
    -- 02:15 for the first time, and for the second
    assert.equal("2026-10-25T00:30:00.000Z", until_in(rules, "Europe/Berlin", "2026-10-25T00:15:00Z"))
    assert.equal("2026-10-25T01:30:00.000Z", until_in(rules, "Europe/Berlin", "2026-10-25T01:15:00Z"))
    assert.equal("now", until_in(rules, "Europe/Berlin", "2026-10-25T01:45:00Z"))
  end)

  it("end at their end in any zone, at any time of a year", function()
    local rules = edited("22:00", "07:00")
    for _, zone in ipairs({ "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia",
      "America/Santiago" }) do
      local now = at("2026-01-01T00:00:00Z")
      for _ = 1, 366 * 24 do
        local wait = rules.plan(reminder({ timezone = zone }), ALL, now)[2].wait_ms
        local hour = calendar.to_local(now, zone).hour
        if hour >= 22 or hour < 7 then
          local ends = calendar.to_local(now + wait, zone)
          assert.is_true(wait > 0 and wait <= 10 * HOUR)
          assert.same({ 7, 0 }, { ends.hour, ends.min })
        else
          assert.equal(0, wait)
        end
        now = now + HOUR + 7 * MINUTE
      end
    end
  end)
end)

describe("the words of a reminder", function()
  local function compose(more)
    return notify.compose(reminder(more))
  end

  it("say what is due and when, in the user's zone", function()
    local message = compose({ timezone = "Europe/Paris" })
    assert.equal("Reminder: Buy milk", message.subject)
    assert.equal("Buy milk\nDue Tuesday, 24 November 2026, 14:00 (Europe/Paris).", message.text)
  end)

  it("say that it is late, and by how much", function()
    assert.equal("Reminder: Buy milk", compose({ late_seconds = 59.9 }).subject)
    for seconds, words in pairs({ [60] = "1 minute", [119] = "1 minute", [600] = "10 minutes",
      [3600] = "1 hour", [7300] = "2 hours", [86400] = "1 day", [8 * 86400] = "8 days" }) do
      local message = compose({ late_seconds = seconds })
      assert.equal("Late reminder: Buy milk", message.subject)
      assert.truthy(message.text:find("comes " .. words .. " after its time", 1, true), message.text)
    end
  end)

  it("keep a subject on its line", function()
    for _, evil in ipairs({ "a\r\nBcc: x@y.zz\r\n\r\nbody", "a\nb", "a\rb", "\r\n", "a\0b", "a\tb", "a\27[31mb",
      "a\194\133b", "a\226\128\168b", "a\226\128\169b" }) do
      local message = compose({ task_title = evil })
      assert.is_nil(message.subject:find("[%z\1-\31\127]"), message.subject)
      assert.is_nil(message.subject:find("\226\128[\168\169]"))
      local _, lines = message.text:gsub("\n", "")
      assert.equal(1, lines)
    end
    assert.equal("Reminder: a Bcc: x@y.zz body", compose({ task_title = "a\r\nBcc: x@y.zz\r\n\r\nbody" }).subject)
  end)

  it("do not turn the line around", function()
    assert.equal("Reminder: a b c", compose({ task_title = "a\226\128\174b\226\129\166c" }).subject)
  end)

  it("take a title of any length, and cut a subject between characters", function()
    local long = compose({ task_title = ("x"):rep(255) })
    assert.equal("Reminder: " .. ("x"):rep(120) .. "…", long.subject)
    assert.truthy(long.text:find(("x"):rep(255), 1, true))
    assert.equal("Reminder: " .. ("💡"):rep(120) .. "…", compose({ task_title = ("💡"):rep(255) }).subject)
    assert.equal("Reminder: " .. ("ü"):rep(120), compose({ task_title = ("ü"):rep(120) }).subject)
  end)

  it("leave what looks like a template, or a pattern, as it is", function()
    local message = compose({ task_title = "{due} {late} %1 {title} %d" })
    assert.equal("Reminder: {due} {late} %1 {title} %d", message.subject)
  end)
end)

describe("retries", function()
  it("wait longer and longer, and end", function()
    for _, channel in ipairs({ "log", "email", "webhook" }) do
      local last, failures = 0, 1
      while notify.retry(channel, failures) do
        local wait = notify.retry(channel, failures)
        assert.is_true(wait >= last, channel)
        last, failures = wait, failures + 1
        assert.is_true(failures < 100, channel .. " never gives up")
      end
      assert.is_true(failures > 3, channel)
    end
  end)

  it("of a channel that is new go as those of the log", function()
    assert.equal(notify.retry("log", 1), notify.retry("pigeon", 1))
  end)
end)

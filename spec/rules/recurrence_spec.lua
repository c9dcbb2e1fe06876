-- When the next occurrence is due. Times are written as RFC 3339, or as local time with a zone.
require("host")
local calendar = require("host.calendar")
local recurrence = require("rules.recurrence")
local time = require("host.time")

-- What comes next; or nil and why nothing does.
local function following_of(task, completed_at_ms)
  local following = recurrence.next(task, completed_at_ms)
  if following.recurrence_rule then
    return following
  end
  return nil, following.ended and "ended" or following.invalid
end

local function ms_of(text)
  return text and assert(time.parse(text))
end

local function text_of(ms)
  return ms and time.format(ms)
end

-- "2026-03-29 02:30" in a zone.
local function at(text, zone)
  local year, month, day, hour, min = text:match("^(%d+)-(%d+)-(%d+) (%d+):(%d+)$")
  return assert(calendar.from_local({ year = tonumber(year), month = tonumber(month), day = tonumber(day),
    hour = tonumber(hour), min = tonumber(min) }, zone))
end

local function show(ms, zone)
  local t = calendar.to_local(ms, zone)
  return string.format("%04d-%02d-%02d %02d:%02d", t.year, t.month, t.day, t.hour, t.min)
end

-- The due date after one, or the reason.
local function due(rule, from, options)
  options = options or {}
  local following, reason = following_of({ recurrence_rule = rule, due_date = ms_of(from),
    timezone = options.zone, repeat_from = options.completed and "completion" or "due_date" },
    ms_of(options.completed or "2026-06-15T12:34:56.789Z"))
  return following and (text_of(following.due_date) or "none") or reason
end

-- As the service does it: each occurrence is asked with its due date, its rule and its anchor.
local function chain(task, count)
  local list = {}
  task = { recurrence_rule = task.rule, due_date = task.due, timezone = task.zone, repeat_from = "due_date",
    anchor = task.anchor }
  for i = 1, count do
    local following, reason = following_of(task, 0)
    if not following then
      list[i] = reason
      break
    end
    list[i] = following.due_date
    task = { recurrence_rule = following.recurrence_rule, due_date = following.due_date,
      timezone = task.timezone, repeat_from = "due_date", anchor = following.anchor }
  end
  return list, task
end

local function local_chain(rule, start, zone, count)
  local list = chain({ rule = rule, due = at(start, zone), zone = zone }, count)
  for i, value in ipairs(list) do
    list[i] = type(value) == "number" and show(value, zone) or value
  end
  return list
end

describe("a simple rule", function()
  it("counts days and weeks from the due date, however long ago that was", function()
    assert.equal("2020-01-02T09:00:00.000Z", due("DAILY", "2020-01-01T09:00:00Z"))
    assert.equal("2020-01-08T09:00:00.000Z", due("WEEKLY", "2020-01-01T09:00:00Z"))
    assert.equal("2020-01-11T09:00:00.000Z", due("INTERVAL:10", "2020-01-01T09:00:00Z"))
    assert.equal("2030-01-01T23:59:59.999Z", due("INTERVAL:1", "2029-12-31T23:59:59.999Z"))
  end)

  it("takes the last day of a month that is too short", function()
    assert.equal("2026-02-28T09:00:00.000Z", due("MONTHLY", "2026-01-31T09:00:00Z"))
    assert.equal("2028-02-29T09:00:00.000Z", due("MONTHLY", "2028-01-31T09:00:00Z"))
    assert.equal("2026-04-30T09:00:00.000Z", due("MONTHLY", "2026-03-31T09:00:00Z"))
    assert.equal("2027-01-31T09:00:00.000Z", due("MONTHLY", "2026-12-31T09:00:00Z"))
    assert.equal("2026-02-28T09:00:00.000Z", due("MONTHLY", "2026-01-28T09:00:00Z"))
  end)

  it("keeps the day of the month through short ones", function()
    assert.same({ "2026-02-28 09:00", "2026-03-31 09:00", "2026-04-30 09:00", "2026-05-31 09:00" },
      local_chain("MONTHLY", "2026-01-31 09:00", "Europe/Berlin", 4))
    assert.same({ "2027-02-28 18:00", "2027-03-30 18:00", "2027-04-30 18:00" },
      local_chain("MONTHLY", "2027-01-30 18:00", "America/New_York", 3))
    assert.same({ "2028-01-29 00:00", "2028-02-29 00:00", "2028-03-29 00:00" },
      local_chain("MONTHLY", "2027-12-29 00:00", "UTC", 3))
  end)

  it("keeps the 29th of February through common years", function()
    assert.same({ "2025-02-28 12:00", "2026-02-28 12:00", "2027-02-28 12:00", "2028-02-29 12:00",
      "2029-02-28 12:00" }, local_chain("YEARLY", "2024-02-29 12:00", "Europe/Berlin", 5))
    assert.equal("1901-02-28T00:00:00.000Z", due("YEARLY", "1900-02-28T00:00:00Z"))
    assert.same({ "2097-02-28 12:00", "2098-02-28 12:00", "2099-02-28 12:00", "2100-02-28 12:00",
      "2101-02-28 12:00", "2102-02-28 12:00", "2103-02-28 12:00", "2104-02-29 12:00" },
      local_chain("YEARLY", "2096-02-29 12:00", "UTC", 8))
  end)

  it("takes the day in the task's zone, not in UTC", function()
    -- 31 January 23:30 in New York is 1 February in UTC.
    assert.equal("2026-03-01T04:30:00.000Z",
      due("MONTHLY", "2026-02-01T04:30:00Z", { zone = "America/New_York" }))
    assert.equal("2026-03-01T04:30:00.000Z", due("MONTHLY", "2026-02-01T04:30:00Z"))
    assert.equal("2026-02-27T15:00:00.000Z", due("MONTHLY", "2026-01-30T15:00:00Z", { zone = "Asia/Tokyo" }))
  end)

  it("keeps the milliseconds", function()
    assert.equal("2026-02-28T09:00:00.123Z", due("MONTHLY", "2026-01-31T09:00:00.123Z"))
    assert.equal("1969-12-31T23:59:59.001Z", due("DAILY", "1969-12-30T23:59:59.001Z"))
    assert.equal("2026-01-01T10:00:00.123Z", due("FREQ=HOURLY", "2026-01-01T09:00:00.123Z"))
  end)

  it("ends where years do", function()
    for _, rule in ipairs({ "DAILY", "WEEKLY", "MONTHLY", "YEARLY", "INTERVAL:3660", "FREQ=DAILY" }) do
      assert.equal("ended", due(rule, "9999-12-31T23:00:00Z"), rule)
      assert.equal("ended", due(rule, "9999-12-31T23:00:00Z", { zone = "Asia/Tokyo" }), rule)
      assert.equal("ended",
        due(rule, "0001-01-01T00:00:00Z", { zone = "Asia/Tokyo", completed = "9999-12-31T23:59:00Z" }), rule)
    end
    assert.is_string(due("FREQ=DAILY", "0001-01-01T00:00:00Z", { zone = "America/New_York" }))
  end)
end)

describe("an anchor", function()
  local function anchored(due_date, anchor, zone)
    local list = chain({ rule = "MONTHLY", due = ms_of(due_date), zone = zone, anchor = anchor }, 1)
    return text_of(list[1])
  end
  local anchor = { local_ms = ms_of("2026-02-28T09:00:00Z"), day = 31 }

  it("is there only where the due date does not say it all", function()
    local function of(rule, from, zone)
      return following_of({ recurrence_rule = rule, due_date = ms_of(from), timezone = zone }, 0).anchor
    end
    assert.same(anchor, of("MONTHLY", "2026-01-31T09:00:00Z"))
    assert.is_nil(of("MONTHLY", "2026-01-28T09:00:00Z"))
    assert.is_nil(of("MONTHLY", "2026-12-31T09:00:00Z"))
    assert.is_nil(of("DAILY", "2026-01-31T09:00:00Z"))
    assert.is_nil(of("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31T09:00:00Z"))
    assert.same({ local_ms = ms_of("2026-03-29T02:30:00Z"), day = 29 },
      of("DAILY", "2026-03-28T01:30:00Z", "Europe/Berlin"))
  end)

  it("is for the due date and the zone that it was made for", function()
    assert.equal("2026-03-31T09:00:00.000Z", anchored("2026-02-28T09:00:00Z", anchor))
    assert.equal("2026-03-28T09:00:00.000Z", anchored("2026-02-28T09:00:00Z"))
    assert.equal("2026-03-28T10:00:00.000Z", anchored("2026-02-28T10:00:00Z", anchor))
    assert.equal("2026-03-27T09:00:00.000Z", anchored("2026-02-27T09:00:00Z", anchor))
    assert.equal("2026-03-28T09:00:00.000Z", anchored("2026-02-28T09:00:00Z", anchor, "Europe/Berlin"))
  end)
end)

describe("daylight saving", function()
  it("does not change the local time of day", function()
    local ZONES = {
      -- zone, the day before a change, the due date after it
      { "Europe/Berlin", "2026-03-28 09:00", "2026-03-29T07:00:00.000Z" },
      { "Europe/Berlin", "2026-10-24 09:00", "2026-10-25T08:00:00.000Z" },
      { "America/New_York", "2026-03-07 09:00", "2026-03-08T13:00:00.000Z" },
      { "America/New_York", "2026-10-31 09:00", "2026-11-01T14:00:00.000Z" },
      { "Australia/Lord_Howe", "2026-04-04 09:00", "2026-04-04T22:30:00.000Z" },
      { "Australia/Lord_Howe", "2026-10-03 09:00", "2026-10-03T22:00:00.000Z" },
      { "Africa/Casablanca", "2026-02-14 09:00", "2026-02-15T09:00:00.000Z" },
      { "Africa/Casablanca", "2026-03-21 09:00", "2026-03-22T08:00:00.000Z" },
      { "Europe/Dublin", "2026-10-24 09:00", "2026-10-25T09:00:00.000Z" },
      { "UTC", "2026-03-28 09:00", "2026-03-29T09:00:00.000Z" },
    }
    for _, row in ipairs(ZONES) do
      for _, rule in ipairs({ "DAILY", "INTERVAL:1", "FREQ=DAILY" }) do
        assert.equal(row[3], due(rule, text_of(at(row[2], row[1])), { zone = row[1] }), row[1] .. " " .. rule)
      end
    end
    assert.equal("2026-04-04T07:00:00.000Z", due("WEEKLY", "2026-03-28T08:00:00Z", { zone = "Europe/Berlin" }))
    assert.equal("2026-04-15T07:00:00.000Z", due("MONTHLY", "2026-03-15T08:00:00Z", { zone = "Europe/Berlin" }))
    assert.equal("2026-03-29T08:00:00.000Z", due("DAILY", "2026-03-28T08:00:00Z"))
  end)

  it("moves on a time that is skipped, and comes back to it the day after", function()
    for _, rule in ipairs({ "DAILY", "INTERVAL:1", "FREQ=DAILY", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30" }) do
      assert.same({ "2026-03-29 03:30", "2026-03-30 02:30", "2026-03-31 02:30" },
        local_chain(rule, "2026-03-28 02:30", "Europe/Berlin", 3), rule)
    end
    assert.same({ "2026-03-08 03:15", "2026-03-15 02:15" },
      local_chain("WEEKLY", "2026-03-01 02:15", "America/New_York", 2))
    assert.same({ "2026-10-04 02:45", "2026-10-05 02:15" },
      local_chain("DAILY", "2026-10-03 02:15", "Australia/Lord_Howe", 2))
    assert.same({ "2026-03-22 03:30", "2026-03-23 02:30" },
      local_chain("DAILY", "2026-03-21 02:30", "Africa/Casablanca", 2))
  end)

  it("takes the first of a time that comes twice", function()
    assert.equal("2026-10-25T00:30:00.000Z", due("DAILY", "2026-10-24T00:30:00Z", { zone = "Europe/Berlin" }))
    assert.equal("2026-11-01T05:30:00.000Z", due("DAILY", "2026-10-31T05:30:00Z", { zone = "America/New_York" }))
    assert.equal("2026-04-04T14:45:00.000Z", due("DAILY", "2026-04-03T14:45:00Z", { zone = "Australia/Lord_Howe" }))
    -- The second of the two was chosen by hand: the day after, not the first of the two again.
    assert.equal("2026-10-26T01:30:00.000Z", due("DAILY", "2026-10-25T01:30:00Z", { zone = "Europe/Berlin" }))
    assert.equal("2026-10-25T02:30:00.000Z", due("FREQ=HOURLY", "2026-10-25T01:30:00Z", { zone = "Europe/Berlin" }))
  end)

  it("gives two skipped times of one day their own moments", function()
    assert.same({ "2026-03-29 03:30", "2026-03-29 03:45", "2026-03-30 02:30" },
      local_chain("FREQ=DAILY;BYHOUR=2;BYMINUTE=30,45", "2026-03-28 02:45", "Europe/Berlin", 3))
  end)

  it("gives what falls on one moment once", function()
    assert.same({ "2026-03-29 01:00", "2026-03-29 03:00", "2026-03-29 04:00" },
      local_chain("FREQ=HOURLY", "2026-03-29 00:00", "Europe/Berlin", 3))
    assert.same({ "2026-03-29 03:30", "2026-03-30 02:30", "2026-03-30 03:30" },
      local_chain("FREQ=DAILY;BYHOUR=2,3;BYMINUTE=30", "2026-03-28 03:30", "Europe/Berlin", 3))
  end)

  it("does not lose a day where a jump crosses midnight, nor one that a zone left out", function()
    assert.same({ "2025-03-30 00:30", "2025-03-30 23:30", "2025-03-31 23:30" },
      local_chain("DAILY", "2025-03-28 23:30", "America/Scoresbysund", 3))
    assert.same({ "2011-12-29 09:00", "2011-12-31 09:00", "2012-01-01 09:00" },
      local_chain("DAILY", "2011-12-28 09:00", "Pacific/Apia", 3))
    assert.same({ "2011-12-31 09:00", "2012-01-30 09:00" },
      local_chain("MONTHLY", "2011-11-30 09:00", "Pacific/Apia", 2))
  end)
end)

-- F57. Every local day of two years has one occurrence, at its time of day, or moved on by a jump.
describe("a table of zones", function()
  local ZONES = { "UTC", "Europe/Berlin", "Europe/Dublin", "Europe/Lisbon", "America/New_York", "America/Santiago",
    "America/Scoresbysund", "America/Nuuk", "America/St_Johns", "America/Havana", "Africa/Casablanca", "Africa/Cairo",
    "Asia/Beirut", "Asia/Gaza", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Auckland",
    "Pacific/Chatham", "Pacific/Kiritimati", "Antarctica/Troll" }
  local TIMES = { "00:00", "00:30", "01:15", "02:30", "03:00", "09:00", "23:30" }
  local DAY = 86400000

  for _, zone in ipairs(ZONES) do
    for _, rule in ipairs({ "DAILY", "FREQ=DAILY" }) do
      it("never has 0 or 2 occurrences: " .. zone .. " " .. rule, function()
        for _, clock in ipairs(TIMES) do
          local start = "2025-01-01 " .. clock
          local first = ms_of("2025-01-01T" .. clock .. ":00Z")
          local list = chain({ rule = rule, due = at(start, zone), zone = zone }, 730)
          local last = at(start, zone)
          for i, ms in ipairs(list) do
            local meant = calendar.to_local(first + i * DAY, "UTC")
            assert.equal(calendar.from_local(meant, zone), ms, show(ms, zone))
            assert.is_true(ms > last)
            last = ms
          end
          assert.equal(730, #list)
        end
      end)
    end

    it("has every month and every hour once: " .. zone, function()
      local list = chain({ rule = "MONTHLY", due = at("2025-01-31 02:30", zone), zone = zone }, 24)
      for i, ms in ipairs(list) do
        local month = i % 12 + 1
        local from = { year = 2025 + math.floor(i / 12), month = month, hour = 2, min = 30 }
        from.day = ({ 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 })[month]
        assert.equal(calendar.from_local(from, zone), ms)
      end
      assert.equal(24, #list)
      local hours = chain({ rule = "FREQ=HOURLY", due = at("2025-01-01 00:00", zone), zone = zone }, 2000)
      for i = 2, #hours do
        local step = (hours[i] - hours[i - 1]) / 3600000
        assert.is_true(step > 0 and step <= 3, show(hours[i], zone))
      end
    end)
  end
end)

describe("an RRULE", function()
  it("follows RFC 5545 where months are too short", function()
    assert.equal("2026-03-31T09:00:00.000Z", due("FREQ=MONTHLY", "2026-01-31T09:00:00Z"))
    assert.equal("2028-02-29T09:00:00.000Z", due("FREQ=YEARLY", "2024-02-29T09:00:00Z"))
    assert.equal("2026-02-28T09:00:00.000Z", due("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31T09:00:00Z"))
  end)

  it("knows days of the week and their places", function()
    local RULES = {
      { "FREQ=WEEKLY;BYDAY=MO,WE,FR", "2026-11-24T09:00:00Z", "2026-11-25", "2026-11-27", "2026-11-30" },
      { "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR", "2026-11-23T09:00:00Z", "2026-11-27", "2026-12-07", "2026-12-11" },
      { "FREQ=MONTHLY;BYDAY=1MO", "2026-11-02T09:00:00Z", "2026-12-07", "2027-01-04", "2027-02-01" },
      { "FREQ=MONTHLY;BYDAY=-1FR", "2026-11-27T09:00:00Z", "2026-12-25", "2027-01-29", "2027-02-26" },
      { "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-11-30T09:00:00Z",
        "2026-12-31", "2027-01-29", "2027-02-26" },
      { "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1", "2026-11-02T09:00:00Z",
        "2026-11-30", "2026-12-01", "2026-12-31" },
      { "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "2026-11-26T09:00:00Z", "2027-11-25", "2028-11-23", "2029-11-22" },
      { "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=15", "2026-01-15T09:00:00Z", "2026-04-15", "2026-07-15", "2026-10-15" },
      { "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR", "2026-11-13T09:00:00Z", "2027-08-13", "2028-10-13", "2029-04-13" },
      { "RRULE:FREQ=DAILY;INTERVAL=3", "2026-11-24T09:00:00Z", "2026-11-27", "2026-11-30", "2026-12-03" },
    }
    for _, row in ipairs(RULES) do
      local list = chain({ rule = row[1], due = ms_of(row[2]) }, 3)
      for i = 1, 3 do
        assert.equal(row[i + 2] .. "T09:00:00.000Z", text_of(list[i]), row[1])
      end
    end
  end)

  it("counts COUNT down from task to task", function()
    local function rule_after(rule)
      local following, reason = following_of({ recurrence_rule = rule, due_date = 0 }, 0)
      return following and following.recurrence_rule or reason
    end
    assert.equal("FREQ=DAILY;COUNT=2", rule_after("FREQ=DAILY;COUNT=3"))
    assert.equal("COUNT=9;FREQ=DAILY;INTERVAL=2", rule_after("COUNT=10;FREQ=DAILY;INTERVAL=2"))
    assert.equal("FREQ=DAILY;COUNT=999999998", rule_after("RRULE:FREQ=DAILY;COUNT=999999999"))
    assert.equal("ended", rule_after("FREQ=DAILY;COUNT=1"))
    local list = chain({ rule = "FREQ=WEEKLY;COUNT=4;BYDAY=MO", due = ms_of("2026-11-23T09:00:00Z") }, 9)
    assert.equal(4, #list)
    assert.equal("2026-12-14T09:00:00.000Z", text_of(list[3]))
    assert.equal("ended", list[4])
  end)

  it("ends with UNTIL, which may be that very time", function()
    assert.equal("2026-01-02T09:00:00.000Z", due("FREQ=DAILY;UNTIL=20260102T090000Z", "2026-01-01T09:00:00Z"))
    assert.equal("ended", due("FREQ=DAILY;UNTIL=20260102T085959Z", "2026-01-01T09:00:00Z"))
    assert.equal("2026-01-02T09:00:00.500Z", due("FREQ=DAILY;UNTIL=20260102T090000Z", "2026-01-01T09:00:00.500Z"))
    assert.equal("2026-01-02T23:30:00.000Z", due("FREQ=DAILY;UNTIL=20260102", "2026-01-01T23:30:00Z"))
    assert.equal("ended", due("FREQ=DAILY;UNTIL=20260101", "2026-01-01T09:00:00Z"))
    -- A day and a time without Z are local.
    local berlin = { zone = "Europe/Berlin" }
    assert.equal("ended", due("FREQ=DAILY;UNTIL=20260102", "2026-01-01T23:30:00Z", berlin))
    assert.equal("2026-01-02T22:30:00.000Z", due("FREQ=DAILY;UNTIL=20260102", "2026-01-01T22:30:00Z", berlin))
    assert.equal("2026-01-02T08:00:00.000Z", due("FREQ=DAILY;UNTIL=20260102T090000", "2026-01-01T08:00:00Z", berlin))
    assert.equal("ended", due("FREQ=DAILY;UNTIL=20260102T085959", "2026-01-01T08:00:00Z", berlin))
    assert.equal("2026-01-02T08:00:00.000Z", due("FREQ=DAILY;UNTIL=20260102T080000Z", "2026-01-01T08:00:00Z", berlin))
    assert.equal("FREQ=DAILY;UNTIL=20260105", following_of({ recurrence_rule = "FREQ=DAILY;UNTIL=20260105",
      due_date = ms_of("2026-01-01T09:00:00Z") }, 0).recurrence_rule)
  end)

  it("that has no occurrence in reach has ended", function()
    assert.equal("ended", due("FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29", "2025-01-01T00:00:00Z"))
  end)
end)

describe("repeat_from completion", function()
  local function after(rule, from, completed, zone)
    return due(rule, from, { completed = completed, zone = zone })
  end

  it("counts from the day of the completion, and keeps the time of day", function()
    assert.equal("2026-02-11T09:00:00.000Z", after("DAILY", "2026-01-01T09:00:00Z", "2026-02-10T17:45:12.345Z"))
    assert.equal("2026-02-17T09:00:00.000Z", after("WEEKLY", "2026-01-01T09:00:00Z", "2026-02-10T03:00:00Z"))
    assert.equal("2026-01-13T09:00:00.000Z", after("INTERVAL:3", "2026-02-01T09:00:00Z", "2026-01-10T12:00:00Z"))
    assert.equal("2026-02-28T09:00:00.000Z", after("MONTHLY", "2026-01-01T09:00:00Z", "2026-01-31T12:00:00Z"))
    assert.equal("2025-02-28T09:00:00.000Z", after("YEARLY", "2024-01-01T09:00:00Z", "2024-02-29T12:00:00Z"))
  end)

  it("takes the day in the task's zone", function()
    -- 23:30 in UTC is the next day in Berlin already, 00:30.
    assert.equal("2026-01-12T08:00:00.000Z",
      after("DAILY", "2026-01-05T08:00:00Z", "2026-01-10T23:30:00Z", "Europe/Berlin"))
    assert.equal("2026-03-29T07:00:00.000Z",
      after("DAILY", "2026-01-05T08:00:00Z", "2026-03-28T12:00:00Z", "Europe/Berlin"))
  end)

  it("finds the first day after the completion that the rule names", function()
    assert.equal("2026-11-30T09:00:00.000Z",
      after("FREQ=WEEKLY;BYDAY=MO", "2026-11-02T09:00:00Z", "2026-11-25T20:00:00Z"))
    assert.equal("2026-11-30T09:00:00.000Z",
      after("FREQ=WEEKLY;BYDAY=MO", "2026-11-02T09:00:00Z", "2026-11-23T20:00:00Z"))
    assert.equal("2026-11-26T08:00:00.000Z",
      after("FREQ=DAILY;BYHOUR=8,17;BYMINUTE=0", "2026-11-02T08:00:00Z", "2026-11-25T20:00:00Z"))
    assert.equal("2026-11-25T22:15:00.000Z",
      after("FREQ=HOURLY;INTERVAL=2", "2026-11-02T08:00:00Z", "2026-11-25T20:15:59.999Z"))
  end)

  it("comes back to a time of day that a jump had moved on", function()
    local zone = "Europe/Berlin"
    local first = following_of({ recurrence_rule = "DAILY", due_date = at("2026-03-28 02:30", zone),
      timezone = zone, repeat_from = "completion" }, at("2026-03-28 12:00", zone))
    assert.equal("2026-03-29 03:30", show(first.due_date, zone))
    local second = following_of({ recurrence_rule = "DAILY", due_date = first.due_date, anchor = first.anchor,
      timezone = zone, repeat_from = "completion" }, at("2026-04-02 12:00", zone))
    assert.equal("2026-04-03 02:30", show(second.due_date, zone))
    assert.is_nil(second.anchor)
  end)

  it("respects COUNT and UNTIL", function()
    assert.equal("ended", after("FREQ=DAILY;COUNT=1", "2026-01-01T09:00:00Z", "2026-01-01T09:00:00Z"))
    assert.equal("ended", after("FREQ=DAILY;UNTIL=20260110", "2026-01-01T09:00:00Z", "2026-01-10T09:00:00Z"))
    assert.equal("2026-01-10T09:00:00.000Z",
      after("FREQ=DAILY;UNTIL=20260110", "2026-01-01T09:00:00Z", "2026-01-09T09:00:00Z"))
  end)
end)

describe("a task without due date", function()
  it("recurs without one", function()
    for _, rule in ipairs({ "DAILY", "MONTHLY", "INTERVAL:5", "FREQ=MONTHLY;BYDAY=1MO" }) do
      assert.same({ recurrence_rule = rule },
        following_of({ recurrence_rule = rule, repeat_from = "due_date" }, 0), rule)
    end
  end)

  it("respects COUNT, and UNTIL by the completion", function()
    assert.same({ recurrence_rule = "FREQ=DAILY;COUNT=1" },
      following_of({ recurrence_rule = "FREQ=DAILY;COUNT=2" }, 0))
    assert.equal("ended", due("FREQ=DAILY;COUNT=1"))
    assert.equal("none", due("FREQ=DAILY;UNTIL=20260101", nil, { completed = "2026-01-01T23:59:59Z" }))
    assert.equal("ended", due("FREQ=DAILY;UNTIL=20260101", nil, { completed = "2026-01-02T00:00:00Z" }))
    assert.equal("ended", due("FREQ=DAILY;UNTIL=20260101", nil,
      { completed = "2026-01-01T23:30:00Z", zone = "Europe/Berlin" }))
  end)
end)

describe("what is no rule", function()
  it("is told apart from the end of a series", function()
    for _, rule in ipairs({ "", "HOURLY", "daily", "INTERVAL:", "INTERVAL:0", "INTERVAL:-1", "INTERVAL:1.5",
      "INTERVAL:3661", "INTERVAL:" .. ("9"):rep(400), "INTERVAL:5 ", "FREQ=SOMETIMES", "FREQ=DAILY;COUNT=0",
      "FREQ=DAILY;UNTIL=soon", "FREQ=DAILY;COUNT=2;UNTIL=20300101", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
      "FREQ=DAILY;" .. ("X"):rep(300), "MONTHLY;COUNT=3" }) do
      local following, reason = following_of({ recurrence_rule = rule, due_date = 0 }, 0)
      assert.is_nil(following, rule)
      assert.is_string(reason)
      assert.is_true(reason ~= "ended", rule)
    end
    assert.equal("the rule is not a string",
      select(2, following_of({ recurrence_rule = 5, due_date = 0 }, 0)))
    assert.equal("there is no time zone Mars/Base", due("DAILY", "2026-01-01T09:00:00Z", { zone = "Mars/Base" }))
  end)

  it("changes nothing of what it is given", function()
    local task = { recurrence_rule = "FREQ=MONTHLY;COUNT=5", due_date = 0, timezone = "Europe/Berlin",
      repeat_from = "due_date" }
    following_of(task, 0)
    assert.same({ recurrence_rule = "FREQ=MONTHLY;COUNT=5", due_date = 0, timezone = "Europe/Berlin",
      repeat_from = "due_date" }, task)
  end)
end)

require("host")
local calendar = require("host.calendar")
local time = require("host.time")

local function next_of(rule, start, after, zone)
  local ms, message = calendar.next(rule, time.parse(start), time.parse(after or start), zone or "UTC")
  return ms and time.format(ms) or message
end

describe("host.calendar", function()
  it("keeps the local time of day across daylight saving", function()
    assert.equal("2026-03-29T07:00:00.000Z",
      next_of("FREQ=DAILY", "2026-03-28T08:00:00Z", nil, "Europe/Berlin"))
    assert.equal("2026-10-25T08:00:00.000Z",
      next_of("FREQ=DAILY", "2026-10-24T07:00:00Z", nil, "Europe/Berlin"))
  end)

  it("moves a time that is skipped, and takes the first of two", function()
    assert.equal("2026-03-29T01:30:00.000Z",
      next_of("FREQ=DAILY", "2026-03-28T01:30:00Z", nil, "Europe/Berlin"))
    assert.equal("2026-10-25T00:30:00.000Z",
      next_of("FREQ=DAILY", "2026-10-24T00:30:00Z", nil, "Europe/Berlin"))
  end)

  it("ends with COUNT and UNTIL", function()
    assert.equal("2026-01-02T00:00:00.000Z", next_of("FREQ=DAILY;COUNT=2", "2026-01-01T00:00:00Z"))
    assert.is_nil(next_of("FREQ=DAILY;COUNT=2", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"))
    assert.is_nil(next_of("FREQ=DAILY;UNTIL=20260102T000000Z", "2026-01-01T00:00:00Z",
      "2026-01-02T00:00:00Z"))
    assert.equal("2026-01-02T23:00:00.000Z", next_of("FREQ=DAILY;UNTIL=20260103", "2026-01-01T23:00:00Z",
      "2026-01-01T23:00:00Z", "Europe/Berlin"))
  end)

  it("knows what RFC 5545 asks of months and weeks", function()
    assert.equal("2026-03-31T00:00:00.000Z", next_of("FREQ=MONTHLY;BYMONTHDAY=31", "2026-01-31T00:00:00Z"))
    assert.equal("2026-02-28T00:00:00.000Z", next_of("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31T00:00:00Z"))
    assert.equal("2028-02-29T00:00:00.000Z", next_of("FREQ=YEARLY", "2024-02-29T00:00:00Z"))
    assert.equal("2026-12-07T09:00:00.000Z",
      next_of("FREQ=MONTHLY;BYDAY=1MO", "2026-11-02T09:00:00Z"))
  end)

  it("refuses rules that are none, soon", function()
    for _, rule in ipairs({ "", "DAILY", "FREQ=", "FREQ=SOMETIMES", "FREQ=SECONDLY", "FREQ=MINUTELY",
      "freq=daily", "FREQ=DAILY;COUNT=1;UNTIL=20300101", "FREQ=WEEKLY;BYDAY=XX", "BYDAY=MO",
      "FREQ=DAILY;" .. ("X"):rep(300), "FREQ=DAILY\nX" }) do
      assert.is_nil((calendar.check_rrule(rule)), rule)
    end
    assert.is_true((calendar.check_rrule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR")))
  end)

  -- The bound is counted in steps (host/rrule.h); the seconds here are generous.
  it("gives up on rules that never match", function()
    local began = os.clock()
    for _, rule in ipairs({ "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
      "FREQ=MONTHLY;BYDAY=53MO", "FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1",
      "FREQ=MONTHLY;BYSETPOS=300;BYDAY=MO" }) do
      assert.same({ nil, "it never occurs" }, { calendar.check_rrule(rule) }, rule)
      assert.equal("no occurrence was found in reach", next_of(rule, "2026-01-01T00:00:00Z"))
    end
    assert.is_true(os.clock() - began < 5)
  end)

  it("reaches far from the start of a series", function()
    assert.equal("2026-06-01T12:00:00.000Z",
      next_of("FREQ=HOURLY", "1990-01-01T00:00:00Z", "2026-06-01T11:30:00Z"))
    assert.equal("2099-07-01T07:00:00.000Z",
      next_of("FREQ=DAILY", "2026-01-01T08:00:00Z", "2099-06-30T12:00:00Z", "Europe/Berlin"))
  end)

  it("keeps the milliseconds, also before 1970", function()
    assert.equal("2026-01-02T00:00:00.500Z", next_of("FREQ=DAILY", "2026-01-01T00:00:00.500Z"))
    assert.equal("1969-12-31T23:59:58.500Z", next_of("FREQ=DAILY", "1969-12-30T23:59:58.500Z"))
    assert.equal("2026-01-01T00:00:00.500Z",
      next_of("FREQ=DAILY", "2026-01-01T00:00:00.500Z", "2026-01-01T00:00:00.400Z"))
  end)

  it("ends where years do", function()
    assert.is_nil((next_of("FREQ=YEARLY", "9999-06-01T00:00:00Z")))
    assert.is_nil((next_of("FREQ=DAILY", "9999-12-31T02:00:00Z", nil, "America/New_York")))
    assert.is_nil((calendar.from_local({ year = 9999, month = 12, day = 31, hour = 23 },
      "America/New_York")))
  end)

  it("says what is wrong with a rule or a zone", function()
    assert.same({ nil, "there is no such time zone" }, { calendar.next("FREQ=DAILY", 0, 0, "Mars/Base") })
    assert.same({ nil, "a part is there twice" }, { calendar.check_rrule("FREQ=DAILY;FREQ=DAILY") })
    assert.has_error(function() calendar.next("FREQ=DAILY", 1e300, 0, "UTC") end)
  end)

  it("goes from local time to UTC and back", function()
    assert.equal(time.parse("2026-07-01T10:00:00Z"),
      calendar.from_local({ year = 2026, month = 7, day = 1, hour = 12 }, "Europe/Berlin"))
    local civil = calendar.to_local(time.parse("2026-11-29T23:30:00Z"), "Europe/Berlin")
    assert.same({ year = 2026, month = 11, day = 30, hour = 0, min = 30, sec = 0, wday = 1,
      offset = 3600 }, civil)
    assert.is_nil((calendar.from_local({ year = 2026, month = 2, day = 30 }, "UTC")))
    assert.is_false(calendar.is_zone("Mars/Base"))
    assert.has_error(function() calendar.to_local(0, "Mars/Base") end)
  end)
end)

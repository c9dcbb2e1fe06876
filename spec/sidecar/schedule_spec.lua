require("host")
local schedule = require("sidecar.schedule")
local time = require("host.time")

local NOW = time.parse("2026-01-31T10:20:30Z")

local function next_of(text, after)
  local plan = assert(schedule.parse(text))
  local at = schedule.next(plan, time.parse(after))
  return at and time.format(at)
end

describe("sidecar.schedule", function()
  it("reads durations of Go", function()
    for text, ms in pairs({ ["90s"] = 90000, ["1h30m"] = 5400000, ["0.5s"] = 500, ["250ms"] = 250,
      ["0"] = 0, ["1.5h"] = 5400000, ["-5s"] = -5000, [".5m"] = 30000 }) do
      assert.equal(ms, schedule.go_duration(text), text)
    end
    for _, text in ipairs({ "", "5", "1d", "s", "1h30", "h1", "1 s", "1e3s", "-" }) do
      assert.is_nil(schedule.go_duration(text), text)
    end
  end)

  it("reads durations of ISO 8601, with the calendar's months", function()
    assert.equal(86400000, schedule.iso_duration("P1D", NOW))
    assert.equal(300000, schedule.iso_duration("PT5M", NOW))
    assert.equal(7 * 86400000, schedule.iso_duration("P1W", NOW))
    assert.equal(365 * 86400000, schedule.iso_duration("P1Y", NOW))
    assert.equal(31 * 86400000, schedule.iso_duration("P1M", NOW)) -- 31 January to "31 February"
    assert.equal(86400000 + 3661000, schedule.iso_duration("P1DT1H1M1S", NOW))
    for _, text in ipairs({ "P", "PT", "1D", "P1S", "PT1D", "P1X", "P-1D" }) do
      assert.is_nil(schedule.iso_duration(text, NOW), text)
    end
  end)

  it("reads points in time", function()
    local at, is_duration = schedule.point("2026-02-01T00:00:00+02:00", NOW)
    assert.equal("2026-01-31T22:00:00.000Z", time.format(at))
    assert.is_false(is_duration)
    at, is_duration = schedule.point("90s", NOW)
    assert.equal(NOW + 90000, at)
    assert.is_true(is_duration)
    assert.are.equal(NOW - 90000, (schedule.point("-90s", NOW)))
    assert.is_nil((schedule.point("tomorrow", NOW)))
  end)

  it("finds the next run of a cron schedule", function()
    for _, case in ipairs({
      { "0 30 3 * * *", "2026-01-31T10:20:30Z", "2026-02-01T03:30:00.000Z" },
      { "*/15 * * * * *", "2026-01-31T10:20:30Z", "2026-01-31T10:20:45.000Z" },
      { "0 0 0 29 2 *", "2026-01-31T10:20:30Z", "2028-02-29T00:00:00.000Z" },
      { "0 0 12 * * MON-FRI", "2026-01-31T10:20:30Z", "2026-02-02T12:00:00.000Z" },
      { "0 0 12 * * 7", "2026-01-31T10:20:30Z", "2026-02-01T12:00:00.000Z" },
      { "0 0 0 13 * FRI", "2026-01-31T10:20:30Z", "2026-02-06T00:00:00.000Z" }, -- either day
      { "59 59 23 31 12 ?", "2026-12-31T23:59:59Z", "2027-12-31T23:59:59.000Z" },
      { "@daily", "2026-01-31T10:20:30Z", "2026-02-01T00:00:00.000Z" },
      { "@hourly", "2026-01-31T10:00:00Z", "2026-01-31T11:00:00.000Z" },
      { "CRON_TZ=Europe/Paris 0 0 9 * * *", "2026-07-01T06:00:00Z", "2026-07-01T07:00:00.000Z" },
      { "TZ=Europe/Paris 0 0 9 * * *", "2026-01-31T10:20:30Z", "2026-02-01T08:00:00.000Z" },
    }) do
      assert.equal(case[3], next_of(case[1], case[2]), case[1])
    end
    assert.is_nil(next_of("0 0 0 30 2 *", "2026-01-31T10:20:30Z"))
    assert.equal("2026-01-31T10:20:33.000Z", next_of("@every 3s", "2026-01-31T10:20:30Z"))
  end)

  it("refuses what is no schedule", function()
    for _, text in ipairs({ "", "* * * * *", "60 * * * * *", "* * * * * 8", "* * * 0 * *",
      "5-1 * * * * *", "*/0 * * * * *", "a * * * * *", "@every", "@every 1d", "@sometimes",
      "CRON_TZ=Nowhere/At 0 0 0 * * *" }) do
      local plan, message = schedule.parse(text)
      assert.is_nil(plan, text)
      assert.is_string(message, text)
    end
    assert.is_table((schedule.parse("*/5 * * * *", true)))
  end)

  it("reads the seconds of protobuf", function()
    assert.equal(5000, schedule.seconds("5s"))
    assert.equal(200, schedule.seconds("0.2s"))
    for _, text in ipairs({ "1m", "200ms", "5", "s" }) do
      assert.is_nil(schedule.seconds(text), text)
    end
  end)
end)

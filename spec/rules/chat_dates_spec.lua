-- Dates, times, recurrence and reminders: what a phrase means. `now` is Tuesday, 24 November 2026,
-- 10:00, unless a test says otherwise.
require("host")
local civil = require("rules.civil")
local dates = require("rules.chat_dates")

local NOW = { year = 2026, month = 11, day = 24, hour = 10, min = 0, sec = 0, wday = 2 }

local function at(year, month, day, hour, min)
  return { year = year, month = month, day = day, hour = hour or 0, min = min or 0, sec = 0 }
end

local function text_of(date)
  if not date then
    return "none"
  elseif not date.hour then
    return string.format("%04d-%02d-%02d", date.year, date.month, date.day)
  end
  return string.format("%04d-%02d-%02d %02d:%02d", date.year, date.month, date.day, date.hour,
    date.min) .. ((date.sec or 0) > 0 and string.format(":%02d", date.sec) or "")
end

local function due(phrase, now)
  now = now or NOW
  local found, rest = dates.find(phrase, now)
  for _, piece in ipairs(rest) do
    assert.is_nil(piece:find("%S"), "left over: " .. piece)
  end
  return text_of(dates.due(found, now))
end

local function rule(phrase)
  return (dates.rule((dates.find(phrase, NOW))))
end

describe("a day", function()
  local DAYS = {
    ["today"] = "2026-11-24", ["tomorrow"] = "2026-11-25", ["tmrw"] = "2026-11-25",
    ["the day after tomorrow"] = "2026-11-26", ["yesterday"] = "2026-11-23",
    ["friday"] = "2026-11-27", ["on fri"] = "2026-11-27", ["this friday"] = "2026-11-27",
    ["next friday"] = "2026-12-04", ["friday next week"] = "2026-12-04",
    ["tuesday"] = "2026-12-01", ["this tuesday"] = "2026-11-24", ["next tuesday"] = "2026-12-01",
    ["next monday"] = "2026-11-30", ["next sunday"] = "2026-12-06",
      ["coming sunday"] = "2026-11-29",
    ["in 3 days"] = "2026-11-27", ["in a week"] = "2026-12-01", ["in two weeks"] = "2026-12-08",
    ["in 2 months"] = "2027-01-24", ["in a year"] = "2027-11-24",
      ["3 days from now"] = "2026-11-27",
    ["a week from friday"] = "2026-12-04",
    ["next week"] = "2026-11-30", ["next month"] = "2026-12-01", ["next year"] = "2027-01-01",
    ["this weekend"] = "2026-11-28", ["next weekend"] = "2026-12-05",
    ["end of month"] = "2026-11-30", ["end of the week"] = "2026-11-29",
    ["end of the year"] = "2026-12-31", ["by the end of next month"] = "2026-12-31",
    ["5 March"] = "2027-03-05", ["March 5th"] = "2027-03-05",
      ["on the 5th of march"] = "2027-03-05",
    ["March 5, 2028"] = "2028-03-05", ["24 nov"] = "2026-11-24", ["23 nov"] = "2027-11-23",
    ["dec 1st"] = "2026-12-01", ["on the 30th"] = "2026-11-30", ["by the 1st"] = "2026-12-01",
    ["5.3."] = "2027-03-05", ["24.12.2026"] = "2026-12-24", ["24.12.26"] = "2026-12-24",
    ["2026-12-24"] = "2026-12-24", ["12/24"] = "2026-12-24", ["12/24/2027"] = "2027-12-24",
    ["29 february"] = "2028-02-29",
  }
  for phrase, expected in pairs(DAYS) do
    it(phrase, function()
      assert.are.equal(expected, due(phrase))
    end)
  end

  it("that does not exist is no date", function()
    for _, phrase in ipairs({ "30 february", "2026-02-29", "13/13", "31.4.", "0/5", "32 march" }) do
      local found = dates.find("x " .. phrase, NOW)
      assert.is_nil(found.day, phrase)
    end
  end)

  it("is not seen inside other words, addresses and quotes", function()
    for _, text in ipairs({ "todayish", "one-today", "today's news",
      "https://x.org/today/2026-12-24",
      "\"tomorrow\"", "“tomorrow”", "'next friday'", "buy sun cream", "the cat sat there",
      "10.0.0.1", "v1.2.3", "1/2 cup", "24/7 support", "may I ask", "Black Friday deals" }) do
      local found = dates.find(text, NOW)
      assert.is_nil(next(found), text)
    end
  end)

  it("far away is refused, not computed", function()
    assert.is_nil(dates.find("in 999999 years", NOW).day)
    assert.is_nil(dates.find("in 99999999999999999999 days", NOW).day)
  end)
end)

describe("a time of day", function()
  local TIMES = {
    ["at 9"] = "2026-11-25 09:00", ["at 11"] = "2026-11-24 11:00", ["at 5"] = "2026-11-24 17:00",
    ["9am"] = "2026-11-25 09:00", ["9 pm"] = "2026-11-24 21:00", ["9:30pm"] = "2026-11-24 21:30",
    ["9.30 p.m."] = "2026-11-24 21:30", ["12am"] = "2026-11-25 00:00",
      ["12pm"] = "2026-11-24 12:00",
    ["21:00"] = "2026-11-24 21:00", ["at 7:05"] = "2026-11-25 07:05",
      ["@ 15:15"] = "2026-11-24 15:15",
    ["half past nine"] = "2026-11-25 09:30", ["quarter past 4"] = "2026-11-24 16:15",
    ["quarter to six"] = "2026-11-24 17:45", ["5 o'clock"] = "2026-11-24 17:00",
    ["at noon"] = "2026-11-24 12:00", ["at midnight"] = "2026-11-25 00:00",
    ["in the afternoon"] = "2026-11-24 15:00", ["in the evening"] = "2026-11-24 18:00",
    ["at 8 in the evening"] = "2026-11-24 20:00", ["tonight"] = "2026-11-24 20:00",
    ["tonight at 8"] = "2026-11-24 20:00", ["tomorrow at 8 in the morning"] = "2026-11-25 08:00",
    ["tomorrow morning"] = "2026-11-25 09:00", ["friday evening"] = "2026-11-27 18:00",
    ["friday evening at 7"] = "2026-11-27 19:00", ["3pm on friday"] = "2026-11-27 15:00",
    ["today at midnight"] = "2026-11-25 00:00", ["in 90 minutes"] = "2026-11-24 11:30",
    ["in half an hour"] = "2026-11-24 10:30", ["in 1.5 hours"] = "2026-11-24 11:30",
    ["in an hour and a half"] = "2026-11-24 11:30", ["in 5 seconds"] = "2026-11-24 10:00:05",
    ["in 20 hours"] = "2026-11-25 06:00", ["from 3pm to 4pm"] = "2026-11-24 15:00",
    ["this afternoon"] = "2026-11-24 15:00",
  }
  for phrase, expected in pairs(TIMES) do
    it(phrase, function()
      assert.are.equal(expected, due(phrase))
    end)
  end

  it("that has passed today means tomorrow, but not when today is named", function()
    assert.are.equal("2026-11-25 10:00", due("at 10am"))
    assert.are.equal("2026-11-24 10:01", due("at 10:01am"))
    assert.are.equal("2026-11-24 09:00", due("today at 9am"))
  end)

  it("that is no time is left alone", function()
    for _, text in ipairs({ "at 25:00", "at 9:75", "13pm", "at 5 Guys", "score 2:1", "0am" }) do
      assert.is_nil(dates.find(text, NOW).time, text)
    end
  end)

  it("of a tonight that is over is later tonight", function()
    assert.are.equal("2026-11-24 23:59", due("tonight", at(2026, 11, 24, 22, 30)))
    assert.are.equal("2026-11-24 21:00", due("tonight", at(2026, 11, 24, 20, 30)))
  end)
end)

describe("a day without a time", function()
  local function fill(phrase, now, usual)
    local found = dates.find(phrase, now)
    return text_of(dates.fill(dates.due(found, now), now, usual))
  end

  it("is due at nine", function()
    assert.are.equal("2026-11-27 09:00", fill("friday", NOW))
  end)

  it("that is today, after nine, is due in the evening", function()
    assert.are.equal("2026-11-24 18:00", fill("today", NOW))
    assert.are.equal("2026-11-24 21:00", fill("today", at(2026, 11, 24, 18, 30)))
    assert.are.equal("2026-11-24 23:59", fill("today", at(2026, 11, 24, 23, 0)))
    assert.are.equal("2026-11-24 09:00", fill("today", at(2026, 11, 24, 7, 0)))
  end)

  it("keeps the usual time it is given", function()
    assert.are.equal("2026-11-27 15:30", fill("friday", NOW, { hour = 15, min = 30 }))
  end)
end)

describe("the calendar", function()
  it("crosses months, years and leap days", function()
    assert.are.equal("2027-01-01", due("tomorrow", at(2026, 12, 31, 10)))
    assert.are.equal("2028-02-29", due("tomorrow", at(2028, 2, 28, 10)))
    assert.are.equal("2027-03-01", due("tomorrow", at(2027, 2, 28, 10)))
    assert.are.equal("2027-02-28", due("in a month", at(2027, 1, 31, 10)))
    assert.are.equal("2029-02-28", due("in a year", at(2028, 2, 29, 10)))
  end)

  it("counts weekdays as everybody does, for a thousand years", function()
    assert.are.equal(6, civil.weekday(at(2000, 1, 1)))
    assert.are.equal(4, civil.weekday(at(1970, 1, 1)))
    for days = 0, 365000, 373 do
      local date = civil.from_days(days)
      assert.are.equal(days, civil.to_days(date.year, date.month, date.day))
      assert.are.equal((days + 3) % 7 + 1, civil.weekday(date))
    end
  end)

  it("knows no next wednesday before next week, on any day of the week", function()
    for day = 23, 29 do
      assert.are.equal("2026-12-02", due("next wednesday", at(2026, 11, day, 10)))
    end
  end)
end)

describe("recurrence", function()
  local RULES = {
    ["every day"] = "DAILY", ["daily"] = "DAILY", ["every morning"] = "DAILY",
      ["weekly"] = "WEEKLY",
    ["every week"] = "WEEKLY", ["every month"] = "MONTHLY", ["annually"] = "YEARLY",
    ["every 10 days"] = "INTERVAL:10", ["every other day"] = "INTERVAL:2",
    ["every two weeks"] = "FREQ=WEEKLY;INTERVAL=2", ["fortnightly"] = "FREQ=WEEKLY;INTERVAL=2",
    ["every 3 months"] = "FREQ=MONTHLY;INTERVAL=3", ["quarterly"] = "FREQ=MONTHLY;INTERVAL=3",
    ["every monday"] = "FREQ=WEEKLY;BYDAY=MO", ["each wed"] = "FREQ=WEEKLY;BYDAY=WE",
    ["every monday, wednesday and friday"] = "FREQ=WEEKLY;BYDAY=MO,WE,FR",
    ["every fri and mon"] = "FREQ=WEEKLY;BYDAY=MO,FR",
    ["every weekday"] = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    ["every mon-wed"] = "FREQ=WEEKLY;BYDAY=MO,TU,WE",
    ["every weekend"] = "FREQ=WEEKLY;BYDAY=SA,SU",
    ["every second friday"] = "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR",
    ["every other tuesday"] = "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU",
    ["every 2 weeks on monday"] = "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO",
    ["every first monday of the month"] = "FREQ=MONTHLY;BYDAY=1MO",
    ["on the last friday of every month"] = "FREQ=MONTHLY;BYDAY=-1FR",
    ["every 15th of the month"] = "FREQ=MONTHLY;BYMONTHDAY=15",
    ["monthly on the 15th"] = "FREQ=MONTHLY;BYMONTHDAY=15",
    ["at the end of every month"] = "FREQ=MONTHLY;BYMONTHDAY=-1",
    ["every 6 hours"] = "FREQ=HOURLY;INTERVAL=6", ["mondays"] = "FREQ=WEEKLY;BYDAY=MO",
    ["every day for 5 times"] = "FREQ=DAILY;COUNT=5",
    ["every monday until 24 december"] = "FREQ=WEEKLY;BYDAY=MO;UNTIL=20261224T235959Z",
    ["every 3 days until 24 december"] = "FREQ=DAILY;INTERVAL=3;UNTIL=20261224T235959Z",
  }
  for phrase, expected in pairs(RULES) do
    it(phrase, function()
      assert.are.equal(expected, rule(phrase))
    end)
  end

  it("begins on the first day that fits", function()
    assert.are.equal("2026-11-30 09:00", due("every monday at 9am"))
    assert.are.equal("2026-12-01 09:00", due("every tuesday at 9am"))
    assert.are.equal("2026-11-24 11:00", due("every tuesday at 11am"))
    assert.are.equal("2026-12-15", due("every 15th of the month"))
    assert.are.equal("2026-12-07", due("every first monday of the month"))
    assert.are.equal("2027-03-03", due("every year on 3 march"))
    assert.are.equal("2026-11-24 16:00", due("every 6 hours"))
  end)

  it("that makes no sense is left alone", function()
    for _, text in ipairs({ "every 0 days", "every 5 minutes", "every 32nd of the month",
      "every 1.5 weeks", "every body" }) do
      assert.is_nil(dates.find(text, NOW).recurrence, text)
    end
  end)
end)

describe("a reminder", function()
  local OFFSETS = {
    ["remind me 1 hour before"] = 60, ["with a reminder 30 minutes before"] = 30, ["+30m"] = 30,
    ["+2h"] = 120, ["15 min before"] = 15, ["a day before"] = 1440,
      ["remind me 2 days in advance"] = 2880,
    ["remind me the day before"] = 1440, ["reminder: 10 minutes"] = 10, ["a week earlier"] = 10080,
    ["half an hour before it's due"] = 30,
  }
  for phrase, minutes in pairs(OFFSETS) do
    it(phrase, function()
      assert.are.equal(minutes, (dates.find(phrase, NOW)).offset)
    end)
  end

  it("of more than a year, or of nothing, is none", function()
    assert.is_nil(dates.find("2 years before", NOW).offset)
    assert.is_nil(dates.find("+0m", NOW).offset)
  end)
end)

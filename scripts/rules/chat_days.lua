-- What days and times of day look like, as patterns over lower-case text. A day is a function of
-- `now` that gives {year, month, day} (with hour, min, sec and exact = true for "in 2 hours"), or
-- nil for one that does not exist; a time is {hour, min}.
--
-- Weeks begin on Monday. "wednesday" is the first one after today, "next wednesday" the Wednesday
-- of next week, "next week", "next month" and "next year" their first day. 12/24 is month/day,
-- 24.12. is day.month. An hour from 1 to 6 without am or pm is in the afternoon.
local lpeg = require("lpeg")
local civil = require("rules.civil")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local days = {}

local P, R, S, C, Cc = lpeg.P, lpeg.R, lpeg.S, lpeg.C, lpeg.Cc
local any, keyed, space, edge = text.any, text.keyed, text.space, text.edge

local blank = S(" \t") ^ 0
local digit = R("09")
local not_number = -digit
local two = C(digit * digit ^ -1) * not_number / tonumber
local exactly_two = C(digit * digit) * not_number / tonumber
local four = C(digit * digit * digit * digit) * not_number / tonumber
local minutes = C(R("05") * digit) * not_number / tonumber
local weekday, month, unit = keyed(words.weekdays), keyed(words.months), keyed(words.units)
local comma = (blank * P(",")) ^ -1 * blank
local suffix = P("st") + "nd" + "rd" + "th"
local the = (P("the") * space) ^ -1
local count = C(digit * digit ^ -5 * (P(".") * digit * digit ^ -1) ^ -1) * not_number / tonumber
  * blank
  + keyed(words.numbers) * space
local half = P("half") * space * (P("an") + "a") * space * Cc(0.5)
  + any({ "half an", "half a" }) * space * Cc(0.5)

days.two, days.suffix, days.the, days.comma, days.blank = two, suffix, the, comma, blank
days.weekday, days.unit, days.count = weekday, unit, count

-- {count, unit}
days.amount = (half + count) * unit * (space * P("and a half") * edge * Cc(0.5)) ^ -1
  / function(n, what, more) return { n + (more or 0), what } end
  + P("an hour and a half") * edge * Cc({ 1.5, "hour" })
local amount = days.amount

-- A short weekday ("sun", "sat") or a date such as 3/4 may be something else altogether; alone it
-- counts only where nothing of a title follows.
local follows = blank * (P(-1) + S("\n,;.!?)#@+") + digit
  + any({ "at", "p1", "p2", "p3", "and", "in the", "noon", "midnight", "morning", "afternoon",
    "evening", "night", "every", "remind", "with", "high", "low", "medium", "urgent", "by",
    "from", "until", "priority", "tagged", "before", "around", "to", "then", "repeat",
    "daily", "weekly", "monthly", "yearly", "next", "please", "description", "note", "for", "on",
    "in", "because", "about", "noon", "instead", "urgently", "if", "so", "when", "or", "w/", "this",
    "after", "early", "late", "first", "lunchtime", "prio", "p4", "asap", "important", "eod", "tag",
    "@", "!", "!!", "*", "before",
    "half", "quarter", "arvo", "cob", "teatime", "noonish", "noon-ish", "starting",
    "beginning", "ending", "except", "each", "till", "through" }))

days.follows = follows

-- Times of day.

local function clock(hour, min, half_day)
  if half_day and (hour < 1 or hour > 12) then
    return hour <= 23 and hour > 12 and min <= 59 and { hour = hour, min = min } or false
  elseif half_day == "pm" and hour < 12 then
    hour = hour + 12
  elseif half_day == "am" and hour == 12 then
    hour = 0
  end
  if hour == 24 and min == 0 then
    hour = 0
  end
  return hour <= 23 and min <= 59 and { hour = hour, min = min }
end

local function loose(hour, min)
  local early = hour >= 1 and hour <= 6
  local time = clock(hour, min, early and "pm" or nil)
  if time then
    time.open = hour >= 7 and hour <= 11 or nil -- "dinner at 8" is in the evening
    time.guessed = early or nil -- "saturday morning at 5:45" is not in the afternoon
  end
  return time
end

local function in_part(hour, min, part)
  if part == "morning" then
    return clock(hour, min, "am")
  end
  return clock(hour, min, hour >= 1 and hour <= 12 and "pm" or nil)
end

local minute_word = keyed({ five = 5, ten = 10, twenty = 20, ["twenty-five"] = 25,
  ["twenty five"] = 25 })
local past_minutes = (P("a") * space) ^ -1 * (P("half") * Cc(30) + P("quarter") * Cc(15))
  + (two + minute_word) * (space * any({ "minutes", "mins", "min" })) ^ -1
local am_pm = blank * (P("a") * P(".") ^ -1 * "m" * P(".") ^ -1 * Cc("am")
  + P("p") * P(".") ^ -1 * "m" * P(".") ^ -1 * Cc("pm")) * edge
local o_clock = blank * any({ "o'clock", "oclock", "uhr" })
local hour_word = keyed(words.hours)
local hour_number = two * edge * -(P(".") * digit) + hour_word
local part_tail = space * any({ "in the", "at" }) * space
  * C(P("morning") + "afternoon" + "evening" + "night") * edge
local exact = two * S(":.") * minutes * blank * "uhr" * edge
    / function(hour, min) return clock(hour, min) end
  + two * S(":.") * minutes * (P(":") * minutes / 0) ^ -1 * am_pm / clock
  + two * ":" * minutes * part_tail / in_part
  -- "05:30" is in the morning, "5:30" as "5" in the afternoon.
  + P("0") * two * ":" * minutes * (P(":") * minutes / 0) ^ -1 * edge
    / function(hour, min) return hour < 10 and clock(hour, min) end
  + two * ":" * minutes * (P(":") * minutes / 0) ^ -1 * edge
    / function(hour, min) return loose(hour, min) end
  + two * am_pm / function(hour, half_day)
    return hour >= 1 and hour <= 12 and clock(hour, 0, half_day)
  end
  + hour_word * am_pm / function(hour, half_day) return clock(hour, 0, half_day) end
  + two * (o_clock * part_tail + part_tail) / function(hour, part) return in_part(hour, 0, part) end
  + (two + hour_word) * o_clock / function(hour) return loose(hour, 0) end
  + two * "h" * minutes * edge / function(hour, min) return clock(hour, min) end
  + two * ":" * minutes * "h" * edge / function(hour, min) return clock(hour, min) end
  + two * ":" * minutes * (P("a") * Cc("am") + P("p") * Cc("pm")) * edge / clock
  + two * blank * P("-") ^ -1 * "ish" * edge / function(hour) return loose(hour, 0) end
  + two * am_pm * P("ish") / function(hour, half_day) return clock(hour, 0, half_day) end
  + past_minutes * space * P("past") * space * hour_number
    / function(min, hour) return loose(hour, min) end
  + (P("a") * space) ^ -1 * P("quarter") * space * P("to") * space * hour_number
    / function(hour) return loose(hour == 1 and 12 or hour - 1, 45) end
local half_hour = P("half") * space * hour_number / function(hour) return loose(hour, 30) end
-- Behind "at" or a day: "9.30", where a price could not stand.
local dotted = P("0") * two * "." * minutes * #follows
    / function(hour, min) return hour < 10 and clock(hour, min) end
  + two * "." * minutes * #follows / function(hour, min) return loose(hour, min) end
-- The same, since "invite 5 to 6 people" has no time; "from 9 to 10" and "2 to 4" are ranges.
local minutes_to = -lpeg.B("from ") * (minute_word
    + C(P("5") + "10" + "15" + "20" + "25") / tonumber * edge
    + two * space * any({ "minutes", "mins", "min" })) * space
  * P("to") * space * hour_number / function(min, hour)
    return min < 60 and min > 0 and loose(hour == 1 and 12 or hour - 1, 60 - min)
  end
-- A bare number is a time only behind "at" and the like, and where no title goes on ("at 5 Guys").
local bare = half_hour + minutes_to
  + hour_number * part_tail / function(hour, part) return in_part(hour, 0, part) end
  + hour_number * #(follows + space * any(words.after_hour)) / function(hour) return loose(hour,
  0) end
local named = keyed({ noon = 12, midday = 12, midnight = 0, noonish = 12, ["noon-ish"] = 12,
  ["midday-ish"] = 12, middayish = 12 })
  / function(hour) return clock(hour, 0) end
local at = any(words.before_time) * blank
-- "1500" and "17h": only where a time is due.
local whole_hours = C(digit * digit) * C(digit * digit) * not_number * edge
    / function(hour, min) return clock(tonumber(hour), tonumber(min)) end
  + two * "h" * edge / function(hour) return clock(hour, 0) end
local not_amount = -(P("for") * blank)
-- "for two": how many, unless nothing follows; "for 4" where the time is told behind it.
local for_some = P("for") * space * hour_word * -(blank * -1)
  * -(space * any({ "past", "to", "minutes", "o'clock" }))
  + P("for") * space * two * edge * #((1 - S(";\n") - P(" at ")) ^ 0 * " at " * (digit + hour_word))
-- "3pm to 4pm", "3pm-4": but "10am until 24 december" is no range.
local range_end = (blank * ((P("-") + "\226\128\147" + any({ "to" })) * blank
    * (exact + two * edge * -(space * month)) + any({ "until", "till" }) * blank * exact)
  / 0) ^ -1
local range_start = two * ":" * minutes * blank * (P("-") + "\226\128\147") * blank * two * ":"
    * minutes * edge / function(hour, min) return loose(hour, min) end
  + two * blank * P("-") * blank * two * am_pm
  / function(from, to, half_day) return clock(from, 0, from <= to and half_day or nil) end
-- "every morning at 6 run": a time, whatever goes on.
local behind_part = lpeg.B(P("morning ")) + lpeg.B(P("evening ")) + lpeg.B(P("afternoon "))
local sure = behind_part * P("at") * space * two * edge * -(S(":.") * digit)
  * -(space * any({ "in the", "at the" }))
    / function(hour) return loose(hour, 0) end
days.time = any({ "at", "@", "around" }) * blank * dotted
  + -for_some * at * (range_start + exact + named + bare) * range_end
  + not_amount * at * whole_hours + sure
  + -lpeg.B("my ") * (range_start + exact + named * #(follows + space * any(words.after_hour)))
    * range_end
  + P("@")
  * blank * (exact + bare)

-- A part of a day: behind a day ("friday morning"), or with "in the". Its hour is a default.
local daypart = keyed(words.dayparts)
days.part = any({ "in the", "at", "around", "in", "during the", "by" }) * space * daypart
  + keyed(words.part_phrases)
days.bare_part = blank * daypart
-- A time right behind a day: "friday 5ish", "tomorrow 1500", "monday 9".
days.bare_time = blank * P(",") ^ -1 * blank
  * (two * blank * P("-") * blank * two * edge * #follows / function(hour) return loose(hour, 0) end
  + exact + dotted + half_hour + minutes_to + whole_hours * #follows
  + two * edge * #follows / function(hour) return loose(hour, 0) end)

-- Days.

local function ahead(count_of_days)
  return function(now) return civil.add_days(now, count_of_days) end
end

local function next_weekday(now, wanted)
  return civil.add_days(now, (wanted - civil.weekday(now) - 1) % 7 + 1)
end

local function weekday_of_next_week(wanted)
  return function(now) return civil.add_days(now, 8 - civil.weekday(now) + wanted - 1) end
end

local function exists(date)
  return date.month >= 1 and date.month <= 12 and date.day >= 1 and date.year >= 1970
    and date.year <= 9998 and date.day <= civil.days_in_month(date.year, date.month)
end

-- Without a year: the next such day, looking up to the next leap year for 29 February.
local function calendar_day(day, month_number, year)
  return function(now)
    if year then
      local date = { year = year < 100 and year + 2000 or year, month = month_number, day = day }
      return exists(date) and date or nil
    end
    for later = 0, 8 do
      local date = { year = now.year + later, month = month_number, day = day }
      if exists(date) and not civil.before(date, { year = now.year, month = now.month,
        day = now.day }) then
        return date
      elseif month_number ~= 2 and later > 0 then
        return nil
      end
    end
  end
end

local function day_of_month(day)
  return function(now)
    for later = 0, 2 do
      local date = civil.add_months({ year = now.year, month = now.month, day = 1 }, later)
      date.day = day
      if exists(date) and (later > 0 or day >= now.day) then
        return date
      end
    end
  end
end

local function from_now(amounts)
  local n, what = amounts[1], amounts[2]
  return function(now)
    local date = civil.add(now, n, what)
    date.exact = what == "second" or what == "minute" or what == "hour" or n % 1 ~= 0
    if not date.exact then
      date.hour, date.min, date.sec = nil, nil, nil
    end
    return date.year <= 9998 and date or nil
  end
end

-- The end of a day: what may be said beside a day that has a name ("friday by eod").
local function closing_part(part)
  return function(now)
    local date = civil.add_days(now, 0)
    date.part, date.closing = words.dayparts[part], true
    return date
  end
end

local function with_part(count_of_days, part)
  return function(now)
    local date = civil.add_days(now, count_of_days)
    date.part = words.dayparts[part]
    return date
  end
end

local FIXED = {
  today = ahead(0), tomorrow = ahead(1), after_tomorrow = ahead(2), yesterday = ahead(-1),
  tonight = with_part(0, "tonight"), tomorrow_night = with_part(1, "night"),
  this_morning = with_part(0, "morning"), this_afternoon = with_part(0, "afternoon"),
  this_evening = with_part(0, "evening"), end_of_day = closing_part("end of day"),
  end_of_week = function(now) return civil.add_days(now, 7 - civil.weekday(now)) end,
  end_of_next_week = function(now) return civil.add_days(now, 14 - civil.weekday(now)) end,
  end_of_month = function(now)
    return { year = now.year, month = now.month, day = civil.days_in_month(now.year, now.month) }
  end,
  end_of_next_month = function(now)
    local date = civil.add_months({ year = now.year, month = now.month, day = 1 }, 1)
    date.day = civil.days_in_month(date.year, date.month)
    return date
  end,
  end_of_year = function(now) return { year = now.year, month = 12, day = 31 } end,
  next_week = weekday_of_next_week(1),
  next_month = function(now)
    return civil.add_months({ year = now.year, month = now.month, day = 1 }, 1)
  end,
  next_year = function(now) return { year = now.year + 1, month = 1, day = 1 } end,
  weekend = function(now)
    return civil.weekday(now) >= 6 and civil.add_days(now, 0) or next_weekday(now, 6)
  end,
  next_weekend = weekday_of_next_week(6), after_weekend = weekday_of_next_week(1),
  first_thing = with_part(1, "first thing"), close_of_business = closing_part("close of business"),
  lunch = with_part(0, "lunchtime"), fortnight = ahead(14), week_today = ahead(7),
  week_tomorrow = ahead(8), start_of_next_week = weekday_of_next_week(1),
  mid_week = function(now) return next_weekday(now, 3) end,
  mid_month = function(now)
    local date = civil.add_months({ year = now.year, month = now.month, day = 1 },
      now.day > 15 and 1 or 0)
    date.day = 15
    return date
  end,
  start_of_next_month = function(now)
    return civil.add_months({ year = now.year, month = now.month, day = 1 }, 1)
  end,
}
local fixed_day = keyed(words.days) / function(name) return FIXED[name] end

local relative_day = any({ "in", "within" }) * space
    * (any({ "about", "exactly", "around", "roughly", "approximately", "like", "just", "at least",
      "another", "just under", "just over" }) * space) ^ -1 * amount
    * (text.space * any({ "time", "from now", "or so" })) ^ -1 / from_now
  + amount * space * any({ "from now", "from today", "later" }) / from_now
  + amount * space * any({ "from", "after" }) * space * weekday / function(amounts, wanted)
    return function(now)
      return amounts[1] % 1 == 0 and civil.add(next_weekday(now, wanted), amounts[1], amounts[2])
        or nil
    end
  end
  -- "a week on friday", and as the British say "friday week"
  + -lpeg.B("for ") * (amount + P("a fortnight") * Cc({ 2, "week" })) * space * P("on") * space
  * weekday / function(amounts, wanted)
    return amounts[2] == "week" and amounts[1] % 1 == 0 and function(now)
      return civil.add_days(next_weekday(now, wanted), amounts[1] * 7)
    end
  end
  + weekday * space * P("week") * edge * #follows / function(wanted)
    return function(now) return civil.add_days(next_weekday(now, wanted), 7) end
  end

local spoken_day = keyed(words.month_days)
local month_name = month * P(".") ^ -1
local year_tail = (comma * four * edge) ^ -1
local named_day = the * two * suffix ^ -1 * edge * space * (P("of") * space) ^ -1 * month_name
  * year_tail
    / calendar_day
  + the * spoken_day * space * P("of") * space * month_name * year_tail / calendar_day
  + (-P("may") * month_name * space * the + month_name * space * P("the") * space) * spoken_day
    * -(space * any(words.units_after_ordinal)) * year_tail
    / function(name, day, year) return calendar_day(day, name, year) end
  + month_name * space * the * two * suffix ^ -1 * edge * year_tail
    / function(name, day, year) return calendar_day(day, name, year) end
days.named_day = named_day
local iso_moment = four * "-" * two * "-" * two * "t" * two * ":" * minutes
  * (P(":") * minutes / 0) ^ -1 * edge / function(year, number, day, hour, min)
    local date = calendar_day(day, number, year)
    return hour <= 23 and function(now)
      local found = date(now)
      return found and { year = year, month = number, day = day, hour = hour, min = min,
        exact = true }
    end
  end
local iso_day = iso_moment + four * "-" * two * "-" * two * edge
    / function(year, number, day) return calendar_day(day, number, year) end
  + four * "/" * exactly_two * "/" * exactly_two * edge
    / function(year, number, day) return calendar_day(day, number, year) end
local dotted_day = two * "." * two * "." * (four * edge + exactly_two * edge + Cc(nil) * -digit)
  / function(day, number, year) return number <= 12 and calendar_day(day, number, year) end
-- 12/24 is month/day; 24/12 cannot be.
local function american_day(number, day, year)
  if number > 12 and day <= 12 then
    number, day = day, number
  end
  return calendar_day(day, number, year)
end
local slashed_year = two * "/" * two * "/" * (four + exactly_two) * edge
  / american_day
local slashed_day = two * "/" * two * edge * -P("/") / american_day

local short_weekday = keyed(words.short_weekdays)
local week_day = P("next") * space * weekday / weekday_of_next_week
  + weekday * space * P("next week") * edge / weekday_of_next_week
  + P("this") * space * weekday / function(wanted)
    return function(now)
      return civil.weekday(now) == wanted and civil.add_days(now, 0) or next_weekday(now, wanted)
    end
  end
local function plain_weekday(wanted)
  return function(now) return next_weekday(now, wanted) end
end

-- "in december": its first day, the next one to come.
local month_start = any(words.before_month) * space * month * edge * -(space * digit)
  / function(number)
    return function(now)
      return { year = number > now.month and now.year or now.year + 1, month = number, day = 1 }
    end
  end

-- "in 25 november"
local in_day = any({ "in", "in the", "at the" }) * space * named_day

local holiday = keyed(words.holidays) / function(date)
  return calendar_day(date[2], date[1])
end
local day_after = P("after") * space * holiday / function(day)
  return function(now)
    local date = day(now)
    return date and civil.add_days(date, 1)
  end
end

local certain = relative_day + fixed_day + week_day
  + any({ "coming", "this coming", "the coming" }) * space * weekday / plain_weekday
  + named_day + in_day + iso_day + slashed_year
-- A line may begin with a day, whatever follows: "friday buy milk".
local opening_day = -lpeg.B(1) * -short_weekday * weekday / plain_weekday
local of_month = the * two * suffix * edge * -(text.space * any(words.units_after_ordinal))
  / day_of_month
  + the * spoken_day * #follows / day_of_month
local uncertain = weekday / plain_weekday + dotted_day + slashed_day
local prefix = any(words.before_day) * (blank * P(":")) ^ -1 * text.gap
-- "by eod friday": the part of a day that is told before the day.
local part_of_day = (any(words.before_time) * space) ^ -1 * the * keyed(words.closing_parts) * space
  * (P("on") * space) ^ -1 * text.once(certain + uncertain + of_month) / function(part, day)
    return day and function(now)
      local date = day(now)
      if date and not date.exact then
        date.part = part
      end
      return date
    end
  end
---@param wanted integer  1 is Monday
---@return fun(now: table): table
function days.next_weekday(wanted)
  return plain_weekday(wanted)
end

days.day = part_of_day + prefix ^ -1 * certain + prefix * (uncertain + of_month) + opening_day
  + any({ "in", "at" }) * space * weekday * #follows / plain_weekday
  + uncertain * #follows + month_start
  + any(words.before_holiday) * space * (holiday + day_after) + day_after

-- A day alone, where nothing but a day can come.
days.any_day = text.once(prefix ^ -1 * (certain + uncertain + of_month + holiday)
  + any(words.before_month) ^ -1 * text.gap * month * edge * -(space * digit) / function(number)
    return function(now)
      return { year = number > now.month and now.year or now.year + 1, month = number, day = 1 }
    end
  end)

return days

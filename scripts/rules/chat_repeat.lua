-- What recurrence and reminders look like, as patterns over lower-case text.
--
-- A recurrence is {rule, first, hour}: rule as in a task's recurrence_rule; first(now, passed),
-- where the rule fixes the day, gives the first one (`passed`: its time of day is over for today);
-- hour, where it names a part of the day.
local lpeg = require("lpeg")
local civil = require("rules.civil")
local days = require("rules.chat_days")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local repeats = {}

local P, S, Cc, Ct = lpeg.P, lpeg.S, lpeg.Cc, lpeg.Ct
local any, keyed, space, edge = text.any, text.keyed, text.space, text.edge
local two, suffix, the, blank = days.two, days.suffix, days.the, days.blank
local weekday, unit, amount = days.weekday, days.unit, days.amount

local BYDAY = { "MO", "TU", "WE", "TH", "FR", "SA", "SU" }
local FREQUENCY = { hour = "HOURLY", day = "DAILY", week = "WEEKLY", month = "MONTHLY",
  year = "YEARLY" }

local function on_weekdays(list, interval)
  table.sort(list)
  local names, wanted = {}, {}
  for _, index in ipairs(list) do
    if not wanted[index] then
      wanted[index] = true
      names[#names + 1] = BYDAY[index]
    end
  end
  return {
    rule = "FREQ=WEEKLY;" .. (interval and interval > 1 and "INTERVAL=" .. interval .. ";" or "")
      .. "BYDAY=" .. table.concat(names, ","),
    first = function(now, passed)
      for ahead = passed and 1 or 0, 7 do
        local date = civil.add_days(now, ahead)
        if wanted[civil.weekday(date)] then
          return date
        end
      end
    end,
  }
end

local function every_unit(n, what)
  if n % 1 ~= 0 or n < 1 or n > 999 or not FREQUENCY[what] then
    return false
  elseif what == "hour" then
    return { rule = "FREQ=HOURLY" .. (n > 1 and ";INTERVAL=" .. n or ""),
      first = function(now) return civil.add_seconds(now, n * 3600) end, keeps_time = true }
  elseif n == 1 then
    return { rule = FREQUENCY[what] }
  elseif what == "day" then
    return { rule = "INTERVAL:" .. n }
  end
  return { rule = "FREQ=" .. FREQUENCY[what] .. ";INTERVAL=" .. n }
end

-- The first day that find(year, month) gives from today on.
local function first_in_months(find)
  return function(now, passed)
    local earliest = civil.add_days(now, passed and 1 or 0)
    earliest.hour, earliest.min, earliest.sec = nil, nil, nil
    for ahead = 0, 13 do
      local start = civil.add_months({ year = now.year, month = now.month, day = 1 }, ahead)
      local date = find(start.year, start.month)
      if date and not civil.before(date, earliest) then
        return date
      end
    end
  end
end

local function nth_weekday(n, wanted)
  return { rule = "FREQ=MONTHLY;BYDAY=" .. n .. BYDAY[wanted],
    first = first_in_months(function(year, month)
      local length = civil.days_in_month(year, month)
      local day
      if n > 0 then
        day = (wanted - civil.weekday({ year = year, month = month, day = 1 })) % 7 + n * 7 - 6
      else
        day = length - (civil.weekday({ year = year, month = month, day = length }) - wanted) % 7
      end
      return day <= length and { year = year, month = month, day = day } or nil
    end) }
end

local function day_of_month(day)
  if day < 1 or day > 31 then
    return false
  end
  return { rule = "FREQ=MONTHLY;BYMONTHDAY=" .. day,
    first = first_in_months(function(year, month)
      return day <= civil.days_in_month(year, month) and { year = year, month = month, day = day }
        or nil
    end) }
end

local function last_of_month()
  return { rule = "FREQ=MONTHLY;BYMONTHDAY=-1",
    first = first_in_months(function(year, month)
      return { year = year, month = month, day = civil.days_in_month(year, month) }
    end) }
end

local function rule(text_of_rule)
  return function() return { rule = text_of_rule } end
end

local function working_days(hour)
  local found = on_weekdays({ 1, 2, 3, 4, 5 })
  found.hour = type(hour) == "number" and hour or nil
  return found
end
local function weekend_days() return on_weekdays({ 6, 7 }) end

local function yearly(day)
  return { rule = "YEARLY", first = function(now, passed)
    local date = day(now)
    if date and passed and civil.same_day(date, now) then
      date = { year = date.year + 1, month = date.month, day = date.day }
    end
    return date
  end }
end

local function weekday_range(first, last)
  local list = {}
  for step = 0, (last - first) % 7 do
    list[#list + 1] = (first + step - 1) % 7 + 1
  end
  return on_weekdays(list)
end

local every = (P("*") * blank) ^ -1 * any(words.every) * space
local link = days.comma * (any({ "and", "or" }) * space + P("&") * blank + P("on") * space) ^ -1
local list_link = (S(" \t") + ",") * link + blank * "/" * blank + space
local weekday_list = Ct(weekday * (list_link * weekday) ^ 0)
local plural = keyed(words.plural_weekdays)
local plural_list = Ct(plural * (list_link * plural) ^ 0)
local range_day = keyed(words.weekdays, -text.alnum)
local range = range_day * (blank * P("-") * blank + space * any({ "to", "through", "thru" })
  * space)
  * weekday
  / weekday_range
local of_month = space * any({ "of the month", "of each month", "of every month", "of a month",
  "each month", "every month", "in the month" })
local of_every_month = space * any({ "of each month", "of every month", "each month",
  "every month" })
local ordinal = keyed(words.ordinals)
local interval = keyed(words.intervals)
local weekday_word = any({ "weekday", "workday", "work day", "business day", "working day",
  "week day", "weekdays", "workdays" })
local on_the = any({ "on the", "the" }) * space

-- "the quarterly audit" is a title, "quarterly", "a quarterly task" and "quarterly call" are not.
local adverb = keyed(words.adverbs)
local opens_line = lpeg.Cmt(P(true), function(s, at)
  local before = s:sub(1, at - 1)
  return before == "" or before == "a " or before == "an " or before:find("repeat") ~= nil
end)
local task_noun = space * any({ "task", "todo", "to-do", "reminder", "item" })
local frequency = keyed(words.frequencies) + opens_line * adverb
  + adverb * #(days.follows + task_noun)

repeats.recurrence = every * the * ordinal * space * weekday * of_month / nth_weekday
  + on_the ^ -1 * ordinal * space * weekday * of_month / nth_weekday
  + any({ "monthly", "every month", "each month" }) * space * on_the * ordinal * space * weekday
  * edge
    / nth_weekday
  + on_the ^ -1 * any({ "every last day", "last day" }) * of_month / last_of_month
  + any({ "every month end", "at the end of every month", "at the end of each month",
    "every end of the month", "every end of month", "the end of every month" }) / last_of_month
  + every * weekday_word * (space * keyed(words.dayparts)) ^ -1 / working_days
  + any({ "on weekdays", "weekdays", "on workdays", "on working days", "monday to friday",
    "mon-fri" }) / working_days
  + every * any({ "weekend", "weekends" }) / weekend_days
  + any({ "on weekends", "at weekends" }) / weekend_days
  + every * range
  + every * interval * space * weekday_list
    / function(n, list) return on_weekdays(list, n) end
  + every * days.count * any({ "weeks", "week" }) * space * any({ "on" }) * space * weekday_list
    / function(n, list) return on_weekdays(list, n) end
  + every * any({ "week", "weeks" }) * space * P("on") * space * weekday_list / on_weekdays
  + every * interval * space * unit * edge / every_unit
  + every * (any({ "month on the", "month on", "month the", "months on the" }) * space * two
  * suffix ^ -1
    * edge) / day_of_month
  + any({ "monthly on the", "monthly on" }) * space * two * suffix ^ -1 * edge * -(P(":"))
  / day_of_month
  + every * days.named_day / yearly
  + any({ "yearly on", "annually on" }) * space * days.named_day / yearly
  + every * keyed(words.months) * edge / function(month)
    return yearly(function(now)
      return { year = month > now.month and now.year or now.year + 1, month = month, day = 1 }
    end)
  end
  + every * the * two * suffix * edge * of_month ^ -1 / day_of_month
  + on_the * two * suffix * edge * of_month / day_of_month
  + two * suffix * edge * of_every_month / day_of_month
  + on_the * keyed(words.places) * of_every_month / day_of_month
  + every * the * keyed(words.places) * of_month / day_of_month
  + every * days.count * unit * edge / every_unit
  + every * keyed(words.dayparts) / function(hour) return { rule = "DAILY", hour = hour } end
  + every * weekday_list * (blank * keyed(words.dayparts)) ^ -1 / function(list, hour)
    local found = on_weekdays(list)
    found.hour = hour
    return found
  end
  + every * unit * edge / function(what) return every_unit(1, what) end
  + any({ "weekly on", "weekly every" }) * space * weekday_list / on_weekdays
  + any({ "biweekly on", "bi-weekly on", "fortnightly on" }) * space * weekday_list
    / function(list) return on_weekdays(list, 2) end
  + any({ "on" }) * space * plural_list / on_weekdays + plural_list / on_weekdays
  -- "swim mon wed fri": three of them are no single day.
  + Ct(weekday * (list_link * weekday) * (list_link * weekday) ^ 1) / on_weekdays
  + (any({ "repeat", "repeats", "repeating", "recurring", "recurs" }) * space) ^ -1
    * frequency / function(text_of_rule) return rule(text_of_rule)() end

---Of two that were said the more exact one: "fortnightly … on mondays" keeps its weeks.
---@param said table
---@param exact table
---@return table
function repeats.merged(said, exact)
  local weeks = said.rule:match("^FREQ=WEEKLY;(INTERVAL=%d+)$")
  local on = weeks and exact.rule:match("^FREQ=WEEKLY;(BYDAY=.*)$")
  if not on then
    return exact
  end
  return { rule = "FREQ=WEEKLY;" .. weeks .. ";" .. on, first = exact.first, hour = exact.hour }
end

-- The end of a series: a day, or a count.
repeats.until_day = any({ "until", "till", "through", "ending", "ending on", "up to", "until the" })
  * space * days.any_day
repeats.times = (any({ "for" }) * space) ^ -1 * days.count * any({ "times", "occurrences",
  "repetitions", "more times" })
-- "every day for 7 days"
repeats.during = any({ "for", "over", "during" }) * space
  * (any({ "the next", "the coming", "the following", "the" }) * space) ^ -1 * days.amount

-- Reminders: whole minutes before the due time.
local function to_minutes(amounts)
  local n, what = amounts[1], amounts[2]
  local seconds = civil.seconds_of[what] or what == "month" and 30 * 86400 or 365 * 86400
  local count = math.ceil(n * seconds / 60)
  return count >= 1 and count <= 525600 and count
end

local before = space * any({ "before", "beforehand", "earlier", "in advance", "ahead", "prior",
    "before that", "prior to it", "before it", "before it's due", "before it is due",
    "before the due date", "before the deadline", "ahead of time" })
local remind = any(words.remind) * space
repeats.offset = remind ^ -1 * amount * before / to_minutes
  + remind * any({ "the day", "a day", "one day", "the evening", "the night" }) * before * Cc(1440)
  + P("+") * amount / to_minutes
  + any({ "reminder", "remind" }) * (blank * ":" * blank + space) * amount * before ^ -1
  / to_minutes
-- "remind me", with a day or a time behind it, or nothing.
repeats.mark = any(words.remind) * -(space * any(words.after_remind_me))

return repeats

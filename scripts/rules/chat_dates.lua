-- Dates, times of day, recurrence and reminders in plain English. Pure: civil (local) time only,
-- and `now` is an argument. dates.find takes the phrases out of a text; dates.due says what moment
-- they mean together. The patterns are in chat_days.lua and chat_repeat.lua.
--
-- A time of day that has passed today means tomorrow, unless a day is named. A day without a time
-- is given back without one; dates.fill makes a moment of it: words.default_hour, and for today,
-- once that has passed, the next of words.later_hours.
local lpeg = require("lpeg")
local civil = require("rules.civil")
local days = require("rules.chat_days")
local repeats = require("rules.chat_repeat")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local dates = {}

local S, Cp, Ct = lpeg.S, lpeg.Cp, lpeg.Ct

local function tagged(kind, pattern)
  return pattern / function(value)
    return value and { kind = kind, value = value }
  end
end

-- Each alternative that a function refused gives nil or false: the next one is tried then.
local function found_at(pattern)
  return lpeg.Cmt(pattern, function(_, _, found)
    if found then
      return true, found
    end
    return false
  end)
end

local DATE_PHRASES = text.once(found_at(tagged("offset", repeats.offset))
  + found_at(tagged("until_day", repeats.until_day))
  + found_at(tagged("times", repeats.times))
  + found_at(tagged("during", repeats.during))
  + found_at(tagged("recurrence", repeats.recurrence))
  + found_at(tagged("day", days.day))
  + found_at(tagged("time", days.time))
  + found_at(tagged("part", days.part))
  + repeats.mark / function() return { kind = "mark", value = true } end)
local BARE_PART = found_at(tagged("part", days.bare_part)) + found_at(tagged("time",
  days.bare_time))

local kept = text.url + text.quoted + text.any(words.keep)
local word = (text.alnum ^ 1 * (S("-/#_.@:&?=") ^ 1 * text.alnum ^ 1) ^ 0) + 1
local to_word = text.gap * Cp()
local skip = (kept + word) * text.gap * Cp()

-- Series end: a count, or the last day of an amount of time.
local FREQUENCY_OF = { DAILY = "day", WEEKLY = "week", MONTHLY = "month", YEARLY = "year" }

local function take_end(found, kind, value, now)
  if not found.recurrence or found.until_day or found.times then
    return false
  elseif kind == "times" then
    found.times = value
  elseif kind == "until_day" then
    found.until_day = value(now)
  elseif FREQUENCY_OF[found.recurrence.rule] == value[2] and value[1] % 1 == 0 then
    found.times = value[1]
  elseif value[2] == "day" or value[2] == "week" or value[2] == "month" or value[2] == "year" then
    found.until_day = civil.add(now, value[1], value[2])
  end
  return found.times ~= nil or found.until_day ~= nil
end

-- Puts a phrase into what was found; false when there is one of its kind already, or it has no
-- meaning (30 February).
local function take(found, phrase, now)
  local bucket, kind, value = found.remind or found, phrase.kind, phrase.value
  if kind == "until_day" and not found.recurrence then
    kind = "day" -- "finish it until friday"
  end
  if kind == "mark" then
    if found.remind then
      return false
    end
    found.remind = {}
    return true
  elseif kind == "until_day" or kind == "times" or kind == "during" then
    return take_end(found, kind, value, now)
  elseif kind == "recurrence" or kind == "offset" then
    bucket = found
  elseif phrase.many then
    bucket = found
  end
  if phrase.many then
    bucket[kind] = bucket[kind] or {}
    for _, item in ipairs(value) do
      table.insert(bucket[kind], item)
    end
    return true
  elseif kind == "recurrence" and found.recurrence and not found.recurrence.first then
    -- "weekly meeting every monday": the more exact one counts.
    found.recurrence = value.first and repeats.merged(found.recurrence, value) or found.recurrence
    return true
  end
  if kind == "day" then
    value = value(now)
    if not value then
      return false
    elseif value.closing and bucket.day and not bucket.part then
      kind, value = "part", value.part -- "friday by eod"
    end
  end
  if bucket[kind] ~= nil then
    return false
  end
  bucket[kind] = value
  return true
end

local function taken(found, match, now)
  return match and take(found, match[1], now) and match or nil
end

local function pieces_between(s, places)
  local rest, first = {}, 1
  for i, place in ipairs(places) do
    rest[i] = s:sub(first, place.first - 1)
    first = place.behind
  end
  rest[#rest + 1] = s:sub(first)
  return rest
end

local function scan(s, now, phrase_at, part_at, behind_at)
  local lower = s:lower()
  local found, places = {}, {}
  local at = to_word:match(lower)
  local after_day, after_any = false, false
  while at <= #s do
    local reminds = found.remind ~= nil
    local match
    if not kept:match(lower, at) then
      match = taken(found, phrase_at:match(lower, at), now)
        or after_day and taken(found, part_at:match(lower, at), now)
        or after_any and behind_at and taken(found, behind_at:match(lower, at), now)
    end
    if match then
      places[#places + 1] = { kind = match[1].kind, first = at, behind = match[2],
        reminds = reminds, value = match[1].value }
      at = to_word:match(lower, match[2])
      after_day = match[1].kind == "day" or match[1].kind == "recurrence"
      after_any = true
    else
      local comma = lower:sub(at, at) == ","
      at = skip:match(lower, at)
      after_day, after_any = comma and after_day, comma and after_any
    end
  end
  return found, pieces_between(s, places), places
end

---Makes a function that finds the phrases, in any order and place: finder(s, now) -> found, rest,
---places. found has day, time, part, recurrence, offset, until_day, times, remind, and what the
---others name; rest is the pieces of the text between the phrases, places where those stand: {kind,
---first, behind, reminds}, in bytes. Quoted text and addresses are left alone.
---@param others any|nil  a pattern of more phrases, each {kind, value, many}
---@param behind any|nil  the same, for those that count right behind another one only
---The second function tells whether one of the phrases stands at a place of a lower-case text.
---@return fun(s: string, now: table): table, string[], table[]
---@return fun(lower: string, at: integer): boolean
function dates.finder(others, behind)
  local phrase_at = Ct((others and others + DATE_PHRASES or DATE_PHRASES) * Cp())
  local part_at = Ct(BARE_PART * Cp())
  local behind_at = behind and Ct(behind * Cp())
  return function(s, now)
    return scan(s, now, phrase_at, part_at, behind_at)
  end, function(lower, at)
    return phrase_at:match(lower, at) ~= nil
  end
end

dates.find = dates.finder()

local function has_passed(hour, min, now)
  return hour * 60 + min <= now.hour * 60 + now.min
end

local function in_part(time, part)
  if part and part >= 12 and time.hour >= 1 and time.hour < 12 then
    return { hour = time.hour + 12, min = time.min }
  elseif part and part < 12 and time.guessed then
    return { hour = time.hour - 12, min = time.min }
  end
  return time
end

-- The hour and minute that were said, or nil.
local function time_of(found, day)
  local part = found.part or day and day.part or found.recurrence and found.recurrence.hour
  if found.time then
    return in_part(found.time, part)
  end
  return part and { hour = math.floor(part), min = part % 1 * 60 }
end

local function moment(date, time)
  return { year = date.year, month = date.month, day = date.day, hour = time and time.hour,
    min = time and time.min }
end

---The moment that the phrases mean, in civil time; without hour and min when no time was said.
---@param found table  of dates.find
---@param now table
---@return table|nil due
function dates.due(found, now)
  local day, recurrence = found.day, found.recurrence
  if day and day.exact then
    return { year = day.year, month = day.month, day = day.day, hour = day.hour, min = day.min,
      sec = day.sec }
  end
  local time = time_of(found, day)
  if day then
    -- Midnight of today is the one to come.
    if time and time.hour == 0 and time.min == 0
      and not civil.before(now, { year = day.year, month = day.month, day = day.day })
      and found.time then
      return moment(civil.add_days(day, 1), time)
    end
    if day.part and not found.time and has_passed(time.hour, time.min, now)
      and civil.same_day(day, now) then
      return moment(day, dates.later_today(now))
    end
    return moment(day, time)
  end
  if not time and not recurrence then
    return nil
  end
  if recurrence and recurrence.keeps_time and not time then
    local first = recurrence.first(now)
    return moment(first, first)
  end
  local passed = time and has_passed(time.hour, time.min, now)
    or not time and has_passed(words.default_hour, 0, now)
  if recurrence and recurrence.first then
    local first = recurrence.first(now, passed)
    return first and moment(first, time)
  end
  return moment(civil.add_days(now, passed and 1 or 0), time)
end

---The time of day for something that is due today, when its usual hour has passed.
---@param now table
---@return {hour: integer, min: integer}
function dates.later_today(now)
  for _, hour in ipairs(words.later_hours) do
    if not has_passed(hour, 0, now) then
      return { hour = hour, min = 0 }
    end
  end
  return { hour = 23, min = 59 }
end

---A day without a time of day as a moment.
---@param date table
---@param now table
---@param usual table|nil  {hour, min} to prefer, such as the time of day the task had
---@return table date  with hour and min
function dates.fill(date, now, usual)
  if date.hour then
    return date
  end
  local time = usual or { hour = words.default_hour, min = 0 }
  if civil.same_day(date, now) and has_passed(time.hour, time.min, now) then
    time = dates.later_today(now)
  end
  return moment(date, time)
end

---The recurrence rule that was said, with its end.
---@param found table
---@return string|nil
function dates.rule(found)
  local recurrence = found.recurrence
  if not recurrence then
    return nil
  end
  local rule = recurrence.rule
  if not (found.until_day or found.times) then
    return rule
  end
  local days_between = rule:match("^INTERVAL:(%d+)$")
  if days_between then
    rule = "FREQ=DAILY;INTERVAL=" .. days_between
  elseif not rule:find("=", 1, true) then
    rule = "FREQ=" .. rule
  end
  if found.times then
    return rule .. ";COUNT=" .. found.times
  end
  local last = found.until_day
  return string.format("%s;UNTIL=%04d%02d%02dT235959Z", rule, last.year, last.month, last.day)
end

local leading_day = Ct(text.gap * found_at(tagged("day", days.any_day)) * Cp())
local leading_amount = Ct(text.gap * days.amount * Cp())

---A day that begins a text: for "due before friday".
---@param s string
---@param now table
---@return table|nil date
---@return string|nil rest
function dates.leading_day(s, now)
  local match = leading_day:match(s:lower())
  local date = match and match[1].value(now)
  if date then
    return date, text.trim(s:sub(match[2]))
  end
end

---An amount of time that begins a text: {count, unit}, and the rest.
---@param s string
---@return table|nil amount
---@return string|nil rest
---@return_overload table, string
---@return_overload nil, nil
function dates.leading_amount(s)
  local match = leading_amount:match(s:lower())
  if match then
    return match[1], text.trim(s:sub(match[2]))
  end
end

local MAX_ONLY = 300

---What a text means when it is nothing but date phrases: "friday at 3pm", "every monday".
---@param s string
---@param now table
---@return table|nil found
function dates.only(s, now)
  if #s > MAX_ONLY then
    return nil
  end
  local found, rest = dates.find(s, now)
  for _, piece in ipairs(rest) do
    if piece:find("[^%s,.!]") then
      return nil
    end
  end
  return next(found) and found
end

return dates

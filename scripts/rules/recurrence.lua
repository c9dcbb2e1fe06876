-- The next occurrence of a recurring task.
--
-- May decide: when it is due and which rule it goes on with, or that the series is over.
--
--   next(recurrence.Task, completed_at_ms) -> recurrence.Next, recurrence.Ended or
--                                             recurrence.Invalid
--
-- Examples: recurrence.examples.json.
--
-- A series lives in local time: steps are taken on the clock of the task's zone (UTC without one),
-- and each result is then placed in real time. Here such a local time is a number, `local_ms`:
-- milliseconds since 1970 as if it were UTC.
--
-- Each occurrence is a task of its own that knows its due date only. Where that does not say what
-- the series means, an anchor goes with it: the 28th of February may stand for the 31st, and 03:30
-- on the day of a jump forward for 02:30.
local calendar = require("host.calendar")
local civil = require("rules.civil")

local recurrence = {}

local DAY_MS = 86400000
local FIRST_MS, END_MS = -62135596800000, 253402300800000 -- the years 1 to 9999
local MAX_INTERVAL_DAYS = 3660

---@class recurrence.Anchor
---@field local_ms integer  the local time that the series means
---@field day integer       the day of the month that it means, where the month had it

---@class recurrence.Task
---@field recurrence_rule string
---@field due_date integer|nil       milliseconds since 1970 UTC
---@field timezone string|nil        IANA name
---@field repeat_from "due_date"|"completion"|nil
---@field anchor recurrence.Anchor|nil  what the last call gave for this task

---@class recurrence.Next
---@field due_date integer|nil
---@field recurrence_rule string
---@field anchor recurrence.Anchor|nil  to be kept for this occurrence

---@class recurrence.Ended
---@field ended true  the series is over

---@class recurrence.Invalid
---@field invalid string  what is wrong with the rule or the zone

---@class recurrence.Rule
---@field step fun(local_ms: integer, day: integer): integer|nil
---@field remaining string      the rule of the next occurrence
---@field count integer|nil     occurrences left, with this one
---@field last integer|nil      UNTIL: the last millisecond that may be
---@field last_is_utc boolean|nil
---@field monthly boolean|nil   the day of the month is clamped
---@field hourly boolean|nil

local function split(local_ms)
  return civil.from_days(math.floor(local_ms / DAY_MS)), local_ms % DAY_MS
end

local function day_of(local_ms)
  return split(local_ms).day
end

local function by_days(count)
  return function(local_ms)
    return local_ms + count * DAY_MS
  end
end

local function by_months(count)
  return function(local_ms, day)
    local date, rest = split(local_ms)
    date.day = day
    local moved = civil.add_months(date, count)
    return civil.to_days(moved.year, moved.month, moved.day) * DAY_MS + rest
  end
end

local SIMPLE = {
  DAILY = { step = by_days(1), remaining = "DAILY" },
  WEEKLY = { step = by_days(7), remaining = "WEEKLY" },
  MONTHLY = { step = by_months(1), remaining = "MONTHLY", monthly = true },
  YEARLY = { step = by_months(12), remaining = "YEARLY", monthly = true },
}

local function read_interval(text)
  local days = tonumber(text:match("^INTERVAL:([1-9]%d*)$"))
  if not days or days > MAX_INTERVAL_DAYS then
    return nil, "INTERVAL takes 1 to " .. MAX_INTERVAL_DAYS .. " days"
  end
  return { step = by_days(days), remaining = text }
end

-- A date alone means all of that local day; only Z means UTC.
local function read_until(value)
  local year, month, day = value:match("^(%d%d%d%d)(%d%d)(%d%d)")
  local hour, min, sec, zulu = value:match("T(%d%d)(%d%d)(%d%d)(Z?)$")
  local seconds = civil.to_days(tonumber(year) --[[@as integer]],
    tonumber(month) --[[@as integer]], tonumber(day) --[[@as integer]]) * 86400
    + (hour and hour * 3600 + min * 60 + sec or 86399)
  return seconds * 1000 + 999, zulu == "Z"
end

-- COUNT and UNTIL are looked after here: the one is counted down from task to task, the other is
-- compared in real time. The rest is expanded as if local time were UTC.
local function read_rrule(text)
  text = text:gsub("^RRULE:", "")
  local good, message = calendar.check_rrule(text)
  if not good then
    return nil, message
  end
  local rule, kept = { remaining = text, hourly = text:find("FREQ=HOURLY", 1, true) ~= nil }, {}
  for part in text:gmatch("[^;]+") do
    local name, value = part:match("^(%u+)=(.*)$")
    if name == "COUNT" then
      rule.count = tonumber(value)
      rule.remaining = text:gsub("COUNT=%d+", "COUNT=" .. rule.count - 1)
    elseif name == "UNTIL" then
      rule.last, rule.last_is_utc = read_until(value)
    else
      kept[#kept + 1] = part
    end
  end
  local endless = table.concat(kept, ";")
  function rule.step(local_ms)
    return local_ms >= FIRST_MS and local_ms < END_MS
      and calendar.next(endless, local_ms, local_ms, "UTC") or nil
  end
  return rule
end

local function read(text)
  if type(text) ~= "string" then
    return nil, "the rule is not a string"
  elseif text:find("^INTERVAL:") then
    return read_interval(text)
  elseif SIMPLE[text] then
    return SIMPLE[text]
  end
  return read_rrule(text)
end

local function is_over(rule, local_ms, ms)
  return rule.last ~= nil and (rule.last_is_utc and ms or local_ms) > rule.last
end

-- Between local and real time of one zone.
local function clock_of(zone)
  local clock = {}

  function clock.to_local(ms)
    return ms + calendar.to_local(ms, zone).offset * 1000
  end

  -- nil outside of the years 1 to 9999.
  function clock.to_real(local_ms)
    local time, rest = split(local_ms)
    time.hour, time.min = math.floor(rest / 3600000), math.floor(rest / 60000) % 60
    time.sec = math.floor(rest / 1000) % 60
    local ms = calendar.from_local(time, zone)
    return ms and ms + rest % 1000
  end

  return clock
end

-- The anchor, unless the due date has been changed since or the zone has.
local function anchor_of(task, clock)
  local anchor = task.anchor
  return anchor and clock.to_real(anchor.local_ms) == task.due_date and anchor or nil
end

-- What the next occurrence is counted from: a local time and its day of the month, and the moment
-- that it must come after.
local function start_from_due(task, clock)
  local anchor = anchor_of(task, clock)
  if anchor then
    explain("counted from what the series means, the day %d, not from the due date alone",
      anchor.day)
    return anchor.local_ms, anchor.day, task.due_date
  end
  local start = clock.to_local(task.due_date)
  return start, day_of(start), task.due_date
end

local function start_from_completion(task, rule, completed_at_ms, clock)
  local anchor = anchor_of(task, clock)
  local due = anchor and anchor.local_ms or clock.to_local(task.due_date)
  local completed = clock.to_local(completed_at_ms)
  local start = completed - completed % DAY_MS + due % DAY_MS
  if rule.hourly then
    start = completed - completed % 60000
  end
  return start, day_of(start), completed_at_ms
end

-- The first step that comes after `after_ms` in real time too: around a jump two local times can
-- be one moment.
local function advance(rule, local_ms, day, after_ms, clock)
  local ms
  repeat
    local_ms = rule.step(local_ms, day)
    ms = local_ms and clock.to_real(local_ms)
  until not ms or ms > after_ms
  return local_ms, ms
end

-- What the due date alone would not tell the occurrence after it.
local function new_anchor(rule, local_ms, day, ms, clock)
  day = rule.monthly and day or day_of(local_ms)
  if clock.to_local(ms) ~= local_ms or day ~= day_of(local_ms) then
    return { local_ms = local_ms, day = day }
  end
end

---@param task recurrence.Task
---@param completed_at_ms integer
---@return recurrence.Next|recurrence.Ended|recurrence.Invalid
function recurrence.next(task, completed_at_ms)
  local zone = task.timezone or "UTC"
  if not calendar.is_zone(zone) then
    return { invalid = "there is no time zone " .. zone }
  end
  local rule, message = read(task.recurrence_rule)
  if not rule then
    return { invalid = message }
  end
  local clock = clock_of(zone)
  if rule.count == 1 then
    explain("COUNT: this was the last one")
    return { ended = true }
  elseif not task.due_date then
    if is_over(rule, clock.to_local(completed_at_ms), completed_at_ms) then
      return { ended = true }
    end
    return { recurrence_rule = rule.remaining }
  end
  local start, day, after_ms
  if task.repeat_from == "completion" then
    explain("counted from the completion")
    start, day, after_ms = start_from_completion(task, rule, completed_at_ms, clock)
  else
    start, day, after_ms = start_from_due(task, clock)
  end
  local local_ms, ms = advance(rule, start, day, after_ms, clock)
  if not ms or is_over(rule, local_ms, ms) then
    explain(ms and "the next one would come after UNTIL" or "the rule has no next one")
    return { ended = true }
  end
  if ms <= completed_at_ms then
    explain("it is due in the past: counted from the due date, no occurrence is skipped")
  end
  return { due_date = ms, recurrence_rule = rule.remaining,
    anchor = new_anchor(rule, local_ms, day, ms, clock) }
end

return recurrence

-- Recurrence rules of tasks and the RRULE of RFC 5545: one from the other.
--
-- MONTHLY and YEARLY of a task are calendar months: after January 31 comes the last day of
-- February. FREQ=MONTHLY would leave February out, so the last fitting day is asked for.
local calendar = require("host.calendar")
local ical = require("lib.ical")

local ical_rule = {}

local FREQ = { DAILY = "FREQ=DAILY", WEEKLY = "FREQ=WEEKLY", MONTHLY = "FREQ=MONTHLY",
  YEARLY = "FREQ=YEARLY" }
local LAST = { [29] = "28,29", [30] = "28,29,30", [31] = "28,29,30,31" }

-- The simple rules as RRULE, for a series whose local due date is `at`.
local function simple(rule, at)
  if rule == "MONTHLY" and LAST[at.day] then
    return "FREQ=MONTHLY;BYMONTHDAY=" .. LAST[at.day] .. ";BYSETPOS=-1"
  elseif rule == "YEARLY" and at.month == 2 and at.day == 29 then
    return "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1"
  end
  local days = rule:match("^INTERVAL:(%d+)$")
  return days and "FREQ=DAILY;INTERVAL=" .. days or FREQ[rule]
end

-- UNTIL must be of the same kind as DTSTART: a date with a date, else UTC. Local times of a rule
-- are those of the task's zone; a date means all of that day.
local function until_as(value, kind, zone)
  local at = ical.read_time(value)
  if not at then
    return value
  elseif kind == "date" then
    local ms = at.utc and calendar.from_local(at, "UTC")
    local there = ms and calendar.to_local(ms, zone)
    if there and there.year <= 9999 then
      at = there
    end
    return ical.time({ year = at.year, month = at.month, day = at.day })
  elseif at.utc then
    return value
  end
  if not at.hour then
    at.hour, at.min, at.sec = 23, 59, 59
  end
  local ms = calendar.from_local(at, zone)
  local utc = ms and calendar.to_local(ms, "UTC") or at
  utc.utc = true
  return ical.time(utc)
end

---@param task table
---@param due {kind: string, at: table}  as it is written; see ical_export
---@return string|nil  the value of an RRULE; nil where the dates to come are not fixed
function ical_rule.of_task(task, due)
  local rule = task.recurrence_rule
  if not rule or task.repeat_from == "completion" then
    return nil
  elseif due.kind == "utc" and task.timezone and task.timezone ~= "UTC" then
    return nil -- in UTC the series would leave its time of day
  end
  return simple(rule, due.at) or (rule:gsub("UNTIL=([%dTZ]+)", function(value)
    return "UNTIL=" .. until_as(value, due.kind, task.timezone or "UTC")
  end))
end

---The rule of a task for an RRULE: the simple one where it means the same.
---@param value string  of the RRULE
---@param at table|nil  the local due date
---@return string
function ical_rule.from_rrule(value, at)
  value = value:upper():gsub("%s", "")
  local interval = value:match("^FREQ=DAILY;INTERVAL=([1-9]%d*)$")
  if interval and interval ~= "1" and tonumber(interval) <= 3660 then
    return "INTERVAL:" .. interval
  end
  local plain = value:gsub(";INTERVAL=1$", ""):gsub(";INTERVAL=1;", ";")
  for _, rule in ipairs({ "DAILY", "WEEKLY", "MONTHLY", "YEARLY" }) do
    if plain == (at and simple(rule, at) or FREQ[rule]) then
      return rule
    end
  end
  return value
end

return ical_rule

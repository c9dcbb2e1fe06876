-- A recurrence rule in words.
--
-- May decide: how a rule is told. Used by chat_answers; no entry of its own.
--
--   text(rule) -> string   "every 2 weeks on Friday until 5 March 2027"
local civil = require("rules.civil")

local rule_words = {}

---@type table<string, string>
local SIMPLE = { DAILY = "every day", WEEKLY = "every week", MONTHLY = "every month",
  YEARLY = "every year" }
local UNITS = { HOURLY = "hour", DAILY = "day", WEEKLY = "week", MONTHLY = "month",
  YEARLY = "year" }
local DAYS = { MO = "Monday", TU = "Tuesday", WE = "Wednesday", TH = "Thursday", FR = "Friday",
  SA = "Saturday", SU = "Sunday" }
local MONTHS = civil.MONTHS
local PLACES = { ["1"] = "first", ["2"] = "second", ["3"] = "third", ["4"] = "fourth",
  ["5"] = "fifth", ["-1"] = "last", ["-2"] = "second last" }
local SAID = { FREQ = true, INTERVAL = true, BYDAY = true, BYMONTHDAY = true, BYMONTH = true,
  COUNT = true, UNTIL = true, WKST = true }

-- The parts of an RRULE by name; nil where one of them is not told here.
local function parts_of(rule)
  local parts = {}
  for part in rule:gsub("^RRULE:", ""):gmatch("[^;]+") do
    local name, value = part:match("^(%u+)=(.+)$")
    if not name or not SAID[name] then
      return nil
    end
    parts[name] = value
  end
  return UNITS[parts.FREQ] and parts
end

-- "Monday, Friday" or "first Monday, last Friday"; nil for a day that cannot be told, and for
-- places among days that have none.
local function days_text(list, placed)
  local words = {}
  for item in list:gmatch("[^,]+") do
    local place, name = item:match("^([-+]?%d*)(%u%u)$")
    local day = DAYS[name]
    local word = PLACES[(place or ""):gsub("^%+", "")]
    if not day or placed ~= (word ~= nil) or not placed and place ~= "" then
      return nil
    end
    words[#words + 1] = placed and word .. " " .. day or day
  end
  return table.concat(words, ", ")
end

local function every(parts)
  local count = tonumber(parts.INTERVAL or 1)
  local unit = UNITS[parts.FREQ]
  return count == 1 and "every " .. unit or "every " .. count .. " " .. unit .. "s", count
end

local function weekly(parts)
  local text, count = every(parts)
  if parts.BYMONTHDAY or parts.BYMONTH then
    return nil
  elseif not parts.BYDAY then
    return text
  end
  local days = parts.BYDAY == "MO,TU,WE,TH,FR" and "weekday" or days_text(parts.BYDAY, false)
  if not days then
    return nil
  elseif count == 1 then
    return "every " .. days
  end
  return text .. " on " .. (days == "weekday" and "weekdays" or days)
end

local function day_of_month(value)
  if value == "-1" then
    return "the last day"
  elseif value:match("^%d+$") then
    return "day " .. value
  elseif value:match("^[%d,]+$") then
    return "days " .. value:gsub(",", ", ")
  end
end

local function monthly(parts)
  local text, count = every(parts)
  if parts.BYMONTH or parts.BYDAY and parts.BYMONTHDAY then
    return nil
  elseif parts.BYDAY then
    local days = days_text(parts.BYDAY, true)
    if count == 1 then
      return days and "every " .. days .. " of the month"
    end
    return days and text .. " on the " .. days
  elseif parts.BYMONTHDAY then
    local day = day_of_month(parts.BYMONTHDAY)
    if count == 1 then
      return day and "on " .. day .. " of every month"
    end
    return day and text .. " on " .. day
  end
  return text
end

local function yearly(parts)
  local text = every(parts)
  local month = MONTHS[tonumber(parts.BYMONTH)]
  if parts.BYMONTH and not month or not parts.BYMONTH and (parts.BYDAY or parts.BYMONTHDAY)
    or parts.BYDAY and parts.BYMONTHDAY then
    return nil
  elseif parts.BYMONTHDAY then
    local day = parts.BYMONTHDAY:match("^%d+$")
    return day and text .. " on " .. day .. " " .. month
  elseif parts.BYDAY then
    local days = days_text(parts.BYDAY, true)
    return days and text .. " on the " .. days .. " of " .. month
  end
  return month and text .. " in " .. month or text
end

local function plain(parts)
  return not (parts.BYDAY or parts.BYMONTHDAY or parts.BYMONTH) and every(parts) or nil
end

local TELL = { HOURLY = plain, DAILY = plain, WEEKLY = weekly, MONTHLY = monthly, YEARLY = yearly }

---@param rule string
---@return string|nil
local function series(rule)
  local parts = parts_of(rule)
  local text = parts and TELL[parts.FREQ](parts)
  if not text then
    return nil
  elseif parts.COUNT then
    text = text .. ", " .. parts.COUNT .. (parts.COUNT == "1" and " time" or " times")
  elseif parts.UNTIL then
    local year, month, day = parts.UNTIL:match("^(%d%d%d%d)(%d%d)(%d%d)T?[%dZ]*$")
    if not MONTHS[tonumber(month)] then
      return nil
    end
    text = text .. " until " .. tonumber(day) .. " " .. MONTHS[tonumber(month)] .. " " .. year
  end
  return text
end

---A recurrence rule in words; one that would need a calendar to tell stays as it is.
---@param rule string
---@return string
function rule_words.text(rule)
  local days = rule:match("^INTERVAL:(%d+)$")
  if days then
    return days == "1" and SIMPLE.DAILY or "every " .. days .. " days"
  end
  return SIMPLE[rule] or series(rule) or "repeating (" .. rule .. ")"
end

return rule_words

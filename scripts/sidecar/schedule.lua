-- When things are due: durations of Go and ISO 8601, RFC 3339, and cron schedules. Pure: `now` in
-- milliseconds is an argument.
local calendar = require("host.calendar")
local time = require("host.time")

local schedule = {}

local UNITS = { ns = 1e-6, us = 1e-3, ["µs"] = 1e-3, ms = 1, s = 1000, m = 60000, h = 3600000 }
local NAMES = { ["@yearly"] = "0 0 0 1 1 *", ["@annually"] = "0 0 0 1 1 *",
  ["@monthly"] = "0 0 0 1 * *", ["@weekly"] = "0 0 0 * * 0", ["@daily"] = "0 0 0 * * *",
  ["@midnight"] = "0 0 0 * * *", ["@hourly"] = "0 0 * * * *" }
local MONTHS = { JAN = 1, FEB = 2, MAR = 3, APR = 4, MAY = 5, JUN = 6, JUL = 7, AUG = 8, SEP = 9,
  OCT = 10, NOV = 11, DEC = 12 }
local DAYS = { SUN = 0, MON = 1, TUE = 2, WED = 3, THU = 4, FRI = 5, SAT = 6 }
local SHORTEST_MS = 100 -- of @every; Dapr has no limit
local MAX_DAYS = 366 * 8 -- how far a next run is looked for: a leap day can be eight years away

---"1h30m", "90s", "0.5s"; not "1d".
---@param text string
---@return number|nil ms
function schedule.go_duration(text)
  ---@type any, any
  local sign, rest = text:match("^([+-]?)(.+)$")
  if rest == "0" then
    return 0
  end
  ---@type number|nil
  local total = rest and rest ~= "" and 0 or nil
  while total and rest ~= "" do
    local number, unit, more = rest:match("^(%d*%.?%d*)([µa-z\194\181]+)(.*)$")
    local amount = number and number ~= "." and tonumber(number)
    total = amount and UNITS[unit] and total + amount * UNITS[unit] or nil
    rest = more
  end
  return total and (sign == "-" and -total or total)
end

---"P1D", "PT5M", "P1Y2M3DT4H5M6S"; months and years are calendar ones, counted from `now`.
---@param text string
---@param now integer
---@return number|nil ms  from now
function schedule.iso_duration(text, now)
  local date, clock = text:match("^P([%dYMWD%.]*)T?([%dHMS%.]*)$")
  if not date or date .. clock == "" then
    return nil
  end
  ---@type table<string, number>, any[]
  local parts, rest = {}, { date, clock }
  for i, units in ipairs({ "YMWD", "HMS" }) do
    local left = rest[i]:gsub("(%d+%.?%d*)([" .. units .. "])", function(number, unit)
      parts[unit .. i] = tonumber(number)
      return ""
    end)
    if left ~= "" then
      return nil
    end
  end
  local at = calendar.to_local(now, "UTC")
  local month = at.month - 1 + (parts.M1 or 0) + 12 * (parts.Y1 or 0)
  at.year, at.month = at.year + math.floor(month / 12), (month % 12 + 1) --[[@as integer]]
  local moved = calendar.from_local({ year = at.year, month = at.month, day = 1, hour = at.hour,
    min = at.min, sec = at.sec }, "UTC")
  if not moved then
    return nil
  end
  return moved + (at.day - 1) * 86400000 - math.floor(now / 1000) * 1000
    + ((parts.W1 or 0) * 7 + (parts.D1 or 0)) * 86400000
    + (parts.H2 or 0) * 3600000 + (parts.M2 or 0) * 60000 + (parts.S2 or 0) * 1000
end

---A dueTime or ttl: RFC 3339, or a duration from `base`, which may lie before it.
---@param text string
---@param base integer
---@return integer|nil ms
---@return boolean|nil is_duration
function schedule.point(text, base)
  local at = time.parse(text)
  if at then
    return at, false
  end
  local ms = schedule.go_duration(text) or schedule.iso_duration(text, base)
  if not ms then
    return nil
  end
  return math.floor(base + ms), true
end

local function number_of(word, names)
  return names and names[word:upper()] or word:match("^%d+$") and tonumber(word)
end

local function read_part(part, low, high, names, set)
  local range, step = part:match("^([^/]+)/(%d+)$")
  range = range or part
  local from, to = range:match("^(%w+)%-(%w+)$")
  if range == "*" or range == "?" then
    from, to = low, high
  elseif from then
    from, to = number_of(from, names), number_of(to, names)
  else
    from = number_of(range, names)
    to = step and high or from
  end
  step = tonumber(step or 1)
  if not from or not to or from < low or to > high or from > to or step < 1 then
    return false
  end
  for value = from, to, step do
    set[value] = true
  end
  return true
end

local function read_field(text, low, high, names)
  local set = { any = text == "*" or text == "?" }
  for part in (text .. ","):gmatch("([^,]*),") do
    if not read_part(part, low, high, names, set) then
      return nil
    end
  end
  return set
end

local FIELDS = { { 0, 59 }, { 0, 59 }, { 0, 23 }, { 1, 31 }, { 1, 12, MONTHS }, { 0, 7, DAYS } }

local function read_cron(text, five_allowed)
  local words = {}
  for word in text:gmatch("%S+") do
    words[#words + 1] = word
  end
  if #words == 5 and five_allowed then
    table.insert(words, 1, "0")
  end
  if #words ~= 6 then
    return nil, "expected exactly 6 fields, found " .. #words .. ": " .. text
  end
  local fields = {}
  for i, field in ipairs(FIELDS) do
    fields[i] = read_field(words[i], field[1], field[2], field[3])
    if not fields[i] then
      return nil, "failed to parse " .. words[i] .. " in " .. text
    end
  end
  fields[6][0] = fields[6][0] or fields[6][7]
  return fields
end

---@class schedule.Plan
---@field every number|nil    ms between two runs
---@field fields table[]|nil  sec, min, hour, day, month, weekday
---@field zone string

---@param text string
---@param five_allowed boolean|nil  cron without seconds, as the cron binding takes it
---@return schedule.Plan|nil
---@return string|nil message
function schedule.parse(text, five_allowed)
  local zone, rest = text:match("^C?R?O?N?_?TZ=(%S+)%s*(.*)$")
  zone, rest = zone or "UTC", rest or text
  if not calendar.is_zone(zone) then
    return nil, "unknown time zone " .. zone
  end
  local every = rest:match("^@every%s+(%S+)$")
  if every then
    local ms = schedule.go_duration(every)
    if not ms or ms < 1 then
      return nil, "failed to parse duration " .. every
    end
    return { every = math.max(SHORTEST_MS, math.floor(ms)), zone = zone }
  end
  local fields, message = read_cron(NAMES[rest] or rest, five_allowed)
  return fields and { fields = fields, zone = zone }, message
end

local function day_fits(fields, at)
  if not fields[5][at.month] then
    return false
  end
  local day, weekday = fields[4][at.day], fields[6][at.wday % 7]
  if fields[4].any or fields[6].any then
    return day and weekday
  end
  return day or weekday
end

-- The first time of day at or after hour:min:sec that fits; nil when the day has none left.
local function time_in_day(fields, hour, min, sec)
  for h = hour, 23 do
    if fields[3][h] then
      for m = h == hour and min or 0, 59 do
        if fields[2][m] then
          for s = h == hour and m == min and sec or 0, 59 do
            if fields[1][s] then
              return h, m, s
            end
          end
        end
      end
    end
  end
end

---The first run after `after`.
---@param plan schedule.Plan
---@param after integer
---@return integer|nil ms  nil: never again
function schedule.next(plan, after)
  if plan.every then
    return after + plan.every --[[@as integer]]
  end
  local at = calendar.to_local((math.floor(after / 1000) + 1) * 1000, plan.zone)
  local hour, min, sec = at.hour, at.min, at.sec
  for _ = 1, MAX_DAYS do
    if day_fits(plan.fields, at) then
      local h, m, s = time_in_day(plan.fields, hour, min, sec)
      local found = h and calendar.from_local({ year = at.year, month = at.month, day = at.day,
        hour = h, min = m, sec = s }, plan.zone)
      if found and found > after then
        return found
      end
    end
    local noon = calendar.from_local({ year = at.year, month = at.month, day = at.day, hour = 12 },
      "UTC")
    at = calendar.to_local(noon + 86400000, "UTC")
    hour, min, sec = 0, 0, 0
  end
end

---How often a failed job is tried again: "5s", "0.25s" (protobuf's JSON: seconds only).
---@param text any
---@return number|nil ms
function schedule.seconds(text)
  local number = type(text) == "string" and text:match("^(%-?%d+%.?%d*)s$")
  return number and tonumber(number) * 1000 or nil
end

return schedule

-- Civil (local) time as plain tables {year, month, day, hour, min, sec}: arithmetic without zones.
local civil = {}

---@type table<any, string>
civil.MONTHS = { "January", "February", "March", "April", "May", "June", "July", "August",
  "September", "October", "November", "December" }

---@class civil.Date
---@field year integer
---@field month integer
---@field day integer
---@field hour integer|nil
---@field min integer|nil
---@field sec integer|nil
---@field part integer|nil  of the day, as the chat names it
---@field closing boolean|nil  the end of a day, which may stand beside a day's name

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

---@type integer[]
local DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

---@param year integer
---@param month number
---@return integer
function civil.days_in_month(year, month)
  return month == 2 and is_leap(year) and 29 or DAYS[month]
end

---Days since 1970-01-01 (Howard Hinnant's days_from_civil).
---@param year integer
---@param month integer
---@param day integer
---@return integer
function civil.to_days(year, month, day)
  local y = month <= 2 and year - 1 or year
  local era = math.floor(y / 400)
  local yoe = y - era * 400
  local doy = math.floor((153 * (month + (month > 2 and -3 or 9)) + 2) / 5) + day - 1
  local doe = yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy
  return era * 146097 + doe - 719468
end

---@param days number  whole
---@return civil.Date
function civil.from_days(days)
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
    - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  return { year = yoe + era * 400 + (month <= 2 and 1 or 0), month = month,
    day = (doy - math.floor((153 * mp + 2) / 5) + 1) --[[@as integer]] }
end

local function days_of(date)
  return civil.to_days(date.year, date.month, date.day)
end

---@param date table
---@return integer  1 = Monday … 7 = Sunday
function civil.weekday(date)
  return (days_of(date) + 3) % 7 + 1
end

---@param date table  civil, its time of day is kept
---@param count number  whole
---@return civil.Date
function civil.add_days(date, count)
  local moved = civil.from_days(days_of(date) + count)
  moved.hour, moved.min, moved.sec = date.hour, date.min, date.sec
  return moved
end

---@param date table
---@param count integer  a day that the month lacks becomes its last
---@return table
function civil.add_months(date, count)
  local index = date.year * 12 + date.month - 1 + count
  local year, month = math.floor(index / 12), index % 12 + 1
  return { year = year, month = month, day = math.min(date.day, civil.days_in_month(year, month)),
    hour = date.hour, min = date.min, sec = date.sec }
end

---@param date table
---@param count number
---@return table
function civil.add_seconds(date, count)
  local total = (date.hour or 0) * 3600 + (date.min or 0) * 60 + (date.sec or 0) + count
  local moved = civil.add_days(date, math.floor(total / 86400))
  local rest = total % 86400
  moved.hour, moved.min = math.floor(rest / 3600), math.floor(rest % 3600 / 60)
  moved.sec = math.floor(rest % 60)
  return moved
end

---Seconds of the units that always last as long.
civil.seconds_of = { second = 1, minute = 60, hour = 3600, day = 86400, week = 604800 }

---@param date table
---@param count number
---@param unit string  a key of chat_words.units
---@return table
function civil.add(date, count, unit)
  if unit == "month" then
    return civil.add_months(date, math.floor(count))
  elseif unit == "year" then
    return civil.add_months(date, math.floor(count * 12))
  elseif unit == "day" or unit == "week" then
    local days = count * (unit == "week" and 7 or 1)
    if days % 1 == 0 then
      return civil.add_days(date, days)
    end
  end
  return civil.add_seconds(date, count * civil.seconds_of[unit])
end

---@param a table
---@param b table
---@return boolean  a is before b
function civil.before(a, b)
  local x, y = days_of(a), days_of(b)
  if x ~= y then
    return x < y
  end
  return (a.hour or 0) * 3600 + (a.min or 0) * 60 + (a.sec or 0)
    < (b.hour or 0) * 3600 + (b.min or 0) * 60 + (b.sec or 0)
end

---@param a table
---@param b table
---@return boolean
function civil.same_day(a, b)
  return a.year == b.year and a.month == b.month and a.day == b.day
end

return civil

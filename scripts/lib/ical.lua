-- iCalendar text (RFC 5545) both ways: content lines, components, and the value types that tasks
-- need. Pure. What is read is hostile: one pass, limits on depth and lines, and no pattern that
-- could go back over what it has seen.
local url = require("lib.url")

local ical = {}

local FOLD = 75 -- octets of a line, without its end
local MAX_DEPTH, MAX_LINES, MAX_LINE, MAX_PARAMS = 8, 50000, 65536, 30
local AT_ONCE = 1000 -- lines between two pauses

---@class ical.Property
---@field name string                    upper case
---@field line integer|nil               where it begins in the file
---@field params table<string, string>   names in upper case; the first value of each
---@field value string                   as written

---@class ical.Component
---@field name string                                upper case
---@field line integer                               where it begins
---@field properties table<string, ical.Property[]>  by name
---@field components ical.Component[]
---@field problem string|nil                         a line of it cannot be read, and why

-- A parameter's values from `at`: the first of them, and where the next thing begins.
local function read_values(line, at)
  local first, value
  repeat
    if line:byte(at) == 34 then
      local ends = line:find('"', at + 1, true)
      if not ends then
        return nil, nil, "a quote is not closed"
      end
      value, at = line:sub(at + 1, ends - 1), ends + 1
    else
      local ends = line:find('[",;:]', at)
      if not ends or line:byte(ends) == 34 then
        return nil, nil, ends and "a quote stands inside of a parameter" or "it has no colon"
      end
      value, at = line:sub(at, ends - 1), ends
    end
    first = first or value
    local more = line:byte(at) == 44
    at = more and at + 1 or at
  until not more
  return first, at
end

---One unfolded content line.
---@param line string
---@return ical.Property|nil
---@return string|nil message
function ical.read_line(line)
  local name, at = line:match("^([%w%-]+)()") ---@type any, any
  if not name then
    return nil, "it does not begin with a name"
  end
  local params, count = {}, 0
  while line:byte(at) == 59 do
    local param, starts = line:match("^([%w%-]+)=()", at + 1)
    count = count + 1
    if not param or count > MAX_PARAMS then
      return nil, param and "it has too many parameters" or "a parameter has no name or value"
    end
    local value, ends, message = read_values(line, starts)
    if not value then
      return nil, message
    end
    param = param:upper()
    params[param] = params[param] or value
    at = ends
  end
  if line:byte(at) ~= 58 then
    return nil, "it has no colon"
  end
  return { name = name:upper(), params = params, value = line:sub(at + 1) }
end

local function flaw_of(line, too_long)
  if too_long then
    return "it is longer than " .. MAX_LINE .. " bytes"
  elseif line:find("[%z\1-\8\11-\31\127]") then
    return "it holds a control character"
  elseif not url.is_utf8(line) then
    return "it is not UTF-8"
  end
end

local function at_line(number, message)
  return string.format("line %d: %s", number, message)
end

-- The tree grows by one line at a time.
---@class ical.Tree
---@field roots ical.Component[]
---@field stack ical.Component[]
local Tree = {}
Tree.__index = Tree

function Tree:open(name, number)
  local parent = self.stack[#self.stack]
  if #self.stack == MAX_DEPTH then
    return at_line(number, "it is nested too deeply")
  elseif not parent and name ~= "VCALENDAR" then
    return at_line(number, "BEGIN:VCALENDAR was expected")
  end
  local component = { name = name, line = number, properties = {}, components = {} }
  local siblings = parent and parent.components or self.roots
  siblings[#siblings + 1] = component
  self.stack[#self.stack + 1] = component
end

function Tree:close(name, number)
  local component = self.stack[#self.stack]
  if component.name ~= name then
    return at_line(number, string.format("END:%s was expected, for line %d", component.name,
      component.line))
  end
  self.stack[#self.stack] = nil
end

-- What is wrong with one line spoils its component, and nothing else.
function Tree:spoil(number, message)
  for _, component in ipairs(self.stack) do
    if component.name ~= "VCALENDAR" then
      component.problem = component.problem or at_line(number, message)
    end
  end
end

---@return string|nil message  the file cannot be read on
function Tree:add(line, number, too_long)
  local component = self.stack[#self.stack]
  local flaw = flaw_of(line, too_long)
  local property, message
  if not flaw then
    property, message = ical.read_line(line)
  end
  if not component and (not property or property.name ~= "BEGIN") then
    return at_line(number, "BEGIN:VCALENDAR was expected")
  elseif not property then
    self:spoil(number, flaw or message)
  elseif property.name == "BEGIN" or property.name == "END" then
    local name = property.value:match("^%s*([%w%-]+)%s*$")
    if not name then
      return at_line(number, property.name .. " needs the name of a component")
    elseif property.name == "BEGIN" then
      return self:open(name:upper(), number)
    end
    return self:close(name:upper(), number)
  else
    property.line = number
    local list = component.properties[property.name] or {}
    component.properties[property.name] = list
    list[#list + 1] = property
  end
end

-- The next line without its end, and where the one after it begins.
local function take_line(text, at)
  local ends = text:find("\n", at, true) or #text + 1
  local last = ends - 1
  if text:byte(last) == 13 then
    last = last - 1
  end
  return text:sub(at, math.min(last, at + MAX_LINE)), ends + 1
end

---@param text string  a whole file: CRLF or LF, with or without a byte order mark
---@param pause fun()|nil  called now and then, so that a long file keeps no other request waiting
---@return ical.Component[]|nil calendars
---@return string|nil message  the line, and what was wrong with it
function ical.parse(text, pause)
  local tree = setmetatable({ roots = {}, stack = {} }, Tree)
  local at = text:sub(1, 3) == "\239\187\191" and 4 or 1
  local number, rest_at = 0, AT_ONCE
  while at <= #text do
    local line, next_at = take_line(text, at)
    at, number = next_at, number + 1
    local starts, pieces, length = number, { line }, #line
    while number <= MAX_LINES and (text:byte(at) == 32 or text:byte(at) == 9) do
      line, at = take_line(text, at + 1)
      number = number + 1
      length = length + #line
      pieces[#pieces + 1] = length <= MAX_LINE and line or nil
    end
    if number > MAX_LINES then
      return nil, at_line(MAX_LINES + 1, "the file has too many lines")
    end
    if pause and number >= rest_at then
      rest_at = number + AT_ONCE
      pause()
    end
    line = #pieces > 1 and table.concat(pieces) or pieces[1]
    if line ~= "" then
      local message = tree:add(line, starts, length > MAX_LINE)
      if message then
        return nil, message
      end
    end
  end
  local open = tree.stack[#tree.stack]
  if open then
    return nil, at_line(number, string.format("the file ends inside of %s, which began in line %d",
      open.name, open.line))
  elseif #tree.roots == 0 then
    return nil, at_line(1, "BEGIN:VCALENDAR was expected")
  end
  return tree.roots
end

---@param component ical.Component
---@param name string
---@return ical.Property|nil  the first of that name
function ical.first(component, name)
  local list = component.properties[name]
  return list and list[1]
end

local UNESCAPED = { n = "\n", N = "\n" }

---@param value string  of type TEXT
---@return string
function ical.read_text(value)
  return (value:gsub("\\(.)", function(char) return UNESCAPED[char] or char end))
end

---@param value string  TEXT values with commas between them
---@param max integer     of them; the rest is not looked at
---@return string[]
function ical.read_list(value, max)
  local list, from, at = {}, 1, 1
  while true do
    local found = value:find("[\\,]", at)
    if not found or value:byte(found) == 44 then
      list[#list + 1] = ical.read_text(value:sub(from, (found or #value + 1) - 1))
      if not found or #list == max then
        return list
      end
      from, at = found + 1, found + 1
    else
      at = found + 2
    end
  end
end

---@class ical.Time
---@field year integer
---@field month integer
---@field day integer
---@field hour integer|nil  nil: a date alone
---@field min integer|nil
---@field sec integer|nil
---@field utc boolean|nil

---@param value string  of type DATE or DATE-TIME; whether there is such a day is not looked at
---@return ical.Time|nil
function ical.read_time(value)
  local year, month, day, rest = value:match("^%s*(%d%d%d%d)(%d%d)(%d%d)(%S*)%s*$")
  if not year then
    return nil
  end
  ---@type any
  local time = { year = tonumber(year), month = tonumber(month), day = tonumber(day), utc = false }
  if rest == "" then
    return time
  end
  local hour, min, sec, zulu = (rest --[[@as string]]):match("^T(%d%d)(%d%d)(%d%d)(Z?)$")
  if not hour then
    return nil
  end
  time.hour, time.min, time.utc = tonumber(hour), tonumber(min), zulu == "Z"
  time.sec = tonumber(sec)
  time.sec = time.sec == 60 and 59 or time.sec
  return time
end

local SECONDS = { W = 604800, D = 86400, H = 3600, M = 60, S = 1 }

---@param value string  of type DURATION
---@return integer|nil seconds
function ical.read_duration(value)
  ---@type any, any, any
  local sign, days, clock = value:match("^%s*([+-]?)P([%dWD]*)([T%dHMS]*)%s*$")
  if not sign or #value > 40 or days == "" and clock == "" then
    return nil
  end
  local total, rest = 0, days ---@type any, any
  for number, unit in days:gmatch("(%d+)([WD])") do
    total, rest = total + tonumber(number) * SECONDS[unit], rest:sub(#number + 2)
  end
  if rest ~= "" or clock ~= "" and not clock:find("^T%d") then
    return nil
  end
  rest = clock:sub(2)
  for number, unit in rest:gmatch("(%d+)([HMS])") do
    total, rest = total + tonumber(number) * SECONDS[unit], rest:sub(#number + 2)
  end
  if rest ~= "" or total > 1e10 then
    return nil
  end
  return sign == "-" and -total or total
end

---@param seconds integer
---@return string
function ical.duration(seconds)
  local sign = seconds < 0 and "-" or ""
  seconds = math.abs(seconds)
  local days, rest = math.floor(seconds / 86400), seconds % 86400
  local hour, min, sec = math.floor(rest / 3600), math.floor(rest / 60) % 60, rest % 60
  local clock = (hour > 0 and hour .. "H" or "") .. (min > 0 and min .. "M" or "")
    .. (sec > 0 and sec .. "S" or "")
  if clock == "" and days == 0 then
    clock = "0S"
  end
  return sign .. "P" .. (days > 0 and days .. "D" or "") .. (clock ~= "" and "T" .. clock or "")
end

---@param time ical.Time
---@return string
function ical.time(time)
  local date = string.format("%04d%02d%02d", time.year, time.month, time.day)
  if not time.hour then
    return date
  end
  return string.format("%sT%02d%02d%02d%s", date, time.hour, time.min, time.sec or 0,
    time.utc and "Z" or "")
end

local ESCAPED = { ["\\"] = "\\\\", [";"] = "\\;", [","] = "\\,", ["\n"] = "\\n" }

---@param value string
---@return string  of type TEXT
function ical.text(value)
  if not value:find("[\\;,%c]") then
    return value
  end
  value = value:gsub("\r\n?", "\n")
  return (value:gsub("[\\;,\n]", ESCAPED):gsub("[%z\1-\8\11-\31\127]", ""))
end

---@param name string
---@param value string
---@return string  ;NAME=value
function ical.param(name, value)
  value = value:gsub('["%c]', "")
  return ";" .. name .. "=" .. (value:find("[:;,]") and '"' .. value .. '"' or value)
end

---A content line with its end, folded so that no character is cut in two.
---@param line string
---@return string
function ical.fold(line)
  if #line <= FOLD then
    return line .. "\r\n"
  end
  local pieces, at, room = {}, 1, FOLD
  while #line - at + 1 > room do
    local next_at = at + room
    local back = next_at
    while back > at + 1 and back > next_at - 4 and line:byte(back) >= 0x80
      and line:byte(back) < 0xC0 do
      back = back - 1
    end
    pieces[#pieces + 1] = line:sub(at, back - 1)
    at, room = back, FOLD - 1
  end
  pieces[#pieces + 1] = line:sub(at)
  return table.concat(pieces, "\r\n ") .. "\r\n"
end

return ical

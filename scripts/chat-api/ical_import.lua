-- A VTODO as the input of a new task. What a task cannot hold is left out and said; what would make
-- it another task than was meant refuses it.
local calendar = require("host.calendar")
local ical = require("lib.ical")
local ical_rule = require("chat-api.ical_rule")
local ical_zone = require("chat-api.ical_zone")
local json = require("lib.json")
local text = require("host.text")
local time = require("host.time")

local ical_import = {}

local MAX_LISTED = 100 -- categories of one line that are looked at
local MAX_TITLE, MAX_DESCRIPTION, MAX_TAGS, MAX_TAG, MAX_OFFSET = 255, 2000, 20, 50, 525600

---@class ical_import.Context
---@field zone string                                 of times that name none
---@field zone_is_known boolean|nil                   the zone was said, not assumed
---@field definitions table<string, ical.Component>   VTIMEZONE by TZID

-- The first `max` characters of valid UTF-8.
local function cut(value, max)
  if #value <= max or text.length(value) <= max then
    return value, false
  end
  local at = 1
  for _ = 1, max - 1 do
    at = at + 1
    while (value:byte(at) or 0) >= 0x80 and value:byte(at) < 0xC0 do
      at = at + 1
    end
  end
  return value:sub(1, at - 1) .. "…", true
end

-- Linear where "^(.-)%s*$" is not: the blanks at the end are counted from behind.
local function strip(value)
  local first, last = value:find("%S"), #value
  if not first then
    return ""
  end
  while value:find("^%s", last) do
    last = last - 1
  end
  return value:sub(first, last)
end

---The title of a component, as one line that may be shown.
---@param component ical.Component
---@return string
function ical_import.title(component)
  local property = ical.first(component, "SUMMARY")
  local title = property and strip((ical.read_text(property.value):gsub("%c+", " "))) or ""
  return (cut(title, MAX_TITLE))
end

local function zone_of(property, context)
  local tzid = property.params.TZID
  if not tzid then
    return context.zone
  end
  local zone = ical_zone.resolve(tzid, context.definitions)
  if not zone then
    return nil, string.format("line %d: the time zone %s is not known", property.line,
      (cut(tzid, 64)))
  end
  return zone
end

---@class ical_import.Moment
---@field ms integer
---@field at table           local time in `zone`; without hour for a date
---@field zone string
---@field begin_ms integer   what an alarm counts from
---@field named string|nil   the zone, where the property or the context names it

local function read_moment(component, name, context)
  local property = ical.first(component, name)
  if not property then
    return nil
  end
  local at = ical.read_time(property.value)
  if not at then
    return nil, string.format("line %d: %s is not a date or time: %s", property.line, name,
      (cut(property.value, 40)))
  end
  local zone, message = zone_of(property, context)
  if not zone then
    return nil, message
  end
  local full = at.hour and at
    or { year = at.year, month = at.month, day = at.day, hour = 23, min = 59 }
  local ms, why = calendar.from_local(full, at.utc and "UTC" or zone)
  if not ms then
    return nil, string.format("line %d: %s: %s", property.line, name, why)
  end
  local moment = { ms = ms, zone = zone, is_date = not at.hour, begin_ms = ms,
    at = calendar.to_local(ms, at.utc and "UTC" or zone),
    named = not at.utc and (property.params.TZID or context.zone_is_known or not at.hour) and zone
      or nil }
  if not at.hour then
    moment.begin_ms = ms - (23 * 60 + 59) * 60000
  end
  return moment
end

-- When it is due; where only a start is told, then.
local function read_due(component, context)
  local due, why = read_moment(component, "DUE", context)
  if due or why then
    return due, why
  end
  local start
  start, why = read_moment(component, "DTSTART", context)
  local duration = ical.first(component, "DURATION")
  if not start or not duration then
    return start, why
  end
  local seconds = ical.read_duration(duration.value)
  if not seconds then
    return nil, string.format("line %d: DURATION is none", duration.line)
  end
  start.ms = start.ms + seconds * 1000
  start.begin_ms = start.begin_ms + seconds * 1000
  if start.ms < -62135596800000 or start.ms >= 253402300800000 then
    return nil, string.format("line %d: DURATION ends after the year 9999", duration.line)
  end
  start.at = calendar.to_local(start.ms, start.named or "UTC")
  return start
end

-- Minutes before the due date, of one alarm; nil where it has none.
local function offset_of(alarm, component, due, context)
  local trigger = ical.first(alarm, "TRIGGER")
  if not trigger then
    return nil
  end
  local at_ms
  if trigger.params.VALUE == "DATE-TIME" or ical.read_time(trigger.value) then
    local moment = read_moment(alarm, "TRIGGER", context)
    at_ms = moment and moment.ms
  else
    local seconds = ical.read_duration(trigger.value)
    local from_ms = due.begin_ms
    if (trigger.params.RELATED or "START"):upper() == "START" then
      local start = read_moment(component, "DTSTART", context)
      from_ms = start and start.begin_ms or from_ms
    end
    at_ms = seconds and from_ms + seconds * 1000
  end
  return at_ms and math.floor((due.ms - at_ms) / 60000)
end

-- The reminder of a task is one: the earliest of the alarms that it can hold. What comes at the
-- very moment comes a minute before, the least that there is.
local function read_reminder(component, due, context, left_out)
  local offset
  for _, alarm in ipairs(component.components) do
    local minutes = alarm.name == "VALARM" and not alarm.problem and due
      and offset_of(alarm, component, due, context)
    if minutes == 0 then
      minutes = 1
    end
    if minutes and minutes >= 1 and minutes <= MAX_OFFSET then
      offset = math.max(offset or 1, minutes)
    elseif alarm.name == "VALARM" then
      left_out[#left_out + 1] = "an alarm that is no reminder before the due date"
    end
  end
  return offset
end

local function read_tags(component, left_out)
  local tags, seen = json.list({}), {}
  for _, property in ipairs(component.properties.CATEGORIES or {}) do
    for _, item in ipairs(ical.read_list(property.value, MAX_LISTED)) do
      local tag, was_cut = cut(strip((item:gsub("%c+", " "))), MAX_TAG)
      local key = text.lower(tag)
      if tag ~= "" and not seen[key] then
        seen[key] = true
        tags[#tags + 1] = #tags < MAX_TAGS and tag or nil
        was_cut = was_cut and "a part of a category"
        if #tags == MAX_TAGS and tags[MAX_TAGS] ~= tag then
          was_cut = "categories beyond the twentieth"
        end
        left_out[#left_out + 1] = was_cut or nil
      end
    end
  end
  return tags
end

local function read_priority(component)
  local property = ical.first(component, "PRIORITY")
  local value = property and tonumber(property.value:match("^%s*(%d)%s*$"))
  if not value or value == 0 then
    return nil
  end
  return value < 5 and "high" or value == 5 and "medium" or "low"
end

local function value_of(component, name)
  local property = ical.first(component, name)
  return property and strip(property.value):upper()
end

local function read_status(component)
  local status = value_of(component, "STATUS")
  local percent = tonumber((value_of(component, "PERCENT-COMPLETE") or ""):match("^%d+$"))
  if status == "CANCELLED" then
    return nil, "it was cancelled"
  elseif status == "COMPLETED" or not status and (value_of(component, "COMPLETED")
    or percent == 100) then
    return "completed"
  elseif status == "IN-PROCESS" or not status and percent and percent > 0 then
    return "in_progress"
  end
  return "pending"
end

local function read_rule(component, due, input, left_out)
  local property = ical.first(component, "RRULE")
  local own = ical.first(component, "X-TODO-RECURRENCE")
  if property then
    input.recurrence_rule = ical_rule.from_rrule(property.value, due and due.at)
  elseif own then
    input.recurrence_rule = ical.read_text(own.value)
  end
  if #(component.properties.RRULE or {}) > 1 or component.properties.RDATE
    or component.properties.EXDATE then
    left_out[#left_out + 1] = "single dates of the recurrence"
  end
  if value_of(component, "X-TODO-REPEAT-FROM") == "COMPLETION" then
    input.repeat_from = "completion"
  end
end

local function read_texts(component, input, left_out)
  local summary = ical.first(component, "SUMMARY")
  input.title = ical_import.title(component)
  if #input.title < #(summary and summary.value or "") and input.title:sub(-3) == "…" then
    left_out[#left_out + 1] = "the end of the title"
  end
  local description = ical.first(component, "DESCRIPTION")
  if description then
    local body = ical.read_text(description.value):gsub("\r", "")
    local was_cut
    input.description, was_cut = cut(body, MAX_DESCRIPTION)
    left_out[#left_out + 1] = was_cut and "the end of the description" or nil
  end
end

---@param component ical.Component  a VTODO
---@param context ical_import.Context
---@return table|nil input     for tasks.import
---@return any why             why it is refused, or the list of what was left out
function ical_import.task(component, context)
  if component.problem then
    return nil, component.problem
  elseif component.properties["RECURRENCE-ID"] then
    return nil, "it changes one date of a recurring task"
  end
  local input, left_out = {}, {}
  read_texts(component, input, left_out)
  if input.title == "" then
    return nil, string.format("line %d: it has no SUMMARY", component.line)
  end
  local own = ical.first(component, "X-TODO-TIMEZONE")
  local own_zone = own and ical_zone.resolve(own.value, {})
  if own_zone then
    context = { zone = own_zone, zone_is_known = true, definitions = context.definitions }
  end
  local due, why = read_due(component, context)
  if why then
    return nil, why
  end
  input.status, why = read_status(component)
  if not input.status then
    return nil, why
  end
  input.timezone = own_zone or due and due.named
  input.due_date = due and time.format(due.ms)
  input.priority = read_priority(component)
  input.tags = read_tags(component, left_out)
  input.reminder_offset_minutes = read_reminder(component, due, context, left_out)
  read_rule(component, due, input, left_out)
  return input, left_out
end

---The UID of a component, or for one without: its text, so that the same is not taken twice.
---@param component ical.Component
---@return string
function ical_import.uid(component)
  local property = ical.first(component, "UID")
  if property and property.value ~= "" then
    return property.value
  end
  local parts = {}
  for _, name in ipairs({ "SUMMARY", "DUE", "DTSTART", "RRULE", "DESCRIPTION" }) do
    local found = ical.first(component, name)
    parts[#parts + 1] = name .. "=" .. (found and found.value or "")
  end
  return table.concat(parts, "\n")
end

return ical_import

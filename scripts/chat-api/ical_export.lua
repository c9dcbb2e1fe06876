-- Tasks as iCalendar: VEVENT, which every calendar shows, or VTODO, which task programs take.
--
-- A task that is due at 23:59 of its own zone is due that day: it is written as a date, and a date
-- that is imported becomes 23:59.
local calendar = require("host.calendar")
local ical = require("lib.ical")
local ical_rule = require("chat-api.ical_rule")
local ical_zone = require("chat-api.ical_zone")
local time = require("host.time")

local ical_export = {}

local PRODID = "-//Todo Chatbot//Tasks//EN"
local REFRESH = "PT15M"
local PRIORITY = { high = 1, medium = 5, low = 9 }
local STATUS = { pending = "NEEDS-ACTION", in_progress = "IN-PROCESS", completed = "COMPLETED" }

local AT_ONCE = 100 -- tasks between two pauses

-- "2026-11-24T04:26:30.123Z" without what iCalendar has not.
local function utc(ms)
  local text = time.format(ms)
  return text:sub(1, 4) .. text:sub(6, 7) .. text:sub(9, 13) .. text:sub(15, 16)
    .. text:sub(18, 19) .. "Z"
end

---@class ical_export.Due
---@field kind "date"|"zoned"|"utc"
---@field at table       local time
---@field params string
---@field value string

-- How the due date is written. A local time that comes twice, and is the second, has no form but
-- UTC.
local function due_of(task, now_ms, zones)
  local zone = task.timezone
  local at = calendar.to_local(task.due_date, zone or "UTC")
  if zone and at.hour == 23 and at.min == 59 and at.year >= 1 then
    local day = { year = at.year, month = at.month, day = at.day }
    return { kind = "date", at = at, params = ";VALUE=DATE", value = ical.time(day) }
  end
  if zone and zone ~= "UTC" and calendar.from_local(at, zone) ==
    math.floor(task.due_date / 1000) * 1000 then
    local definition, from_ms = ical_zone.definition(zone, now_ms)
    if task.due_date >= from_ms then
      zones[zone] = definition
      return { kind = "zoned", at = at, params = ical.param("TZID", zone), value = ical.time(at) }
    end
  end
  return { kind = "utc", at = calendar.to_local(task.due_date, "UTC"), params = "",
    value = utc(task.due_date) }
end

local Writer = {}
Writer.__index = Writer

function Writer:add(name, value, params)
  self.lines[#self.lines + 1] = ical.fold(name .. (params or "") .. ":" .. value)
end

local function add_texts(writer, task)
  writer:add("SUMMARY", ical.text(task.title))
  if task.description and task.description ~= "" then
    writer:add("DESCRIPTION", ical.text(task.description))
  end
  if task.tags[1] then
    local tags = {}
    for i, tag in ipairs(task.tags) do
      tags[i] = ical.text(tag)
    end
    writer:add("CATEGORIES", table.concat(tags, ","))
  end
end

local function add_head(writer, task)
  local updated = utc(task.updated_at)
  writer:add("UID", task.id)
  writer:add("DTSTAMP", updated)
  writer:add("CREATED", utc(task.created_at))
  writer:add("LAST-MODIFIED", updated)
  writer:add("SEQUENCE", string.format("%d", task.version))
end

local function add_event(writer, task)
  local due = due_of(task, writer.now_ms, writer.zones)
  writer:add("BEGIN", "VEVENT")
  add_head(writer, task)
  writer:add("DTSTART", due.value, due.params)
  local rule = ical_rule.of_task(task, due)
  if rule then
    writer:add("RRULE", rule)
  end
  add_texts(writer, task)
  writer:add("PRIORITY", PRIORITY[task.priority])
  writer:add("STATUS", "CONFIRMED")
  writer:add("TRANSP", "TRANSPARENT")
  writer:add("END", "VEVENT")
end

-- Of a date a reminder counts from its beginning, which is where RFC 5545 (3.8.6.3) puts it.
local function add_alarm(writer, task, due)
  local seconds = -task.reminder_offset_minutes * 60
  if due.kind == "date" then
    seconds = seconds + 23 * 3600 + 59 * 60
  end
  writer:add("BEGIN", "VALARM")
  writer:add("ACTION", "DISPLAY")
  writer:add("DESCRIPTION", ical.text(task.title))
  writer:add("TRIGGER", ical.duration(seconds --[[@as integer]]), ";RELATED=END")
  writer:add("END", "VALARM")
end

-- A rule without a date to count from, or one that counts from a completion, is no RRULE.
local function add_rule(writer, task, due)
  local rule = due and ical_rule.of_task(task, due)
  if rule then
    writer:add("DTSTART", due.value, due.params)
    writer:add("RRULE", rule)
  elseif task.recurrence_rule then
    writer:add("X-TODO-RECURRENCE", ical.text(task.recurrence_rule))
  end
  if task.repeat_from == "completion" then
    writer:add("X-TODO-REPEAT-FROM", "completion")
  end
end

local function add_todo(writer, task)
  local due = task.due_date and due_of(task, writer.now_ms, writer.zones)
  writer:add("BEGIN", "VTODO")
  add_head(writer, task)
  add_texts(writer, task)
  writer:add("PRIORITY", PRIORITY[task.priority])
  writer:add("STATUS", STATUS[task.status])
  if task.status == "completed" then
    writer:add("COMPLETED", utc(task.updated_at))
    writer:add("PERCENT-COMPLETE", "100")
  end
  if due then
    writer:add("DUE", due.value, due.params)
  end
  add_rule(writer, task, due)
  if task.timezone then
    writer:add("X-TODO-TIMEZONE", task.timezone)
  end
  if due and task.reminder_offset_minutes and task.status ~= "completed" then
    add_alarm(writer, task, due)
  end
  writer:add("END", "VTODO")
end

---@param tasks table[]  as task_fields.from_row gives them
---@param now_ms integer
---@param todo boolean  VTODO instead of VEVENT
---@param pause fun()|nil  called now and then, so that many tasks keep no other request waiting
---@return string
function ical_export.calendar(tasks, now_ms, todo, pause)
  local writer = setmetatable({ lines = {}, zones = {}, now_ms = now_ms }, Writer)
  local add = todo and add_todo or add_event
  for i, task in ipairs(tasks) do
    add(writer, task)
    if pause and i % AT_ONCE == 0 then
      pause()
    end
  end
  local head = setmetatable({ lines = {} }, Writer)
  head:add("BEGIN", "VCALENDAR")
  head:add("VERSION", "2.0")
  head:add("PRODID", PRODID)
  head:add("CALSCALE", "GREGORIAN")
  head:add("METHOD", "PUBLISH")
  head:add("NAME", "Tasks")
  head:add("X-WR-CALNAME", "Tasks")
  head:add("REFRESH-INTERVAL", REFRESH, ";VALUE=DURATION")
  head:add("X-PUBLISHED-TTL", REFRESH)
  local names = {}
  for name in pairs(writer.zones) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    names[i] = writer.zones[name]
  end
  return table.concat(head.lines) .. table.concat(names) .. table.concat(writer.lines)
    .. "END:VCALENDAR\r\n"
end

---What the text depends on beside the tasks: part of its ETag.
---@param now_ms integer
---@param todo boolean
---@return string
function ical_export.variant(now_ms, todo)
  return string.format("1 %s %s", todo and "todo" or "event", time.format(now_ms):sub(1, 4))
end

return ical_export

-- The description of the calendar's routes (lib/openapi.lua).
local openapi = require("lib.openapi")
local task_fields = require("chat-api.task_fields")

local calendar_docs = {}

local object, nullable = openapi.object, openapi.nullable

local FEED = object({
  { "url", nullable({ type = "string" }) },
  { "active", { type = "boolean", description = "There is a feed. Its url is null where it cannot "
    .. "be shown again." } },
  { "created_at", nullable({ type = "string", format = "date-time" }) },
})
local TOLD = { type = "array", items = object({ { "title", { type = { "string", "null" } } },
  { "reason", { type = "string" } } }) }
local FILE = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nBEGIN:VTODO\r\n"
  .. "UID:milk-1\r\nSUMMARY:Buy milk\r\nDUE:20301224T180000Z\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"

calendar_docs.schemas = { CalendarFeed = FEED }

calendar_docs.show = {
  id = "getCalendarFeed", tag = "Calendar", summary = "The feed's address",
  answers = { [200] = { description = "Where there is one.",
    schema = openapi.ref("CalendarFeed") } },
}

calendar_docs.create = {
  id = "createCalendarFeed", tag = "Calendar", summary = "Make a new address",
  description = "Whoever knows it reads the tasks. The one before ends.",
  answers = { [201] = { description = "The new address.", schema = openapi.ref("CalendarFeed") } },
}

calendar_docs.delete = {
  id = "deleteCalendarFeed", tag = "Calendar", summary = "End the address",
  answers = { [200] = { description = "It is gone, or there was none.",
    schema = object({ { "deleted", { type = "boolean", const = true } } }) } },
}

calendar_docs.read = {
  id = "readCalendarFeed", tag = "Calendar", summary = "Read the feed",
  description = "For calendar programs: the secret in the address stands for a token.",
  params = { name = { type = "string", pattern = "^[A-Za-z0-9_-]+[.]ics$",
    description = "The secret and .ics." } },
  query = { { name = "todo", schema = { type = "string", enum = { "0", "1" }, default = "0" },
    description = "1: tasks (VTODO) instead of events." } },
  headers = { { name = "If-None-Match", schema = { type = "string" } } },
  answers = {
    [200] = { description = "iCalendar (RFC 5545).", headers = { "ETag" },
      content = { ["text/calendar"] = { schema = { type = "string" }, example = FILE } } },
    [304] = { description = "Nothing has changed since If-None-Match.", headers = { "ETag" } },
  },
  problems = { 404, 429, 503 },
}

calendar_docs.import = {
  id = "importCalendar", tag = "Calendar", summary = "Take tasks from a file",
  description = "The VTODOs of an iCalendar file, at most 1 MiB. The same file again makes nothing "
    .. "twice.",
  query = { { name = "timezone", schema = task_fields.FIELDS.timezone,
    description = "Of times without a zone, where the file names none." } },
  bodies = { ["text/calendar"] = { schema = { type = "string", format = "icalendar" },
    example = FILE } },
  answers = { [200] = { description = "What became of the file's tasks.", schema = object({
    { "created", { type = "integer", minimum = 0 } },
    { "skipped", TOLD },
    { "adjusted", TOLD },
  }) } },
}

return calendar_docs

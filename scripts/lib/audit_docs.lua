-- Schemas of the audit log, which two services give: audit-service, and chat-api for one task.
local openapi = require("lib.openapi")

local MOMENT = { type = "string", format = "date-time" }
local UUID = { type = "string", format = "uuid" }

local audit_docs = {}

audit_docs.AuditEntry = openapi.object({
  { "event_id", UUID },
  { "event_type", { type = "string", examples = { "task.updated" } } },
  { "user_id", { type = "string" } },
  { "task_id", UUID },
  { "version", { type = "integer", minimum = 1 } },
  { "timestamp", MOMENT },
  { "source", { type = "string" } },
  { "payload", { type = "object", description = "The task as it was then, where it is kept." } },
  { "changes", { type = { "object", "null" }, additionalProperties = openapi.object({
    { "before", {} }, { "after", {} } }), description = "By field, what it was and what it is." } },
})
audit_docs.AuditLog = openapi.object({
  { "entries", { type = "array", items = openapi.ref("AuditEntry") } },
  { "total", { type = "integer", minimum = 0, description = "On all pages." } },
  { "next_cursor", { type = "string", description = "Where there is a next page." },
    required = false },
})

return audit_docs

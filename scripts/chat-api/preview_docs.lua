-- The description of POST /api/tasks/preview (lib/openapi.lua).
local openapi = require("lib.openapi")
local task_fields = require("chat-api.task_fields")

local preview_docs = {}

local object, ref = openapi.object, openapi.ref

preview_docs.MAX_TEXT = 1000

local LINE = object({
  { "text", { type = "string", minLength = 1, maxLength = preview_docs.MAX_TEXT,
    pattern = "[^ \\t-\\r]", description = "Not blank.",
    examples = { "Meeting with Sarah next wed 3pm #work p1 +30m" } } },
  { "timezone", openapi.nullable(task_fields.FIELDS.timezone), required = false },
})
local PLACE = { type = "integer", minimum = 0 }
local PART = object({
  { "kind", { type = "string", enum = { "due", "priority", "tag", "recurrence", "reminder" } } },
  { "start", PLACE },
  { "end", PLACE },
  { "text", { type = "string" } },
  { "label", { type = "string", examples = { "Wed, 2 Dec, 15:00" } } },
}, { description = "A phrase that was understood: from `start` up to before `end`, in UTF-16 code "
  .. "units of the text." })
local PREVIEW = object({
  { "task", { anyOf = { { type = "object" }, { type = "null" } },
    description = "What POST /api/tasks would take, with remind_at beside it; null where no title "
      .. "is left." } },
  { "parts", { type = "array", items = ref("PreviewPart") } },
})

preview_docs.schemas = { PreviewRequest = LINE, PreviewPart = PART, Preview = PREVIEW }

preview_docs.post = {
  id = "previewTask", tag = "Tasks", summary = "Understand a line",
  description = "The task that a line would make, and what its parts mean. It changes nothing.",
  body = { schema = ref("PreviewRequest"),
    example = { text = "Meeting with Sarah next wed 3pm #work p1 +30m",
      timezone = "Europe/Berlin" } },
  answers = { [200] = { description = "What was understood.", schema = ref("Preview") } },
}

return preview_docs

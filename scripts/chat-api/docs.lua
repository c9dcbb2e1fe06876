-- The description of chat-api's routes and of what they take and give (lib/openapi.lua). What a
-- client may send comes from where it is checked: task_fields and task_query.
local audit_docs = require("lib.audit_docs")
local calendar_docs = require("chat-api.calendar_docs")
local json = require("lib.json")
local mcp_docs = require("chat-api.mcp_docs")
local openapi = require("lib.openapi")
local params = require("lib.params")
local preview_docs = require("chat-api.preview_docs")
local task_fields = require("chat-api.task_fields")
local task_query = require("chat-api.task_query")

local docs = {}

local object, nullable, ref = openapi.object, openapi.nullable, openapi.ref
local FIELDS = task_fields.FIELDS

local UUID = { type = "string", format = "uuid" }
local MOMENT = { type = "string", format = "date-time", examples = { "2030-12-24T17:30:00.000Z" } }
local ID = { id = UUID }
local USER = { user_id = { type = "string", description = "The token's `sub`." } }

local IF_MATCH = { name = "If-Match", description = "The ETag of the version that was seen, or "
  .. "several: any other version is answered by 412. `*` is any. A weak tag (W/) never matches.",
  schema = { type = "string", pattern = '^(W/)?"[0-9]{1,9}"( *, *(W/)?"[0-9]{1,9}")*$|^[*]$',
    examples = { '"1"' } } }
local IF_NONE_MATCH = { name = "If-None-Match", description = "An ETag that is known already, or "
  .. "several; `*` is any.", schema = { type = "string", examples = { '"1"' } } }
local IDEMPOTENCY_KEY = { name = "Idempotency-Key", description = "Whoever sends the same request "
  .. "with the same key again gets the first answer.",
  schema = { type = "string", minLength = 1, maxLength = 255, pattern = "^[!-~]([ -~]*[!-~])?$" } }

-- Any answer: what a field of it may be is what may be sent, null where it can be cleared.
local function shown(name)
  local schema = {}
  for key, value in pairs(FIELDS[name]) do
    schema[key] = key ~= "default" and value or nil
  end
  return task_fields.CLEARABLE[name] and nullable(schema) or schema
end

local TASK = object({
  { "id", UUID },
  { "title", shown("title") },
  { "description", shown("description") },
  { "status", shown("status") },
  { "priority", shown("priority") },
  { "due_date", shown("due_date") },
  { "user_id", { type = "string" } },
  { "created_at", MOMENT },
  { "updated_at", MOMENT },
  { "tags", shown("tags") },
  { "reminder_offset_minutes", shown("reminder_offset_minutes") },
  { "remind_at", nullable(MOMENT) },
  { "is_recurring", { type = "boolean" } },
  { "recurrence_rule", shown("recurrence_rule") },
  { "parent_task_id", nullable(UUID) },
  { "timezone", shown("timezone") },
  { "repeat_from", shown("repeat_from") },
  { "version", { type = "integer", minimum = 1 } },
}, { description = "A task. All keys are always there." })

local function input(needs_title, more)
  local properties = {}
  for i, name in ipairs(task_fields.ORDER) do
    local is_title = name == "title"
    properties[i] = { name, is_title and FIELDS.title or nullable(FIELDS[name]),
      required = is_title and needs_title }
  end
  return object(properties, more)
end

local NEW_TASK = input(true, {
  description = "A new task. A key that is not known is passed over; null is the same as nothing.",
  anyOf = { -- a reminder needs a due date
    { properties = { reminder_offset_minutes = { type = "null" } } },
    { properties = { due_date = FIELDS.due_date }, required = { "due_date" } },
  },
})
local CHANGE = input(false, {
  description = "What is to be changed. What is not named stays; null clears, or brings the "
    .. "default back.",
})

local COMPLETION = object({
  { "completed_task", ref("Task") },
  { "next_task", { anyOf = { ref("Task"), { type = "null" } },
    description = "The next occurrence, where there is one and it came within half a second." } },
})
local DELETED = object({ { "deleted", { type = "boolean", const = true } }, { "id", UUID } })

local TOOL_CALL = object({
  { "tool_name", { type = "string", examples = { "add_task" } } },
  { "success", { type = "boolean" } },
  { "result", {}, required = false },
  { "error", { type = { "string", "null" } }, required = false },
})
local CHAT_REPLY = object({
  { "message", { type = "string" } },
  { "tools_invoked", { type = "array", items = ref("ToolCall") } },
  { "conversation_id", UUID },
})
local MESSAGE = object({
  { "id", { type = "integer", minimum = 1 } },
  { "conversation_id", UUID },
  { "role", { type = "string", enum = { "user", "assistant" } } },
  { "content", { type = "string" } },
  { "tools_invoked", { type = "array", items = ref("ToolCall") } },
  { "created_at", MOMENT },
})

docs.MAX_MESSAGE = 4000
docs.CHAT_REQUEST = object({
  { "message", { type = "string", minLength = 1, maxLength = docs.MAX_MESSAGE,
    pattern = "[^ \\t-\\r]", description = "Not blank.",
    examples = { "Add buy milk tomorrow at 9am #home high priority" } } },
  { "stream", { type = { "boolean", "null" }, default = false,
    description = "true: the answer comes as server-sent events." }, required = false },
  { "timezone", nullable(FIELDS.timezone), required = false },
  { "conversation_id", { type = { "string", "null" },
    description = "Otherwise the newest conversation goes on." }, required = false },
})

local function stream(description, example)
  return { ["text/event-stream"] = { schema = object({ { "data", { type = "string",
    description = description } } }, { description = "One event of the stream." }),
    example = example } }
end

docs.about = {
  title = "Todo Chatbot",
  description = "Tasks, and a chat that understands them. Errors are problem JSON (RFC 9457): "
    .. "`detail` is one plain sentence. Times are RFC 3339 in UTC, ids are UUIDs. Another user's "
    .. "task is not found.",
  tags = {
    { name = "Tasks", description = "The list, and every change of a task." },
    { name = "Chat", description = "The same in words." },
    { name = "Live", description = "What happens, as it happens." },
    { name = "Calendar", description = "Tasks in a calendar program, and tasks from a file." },
    { name = "Programs", description = "Tools for assistants and editors." },
  },
  schemas = { Task = TASK, NewTask = NEW_TASK, TaskChange = CHANGE, Completion = COMPLETION,
    Deleted = DELETED, AuditEntry = audit_docs.AuditEntry, AuditLog = audit_docs.AuditLog,
    ToolCall = TOOL_CALL, ChatRequest = docs.CHAT_REQUEST, ChatReply = CHAT_REPLY,
    ChatMessage = MESSAGE },
}

for _, part in ipairs({ calendar_docs, mcp_docs, preview_docs }) do
  for name, schema in pairs(part.schemas) do
    docs.about.schemas[name] = schema
  end
end

local function link(operation, description)
  return { operationId = operation, parameters = { id = "$response.body#/id" },
    description = description }
end

docs.list_tasks = {
  id = "listTasks", tag = "Tasks", summary = "List tasks",
  description = "A page of the tasks that match all that is said.",
  query = task_query.PARAMETERS,
  answers = { [200] = { description = "The tasks, a plain list.",
    schema = { type = "array", items = ref("Task") }, headers = { "X-Total-Count", "Link" } } },
}

docs.create_task = {
  id = "createTask", tag = "Tasks", summary = "Create a task",
  headers = { IDEMPOTENCY_KEY },
  body = { schema = ref("NewTask"), example = { title = "Buy milk", priority = "high",
    due_date = "2030-12-24T18:00:00Z", tags = { "home" }, reminder_offset_minutes = 30 } },
  answers = { [201] = { description = "The task as it is now.", schema = ref("Task"),
    headers = { "ETag", "Location" }, links = {
      get = link("getTask"), update = link("updateTask"), complete = link("completeTask"),
      history = link("getTaskHistory"), delete = link("deleteTask"),
      restore = link("restoreTask") } } },
  problems = { 409 },
}

docs.get_task = {
  id = "getTask", tag = "Tasks", summary = "Read a task", params = ID,
  headers = { IF_NONE_MATCH },
  answers = { [200] = { description = "The task.", schema = ref("Task"), headers = { "ETag" } },
    [304] = { description = "It is still the version of If-None-Match.", headers = { "ETag" } } },
  problems = { 404 },
}

docs.update_task = {
  id = "updateTask", tag = "Tasks", summary = "Change a task", params = ID,
  description = "A change of the fields that are named. Setting the status to completed is a "
    .. "completion: a task that recurs gets its next occurrence.",
  headers = { IF_MATCH },
  body = { schema = ref("TaskChange"), example = { priority = "low", due_date = json.null } },
  answers = { [200] = { description = "The task as it is now.", schema = ref("Task"),
    headers = { "ETag" } } },
  problems = { 404, 412 },
}

docs.delete_task = {
  id = "deleteTask", tag = "Tasks", summary = "Delete a task", params = ID,
  headers = { IF_MATCH },
  answers = { [200] = { description = "It is gone.", schema = ref("Deleted") } },
  problems = { 404, 412 },
}

docs.restore_task = {
  id = "restoreTask", tag = "Tasks", summary = "Bring a deleted task back", params = ID,
  description = "As it was, under its id, for 30 days. A task that is there stays as it is.",
  body = { schema = { type = "object" } },
  answers = { [200] = { description = "The task as it is now.", schema = ref("Task"),
    headers = { "ETag" } } },
  problems = { 404 },
}

docs.complete_task = {
  id = "completeTask", tag = "Tasks", summary = "Complete a task", params = ID,
  description = "Completing twice changes nothing.",
  headers = { IF_MATCH },
  body = { schema = { type = "object" } },
  answers = { [200] = { description = "The task, and its next occurrence.",
    schema = ref("Completion") } },
  problems = { 404, 412 },
}

docs.history = {
  id = "getTaskHistory", tag = "Tasks", summary = "What happened to a task", params = ID,
  description = "Also of one that was deleted. Read from audit-service: what has just happened may "
    .. "not be there yet.",
  query = { params.limit(1000, 1000),
    { name = "cursor", schema = { type = "string", format = "cursor" },
      description = "next_cursor of the page before." } },
  answers = { [200] = { description = "Its entries, oldest first.", schema = ref("AuditLog") } },
  problems = { 404 },
}

docs.events = {
  id = "streamEvents", tag = "Live", summary = "Follow changes",
  description = "Server-sent events that do not end: each has an `id` and, as `data`, an event of "
    .. "task-updates. An event named `reset` says that something was missed: read the tasks anew.",
  query = { { name = "last_event_id", schema = { type = "string" },
    description = "For clients that cannot set Last-Event-ID." } },
  headers = { { name = "Last-Event-ID", schema = { type = "string" },
    description = "Goes on behind this event." } },
  answers = { [200] = { description = "The stream.",
    content = stream("JSON: the event.",
      "retry: 1000\n: connected\n\nid: 5f0e…\ndata: {\"event_type\":\"task.sync\",…}\n\n") } },
}

docs.chat = {
  id = "chat", tag = "Chat", summary = "Say something", params = USER,
  description = "With `stream` the answer is a stream of `data:` lines, each "
    .. "`{\"type\": \"tool_invocation\" | \"content\" | \"done\", \"data\": …}`, ended by "
    .. "`data: [DONE]`, as things are done: the data of a `content` is a piece of the message, "
    .. "that of `done` the whole reply.",
  body = { schema = ref("ChatRequest"),
    example = { message = "Add buy milk tomorrow at 9am #home high priority" } },
  answers = { [200] = { description = "What was done, in words and as calls.",
    content = stream("JSON with type and data, or [DONE].",
      "data: {\"type\":\"content\",\"data\":\"Added.\"}\n\ndata: [DONE]\n\n") } },
  problems = { 403, 404 },
}

docs.chat.answers[200].content["application/json"] = { schema = ref("ChatReply") }

docs.chat_history = {
  id = "getChatHistory", tag = "Chat", summary = "What was said", params = USER,
  query = { params.limit(100, 1000), { name = "before", description = "Messages before this id.",
    schema = { type = "integer", minimum = 0, maximum = 999999999999999 } } },
  answers = { [200] = { description = "The newest messages, oldest first.",
    schema = { type = "array", items = ref("ChatMessage") } } },
  problems = { 403 },
}

return docs

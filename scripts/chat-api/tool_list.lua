-- The tools that a model or another program has for a user's tasks, as data: what each is for,
-- what it takes and what it gives (JSON Schema 2020-12). Models read the descriptions. toolbox.lua
-- runs the tools. The limits of a task's fields are those of task_fields.
local json = require("lib.json")
local task_fields = require("chat-api.task_fields")

local MAX_LISTED = 100

---@class tool_list.Tool
---@field name string
---@field title string              for people
---@field description string        for models
---@field input_schema table
---@field output_schema table
---@field reads_only boolean        it changes nothing
---@field destructive boolean       what it takes away does not come back by itself
---@field idempotent boolean        doing it again with the same arguments changes nothing more

local TIMES = "Either a local time without offset, 2026-12-02T15:00, which is in the user's"
  .. " timezone, or RFC 3339 with an offset, 2026-12-02T15:00:00+01:00."

local function object(properties, required)
  return { type = "object", properties = properties, required = required,
    additionalProperties = false }
end

local function described(schema, description)
  local with = { description = description }
  for name, value in pairs(schema) do
    with[name] = value
  end
  return with
end

-- null clears.
local function clearable(schema)
  local with = described(schema, schema.description .. " null removes it.")
  with.type = { schema.type, "null" }
  return with
end

local FIELDS = task_fields.FIELDS
local STATUSES, PRIORITIES = FIELDS.status.enum, FIELDS.priority.enum

local TASK_ID = { type = "string", minLength = 1, maxLength = 100,
  description = "The task's id, as the other tools give it." }
local TITLE = { type = "string", minLength = FIELDS.title.minLength,
  maxLength = FIELDS.title.maxLength,
  description = "What is to be done, in a few words." }
local DESCRIPTION = { type = "string", maxLength = FIELDS.description.maxLength,
  description = "Notes, as plain text." }
local DUE_DATE = { type = "string", minLength = 1, maxLength = 40,
  description = "When it is due. " .. TIMES .. " A day alone, 2026-12-02, means 09:00." }
local PRIORITY = { type = "string", enum = PRIORITIES }
local TAGS = { type = "array", maxItems = FIELDS.tags.maxItems, items = { type = "string",
  minLength = FIELDS.tags.items.minLength, maxLength = FIELDS.tags.items["x-max"] },
  description = "Words to group tasks by; they are stored in lower case." }
local RULE = { type = "string", minLength = 1, maxLength = 512, description = "How it repeats:"
  .. " DAILY, WEEKLY, MONTHLY, YEARLY, INTERVAL:N (every N days) or an RFC 5545 RRULE such as"
  .. " FREQ=WEEKLY;INTERVAL=2;BYDAY=FR. The next task is made when this one is completed." }
local OFFSET = { type = "integer", minimum = FIELDS.reminder_offset_minutes.minimum,
  maximum = FIELDS.reminder_offset_minutes.maximum,
  description = "Minutes before due_date at which the user is reminded." }
local TIMEZONE = { type = "string", minLength = 1, maxLength = FIELDS.timezone.maxLength,
  description = "IANA name of the timezone in which local times of this call are meant and in"
  .. " which the task repeats; the user's own when left out." }
local REPEAT_FROM = { type = "string", enum = FIELDS.repeat_from.enum, description =
  "What the next date of a repeating task counts from; due_date when left out." }
local CURSOR = { type = "string", minLength = 1, maxLength = 2000,
  description = "next_cursor of the page before; all other arguments stay the same." }

local function limit(default)
  return { type = "integer", minimum = 1, maximum = MAX_LISTED, default = default,
    description = "At most so many tasks; the rest is behind next_cursor." }
end

local function nullable(name, more)
  local schema = { type = { name, "null" } }
  for key, value in pairs(more or {}) do
    schema[key] = value
  end
  return schema
end

local MOMENT = { format = "date-time" }
local INSTANT = { type = "string", format = "date-time" }

local TASK_PROPERTIES = {
  id = { type = "string", format = "uuid" },
  title = { type = "string" },
  description = nullable("string"),
  status = { type = "string", enum = STATUSES },
  priority = PRIORITY,
  due_date = nullable("string", MOMENT),
  user_id = { type = "string" },
  created_at = INSTANT,
  updated_at = INSTANT,
  tags = { type = "array", items = { type = "string" } },
  reminder_offset_minutes = nullable("integer"),
  remind_at = nullable("string", MOMENT),
  is_recurring = { type = "boolean" },
  recurrence_rule = nullable("string"),
  parent_task_id = nullable("string"),
  timezone = nullable("string"),
  repeat_from = { type = "string", enum = FIELDS.repeat_from.enum },
  version = { type = "integer" },
}

local function all_names(properties)
  local names = {}
  for name in pairs(properties) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local TASK = { type = "object", properties = TASK_PROPERTIES,
  required = all_names(TASK_PROPERTIES) }
local TASK_OR_NULL = { type = { "object", "null" }, properties = TASK_PROPERTIES,
  required = TASK.required }
local PAGE = { type = "object", required = { "tasks", "total", "next_cursor" }, properties = {
  tasks = { type = "array", items = TASK },
  total = { type = "integer", description = "Of all tasks that match, on every page." },
  next_cursor = nullable("string"),
} }

local function reads(tool)
  tool.reads_only, tool.destructive, tool.idempotent = true, false, true
  return tool
end

local function writes(tool)
  tool.reads_only = false
  return tool
end

local tool_list = {}

---@type tool_list.Tool[]
tool_list.tools = json.list({
  writes({
    name = "add_task", title = "Add a task", destructive = false, idempotent = false,
    description = "Adds one task and gives it back. Only the title is needed; leave out what the"
      .. " user did not say. A reminder needs a due date.",
    input_schema = object({
      title = TITLE, description = DESCRIPTION, due_date = DUE_DATE,
      priority = described(PRIORITY, "medium when left out."), tags = TAGS,
      recurrence_rule = RULE, reminder_offset_minutes = OFFSET, timezone = TIMEZONE,
      repeat_from = REPEAT_FROM,
    }, { "title" }),
    output_schema = TASK,
  }),
  reads({
    name = "list_tasks", title = "List tasks",
    description = "Lists tasks by what they are: status, priority, tags, due date. Without"
      .. " arguments all that are not completed, by due date, those without one last. To look for"
      .. " words use search_tasks. Times in answers are UTC.",
    input_schema = object({
      status = { type = "string", enum = { "active", "pending", "in_progress", "completed", "all" },
        default = "active", description = "active: pending or in_progress." },
      priority = PRIORITY,
      tags = described(TAGS, "Only tasks that have all of these tags."),
      due_before = { type = "string", minLength = 1, maxLength = 40, description =
        "Only tasks due before this moment. " .. TIMES .. " A day alone means its start." },
      due_after = { type = "string", minLength = 1, maxLength = 40, description =
        "Only tasks due at this moment or later. The same forms as due_before." },
      overdue = { type = "boolean", description = "true: only tasks that are open and late." },
      has_due_date = { type = "boolean" },
      is_recurring = { type = "boolean", description = "true: only tasks that repeat." },
      sort = { type = "string", enum = { "due_date", "created_at", "priority", "title" },
        default = "due_date" },
      order = { type = "string", enum = { "asc", "desc" }, default = "asc" },
      limit = limit(50), cursor = CURSOR,
    }),
    output_schema = PAGE,
  }),
  reads({
    name = "search_tasks", title = "Search tasks",
    description = "Finds tasks whose title or description contains a text, upper or lower case,"
      .. " the newest first. Use it to find the id of a task that the user names.",
    input_schema = object({
      query = { type = "string", minLength = 1, maxLength = 200, description =
        "The text to look for; a short, distinctive part of it finds more." },
      status = { type = "string", enum = { "active", "pending", "in_progress", "completed", "all" },
        default = "all", description = "active: pending or in_progress." },
      limit = limit(20), cursor = CURSOR,
    }, { "query" }),
    output_schema = PAGE,
  }),
  reads({
    name = "get_task", title = "Read a task",
    description = "Gives one task with all its fields.",
    input_schema = object({ task_id = TASK_ID }, { "task_id" }),
    output_schema = TASK,
  }),
  writes({
    name = "update_task", title = "Change a task", destructive = true, idempotent = true,
    description = "Changes the fields that are given and leaves all others. To complete a task use"
      .. " complete_task; for its reminder set_reminder.",
    input_schema = object({
      task_id = TASK_ID, title = TITLE, description = clearable(DESCRIPTION),
      due_date = clearable(DUE_DATE), priority = PRIORITY,
      tags = described(TAGS, "All tags the task is to have; they take the place of the old ones."),
      status = { type = "string", enum = STATUSES }, recurrence_rule = clearable(RULE),
      reminder_offset_minutes = clearable(OFFSET), timezone = clearable(TIMEZONE),
      repeat_from = REPEAT_FROM,
    }, { "task_id" }),
    output_schema = TASK,
  }),
  writes({
    name = "complete_task", title = "Complete a task", destructive = false, idempotent = true,
    description = "Marks a task as done. Of a task that repeats the next one is made and given as"
      .. " next_task, if it is there within half a second.",
    input_schema = object({ task_id = TASK_ID }, { "task_id" }),
    output_schema = { type = "object", required = { "completed_task", "next_task" },
      properties = { completed_task = TASK, next_task = TASK_OR_NULL } },
  }),
  writes({
    name = "delete_task", title = "Delete a task", destructive = true, idempotent = true,
    description = "Deletes a task. Ask the user first unless they named this very task; what is"
      .. " done is completed, not deleted.",
    input_schema = object({ task_id = TASK_ID }, { "task_id" }),
    output_schema = { type = "object", required = { "deleted", "id" },
      properties = { deleted = { type = "boolean" }, id = { type = "string" } } },
  }),
  writes({
    name = "set_reminder", title = "Set a reminder", destructive = false, idempotent = true,
    description = "Sets, moves or removes the one reminder of a task. Give exactly one of"
      .. " remind_at and minutes_before; null removes the reminder. A task without a due date gets"
      .. " one a minute after remind_at.",
    input_schema = object({
      task_id = TASK_ID,
      remind_at = { type = { "string", "null" }, minLength = 1, maxLength = 40, description =
        "When to remind, at least a minute before the task is due. " .. TIMES
        .. " A day alone, 2026-12-02, means 09:00." },
      minutes_before = { type = { "integer", "null" }, minimum = 1, maximum = 525600,
        description = "How long before the due date to remind." },
    }, { "task_id" }),
    output_schema = TASK,
  }),
  reads({
    name = "list_reminders", title = "List reminders",
    description = "Lists open tasks whose reminder is still to come, the next first; remind_at of"
      .. " each says when. Times in answers are UTC.",
    input_schema = object({
      after = { type = "string", minLength = 1, maxLength = 40, description =
        "Only reminders at this moment or later; now when left out. " .. TIMES
        .. " A day alone means its start." },
      before = { type = "string", minLength = 1, maxLength = 40, description =
        "Only reminders before this moment. The same forms as after." },
      limit = { type = "integer", minimum = 1, maximum = MAX_LISTED, default = 50,
        description = "At most so many tasks; total says how many there are." },
    }),
    output_schema = { type = "object", required = { "tasks", "total" }, properties = {
      tasks = { type = "array", items = TASK }, total = { type = "integer" } } },
  }),
})

---Of programs that keep no conversation (mcp_undo runs it); the chat has an undo of its own.
---@type tool_list.Tool
tool_list.undo = writes({
  name = "undo", title = "Undo the last change", destructive = true, idempotent = false,
  description = "Takes back the last change that was made through these tools: a task that was"
    .. " added goes, one that was deleted comes back as it was, one that was changed or completed"
    .. " is as before. Call it again for the change before. Tell the user what message says.",
  input_schema = object({}),
  output_schema = { type = "object", required = { "message", "change", "title", "task" },
    properties = {
      message = { type = "string", description = "What was taken back, in words." },
      change = { type = "string", enum = { "added", "changed", "deleted" },
        description = "What had been done to the task." },
      title = { type = "string", description = "Of the task, as it was before the change." },
      task = TASK_OR_NULL,
    } },
})

return tool_list

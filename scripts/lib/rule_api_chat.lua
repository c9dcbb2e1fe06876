-- The chat's part of rule_api.lua. Without its rules the chat understands nothing and says so, and
-- what was done is told in bare words.
local shape = require("lib.shape")

local rule_api_chat = {}

local boolean, integer, list = shape.boolean, shape.integer, shape.list
local either, literal, one_of = shape.either, shape.literal, shape.one_of
local optional, record, string = shape.optional, shape.record, shape.string

local CLEAR = "\127"
local MAX_ANSWER = 256 * 1024
local LONG = 1000 -- bytes, from which on a message may take too long to understand
local TOO_LONG = "That is more than I can take in at once; please say it in shorter messages. "
  .. "Nothing was changed."
local NOW = { year = 2026, month = 11, day = 24, hour = 10, min = 0, sec = 0, wday = 2, offset = 0 }
local AT_A_LOSS = "I cannot understand anything at the moment. Nothing was changed."

local text = string()
local line = string({ min = 1, max = 16384 })
local clear = literal(CLEAR)
local priority = one_of("low", "medium", "high")
local status = one_of("pending", "in_progress", "completed")

local DAY = { year = integer(1, 9999), month = integer(1, 12), day = integer(1, 31),
  hour = optional(integer(0, 23)), min = optional(integer(0, 59)), sec = optional(integer(0, 60)),
  time_only = optional(boolean()), wday = optional(integer(1, 7)), offset = optional(integer()) }
local day = record(DAY)
local tags = list(text, 100)

local filter = record({ search = optional(text), priority = optional(priority),
  status = optional(one_of("pending", "in_progress", "completed", "active", "all")),
  tags = optional(tags), due_before = optional(day), due_after = optional(day),
  overdue = optional(boolean()), has_due_date = optional(boolean()),
  is_recurring = optional(boolean()), has_reminder = optional(boolean()),
    count = optional(boolean()),
  topic = optional(text), limit = optional(integer(1, 9999)),
  sort = optional(one_of("created_at", "due_date", "priority", "title")),
  order = optional(one_of("asc", "desc")) })

-- Which tasks are meant.
local match = either(
  record({ words = text, text = optional(text) }),
  record({ number = integer(0, 9999), text = text }),
  record({ numbers = list(integer(0, 9999), 100), text = text }),
  record({ last = literal(true) }),
  record({ all = literal(true), filter = filter }))

local changes = record({ title = optional(text), priority = optional(priority),
  status = optional(status), description = optional(text), note = optional(text),
    recurrence_rule = optional(text),
  reminder_offset_minutes = optional(either(integer(), clear)), due = optional(either(day, clear)),
  due_shift = optional(record({ count = shape.number(-1e6, 1e6), unit = one_of("second", "minute",
    "hour", "day", "week", "month", "year") })),
  remind = optional(boolean()), remind_at = optional(day), tags = optional(either(tags, clear)),
  tags_add = optional(tags), tags_remove = optional(tags) })

local NEW_TASK = { title = line, description = optional(text), priority = optional(priority),
  tags = optional(tags), recurrence_rule = optional(text), due = optional(day),
  remind_at = optional(either(day, literal(true))), reminder_offset_minutes = optional(integer()) }

local function with(fields, name, value)
  local more = { [name] = value }
  for key, field in pairs(fields) do
    more[key] = more[key] or field
  end
  return more
end

local ARGS = {
  add_task = record(NEW_TASK),
  list_tasks = filter,
  complete_task = record({ match = match }),
  delete_task = record({ match = match }),
  update_task = record({ match = match, changes = changes }),
  get_task = record({ match = match, field = optional(text) }),
  help = record({}),
  talk = record({ kind = text }),
  undo = record({}),
  answer_yes = record({}),
  answer_no = record({}),
  pick = either(record({ number = integer(0, 9999) }), record({ all = literal(true) }),
    record({ words = text })),
}

-- A call of one of the tools, with more fields.
local function call_of(names, more)
  local choices = {}
  for _, name in ipairs(names) do
    local fields = { tool = literal(name), args = ARGS[name] }
    for key, field in pairs(more) do
      fields[key] = field
    end
    choices[#choices + 1] = record(fields)
  end
  return either(unpack(choices))
end

local TOOLS = { "add_task", "list_tasks", "complete_task", "delete_task", "update_task" }
local simple = call_of(TOOLS, {})
local call = call_of({ "add_task", "list_tasks", "complete_task", "delete_task", "update_task",
  "get_task", "help", "talk", "undo", "answer_yes", "answer_no", "pick" },
  { otherwise = optional(simple) })

local question = either(
  record({ kind = literal("unclear"), text = line }),
  record({ kind = literal("title"), text = line,
    args = record(with(NEW_TASK, "title", optional(line))) }),
  record({ kind = literal("repeat"), text = line, args = record(NEW_TASK) }),
  record({ kind = literal("confirm"), text = line, calls = list(simple, 20) }))

local context = record({ now = day, last_task = optional(boolean()),
  last_call = optional(record({ tool = text, changes = optional(shape.table()) })),
  pending = optional(record({ kind = text, args = optional(shape.table()) })) })

rule_api_chat.understand = {
  args = { text, context },
  sample = { "add pay the invoice tomorrow at 9am #home", { now = NOW } },
  result = either(record({ calls = list(call, 20) }), record({ question = question })),
  default = function(message)
    local text_of = #message > LONG and TOO_LONG or AT_A_LOSS
    return { question = { kind = "unclear", text = text_of } }
  end,
}

-- Without its rules a line is a title.
rule_api_chat.quick_add = {
  args = { text, record({ now = day }) },
  sample = { "Meeting with Sarah next wed 3pm #work p1 +30m", { now = NOW } },
  result = record({
    task = either(record(NEW_TASK), literal(false)),
    parts = list(record({ kind = one_of("due", "priority", "tag", "recurrence", "reminder"),
      first = integer(1), behind = integer(1), label = line }), 100) }),
  default = function(said)
    return { task = { title = said }, parts = {} }
  end,
}

rule_api_chat.due = {
  args = { record({ due = optional(day), due_shift = optional(shape.table()) }), day,
    optional(day) },
  sample = { { due = { year = 2026, month = 11, day = 25, hour = 9, min = 0 } }, NOW },
  result = either(record(with(with(DAY, "hour", integer(0, 23)), "min", integer(0, 59))),
    literal(false)),
  default = function() return false end,
}

local told = record({ title = text, due = optional(day), priority = text, status = text,
  recurrence_rule = optional(text), reminder_offset_minutes = optional(integer()),
  tags = list(text) })
local answer = record({ say = text, text = optional(text), task = optional(told),
  next = optional(told), tasks = optional(list(told)), titles = optional(list(text)),
  more = optional(integer(0)), total = optional(integer(0)), count = optional(integer(0)),
  number = optional(integer()), tool = optional(text), at = optional(day), title = optional(text),
  before = optional(text), words = optional(text), detail = optional(text), field = optional(text),
  filter = optional(record({ priority = optional(text), status = optional(text),
    overdue = optional(boolean()), search = optional(text), dated = optional(boolean()),
      count = optional(boolean()),
    has_reminder = optional(boolean()) })) })

local function bare_words(said)
  local words = { said.text or (said.say:gsub("_", " ")) }
  words[#words + 1] = said.detail or said.title or said.words
  for _, item in ipairs({ said.task or false, said.next or false }) do
    words[#words + 1] = item and '"' .. item.title .. '"' or nil
  end
  local lines = { table.concat(words, ": ") }
  for i, item in ipairs(said.tasks or said.titles or {}) do
    lines[#lines + 1] = i .. ". " .. (item.title or item)
  end
  return table.concat(lines, "\n")
end

rule_api_chat.render = {
  args = { list(answer), day },
  sample = { { { say = "added", task = { title = "pay the invoice", priority = "medium",
    status = "pending", tags = {} } } }, NOW },
  result = string({ max = MAX_ANSWER }),
  default = function(answers)
    local lines = {}
    for i, said in ipairs(answers) do
      lines[i] = bare_words(said)
    end
    return table.concat(lines, "\n")
  end,
}

return rule_api_chat

-- What services ask the rules: each entry with its arguments, the shape of its result, and the
-- default that decides when the rule cannot. It is the service's side of rules/, which an operator
-- does not edit; `todo-host rules check` holds the rules to it.
--
-- An entry NAME.FUNCTION is that function of rules/NAME.lua. It gives one value, never nil. The
-- classes of the arguments are described in that file.
local calendar = require("host.calendar")
local chat = require("lib.rule_api_chat")
local shape = require("lib.shape")
local time = require("host.time")

local rule_api = {}

local boolean, integer, list = shape.boolean, shape.integer, shape.list
local one_of, optional, record = shape.one_of, shape.optional, shape.record
local string = shape.string

local DAY_MS = 86400000
local LAST_MS = 253402300799999 -- the end of the year 9999
local RETRY_MS = 60000

local moment = integer(-62135596800000, LAST_MS)
local text = string()
local priority = one_of("low", "medium", "high")

-- Reminders: they go out at once, everywhere, in plain words, and are tried again for ever.

local reminder = record({ task_id = text, task_title = text, user_id = text, due_ms = moment,
  remind_ms = moment, late_seconds = shape.number(0), timezone = optional(text),
  priority = optional(text) })

local REMINDER = { task_id = "a", task_title = "Pay the invoice", user_id = "ann@example.com",
  due_ms = 1795525200000, remind_ms = 1795521600000, late_seconds = 0, timezone = "Europe/Berlin",
  priority = "medium" }

local function plan_at_once(_, available)
  local steps = {}
  for _, channel in ipairs({ "log", "email", "webhook" }) do
    if channel == "log" or available[channel] then
      steps[#steps + 1] = { channel = channel, wait_ms = 0 }
    end
  end
  return steps
end

local function plain_words(facts)
  local title = facts.task_title:gsub("%c+", " ")
  return { subject = "Reminder: " .. title,
    text = title .. "\nDue " .. time.format(facts.due_ms) .. "." }
end

-- Series: the plain calendar, without what only an anchor could tell.

local FREQUENCIES = { DAILY = "FREQ=DAILY", WEEKLY = "FREQ=WEEKLY", MONTHLY = "FREQ=MONTHLY",
  YEARLY = "FREQ=YEARLY" }

-- The RRULE of a rule, and how the next occurrence writes it.
local function read_rule(rule, day)
  local days = rule:match("^INTERVAL:(%d+)$")
  if days then
    return "FREQ=DAILY;INTERVAL=" .. days, rule
  elseif rule == "MONTHLY" and day > 28 then
    -- The last day of a month that is too short.
    return "FREQ=MONTHLY;BYSETPOS=-1;BYMONTHDAY=28,29,30,31", rule
  elseif FREQUENCIES[rule] then
    return FREQUENCIES[rule], rule
  end
  rule = rule:gsub("^RRULE:", "")
  return rule, (rule:gsub("COUNT=(%d+)", function(count) return "COUNT=" .. count - 1 end))
end

local function next_in_calendar(task, completed_at_ms)
  local zone = task.timezone or "UTC"
  local from = task.due_date or completed_at_ms
  if not calendar.is_zone(zone) then
    return { invalid = "there is no time zone " .. zone }
  end
  local rrule, remaining = read_rule(task.recurrence_rule, calendar.to_local(from, zone).day)
  local good, message = calendar.check_rrule(rrule)
  if not good then
    return { invalid = message }
  elseif rrule:find("COUNT=1$") or rrule:find("COUNT=1;") then
    return { ended = true }
  end
  if task.due_date and task.repeat_from == "completion" then
    from = completed_at_ms - (completed_at_ms - task.due_date) % DAY_MS
  end
  local due_ms = calendar.next(rrule, from, math.max(from, task.repeat_from == "completion"
    and completed_at_ms or from), zone)
  if not due_ms then
    return { ended = true }
  end
  return { due_date = task.due_date and due_ms, recurrence_rule = remaining }
end

-- Tasks and the log of what happened to them: nothing is added, and of what a person wrote nothing
-- is kept, since the rule might have said so.

local task = record({ title = text, description = optional(text), priority = priority,
  tags = list(text), due_ms = optional(moment), reminder_offset_minutes = optional(integer()),
  recurrence_rule = optional(text), timezone = optional(text) })
local said = record({ title = optional(boolean()), description = optional(boolean()),
  priority = optional(boolean()), tags = optional(boolean()), due_date = optional(boolean()),
  reminder_offset_minutes = optional(boolean()), recurrence_rule = optional(boolean()),
  timezone = optional(boolean()) })
local decision = record({ refused = optional(string({ min = 1, max = 500, one_line = true })),
  priority = optional(priority), reminder_offset_minutes = optional(integer(1, 525600)),
  add_tags = optional(list(string({ min = 1, max = 50, one_line = true }), 20)) })

local TASK = { title = "Pay the invoice", priority = "medium", tags = { "home" },
  due_ms = 1795525200000 }

local function decide_nothing()
  return {}
end

local function hide_what_was_written()
  return { keep = true, hide = { "title", "description", "tags" }, drop = {} }
end

---@class rule_api.Entry
---@field args shape.Shape[]   of the arguments, in their order
---@field sample any[]         arguments that every rule must be able to answer
---@field result shape.Shape
---@field default fun(...): any  gets the same arguments

---@type table<string, rule_api.Entry>
rule_api.entries = {
  ["notify.plan"] = {
    args = { reminder, record({ email = boolean(), webhook = boolean() }), moment },
    result = list(record({ channel = one_of("log", "email", "webhook"),
      wait_ms = integer(0, 366 * DAY_MS) }), 3),
    sample = { REMINDER, { email = true, webhook = true }, 1795521600000 },
    default = plan_at_once,
  },
  ["notify.compose"] = {
    args = { reminder },
    result = record({ subject = string({ min = 1, max = 1200, one_line = true }),
      text = string({ max = 16384 }) }),
    sample = { REMINDER },
    default = plain_words,
  },
  ["notify.retry"] = {
    args = { text, integer(1) },
    result = shape.either(integer(0, 366 * DAY_MS), shape.literal(false)),
    sample = { "email", 1 },
    default = function() return RETRY_MS end,
  },
  ["recurrence.next"] = {
    args = { record({ recurrence_rule = text, due_date = optional(moment),
      timezone = optional(text), repeat_from = optional(one_of("due_date", "completion")),
      anchor = optional(record({ local_ms = integer(), day = integer(1, 31) })) }), moment },
    result = shape.either(
      record({ recurrence_rule = string({ min = 1, max = 300 }), due_date = optional(moment),
        anchor = optional(record({ local_ms = moment, day = integer(1, 31) })) }),
      record({ ended = shape.literal(true) }),
      record({ invalid = text })),
    sample = { { recurrence_rule = "WEEKLY", due_date = 1795525200000,
      timezone = "Europe/Berlin", repeat_from = "due_date" }, 1795525300000 },
    default = next_in_calendar,
  },
  ["chat.understand"] = chat.understand,
  ["chat.quick_add"] = chat.quick_add,
  ["chat.due"] = chat.due,
  ["chat_answers.render"] = chat.render,
  ["task.create"] = { args = { task, said }, sample = { TASK, { title = true, tags = true } },
    result = decision, default = decide_nothing },
  ["task.update"] = { args = { task, said }, sample = { TASK, { title = true } },
    result = decision, default = decide_nothing },
  ["audit.keep"] = {
    args = { record({ event_type = text, user_id = text, title = optional(text),
      tags = list(text) }) },
    result = record({ keep = boolean(), hide = list(text, 50), drop = list(text, 50) }),
    sample = { { event_type = "task.created", user_id = "ann", title = "Pay the invoice",
      tags = { "home" } } },
    default = hide_what_was_written,
  },
}

---The rule file of an entry: "notify" of "notify.plan".
---@param name string
---@return string
function rule_api.file_of(name)
  return name:match("^[^.]+") --[[@as string]]
end

---The rule files that have entries, in the order of their names.
---@return string[]
function rule_api.files()
  local files, seen = {}, {}
  for name in pairs(rule_api.entries) do
    local file = rule_api.file_of(name)
    if not seen[file] then
      seen[file] = true
      files[#files + 1] = file
    end
  end
  table.sort(files)
  return files
end

return rule_api

-- The fields of a task: what a client may send, what it means, and how a task looks as JSON.
-- Times are milliseconds since 1970 UTC inside, RFC 3339 outside.
local calendar = require("host.calendar")
local crypto = require("host.crypto")
local json = require("lib.json")
local text = require("host.text")
local time = require("host.time")
local cjson = require("cjson")

local task_fields = {}

local null = json.null
local quote = cjson.encode

local FIRST_MS = -62135596800000 -- 0001-01-01, the first moment that can be written
local SIMPLE_RULES = { DAILY = true, WEEKLY = true, MONTHLY = true, YEARLY = true }
local MAX_DAYS = 3660

local CONTROL = "\\x00-\\x08\\x0B-\\x1F\\x7F" -- within [] of a regular expression
local SPACE = " \\t-\\r"

-- What a client may send, as JSON Schema. The checks below take their limits and words from here,
-- and so does the API's description.
---@type table<string, table<string, any>>
local FIELDS = {
  title = { type = "string", minLength = 1, maxLength = 255,
    pattern = "^[^" .. CONTROL .. "]*[^" .. SPACE .. CONTROL .. "][^" .. CONTROL .. "]*$",
    description = "Not blank, no control characters.", examples = { "Buy milk" } },
  description = { type = "string", maxLength = 2000, pattern = "^[^" .. CONTROL .. "]*$",
    examples = { "Oat, two litres" } },
  status = { type = "string", enum = { "pending", "in_progress", "completed" },
    default = "pending" },
  priority = { type = "string", enum = { "low", "medium", "high" }, default = "medium" },
  due_date = { type = "string", format = "date-time", examples = { "2030-12-24T18:00:00Z" } },
  tags = { type = "array", maxItems = 20, description = "Stored in lower case, each once.",
    examples = { { "home", "shopping" } },
    items = { type = "string", minLength = 1, ["x-max"] = 50,
      pattern = "^[" .. SPACE .. "]*[^" .. SPACE .. CONTROL .. "](?:[^" .. CONTROL
        .. "]{0,48}[^" .. SPACE .. CONTROL .. "])?[" .. SPACE .. "]*$",
      description = "1 to 50 characters; space around them is left out." } },
  reminder_offset_minutes = { type = "integer", minimum = 1, maximum = 525600,
    description = "How long before due_date a reminder comes; it must lie in the future.",
    examples = { 30 } },
  recurrence_rule = { type = "string", format = "recurrence-rule", examples = { "WEEKLY" },
    description = "DAILY, WEEKLY, MONTHLY, YEARLY, INTERVAL:N (days, at most " .. MAX_DAYS
      .. ") or an RRULE of RFC 5545." },
  timezone = { type = "string", format = "timezone", maxLength = 64,
    description = "An IANA name: the local time of day stays the same across daylight saving.",
    examples = { "Europe/Berlin" } },
  repeat_from = { type = "string", enum = { "due_date", "completion" }, default = "due_date",
    description = "What the next occurrence counts from." },
}

local function has_control(value)
  return value:find("[%z\1-\8\11-\31\127]") ~= nil
end

local function check_text(name, value, min, max)
  if type(value) ~= "string" or text.length(value) < min or text.length(value) > max then
    local range = min > 0 and min .. " to " .. max or "at most " .. max
    return nil, name .. " must be a string of " .. range .. " characters"
  end
  if has_control(value) then
    return nil, name .. " must not contain control characters"
  end
  return value
end

local function check_word(name, value)
  for _, word in ipairs(FIELDS[name].enum) do
    if word == value then
      return value
    end
  end
  return nil, name .. " must be one of " .. table.concat(FIELDS[name].enum, ", ")
end

local function check_tags(value)
  local schema = FIELDS.tags
  local most, longest = schema.maxItems, schema.items["x-max"]
  if not json.is_list(value) or #value > most then
    return nil, "tags must be a list of at most " .. most .. " strings"
  end
  local tags, seen = {}, {}
  for _, item in ipairs(value) do
    if type(item) ~= "string" then
      return nil, "each tag must be a string of 1 to " .. longest .. " characters"
    end
    local tag = text.lower(item:match("^%s*(.-)%s*$") --[[@as string]])
    local good, message = check_text("each tag", tag, 1, longest)
    if not good then
      return nil, message
    end
    if not seen[tag] then
      seen[tag] = true
      tags[#tags + 1] = tag
    end
  end
  return tags
end

local function check_rule(value)
  local message
  if type(value) ~= "string" then
    message = "it is not a string"
  elseif SIMPLE_RULES[value] then
    return value
  elseif value:match("^INTERVAL:") then
    local days = tonumber(value:match("^INTERVAL:([1-9]%d*)$"))
    if days and days <= MAX_DAYS then
      return value
    end
    message = "INTERVAL takes 1 to " .. MAX_DAYS .. " days"
  else
    local good
    good, message = calendar.check_rrule((value:gsub("^RRULE:", "")))
    if good then
      return (value:gsub("^RRULE:", ""))
    end
  end
  return nil, "recurrence_rule must be DAILY, WEEKLY, MONTHLY, YEARLY, INTERVAL:N or an RFC 5545 "
    .. "RRULE: " .. tostring(message)
end

local CHECKS = {
  title = function(value)
    local title, message = check_text("title", value, 1, FIELDS.title.maxLength)
    if title and not title:find("%S") then
      return nil, "title must not be blank"
    end
    return title, message
  end,
  description = function(value)
    return check_text("description", value, 0, FIELDS.description.maxLength)
  end,
  status = function(value)
    return check_word("status", value)
  end,
  priority = function(value)
    return check_word("priority", value)
  end,
  repeat_from = function(value)
    return check_word("repeat_from", value)
  end,
  tags = check_tags,
  recurrence_rule = check_rule,
  due_date = function(value)
    local ms, message
    if type(value) == "string" then
      ms, message = time.parse(value)
    end
    if not ms then
      return nil, "due_date must be an RFC 3339 time such as 2026-12-24T18:00:00Z"
        .. (message and ": " .. message or "")
    end
    return ms
  end,
  reminder_offset_minutes = function(value)
    local least, most = FIELDS.reminder_offset_minutes.minimum,
      FIELDS.reminder_offset_minutes.maximum
    if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > most then
      return nil, ("reminder_offset_minutes must be a whole number from %d to %d"):format(least,
        most)
    end
    return value
  end,
  timezone = function(value)
    if type(value) ~= "string" or #value > FIELDS.timezone.maxLength
      or not calendar.is_zone(value) then
      return nil, "timezone must be an IANA name such as Europe/Berlin"
    end
    return value
  end,
}

local ORDER = { "title", "description", "status", "priority", "due_date", "tags",
  "reminder_offset_minutes", "recurrence_rule", "timezone", "repeat_from" }
local CLEARABLE = { description = true, due_date = true, reminder_offset_minutes = true,
  recurrence_rule = true, timezone = true }
local RULED = { "title", "description", "priority", "due_date", "tags", "reminder_offset_minutes",
  "recurrence_rule", "timezone" }
local DEFAULTS = {}
for name, schema in pairs(FIELDS) do
  DEFAULTS[name] = schema.default
end

-- The columns a change is named by in `changed`.
task_fields.ORDER = ORDER

---JSON Schema of each field that a client may send; null clears what can be cleared.
task_fields.FIELDS = FIELDS
task_fields.CLEARABLE = CLEARABLE

-- Puts what the input says into the task. null clears, or means the default of a field that has
-- one.
local function apply(task, input)
  for _, name in ipairs(ORDER) do
    local value = input[name]
    if value == null then
      if name == "tags" then
        task.tags = {}
      elseif CLEARABLE[name] then
        task[name] = nil
      elseif DEFAULTS[name] then
        task[name] = DEFAULTS[name]
      else
        return name .. " must not be null"
      end
    elseif value ~= nil then
      local good, message = CHECKS[name](value)
      if good == nil then
        return message
      end
      task[name] = good
    end
  end
end

-- remind_at follows from due date and offset; setting one in the past is refused.
local function settle_reminder(task, before, now_ms, may_be_past)
  local offset = task.reminder_offset_minutes
  if not offset then
    task.remind_at = nil
    return
  end
  if not task.due_date then
    if before and before.reminder_offset_minutes == offset and before.due_date then
      -- The due date was cleared, and with it what the reminder counted from.
      task.reminder_offset_minutes, task.remind_at = nil, nil
      return
    end
    return "a reminder needs a due_date"
  end
  task.remind_at = task.due_date - offset * 60000
  local same = before and before.remind_at == task.remind_at
  if task.remind_at < FIRST_MS or not same and task.status ~= "completed"
    and task.remind_at < now_ms and not may_be_past then
    return "the reminder would be in the past"
  end
end

---A new task of a user.
---@param user string
---@param input table   the client's JSON object
---@param now_ms integer
---@param may_be_past boolean|nil  a reminder in the past is no fault: the task comes of a series
---@return table|nil task
---@return string|nil message
function task_fields.create(user, input, now_ms, may_be_past)
  if input.title == nil then
    return nil, "title is needed"
  end
  local task = {
    id = crypto.uuid(), user_id = user, status = DEFAULTS.status, priority = DEFAULTS.priority,
    tags = {}, repeat_from = DEFAULTS.repeat_from, version = 1, created_at = now_ms,
    updated_at = now_ms,
  }
  local message = apply(task, input) or settle_reminder(task, nil, now_ms, may_be_past)
  if message then
    return nil, message
  end
  return task
end

---A task as rules/task.lua knows it.
---@param task table
---@return table
function task_fields.for_rules(task)
  return { title = task.title, description = task.description, priority = task.priority,
    tags = task.tags, due_ms = task.due_date, timezone = task.timezone,
    reminder_offset_minutes = task.reminder_offset_minutes,
    recurrence_rule = task.recurrence_rule }
end

---Which of the fields that rules/task.lua asks about an input sets.
---@param input table
---@return table<string, boolean>
function task_fields.said(input)
  local said = {}
  for _, name in ipairs(RULED) do
    said[name] = input[name] ~= nil or nil
  end
  return said
end

---Puts into a new task what the rules decided of what the user did not say. A reminder whose time
---has passed is not set.
---@param task table
---@param input table      the user's
---@param decision table   of rules/task.lua
---@param now_ms integer
function task_fields.fill_in(task, input, decision, now_ms)
  if decision.priority and input.priority == nil then
    task.priority = decision.priority
  end
  local offset = decision.reminder_offset_minutes
  if offset and input.reminder_offset_minutes == nil and task.due_date
    and task.due_date - offset * 60000 >= now_ms then
    task.reminder_offset_minutes, task.remind_at = offset, task.due_date - offset * 60000
  end
  local tags = { unpack(task.tags) }
  for _, tag in ipairs(decision.add_tags or {}) do
    tags[#tags + 1] = tag
  end
  -- Too many, or what no tag can be, and the user's own stay alone.
  task.tags = check_tags(json.list(tags)) or task.tags
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  return table.concat(a, "\0") == table.concat(b, "\0")
end

---A task as it would be after a change.
---@param before table
---@param input table
---@param now_ms integer
---@return table|nil after   nil with a message, or when nothing changes
---@return string[]|string   the names of the fields that changed, or the message
function task_fields.update(before, input, now_ms)
  local after = {}
  for name, value in pairs(before) do
    after[name] = value
  end
  local message = apply(after, input) or settle_reminder(after, before, now_ms)
  if message then
    return nil, message
  end
  local changed = {}
  for _, name in ipairs(ORDER) do
    if not same(before[name], after[name]) then
      changed[#changed + 1] = name
    end
  end
  if #changed == 0 then
    return nil, changed
  end
  after.version = before.version + 1
  after.updated_at = math.max(now_ms, before.updated_at)
  return after, changed
end

-- A row of chat.task, whose times come as text.
---@param row table
---@return table task
function task_fields.from_row(row)
  for _, name in ipairs({ "due_date", "remind_at", "created_at", "updated_at" }) do
    row[name] = row[name] and time.parse(row[name])
  end
  return row
end

local function optional_text(value)
  return value and quote(value) or "null"
end

local function optional_time(ms)
  return ms and '"' .. time.format(ms) .. '"' or "null"
end

---The task as JSON text: all keys, in the order of the contract.
---@param task table
---@return string
function task_fields.encode(task)
  local tags = {}
  for i, tag in ipairs(task.tags) do
    tags[i] = quote(tag)
  end
  return '{"id":"' .. task.id
    .. '","title":' .. quote(task.title)
    .. ',"description":' .. optional_text(task.description)
    .. ',"status":"' .. task.status
    .. '","priority":"' .. task.priority
    .. '","due_date":' .. optional_time(task.due_date)
    .. ',"user_id":' .. quote(task.user_id)
    .. ',"created_at":' .. optional_time(task.created_at)
    .. ',"updated_at":' .. optional_time(task.updated_at)
    .. ',"tags":[' .. table.concat(tags, ",")
    .. '],"reminder_offset_minutes":' .. (task.reminder_offset_minutes or "null")
    .. ',"remind_at":' .. optional_time(task.remind_at)
    .. ',"is_recurring":' .. tostring(task.recurrence_rule ~= nil)
    .. ',"recurrence_rule":' .. optional_text(task.recurrence_rule)
    .. ',"parent_task_id":' .. optional_text(task.parent_task_id)
    .. ',"timezone":' .. optional_text(task.timezone)
    .. ',"repeat_from":"' .. task.repeat_from
    .. '","version":' .. task.version .. "}"
end

return task_fields

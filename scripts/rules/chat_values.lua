-- New values for a task: what "to friday 3pm", "as done" and "high priority" mean, as changes.
local details = require("rules.chat_details")
local lpeg = require("lpeg")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local values = {}

---Clears a field. No text of a person can hold it.
values.null = "\127"

-- Longer texts are no values.
local MAX_VALUE = 300

local keyed, trailing = text.keyed, text.trailing

local split_and = text.splitter(lpeg.C(text.any({ "and" }) + ","))

---The changes of both; nil where both say something of the same field.
---@param first table
---@param second table
---@return table|nil
function values.both(first, second)
  local changes = {}
  for name, value in pairs(first) do
    changes[name] = value
  end
  for name, value in pairs(second) do
    if changes[name] ~= nil then
      return nil
    end
    changes[name] = value
  end
  return changes
end

-- "high and due tomorrow": two that are told beside each other.
local function two_of(s, now)
  local before, _, behind = split_and(s)
  if not before or before == "" or behind == "" then
    return nil
  end
  local first = values.read(before, now)
  local second = first and values.read(behind, now)
  return first and second and values.both(first, second) or nil
end

---The changes that the phrases in a text mean; nil when it says anything else as well.
---@param s string
---@param now table
---@return table|nil changes
function values.read(s, now)
  if #s > MAX_VALUE then
    return nil
  end
  local level = details.priority(s)
  if level then
    return { priority = level }
  end
  local status = values.status(s)
  if status then
    return { status = status }
  end
  if s:find("^[Tt]he %d+%a%a") or s:find("^%d+[snrt][tdh]$") then
    s = "on " .. s -- "the 4th"
  end
  if not details.may_be_phrases(s) then
    return nil
  end
  local read = details.read(s, now)
  if read.marked and (read.title == "" or values.status(read.title)) then
    return values.from_details(read)
  end
  return two_of(s, now)
end

local status_word = keyed({ completed = words.status.completed,
  in_progress = words.status.in_progress,
  pending = { "pending", "not started", "to do", "todo", "not done", "incomplete", "undone", "open",
    "unfinished", "not completed", "not complete", "active" } }) * lpeg.S(" .!") ^ 0 * -1

function values.status(s)
  return status_word:match(text.trim(s):lower())
end

---@param read table  of details.read
---@return table changes
function values.from_details(read)
  local args = read.args
  local changes = { due = args.due, priority = args.priority, tags_add = args.tags,
    reminder_offset_minutes = args.reminder_offset_minutes, recurrence_rule = args.recurrence_rule,
    description = args.description }
  if args.remind_at and args.remind_at ~= true and args.remind_at ~= args.due then
    changes.remind_at = args.remind_at
  elseif args.remind_at then
    changes.remind_at = args.due or nil
    changes.due = nil
  end
  -- "make it weekly" keeps the due date; "every monday" may move it.
  if changes.recurrence_rule and not (read.found.day or read.found.time
    or read.found.recurrence.first) then
    changes.due = nil
  end
  if read.found.time and not read.found.day and not read.found.recurrence and changes.due then
    changes.due.time_only = true
  end
  return changes
end

-- The pieces around each of the last few places where a word stands.
---@param s string
---@param split fun(s: string): string|nil, any, string|nil  of text.splitter
---@return {[1]: string, [2]: string}[]
function values.splits(s, split)
  local result = {}
  ---@type integer, any
  local offset, rest = 0, s
  for _ = 1, 40 do
    local before, _, behind = split(rest)
    if not before then
      break
    end
    local place = #s - #behind
    result[#result + 1] = { text.trim(s:sub(1, #s - #rest + #before)), behind, offset = offset }
    offset, rest = place, behind
  end
  while #result > 4 do
    table.remove(result, 1)
  end
  return result
end

local done_behind = {}
for status, phrases in pairs({ completed = words.status.completed,
  in_progress = words.status.in_progress, pending = { "pending", "not done", "incomplete",
    "undone" } }) do
  done_behind[status] = trailing(phrases)
end

---"buy milk done": the task and the status; nil for others.
---@param s string
---@return {[1]: string, [2]: string}|nil
function values.split_status(s)
  s = text.trim_end(s, ".!")
  for _, status in ipairs({ "pending", "in_progress", "completed" }) do
    local what = done_behind[status](s)
    if what and what ~= "" then
      return { what, status }
    end
  end
end

return values

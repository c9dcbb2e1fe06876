-- One message of the chat while it is answered: what was done, what is to be said of it, and what
-- the
-- conversation keeps.
local chat_dates = require("chat-api.chat_dates")
local json = require("lib.json")

local chat_turn = {}

local null = json.null

---@class chat_turn.Turn
---@field user string
---@field tasks table
---@field calendar table
---@field state table       of the conversation; changed in place
---@field zone string
---@field now_ms integer
---@field now table         civil, with wday
---@field tools table[]     what was done, as the contract's tools_invoked
---@field answers chat_answers.Answer[]  what to say
---@field unresolved boolean|nil  it is not known which task the last call was about
---@field stream fun(type: string, data: any)|nil
---@field undo_log table|nil  chat-api/undo_log

---@param parts table  user, tasks, calendar, state, zone, now_ms, stream, undo_log
---@return chat_turn.Turn
function chat_turn.new(parts)
  parts.now = parts.calendar.to_local(parts.now_ms, parts.zone)
  parts.tools, parts.answers = {}, {}
  return parts
end

---Notes something to say.
---@param turn chat_turn.Turn
---@param name string  what, as rules/chat_answers.lua calls it
---@param values table|nil
function chat_turn.say(turn, name, values)
  values = values or {}
  values.say = name
  turn.answers[#turn.answers + 1] = values
end
local say = chat_turn.say

local function value_of(value)
  if value ~= null then
    return value
  end
end

-- The task as the rules know it.
function chat_turn.describe(turn, task)
  return { title = task.title, due = chat_dates.due_of(turn, task), priority = task.priority,
    recurrence_rule = value_of(task.recurrence_rule), status = task.status,
    reminder_offset_minutes = value_of(task.reminder_offset_minutes),
    tags = { unpack(task.tags) } }
end

function chat_turn.describe_all(turn, tasks, count)
  local described = {}
  for i = 1, math.min(#tasks, count) do
    described[i] = chat_turn.describe(turn, tasks[i])
  end
  return described
end

function chat_turn.left_out(items, shown)
  return math.max(0, #items - shown)
end

-- Calls, recorded.

function chat_turn.record(turn, name, result, why)
  local entry = { tool_name = name, success = why == nil, result = result == nil and null or result,
    error = why or null }
  turn.tools[#turn.tools + 1] = entry
  if turn.stream then
    turn.stream("tool_invocation", entry)
  end
end

function chat_turn.fail(turn, name, why)
  chat_turn.record(turn, name, nil, why.detail)
  say(turn, "failed", { detail = why.detail })
end

function chat_turn.invoke(turn, name, fn, ...)
  local result, why = fn(turn.user, ...)
  if not result then
    chat_turn.fail(turn, name, why)
    return nil, why
  end
  chat_turn.record(turn, name, name == "list_tasks" and json.list(result.items) or result)
  return result
end

function chat_turn.remember(turn, task)
  turn.state.last_task = { id = task.id, title = task.title }
end

function chat_turn.forget(turn, id)
  if turn.state.last_task and turn.state.last_task.id == id then
    turn.state.last_task = nil
  end
end

return chat_turn

-- What "undo" takes back: a turn's changes of tasks, kept in the conversation's state, newest last.
-- The tasks of a turn are reached through chat_undo.watch, which notes for each change what brings
-- back how it was.
local chat_turn = require("chat-api.chat_turn")
local json = require("lib.json")

local chat_undo = {}

local MAX_TURNS = 5
local MAX_BYTES = 16 * 1024 -- of state; what is larger cannot be taken back
local MAX_TOLD = 10         -- tasks that an answer names

local null = json.null
local FIELDS = { "title", "description", "status", "priority", "due_date", "tags",
  "reminder_offset_minutes", "recurrence_rule", "timezone", "repeat_from" }

local function same(a, b)
  if type(a) == "table" and type(b) == "table" then
    return json.encode(a) == json.encode(b)
  end
  return a == b
end

-- The fields of a task as they were, where they are not any more.
local function differences(before, after)
  local changed = {}
  for _, name in ipairs(FIELDS) do
    if not same(before[name], after[name]) then
      changed[name] = before[name]
    end
  end
  return changed
end

local function input_of(task)
  local input = {}
  for _, name in ipairs(FIELDS) do
    input[name] = task[name] ~= null and task[name] or nil
  end
  return input
end

---The same tasks, with what undoes each change noted in steps.
---@param tasks table
---@param steps table[]
---@return table
function chat_undo.watch(tasks, steps)
  local function note(step)
    steps[#steps + 1] = step
  end
  local watched = setmetatable({}, { __index = tasks })

  function watched.create(user, input)
    local task, why = tasks.create(user, input)
    if task then
      note({ what = "added", id = task.id, title = task.title })
    end
    return task, why
  end

  function watched.update(user, id, input, options)
    local before = tasks.get(user, id)
    local after, why = tasks.update(user, id, input, options)
    local changed = before and after and differences(before, after)
    if changed and next(changed) then
      note({ what = "changed", id = id, title = before.title, before = changed })
    end
    return after, why
  end

  function watched.complete(user, id)
    local before = tasks.get(user, id)
    local answer, why = tasks.complete(user, id)
    if before and answer and before.status ~= "completed" then
      local following = answer.next_task
      note({ what = "changed", id = id, title = before.title, before = { status = before.status },
        next_id = following ~= null and following and following.id or nil })
    end
    return answer, why
  end

  function watched.delete(user, id)
    local before = tasks.get(user, id)
    local answer, why = tasks.delete(user, id)
    if before and answer then
      note({ what = "deleted", id = id, title = before.title, before = input_of(before) })
    end
    return answer, why
  end

  return watched
end

---Keeps the steps of a turn that changed something.
---@param state table
---@param steps table[]
function chat_undo.keep(state, steps)
  if #steps == 0 then
    return
  end
  local turns = json.list(state.undo or {})
  turns[#turns + 1] = { steps = json.list(steps) }
  while #turns > MAX_TURNS or #turns > 1 and #json.encode(turns) > MAX_BYTES do
    table.remove(turns, 1)
  end
  if #json.encode(turns) > MAX_BYTES then
    turns[1] = { count = #steps }
  end
  state.undo = turns
end

-- A reminder that is over by now is not set again.
local function without_reminder(write, input)
  local result, why = write(input)
  if not result and why.status == 422 and input.reminder_offset_minutes then
    input.reminder_offset_minutes = nil
    result, why = write(input)
  end
  return result, why
end

local UNDO = {
  added = function(turn, step)
    local answer, why = turn.tasks.delete(turn.user, step.id)
    return "delete_task", answer, why
  end,
  changed = function(turn, step)
    local task, why = without_reminder(function(input)
      return turn.tasks.update(turn.user, step.id, input)
    end, step.before)
    if task and step.next_id then
      turn.tasks.delete(turn.user, step.next_id)
    end
    return "update_task", task, why
  end,
  deleted = function(turn, step)
    step.before.tags = step.before.tags and json.list(step.before.tags)
    local task, why = without_reminder(function(input)
      return turn.tasks.create(turn.user, input)
    end, step.before)
    return "add_task", task, why
  end,
}

local SAID = { added = "undone_added", changed = "undone_changed", deleted = "undone_deleted" }

-- One step back; true unless there was trouble.
local function take_back(turn, step, tell)
  local tool, result, why = UNDO[step.what](turn, step)
  if not result and why.status == 404 then
    chat_turn.say(turn, "undone_gone", { title = step.title })
    return true
  elseif not result then
    chat_turn.fail(turn, tool, why)
    return false
  end
  chat_turn.record(turn, tool, result)
  if step.what == "added" then
    chat_turn.forget(turn, step.id)
  else
    chat_turn.remember(turn, result)
  end
  if tell then
    chat_turn.say(turn, SAID[step.what], { title = step.title,
      task = step.what ~= "added" and chat_turn.describe(turn, result) or nil })
  end
  return true
end

---Takes back what the last turn changed.
---@param turn chat_turn.Turn  with the tasks themselves, not watched
function chat_undo.run(turn)
  local turns = json.list(turn.state.undo or {})
  local last = table.remove(turns)
  turn.state.undo = turns
  if not last then
    chat_turn.say(turn, "nothing_to_undo")
    return
  elseif not last.steps then
    chat_turn.say(turn, "undo_too_large", { count = last.count })
    return
  end
  local tell = #last.steps <= MAX_TOLD
  local done = 0
  for i = #last.steps, 1, -1 do
    if not take_back(turn, last.steps[i], tell) then
      break
    end
    done = done + 1
  end
  if not tell then
    chat_turn.say(turn, "undone", { count = done })
  end
end

return chat_undo

-- What "undo" takes back: a turn's changes of tasks (undo_steps), kept in the conversation's state,
-- newest last; or what another program of the user has changed since (undo_log).
local chat_turn = require("chat-api.chat_turn")
local json = require("lib.json")
local undo_steps = require("chat-api.undo_steps")

local chat_undo = {}

local MAX_TURNS = 5
local MAX_BYTES = 16 * 1024 -- of state; what is larger cannot be taken back
local MAX_TOLD = 10         -- tasks that an answer names

---Keeps the steps of a turn that changed something.
---@param turn chat_turn.Turn
---@param steps undo_steps.Step[]
function chat_undo.keep(turn, steps)
  if #steps == 0 then
    return
  end
  local turns = json.list(turn.state.undo or {})
  local after = turn.undo_log and turn.undo_log.newest(turn.user)
  turns[#turns + 1] = { steps = json.list(steps), after = after }
  while #turns > MAX_TURNS or #turns > 1 and #json.encode(turns) > MAX_BYTES do
    table.remove(turns, 1)
  end
  if #json.encode(turns) > MAX_BYTES then
    turns[1] = { count = #steps, after = after }
  end
  turn.state.undo = turns
end

local SAID = { added = "undone_added", changed = "undone_changed", deleted = "undone_deleted" }

-- One step back; false where another try may do it.
local function take_back(turn, step, tell)
  local tool = undo_steps.TOOLS[step.what]
  local result, why, later = undo_steps.take_back(turn.tasks, turn.user, step)
  if not result and why.status == 404 then
    chat_turn.say(turn, "undone_gone", { title = step.title })
    return true
  elseif not result then
    chat_turn.fail(turn, tool, why)
    return not later
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

-- What another program changed after the last turn that can be taken back, if anything.
local function take_back_logged(turn, after)
  if not turn.undo_log then
    return false
  end
  local entry, why = turn.undo_log.take(turn.user, after)
  if why then
    chat_turn.fail(turn, "undo", why)
    return true
  elseif not entry then
    return false
  end
  chat_turn.say(turn, "undone_elsewhere")
  if not take_back(turn, entry.step, true) then
    turn.undo_log.give_back(turn.user, entry)
  end
  return true
end

-- The newest step first. What could not be taken back now stays for the next try; true: nothing
-- did.
local function take_back_turn(turn, steps)
  local tell = #steps <= MAX_TOLD
  local done = 0
  while #steps > 0 and take_back(turn, steps[#steps], tell) do
    steps[#steps] = nil
    done = done + 1
  end
  if not tell then
    chat_turn.say(turn, "undone", { count = done })
  end
  return #steps == 0
end

---Takes back what was changed last.
---@param turn chat_turn.Turn  with the tasks themselves, not watched
function chat_undo.run(turn)
  local turns = json.list(turn.state.undo or {})
  local last = turns[#turns]
  if take_back_logged(turn, last and last.after) then
    return
  elseif not last then
    chat_turn.say(turn, "nothing_to_undo")
    return
  elseif not last.steps then
    chat_turn.say(turn, "undo_too_large", { count = last.count })
  elseif not take_back_turn(turn, last.steps) then
    return
  end
  turns[#turns] = nil
  turn.state.undo = turns
end

return chat_undo

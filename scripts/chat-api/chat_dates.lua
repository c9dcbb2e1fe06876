-- The dates of the chat: civil times of the rules become instants, and times of tasks civil ones.
local json = require("lib.json")
local rules = require("lib.rules")
local time = require("host.time")

local chat_dates = {}

local null = json.null

---What a change that clears a field holds: rules know no null.
chat_dates.CLEAR = "\127"
local NO_DATE = { detail = "no date can be made of that" }

-- The instant of a new due date or reminder; nil and a problem when there is none.
local function to_ms(turn, wanted, old)
  local date = wanted.due
  if not date or not date.hour or date.time_only then
    date = rules.call("chat.due", wanted, turn.now, old)
  end
  local ms = date and turn.calendar.from_local(date, turn.zone)
  if not ms then
    return nil, NO_DATE
  end
  return ms
end

---@param turn chat_turn.Turn
---@param text string  RFC 3339
---@return table
function chat_dates.to_civil(turn, text)
  return turn.calendar.to_local(time.parse(text), turn.zone)
end

---@param turn chat_turn.Turn
---@param task table
---@return table|nil
function chat_dates.due_of(turn, task)
  return task.due_date ~= null and chat_dates.to_civil(turn, task.due_date) or nil
end

-- The reminder and due date for a moment at which to remind. Without a later due date it is due a
-- minute after the reminder, the least distance there can be.
local function reminder(remind_ms, due_ms)
  if due_ms and due_ms - remind_ms >= 60000 then
    return due_ms, math.floor((due_ms - remind_ms) / 60000)
  end
  return remind_ms + 60000, 1
end

---The due date and reminder of a new task into its input, as far as they were said.
---@param turn chat_turn.Turn
---@param args table  of add_task
---@param input table
---@return table|nil problem  a date is none
function chat_dates.put_new(turn, args, input)
  local due_ms, remind_ms, why
  if args.due then
    due_ms, why = to_ms(turn, { due = args.due })
  end
  if not why and args.remind_at and args.remind_at ~= true then
    remind_ms, why = to_ms(turn, { due = args.remind_at })
  end
  if why then
    return why
  end
  if remind_ms then
    due_ms, input.reminder_offset_minutes = reminder(remind_ms, due_ms)
  elseif not due_ms then
    input.reminder_offset_minutes = nil
  end
  input.due_date = due_ms and time.format(due_ms)
end

---The due date and reminder that the changes of a task ask for, into the input.
---@param turn chat_turn.Turn
---@param task table
---@param changes table  of update_task
---@param input table
---@return table|nil problem  a date is none
function chat_dates.put_changed(turn, task, changes, input)
  local due_ms = task.due_date ~= null and time.parse(task.due_date) or nil
  local why
  if changes.due == chat_dates.CLEAR then
    input.due_date, due_ms = null, nil
  elseif changes.due or changes.due_shift then
    due_ms, why = to_ms(turn, { due = changes.due, due_shift = changes.due_shift },
      chat_dates.due_of(turn, task))
  end
  local remind_ms
  if changes.remind_at and not why then
    remind_ms, why = to_ms(turn, { due = changes.remind_at })
  end
  if why then
    return why
  end
  if remind_ms then
    due_ms, input.reminder_offset_minutes = reminder(remind_ms, due_ms)
  end
  if due_ms and (remind_ms or changes.due or changes.due_shift) then
    input.due_date = time.format(due_ms)
  end
end

---A filter of the rules as the query of a list.
---@param turn chat_turn.Turn
---@param filter table
---@return table|nil
---@return table|nil problem  a date is none
function chat_dates.query(turn, filter)
  local query = {}
  for name, value in pairs(filter) do
    query[name] = value
  end
  for _, name in ipairs({ "due_before", "due_after" }) do
    if filter[name] then
      local ms, why = to_ms(turn, { due = filter[name] })
      if not ms then
        return nil, why
      end
      query[name] = time.format(ms)
    end
  end
  return query
end

return chat_dates

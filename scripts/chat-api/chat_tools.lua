-- The chat's tools: carries out the calls of rules/chat on a user's tasks and notes what is to be
-- said of it, for rules/chat_answers.
local chat_dates = require("chat-api.chat_dates")
local chat_find = require("chat-api.chat_find")
local chat_turn = require("chat-api.chat_turn")
local json = require("lib.json")

local chat_tools = {}

local MAX_CHOICES = 10   -- that one question lists
local MAX_LISTED = 20    -- lines of a list
local MAX_FOUND = 100    -- tasks of a list, as its result
local MAX_AT_ONCE = 200  -- tasks that one yes deletes or changes
local HANDFUL = 5        -- that are changed, but not deleted, without a question

local null = json.null
local CLEAR = chat_dates.CLEAR
local say = chat_turn.say

-- Adding.

local function add_task(turn, call)
  local args = call.args
  local input = { title = args.title, description = args.description, priority = args.priority,
    tags = args.tags and json.list(args.tags), recurrence_rule = args.recurrence_rule,
    timezone = turn.zone, reminder_offset_minutes = args.reminder_offset_minutes }
  local ask_when = args.remind_at == true or args.reminder_offset_minutes and not args.due
    and not args.remind_at
  local why = chat_dates.put_new(turn, args, input)
  if why then
    chat_turn.fail(turn, "add_task", why)
    return
  end
  local task = chat_turn.invoke(turn, "add_task", turn.tasks.create, input)
  if not task then
    return
  end
  chat_turn.remember(turn, task)
  local described = chat_turn.describe(turn, task)
  if ask_when then
    turn.state.pending = { kind = "when" }
    say(turn, "added_when", { task = described })
  elseif args.remind_at and task.remind_at ~= null then
    if not args.due then
      -- The time of the reminder is all that was said, and it follows.
      described.due, described.reminder_offset_minutes = nil, nil
    end
    say(turn, "added_reminder",
      { task = described, at = chat_dates.to_civil(turn, task.remind_at) })
  else
    say(turn, "added", { task = described })
  end
end

-- Looking.

local function list_tasks(turn, call)
  local args = call.args
  local dated = (args.due_before or args.due_after) ~= nil
  local find = args.status == "completed" and dated and chat_find.completed or chat_find.filtered
  local found, why = find(turn, args, { limit = MAX_FOUND, sort = "due_date",
    order = not args.sort and "asc" or nil })
  if not found then
    chat_turn.fail(turn, "list_tasks", why)
    return
  end
  chat_turn.record(turn, "list_tasks", json.list(found.items))
  turn.state.shown = json.list({})
  for i = 1, math.min(#found.items, MAX_LISTED) do
    turn.state.shown[i] = { id = found.items[i].id, title = found.items[i].title }
  end
  if #found.items == 1 then
    chat_turn.remember(turn, found.items[1])
  end
  say(turn, "list", { total = found.total,
    tasks = chat_turn.describe_all(turn, found.items, MAX_LISTED),
    more = #found.items > MAX_LISTED and found.total - MAX_LISTED or 0,
    filter = { priority = args.priority, status = args.status, overdue = args.overdue,
      search = args.search or args.topic, count = args.count, has_reminder = args.has_reminder,
      dated = dated } })
end

local function get_task(turn, call)
  local named = chat_find.one(turn, call)
  if not named then
    return
  end
  local task = chat_turn.invoke(turn, "get_task", turn.tasks.get, named.id)
  if not task then
    return
  end
  chat_turn.remember(turn, task)
  say(turn, "detail", { task = chat_turn.describe(turn, task), field = call.args.field,
    text = task.description ~= null and task.description or nil,
    at = task.remind_at ~= null and chat_dates.to_civil(turn, task.remind_at) or nil })
end

-- Several at once.

---Asks before something is done to several tasks.
---@param turn chat_turn.Turn
---@param call table   what is to be done to each
---@param items table[]
function chat_tools.confirm(turn, call, items)
  local count = math.min(#items, MAX_AT_ONCE)
  local ids, titles = json.list({}), {}
  for i = 1, count do
    ids[i] = items[i].id
    titles[i] = i <= MAX_CHOICES and items[i].title or nil
  end
  turn.state.pending = { kind = "confirm", calls = json.list({
    { tool = call.tool, args = { match = { ids = ids }, changes = call.args.changes } } }) }
  say(turn, "confirm", { tool = call.tool, count = count, titles = titles,
    more = math.max(0, count - MAX_CHOICES) })
end

local function each(turn, call, fn)
  local done, titles = 0, {}
  for _, id in ipairs(call.args.match.ids) do
    local result, why, title = fn(turn.user, id)
    chat_turn.record(turn, call.tool, result, not result and why.detail or nil)
    if result then
      done = done + 1
      titles[done] = done <= MAX_CHOICES and title or nil
      if call.tool == "delete_task" then
        chat_turn.forget(turn, id)
      end
    elseif why.status ~= 404 then
      say(turn, "failed", { detail = why.detail })
      break
    end
  end
  say(turn, "several", { tool = call.tool, count = done, titles = titles,
    more = math.max(0, done - #titles) })
end

-- The tasks at once, or a question first: before more than one is deleted, or more than a handful
-- changed.
local function all_of(turn, call, items, run)
  if #items > HANDFUL or call.tool == "delete_task" then
    chat_tools.confirm(turn, call, items)
    return
  end
  local ids = {}
  for i, item in ipairs(items) do
    ids[i] = item.id
  end
  run(turn, { tool = call.tool, args = { match = { ids = ids }, changes = call.args.changes } })
end

local function all_filtered(turn, call, run)
  local more = { limit = MAX_AT_ONCE }
  if call.tool == "complete_task" or call.tool == "update_task" then
    more.status = "active"
  end
  local found, why = chat_find.filtered(turn, call.args.match.filter, more)
  if not found then
    chat_turn.fail(turn, call.tool, why)
  elseif #found.items == 0 then
    say(turn, "nothing_to", { tool = call.tool })
  else
    all_of(turn, call, found.items, run)
  end
end

-- Does what a call says to one task or to several: one(turn, task, call), each_one(user, id).
local function run_on(turn, call, one, each_one)
  local function run_each(on, several)
    each(on, several, function(user, id) return each_one(user, id, several) end)
  end
  local wanted = call.args.match
  if wanted.ids then
    run_each(turn, call)
    return
  elseif wanted.all then
    all_filtered(turn, call, run_each)
    return
  end
  local several, said = chat_find.several(turn, call)
  if several then
    all_of(turn, call, several, run_each)
  elseif not said then
    local task, otherwise = chat_find.one(turn, call)
    if task then
      one(turn, task, call)
    elseif otherwise then
      chat_tools.run(turn, otherwise)
    end
  end
end

-- Completing and deleting.

local function complete_one(turn, task)
  local answer = chat_turn.invoke(turn, "complete_task", turn.tasks.complete, task.id)
  if not answer then
    return
  end
  chat_turn.remember(turn, answer.completed_task)
  local title = answer.completed_task.title
  if answer.next_task and answer.next_task ~= null then
    chat_turn.remember(turn, answer.next_task)
    say(turn, "completed_next", { title = title,
      next = chat_turn.describe(turn, answer.next_task) })
  else
    say(turn, "completed", { title = title })
  end
end

local function complete_task(turn, call)
  run_on(turn, call, complete_one, function(user, id)
    local answer, why = turn.tasks.complete(user, id)
    return answer, why, answer and answer.completed_task.title
  end)
end

local function delete_one(turn, task)
  if chat_turn.invoke(turn, "delete_task", turn.tasks.delete, task.id) then
    chat_turn.forget(turn, task.id)
    say(turn, "deleted", { title = task.title })
  end
end

local function delete_task(turn, call)
  run_on(turn, call, delete_one, turn.tasks.delete)
end

-- Changing.

local function with_tags(task, changes)
  local tags, seen = json.list({}), {}
  for _, tag in ipairs(changes.tags_remove or {}) do
    seen[tag] = true
  end
  for _, list in ipairs({ changes.tags or task.tags, changes.tags_add or {} }) do
    for _, tag in ipairs(list) do
      if not seen[tag] then
        seen[tag] = true
        tags[#tags + 1] = tag
      end
    end
  end
  return tags
end

local function value_or_null(value)
  if value == CLEAR then
    return null
  end
  return value
end

-- A note goes below what is there.
local function description_of(task, changes)
  if changes.note then
    return task.description ~= null and task.description ~= "" and task.description .. "\n"
      .. changes.note or changes.note
  end
  return value_or_null(changes.description)
end

-- What PUT would get; nil and a problem when a date is none.
local function input_of(turn, task, changes)
  local input = { title = changes.title, priority = changes.priority, status = changes.status,
    description = description_of(task, changes),
    recurrence_rule = value_or_null(changes.recurrence_rule),
    reminder_offset_minutes = value_or_null(changes.reminder_offset_minutes) }
  if changes.tags == CLEAR then
    input.tags = json.list({})
  elseif changes.tags or changes.tags_add or changes.tags_remove then
    input.tags = with_tags(task, changes)
  end
  local why = chat_dates.put_changed(turn, task, changes, input)
  if why then
    return nil, why
  end
  if changes.recurrence_rule and task.timezone == null then
    input.timezone = turn.zone
  end
  return input
end

local function change(turn, task, changes)
  local input, why = input_of(turn, task, changes)
  if not input then
    return nil, why
  end
  return turn.tasks.update(turn.user, task.id, input)
end

local function tell_update(turn, task, after, changes)
  if changes.remind_at and after.remind_at ~= null then
    say(turn, "reminded", { title = after.title, at = chat_dates.to_civil(turn, after.remind_at) })
  elseif task.version == after.version then
    say(turn, "same", { task = chat_turn.describe(turn, after) })
  elseif task.title ~= after.title then
    say(turn, "renamed", { before = task.title, title = after.title })
  elseif changes.note or changes.description and changes.description ~= CLEAR then
    say(turn, "noted", { title = after.title, text = after.description })
  elseif changes.status == "pending" then
    say(turn, "reopened", { task = chat_turn.describe(turn, after) })
  else
    say(turn, "updated", { task = chat_turn.describe(turn, after) })
  end
end

local function update_one(turn, named, call)
  local changes = call.args.changes
  local task, why = turn.tasks.get(turn.user, named.id)
  if not task then
    chat_turn.fail(turn, "update_task", why)
    return
  end
  chat_turn.remember(turn, task)
  if changes.remind or changes.reminder_offset_minutes
    and changes.reminder_offset_minutes ~= CLEAR
    and task.due_date == null and not changes.due then
    turn.state.pending = { kind = "when" }
    say(turn, "remind_when", { title = task.title })
    return
  end
  local after = chat_turn.invoke(turn, "update_task", function()
    return change(turn, task, changes)
  end)
  if after then
    chat_turn.remember(turn, after)
    tell_update(turn, task, after, changes)
  end
end

local function update_task(turn, call)
  run_on(turn, call, update_one, function(user, id, several)
    local task, why = turn.tasks.get(user, id)
    if not task then
      return nil, why
    end
    local after
    after, why = change(turn, task, several.args.changes)
    return after, why, after and after.title
  end)
end

local TOOLS = { add_task = add_task, list_tasks = list_tasks, get_task = get_task,
  complete_task = complete_task, update_task = update_task, delete_task = delete_task }

---Does what one call of rules/chat says.
---@param turn chat_turn.Turn
---@param call table
function chat_tools.run(turn, call)
  turn.state.last_call = { tool = call.tool, changes = call.args.changes }
  TOOLS[call.tool](turn, call)
end

return chat_tools

-- The chat's tools: carries out the calls of rules/chat on a user's tasks and notes what is to be
-- said of it, for rules/chat_answers.
local chat_dates = require("chat-api.chat_dates")
local json = require("lib.json")
local match = require("chat-api.chat_match")

local chat_tools = {}

local MAX_CHOICES = 10   -- that one question lists
local MAX_LISTED = 20    -- lines of a list
local MAX_SEARCHED = 1000
local MAX_AT_ONCE = 200  -- tasks that one yes deletes or completes

local null = json.null
local CLEAR = chat_dates.CLEAR

---@class chat_tools.Turn
---@field user string
---@field tasks table
---@field calendar table
---@field state table       of the conversation; changed in place
---@field zone string
---@field now_ms integer
---@field now table         civil, with wday
---@field tools table[]     what was done, as the contract's tools_invoked
---@field answers chat_answers.Answer[]  what to say
---@field stream fun(type: string, data: any)|nil

---@param parts table  user, tasks, calendar, state, zone, now_ms, stream
---@return chat_tools.Turn
function chat_tools.turn(parts)
  parts.now = parts.calendar.to_local(parts.now_ms, parts.zone)
  parts.tools, parts.answers = {}, {}
  return parts
end

---Notes something to say.
---@param turn chat_tools.Turn
---@param name string  what, as rules/chat_answers.lua calls it
---@param values table|nil
function chat_tools.say(turn, name, values)
  values = values or {}
  values.say = name
  turn.answers[#turn.answers + 1] = values
end
local say = chat_tools.say

local function value_of(value)
  if value ~= null then
    return value
  end
end

-- The task as the rules know it.
local function describe(turn, task)
  return { title = task.title, due = chat_dates.due_of(turn, task), priority = task.priority,
    recurrence_rule = value_of(task.recurrence_rule), status = task.status,
    reminder_offset_minutes = value_of(task.reminder_offset_minutes),
    tags = { unpack(task.tags) } }
end

local function describe_all(turn, tasks, count)
  local described = {}
  for i = 1, math.min(#tasks, count) do
    described[i] = describe(turn, tasks[i])
  end
  return described
end

local function left_out(items, shown)
  return math.max(0, #items - shown)
end

-- Calls, recorded.

local function record(turn, name, result, why)
  local entry = { tool_name = name, success = why == nil, result = result == nil and null or result,
    error = why or null }
  turn.tools[#turn.tools + 1] = entry
  if turn.stream then
    turn.stream("tool_invocation", entry)
  end
end

local function fail(turn, name, why)
  record(turn, name, nil, why.detail)
  say(turn, "failed", { detail = why.detail })
end

local function invoke(turn, name, fn, ...)
  local result, why = fn(turn.user, ...)
  if not result then
    fail(turn, name, why)
    return nil, why
  end
  record(turn, name, name == "list_tasks" and json.list(result.items) or result)
  return result
end

local function remember(turn, task)
  turn.state.last_task = { id = task.id, title = task.title }
end

local function forget(turn, id)
  if turn.state.last_task and turn.state.last_task.id == id then
    turn.state.last_task = nil
  end
end

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
    fail(turn, "add_task", why)
    return
  end
  local task = invoke(turn, "add_task", turn.tasks.create, input)
  if not task then
    return
  end
  remember(turn, task)
  local described = describe(turn, task)
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

-- Finding the task that is meant.

local function prefer(items, test)
  local preferred = {}
  for _, task in ipairs(items) do
    preferred[#preferred + 1] = test(task) and task or nil
  end
  return #preferred > 0 and preferred or items
end

local function is_open(task)
  return task.status ~= "completed"
end

-- The tasks that may be meant by words, those first that the call makes sense for.
local function search(turn, call)
  local wanted = call.args.match
  local found, why = turn.tasks.list(turn.user, { limit = MAX_SEARCHED, status = "all" })
  if not found then
    return nil, why
  end
  local items = match.find(found.items, wanted.words, wanted.text)
  if #items == 0 and found.total > #found.items then
    found, why = turn.tasks.list(turn.user,
      { limit = MAX_SEARCHED, status = "all", search = wanted.words })
    if not found then
      return nil, why
    end
    items = match.find(found.items, wanted.words, wanted.text)
  end
  local changes = call.args.changes
  if changes and changes.status == "pending" then
    return prefer(items, function(task) return task.status ~= "pending" end)
  elseif call.tool ~= "delete_task" then
    return prefer(items, is_open)
  end
  return items
end

local function ask_which(turn, call, found)
  local choices = json.list({})
  for i = 1, math.min(#found, MAX_CHOICES) do
    choices[i] = { id = found[i].id, title = found[i].title }
  end
  call.otherwise = nil
  turn.state.pending = { kind = "pick", call = call, choices = choices }
  say(turn, "which", { words = call.args.match.words,
    tasks = describe_all(turn, found, MAX_CHOICES), more = left_out(found, MAX_CHOICES) })
end

-- The one task a call is about, as {id, title}. nil when it is not known; that has been said then,
-- or done otherwise.
local function resolve(turn, call)
  local wanted = call.args.match
  if wanted.id then
    return wanted
  elseif wanted.last then
    if not turn.state.last_task then
      say(turn, "unknown")
    end
    return turn.state.last_task
  elseif wanted.number then
    local shown = turn.state.shown and turn.state.shown[wanted.number]
    if shown then
      return shown
    end
    -- A title may be a number, too.
    wanted.words = wanted.text
  end
  local found, why = search(turn, call)
  if not found then
    fail(turn, call.tool, why)
  elseif #found == 1 then
    return found[1]
  elseif #found > 1 then
    ask_which(turn, call, found)
  elseif wanted.number then
    say(turn, "no_number", { number = wanted.number })
  elseif call.otherwise then
    chat_tools.run(turn, call.otherwise)
  else
    say(turn, "no_match", { words = wanted.words })
  end
  return nil
end

-- Listing.

local function list_tasks(turn, call)
  local args = call.args
  local query, why = chat_dates.query(turn, args)
  if not query then
    fail(turn, "list_tasks", why)
    return
  end
  if not query.sort then
    query.sort, query.order = "due_date", "asc"
  end
  local found = invoke(turn, "list_tasks", turn.tasks.list, query)
  if not found then
    return
  end
  turn.state.shown = json.list({})
  for i = 1, math.min(#found.items, MAX_LISTED) do
    turn.state.shown[i] = { id = found.items[i].id, title = found.items[i].title }
  end
  if #found.items == 1 then
    remember(turn, found.items[1])
  end
  say(turn, "list", { total = found.total, tasks = describe_all(turn, found.items, MAX_LISTED),
    more = #found.items > MAX_LISTED and found.total - MAX_LISTED or 0,
    filter = { priority = args.priority, status = args.status, overdue = args.overdue,
      search = args.search, dated = (args.due_before or args.due_after) ~= nil } })
end

-- Several at once, only after a yes.

---Asks before something is done to several tasks.
---@param turn chat_tools.Turn
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

local function ask_for_all(turn, call)
  local query, wrong = chat_dates.query(turn, call.args.match.filter)
  if not query then
    fail(turn, call.tool, wrong)
    return
  end
  query.limit = query.limit or MAX_SEARCHED
  if call.tool == "complete_task" then
    query.status = query.status or "active"
  end
  local found, why = turn.tasks.list(turn.user, query)
  if not found then
    fail(turn, call.tool, why)
  elseif #found.items == 0 then
    say(turn, "nothing_to", { tool = call.tool })
  else
    chat_tools.confirm(turn, call, found.items)
  end
end

local function each(turn, call, fn)
  local done = 0
  for _, id in ipairs(call.args.match.ids) do
    local result, why = fn(turn.user, id)
    record(turn, call.tool, result, not result and why.detail or nil)
    if result then
      done = done + 1
      if call.tool == "delete_task" then
        forget(turn, id)
      end
    elseif why.status ~= 404 then
      say(turn, "failed", { detail = why.detail })
      break
    end
  end
  say(turn, "several", { tool = call.tool, count = done })
end

-- Completing and deleting.

local function complete_one(turn, id)
  local answer = invoke(turn, "complete_task", turn.tasks.complete, id)
  if not answer then
    return
  end
  remember(turn, answer.completed_task)
  local title = answer.completed_task.title
  if answer.next_task and answer.next_task ~= null then
    remember(turn, answer.next_task)
    say(turn, "completed_next", { title = title, next = describe(turn, answer.next_task) })
  else
    say(turn, "completed", { title = title })
  end
end

-- "complete buy milk and call mom": the parts, where each is one task and the whole is none.
local function several_named(turn, call)
  local words = call.args.match.words
  if not words or not (words:find(" and ", 1, true) or words:find(",", 1, true)) then
    return nil
  end
  local whole = search(turn, call)
  if not whole or #whole > 0 then
    return nil
  end
  local found = {}
  for part in (words:gsub(",? and ", ",") .. ","):gmatch("%s*([^,]+),") do
    local one = search(turn, { tool = call.tool, args = { match = { words = part } } })
    if not one or #one ~= 1 or #found >= MAX_CHOICES then
      return nil
    end
    found[#found + 1] = one[1]
  end
  return #found > 1 and found or nil
end

local function complete_task(turn, call)
  local wanted = call.args.match
  if wanted.ids then
    each(turn, call, turn.tasks.complete)
    return
  elseif wanted.all then
    ask_for_all(turn, call)
    return
  end
  for _, task in ipairs(several_named(turn, call) or { resolve(turn, call) }) do
    complete_one(turn, task.id)
  end
end

local function delete_task(turn, call)
  local wanted = call.args.match
  if wanted.ids then
    each(turn, call, turn.tasks.delete)
    return
  elseif wanted.all then
    ask_for_all(turn, call)
    return
  end
  local task = resolve(turn, call)
  if task and invoke(turn, "delete_task", turn.tasks.delete, task.id) then
    forget(turn, task.id)
    say(turn, "deleted", { title = task.title })
  end
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

-- What PUT would get; nil and a problem when a date is none.
local function input_of(turn, task, changes)
  local input = { title = changes.title, priority = changes.priority, status = changes.status,
    description = value_or_null(changes.description),
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

local function update_each(turn, call)
  each(turn, call, function(_, id)
    local task, why = turn.tasks.get(turn.user, id)
    if not task then
      return nil, why
    end
    return change(turn, task, call.args.changes)
  end)
end

local function update_task(turn, call)
  if call.args.match.ids then
    update_each(turn, call)
    return
  elseif call.args.match.all then
    ask_for_all(turn, call)
    return
  end
  local named = resolve(turn, call)
  if not named then
    return
  end
  local changes = call.args.changes
  local task, why = turn.tasks.get(turn.user, named.id)
  if not task then
    fail(turn, "update_task", why)
    return
  end
  remember(turn, task)
  if changes.remind or changes.reminder_offset_minutes
    and changes.reminder_offset_minutes ~= CLEAR
    and task.due_date == null and not changes.due then
    turn.state.pending = { kind = "when" }
    say(turn, "remind_when", { title = task.title })
    return
  end
  local after = invoke(turn, "update_task", function()
    return change(turn, task, changes)
  end)
  if not after then
    return
  end
  remember(turn, after)
  if changes.remind_at and after.remind_at ~= null then
    say(turn, "reminded", { title = after.title, at = chat_dates.to_civil(turn, after.remind_at) })
  elseif task.version == after.version then
    say(turn, "same", { task = describe(turn, after) })
  elseif task.title ~= after.title then
    say(turn, "renamed", { before = task.title, title = after.title })
  else
    say(turn, "updated", { task = describe(turn, after) })
  end
end

local TOOLS = { add_task = add_task, list_tasks = list_tasks, complete_task = complete_task,
  update_task = update_task, delete_task = delete_task }

---Does what one call of rules/chat says.
---@param turn chat_tools.Turn
---@param call table
function chat_tools.run(turn, call)
  TOOLS[call.tool](turn, call)
end

return chat_tools

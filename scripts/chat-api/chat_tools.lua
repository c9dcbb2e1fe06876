-- The chat's tools: carries out the calls of rules/chat on a user's tasks and says what came of it.
-- Civil times of the rules become instants here.
local chat_text = require("chat-api.chat_text")
local civil = require("rules.chat_civil")
local dates = require("rules.chat_dates")
local json = require("lib.json")
local match = require("rules.chat_match")
local rules = require("rules.chat")

local chat_tools = {}

local MAX_CHOICES = 10   -- that one question lists
local MAX_LISTED = 20    -- lines of a list
local MAX_SEARCHED = 1000
local MAX_AT_ONCE = 200  -- tasks that one yes deletes or completes

local null = json.null

---@class chat_tools.Turn
---@field user string
---@field tasks table
---@field calendar table
---@field state table       of the conversation; changed in place
---@field zone string
---@field now_ms integer
---@field now table         civil, with wday
---@field tools table[]     what was done, as the contract's tools_invoked
---@field lines string[]    the answer
---@field stream fun(type: string, data: any)|nil

---@param parts table  user, tasks, calendar, state, zone, now_ms, stream
---@return chat_tools.Turn
function chat_tools.turn(parts)
  parts.now = parts.calendar.to_local(parts.now_ms, parts.zone)
  parts.tools, parts.lines = {}, {}
  return parts
end

---@param turn chat_tools.Turn
---@param text string
function chat_tools.say(turn, text)
  turn.lines[#turn.lines + 1] = text
end
local say = chat_tools.say

-- Time.

local function format(turn, ms)
  local utc = turn.calendar.to_local(ms, "UTC")
  return string.format("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.year, utc.month, utc.day,
    utc.hour,
    utc.min, utc.sec, ms % 1000)
end

local function parse(text)
  local year, month, day, hour, min, sec, rest =
    text:match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)%.?(%d*)Z$")
  local days = civil.to_days(tonumber(year), tonumber(month), tonumber(day))
  return ((days * 24 + tonumber(hour)) * 60 + tonumber(min)) * 60000 + tonumber(sec) * 1000
    + (tonumber((rest .. "000"):sub(1, 3)))
end

local function to_ms(turn, date, usual)
  return turn.calendar.from_local(dates.fill(date, turn.now, usual), turn.zone)
end

local function to_civil(turn, text)
  return turn.calendar.to_local(parse(text), turn.zone)
end

local function due_of(turn, task)
  return task.due_date ~= null and to_civil(turn, task.due_date) or nil
end

local function describe(turn, task)
  return chat_text.task(task, due_of(turn, task), turn.now)
end

-- The reminder and due date for a moment at which to remind. Without a later due date it is due a
-- minute after the reminder, the least distance there can be.
local function reminder(remind_ms, due_ms)
  if due_ms and due_ms - remind_ms >= 60000 then
    return due_ms, math.floor((due_ms - remind_ms) / 60000)
  end
  return remind_ms + 60000, 1
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
  say(turn, chat_text.failed(why))
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
  local due_ms = args.due and to_ms(turn, args.due)
  local remind_when = args.remind_at == true
  if args.remind_at and not remind_when then
    local remind_ms = to_ms(turn, args.remind_at)
    due_ms, input.reminder_offset_minutes = reminder(remind_ms, due_ms)
  elseif input.reminder_offset_minutes and not due_ms then
    input.reminder_offset_minutes = nil
    remind_when = true
  end
  input.due_date = due_ms and format(turn, due_ms)
  local task = invoke(turn, "add_task", turn.tasks.create, input)
  if not task then
    return
  end
  remember(turn, task)
  if remind_when then
    turn.state.pending = { kind = "when" }
    say(turn, "Added " .. describe(turn, task)
      .. '. When should I remind you? For example "tomorrow at 9am".')
  elseif args.remind_at and task.remind_at ~= null then
    local only_reminder = not args.due
    say(turn, "Added " .. (only_reminder and chat_text.task(task, nil, turn.now, true)
      or describe(turn, task)) .. ". I will remind you "
      .. chat_text.moment(to_civil(turn, task.remind_at), turn.now) .. ".")
  else
    say(turn, "Added " .. describe(turn, task) .. ".")
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
  local lines = { 'Several tasks match "' .. call.args.match.words .. '". Which one?' }
  for i = 1, math.min(#found, MAX_CHOICES) do
    choices[i] = { id = found[i].id, title = found[i].title }
    lines[#lines + 1] = i .. ". " .. describe(turn, found[i])
  end
  if #found > MAX_CHOICES then
    lines[#lines + 1] = "… and " .. #found - MAX_CHOICES .. " more; more words would help."
  end
  call.otherwise = nil
  turn.state.pending = { kind = "pick", call = call, choices = choices }
  say(turn, table.concat(lines, "\n"))
end

-- The one task a call is about, as {id, title}. nil when it is not known; that has been said then,
-- or done otherwise.
local function resolve(turn, call)
  local wanted = call.args.match
  if wanted.id then
    return wanted
  elseif wanted.last then
    if not turn.state.last_task then
      say(turn, "I am not sure which task you mean; please tell me its title.")
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
    say(turn, "There is no number " .. wanted.number .. " in what I listed last.")
  elseif call.otherwise then
    chat_tools.run(turn, call.otherwise)
  else
    say(turn, 'I found no task that matches "' .. wanted.words .. '".')
  end
  return nil
end

-- Listing.

local function query_of(turn, filter)
  local query = {}
  for name, value in pairs(filter) do
    query[name] = value
  end
  query.due_before = filter.due_before and format(turn, to_ms(turn, filter.due_before))
  query.due_after = filter.due_after and format(turn, to_ms(turn, filter.due_after))
  return query
end

local function list_tasks(turn, call)
  local args = call.args
  local query = query_of(turn, args)
  if not query.sort then
    query.sort, query.order = "due_date", "asc"
  end
  local found = invoke(turn, "list_tasks", turn.tasks.list, query)
  if not found then
    return
  end
  turn.state.shown = json.list({})
  if #found.items == 0 then
    say(turn, chat_text.nothing(args))
    return
  end
  local lines = { chat_text.count(found.total, args) }
  for i = 1, math.min(#found.items, MAX_LISTED) do
    local task = found.items[i]
    turn.state.shown[i] = { id = task.id, title = task.title }
    lines[#lines + 1] = i .. ". " .. describe(turn, task)
  end
  if found.total > MAX_LISTED and #found.items > MAX_LISTED then
    lines[#lines + 1] = "… and " .. found.total - MAX_LISTED .. " more."
  end
  if #found.items == 1 then
    remember(turn, found.items[1])
  end
  say(turn, table.concat(lines, "\n"))
end

-- Several at once, only after a yes.

local VERBS = { delete_task = "delete", complete_task = "complete", update_task = "change" }

---Asks before something is done to several tasks.
---@param turn chat_tools.Turn
---@param call table   what is to be done to each
---@param items table[]
function chat_tools.confirm(turn, call, items)
  local verb = VERBS[call.tool]
  local count = math.min(#items, MAX_AT_ONCE)
  local lines = { "This will " .. verb .. " " .. chat_text.tasks(count) .. ":" }
  local ids = json.list({})
  for i = 1, count do
    ids[i] = items[i].id
    if i <= MAX_CHOICES then
      lines[#lines + 1] = '- "' .. items[i].title .. '"'
    end
  end
  if count > MAX_CHOICES then
    lines[#lines + 1] = "… and " .. count - MAX_CHOICES .. " more"
  end
  lines[#lines + 1] = "Shall I " .. verb .. " " .. (count == 1 and "it" or "them")
    .. "? (yes or no)"
  turn.state.pending = { kind = "confirm", calls = json.list({
    { tool = call.tool, args = { match = { ids = ids }, changes = call.args.changes } } }) }
  say(turn, table.concat(lines, "\n"))
end

local function ask_for_all(turn, call)
  local query = query_of(turn, call.args.match.filter)
  query.limit = query.limit or MAX_SEARCHED
  if call.tool == "complete_task" then
    query.status = query.status or "active"
  end
  local found, why = turn.tasks.list(turn.user, query)
  if not found then
    fail(turn, call.tool, why)
  elseif #found.items == 0 then
    say(turn, "There is nothing to " .. VERBS[call.tool] .. ".")
  else
    chat_tools.confirm(turn, call, found.items)
  end
end

local function each(turn, call, fn, past)
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
      say(turn, chat_text.failed(why))
      break
    end
  end
  say(turn, past .. " " .. chat_text.tasks(done) .. ".")
end

-- Completing and deleting.

local function complete_one(turn, id)
  local answer = invoke(turn, "complete_task", turn.tasks.complete, id)
  if not answer then
    return
  end
  remember(turn, answer.completed_task)
  local text = 'Done: "' .. answer.completed_task.title .. '".'
  if answer.next_task and answer.next_task ~= null then
    text = text .. " Next: " .. describe(turn, answer.next_task) .. "."
    remember(turn, answer.next_task)
  end
  say(turn, text)
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
    each(turn, call, turn.tasks.complete, "Completed")
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
    each(turn, call, turn.tasks.delete, "Deleted")
    return
  elseif wanted.all then
    ask_for_all(turn, call)
    return
  end
  local task = resolve(turn, call)
  if task and invoke(turn, "delete_task", turn.tasks.delete, task.id) then
    forget(turn, task.id)
    say(turn, 'Deleted "' .. task.title .. '".')
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

-- The new due date in ms: what is not said of a day and time stays as it was.
local function new_due(turn, task, changes)
  local old = due_of(turn, task)
  local shift = changes.due_shift
  if shift then
    local from = old or turn.now
    return turn.calendar.from_local(civil.add(from, shift.count, shift.unit), turn.zone)
  end
  local due = changes.due
  if due.time_only and old and not civil.before(old, turn.now) then
    due = { year = old.year, month = old.month, day = old.day, hour = due.hour, min = due.min }
  end
  return to_ms(turn, due, old and { hour = old.hour, min = old.min } or nil)
end

local function value_or_null(value)
  if value == rules.null then
    return null
  end
  return value
end

-- What PUT would get.
local function input_of(turn, task, changes)
  local input = { title = changes.title, priority = changes.priority, status = changes.status,
    description = value_or_null(changes.description),
    recurrence_rule = value_or_null(changes.recurrence_rule),
    reminder_offset_minutes = value_or_null(changes.reminder_offset_minutes) }
  if changes.tags == rules.null then
    input.tags = json.list({})
  elseif changes.tags or changes.tags_add or changes.tags_remove then
    input.tags = with_tags(task, changes)
  end
  local due_ms = task.due_date ~= null and parse(task.due_date) or nil
  if changes.due == rules.null then
    input.due_date, due_ms = null, nil
  elseif changes.due or changes.due_shift then
    due_ms = new_due(turn, task, changes)
    input.due_date = format(turn, due_ms)
  end
  if changes.remind_at then
    due_ms, input.reminder_offset_minutes = reminder(to_ms(turn, changes.remind_at), due_ms)
    input.due_date = format(turn, due_ms)
  end
  if changes.recurrence_rule and task.timezone == null then
    input.timezone = turn.zone
  end
  return input
end

local function update_each(turn, call)
  each(turn, call, function(_, id)
    local task, why = turn.tasks.get(turn.user, id)
    if not task then
      return nil, why
    end
    return turn.tasks.update(turn.user, id, input_of(turn, task, call.args.changes))
  end, "Changed")
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
    and changes.reminder_offset_minutes ~= rules.null
    and task.due_date == null and not changes.due then
    turn.state.pending = { kind = "when" }
    say(turn, '"' .. task.title .. '" has no time for a reminder yet. When should I remind you? '
      .. 'For example "tomorrow at 9am".')
    return
  end
  local after = invoke(turn, "update_task", turn.tasks.update, task.id,
    input_of(turn, task, changes))
  if not after then
    return
  end
  remember(turn, after)
  local text = chat_text.changed(task, after, describe(turn, after))
  if changes.remind_at and after.remind_at ~= null then
    text = 'I will remind you of "' .. after.title .. '" '
      .. chat_text.moment(to_civil(turn, after.remind_at), turn.now) .. "."
  end
  say(turn, text)
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

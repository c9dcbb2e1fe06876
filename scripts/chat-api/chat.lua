-- The chat without a model: rules/chat says what a message means, this file does it through the same
-- task code as REST, and answers. What an answer asks ("which one?", "really all five?") is kept in
-- the conversation's state and answered by the next message.
local calendar = require("host.calendar")
local chat_text = require("chat-api.chat_text")
local dates = require("rules.chat_dates")
local json = require("lib.json")
local rules = require("rules.chat")
local time = require("host.time")

local chat = {}

local MAX_NAMED = 10     -- tasks that one question lists
local MAX_SEARCHED = 1000

---@class chat.Turn
---@field user string
---@field tasks table          chat-api/tasks, or what a spec puts in its place
---@field state table          of the conversation, changed in place
---@field zone string
---@field now_ms integer
---@field now table            civil
---@field tools table[]        what was done, for the reply
---@field lines string[]       the answer

-- Civil time and RFC 3339.

local function to_text(turn, civil)
  local ms = calendar.from_local(civil, turn.zone)
  return ms and time.format(ms)
end

local function to_civil(turn, text)
  return calendar.to_local(time.parse(text), turn.zone)
end

local function record(turn, name, result, why)
  turn.tools[#turn.tools + 1] = { tool_name = name, success = why == nil,
    result = result or json.null, error = why and why.detail or json.null }
end

local function say(turn, text)
  turn.lines[#turn.lines + 1] = text
end

-- Does one thing with the tasks and records it; says the error when there is one.
local function invoke(turn, name, fn, ...)
  local result, why = fn(...)
  record(turn, name, result, not result and why or nil)
  if not result then
    say(turn, chat_text.failed(why))
  end
  return result
end

local function describe(turn, task)
  return chat_text.task(task, task.due_date ~= json.null and to_civil(turn, task.due_date) or nil,
    turn.now)
end

local function remember(turn, task)
  turn.state.last = { id = task.id, title = task.title }
end

-- Adding.

local function add_task(turn, args)
  local input = { title = args.title, priority = args.priority,
    tags = args.tags and json.list(args.tags),
    recurrence_rule = args.recurrence_rule, timezone = turn.zone }
  input.reminder_offset_minutes = args.reminder_offset_minutes
  local due = args.due
  if due then
    if args.remind_at_due then
      -- The reminder comes at the moment that was said; the least offset is a minute.
      due = dates.add_seconds(due, 60)
      input.reminder_offset_minutes = 1
    end
    input.due_date = to_text(turn, due)
  elseif args.remind_at_due or args.reminder_offset_minutes then
    turn.state.pending = { kind = "when", args = args }
    say(turn, 'When should I remind you to "' .. args.title .. '"?')
    return
  end
  local task = invoke(turn, "add_task", turn.tasks.create, turn.user, input)
  if not task then
    return
  end
  remember(turn, task)
  if args.remind_at_due then
    say(turn, 'I will remind you ' .. chat_text.moment(to_civil(turn, task.remind_at), turn.now)
      .. ': "' .. task.title .. '".')
  else
    say(turn, "Added " .. describe(turn, task) .. ".")
  end
end

-- Finding.

local function open_tasks(turn)
  local found, why = turn.tasks.list(turn.user, { limit = MAX_SEARCHED, status = "all" })
  if not found then
    say(turn, chat_text.failed(why))
    return nil
  end
  return found.items
end

local function prefer_open(found)
  local open = {}
  for _, task in ipairs(found) do
    if task.status ~= "completed" then
      open[#open + 1] = task
    end
  end
  return #open > 0 and open or found
end

-- The tasks whose title the words name: the same title, else one that holds all words, else one that
-- is a typing mistake away.
local function matching(items, words)
  local wanted = chat_text.fold(words)
  local same, holding, near = {}, {}, {}
  for _, task in ipairs(items) do
    local title = chat_text.fold(task.title)
    if title == wanted then
      same[#same + 1] = task
    elseif chat_text.holds_words(title, wanted) then
      holding[#holding + 1] = task
    elseif chat_text.is_near(title, wanted) then
      near[#near + 1] = task
    end
  end
  return #same > 0 and same or #holding > 0 and holding or near
end

-- Asks which of several is meant; the call goes on when the answer comes.
local function ask_which(turn, found, call, words)
  local choices = json.list({})
  local lines = { 'Several tasks match "' .. words .. '". Which one?' }
  for i = 1, math.min(#found, MAX_NAMED) do
    choices[i] = { id = found[i].id, title = found[i].title }
    lines[#lines + 1] = i .. ". " .. describe(turn, found[i])
  end
  turn.state.pending = { kind = "which", choices = choices, call = call }
  say(turn, table.concat(lines, "\n"))
end

-- The task that a match names; nil when there is not exactly one, which has then been said.
local function resolve(turn, match, call)
  if match.id then
    return { id = match.id, title = match.title }
  end
  if match.last then
    if not turn.state.last then
      say(turn, "I am not sure which task you mean. Please tell me its title.")
    end
    return turn.state.last
  end
  if match.number then
    local listed = turn.state.listed and turn.state.listed[match.number]
    if not listed then
      say(turn, "There is no number " .. match.number .. " in what I listed last.")
    end
    return listed
  end
  local items = open_tasks(turn)
  if not items then
    return nil
  end
  local found = matching(items, match.words)
  if call.tool ~= "delete_task" and not (call.args.changes and call.args.changes.status) then
    found = prefer_open(found)
  elseif call.args.changes and call.args.changes.status == "pending" then
    local done = {}
    for _, task in ipairs(found) do
      done[#done + 1] = task.status ~= "pending" and task or nil
    end
    found = #done > 0 and done or found
  end
  if #found == 0 then
    say(turn, 'I found no task that matches "' .. match.words .. '".')
    return nil
  elseif #found > 1 then
    ask_which(turn, found, call, match.words)
    return nil
  end
  return found[1]
end

-- Listing.

local function list_query(turn, args)
  local query = { status = args.status, priority = args.priority, tags = args.tags,
    overdue = args.overdue, search = args.search, is_recurring = args.is_recurring,
    has_due_date = args.has_due_date, sort = args.sort, order = args.order }
  query.due_before = args.due_before and to_text(turn, args.due_before)
  query.due_after = args.due_after and to_text(turn, args.due_after)
  if not query.sort then
    query.sort, query.order = "due_date", "asc"
  end
  return query
end

local function list_tasks(turn, args)
  local found = invoke(turn, "list_tasks", turn.tasks.list, turn.user, list_query(turn, args))
  if not found then
    return
  end
  turn.tools[#turn.tools].result = json.list(found.items)
  turn.state.listed = json.list({})
  if found.total == 0 then
    say(turn, chat_text.nothing(args))
    return
  end
  local lines = { chat_text.count(found.total, args) }
  for i, task in ipairs(found.items) do
    if i > 20 then
      lines[#lines + 1] = "… and " .. (found.total - 20) .. " more."
      break
    end
    turn.state.listed[i] = { id = task.id, title = task.title }
    lines[#lines + 1] = i .. ". " .. describe(turn, task)
  end
  if #found.items == 1 then
    remember(turn, found.items[1])
  end
  say(turn, args.count and lines[1] or table.concat(lines, "\n"))
end

-- Completing.

local function complete_one(turn, task)
  local answer = invoke(turn, "complete_task", turn.tasks.complete, turn.user, task.id)
  if not answer then
    return
  end
  remember(turn, answer.completed_task)
  local text = 'Completed "' .. answer.completed_task.title .. '".'
  if answer.next_task ~= json.null then
    text = text .. " Next: " .. describe(turn, answer.next_task) .. "."
    remember(turn, answer.next_task)
  end
  say(turn, text)
end

-- Asks before something is done to several tasks at once.
local function confirm(turn, kind, items, verb)
  local ids = json.list({})
  for i, task in ipairs(items) do
    ids[i] = task.id
  end
  local lines = { "This will " .. verb .. " " .. chat_text.tasks(#items) .. ":" }
  for i = 1, math.min(#items, MAX_NAMED) do
    lines[#lines + 1] = "- " .. items[i].title
  end
  if #items > MAX_NAMED then
    lines[#lines + 1] = "… and " .. (#items - MAX_NAMED) .. " more"
  end
  lines[#lines + 1] = "Shall I? (yes or no)"
  turn.state.pending = { kind = kind, ids = ids }
  say(turn, table.concat(lines, "\n"))
end

local function complete_task(turn, call)
  if call.args.all then
    local found, why = turn.tasks.list(turn.user, { status = "active", limit = MAX_SEARCHED })
    if not found then
      say(turn, chat_text.failed(why))
    elseif #found.items == 0 then
      say(turn, "There is nothing to complete.")
    else
      confirm(turn, "complete", found.items, "complete")
    end
    return
  end
  local task = resolve(turn, call.args.match, call)
  if task then
    complete_one(turn, task)
  end
end

-- Changing.

local function merge_tags(task, changes)
  local tags, seen = json.list({}), {}
  local removed = {}
  for _, tag in ipairs(changes.tags_remove or {}) do
    removed[tag] = true
  end
  for _, list in ipairs({ task.tags, changes.tags_add or {} }) do
    for _, tag in ipairs(list) do
      if not seen[tag] and not removed[tag] then
        seen[tag] = true
        tags[#tags + 1] = tag
      end
    end
  end
  return tags
end

-- The new due date: a moved one keeps the parts of the old that were not said.
local function new_due(turn, task, changes)
  local old = task.due_date ~= json.null and to_civil(turn, task.due_date) or nil
  if changes.shift then
    if not old then
      return nil, 'The task "' .. task.title .. '" has no due date to move.'
    end
    return dates.add(old, changes.shift.count, changes.shift.unit)
  end
  local due = changes.due
  if old and changes.keep_time then
    due.hour, due.min, due.sec = old.hour, old.min, old.sec
  elseif old and changes.keep_day then
    due.year, due.month, due.day = old.year, old.month, old.day
  end
  return due
end

local function is_clear(value)
  return value == rules.CLEAR or value == "clear"
end

-- The JSON that PUT would get; nil and a sentence when it makes no sense.
local function to_input(turn, task, changes)
  local input = { title = changes.title, priority = changes.priority, status = changes.status }
  if changes.tags_add or changes.tags_remove then
    input.tags = merge_tags(task, changes)
  end
  for _, name in ipairs({ "reminder_offset_minutes", "recurrence_rule" }) do
    if changes[name] then
      input[name] = is_clear(changes[name]) and json.null or changes[name]
    end
  end
  if changes.due and is_clear(changes.due) then
    input.due_date = json.null
  elseif changes.due or changes.shift then
    local due, message = new_due(turn, task, changes)
    if not due then
      return nil, message
    end
    input.due_date = to_text(turn, due)
  elseif changes.due_if_none and task.due_date == json.null then
    input.due_date = to_text(turn, changes.due_if_none)
  end
  if changes.recurrence_rule and task.timezone == json.null then
    input.timezone = turn.zone
  end
  if changes.remind_at then
    local at = time.parse(to_text(turn, changes.remind_at))
    local due = task.due_date ~= json.null and time.parse(task.due_date)
    if due and due - at >= 60000 then
      input.reminder_offset_minutes = math.floor((due - at) / 60000)
    else
      input.due_date, input.reminder_offset_minutes = time.format(at + 60000), 1
    end
  end
  return input
end

local function update_task(turn, call)
  local task = resolve(turn, call.args.match, call)
  if not task then
    return
  end
  local why
  task, why = turn.tasks.get(turn.user, task.id)
  if not task then
    say(turn, chat_text.failed(why))
    return
  end
  local input, message = to_input(turn, task, call.args.changes)
  if not input then
    say(turn, message)
    return
  end
  local after = invoke(turn, "update_task", turn.tasks.update, turn.user, task.id, input)
  if after then
    remember(turn, after)
    say(turn, chat_text.changed(task, after, describe(turn, after)))
  end
end

-- Deleting.

local function delete_one(turn, task)
  if invoke(turn, "delete_task", turn.tasks.delete, turn.user, task.id) then
    if turn.state.last and turn.state.last.id == task.id then
      turn.state.last = nil
    end
    say(turn, 'Deleted "' .. task.title .. '".')
  end
end

local function delete_task(turn, call)
  if call.args.all then
    local query = list_query(turn, call.args.filters)
    query.status, query.limit = query.status or "all", MAX_SEARCHED
    local found, why = turn.tasks.list(turn.user, query)
    if not found then
      say(turn, chat_text.failed(why))
    elseif #found.items == 0 then
      say(turn, "There is nothing to delete.")
    elseif #found.items == 1 then
      delete_one(turn, found.items[1])
    else
      confirm(turn, "delete", found.items, "delete")
    end
    return
  end
  local task = resolve(turn, call.args.match, call)
  if task then
    delete_one(turn, task)
  end
end

-- Answers to what was asked.

local do_call

local function confirmed(turn, pending)
  local name = pending.kind == "delete" and "delete_task" or "complete_task"
  local fn = pending.kind == "delete" and turn.tasks.delete or turn.tasks.complete
  local done = 0
  for _, id in ipairs(pending.ids) do
    local result, why = fn(turn.user, id)
    record(turn, name, result, not result and why or nil)
    if result then
      done = done + 1
    elseif why.status ~= 404 then
      say(turn, chat_text.failed(why))
      break
    end
  end
  turn.state.last = nil
  say(turn, (pending.kind == "delete" and "Deleted " or "Completed ") .. chat_text.tasks(done) .. ".")
end

local function picked(turn, pending, args)
  if pending.kind ~= "which" then
    say(turn, "I did not ask for a number.")
    return
  end
  local chosen = args.all and pending.choices or { pending.choices[args.number] }
  if #chosen == 0 then
    turn.state.pending = pending
    say(turn, "Please give a number from 1 to " .. #pending.choices .. ".")
    return
  end
  if #chosen > 1 and pending.call.tool == "delete_task" then
    confirm(turn, "delete", chosen, "delete")
    return
  end
  for _, task in ipairs(chosen) do
    local call = pending.call
    call.args.match = { id = task.id, title = task.title }
    do_call(turn, call)
  end
end

local function answer_yes(turn, pending)
  if not pending then
    say(turn, "Good. What shall I do?")
  elseif pending.kind == "add" then
    add_task(turn, pending.args)
  elseif pending.kind == "delete" or pending.kind == "complete" then
    confirmed(turn, pending)
  elseif pending.kind == "which" then
    turn.state.pending = pending
    say(turn, "Which one? Please give its number.")
  else
    turn.state.pending = pending
    say(turn, "When? For example: tomorrow at 9am.")
  end
end

-- A message that is neither a command nor an answer: a date that was asked for, the title of one of
-- the choices, or else a task to add, if it is wanted.
local function unclear(turn, args, pending)
  local text = args.text
  if pending and text and pending.kind == "when" then
    local found = dates.find(text, turn.now)
    local due = dates.due(found, turn.now)
    if due then
      pending.args.due = due
      add_task(turn, pending.args)
      return
    end
  elseif pending and text and pending.kind == "which" then
    local found = matching(pending.choices, text)
    if #found == 1 then
      for i, choice in ipairs(pending.choices) do
        if choice == found[1] then
          picked(turn, pending, { number = i })
          return
        end
      end
    end
  end
  if args.ask == "title" then
    say(turn, "What is the task called?")
  elseif args.ask == "date" then
    say(turn, "To which date? For example: move it to friday at 3pm.")
  elseif text and #text <= 255 and not text:find("%?$") then
    turn.state.pending = { kind = "add", args = { title = text } }
    say(turn, 'Shall I add "' .. text .. '" as a task? (yes or no)')
  else
    say(turn, "I did not understand that. " .. chat_text.HINT)
  end
end

local HANDLERS = {
  add_task = function(turn, call) add_task(turn, call.args) end,
  list_tasks = function(turn, call) list_tasks(turn, call.args) end,
  complete_task = complete_task,
  update_task = update_task,
  delete_task = delete_task,
  help = function(turn) say(turn, chat_text.HELP) end,
  greeting = function(turn) say(turn, "Hello! " .. chat_text.HINT) end,
  undo = function(turn) say(turn, "I cannot undo yet. " .. chat_text.HINT) end,
  yes = function(turn, _, pending) answer_yes(turn, pending) end,
  no = function(turn, _, pending)
    say(turn, pending and "All right, nothing was changed." or "All right.")
  end,
  pick = function(turn, call, pending) picked(turn, pending, call.args) end,
  unclear = function(turn, call, pending) unclear(turn, call.args, pending) end,
}

function do_call(turn, call, pending)
  HANDLERS[call.tool](turn, call, pending)
end

-- What is stored must be JSON: the marker for "clear" becomes a word.
local function storable(value)
  if value == rules.CLEAR then
    return "clear"
  elseif type(value) ~= "table" then
    return value
  end
  local copy = setmetatable({}, getmetatable(value))
  for key, item in pairs(value) do
    copy[key] = storable(item)
  end
  return copy
end

---Does what a message says.
---@param tasks table          chat-api/tasks
---@param conversation {id: string, state: table}  its state is changed
---@param user string
---@param text string
---@param options {zone: string, now_ms: integer}
---@return string answer
---@return table[] tools_invoked  {tool_name, success, result, error}
function chat.turn(tasks, conversation, user, text, options)
  local now = calendar.to_local(options.now_ms, options.zone)
  local turn = { user = user, tasks = tasks, state = conversation.state, zone = options.zone,
    now_ms = options.now_ms, now = now, tools = {}, lines = {} }
  local pending = turn.state.pending
  for _, call in ipairs(rules.understand(text, { now = now, pending = pending })) do
    turn.state.pending = nil
    do_call(turn, call, pending)
    pending = turn.state.pending
  end
  conversation.state = storable(turn.state)
  return table.concat(turn.lines, "\n"), turn.tools
end

return chat

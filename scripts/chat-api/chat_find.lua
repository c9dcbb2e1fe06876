-- Which tasks a call is about: by words, by their place in the last list, by a filter.
local chat_dates = require("chat-api.chat_dates")
local chat_turn = require("chat-api.chat_turn")
local json = require("lib.json")
local match = require("chat-api.chat_match")
local time = require("host.time")

local chat_find = {}

local MAX_CHOICES = 10   -- that one question lists
local MAX_SEARCHED = 1000

local null = json.null
local say = chat_turn.say

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

local function titled(turn, wanted, query)
  query.limit, query.status = MAX_SEARCHED, "all"
  local found, why = turn.tasks.list(turn.user, query)
  if not found then
    return nil, why
  end
  return match.find(found.items, wanted.words, wanted.text)
end

-- The tasks that may be meant by words, those first that the call makes sense for. Few tasks hold
-- the longest of the words; only where that finds none, a word with a typing mistake is looked for
-- in all of them.
local function search(turn, call)
  local wanted = call.args.match
  local word = match.longest_word(wanted.words)
  local items, why
  if word then
    items, why = titled(turn, wanted, { search = word })
  end
  if not why and (not items or #items == 0) then
    items, why = titled(turn, wanted, {})
  end
  if not items then
    return nil, why
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
  local otherwise = call.otherwise
  call.otherwise = nil
  turn.state.pending = { kind = "pick", call = call, choices = choices }
  turn.state.last_task = nil
  say(turn, "which", { words = call.args.match.words,
    tasks = chat_turn.describe_all(turn, found, MAX_CHOICES),
    more = chat_turn.left_out(found, MAX_CHOICES) })
  return otherwise
end

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
    chat_turn.fail(turn, call.tool, why)
  elseif #found == 1 then
    return found[1]
  elseif #found > 1 then
    ask_which(turn, call, found)
  elseif wanted.number then
    say(turn, "no_number", { number = wanted.number })
  elseif call.otherwise then
    return nil, call.otherwise
  else
    say(turn, "no_match", { words = wanted.words })
  end
  return nil
end

---The one task a call is about, as {id, title}. nil when it is not known: that has been said then,
---unless the second value is the call to do instead.
---@param turn chat_turn.Turn
---@param call table
---@return {id: string, title: string}|nil
---@return table|nil otherwise
function chat_find.one(turn, call)
  local task, otherwise = resolve(turn, call)
  turn.unresolved = not task and not otherwise
  return task, otherwise
end

-- "buy milk and call mom": the parts, where each is one task and the whole is none.
local function parts_of(turn, call)
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

-- "1 and 3": those of the last list.
local function numbered(turn, numbers)
  local found = {}
  for _, number in ipairs(numbers) do
    local shown = turn.state.shown and turn.state.shown[number]
    if not shown then
      say(turn, "no_number", { number = number })
      return nil
    end
    found[#found + 1] = shown
  end
  return found
end

---Several tasks that a call names one by one; nil and false where it does not, nil and true where
---they are not known, which has been said.
---@param turn chat_turn.Turn
---@param call table
---@return table[]|nil
---@return boolean|nil said
function chat_find.several(turn, call)
  local numbers = call.args.match.numbers
  if numbers then
    local found = numbered(turn, numbers)
    return found, found == nil
  end
  return parts_of(turn, call), false
end

local function has_reminder(task)
  return task.remind_at ~= null
end

-- A topic ("work tasks") is a tag where there are tasks with it, else words of the title.
local function settle_topic(turn, query)
  local topic = query.topic
  query.topic = nil
  if not topic then
    return true
  end
  local tagged, why = turn.tasks.list(turn.user, { tags = { topic }, limit = 1, status = "all" })
  if not tagged then
    return nil, why
  elseif tagged.total > 0 then
    query.tags = { topic, unpack(query.tags or {}) }
  else
    query.search = query.search or topic
  end
  return true
end

---The tasks that a filter of the rules leaves.
---@param turn chat_turn.Turn
---@param filter table
---@param more table|nil  of the query, where the filter says nothing
---@return {items: table[], total: integer}|nil
---@return table|nil problem
function chat_find.filtered(turn, filter, more)
  local query, why = chat_dates.query(turn, filter)
  if not query then
    return nil, why
  end
  query.count, query.has_reminder = nil, nil
  for name, value in pairs(more or {}) do
    query[name] = query[name] == nil and value or query[name]
  end
  local good
  good, why = settle_topic(turn, query)
  if not good then
    return nil, why
  end
  if filter.has_reminder then
    query.limit = MAX_SEARCHED
  end
  local found
  found, why = turn.tasks.list(turn.user, query)
  if found and filter.has_reminder then
    local items = {}
    for _, task in ipairs(found.items) do
      items[#items + 1] = has_reminder(task) and task or nil
    end
    return { items = items, total = #items }
  end
  return found, why
end

local OF_DAYS = { status = true, due_after = true, due_before = true, count = true, sort = true,
  order = true, limit = true }

---What was completed in the days that a filter names: by its due date, as for other tasks, or by
---when it was done ("what did i finish today?"), for which the task's last change stands. A filter
---that says more goes by the due date.
---@param turn chat_turn.Turn
---@param filter table
---@param more table  of the query, where the filter says nothing
---@return {items: table[], total: integer}|nil
---@return table|nil problem
function chat_find.completed(turn, filter, more)
  for name in pairs(filter) do
    if not OF_DAYS[name] then
      return chat_find.filtered(turn, filter, more)
    end
  end
  local query, why = chat_dates.query(turn, filter)
  if not query then
    return nil, why
  end
  local from, to = query.due_after, query.due_before
  return turn.tasks.completed(turn.user, from and time.parse(from), to and time.parse(to),
    math.min(filter.limit or more.limit, more.limit))
end

return chat_find

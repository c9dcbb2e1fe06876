-- A model that answers the chat, where OPENAI_BASE_URL names a server. It has the tools of
-- toolbox.lua and no others, for this user alone; what it may do in one turn is bounded here, so
-- that text which fools it gains nothing: few steps, few changes, and no deletion but of one task
-- that the user's own message names; all others wait for the user's yes, in the same question as
-- without a model. When it does not answer, or not with sense, and nothing was done or shown yet,
-- the rules answer instead (chat.lua).
local breaker = require("chat-api.model_breaker")
local chat_tools = require("chat-api.chat_tools")
local config = require("host.config")
local host_text = require("host.text")
local json = require("lib.json")
local log = require("host.log")
local metrics = require("host.metrics")
local openai = require("lib.openai")
local rules = require("lib.rules")
local time = require("host.time")
local toolbox = require("chat-api.toolbox")
local words = require("chat-api.model_words")

local model = {}

local MAX_STEPS = 8          -- requests to the model in one turn
local MAX_WRITES = 5         -- changes of tasks in one turn
local MAX_CALLS = 16         -- tool calls that one step may make
local MAX_TEXT = 16 * 1024   -- bytes of an answer
local TURN_MS = 30000        -- of a turn, all steps together
local MAX_TURNS = 64         -- at once, per worker
local REFUSED_REST_MS = 60000 -- a wrong key or address does not mend itself
local null = json.null

model.INSTEAD = "(The assistant is not available; I answered by rules.)"
model.STOPPED = "(The assistant stopped before it finished.)"
model.CUT = "(I stopped here: the answer became too long.)"
model.TOO_LONG = "(I stopped here: this took too many steps.)"

local requests = metrics.counter("model_requests_total", "Requests to the model of the chat.",
  { "outcome" })
local seconds = metrics.histogram("model_seconds", "Time of requests to the model of the chat.",
  { 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30 })
local tokens = metrics.counter("model_tokens_total", "Tokens that the model's server counted.",
  { "kind" })

local turns = 0

local TOOLS = {}
for _, tool in ipairs(toolbox.list) do
  TOOLS[tool.name] = tool
end

---@class model.Session
---@field turn chat_turn.Turn
---@field said string               the user's message
---@field understood table          what the rules make of it
---@field texts string[]
---@field size integer              bytes of texts
---@field separate boolean          text of an earlier step goes before
---@field writes integer            changes that were, or may have been, made
---@field done string[]             what was changed, in words
---@field deleted integer
---@field held {id: string, title: string}[]  tasks to ask about
---@field until_ms number

-- What a step says.

local function add_text(session, text)
  if session.separate then
    text, session.separate = "\n\n" .. text, false
  end
  session.size = session.size + #text
  if session.size > MAX_TEXT then
    return
  end
  session.texts[#session.texts + 1] = text
  if session.turn.stream then
    session.turn.stream("content", text)
  end
end

local function has_text(session)
  return session.texts[1] ~= nil
end

-- Adds a paragraph of our own.
local function add_own(session, text)
  session.separate = has_text(session)
  session.size = 0
  add_text(session, text)
end

-- Takes bytes off the end, where nobody has read them and all of them were added.
local function take_off(session, bytes)
  if not session.turn.stream and session.size <= MAX_TEXT then
    local text = table.concat(session.texts)
    session.texts = { words.cut(text, #text - bytes) }
  end
end

-- Tools.

local PAST = { add_task = "Added", update_task = "Changed", complete_task = "Completed",
  delete_task = "Deleted", set_reminder = "Changed the reminder of" }

local function record(session, name, result, detail)
  local shown = result and result.tasks or result
  local entry = { tool_name = name, success = detail == nil, result = shown or null,
    error = detail or null }
  local turn = session.turn
  turn.tools[#turn.tools + 1] = entry
  if turn.stream then
    turn.stream("tool_invocation", entry)
  end
end

-- What follow-ups mean by "it", also when the rules answer them.
local function remember(state, name, args, result)
  if name == "list_tasks" or name == "search_tasks" then
    state.shown = nil -- the numbers that a person sees are the model's from here on
  elseif name == "delete_task" then
    if state.last_task and state.last_task.id == args.task_id then
      state.last_task = nil
    end
  elseif TOOLS[name] and not TOOLS[name].reads_only then
    local task = result.completed_task or result
    state.last_task = { id = task.id, title = task.title }
  end
end

local function context_of(turn)
  return { user = turn.user, timezone = turn.zone, now_ms = turn.now_ms, tasks = turn.tasks }
end

local function refuse(session, name, detail)
  record(session, name, nil, detail)
  return words.failure(detail)
end

local function names_one(said, title)
  said = host_text.lower(said)
  for word in host_text.lower(title):gmatch("[^%s%p]+") do
    if #word >= 3 and said:find(word, 1, true) then
      return true
    end
  end
  return false
end

-- Whether the user's own message asks to delete this very task: the rules read it so, or they read
-- nothing in it and it holds a word of the title. Texts of tasks have no say.
local function is_asked_for(session, task)
  local calls = session.understood.calls
  if not calls then
    return names_one(session.said, task.title)
  end
  local asked = 0
  for _, call in ipairs(calls) do
    if call.tool == "delete_task" then
      asked = asked + (call.args.match.all and 2 or 1)
    end
  end
  return asked == 1
end

local function hold(session, task)
  for _, other in ipairs(session.held) do
    if other.id == task.id then
      return
    end
  end
  session.held[#session.held + 1] = { id = task.id, title = task.title }
end

-- Deletes at once, or keeps it for the question at the end.
local function delete_task(session, args, in_step)
  local context = context_of(session.turn)
  local task, why = toolbox.run(context, "get_task", args)
  if not task then
    return nil, why and why.detail
  end
  if in_step > 1 or session.deleted > 0 or session.held[1] or not is_asked_for(session, task) then
    hold(session, task)
    return nil, nil, "Nothing was deleted. The system asks the person to confirm it, below your"
      .. " answer; do not ask yourself and do not call delete_task again."
  end
  local result
  result, why = toolbox.run(context, "delete_task", args)
  if result then
    session.deleted = session.deleted + 1
  end
  return result, why and why.detail, nil, why, task.title
end

local function decode_arguments(text)
  local args, message = json.decode(text:find("%S") and text or "{}")
  if message then
    return nil, "The arguments are not valid JSON: " .. message
  elseif type(args) ~= "table" or json.is_list(args) then
    return nil, "The arguments must be a JSON object"
  end
  return args
end

local function note_done(session, name, title)
  session.done[#session.done + 1] = PAST[name] .. ' "' .. title .. '".'
end

-- Runs one call and returns what the model reads of it.
local function run_call(session, call, deletions)
  local turn, name = session.turn, call.name
  local tool = TOOLS[name]
  if not tool then
    return refuse(session, name, "There is no tool " .. json.encode(words.cut(name, 100)))
  end
  local args, message = decode_arguments(call.arguments)
  if not args then
    return refuse(session, name, message)
  end
  if not tool.reads_only and session.writes >= MAX_WRITES then
    return refuse(session, name, "Not done: at most " .. MAX_WRITES
      .. " changes are possible in one turn. Tell the person what is left.")
  end
  local result, detail, held, why, title
  if name == "delete_task" then
    result, detail, held, why, title = delete_task(session, args, deletions)
  else
    result, why = toolbox.run(context_of(turn), name, args)
    detail = why and why.detail
  end
  if held then
    return words.failure(held)
  end
  if not tool.reads_only and (result or why and why.status >= 500) then
    session.writes = session.writes + 1
  end
  if not result then
    return refuse(session, name, detail)
  end
  record(session, name, result)
  remember(turn.state, name, args, result)
  if not tool.reads_only then
    note_done(session, name, title or (result.completed_task or result).title)
  end
  return words.result(turn, result)
end

local function count_deletions(calls)
  local count = 0
  for _, call in ipairs(calls) do
    count = count + (call.name == "delete_task" and 1 or 0)
  end
  return count
end

-- Appends what the model said and what its calls gave to the messages.
local function run_calls(session, messages, message)
  local calls, asked = message.calls, json.list({})
  for i, call in ipairs(calls) do
    asked[i] = { id = call.id, type = "function",
      ["function"] = { name = call.name, arguments = call.arguments } }
  end
  messages[#messages + 1] = { role = "assistant",
    content = message.content ~= "" and message.content or null, tool_calls = asked }
  local deletions = count_deletions(calls)
  for i, call in ipairs(calls) do
    local content
    if i <= MAX_CALLS then
      content = run_call(session, call, deletions)
    else
      content = words.failure("Not done: at most " .. MAX_CALLS .. " calls are taken at once")
    end
    messages[#messages + 1] = { role = "tool", tool_call_id = call.id, content = content }
  end
end

-- Steps.

local function count_tokens(usage)
  for _, kind in ipairs({ "prompt", "completion" }) do
    local count = usage and usage[kind .. "_tokens"]
    if type(count) == "number" and count > 0 and count < 1e9 then
      tokens:add(count, kind)
    end
  end
end

local function rest_of(failure)
  if failure.retry_after then
    return math.min(failure.retry_after * 1000, 5 * 60000)
  elseif failure.reason == "refused" then
    return REFUSED_REST_MS
  end
end

local function ask(session, messages)
  local began_ms = time.monotonic_ms()
  local message, failure = openai.complete({ messages = messages, tools = words.tools(),
    wait_ms = tonumber(config.get("OPENAI_WAIT_MS")) --[[@as number]], until_ms = session.until_ms,
    on_text = function(text) add_text(session, text) end })
  seconds:observe((time.monotonic_ms() - began_ms) / 1000)
  -- After its calls a model may have nothing more to say.
  local quiet = failure and failure.reason == "empty" and session.done[1] ~= nil
  requests:add(1, failure and failure.reason or message and message.cut and "cut" or "ok")
  if failure and not quiet then
    breaker.failure(rest_of(failure))
    log.warn("the model did not answer", { reason = failure.reason, status = failure.status })
  else
    breaker.success()
    count_tokens(message and message.usage)
  end
  return message, not quiet and failure or nil
end

local function tell_done(session)
  if session.done[1] then
    add_own(session, table.concat(session.done, "\n"))
  end
end

-- Asks until there is an answer. False: it failed.
local function run_steps(session, messages)
  for _ = 1, MAX_STEPS do
    local message, failure = ask(session, messages)
    if failure then
      if failure.surplus then
        take_off(session, failure.surplus)
      end
      return false
    elseif not message or not message.calls[1] then
      if message and message.cut then
        add_own(session, model.CUT)
      end
      return true
    end
    session.separate = has_text(session)
    run_calls(session, messages, message)
  end
  if not has_text(session) then
    tell_done(session)
  end
  add_own(session, model.TOO_LONG)
  return true
end

local function ask_about_held(session)
  if not session.held[1] then
    return
  end
  local turn = session.turn
  chat_tools.confirm(turn, { tool = "delete_task", args = {} }, session.held)
  add_own(session, rules.call("chat_answers.render", turn.answers, turn.now))
end

local function answer(session, history)
  local turn = session.turn
  local last = turn.state.last_task
  local messages = { { role = "system",
    content = words.instructions(turn, MAX_WRITES, last and last.id) } }
  for _, message in ipairs(words.history(history() or {})) do
    messages[#messages + 1] = message
  end
  messages[#messages + 1] = { role = "user", content = session.said }
  local good = run_steps(session, messages)
  if not good and session.writes == 0 and not (turn.stream and has_text(session)) then
    return nil, model.INSTEAD
  end
  turn.state.pending = nil
  if not good or not has_text(session) then
    tell_done(session)
  end
  if not good then
    add_own(session, model.STOPPED)
  end
  ask_about_held(session)
  return table.concat(session.texts)
end

-- What the rules make of the message. An answer to what was asked, and undo, are left to them: they
-- are sure, and what a yes does must be what was shown.
local function understand(turn, said)
  local pending = turn.state.pending
  local understood = rules.call("chat.understand", said, { now = turn.now,
    pending = pending and { kind = pending.kind, args = pending.args },
    last_task = turn.state.last_task ~= nil, last_call = turn.state.last_call })
  local calls = understood.calls or {}
  local tool, args = calls[1] and calls[1].tool, calls[1] and calls[1].args
  local sure = #calls == 1 and (tool == "undo" or pending ~= nil and (tool == "answer_yes"
    or tool == "answer_no" or tool == "pick" and args.words == nil))
  return understood, sure
end

---Answers a message: does what the model asks for, within its bounds, and streams what it says.
---@param turn chat_turn.Turn  its tools and state are changed
---@param said string
---@param history fun(): table[]|nil  what was said before, oldest first
---@return string|nil answer  nil: the rules are to answer
---@return string|nil instead  what to add to theirs, where the model should have answered
function model.answer(turn, said, history)
  if not openai.is_configured() then
    return nil
  end
  local understood, sure = understand(turn, said)
  if sure then
    return nil
  elseif turns >= MAX_TURNS or not breaker.allows() then
    requests:add(1, "skipped")
    return nil, model.INSTEAD
  end
  turns = turns + 1
  local session = { turn = turn, said = said, understood = understood, texts = {}, size = 0,
    separate = false, writes = 0, done = {}, deleted = 0, held = {},
    until_ms = time.monotonic_ms() + TURN_MS }
  local good, text, instead = pcall(answer, session, history)
  turns = turns - 1
  if not good then
    error(text, 0)
  end
  return text, instead
end

return model

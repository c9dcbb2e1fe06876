-- The chat without a model: rules/chat says what a message means, chat_tools does it through the
-- same task code as REST, rules/chat_answers finds the words, and this file keeps the conversation.
-- What an answer asks ("which one?", "really all five?") stays in the conversation's state as
-- `pending`, for the next message alone.
local chat_tools = require("chat-api.chat_tools")
local chat_turn = require("chat-api.chat_turn")
local chat_undo = require("chat-api.chat_undo")
local json = require("lib.json")
local match = require("chat-api.chat_match")
local metrics = require("host.metrics")
local problem = require("lib.problem")
local rules = require("lib.rules")
local undo_steps = require("chat-api.undo_steps")

local chat = {}

local say = chat_turn.say

local tool_calls = metrics.counter("chat_tool_calls_total", "What the chat did for its users.",
  { "tool", "outcome" })

local function count(tools)
  for _, call in ipairs(tools) do
    tool_calls:add(1, call.tool_name, call.success and "done" or "refused")
  end
end

-- Answers to what was asked.

local function keep_asking(turn, pending, name, values)
  turn.state.pending = pending
  say(turn, name, values)
end

local function pick(turn, args, pending)
  if not pending or pending.kind ~= "pick" then
    say(turn, "nothing_asked")
    return
  end
  local chosen
  if args.all then
    chosen = pending.choices
  elseif args.number then
    chosen = { pending.choices[args.number] }
  else
    chosen = match.find(pending.choices, args.words)
  end
  if #chosen == 0 then
    keep_asking(turn, pending, "give_number", { count = #pending.choices })
  elseif #chosen > 1 and not args.all then
    keep_asking(turn, pending, "not_one")
  elseif #chosen > 1 then
    chat_tools.confirm(turn, pending.call, chosen)
  else
    local call = pending.call
    call.args.match = { id = chosen[1].id, title = chosen[1].title }
    chat_tools.run(turn, call)
  end
end

local function answer_yes(turn, pending)
  if not pending then
    say(turn, "nothing_to_confirm")
  elseif pending.kind == "confirm" then
    for _, call in ipairs(pending.calls) do
      chat_tools.run(turn, call)
    end
  elseif pending.kind == "pick" then
    keep_asking(turn, pending, "which_number")
  elseif pending.kind == "repeat" then
    keep_asking(turn, pending, "which_days")
  else
    keep_asking(turn, pending, "when")
  end
end

local ANSWERS = {
  help = function(turn) say(turn, "help") end,
  talk = function(turn, args) say(turn, "talk", { text = args.kind }) end,
  undo = function(turn) chat_undo.run(turn) end,
  answer_yes = function(turn, _, pending) answer_yes(turn, pending) end,
  answer_no = function(turn, _, pending)
    say(turn, pending and "unchanged" or "all_right")
  end,
  pick = pick,
}

local function ask(turn, question)
  if question.kind ~= "unclear" then
    turn.state.pending = { kind = question.kind, calls = question.calls, args = question.args }
  end
  say(turn, "question", { text = question.text })
end

local function run(turn, text)
  local pending = turn.state.pending
  turn.state.pending = nil
  local understood = rules.call("chat.understand", text, { now = turn.now,
    pending = pending and { kind = pending.kind, args = pending.args },
    last_task = turn.state.last_task ~= nil, last_call = turn.state.last_call })
  local tasks, steps = turn.tasks, {}
  local watched = undo_steps.watch(tasks, steps)
  for _, call in ipairs(understood.calls or {}) do
    -- "rename milk to oat milk and move it": not before it is known which one.
    local of_last = turn.unresolved and (call.args.match or {}).last
    if turn.state.pending or of_last then
      break
    end
    turn.tasks = call.tool == "undo" and tasks or watched
    if ANSWERS[call.tool] then
      ANSWERS[call.tool](turn, call.args, pending)
    else
      chat_tools.run(turn, call)
    end
  end
  chat_undo.keep(turn, steps)
  if understood.question then
    ask(turn, understood.question)
  end
end

---@class chat.Parts
---@field tasks table          chat-api/tasks: create, list, get, update, complete, delete,
---                           restore, next_of
---@field conversations table  chat-api/conversations: open, save, recent
---@field calendar table       host.calendar
---@field clock fun(): integer milliseconds since 1970
---@field model table|nil      chat-api/model: answers first, where it can
---@field undo_log table|nil   chat-api/undo_log: what other programs of the user changed

---@class chat.Options
---@field timezone string|nil         IANA name; else the one of the conversation, else UTC
---@field conversation_id string|nil  else the user's newest conversation
---@field now_ms integer|nil          else parts.clock()
---@field stream fun(type: string, data: any)|nil  called with each "tool_invocation" as it is done,
---                                                and with "content" and a piece of the message

---@class chat.Reply
---@field message string
---@field tools_invoked {tool_name: string, success: boolean, result: any, error: any}[]
---@field conversation_id string

---@class chat.Chat
---@field open fun(user: string, options: chat.Options|nil): table|nil, Problem|nil
---@field answer fun(talk: table, text: string): chat.Reply, Problem|nil
---@field turn fun(user: string, text: string, options: chat.Options|nil): chat.Reply|nil, any

---@param parts chat.Parts
---@return chat.Chat
function chat.new(parts)
  local self = {}

  ---Begins a turn: all that can be refused is refused here.
  function self.open(user, options)
    options = options or {}
    local conversation, why = parts.conversations.open(user, options.conversation_id)
    if not conversation then
      return nil, why
    end
    local state = conversation.state
    local zone = options.timezone or state.timezone or "UTC"
    if not parts.calendar.is_zone(zone) then
      return nil, problem.unprocessable("timezone must be an IANA name such as Europe/Berlin")
    end
    state.timezone = options.timezone or state.timezone
    return { conversation = conversation, turn = chat_turn.new({ user = user,
      tasks = parts.tasks, calendar = parts.calendar, state = state, zone = zone,
      now_ms = options.now_ms or parts.clock(), stream = options.stream,
      undo_log = parts.undo_log }) }
  end

  local function by_rules(turn, text, added)
    run(turn, text)
    local message = rules.call("chat_answers.render", turn.answers, turn.now)
    message = added and message .. "\n\n" .. added or message
    if turn.stream then
      turn.stream("content", message)
    end
    return message
  end

  -- What a model changes can be taken back, too.
  local function by_model(turn, text, conversation)
    local tasks, steps = turn.tasks, {}
    turn.tasks = undo_steps.watch(tasks, steps)
    local message, instead = parts.model.answer(turn, text, function()
      return parts.conversations.recent(turn.user, conversation.id)
    end)
    turn.tasks = tasks
    chat_undo.keep(turn, steps)
    return message, instead
  end

  ---Answers within a turn. A reply together with a problem: everything was done, but the
  ---conversation could not be stored.
  function self.answer(talk, text)
    local turn, conversation = talk.turn, talk.conversation
    local message, instead
    if parts.model then
      message, instead = by_model(turn, text, conversation)
    end
    message = message or by_rules(turn, text, instead)
    local reply = { message = message, tools_invoked = json.list(turn.tools),
      conversation_id = conversation.id }
    count(turn.tools)
    local saved, failed = parts.conversations.save(turn.user, conversation, text, message,
      turn.tools)
    return reply, not saved and failed or nil
  end

  ---One message of a user and its answer.
  function self.turn(user, text, options)
    local talk, why = self.open(user, options)
    if not talk then
      return nil, why
    end
    return self.answer(talk, text)
  end

  return self
end

return chat

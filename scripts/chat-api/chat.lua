-- The chat without a model: rules/chat says what a message means, chat_tools does it through the
-- same task code as REST, rules/chat_answers finds the words, and this file keeps the conversation.
-- What an answer asks ("which one?", "really all five?") stays in the conversation's state as
-- `pending`, for the next message alone.
local chat_tools = require("chat-api.chat_tools")
local json = require("lib.json")
local match = require("chat-api.chat_match")
local metrics = require("host.metrics")
local problem = require("lib.problem")
local rules = require("lib.rules")

local chat = {}

local say = chat_tools.say

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
  else
    keep_asking(turn, pending, "when")
  end
end

local ANSWERS = {
  help = function(turn, args)
    say(turn, args.greeting and "hello" or "help")
  end,
  undo = function(turn) say(turn, "undo") end,
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
    last_task = turn.state.last_task ~= nil })
  for _, call in ipairs(understood.calls or {}) do
    if ANSWERS[call.tool] then
      ANSWERS[call.tool](turn, call.args, pending)
    else
      chat_tools.run(turn, call)
    end
  end
  if understood.question then
    ask(turn, understood.question)
  end
end

---@class chat.Parts
---@field tasks table          chat-api/tasks: create, list, get, update, complete, delete
---@field conversations table  chat-api/conversations: open, save
---@field calendar table       host.calendar
---@field clock fun(): integer milliseconds since 1970

---@class chat.Options
---@field timezone string|nil         IANA name; else the one of the conversation, else UTC
---@field conversation_id string|nil  else the user's newest conversation
---@field now_ms integer|nil          else parts.clock()
---@field stream fun(type: string, data: any)|nil  called with each "tool_invocation" as it is done,
---                                                then with "content" and the message

---@class chat.Reply
---@field message string
---@field tools_invoked {tool_name: string, success: boolean, result: any, error: any}[]
---@field conversation_id string

---@param parts chat.Parts
---@return {turn: fun(user: string, text: string, options: chat.Options|nil): chat.Reply|nil, any}
function chat.new(parts)
  local self = {}

  ---One message of a user and its answer. A reply together with a problem: everything was done, but
  ---the conversation could not be stored.
  function self.turn(user, text, options)
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
    state.timezone = zone
    local now_ms = options.now_ms or parts.clock()
    local turn = chat_tools.turn({ user = user, tasks = parts.tasks, calendar = parts.calendar,
      state = state, zone = zone, now_ms = now_ms, stream = options.stream })
    run(turn, text)
    local message = rules.call("chat_answers.render", turn.answers, turn.now)
    if options.stream then
      options.stream("content", message)
    end
    local reply = { message = message, tools_invoked = json.list(turn.tools),
      conversation_id = conversation.id }
    count(turn.tools)
    local saved, failed = parts.conversations.save(user, conversation, text, message, turn.tools)
    return reply, not saved and failed or nil
  end

  return self
end

return chat

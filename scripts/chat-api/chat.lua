-- The chat without a model: rules/chat says what a message means, chat_tools does it through the
-- same task code as REST, and this file keeps the conversation. What an answer asks ("which one?",
-- "really all five?") stays in the conversation's state as `pending`, for the next message alone.
local chat_text = require("chat-api.chat_text")
local chat_tools = require("chat-api.chat_tools")
local json = require("lib.json")
local match = require("rules.chat_match")
local problem = require("lib.problem")
local rules = require("rules.chat")

local chat = {}

local say = chat_tools.say

-- Answers to what was asked.

local function keep_asking(turn, pending, text)
  turn.state.pending = pending
  say(turn, text)
end

local function pick(turn, args, pending)
  if not pending or pending.kind ~= "pick" then
    say(turn, "I did not ask for a choice. " .. chat_text.HINT)
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
    keep_asking(turn, pending, "Please give a number from 1 to " .. #pending.choices .. ".")
  elseif #chosen > 1 and not args.all then
    keep_asking(turn, pending, "That fits more than one; please give its number.")
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
    say(turn, "There is nothing to confirm. " .. chat_text.HINT)
  elseif pending.kind == "confirm" then
    for _, call in ipairs(pending.calls) do
      chat_tools.run(turn, call)
    end
  elseif pending.kind == "pick" then
    keep_asking(turn, pending, "Which one? Please give its number.")
  else
    keep_asking(turn, pending, 'When? For example "tomorrow at 9am".')
  end
end

local ANSWERS = {
  help = function(turn, args)
    say(turn, args.greeting and "Hello! " .. chat_text.HINT or chat_text.HELP)
  end,
  undo = function(turn) say(turn, "I cannot undo yet. " .. chat_text.HINT) end,
  answer_yes = function(turn, _, pending) answer_yes(turn, pending) end,
  answer_no = function(turn, _, pending)
    say(turn, pending and "All right, nothing was changed." or "All right.")
  end,
  pick = pick,
}

local function ask(turn, question)
  if question.kind == "unclear" then
    say(turn, question.text .. " " .. chat_text.HINT)
    return
  end
  turn.state.pending = { kind = question.kind, calls = question.calls, args = question.args }
  say(turn, question.text)
end

local function run(turn, text)
  local pending = turn.state.pending
  turn.state.pending = nil
  local calls, question = rules.understand(text,
    { now = turn.now, pending = pending, last_task = turn.state.last_task })
  for _, call in ipairs(calls or {}) do
    if ANSWERS[call.tool] then
      ANSWERS[call.tool](turn, call.args, pending)
    else
      chat_tools.run(turn, call)
    end
  end
  if question then
    ask(turn, question)
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
    local message = table.concat(turn.lines, "\n")
    if options.stream then
      options.stream("content", message)
    end
    local reply = { message = message, tools_invoked = json.list(turn.tools),
      conversation_id = conversation.id }
    local saved, failed = parts.conversations.save(user, conversation, text, message, turn.tools)
    return reply, not saved and failed or nil
  end

  return self
end

return chat

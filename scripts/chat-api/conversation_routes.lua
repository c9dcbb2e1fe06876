-- POST /api/{user_id}/chat and GET /api/{user_id}/chat/history.
local calendar = require("host.calendar")
local chat = require("chat-api.chat")
local conversations = require("chat-api.conversations")
local docs = require("chat-api.docs")
local json = require("lib.json")
local log = require("host.log")
local model = require("chat-api.model")
local params = require("lib.params")
local problem = require("lib.problem")
local tasks = require("chat-api.tasks")
local text = require("host.text")
local time = require("host.time")
local undo_log = require("chat-api.undo_log")

local conversation_routes = {}

local MAX_MESSAGE = docs.MAX_MESSAGE
local LIMIT, BEFORE = unpack(docs.chat_history.query)

local conversation = chat.new({ tasks = tasks, conversations = conversations, calendar = calendar,
  clock = time.now_ms, model = model, undo_log = undo_log })

local function check(body)
  local message = body.message
  if type(message) ~= "string" or not message:find("%S") or text.length(message) > MAX_MESSAGE then
    return "message must be a string of 1 to " .. MAX_MESSAGE .. " characters"
  end
  if body.stream ~= nil and body.stream ~= json.null and type(body.stream) ~= "boolean" then
    return "stream must be true or false"
  end
  for _, name in ipairs({ "timezone", "conversation_id" }) do
    if body[name] ~= nil and body[name] ~= json.null and type(body[name]) ~= "string" then
      return name .. " must be a string"
    end
  end
end

local function foreign(request)
  if request.params.user_id ~= request.user then
    return problem.forbidden("This is another user's chat")
  end
end

local function present(value)
  return value ~= json.null and value or nil
end

local EVENT_HEADERS = {
  ["Content-Type"] = "text/event-stream",
  ["X-Accel-Buffering"] = "no", -- nginx must not gather it
}

local function answer(talk, message)
  local reply, why = conversation.answer(talk, message)
  if why then
    -- Everything was done: a 503 would make the client say it again.
    log.error("a conversation could not be stored", { error = why.detail })
  end
  return reply
end

-- Server-sent events, as things are done. A client that leaves ends nothing: the turn goes on.
local function stream_answer(stream, talk, message)
  local function send(kind, data)
    stream:write("data: " .. json.encode({ type = kind, data = data }) .. "\n\n")
  end
  talk.turn.stream = send
  local good, reply = pcall(answer, talk, message)
  if not good then
    log.error("a turn of the chat failed", { error = tostring(reply) })
    reply = { message = "Something went wrong on our side.", tools_invoked = talk.turn.tools,
      conversation_id = talk.conversation.id }
    reply.tools_invoked = json.list(reply.tools_invoked)
    send("content", reply.message)
  end
  send("done", reply)
  stream:write("data: [DONE]\n\n")
  stream:close()
end

---POST /api/{user_id}/chat
---@param request service.Request
function conversation_routes.chat(request)
  local body = request.json
  local why = foreign(request)
  if why then
    return problem.reply(why)
  end
  local wrong = check(body)
  if wrong then
    return problem.reply(problem.unprocessable(wrong))
  end
  local talk
  talk, why = conversation.open(request.user, { timezone = present(body.timezone),
    conversation_id = present(body.conversation_id) })
  if not talk then
    return problem.reply(why --[[@as Problem]])
  end
  if body.stream == true then
    return 200, function(stream)
      stream_answer(stream, talk, body.message)
    end, EVENT_HEADERS
  end
  return 200, answer(talk, body.message)
end

function conversation_routes.history(request)
  local why = foreign(request)
  if why then
    return problem.reply(why)
  end
  local args = request.args
  local message = params.problem({ LIMIT, BEFORE }, { limit = args.limit, before = args.before })
  if message then
    return problem.reply(problem.unprocessable(message))
  end
  local list
  list, why = conversations.history(request.user, params.limit_of(LIMIT, args.limit),
    tonumber(args.before) --[[@as integer?]])
  if not list then
    return problem.reply(why)
  end
  return 200, list
end

return conversation_routes

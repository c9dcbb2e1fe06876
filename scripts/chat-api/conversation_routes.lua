-- POST /api/{user_id}/chat and GET /api/{user_id}/chat/history.
local calendar = require("host.calendar")
local chat = require("chat-api.chat")
local conversations = require("chat-api.conversations")
local docs = require("chat-api.docs")
local json = require("lib.json")
local log = require("host.log")
local params = require("lib.params")
local problem = require("lib.problem")
local tasks = require("chat-api.tasks")
local text = require("host.text")
local time = require("host.time")

local conversation_routes = {}

local MAX_MESSAGE = docs.MAX_MESSAGE
local LIMIT, BEFORE = unpack(docs.chat_history.query)

local conversation = chat.new({ tasks = tasks, conversations = conversations, calendar = calendar,
  clock = time.now_ms })

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

-- The reply as server-sent events, in the order in which things were done.
local function as_events(events, reply)
  local out = {}
  for i, event in ipairs(events) do
    out[i] = "data: " .. json.encode(event) .. "\n\n"
  end
  out[#out + 1] = "data: " .. json.encode({ type = "done", data = reply }) .. "\n\n"
  out[#out + 1] = "data: [DONE]\n\n"
  return table.concat(out)
end

function conversation_routes.chat(request)
  local body = request.json
  local why = foreign(request)
  if why then
    return problem.reply(why)
  end
  local message = check(body)
  if message then
    return problem.reply(problem.unprocessable(message))
  end
  local events = body.stream == true and {} or nil
  local reply
  reply, why = conversation.turn(request.user, body.message, {
    timezone = present(body.timezone),
    conversation_id = present(body.conversation_id),
    stream = events and function(kind, data)
      events[#events + 1] = { type = kind, data = data }
    end,
  })
  if not reply then
    return problem.reply(why)
  end
  if why then
    -- Everything was done: a 503 would make the client say it again.
    log.error("a conversation could not be stored", { error = why.detail })
  end
  if events then
    return 200, as_events(events, reply), { ["Content-Type"] = "text/event-stream" }
  end
  return 200, reply
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

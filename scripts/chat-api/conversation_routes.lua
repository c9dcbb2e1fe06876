-- POST /api/{user_id}/chat and GET /api/{user_id}/chat/history.
local calendar = require("host.calendar")
local chat = require("chat-api.chat")
local conversations = require("chat-api.conversations")
local json = require("lib.json")
local problem = require("lib.problem")
local tasks = require("chat-api.tasks")
local time = require("host.time")

local conversation_routes = {}

local MAX_MESSAGE = 4000

local function length(text)
  local _, continuations = text:gsub("[\128-\191]", "")
  return #text - continuations
end

local function check(body)
  if type(body.message) ~= "string" or not body.message:find("%S") or length(body.message) > MAX_MESSAGE then
    return "message must be a string of 1 to 4000 characters"
  end
  if body.stream ~= nil and body.stream ~= json.null and type(body.stream) ~= "boolean" then
    return "stream must be true or false"
  end
  local zone = body.timezone
  if zone ~= nil and zone ~= json.null and (type(zone) ~= "string" or not calendar.is_zone(zone)) then
    return "timezone must be an IANA name such as Europe/Berlin"
  end
end

local function own(request)
  if request.params.user_id ~= request.user then
    return problem.forbidden("This is another user's chat")
  end
end

local function present(value)
  return value ~= json.null and value or nil
end

local function as_events(reply)
  local out = {}
  local function event(kind, data)
    out[#out + 1] = "data: " .. json.encode({ type = kind, data = data }) .. "\n\n"
  end
  for _, tool in ipairs(reply.tools_invoked) do
    event("tool_invocation", tool)
  end
  event("content", reply.message)
  event("done", reply)
  out[#out + 1] = "data: [DONE]\n\n"
  return table.concat(out)
end

function conversation_routes.chat(request)
  local body = request.json
  local why = own(request)
  if why then
    return problem.reply(why)
  end
  local message = check(body)
  if message then
    return problem.reply(problem.unprocessable(message))
  end
  local conversation
  conversation, why = conversations.open(request.user, present(body.conversation_id))
  if not conversation then
    return problem.reply(why)
  end
  local zone = present(body.timezone) or conversation.state.zone or "UTC"
  conversation.state.zone = zone
  local answer, tools = chat.turn(tasks, conversation, request.user, body.message,
    { zone = zone, now_ms = time.now_ms() })
  local saved
  saved, why = conversations.save(request.user, conversation, body.message, answer, tools)
  if not saved then
    return problem.reply(why)
  end
  local reply = { message = answer, tools_invoked = json.list(tools), conversation_id = conversation.id }
  if body.stream == true then
    return 200, as_events(reply), { ["Content-Type"] = "text/event-stream" }
  end
  return 200, reply
end

function conversation_routes.history(request)
  local why = own(request)
  if why then
    return problem.reply(why)
  end
  local limit = request.args.limit or "100"
  local before = request.args.before
  if not limit:match("^%d+$") or tonumber(limit) < 1 or before and not before:match("^%d%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?$") then
    return problem.reply(problem.unprocessable("limit and before must be whole numbers"))
  end
  local list
  list, why = conversations.history(request.user, math.min(tonumber(limit), 1000), before)
  if not list then
    return problem.reply(why)
  end
  return 200, list
end

return conversation_routes

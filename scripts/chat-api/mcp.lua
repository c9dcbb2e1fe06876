-- POST /mcp: the Model Context Protocol over streamable HTTP, with the toolbox as its tools.
--
-- One request is one answer, as JSON; nothing is kept between two, so there are no sessions, no
-- stream of the server's own (GET and DELETE are 405), and any worker answers. Revision 2026-07-28
-- puts all that a request needs into params._meta and mirrors it in headers, which must agree;
-- those before it begin with `initialize`, and 2025-03-26 knows batches. Which one a message is of
-- shows in the message itself. What is wrong with a message is a JSON-RPC error; what a tool
-- refuses is a result with isError.
local calendar = require("host.calendar")
local config = require("host.config")
local crypto = require("host.crypto")
local json = require("lib.json")
local methods = require("chat-api.mcp_methods")
local problem = require("lib.problem")

local mcp = {}

local failure = methods.error

local VERSION = "io.modelcontextprotocol/protocolVersion"
local CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
local SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
local FIRST_WITH_HEADER = "2025-06-18"
local BATCHED = "2025-03-26" -- also what a message without a version is of
local MAX_BATCH = 10
local MAX_ID = 2 ^ 53 - 1
local METADATA = "/.well-known/oauth-protected-resource"

local STATUS_OF = { [methods.CODES.no_method] = 404 } -- else 400

local function contains(list, value)
  for _, item in ipairs(list) do
    if item == value then
      return true
    end
  end
  return false
end

-- Who may call from a browser.

local LOOPBACK = { localhost = true, ["127.0.0.1"] = true, ["[::1]"] = true }

local function host_of(authority)
  return authority:match("^(%[[%x:]+%])") or authority:match("^([^:]+)")
end

-- A page of another site must not reach a server of the local network through the user's browser
-- (DNS rebinding): a page's own host proves nothing, so only names that cannot be rebound count.
local function origin_allowed(request)
  local origin = request.headers.origin
  if not origin then
    return true
  end
  for allowed in (config.get("CORS_ORIGINS") or ""):gmatch("[^,%s]+") do
    if allowed == origin or allowed == "*" then
      return true
    end
  end
  local from = origin:match("^https?://([^/]+)$")
  return from ~= nil and LOOPBACK[host_of(from) or ""] ~= nil
    and LOOPBACK[host_of(request.headers.host or "") or ""] ~= nil
end

local function takes_json(accept)
  if not accept then
    return true
  end
  for part in accept:lower():gmatch("[^,]+") do
    local kind = part:match("^%s*([^;%s]+)")
    if kind == "application/json" or kind == "application/*" or kind == "*/*" then
      return true
    end
  end
  return false
end

local function refusal(request)
  if not origin_allowed(request) then
    return problem.forbidden("This origin may not call; CORS_ORIGINS names those that may")
  end
  if not takes_json(request.headers.accept) then
    return problem.new(406, "Accept must name application/json and text/event-stream")
  end
  local kind = (request.headers["content-type"] or ""):lower():match("^%s*([^;%s]+)")
  if kind ~= "application/json" or request.headers["content-encoding"] then
    return problem.unsupported_media_type("The Content-Type must be application/json")
  end
end

-- Answers, as text that is the same in every worker: what a model is told of the tools stays in the
-- caches of whoever runs it.

local function envelope(id, result, why)
  if why then
    return json.encode_sorted({ jsonrpc = "2.0", id = id == nil and json.null or id,
      error = { code = why.code, message = why.message, data = why.data } })
  end
  return json.encode_sorted({ jsonrpc = "2.0", id = id, result = result })
end

local function bad(id, code, message, data)
  return 400, envelope(id, nil, failure(code, message, data))
end

-- Messages.

-- A larger number could not be given back digit by digit.
local function is_id(id)
  return type(id) == "string"
    or type(id) == "number" and id % 1 == 0 and math.abs(id) <= MAX_ID
end

-- "request", "notification", or nil and what is wrong.
local function kind_of(message)
  if type(message) ~= "table" or json.is_list(message) then
    return nil, "a message must be a JSON object"
  elseif message.jsonrpc ~= "2.0" then
    return nil, 'jsonrpc must be "2.0"'
  elseif type(message.method) ~= "string" then
    return nil, message.method == nil and (message.result or message.error)
      and "this server asks nothing, so there is nothing to answer" or "method must be a string"
  elseif message.params ~= nil and (type(message.params) ~= "table"
    or json.is_list(message.params)) then
    return nil, "params must be an object"
  elseif message.id == nil then
    return "notification"
  elseif not is_id(message.id) then
    return nil, "id must be a string or a whole number"
  end
  return "request"
end

local function id_of(message)
  return type(message) == "table" and is_id(message.id) and message.id or nil
end

local function call_of(request, message, modern)
  return { user = request.user, timezone = request.args.timezone, params = message.params or {},
    modern = modern }
end

-- Revision 2026-07-28 and later.

local function is_modern(request, message)
  local meta = message.params and message.params._meta
  return contains(methods.MODERN, request.headers["mcp-protocol-version"])
    or type(meta) == "table" and meta[VERSION] ~= nil
end

-- A header that may hold any text holds it as =?base64?…?= where HTTP could not carry it.
local function decode_header(value)
  local encoded = value and value:match("^=%?base64%?(.*)%?=$")
  if not encoded then
    return value
  end
  return crypto.base64_decode(encoded)
end

-- Whoever routes by a header must not be told something else than who runs the body.
local function header_mismatch(request, message)
  local headers, params = request.headers, message.params
  local pairs_of = {
    { "MCP-Protocol-Version", headers["mcp-protocol-version"], params._meta[VERSION] },
    { "Mcp-Method", headers["mcp-method"], message.method },
  }
  if message.method == "tools/call" and params.name ~= nil then
    pairs_of[3] = { "Mcp-Name", decode_header(headers["mcp-name"]), params.name }
  end
  for _, pair in ipairs(pairs_of) do
    if pair[2] ~= pair[3] then
      return "Header mismatch: " .. pair[1] .. (pair[2] and " is not what the body says"
        or " is missing or not readable")
    end
  end
end

-- This server has nothing to tell by itself: a subscription is to none of the kinds, and over.
local function listen(id)
  local function event(message)
    return "event: message\ndata: " .. message .. "\n\n"
  end
  local meta = { [SUBSCRIPTION] = id }
  return 200, event(json.encode_sorted({ jsonrpc = "2.0",
    method = "notifications/subscriptions/acknowledged",
    params = { _meta = meta, notifications = {} } }))
    .. event(envelope(id, { resultType = "complete", _meta = meta })),
    { ["Content-Type"] = "text/event-stream", ["X-Accel-Buffering"] = "no" }
end

local function check_modern(request, message)
  local meta = message.params and message.params._meta
  if type(meta) ~= "table" or type(meta[VERSION]) ~= "string"
    or type(meta[CAPABILITIES]) ~= "table" or json.is_list(meta[CAPABILITIES]) then
    return failure("invalid_params", "params._meta must have " .. VERSION .. " (a string) and "
      .. CAPABILITIES .. " (an object)")
  end
  local mismatch = header_mismatch(request, message)
  if mismatch then
    return failure("header_mismatch", mismatch)
  elseif not contains(methods.MODERN, meta[VERSION]) then
    return failure("unsupported_version", "Unsupported protocol version",
      { supported = methods.supported(), requested = meta[VERSION] })
  end
end

local function answer_modern(request, message)
  local why = check_modern(request, message)
  if why then
    return 400, envelope(message.id, nil, why)
  end
  if message.method == "subscriptions/listen" then
    return listen(message.id)
  end
  local result
  result, why = methods.run(message.method, call_of(request, message, true))
  return why and (STATUS_OF[why.code] or 400) or 200, envelope(message.id, result, why)
end

-- Revisions before it.

local function legacy_version(request)
  local version = request.headers["mcp-protocol-version"]
  if not version then
    return BATCHED
  end
  return contains(methods.LEGACY, version) and version or nil
end

local function answer_legacy(request, message)
  local result, why = methods.run(message.method, call_of(request, message, false))
  return 200, envelope(message.id, result, why)
end

local function answer_one(request, message)
  local kind, wrong = kind_of(message)
  if not kind then
    return bad(id_of(message), "invalid_request", "Invalid request: " .. wrong)
  end
  local modern = is_modern(request, message)
  if not modern and not legacy_version(request) then
    return bad(message.id, "unsupported_version", "Unsupported protocol version", {
      supported = methods.supported(), requested = request.headers["mcp-protocol-version"] })
  elseif kind == "notification" then
    return 202, ""
  elseif modern then
    return answer_modern(request, message)
  end
  return answer_legacy(request, message)
end

local function answer_batch(request, messages)
  if legacy_version(request) ~= BATCHED then
    return bad(nil, "invalid_request", "Invalid request: only revision " .. BATCHED
      .. " knows batches; from " .. FIRST_WITH_HEADER .. " on a body is one message")
  elseif #messages == 0 or #messages > MAX_BATCH then
    return bad(nil, "invalid_request", "Invalid request: a batch has 1 to " .. MAX_BATCH
      .. " messages")
  end
  local answers = {}
  for _, message in ipairs(messages) do
    local kind, wrong = kind_of(message)
    if kind and (message.method == "initialize" or is_modern(request, message)) then
      kind, wrong = nil, "this message may not be part of a batch"
    end
    if not kind then
      answers[#answers + 1] = envelope(id_of(message), nil,
        failure("invalid_request", "Invalid request: " .. wrong))
    elseif kind == "request" then
      answers[#answers + 1] = select(2, answer_legacy(request, message))
    end
  end
  if #answers == 0 then
    return 202, ""
  end
  return 200, "[" .. table.concat(answers, ",") .. "]"
end

---POST /mcp
---@param request service.Request
function mcp.post(request)
  local why = refusal(request)
  if why then
    return problem.reply(why)
  end
  local zone = request.args.timezone
  if zone and not calendar.is_zone(zone) then
    return bad(nil, "invalid_params", "timezone must be an IANA name such as Europe/Berlin")
  end
  local message, wrong = json.decode(request.body)
  if wrong then
    return bad(nil, "parse", "Parse error: " .. wrong)
  end
  if json.is_list(message) then
    return answer_batch(request, message)
  end
  return answer_one(request, message)
end

-- Where tokens come from (RFC 9728). Only an identity provider makes such a document true: a token
-- signed with JWT_SECRET is handed out by whoever runs this, and no client can fetch one by itself.

local function issuer()
  local name = config.get("JWT_ISSUER")
  return config.get("JWKS_URL") and name and name:match("^https?://[^%s]+$")
end

local function base_of(request)
  local host = request.headers.host or ""
  if not host:find("^[%w%.%-%[%]:]+$") then
    return nil
  end
  local scheme = request.headers["x-forwarded-proto"] == "https" and "https" or "http"
  return scheme .. "://" .. host
end

---What a 401 of /mcp says beside "Bearer".
---@param request service.Request
---@return string
function mcp.challenge(request)
  local base = issuer() and base_of(request)
  return base and 'Bearer resource_metadata="' .. base .. METADATA .. '/mcp"' or "Bearer"
end

---GET /.well-known/oauth-protected-resource/mcp
---@param request service.Request
function mcp.resource_metadata(request)
  local from, base = issuer(), base_of(request)
  if not from or not base then
    return problem.reply(problem.not_found("No identity provider is configured (JWKS_URL and"
      .. " JWT_ISSUER): whoever runs this server hands out tokens"))
  end
  return 200, { resource = base .. "/mcp", authorization_servers = json.list({ from }),
    bearer_methods_supported = json.list({ "header" }), resource_name = "Todo Chatbot" }
end

return mcp

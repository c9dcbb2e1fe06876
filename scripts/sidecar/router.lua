-- From a request to the part of the API that answers it, as daprd does: whose call it is, limits,
-- the token, then the path.
local apps = require("sidecar.apps")
local bindings = require("sidecar.bindings")
local config = require("host.config")
local crypto = require("host.crypto")
local errors = require("sidecar.errors")
local invoke = require("sidecar.invoke")
local jobs = require("sidecar.jobs")
local metadata = require("sidecar.metadata")
local publish = require("sidecar.publish")
local secrets = require("sidecar.secrets")
local state = require("sidecar.state")

local router = {}

local MAX_HEAD = 8 * 1024
local MAX_BODY = 4 * 1024 * 1024
local TEXT = { ["Content-Type"] = "text/plain; charset=utf-8" }

---@class router.Call
---@field request service.Request
---@field app apps.App              who calls
---@field replica apps.Replica
---@field args table<string, string>
---@field metadata table<string, string>  metadata.* of the query
---@field token_checked boolean

local WRITE = { POST = true, PUT = true }
local GET, POST, PUT = { GET = true }, { POST = true }, { PUT = true }
local DELETE = { DELETE = true }

-- Go's rules: + is a space everywhere; what is not an escape stays.
local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16) --[[@as integer]])
  end))
end

local function read_query(query)
  local args, pairs_of = {}, {}
  for pair in query:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    name = unescape(name)
    if args[name] == nil then
      args[name] = unescape(value)
      local key = name:match("^metadata%.(.+)$")
      if key then
        pairs_of[key] = args[name]
      end
    end
  end
  return args, pairs_of
end

local function segments_of(path)
  local list = {}
  for segment in path:gmatch("[^/]+") do
    list[#list + 1] = unescape(segment)
  end
  return list
end

local function rest_of(list, from)
  return table.concat(list, "/", from)
end

local function job(call, path, method)
  if #path ~= 3 then
    return nil
  end
  if POST[method] then
    return jobs.create(call, path[3])
  elseif GET[method] then
    return jobs.get(call, path[3])
  elseif DELETE[method] then
    return jobs.delete(call, path[3])
  end
end

-- A handler gets the call, the decoded segments and the method; nil: this is no path of its own.
local V1 = {}

function V1.publish(call, path, method)
  if not WRITE[method] or #path < 4 then
    return nil
  end
  if path[3] == "bulk" and #path >= 5 then
    return publish.bulk(call, path[4], rest_of(path, 5))
  end
  return publish.one(call, path[3], rest_of(path, 4))
end

function V1.state(call, path, method)
  if #path == 3 and WRITE[method] then
    return state.save(call, path[3])
  end
  if #path ~= 4 then
    return nil
  end
  if WRITE[method] and path[4] == "bulk" then
    return state.get_bulk(call, path[3])
  elseif WRITE[method] and path[4] == "transaction" then
    return state.transaction(call, path[3])
  elseif GET[method] then
    return state.get(call, path[3], path[4])
  elseif DELETE[method] then
    return state.delete(call, path[3], path[4])
  end
end

function V1.secrets(call, path, method)
  if #path ~= 4 or not GET[method] then
    return nil
  end
  if path[4] == "bulk" then
    return secrets.bulk(call, path[3])
  end
  return secrets.get(call, path[3], path[4])
end

function V1.bindings(call, path, method)
  if #path == 3 and WRITE[method] then
    return bindings.invoke(call, path[3])
  end
end

V1.jobs = job

function V1.metadata(call, path, method)
  if #path == 2 and GET[method] then
    return metadata.get(call)
  elseif #path == 3 and PUT[method] then
    return metadata.put(call, path[3])
  end
end

function V1.healthz(call, path, method)
  if not GET[method] then
    return nil
  elseif #path == 2 then
    return metadata.healthz(call)
  elseif #path == 3 and path[3] == "outbound" then
    return metadata.outbound()
  end
end

function V1.configuration()
  return errors.reply(500, "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
    "configuration stores not configured")
end

function V1.actors()
  return errors.unsupported("The actors API")
end

function V1.workflows()
  return errors.unsupported("The workflow API")
end

function V1.shutdown()
  return errors.unsupported("Shutdown by request")
end

local ALPHA = { jobs = job }

function ALPHA.publish(call, path, method)
  if path[3] == "bulk" then
    return V1.publish(call, path, method)
  end
end

function ALPHA.state(_, path)
  if path[4] == "query" then
    return errors.reply(500, "ERR_STATE_QUERY", "state store " .. path[3]
      .. " does not support querying")
  end
end

function ALPHA.lock()
  return errors.reply(500, "ERR_LOCK_STORE_NOT_CONFIGURED", "lock store is not configured")
end

ALPHA.unlock = ALPHA.lock

function ALPHA.workflows()
  return errors.unsupported("The workflow API")
end

function ALPHA.crypto()
  return errors.reply(500, "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED",
    "crypto providers not configured")
end

function ALPHA.conversation()
  return errors.unsupported("The conversation API")
end

local VERSIONS = { ["v1.0"] = V1, ["v1.0-alpha1"] = ALPHA, ["v1.0-beta1"] = {
  workflows = ALPHA.workflows } }

local function head_size(request)
  local size = #request.method + #request.path + #request.query + 12
  for name, value in pairs(request.headers) do
    size = size + #name + #value + 4
  end
  return size
end

local function has_token(request)
  local expected = config.get("DAPR_API_TOKEN")
  return not expected or crypto.equal(request.headers["dapr-api-token"] or "", expected)
end

local function basic_app_id(request)
  local encoded = (request.headers.authorization or ""):match("^Basic%s+(%S+)$")
  local decoded = encoded and crypto.base64_decode(encoded)
  return decoded and decoded:match("^dapr%-app%-id:(.+)$")
end

local function with_query(path, query)
  return query ~= "" and path .. "?" .. query or path
end

-- Both forms of service invocation; the path goes on as it came. An app's root is `/method/`, as
-- with Dapr.
local function try_invoke(call)
  local request = call.request
  local id, path = request.path:match("^/+v1%.0/+invoke/+([^/]+)/+method(/.*)$")
  if id then
    return invoke.run(call, unescape(id), with_query(path, request.query))
  end
  id = request.headers["dapr-app-id"] or basic_app_id(request)
  if id then
    return invoke.run(call, id, with_query(request.path, request.query))
  end
  return errors.unknown()
end

---@return integer, any, table|nil
local function route(call)
  local path = segments_of(call.request.path)
  local version = VERSIONS[path[1] or ""]
  local handler = version and version[path[2] or ""]
  if handler then
    local status, body, headers = handler(call, path, call.request.method)
    if status then
      return status, body, headers
    end
  end
  return try_invoke(call)
end

local function is_health(request)
  return request.method == "GET" and (request.path == "/v1.0/healthz"
    or request.path == "/v1.0/healthz/outbound")
end

---Answers a call to the sidecar.
---@param request service.Request
---@return integer, string, table|nil
function router.handle(request)
  if request.remote ~= "127.0.0.1" and request.remote ~= "::1" then
    return 403, "the sidecar serves this machine alone\n", TEXT
  end
  local replica = apps.at(request.port)
  if not replica then
    return errors.reply(500, "ERR_DIRECT_INVOKE", "no app belongs to port " .. request.port)
  end
  if head_size(request) > MAX_HEAD then
    return 431, "431 Request Header Fields Too Large", TEXT
  end
  if not is_health(request) and not has_token(request) then
    return 401, "invalid api token\n", TEXT
  end
  local args, pairs_of = read_query(request.query)
  local call = { request = request, app = replica.app, replica = replica, args = args,
    metadata = pairs_of, token_checked = config.get("DAPR_API_TOKEN") ~= nil }
  if #request.body > MAX_BODY and not request.path:find("publish", 1, true) then
    return errors.reply(400, "ERR_BODY_READ", "failed to read request body: stream too large")
  end
  return route(call)
end

return router

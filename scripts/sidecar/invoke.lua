-- Service invocation: another app's answer, unchanged.
local apps = require("sidecar.apps")
local errors = require("sidecar.errors")

local invoke = {}

-- RFC 9110, 7.6.1, and what this hop sets itself.
local HOP = { connection = true, ["keep-alive"] = true, ["proxy-connection"] = true, te = true,
  trailer = true, ["transfer-encoding"] = true, upgrade = true, host = true, expect = true,
  ["content-length"] = true, ["proxy-authenticate"] = true, ["proxy-authorization"] = true,
  ["dapr-app-id"] = true, ["dapr-caller-app-id"] = true, ["dapr-callee-app-id"] = true,
  ["dapr-caller-namespace"] = true }
local NO_BODY = { GET = true, HEAD = true }

local function named_by_connection(headers)
  local names = {}
  for name in (headers.connection or ""):gmatch("[^,%s]+") do
    names[name:lower()] = true
  end
  return names
end

local function forward_headers(request, caller, callee)
  local headers, dropped = {}, named_by_connection(request.headers)
  for name, value in pairs(request.headers) do
    if not HOP[name] and not dropped[name] then
      headers[name] = value
    end
  end
  if caller ~= callee then
    headers["Dapr-Caller-App-Id"] = caller
    headers["Dapr-Callee-App-Id"] = callee
    headers["Dapr-Caller-Namespace"] = "default"
    local chain = headers["x-forwarded-for"]
    headers["x-forwarded-for"] = (chain and chain .. ", " or "") .. request.remote
    headers["x-forwarded-host"] = request.headers.host
  else
    -- A call to oneself goes straight to the app, as with Dapr.
    headers["dapr-caller-app-id"] = request.headers["dapr-caller-app-id"]
  end
  return headers
end

local function reply_headers(reply)
  local headers = {}
  for name, value in pairs(reply.headers) do
    if not HOP[name] and name ~= "x-request-id" then
      headers[name] = value
    end
  end
  return headers
end

local function failed(id, message)
  return errors.reply(500, "ERR_DIRECT_INVOKE", "failed to invoke, id: " .. id .. ", err: "
    .. message)
end

---@param call router.Call
---@param id string    the callee
---@param path string  raw, beginning with a slash, with its query
---@return integer, string, table|nil
function invoke.run(call, id, path)
  local app = apps.find((id:gsub("%.default$", "")))
  local replica = app and (apps.pick(app) or app.replicas[1])
  if not replica or not replica.port then
    return failed(id, "failed to resolve address for '" .. id .. "'")
  end
  local request = call.request
  ---@type string|nil
  local body = request.body
  if body == "" and NO_BODY[request.method] then
    body = nil
  end
  local headers = forward_headers(request, call.app.id, app.id)
  headers["dapr-api-token"] = not call.token_checked and headers["dapr-api-token"] or nil
  local reply, err = apps.call(replica, request.method, path, headers, body)
  if not reply then
    return failed(id, err.message)
  end
  return reply.status, reply.body, reply_headers(reply)
end

return invoke

-- The apps of this machine. As with Dapr each has a sidecar port of its own, which is how a call
-- tells who makes it. An app may run several times (replicas): same id, different ports.
local config = require("host.config")
local http = require("host.http")
local worker = require("host.worker")

local apps = {}

local SIDECAR_OFFSET = 2000 -- from an app's port for users
local CALL_MS = 60000
local MAX_REPLY = 4 * 1024 * 1024
local MAX_HEADERS = 32

---@class apps.Replica
---@field app apps.App
---@field port integer|nil       none: it only calls
---@field sidecar_port integer
---@field woken host.fiber.Event|nil  set: it is asked at once what it subscribes to
---@field up boolean|nil         nil: not known yet
---@field cron table<string, table>|nil  of its bindings, the mark of the one that runs
---@field seen boolean|nil       it has said since the sidecar started what it subscribes to

---@class apps.App
---@field id string
---@field replicas apps.Replica[]
---@field turn integer           of the replica that had the last call
---@field subscriptions table<string, table>|nil  by pubsub and topic; nil: not known yet

---Called with a replica that refuses connections.
---@type fun(replica: apps.Replica)
apps.on_refused = function(_) end

---@type apps.App[]
apps.list = {}
local by_id, by_port = {}, {}

local function add(id, port, sidecar_port)
  local app = by_id[id]
  if not app then
    app = { id = id, replicas = {}, turn = 0 }
    by_id[id] = app
    apps.list[#apps.list + 1] = app
  end
  local replica = { app = app, port = port, sidecar_port = sidecar_port }
  app.replicas[#app.replicas + 1] = replica
  if by_port[sidecar_port] then
    error("two apps have the sidecar port " .. sidecar_port, 0)
  end
  by_port[sidecar_port] = replica
end

---Reads "id=app_port:sidecar_port,id=:sidecar_port"; throws on anything else.
---@param text string
function apps.parse(text)
  for item in text:gmatch("[^,%s]+") do
    local id, port, sidecar_port = item:match("^([%w%-%._]+)=(%d*):(%d+)$")
    if not id then
      error("SIDECAR_APPS: " .. item .. " is not id=app_port:sidecar_port", 0)
    end
    add(id, tonumber(port), tonumber(sidecar_port))
  end
end

---SIDECAR_APPS, or else the services of this process that have an inner port.
function apps.load()
  local text = config.get("SIDECAR_APPS")
  if text then
    apps.parse(text)
    return
  end
  for _, service in ipairs(worker.services()) do
    if service.inner_port then
      add(service.name, service.inner_port, service.port + SIDECAR_OFFSET)
    end
  end
end

---@return integer[]
function apps.ports()
  local ports = {}
  for port in pairs(by_port) do
    ports[#ports + 1] = port
  end
  table.sort(ports)
  return ports
end

---@param port integer
---@return apps.Replica|nil
function apps.at(port)
  return by_port[port]
end

---@param id string
---@return apps.App|nil
function apps.find(id)
  return by_id[id]
end

---@param app apps.App
---@return boolean  it can be called
function apps.has_port(app)
  for _, replica in ipairs(app.replicas) do
    if replica.port then
      return true
    end
  end
  return false
end

---The next replica that is up, in turn.
---@param app apps.App
---@return apps.Replica|nil
function apps.pick(app)
  local count = #app.replicas
  for _ = 1, count do
    app.turn = app.turn % count + 1
    local replica = app.replicas[app.turn]
    if replica.port and replica.up then
      return replica
    end
  end
end

---@param err host.Error
---@return boolean  nobody listens there: the app did not get the call
function apps.is_refused(err)
  return err.code == "unreachable" and err.message:find("onnect to") ~= nil
end

---Calls an app (waits). headers is extended by the app's token.
---@param replica apps.Replica
---@param method string
---@param path string
---@param headers table<string, string>
---@param body string|nil
---@param timeout_ms number|nil
---@return host.http.Reply|nil reply
---@return host.Error|nil err
---@return_overload host.http.Reply, nil
---@return_overload nil, host.Error
function apps.call(replica, method, path, headers, body, timeout_ms)
  headers["dapr-api-token"] = config.get("APP_API_TOKEN") or headers["dapr-api-token"]
  local count = 0
  for _ in pairs(headers) do
    count = count + 1
  end
  if count > MAX_HEADERS then
    return nil, { code = "refused", message = "more than " .. MAX_HEADERS .. " headers" }
  end
  local reply, err = http.request({ method = method, body = body, headers = headers,
    url = "http://127.0.0.1:" .. replica.port .. path, timeout_ms = timeout_ms or CALL_MS,
    max_reply = MAX_REPLY })
  if not reply and apps.is_refused(err) then
    apps.on_refused(replica)
  end
  return reply, err
end

return apps

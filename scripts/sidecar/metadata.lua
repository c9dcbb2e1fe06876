-- Health and GET /v1.0/metadata: what a sidecar tells about itself.
local components = require("sidecar.components")
local db = require("host.db")
local errors = require("sidecar.errors")
local json = require("lib.json")
local worker = require("host.worker")

local metadata = {}

local RUNTIME = "1.16.0"
local CAPABILITIES = { state = { "ETAG", "TRANSACTIONAL", "TTL" } }

---@return integer, string, table|nil
function metadata.healthz(call)
  local wanted = call.args.appid
  if wanted and wanted ~= call.app.id then
    return errors.reply(500, "ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match")
  end
  -- An app without a port has nothing to wait for.
  if call.replica.port and not call.replica.seen then
    return errors.reply(500, "ERR_HEALTH_NOT_READY", "dapr is not ready: [runtime]")
  end
  return errors.no_content()
end

---@return integer, string, table|nil
function metadata.outbound()
  if not db.ready() then
    return errors.reply(500, "ERR_OUTBOUND_HEALTH_NOT_READY", "dapr outbound is not ready")
  end
  return errors.no_content()
end

local function list_components(app)
  local list = json.list({})
  for i, component in ipairs(components.all(app.id)) do
    list[i] = { name = component.name, type = component.type, version = component.version,
      capabilities = json.list(CAPABILITIES[component.kind] or {}) }
  end
  return list
end

-- As with Dapr: nil when there are none, and no `match` where there is none.
local function list_subscriptions(app)
  local list = json.list({})
  for _, subscription in pairs(app.subscriptions or {}) do
    local rules = json.list({})
    for i, rule in ipairs(subscription.rules) do
      rules[i] = { match = rule.text, path = rule.path }
    end
    if subscription.path then
      rules[#rules + 1] = { path = subscription.path }
    end
    list[#list + 1] = { pubsubname = subscription.pubsub, topic = subscription.topic,
      rules = rules, deadLetterTopic = subscription.dead_letter or "", type = "PROGRAMMATIC" }
  end
  return list[1] and list
end

---@return integer, string, table|nil
function metadata.get(call)
  local app, replica = call.app, call.replica
  local extended = { daprRuntimeVersion = RUNTIME, sidecar = "one machine, " .. worker.version }
  for name, value in pairs(replica.extended or {}) do
    extended[name] = value
  end
  return errors.ok({
    id = app.id, runtimeVersion = RUNTIME, enabledFeatures = json.list({}),
    components = list_components(app), subscriptions = list_subscriptions(app),
    extended = extended,
    appConnectionProperties = replica.port and { port = replica.port, protocol = "http",
      channelAddress = "127.0.0.1" } or {},
    scheduler = { connected_addresses = json.list({}) }, workflows = {},
    actorRuntime = { runtimeStatus = "DISABLED", hostReady = false, placement = "" },
  })
end

---@param key string
---@return integer, string, table|nil
function metadata.put(call, key)
  call.replica.extended = call.replica.extended or {}
  call.replica.extended[key] = call.request.body
  return errors.no_content()
end

return metadata

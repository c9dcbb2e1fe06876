-- The components, as data: what Dapr reads from its resources folder. SIDECAR_CONFIG names a JSON
-- file that adds to these or replaces them by name:
--   {"components": [{"name", "type", "version", "metadata": {…}, "scopes": ["app"], "auth",
--                    "disabled", "inbound": {"timeout": "30s", "retry": {"policy": "constant" or
--                    "exponential", "duration", "maxInterval", "maxRetries"}}}],
--    "secretScopes": [{"storeName", "defaultAccess", "allowedSecrets", "deniedSecrets"}]}
local config = require("host.config")
local json = require("lib.json")
local schedule = require("sidecar.schedule")
local worker = require("host.worker")

local components = {}

-- A dead-letter topic must see what an app drops and nothing else, hence retries without an end.
local PATIENT = { retry = { policy = "exponential", duration = "500ms", maxInterval = "15s",
  maxRetries = -1 } }

components.DEFAULTS = {
  { name = "pubsub", type = "pubsub.sidecar", inbound = PATIENT,
    metadata = { partitions = "6", retention = "168h" } },
  { name = "pubsub-broadcast", type = "pubsub.sidecar", inbound = PATIENT,
    metadata = { broadcast = "true", partitions = "3", retention = "1h" } },
  { name = "statestore", type = "state.sidecar", metadata = {} },
  { name = "secrets", type = "secretstores.local.file", metadata = {} },
  { name = "reminder-sweep", type = "bindings.cron", metadata = { schedule = "@every 15s" } },
}

local MULTIPLIER, EXPONENTIAL_FIRST_MS, CONSTANT_MS = 1.5, 500, 5000

local list, by_name, secret_scopes = {}, {}, {}

local function read_scopes(text)
  local scopes
  for entry in (text or ""):gmatch("[^;]+") do
    local app, topics = entry:match("^%s*([^=]+)=(.*)$")
    if app then
      scopes = scopes or {}
      scopes[app] = components.set_of(topics)
    end
  end
  return scopes
end

---@param text string|nil  "a,b"
---@return table<string, true>|nil
function components.set_of(text)
  if not text then
    return nil
  end
  local set = {}
  for word in text:gmatch("[^,%s]+") do
    set[word] = true
  end
  return set
end

local function duration(text, fallback)
  if text == nil then
    return fallback
  end
  local ms = type(text) == "number" and text or schedule.go_duration(tostring(text))
    or tonumber(text)
  return ms or error("SIDECAR_CONFIG: " .. tostring(text) .. " is not a duration")
end

local function read_retry(retry)
  if type(retry) ~= "table" then
    return nil
  end
  local constant = retry.policy ~= "exponential"
  return { constant = constant, max_retries = tonumber(retry.maxRetries) or -1,
    first_ms = duration(retry.duration, constant and CONSTANT_MS or EXPONENTIAL_FIRST_MS),
    longest_ms = duration(retry.maxInterval, 60000) }
end

-- What is read often, read once.
local function prepare(component)
  local metadata = component.metadata or {}
  component.metadata = metadata
  component.kind = component.type:match("^([^.]+)")
  component.version = component.version or "v1"
  if component.scopes then
    component.allowed_apps = components.set_of(table.concat(component.scopes, ","))
  end
  if component.kind == "pubsub" then
    local inbound = component.inbound or {}
    component.retry = read_retry(inbound.retry)
    component.timeout_ms = inbound.timeout and duration(inbound.timeout)
    component.publishing = read_scopes(metadata.publishingScopes)
    component.subscribing = read_scopes(metadata.subscriptionScopes)
    component.allowed = components.set_of(metadata.allowedTopics)
    component.protected = components.set_of(metadata.protectedTopics)
    component.broadcast = metadata.broadcast == "true"
    component.partitions = tonumber(metadata.partitions) or 6
    component.max_bytes = tonumber(metadata.maxMessageBytes) or 1048576
    component.retention_ms = duration(metadata.retention, 7 * 86400000)
    component.back_off_ms = duration(metadata.backOffDuration, 5000)
  end
  return component
end

local function add(component)
  for i, other in ipairs(list) do
    if other.name == component.name then
      table.remove(list, i)
      break
    end
  end
  by_name[component.name] = nil
  if not component.disabled then
    by_name[component.name] = prepare(component)
    list[#list + 1] = component
  end
end

local function read_config()
  if not config.get("SIDECAR_CONFIG") then
    return {}
  end
  local text, message = worker.read_setting_file("SIDECAR_CONFIG")
  local value
  if text then
    value, message = json.decode(text)
  end
  if type(value) ~= "table" then
    error("SIDECAR_CONFIG: " .. tostring(message or "not a JSON object"), 0)
  end
  return value
end

---Reads the configuration; throws when it cannot be used.
function components.load()
  list, by_name = {}, {}
  for _, component in ipairs(components.DEFAULTS) do
    local copy = {}
    for name, value in pairs(component) do
      copy[name] = value
    end
    add(copy)
  end
  local own = read_config()
  for _, component in ipairs(own.components or {}) do
    if type(component.name) ~= "string" or type(component.type or "") ~= "string"
      or not component.type and not component.disabled then
      error("SIDECAR_CONFIG: a component needs a name and a type", 0)
    end
    add(component)
  end
  secret_scopes = own.secretScopes or {}
end

---@param app string
---@param component table
---@return boolean
function components.is_for(app, component)
  return component.allowed_apps == nil or component.allowed_apps[app] == true
end

---@param app string
---@param kind string  pubsub, state, secretstores, bindings
---@param name string
---@return table|nil
function components.find(app, kind, name)
  local component = by_name[name]
  if component and component.kind == kind and components.is_for(app, component) then
    return component
  end
end

---@param app string
---@param kind string|nil  nil: all
---@return table[]
function components.all(app, kind)
  local found = {}
  for _, component in ipairs(list) do
    if (not kind or component.kind == kind) and components.is_for(app, component) then
      found[#found + 1] = component
    end
  end
  return found
end

---@param kind string
---@return table[]  whoever they are for
function components.of_kind(kind)
  local found = {}
  for _, component in ipairs(list) do
    if component.kind == kind then
      found[#found + 1] = component
    end
  end
  return found
end

---@param name string
---@return table|nil
function components.named(name)
  return by_name[name]
end

local function may(component, scopes, app, topic)
  if component.allowed and not component.allowed[topic] then
    return false
  end
  local own = scopes and scopes[app]
  if own then
    return own[topic] == true
  end
  return not (component.protected and component.protected[topic])
end

---@return boolean
function components.may_publish(component, app, topic)
  return may(component, component.publishing, app, topic)
end

---@return boolean
function components.may_subscribe(component, app, topic)
  return may(component, component.subscribing, app, topic)
end

---@param store string
---@param secret string
---@return boolean
function components.may_read_secret(store, secret)
  for _, scope in ipairs(secret_scopes) do
    if scope.storeName == store then
      for _, name in ipairs(scope.deniedSecrets or {}) do
        if name == secret then
          return false
        end
      end
      for _, name in ipairs(scope.allowedSecrets or {}) do
        if name == secret then
          return true
        end
      end
      return scope.allowedSecrets == nil and scope.defaultAccess ~= "deny"
    end
  end
  return true
end

---@param retry table       read_retry
---@param failures integer  so far, at least one
---@return number|nil ms    until the next attempt; nil: no more
function components.delay(retry, failures)
  if retry.max_retries >= 0 and failures > retry.max_retries then
    return nil
  end
  if retry.constant then
    return retry.first_ms
  end
  return math.min(retry.first_ms * MULTIPLIER ^ math.min(failures - 1, 40), retry.longest_ms)
end

return components

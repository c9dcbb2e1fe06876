-- The secrets API over secretstores.local.file: a JSON file beside SIDECAR_CONFIG, read once.
local components = require("sidecar.components")
local errors = require("sidecar.errors")
local json = require("lib.json")
local worker = require("host.worker")

local secrets = {}

local read = {}

local function flatten(value, prefix, separator, into)
  for name, item in pairs(value) do
    local full = prefix and prefix .. separator .. name or tostring(name)
    if type(item) == "table" then
      flatten(item, full, separator, into)
    else
      into[full] = tostring(item)
    end
  end
end

---Reads the files of all stores; throws when one cannot be read.
function secrets.load()
  read = {}
  for _, component in ipairs(components.of_kind("secretstores")) do
    local file, values = component.metadata.secretsFile, {}
    if file then
      local text, message = worker.read_setting_file("SIDECAR_CONFIG", file)
      local value = text and json.decode(text)
      if type(value) ~= "table" then
        error(component.name .. ": " .. (message or file .. " is not a JSON object"), 0)
      end
      flatten(value, nil, component.metadata.nestedSeparator or ":", values)
    end
    read[component.name] = values
  end
end

---A value for another component's secretKeyRef.
---@param store string
---@param name string
---@return string|nil
function secrets.value(store, name)
  return read[store] and read[store][name]
end

local function find_store(call, name)
  if components.find(call.app.id, "secretstores", name) then
    return read[name]
  end
  if #components.all(call.app.id, "secretstores") == 0 then
    return nil, { errors.reply(500, "ERR_SECRET_STORES_NOT_CONFIGURED",
      "secret store is not configured") }
  end
  return nil, { errors.reply(401, "ERR_SECRET_STORE_NOT_FOUND",
    "failed finding secret store with key " .. name) }
end

---@return integer, string, table|nil
function secrets.get(call, store, key)
  local values, problem = find_store(call, store)
  if not values then
    return unpack(problem)
  end
  if not components.may_read_secret(store, key) then
    return errors.reply(403, "ERR_PERMISSION_DENIED",
      "access denied by policy to get " .. key .. " from " .. store)
  end
  if not values[key] then
    return errors.reply(500, "ERR_SECRET_GET", "failed getting secret with key " .. key
      .. " from secret store " .. store .. ": secret " .. key .. " not found")
  end
  return errors.ok({ [key] = values[key] })
end

---@return integer, string, table|nil
function secrets.bulk(call, store)
  local values, problem = find_store(call, store)
  if not values then
    return unpack(problem)
  end
  local all = {}
  for name, value in pairs(values) do
    if components.may_read_secret(store, name) then
      all[name] = { [name] = value }
    end
  end
  return errors.ok(all)
end

return secrets

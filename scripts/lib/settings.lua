-- Settings that may live in the Dapr secret store. The environment comes first; what it does not
-- set is asked of the store that SECRET_STORE names: "NAME", where each setting is a secret of its
-- own, or "NAME/SECRET", where one secret holds them all by their names (Kubernetes allows no
-- secret that is called JWT_SECRET). A worker asks once for each and keeps the answer.
local config = require("host.config")
local dapr = require("lib.dapr")

local settings = {}

local kept = {} -- by name; false: there is none

-- A secret that is not there is 500 like any other failure; only the words tell it apart.
local function is_absent(err)
  return err.error_code == "ERR_SECRET_GET" and err.message:find("not found", 1, true) ~= nil
end

local function ask(setting, name)
  local store, secret = setting:match("^([^/]+)/(.+)$")
  local values, err = dapr.get_secret(store or setting, secret or name)
  if err and not is_absent(err) then
    return nil, { code = "unavailable", message = name .. " cannot be read from the secret store "
      .. setting .. ": " .. err.message }
  end
  local value = type(values) == "table" and values[name]
  return type(value) == "string" and value ~= "" and value
end

---The value of a setting (waits). nil without an error: it is set nowhere.
---@param name string
---@return string|nil
---@return host.Error|nil  the store cannot say now; nothing is kept, a later call asks again
function settings.get(name)
  local value = config.get(name)
  local setting = config.get("SECRET_STORE")
  if value or not setting then
    return value
  end
  if kept[name] == nil then
    local found, err = ask(setting, name)
    if err then
      return nil, err
    end
    kept[name] = found
  end
  return kept[name] or nil
end

return settings

---@meta host.config

---@class host.config
local config = {}
---The value of a setting (of the environment, else of the secret store), nil when it is not set and
---has no default.
---@param name string
---@return string|nil
function config.get(name) end

return config

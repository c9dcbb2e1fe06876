---@meta host.log

---@class host.log
local log = {}
---@param message string
---@param fields table<string, string|number|boolean|nil>|nil
function log.debug(message, fields) end
---@param message string
---@param fields table<string, string|number|boolean|nil>|nil
function log.info(message, fields) end
---@param message string
---@param fields table<string, string|number|boolean|nil>|nil
function log.warn(message, fields) end
---@param message string
---@param fields table<string, string|number|boolean|nil>|nil
function log.error(message, fields) end

return log

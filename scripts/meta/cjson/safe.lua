---@meta cjson.safe

---@class cjson.safe
local safe = {}
---@param value any
---@return string|nil text
---@return string|nil message
---@return_overload string, nil
---@return_overload nil, string
function safe.encode(value) end

return safe

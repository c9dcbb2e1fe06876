---@meta cjson

---Writes JSON as it is; lib/json.lua mends what it writes wrongly.
---@class cjson
---@field null lightuserdata  the same value as json.null
local cjson = {}
---Throws on what has no JSON.
---@param value any
---@return string
function cjson.encode(value) end

return cjson

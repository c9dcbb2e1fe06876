---@meta host.json

---@class host.json
---@field null lightuserdata  JSON null (the same value as cjson.null)
---@field list_mt table       the metatable of every list that decode makes
local json = {}
---Strict RFC 8259, depth at most 32. Objects become tables, arrays become tables with list_mt.
---@param text string
---@return any value
---@return string|nil message  what is wrong and where, when value is nil and message is set
function json.decode(text) end

---The texts of what a list or an object holds, as they stand, without reading what they mean.
---@param text string      that decode took
---@return string[] values
---@return string[] names  of an object, escapes as they are written
function json.slices(text) end

return json

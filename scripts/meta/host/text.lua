---@meta host.text

---@class host.text
local text = {}
---Lower case of UTF-8 text, letter by letter (towlower of C.UTF-8).
---@param s string  valid UTF-8
---@return string
function text.lower(s) end
---@param s string  valid UTF-8
---@return integer  characters (code points), not bytes
function text.length(s) end

return text

-- Ids as they come from outside.
local uuid = {}

local PATTERN = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

---@param value any
---@return boolean  it is the text of a UUID, of either case (RFC 9562, section 4)
function uuid.is(value)
  return type(value) == "string" and value:find(PATTERN) ~= nil
end

return uuid

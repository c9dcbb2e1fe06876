-- Entity tags (RFC 9110, 8.8.3).
local entity_tag = {}

---Whether If-None-Match names a tag, by the weak comparison that it asks for.
---@param header string|nil
---@param tag string  with its quotes
---@return boolean
function entity_tag.matches(header, tag)
  if header == "*" then
    return true
  end
  for candidate in (header or ""):gmatch("[^,%s]+") do
    if candidate:gsub("^W/", "") == tag then
      return true
    end
  end
  return false
end

return entity_tag

-- The parts of a JSON text without changing them, so that numbers keep their digits and members
-- their order. The text should be known to be valid (json.decode took it); of another the parts are
-- whatever stands between its commas.
local host_json = require("host.json")
local json = require("lib.json")

local rawjson = {}

---The members of an object in their order: names (decoded) and the texts of their values.
---@param text string
---@return string[] names
---@return string[] values
function rawjson.members(text)
  local values, names = host_json.slices(text)
  for i = 1, #names do
    if names[i]:find("\\", 1, true) then
      names[i] = json.decode('"' .. names[i] .. '"')
    end
  end
  return names, values
end

---The text of one member of an object; nil when it has none of that name.
---@param text string
---@param name string
---@return string|nil
function rawjson.member(text, name)
  local names, values = rawjson.members(text)
  for i = 1, #names do
    if names[i] == name then
      return values[i]
    end
  end
end

---The texts of a list's items.
---@param text string
---@return string[]
function rawjson.items(text)
  return (host_json.slices(text))
end

return rawjson

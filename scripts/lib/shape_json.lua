-- Values as JSON, as their shapes say: a list is written as one also when it is empty.
local json = require("lib.json")
local shape = require("lib.shape")

local shape_json = {}

---A copy for json.encode.
---@param of shape.Shape
---@param value any
---@return any
function shape_json.mark(of, value)
  if type(value) ~= "table" then
    return value
  elseif of.kind == "optional" then
    return shape_json.mark(of.inner, value)
  elseif of.kind == "either" then
    for _, choice in ipairs(of.choices) do
      if not shape.check(choice, value, "") then
        return shape_json.mark(choice, value)
      end
    end
  elseif of.kind == "list" or of.kind == "record" then
    local copy = {}
    for key, item in pairs(value) do
      copy[key] = shape_json.mark(of.item or of.fields[key] or shape.any(), item)
    end
    return of.kind == "list" and json.list(copy) or copy
  end
  return value
end

return shape_json

-- Where two plain values differ first, in an order that is always the same.
local json = require("lib.json")

local compare = {}

local MAX_SHOWN = 200

---A value as a short text.
---@param value any
---@return string
function compare.show(value)
  if value == nil then
    return "nothing"
  end
  local ok, text = pcall(json.encode, value)
  text = ok and text or tostring(value)
  return #text > MAX_SHOWN and text:sub(1, MAX_SHOWN) .. "…" or text
end

local function keys_of(a, b)
  local keys, seen = {}, {}
  for _, from in ipairs({ a, b }) do
    for key in pairs(from) do
      if not seen[key] then
        seen[key] = true
        keys[#keys + 1] = key
      end
    end
  end
  table.sort(keys, function(x, y)
    if type(x) == "number" and type(y) == "number" then
      return x < y
    end
    return tostring(x) < tostring(y)
  end)
  return keys
end

---@param a any
---@param b any
---@param path string    how the values are called
---@return string|nil    the place, "result[2].wait_ms"; nil: they are the same
---@return any a, any b  both there
function compare.difference(a, b, path)
  if type(a) == "table" and type(b) == "table" then
    for _, key in ipairs(keys_of(a, b)) do
      local at = type(key) == "number" and "[" .. key .. "]" or "." .. tostring(key)
      local place, one, other = compare.difference(a[key], b[key], path .. at)
      if place then
        return place, one, other
      end
    end
  elseif a ~= b then
    return path, a, b
  end
end

return compare

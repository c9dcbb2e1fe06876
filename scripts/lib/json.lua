-- JSON both ways. Reading is strict (host.json); writing is lua-cjson's, mended in two places where
-- Debian's 2.1.0 falls short: an empty list is written as [], and whole numbers keep all their
-- digits.
local cjson = require("cjson.safe")
local host_json = require("host.json")

local json = {}

local LIST = host_json.list_mt
-- Stands for an empty list while cjson writes; no valid text can hold the byte 0xFF.
local EMPTY = "\255"
-- Whole numbers of more digits than cjson keeps (14) travel as marked text, like EMPTY.
local MAX_EXACT = 2 ^ 53

---JSON null, in what decode returns and for encode.
json.null = host_json.null

---Marks a table as a list, so that it is written as one even when it is empty.
---@generic T
---@param items T[]
---@return T[]
function json.list(items)
  return setmetatable(items, LIST)
end

---@param value any
---@return boolean  a list that decode made or json.list marked
function json.is_list(value)
  return type(value) == "table" and getmetatable(value) == LIST
end

---@param text string
---@return any value
---@return string|nil message
function json.decode(text)
  return host_json.decode(text)
end

-- A copy in which cjson meets nothing that it would write wrongly; the value itself when it holds
-- nothing of the kind.
local function mend(value)
  if type(value) == "number" and value % 1 == 0 and math.abs(value) >= 1e14
    and math.abs(value) <= MAX_EXACT then
    return "\255" .. string.format("%.0f", value)
  end
  if type(value) ~= "table" then
    return value
  end
  if next(value) == nil then
    return getmetatable(value) == LIST and EMPTY or value
  end
  local copy
  for key, item in pairs(value) do
    local mended = mend(item)
    if mended ~= item then
      if not copy then
        copy = {}
        for k, v in pairs(value) do
          copy[k] = v
        end
      end
      copy[key] = mended
    end
  end
  return copy or value
end

---Throws on what has no JSON: functions, NaN, cycles, sparse lists.
---@param value any
---@return string
function json.encode(value)
  local mended = mend(value)
  local text, message = cjson.encode(mended)
  if not text then
    error("json.encode: " .. message, 2)
  end
  if mended ~= value then
    text = text:gsub('"\255(%-?%d*)"', function(digits)
      return digits == "" and "[]" or digits
    end)
  end
  return text
end

local function write_sorted(value, out)
  if type(value) ~= "table" then
    out[#out + 1] = json.encode(value)
    return
  end
  if json.is_list(value) or value[1] ~= nil then
    out[#out + 1] = "["
    for i, item in ipairs(value) do
      out[#out + 1] = i > 1 and "," or nil
      write_sorted(item, out)
    end
    out[#out + 1] = "]"
    return
  end
  local names = {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  table.sort(names)
  out[#out + 1] = "{"
  for i, name in ipairs(names) do
    out[#out + 1] = (i > 1 and "," or "") .. json.encode(name) .. ":"
    write_sorted(value[name], out)
  end
  out[#out + 1] = "}"
end

---As encode, with the members of objects by their names: the same value is the same text in every
---worker. Member names are strings.
---@param value any
---@return string
function json.encode_sorted(value)
  local out = {}
  write_sorted(value, out)
  return table.concat(out)
end

return json

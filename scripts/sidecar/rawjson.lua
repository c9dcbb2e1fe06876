-- Finds the parts of a JSON text without changing them, so that numbers keep their digits and
-- members their order. The text must be known to be valid (json.decode took it).
local json = require("lib.json")

local rawjson = {}

local byte = string.byte
local QUOTE, BACKSLASH, COMMA, COLON = 34, 92, 44, 58
local OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT = 91, 93, 123, 125

local function skip_space(text, at)
  local c = byte(text, at)
  while c == 32 or c == 10 or c == 13 or c == 9 do
    at = at + 1
    c = byte(text, at)
  end
  return at
end

-- From the opening quote to the position after the closing one.
local function skip_string(text, at)
  at = at + 1
  local c = byte(text, at)
  while c ~= QUOTE do
    at = at + (c == BACKSLASH and 2 or 1)
    c = byte(text, at)
  end
  return at + 1
end

local function skip_container(text, at)
  local depth = 0
  repeat
    local c = byte(text, at)
    if c == QUOTE then
      at = skip_string(text, at)
    else
      if c == OPEN_OBJECT or c == OPEN_LIST then
        depth = depth + 1
      elseif c == CLOSE_OBJECT or c == CLOSE_LIST then
        depth = depth - 1
      end
      at = at + 1
    end
  until depth == 0
  return at
end

local function skip_value(text, at)
  local c = byte(text, at)
  if c == QUOTE then
    return skip_string(text, at)
  end
  if c == OPEN_OBJECT or c == OPEN_LIST then
    return skip_container(text, at)
  end
  while c and c ~= COMMA and c ~= CLOSE_OBJECT and c ~= CLOSE_LIST and c > 32 do
    at = at + 1
    c = byte(text, at)
  end
  return at
end

---The members of an object in their order: names (decoded) and the texts of their values.
---@param text string
---@return string[] names
---@return string[] values
function rawjson.members(text)
  local names, values, count = {}, {}, 0
  local at = skip_space(text, skip_space(text, 1) + 1)
  while byte(text, at) ~= CLOSE_OBJECT do
    local stop = skip_string(text, at)
    local name = text:sub(at + 1, stop - 2)
    count = count + 1
    names[count] = name:find("\\", 1, true) and json.decode(text:sub(at, stop - 1)) or name
    at = skip_space(text, stop)
    assert(byte(text, at) == COLON, "not a JSON object")
    at = skip_space(text, at + 1)
    stop = skip_value(text, at)
    values[count] = text:sub(at, stop - 1)
    at = skip_space(text, stop)
    if byte(text, at) == COMMA then
      at = skip_space(text, at + 1)
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
  local items, count = {}, 0
  local at = skip_space(text, skip_space(text, 1) + 1)
  while byte(text, at) ~= CLOSE_LIST do
    local stop = skip_value(text, at)
    count = count + 1
    items[count] = text:sub(at, stop - 1)
    at = skip_space(text, stop)
    if byte(text, at) == COMMA then
      at = skip_space(text, at + 1)
    end
  end
  return items
end

return rawjson

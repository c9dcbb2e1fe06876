-- Values against JSON Schema, as far as the schemas of this program go: type, enum, properties,
-- required, additionalProperties = false, items, minItems, maxItems, minLength, maxLength, minimum
-- and maximum. A message names what is wrong by its path.
local json = require("lib.json")
local text = require("host.text")

local json_schema = {}

local MAX_SHOWN = 60

---@alias json_schema.Schema table<string, any>

local TYPES = {
  string = function(value) return type(value) == "string" end,
  number = function(value) return type(value) == "number" end,
  integer = function(value) return type(value) == "number" and value % 1 == 0 end,
  boolean = function(value) return type(value) == "boolean" end,
  array = function(value) return json.is_list(value) end,
  object = function(value)
    return type(value) == "table" and not json.is_list(value)
  end,
  null = function(value) return value == json.null end,
}

local NAMES = { string = "a string", number = "a number", integer = "a whole number",
  boolean = "true or false", array = "a list", object = "an object", null = "null" }

local function show(value)
  if value == json.null then
    return "null"
  elseif json.is_list(value) then
    return "a list"
  elseif type(value) == "table" then
    return "an object"
  elseif type(value) == "string" then
    return #value > MAX_SHOWN and "a string of " .. #value .. " bytes" or json.encode(value)
  end
  return tostring(value)
end

-- A path starts with the name of an argument; the value as a whole has none.
local function join(path, name)
  return path == "" and name or path .. "." .. name
end

local function types_of(schema)
  local types = schema.type
  return type(types) == "table" and types or { types }
end

local function check_type(schema, value)
  local names = {}
  for i, name in ipairs(types_of(schema)) do
    if TYPES[name](value) then
      return nil
    end
    names[i] = NAMES[name]
  end
  return names[1] and "must be " .. table.concat(names, " or ") .. ", is " .. show(value)
end

local function check_enum(schema, value)
  for _, word in ipairs(schema.enum) do
    if word == value then
      return nil
    end
  end
  local words = {}
  for i, word in ipairs(schema.enum) do
    words[i] = show(word):gsub('^"(.*)"$', "%1")
  end
  return "must be one of " .. table.concat(words, ", ") .. ", is " .. show(value)
end

local function range(min, max)
  if min and max then
    return min .. " to " .. max
  end
  return min and "at least " .. min or "at most " .. max
end

local function outside(size, min, max)
  return min and size < min or max and size > max
end

local function check_size(schema, value)
  if type(value) == "string" then
    if outside(text.length(value), schema.minLength, schema.maxLength) then
      return "must be a string of " .. range(schema.minLength, schema.maxLength) .. " characters"
    end
  elseif type(value) == "number" then
    if outside(value, schema.minimum, schema.maximum) then
      return "must be a number of " .. range(schema.minimum, schema.maximum) .. ", is "
        .. show(value)
    end
  elseif json.is_list(value) and outside(#value, schema.minItems, schema.maxItems) then
    return "must be a list of " .. range(schema.minItems, schema.maxItems) .. " items, has "
      .. #value
  end
end

local function known(schema)
  local names = {}
  for name in pairs(schema.properties or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names[1] and "known are " .. table.concat(names, ", ") or "none is known"
end

local check

local function check_members(schema, value, path)
  for _, name in ipairs(schema.required or {}) do
    if value[name] == nil then
      return join(path, name) .. " is needed"
    end
  end
  local names = {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local member = (schema.properties or {})[name]
    if member then
      local message = check(member, value[name], join(path, name))
      if message then
        return message
      end
    elseif schema.additionalProperties == false then
      return join(path, show(name):gsub('^"(.*)"$', "%1")) .. " is not known; " .. known(schema)
    end
  end
end

function check(schema, value, path)
  local message = check_type(schema, value)
    or schema.enum and check_enum(schema, value)
    or check_size(schema, value)
  if message then
    return (path == "" and "the value" or path) .. " " .. message
  end
  if json.is_list(value) and schema.items then
    for i, item in ipairs(value) do
      message = check(schema.items, item, path .. "[" .. i - 1 .. "]")
      if message then
        return message
      end
    end
  elseif type(value) == "table" and not json.is_list(value) then
    return check_members(schema, value, path)
  end
end

---@param schema json_schema.Schema
---@param value any   as json.decode gives it
---@return string|nil message  "tags[2] must be a string, is 5"; nil: it is valid
function json_schema.check(schema, value)
  return check(schema, value, "")
end

---@param schema json_schema.Schema
---@return boolean
function json_schema.takes_null(schema)
  return check_type(schema, json.null) == nil
end

return json_schema

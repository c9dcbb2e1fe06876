-- Shapes of plain values, as data: shape.check says in one sentence where a value is not what it
-- should be. A shape is a table made by a function of this file.
local shape = {}

local MAX_SHOWN = 40 -- bytes of a wrong string that a message shows

---@class shape.Shape
---@field kind string
---@field words any[]|any of "words": what it may be
---@field item shape.Shape|any of "list"
---@field fields table<string, shape.Shape>|any of "record"
---@field names string[]|any of these, in order
---@field tags string[]|any of these that are literals
---@field inner shape.Shape|any of "optional"
---@field choices shape.Shape[]|any of "either"
---@field min number|nil                     of what has a size
---@field max number|nil
---@field one_line boolean|nil

---@class shape.TextLimits
---@field min integer|nil       bytes
---@field max integer|nil       bytes
---@field one_line boolean|nil  no control characters

---@param limits shape.TextLimits|nil
---@return shape.Shape
function shape.string(limits)
  limits = limits or {}
  return { kind = "string", min = limits.min, max = limits.max, one_line = limits.one_line }
end

---@param min number|nil
---@param max number|nil
---@return shape.Shape
function shape.number(min, max)
  return { kind = "number", min = min, max = max }
end

---@param min integer|nil
---@param max integer|nil
---@return shape.Shape
function shape.integer(min, max)
  return { kind = "integer", min = min, max = max }
end

---@return shape.Shape
function shape.boolean()
  return { kind = "boolean" }
end

---@param value string|number|boolean
---@return shape.Shape
function shape.literal(value)
  return { kind = "words", words = { value } }
end

---@param ... string
---@return shape.Shape
function shape.one_of(...)
  return { kind = "words", words = { ... } }
end

---A list without holes.
---@param item shape.Shape
---@param max integer|nil  items
---@return shape.Shape
function shape.list(item, max)
  return { kind = "list", item = item, max = max }
end

---A table with these fields and no others.
---@param fields table<string, shape.Shape>
---@return shape.Shape
function shape.record(fields)
  local names, tags = {}, {}
  for name, field in pairs(fields) do
    names[#names + 1] = name
    if field.kind == "words" and #field.words == 1 then
      tags[#tags + 1] = name
    end
  end
  table.sort(names)
  return { kind = "record", fields = fields, names = names, tags = tags }
end

---The value may be missing.
---@param inner shape.Shape
---@return shape.Shape
function shape.optional(inner)
  return { kind = "optional", inner = inner }
end

---The first that fits; a message is about the one that comes nearest. A record's literals say
---whether it is the one that is meant.
---@param ... shape.Shape
---@return shape.Shape
function shape.either(...)
  return { kind = "either", choices = { ... } }
end

---A table of whatever is in it.
---@return shape.Shape
function shape.table()
  return { kind = "table" }
end

---Whatever it is.
---@return shape.Shape
function shape.any()
  return { kind = "any" }
end

local function show(value)
  if type(value) == "string" then
    local shown = #value > MAX_SHOWN and value:sub(1, MAX_SHOWN) .. "…" or value
    return '"' .. shown:gsub("%c", " ") .. '"'
  elseif type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  elseif value == nil then
    return "missing"
  end
  return "a " .. type(value)
end

local function range(of, unit)
  local min, max = of.min, of.max
  if min and max then
    return " from " .. min .. " to " .. max .. unit
  elseif min then
    return " from " .. min .. unit
  elseif max then
    return " up to " .. max .. unit
  end
  return ""
end

local describe

local DESCRIBE = {
  string = function(of)
    return (of.one_line and "a string of one line" or "a string") .. range(of, " bytes")
  end,
  number = function(of) return "a number" .. range(of, "") end,
  integer = function(of) return "an integer" .. range(of, "") end,
  boolean = function() return "true or false" end,
  words = function(of)
    local words = {}
    for i, word in ipairs(of.words) do
      words[i] = show(word)
    end
    return table.concat(words, " or ")
  end,
  list = function(of) return "a list" .. (of.max and " of up to " .. of.max .. " items" or "") end,
  record = function() return "a table of fields" end,
  optional = function(of) return describe(of.inner) .. " or nil" end,
  either = function(of)
    local parts, seen = {}, {}
    for _, choice in ipairs(of.choices) do
      local part = describe(choice)
      parts[#parts + 1] = not seen[part] and part or nil
      seen[part] = true
    end
    return table.concat(parts, " or ")
  end,
  table = function() return "a table" end,
  any = function() return "anything" end,
}

---@return string
function describe(of)
  return DESCRIBE[of.kind](of)
end

---@param of shape.Shape
---@return string  "an integer from 0"
function shape.describe(of)
  return describe(of)
end

local function within(of, size)
  return (not of.min or size >= of.min) and (not of.max or size <= of.max)
end

-- Every test gives nil, or where it failed and what is wrong there.
local test

local function wrong(of, value, path)
  return path, "must be " .. describe(of) .. ", is " .. show(value)
end

local function is_finite(value)
  return type(value) == "number" and value == value and math.abs(value) < math.huge
end

local function may_be_meant(choice, value)
  if choice.kind == "record" and type(value) == "table" then
    for _, name in ipairs(choice.tags) do
      if value[name] ~= choice.fields[name].words[1] then
        return false
      end
    end
  end
  return true
end

-- None of the choices has the literal that the value has.
local function no_such_tag(of, value, path)
  local name, words = of.choices[1].tags[1], {}
  for _, choice in ipairs(of.choices) do
    words[#words + 1] = choice.fields[name] and choice.fields[name].words
      and choice.fields[name].words[1]
  end
  return wrong({ kind = "words", words = words }, value[name], path .. "." .. name)
end

local TEST = {
  string = function(of, value, path)
    if type(value) ~= "string" or not within(of, #value)
      or of.one_line and value:find("%c") then
      return wrong(of, value, path)
    end
  end,
  number = function(of, value, path)
    if not is_finite(value) or not within(of, value) then
      return wrong(of, value, path)
    end
  end,
  integer = function(of, value, path)
    if not is_finite(value) or value % 1 ~= 0 or not within(of, value) then
      return wrong(of, value, path)
    end
  end,
  boolean = function(of, value, path)
    if type(value) ~= "boolean" then
      return wrong(of, value, path)
    end
  end,
  words = function(of, value, path)
    for _, word in ipairs(of.words) do
      if value == word then
        return nil
      end
    end
    return wrong(of, value, path)
  end,
  list = function(of, value, path)
    if type(value) ~= "table" or of.max and #value > of.max then
      return wrong(of, value, path)
    end
    for key in pairs(value) do
      if type(key) ~= "number" or key < 1 or key > #value or key % 1 ~= 0 then
        return path, "must be a list, has the key " .. show(key)
      end
    end
    for i = 1, #value do
      local where, message = test(of.item, value[i], path .. "[" .. i .. "]")
      if where then
        return where, message
      end
    end
  end,
  record = function(of, value, path)
    if type(value) ~= "table" then
      return wrong(of, value, path)
    end
    for key in pairs(value) do
      if not of.fields[key] then
        return path, "has a field that is not known, " .. show(key)
      end
    end
    for _, name in ipairs(of.names) do
      local where, message = test(of.fields[name], value[name], path .. "." .. name)
      if where then
        return where, message
      end
    end
  end,
  optional = function(of, value, path)
    if value ~= nil then
      return test(of.inner, value, path)
    end
  end,
  -- Of those that may be meant, the choice whose failure lies deepest is the one that was.
  either = function(of, value, path)
    local deepest, about
    for _, choice in ipairs(of.choices) do
      if may_be_meant(choice, value) then
        local where, message = test(choice, value, path)
        if not where then
          return nil
        end
        if not deepest or #where > #deepest then
          deepest, about = where, message
        end
      end
    end
    if not deepest then
      return no_such_tag(of, value, path)
    end
    if deepest == path and type(value) ~= "table" then
      return wrong(of, value, path)
    end
    return deepest, about
  end,
  table = function(of, value, path)
    if type(value) ~= "table" then
      return wrong(of, value, path)
    end
  end,
  any = function() end,
}

function test(of, value, path)
  return TEST[of.kind](of, value, path)
end

---@param of shape.Shape
---@param value any
---@param path string  how the value is called: "result"
---@return string|nil message  'result[2].wait_ms must be an integer from 0, is "soon"'
function shape.check(of, value, path)
  local where, message = test(of, value, path)
  if where then
    return where .. " " .. message
  end
end

return shape

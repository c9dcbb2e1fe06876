-- The query string of a route, checked against the parameters that its description lists
-- (openapi.Parameter): what the API says and what it takes are one thing.
local time = require("host.time")
local uuid = require("lib.uuid")

local params = {}

local function is_one_of(value, words)
  for _, word in ipairs(words) do
    if word == value then
      return true
    end
  end
  return false
end

local FORMATS = {
  ["date-time"] = { test = function(value) return time.parse(value) ~= nil end,
    say = "an RFC 3339 time such as 2026-12-24T18:00:00Z" },
  uuid = { test = uuid.is, say = "a UUID" },
}

-- Numbers, booleans and lists come as text from a query, and as they are from the chat.
local CHECKS = {
  string = function(schema, value)
    local format = FORMATS[schema.format]
    if type(value) ~= "string" or format and not format.test(value) then
      return format and format.say or "a string"
    elseif schema.enum and not is_one_of(value, schema.enum) then
      return "one of " .. table.concat(schema.enum, ", ")
    end
  end,
  boolean = function(_, value)
    if type(value) ~= "boolean" and value ~= "true" and value ~= "false" then
      return "true or false"
    end
  end,
  integer = function(schema, value)
    local text = tostring(value)
    local number = text:match("^%d+$") and tonumber(text)
    if not number or number < schema.minimum or schema.maximum and number > schema.maximum then
      return "a whole number from " .. schema.minimum
        .. (schema.maximum and " to " .. schema.maximum or "")
    end
  end,
}

---@param list openapi.Parameter[]
---@param args table<string, any>  by name
---@return string|nil message      what is wrong with them
function params.problem(list, args)
  local known = {}
  for _, parameter in ipairs(list) do
    local name, value = parameter.name, args[parameter.name]
    known[name] = true
    if value == nil and parameter.required then
      return name .. " is needed"
    end
    local is_list = parameter.list and type(value) == "table"
    local wanted = value ~= nil and not is_list
      and CHECKS[parameter.schema.type](parameter.schema, value)
    if wanted then
      return name .. " must be " .. wanted
    end
  end
  for name in pairs(args) do
    if not known[name] then
      return "there is no query parameter " .. tostring(name)
    end
  end
end

---A parameter `limit`: more than the maximum is taken as the maximum.
---@param default integer
---@param maximum integer
---@return openapi.Parameter
function params.limit(default, maximum)
  return { name = "limit", schema = { type = "integer", minimum = 1, default = default,
    ["x-maximum"] = maximum },
    description = ("At most so many; above %d it is %d."):format(maximum, maximum) }
end

---What `limit` says, or its default.
---@param parameter openapi.Parameter  of params.limit
---@param value any                    checked
---@return integer
function params.limit_of(parameter, value)
  local schema = parameter.schema
  return math.min(tonumber(value) or schema.default, schema["x-maximum"]) --[[@as integer]]
end

return params

-- The part of CEL that routing rules need: has(event.x), event.x == "text" and !=, with numbers and
-- booleans too, &&, ||, !, parentheses, true, false. x may be a path (event.data.kind). Anything
-- else does not compile, so that nothing is ever silently true.
local json = require("lib.json")

local match = {}

local KEYWORDS = { ["true"] = true, ["false"] = true, ["in"] = true, ["null"] = true }

local ESCAPES = { n = "\n", t = "\t", r = "\r", ["\\"] = "\\", ['"'] = '"', ["'"] = "'" }

local function read_string(text, at)
  local quote, parts = text:sub(at, at), {}
  at = at + 1
  while true do
    local char = text:sub(at, at)
    if char == "" then
      error({ "a string does not end" })
    elseif char == quote then
      return table.concat(parts), at + 1
    elseif char == "\\" then
      char = ESCAPES[text:sub(at + 1, at + 1)] or error({ "an escape that is not known" })
      at = at + 1
    end
    parts[#parts + 1] = char
    at = at + 1
  end
end

local function tokens_of(text)
  local list, at = {}, 1
  while true do
    at = text:find("%S", at)
    if not at then
      return list
    end
    local token = text:match("^[%a_][%w_]*", at)
    if token then
      list[#list + 1] = { kind = KEYWORDS[token] and token or "name", text = token }
      at = at + #token
    elseif text:find("^[\"']", at) then
      local value
      value, at = read_string(text, at)
      list[#list + 1] = { kind = "literal", value = value }
    elseif text:find("^%-?%d", at) then
      token = text:match("^%-?%d+%.?%d*", at)
      list[#list + 1] = { kind = "literal", value = tonumber(token) }
      at = at + #token
    else
      token = text:match("^[=!&|]=", at) or text:match("^&&", at) or text:match("^||", at)
        or text:match("^[!().]", at) or error({ "unexpected " .. text:sub(at, at) })
      list[#list + 1] = { kind = token }
      at = at + #token
    end
  end
end

-- A value by its path. Missing: an error, as in CEL, and not false.
local function look_up(event, path)
  local value = event
  for _, name in ipairs(path) do
    if type(value) ~= "table" or json.is_list(value) or value[name] == nil then
      error({ "no such key: " .. name })
    end
    value = value[name]
  end
  return value
end

---@class match.Token
---@field kind string
---@field text string|nil
---@field value any

---@class match.Parser
---@field tokens match.Token[]
---@field at integer
local Parser = {}
Parser.__index = Parser

function Parser:accept(kind)
  local token = self.tokens[self.at]
  if token and token.kind == kind then
    self.at = self.at + 1
    return token
  end
end

function Parser:expect(kind)
  return self:accept(kind) or error({ kind .. " is expected" })
end

function Parser:path()
  local root = self:expect("name")
  if root.text ~= "event" then
    error({ root.text .. " is not known" })
  end
  local path = {}
  repeat
    self:expect(".")
    path[#path + 1] = self:expect("name").text
    local after = self.tokens[self.at]
  until not after or after.kind ~= "."
  return path
end

function Parser:has()
  self:expect("(")
  local path = self:path()
  self:expect(")")
  local last = table.remove(path)
  return function(event)
    local value = look_up(event, path)
    return type(value) == "table" and value[last] ~= nil
  end
end

-- One side of a comparison: a function of the event.
function Parser:operand()
  local literal = self:accept("literal")
  if literal then
    return function() return literal.value end, "literal"
  end
  if self:accept("true") then
    return function() return true end, "boolean"
  end
  if self:accept("false") then
    return function() return false end, "boolean"
  end
  local token = self.tokens[self.at]
  if token and token.kind == "name" and token.text == "has" then
    self.at = self.at + 1
    return self:has(), "boolean"
  end
  local path = self:path()
  return function(event) return look_up(event, path) end, "path"
end

function Parser:comparison()
  if self:accept("!") then
    local inner = self:comparison()
    return function(event) return not inner(event) end
  end
  if self:accept("(") then
    local inner = self:either()
    self:expect(")")
    return inner
  end
  local left, kind = self:operand()
  local equal, unequal = self:accept("=="), self:accept("!=")
  if equal or unequal then
    local right = self:operand()
    return function(event) return (left(event) == right(event)) == (equal ~= nil) end
  end
  if kind ~= "boolean" then
    error({ "a comparison is expected" })
  end
  return left
end

-- In CEL an error on one side counts only when the other side does not decide.
local function decide(left, right, deciding)
  return function(event)
    local ok, value = pcall(left, event)
    if ok and value == deciding then
      return deciding
    end
    local other = right(event)
    if other == deciding then
      return deciding
    end
    if not ok then
      error(value, 0)
    end
    return other
  end
end

function Parser:both()
  local left = self:comparison()
  while self:accept("&&") do
    left = decide(left, self:comparison(), false)
  end
  return left
end

function Parser:either()
  local left = self:both()
  while self:accept("||") do
    left = decide(left, self:both(), true)
  end
  return left
end

local function message_of(problem)
  return type(problem) == "table" and problem[1] or tostring(problem)
end

---@param text string
---@return (fun(event: table): boolean|nil, string|nil)|nil rule  nil, message: a key is missing
---@return string|nil message
function match.compile(text)
  local ok, rule = pcall(function()
    local parser = setmetatable({ tokens = tokens_of(text), at = 1 }, Parser)
    local found = parser:either()
    if parser.tokens[parser.at] then
      error({ "the rule goes on after its end" })
    end
    return found
  end)
  if not ok then
    return nil, message_of(rule)
  end
  return function(event)
    local good, value = pcall(rule, event)
    if not good then
      return nil, message_of(value)
    end
    return value
  end
end

return match

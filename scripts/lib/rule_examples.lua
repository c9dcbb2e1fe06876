-- The examples of the rules: rules/NAME.examples.json is a list of
-- {"name", "call", "args", "result"}, each a call of rules/NAME.lua and what it must give. They are
-- the operator's documentation, and what a changed rule is held against before it serves.
--
-- A text "@2026-11-24T10:00:00Z" stands for that time in milliseconds, in what goes in and what
-- comes out.
local api = require("lib.rule_api")
local host_rules = require("host.rules")
local json = require("lib.json")
local rules = require("lib.rules")
local shape = require("lib.shape")
local time = require("host.time")

local rule_examples = {}

local EXAMPLE = shape.record({ name = shape.string({ min = 1, max = 200, one_line = true }),
  call = shape.string({ min = 1, max = 100, one_line = true }), args = shape.list(shape.any()),
  result = shape.any() })
local MAX_SHOWN = 200

-- A copy with times as numbers and without nulls: what is not there is not there.
local function read_value(value)
  if type(value) == "string" then
    return value:sub(1, 1) == "@" and time.parse(value:sub(2)) or value
  elseif value == json.null then
    return nil
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for name, item in pairs(value) do
    copy[name] = read_value(item)
  end
  return copy
end

local function show(value)
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
  table.sort(keys, function(x, y) return tostring(x) < tostring(y) end)
  return keys
end

-- nil, or the first place where two values differ, and both there.
local function difference(wanted, got, path)
  if type(wanted) == "table" and type(got) == "table" then
    for _, key in ipairs(keys_of(wanted, got)) do
      local at = type(key) == "number" and "[" .. key .. "]" or "." .. key
      local message = difference(wanted[key], got[key], path .. at)
      if message then
        return message
      end
    end
  elseif wanted ~= got then
    return path .. ": wanted " .. show(wanted) .. ", got " .. show(got)
  end
end

local function check_args(name, args, count)
  local wanted = api.entries[name].args
  if count > #wanted then
    return "there are " .. count .. " args, the rule takes " .. #wanted
  end
  for i, of in ipairs(wanted) do
    local message = shape.check(of, args[i], "args[" .. i .. "]")
    if message then
      return message
    end
  end
end

-- nil, or what is wrong with one example.
local function run(file, example)
  local name = file .. "." .. example.call
  if not api.entries[name] then
    return "call: no service asks " .. name
  end
  local count = #example.args
  local args = {}
  for i = 1, count do
    args[i] = read_value(example.args[i])
  end
  local message = check_args(name, args, count)
  if message then
    return message
  end
  local got, err = rules.try(name, unpack(args, 1, count))
  if err then
    return err.message
  end
  return difference(read_value(example.result), got, "result")
end

---Runs the examples of one rule file. Without any there is nothing to hold.
---@param file string  "notify"
---@param text string|nil  the examples as JSON; else those beside the rule
---@return integer|nil count
---@return string|nil message  which example fails, and where it differs
function rule_examples.run(file, text)
  local source = file .. ".examples.json"
  text = text or host_rules.read_file(source)
  if not text then
    return 0
  end
  local examples, message = json.decode(text)
  message = message or shape.check(shape.list(EXAMPLE), examples, "examples")
  if message then
    return nil, "rules/" .. source .. ": " .. message
  end
  for i, example in ipairs(examples) do
    message = run(file, example)
    if message then
      return nil, ('rules/%s: example %d "%s": %s'):format(source, i, example.name, message)
    end
  end
  return #examples
end

---Runs the examples of these rule files.
---Where no rules are loaded, since the service is only looked at, there is nothing to run.
---@param files string[]
---@return true|nil
---@return string|nil message  of all that failed, a line each
function rule_examples.run_all(files)
  local failures = {}
  if not host_rules.revision() then
    return true
  end
  for _, file in ipairs(files) do
    local count, message = rule_examples.run(file)
    if not count then
      failures[#failures + 1] = message
    end
  end
  if #failures > 0 then
    return nil, table.concat(failures, "\n")
  end
  return true
end

return rule_examples

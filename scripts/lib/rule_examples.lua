-- The examples of the rules: rules/NAME.examples.json is a list of
-- {"name", "call", "args", "result"}, each a call of rules/NAME.lua and what it must give. They are
-- the operator's documentation, and what a changed rule is held against before it serves.
--
-- A text "@2026-11-24T10:00:00Z" stands for that time in milliseconds, in what goes in and what
-- comes out.
local api = require("lib.rule_api")
local compare = require("lib.compare")
local host_rules = require("host.rules")
local json = require("lib.json")
local rules = require("lib.rules")
local shape = require("lib.shape")
local time = require("host.time")

local rule_examples = {}

-- A good call may go over its budget where the machine is taken away for a moment, which an
-- overcommitted one counts as the thread's CPU time: it may be made again so often, and so many
-- times in all of a file.
local MORE_TRIES, ALL_MORE_TRIES = 3, 12

local EXAMPLE = shape.record({ name = shape.string({ min = 1, max = 200, one_line = true }),
  call = shape.string({ min = 1, max = 100, one_line = true }), args = shape.list(shape.any()),
  result = shape.any() })

---A copy with times as numbers and without nulls: what is not there is not there.
---@param value any
---@return any
function rule_examples.read_value(value)
  if type(value) == "string" then
    return value:sub(1, 1) == "@" and time.parse(value:sub(2)) or value
  elseif value == json.null then
    return nil
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for name, item in pairs(value) do
    copy[name] = rule_examples.read_value(item)
  end
  return copy
end

---Holds arguments against what an entry takes.
---@param name string
---@param args any[]
---@param count integer
---@return string|nil message
function rule_examples.check_args(name, args, count)
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

-- try, which makes a call that went over its time again.
local function again(try)
  local left = ALL_MORE_TRIES
  return function(...)
    local got, err = try(...)
    for _ = 1, MORE_TRIES do
      if not err or err.code ~= "budget" or left == 0 then
        break
      end
      left = left - 1
      got, err = try(...)
    end
    return got, err
  end
end

-- nil, or what is wrong with one example.
local function run(file, example, try)
  local name = file .. "." .. example.call
  if not api.entries[name] then
    return "call: no service asks " .. name
  end
  local count = #example.args
  local args = {}
  for i = 1, count do
    args[i] = rule_examples.read_value(example.args[i])
  end
  local message = rule_examples.check_args(name, args, count)
  if message then
    return message
  end
  local got, err = try(name, unpack(args, 1, count))
  if err then
    return err.message
  end
  local place, want, is = compare.difference(rule_examples.read_value(example.result), got,
    "result")
  return place and place .. ": wanted " .. compare.show(want) .. ", got " .. compare.show(is)
end

---The examples of a file's text.
---@param text string
---@return table[]|nil examples
---@return string|nil message
---@return_overload table[], nil
---@return_overload nil, string
function rule_examples.decode(text)
  local examples, message = json.decode(text)
  message = message or shape.check(shape.list(EXAMPLE), examples, "examples")
  if message then
    return nil, message
  end
  return examples
end

---Runs the examples of one rule file, all of them.
---@param file string  "notify"
---@param text string  the examples as JSON
---@param try fun(name: string, ...): any, host.RuleError|nil  asks a rule
---@return integer count
---@return string[] failures  which example, and where it differs; those that fail alike in one
function rule_examples.check(file, text, try)
  local examples, message = rule_examples.decode(text)
  if not examples then
    return 0, { message }
  end
  try = again(try)
  local failures, groups = {}, {}
  for i, example in ipairs(examples) do
    message = run(file, example, try)
    if message and groups[message] then
      groups[message].more = groups[message].more + 1
    elseif message then
      groups[message] = { at = #failures + 1, more = 0 }
      failures[#failures + 1] = ('example %d "%s"'):format(i, example.name)
    end
  end
  for text_of, group in pairs(groups) do
    failures[group.at] = failures[group.at]
      .. (group.more > 0 and " and " .. group.more .. " more" or "") .. ": " .. text_of
  end
  return #examples, failures
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
  local count, failures = rule_examples.check(file, text, rules.try)
  if failures[1] then
    return nil, "rules/" .. source .. ": " .. failures[1]
  end
  return count
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

-- `todo-host rules try` and `diff`: what rules decide of calls that are given as JSON, and why.
-- Nothing comes of it.
local api = require("lib.rule_api")
local compare = require("lib.compare")
local json = require("lib.json")
local rule_examples = require("lib.rule_examples")
local shape = require("lib.shape")
local shape_json = require("lib.shape_json")

local rule_trial = {}

local MAX_LINES = 1000 -- of differences that are shown

-- The arguments in a value: a list of them, one of them, or a recorded call.
local function read_args(name, value)
  if type(value) == "table" and value.call ~= nil and value.args ~= nil then
    if value.call ~= name then
      return nil, "the input is a call of " .. tostring(value.call) .. ", not of " .. name
    end
    value = value.args
  end
  local is_list = json.is_list(value)
  value = rule_examples.read_value(value)
  local message
  if is_list then
    message = rule_examples.check_args(name, value, #value)
    if not message then
      return value
    end
  end
  local alone = rule_examples.check_args(name, { value }, 1)
  if not alone then
    return { value }
  end
  local wanted = #api.entries[name].args
  return nil, message or wanted == 1 and alone
    or name .. " takes a list of " .. wanted .. " arguments, and the input is no list"
end

local function round(number, step)
  return math.floor(number / step + 0.5) * step
end

-- What a rule gives may be what JSON has no word for.
local function encode(value)
  local ok, text = pcall(json.encode, value)
  return ok and text or json.encode(tostring(value))
end

-- As JSON with the fields in the order in which they are read.
local function object(fields)
  local lines = {}
  for _, field in ipairs(fields) do
    if field[2] ~= nil then
      lines[#lines + 1] = "  " .. json.encode(field[1]) .. ": " .. encode(field[2])
    end
  end
  return "{\n" .. table.concat(lines, ",\n") .. "\n}"
end

-- What is wrong with a result, and where its rule begins.
local function check_result(name, result, err, account)
  local message = not err and shape.check(api.entries[name].result, result, "result")
  return message and account.place .. ": " .. message or nil
end

---Asks one rule.
---@param folder host.trial.Folder
---@param name string
---@param input string  JSON: the list of its arguments, its one argument, or a recorded call
---@return string|nil text
---@return string|nil message
---@return integer|boolean|nil status
function rule_trial.try(folder, name, input)
  local entry = api.entries[name]
  local value, message = json.decode(input)
  if message then
    return nil, "the input is not JSON: " .. message, true
  end
  local args
  args, message = read_args(name, value)
  if not args then
    return nil, "the input: " .. message, true
  end
  local rules
  rules, message = folder:load()
  if not rules then
    return nil, message, 1
  end
  local result, err, account = rules:call(name, unpack(args, 1, #entry.args))
  local wrong = check_result(name, result, err, account)
  local default
  if err or wrong then
    default = shape_json.mark(entry.result, entry.default(unpack(args, 1, #entry.args)))
  end
  return object({
    { "rule", name },
    { "result", shape_json.mark(entry.result, result) },
    { "explained", json.list(account.explained) },
    { "fits", not err and not wrong },
    { "wrong", wrong },
    { "error", err and { code = err.code, message = err.message } },
    { "default", default },
    { "cpu_ms", round(account.cpu_ms, 0.001) },
    { "budget_ms", account.budget_ms },
    { "memory_bytes", account.bytes },
    { "revision", folder:revision() },
  }), nil, (err or wrong) and 1 or 0
end

-- What comes of a call, as a service would take it.
local function outcome(rules, name, args, count)
  local result, err, account = rules:call(name, unpack(args, 1, count))
  local wrong = check_result(name, result, err, account)
  if err or wrong then
    return { failed = err and err.code or "result", why = err and err.message or wrong }
  end
  return { result = result }
end

local function difference(old, new)
  if old.failed and new.failed then
    return nil
  elseif old.failed or new.failed then
    return "result", old.why and "it fails: " .. old.why or old.result,
      new.why and "it fails: " .. new.why or new.result
  end
  return compare.difference(old.result, new.result, "result")
end

local CALL = shape.record({ call = shape.string(), args = shape.list(shape.any()) })

local function read_call(line)
  local event, message = json.decode(line)
  message = message or shape.check(CALL, event, "a call")
  if message then
    return nil, message
  elseif not api.entries[event.call] then
    return nil, "call: no service asks " .. event.call
  end
  message = rule_examples.check_args(event.call, event.args, #event.args)
  if message then
    return nil, message
  end
  return { name = event.call, args = event.args, count = #event.args }
end

local function summary(counts, by_rule, failed)
  local parts = {}
  for name, count in pairs(by_rule) do
    parts[#parts + 1] = name .. " " .. count
  end
  table.sort(parts)
  local text = ("%d calls: %d alike, %d different"):format(counts.all,
    counts.all - counts.different, counts.different)
  if #parts > 0 then
    text = text .. " (" .. table.concat(parts, ", ") .. ")"
  end
  if failed > 0 then
    text = text .. "; " .. failed .. " fail with both"
  end
  return text
end

---Asks two folders the same calls.
---@param old host.trial.Folder
---@param new host.trial.Folder
---@param only string|nil  an entry
---@param input string     a call in each line: {"call": …, "args": […]}
---@return string|nil text
---@return string|nil message
---@return integer|boolean|nil status  1 where they differ
function rule_trial.diff(old, new, only, input)
  local before, message = old:load()
  if not before then
    return nil, "the old rules: " .. message, true
  end
  local after
  after, message = new:load()
  if not after then
    return nil, "the new rules: " .. message, true
  end
  local lines, counts, by_rule, failed, number = {}, { all = 0, different = 0 }, {}, 0, 0
  for line in (input .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    local event
    if line:find("%S") then
      event, message = read_call(line)
      if not event then
        return nil, "line " .. number .. " of the input: " .. message, true
      end
    end
    if event and (not only or event.name == only) then
      local was = outcome(before, event.name, event.args, event.count)
      local is = outcome(after, event.name, event.args, event.count)
      local place, one, other = difference(was, is)
      counts.all = counts.all + 1
      failed = failed + (was.failed and is.failed and 1 or 0)
      if place then
        counts.different = counts.different + 1
        by_rule[event.name] = (by_rule[event.name] or 0) + 1
        if counts.different <= MAX_LINES then
          lines[#lines + 1] = ("line %d %s %s: old %s, new %s"):format(number, event.name, place,
            compare.show(one), compare.show(other))
        end
      end
    end
  end
  if counts.different > MAX_LINES then
    lines[#lines + 1] = "… and " .. counts.different - MAX_LINES .. " more"
  end
  if counts.all == 0 then
    return nil, "the input has no call" .. (only and " of " .. only or ""), true
  end
  lines[#lines + 1] = summary(counts, by_rule, failed)
  return table.concat(lines, "\n"), nil, counts.different > 0 and 1 or 0
end

return rule_trial

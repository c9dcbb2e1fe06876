-- Asks the rules, and does without them: what an operator edits runs in a VM of its own with a
-- budget, and when it fails, or gives what nobody can use, the default that rule_api.lua declares
-- decides this one call. Nothing here throws because of a rule.
local api = require("lib.rule_api")
local host_rules = require("host.rules")
local metrics = require("host.metrics")
local rule_shadow = require("lib.rule_shadow")
local shape = require("lib.shape")

local rules = {}

local defaults = metrics.counter("rules_defaults_total",
  "Calls of a rule that the default behaviour answered.", { "rule", "reason" })

---Asks one rule, whatever becomes of it.
---@param name string  an entry of rule_api.lua
---@param ... any      its arguments: plain values without metatables
---@return any value   nil when it failed
---@return host.RuleError|nil err
function rules.try(name, ...)
  local value, err = host_rules.call(name, ...)
  if value == nil and type(err) == "table" and err.code then
    return nil, err
  end
  local message = shape.check(api.entries[name].result, value, "result")
  if message then
    message = host_rules.failed(name, "result", name .. ": " .. message)
    return nil, { code = "result", message = message }
  end
  return value
end

---Asks a rule; where it fails, its default answers. A candidate (rule_shadow.lua) may be asked the
---same afterwards.
---@param name string  an entry of rule_api.lua
---@param ... any
---@return any
function rules.call(name, ...)
  local value, err = rules.try(name, ...)
  if err then
    defaults:add(1, name, err.code) -- the host has logged it
    value = api.entries[name].default(...)
  end
  rule_shadow.compare(name, value, ...)
  return value
end

return rules

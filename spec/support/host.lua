-- The host's modules for specs that run in plain LuaJIT: the pure ones are the real ones; config, http,
-- log, metrics, fiber, worker and rules stand in for those that need a running host. A spec sets
-- what they answer.
require("hostmodules")

local host = { settings = {}, replies = {}, requests = {}, lines = {}, counters = {}, rules = {},
  failed = {} }

package.loaded["host.config"] = { get = function(name) return host.settings[name] end }
package.loaded["host.http"] = { request = function(request)
  host.requests[#host.requests + 1] = request
  local reply = host.replies[#host.requests] or host.replies.all
  if type(reply) == "table" then
    return reply
  end
  return nil, { code = "unreachable", message = "nobody is there" }
end }
package.loaded["host.log"] = setmetatable({}, { __index = function(_, level)
  return function(message, fields)
    host.lines[#host.lines + 1] = { level = level, message = message, fields = fields }
  end
end })
package.loaded["host.fiber"] = { sleep = function() end, all = function(list)
  local results = {}
  for i, fn in ipairs(list) do
    results[i] = fn()
  end
  return results
end, spawn = function(fn) fn() return true end, traceparent = function() end,
  set_traceparent = function() end }

package.loaded["host.metrics"] = {
  counter = function(name)
    return { add = function(_, count, ...)
      local key = table.concat({ name, ... }, " ")
      host.counters[key] = (host.counters[key] or 0) + count
    end }
  end,
  histogram = function(name)
    return { observe = function(_, _, ...)
      local key = table.concat({ name, ... }, " ")
      host.counters[key] = (host.counters[key] or 0) + 1
    end }
  end,
}

-- Rules without a VM of their own: their files run as they are, behind the same copies. `host.rules`
-- of a spec takes the place of one entry.
local list_mt = require("host.json").list_mt
_G.explain = function() end

local function copy_of(value)
  local kind = type(value)
  if kind ~= "table" then
    assert(kind ~= "function" and kind ~= "thread", "a rule takes and gives no " .. kind)
    return value
  end
  local mt = getmetatable(value)
  assert(mt == nil or mt == list_mt, "a rule takes and gives no table with a metatable")
  local copy = setmetatable({}, mt)
  for key, item in pairs(value) do
    copy[key] = copy_of(item)
  end
  return copy
end

local function count_of(...)
  return select("#", ...), { ... }
end

package.loaded["host.rules"] = { call = function(name, ...)
  local file, entry = name:match("^([%w_]+)%.([%w_]+)$")
  local count, arguments = count_of(...)
  for i = 1, count do
    arguments[i] = copy_of(arguments[i])
  end
  local rule = host.rules[name] or require("rules." .. file)[entry]
  if not rule then
    return nil, { code = "missing", message = "there is no rule " .. name }
  end
  local ok, value = pcall(rule, unpack(arguments, 1, count))
  if not ok then
    return nil, type(value) == "table" and value or { code = "error", message = value }
  end
  return copy_of(value)
end, failed = function(name, code, message)
  host.failed[#host.failed + 1] = { rule = name, code = code, message = message }
  return message
end, revision = function() return "spec" end, has_shadow = function()
  return host.shadow ~= nil
end, shadow = function(name, ...)
  return host.shadow(name, ...)
end, read_file = function(name)
  local file = io.open("scripts/rules/" .. name)
  if not file then
    return nil
  end
  local content = file:read("*a")
  file:close()
  return content
end }

package.loaded["host.worker"] = { service = "spec", index = 0, count = 1, version = "spec",
  services = function() return host.services or {} end, draining = function() return false end,
  ending = function() return false end,
  list_files = function() return host.files or {} end }
package.loaded["host.revision"] = { status = function() return { previous = {} } end }

---The rules that a default answered for.
function host.defaults()
  local list = {}
  for name in pairs(host.counters) do
    list[#list + 1] = name:match("^rules_.*")
  end
  return list
end

return host

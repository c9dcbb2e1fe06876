-- The host's modules for specs that run in plain LuaJIT: the pure ones are the real ones; config, http,
-- log, metrics, fiber, timer, worker and db stand in for those that need a running host. A spec sets
-- what they answer.
require("hostmodules")

local host = { settings = {}, replies = {}, requests = {}, lines = {} }

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
end, spawn = function(fn) fn() return true end }

package.loaded["host.worker"] = { service = "spec", index = 0, count = 1, version = "spec",
  services = function() return {} end, draining = function() return false end,
  ending = function() return false end }
package.loaded["host.revision"] = { status = function() return { previous = {} } end }

return host

-- Whose request it is, by its bearer token; how many requests a user may send, and how many without
-- a good token an address may.
local config = require("host.config")
local jwt = require("lib.jwt")
local limit = require("lib.limit")
local log = require("host.log")
local metrics = require("host.metrics")
local problem = require("lib.problem")
local time = require("host.time")

local authentication = {}

-- Per worker; the numbers of two workers add up.
local FAILED_AUTH_PER_SECOND, FAILED_AUTH_BURST = 10, 200

---The function that names the user of a request, or says why there is none.
---@param name string  of the service
---@return fun(request: service.Request, now_ms: integer): string|nil, Problem|nil
function authentication.new(name)
  local failures = limit.new(FAILED_AUTH_PER_SECOND, FAILED_AUTH_BURST)
  local floods
  local failed = metrics.counter("http_authentication_failures_total",
    "Requests refused for their token.", {})
  return function(request, now_ms)
    local rate = tonumber(config.get("USER_RATE")) --[[@as number]]
    floods = floods or limit.new(rate, 2 * rate)
    local monotonic = time.monotonic_ms()
    local header = request.headers.authorization
    local token = header and header:match("^[Bb][Ee][Aa][Rr][Ee][Rr] +([^%s]+)$")
    local claims, detail
    if token then
      claims, detail = jwt.verify(token, now_ms)
    else
      detail = "A bearer token is needed"
    end
    if not claims then
      failed:add(1)
      local allowed, wait = failures:take(request.remote, monotonic)
      if not allowed then
        return nil, problem.too_many(wait)
      end
      log.debug("token refused", { service = name, detail = detail })
      return nil, problem.unauthorized(detail --[[@as string]])
    end
    local allowed, wait = floods:take(claims.sub, monotonic)
    if not allowed then
      return nil, problem.too_many(wait)
    end
    request.expires_ms = claims.exp * 1000
    return claims.sub
  end
end

return authentication

-- Candidate rules beside the live ones: after a live call is decided, the candidate is asked the
-- same, within its own budget and not more often than RULES_SHADOW_RATE allows, and what it would
-- have decided otherwise is counted. It changes nothing.
local compare = require("lib.compare")
local config = require("host.config")
local host_rules = require("host.rules")
local limit = require("lib.limit")
local log = require("host.log")
local metrics = require("host.metrics")
local time = require("host.time")

local rule_shadow = {}

local LOG_EVERY_MS = 60 * 1000

local calls = metrics.counter("rules_shadow_calls_total",
  "Calls that candidate rules were asked too.", { "rule" })
local differences = metrics.counter("rules_shadow_differences_total",
  "Calls that candidate rules would have decided otherwise.", { "rule" })
local allowance
local logged = {} -- rule -> {at_ms, since}

-- Only where they differ: what is there may be a user's words.
local function tell(name, place, err, now_ms)
  local last = logged[name]
  if last and now_ms - last.at_ms < LOG_EVERY_MS then
    last.since = last.since + 1
    return
  end
  log.warn("the candidate rules decide otherwise", { rule = name, path = place,
    reason = err and err.code, error = err and err.message, not_logged = last and last.since or 0 })
  logged[name] = { at_ms = now_ms, since = 0 }
end

---Asks the candidate, if there is one, what the live rules were asked.
---@param name string
---@param decided any  what was decided
---@param ... any      the arguments
function rule_shadow.compare(name, decided, ...)
  if not host_rules.has_shadow() then
    return
  end
  local rate = tonumber(config.get("RULES_SHADOW_RATE")) --[[@as number]]
  allowance = allowance or limit.new(rate, rate)
  local now_ms = time.monotonic_ms()
  if not allowance:take("", now_ms) then
    return
  end
  local value, err = host_rules.shadow(name, ...)
  err = value == nil and type(err) == "table" and err.code and err or nil
  calls:add(1, name)
  local place = err and "result" or compare.difference(decided, value, "result")
  if place then
    differences:add(1, name)
    tell(name, place, err, now_ms)
  end
end

return rule_shadow

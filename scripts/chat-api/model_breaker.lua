-- Keeps the chat from waiting for a model that does not answer: after failures in a row nobody asks
-- it for a while, then one turn tries. The workers of a process tell each other.
local live = require("chat-api.live")
local time = require("host.time")

local model_breaker = {}

local FAILURES = 3             -- in a row, until it rests
local REST_MS, MAX_REST_MS = 5000, 60000
local TRIAL_MS = 60000         -- a turn that tries and is never heard of again

local failures, rest_ms, closed_until, trial_since = 0, REST_MS, nil, nil

---Whether the model may be asked. Where it rested, the first one who asks tries, and the others
---wait for what comes of it; that one calls success or failure.
---@return boolean
function model_breaker.allows()
  if not closed_until then
    return true
  end
  local now_ms = time.monotonic_ms()
  if now_ms < closed_until or trial_since and now_ms - trial_since < TRIAL_MS then
    return false
  end
  trial_since = now_ms
  return true
end

local function reset()
  failures, rest_ms, closed_until, trial_since = 0, REST_MS, nil, nil
end

function model_breaker.success()
  if closed_until then
    live.tell("model", "well")
  end
  reset()
end

---@param least_ms number|nil  what the server asked for, or a fault that will not pass by itself
function model_breaker.failure(least_ms)
  failures = failures + 1
  if failures < FAILURES and not trial_since and not least_ms then
    return
  end
  local wait_ms = math.max(rest_ms, least_ms or 0)
  rest_ms, trial_since = math.min(2 * rest_ms, MAX_REST_MS), nil
  closed_until = time.monotonic_ms() + wait_ms
  live.tell("model", string.format("rests %.0f", closed_until))
end

---Begins to listen to the other workers; once per worker.
function model_breaker.start()
  live.on("model", function(text)
    if text == "well" then
      reset()
    elseif text then
      closed_until = math.max(closed_until or 0, tonumber(text:match("%d+")) or 0)
    end
  end)
end

return model_breaker

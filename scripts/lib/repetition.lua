-- Finds out when a text goes on and on with the same words, as a model does that is stuck. Pure.
local repetition = {}

local MAX_PERIOD = 300 -- bytes of what is said again and again
local TIMES = 4
local MIN_SPAN = 600   -- bytes: a list may well have the same few words in some lines
local PROBE = 12

---How much of the end of a text its last look needs.
repetition.TAIL = MAX_PERIOD * TIMES

---The length of what a text ends with at least four times, and over 600 bytes at least.
---@param text string
---@return integer|nil bytes  nil: it does not repeat itself
function repetition.period(text)
  local tail = text:sub(-repetition.TAIL):reverse()
  local probe = tail:sub(1, PROBE)
  local at = #tail >= MIN_SPAN and tail:find(probe, 2, true) or nil
  while at and at <= MAX_PERIOD + 1 do
    local period = at - 1
    local span = math.max(MIN_SPAN, TIMES * period)
    if span <= #tail and tail:sub(1, span - period) == tail:sub(1 + period, span) then
      return period
    end
    at = tail:find(probe, at + 1, true)
  end
  return nil
end

---How many bytes at the end of a text only say again what stands before them.
---@param text string
---@param period integer
---@return integer
function repetition.surplus(text, period)
  local at = #text
  while at > period and text:byte(at) == text:byte(at - period) do
    at = at - 1
  end
  return #text - at
end

return repetition

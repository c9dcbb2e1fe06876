-- Token buckets by key: how often one user or one address may do a thing. Per worker, in memory.
local limit = {}

---@class limit.Bucket
---@field take fun(self: limit.Bucket, key: string, now_ms: number): boolean, number

-- A bucket that has been full for this long says nothing any more and is forgotten.
local SWEEP_MS = 10000

---@param rate number   tokens per second
---@param burst number  tokens a key may save up
---@return limit.Bucket
function limit.new(rate, burst)
  local levels, seen = {}, {}
  local swept_ms = 0

  local function sweep(now_ms)
    swept_ms = now_ms
    local full_after_ms = burst / rate * 1000
    for key, at in pairs(seen) do
      if now_ms - at > full_after_ms then
        levels[key], seen[key] = nil, nil
      end
    end
  end

  local bucket = {}

  ---Takes one token.
  ---@param key string
  ---@param now_ms number  monotonic
  ---@return boolean allowed
  ---@return number seconds  until the next token, rounded up; 0 when allowed
  function bucket:take(key, now_ms)
    if now_ms - swept_ms > SWEEP_MS then
      sweep(now_ms)
    end
    local level = levels[key] or burst
    if seen[key] then
      level = math.min(burst, level + (now_ms - seen[key]) / 1000 * rate)
    end
    seen[key] = now_ms
    if level < 1 then
      levels[key] = level
      return false, math.ceil((1 - level) / rate)
    end
    levels[key] = level - 1
    return true, 0
  end

  ---Whether a token is there, without taking it.
  ---@param key string
  ---@param now_ms number
  ---@return boolean
  function bucket:has(key, now_ms)
    if not seen[key] then
      return true
    end
    return levels[key] + (now_ms - seen[key]) / 1000 * rate >= 1
  end

  return bucket
end

return limit

-- Partitions as Kafka's clients of Dapr compute them (FNV-1a). Order is kept per key here, which is
-- finer; the number only tells an app what a broker would have told it.
local bit = require("bit")

local partition = {}

---@param key string
---@param count integer
---@return integer
function partition.of(key, count)
  local hash = bit.tobit(0x811C9DC5)
  for i = 1, #key do
    hash = bit.bxor(hash, key:byte(i))
    -- times 16777619 = 2^24 + 403, modulo 2^32
    hash = bit.tobit(bit.lshift(hash, 24) + hash * 403)
  end
  local index = math.fmod(hash, count)
  return math.abs(index) --[[@as integer]]
end

return partition

-- Calls at given times, by a heap and one waiting fiber: no polling, and as exact as the clock.
local fiber = require("host.fiber")
local log = require("host.log")
local time = require("host.time")

local timers = {}

local LONGEST_MS = 60000

local function sift_up(heap, i)
  local item = heap[i]
  while i > 1 do
    local parent = math.floor(i / 2)
    if heap[parent].at <= item.at then
      break
    end
    heap[i] = heap[parent]
    i = parent
  end
  heap[i] = item
end

local function pop(heap)
  local first, last = heap[1], table.remove(heap)
  if #heap == 0 then
    return first
  end
  local i, count = 1, #heap
  while true do
    local child = 2 * i
    if child > count then
      break
    end
    if child < count and heap[child + 1].at < heap[child].at then
      child = child + 1
    end
    if heap[child].at >= last.at then
      break
    end
    heap[i] = heap[child]
    i = child
  end
  heap[i] = last
  return first
end

local heap = {}
local woken = fiber.event()

local function run()
  while true do
    local now = time.monotonic_ms()
    local first = heap[1]
    if not first then
      woken:wait(LONGEST_MS)
    elseif first.at > now then
      woken:wait(math.min(math.ceil(first.at - now), LONGEST_MS))
    else
      local ok, message = pcall(pop(heap).fn)
      if not ok then
        log.error("a timer failed", { error = tostring(message) })
      end
    end
  end
end

---Starts the fiber; once.
function timers.start()
  fiber.spawn(run)
end

---@param ms number  from now
---@param fn fun()   must not wait
function timers.after(ms, fn)
  local at = time.monotonic_ms() + math.max(ms, 0)
  heap[#heap + 1] = { at = at, fn = fn }
  sift_up(heap, #heap)
  if heap[1].at == at then
    woken:set()
  end
end

return timers

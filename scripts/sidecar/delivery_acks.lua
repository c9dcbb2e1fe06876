-- What was answered is deleted from the table, and what failed noted there, many at a time.
local delivery_intake = require("sidecar.delivery_intake")
local delivery_lanes = require("sidecar.delivery_lanes")
local failpoint = require("lib.failpoint")
local fiber = require("host.fiber")
local log = require("host.log")
local store = require("sidecar.delivery_store")
local time = require("host.time")
local worker = require("host.worker")

local delivery_acks = {}

local FLUSH_MS = 5            -- acks gather this long before they are deleted together
local FLUSH_ROWS, SAVE_ROWS = 2000, 64 -- 64: the statements of one db.batch
local DATABASE_RETRY_MS = 200

local acked, failed = {}, {}
local flushed = fiber.event()

local function take_batch(list, most)
  local batch = {}
  for i = math.max(1, #list - most + 1), #list do
    batch[#batch + 1] = list[i]
  end
  for i = #list, #list - #batch + 1, -1 do
    list[i] = nil
  end
  return batch
end

local function put_back(list, batch)
  for _, item in ipairs(batch) do
    list[#list + 1] = item
  end
end

local function flush_failed()
  local batch = take_batch(failed, SAVE_ROWS)
  if #batch > 0 and not store.save_attempts(batch) then
    put_back(failed, batch)
    return false
  end
  return true
end

local function flush_acked()
  local batch = take_batch(acked, FLUSH_ROWS)
  if #batch == 0 then
    return true
  end
  failpoint.hit("before_ack_delete")
  local ids_of = {}
  for _, item in ipairs(batch) do
    local ids = ids_of[item.group.name] or {}
    ids_of[item.group.name] = ids
    ids[#ids + 1] = string.format("%d", item.id)
  end
  if not store.delete(ids_of) then
    put_back(acked, batch)
    return false
  end
  local touched = {}
  for _, item in ipairs(batch) do
    delivery_lanes.let_go(item.group, item.id)
    touched[item.group] = true
  end
  for group in pairs(touched) do
    delivery_intake.read_more(group)
  end
  return true
end

local function flush_forever()
  while true do
    if #acked == 0 and #failed == 0 then
      flushed:wait(60000)
      fiber.sleep(FLUSH_MS)
    end
    local ok, good = pcall(function()
      return flush_acked() and flush_failed()
    end)
    if not ok then
      log.error("deliveries cannot be deleted", { error = tostring(good) })
    end
    if not ok or not good then
      fiber.sleep(DATABASE_RETRY_MS)
    end
  end
end

-- What was answered is deleted before the process ends, so that it does not come again.
local function flush_all()
  while #acked > 0 or #failed > 0 do
    if not (flush_acked() and flush_failed()) then
      return
    end
  end
end

---The app is done with a message.
function delivery_acks.done(group, message)
  acked[#acked + 1] = { group = group, id = message.id }
  flushed:set()
end

---A message waits for another attempt; how often it failed survives a restart.
---@param delay integer  milliseconds
function delivery_acks.failed(group, message, delay)
  message.retry_ms = time.now_ms() + delay
  failed[#failed + 1] = { group = group, id = message.id, attempts = message.attempts,
    retry_ms = message.retry_ms }
  flushed:set()
end

function delivery_acks.start()
  fiber.spawn(flush_forever)
  worker.at_end(flush_all)
end

return delivery_acks

-- How stored messages come into memory: from who has just published them, or from the table.
--
-- The table is the truth: a row that exists is pending. What is in memory is a part of it, `held`
-- by id. A group (or a lane that is very long) that holds not all of its rows is `behind`; it then
-- takes messages from the table alone, oldest first, until a read finds none. There is no cursor:
-- rows may be committed in another order than that of their ids.
local delivery_groups = require("sidecar.delivery_groups")
local delivery_lanes = require("sidecar.delivery_lanes")
local fiber = require("host.fiber")
local log = require("host.log")
local store = require("sidecar.delivery_store")
local timers = require("sidecar.timers")

local delivery_intake = {}

local READ_ROWS, LANE_READ = 1000, 400
local FULL_MS = 50            -- how long a key waits for room in memory
local DATABASE_RETRY_MS = 200

local on_ready = function(_) end

---@param fn fun(group: any)  called when a group may have something to deliver
function delivery_intake.on_ready(fn)
  on_ready = fn
end

local function from_row(row)
  return { id = row.id, pubsub = row.pubsub, topic = row.topic, key = row.key, value = row.value,
    encoding = row.encoding, headers = row.headers, expires = row.expires_ms,
    published = row.published_ms, attempts = row.attempts, retry_ms = row.retry_ms }
end

local function held_ids(group)
  local ids = {}
  for id in pairs(group.held) do
    ids[#ids + 1] = string.format("%d", id)
  end
  return ids
end

local function lanes_behind(group)
  local names = {}
  for name, lane in pairs(group.lanes) do
    if lane.behind then
      names[#names + 1] = name
    end
  end
  return names
end

-- Reads once for a group, or for one lane of it. source: the one of them that is behind.
local function read_once(group, source)
  source.missed = false
  local lane = source ~= group and source.name or nil
  local rows = store.read(group.name, held_ids(group), lane and LANE_READ or READ_ROWS,
    not lane and lanes_behind(group) or nil, lane)
  if not rows then
    fiber.sleep(DATABASE_RETRY_MS)
    return
  end
  if #rows == 0 and not source.missed then
    source.behind = false
  end
  if lane and source.behind then
    source.behind = false -- so that hold takes them; it sets it again when the lane is full
    for _, row in ipairs(rows) do
      if not delivery_lanes.hold(group, from_row(row)) or source.behind then
        break
      end
    end
    source.behind = true
    return
  end
  for _, row in ipairs(rows) do
    if not delivery_lanes.hold(group, from_row(row)) then
      break
    end
  end
end

local function read_while_low(group)
  while group.behind and delivery_lanes.is_low(group) and delivery_groups.is_open(group) do
    read_once(group, group)
    on_ready(group)
  end
end

---Reads more of a group, if it has more and there is room; does not wait.
function delivery_intake.read_more(group)
  if group.reading or not group.behind or not delivery_lanes.is_low(group)
    or not delivery_groups.is_open(group) then
    return
  end
  group.reading = true
  local started = fiber.spawn(function()
    local ok, message = pcall(read_while_low, group)
    group.reading = false
    if not ok then
      log.error("messages cannot be read", { app = group.app.id, error = tostring(message) })
    end
  end)
  group.reading = started and group.reading
end

---The same for a lane that is behind.
function delivery_intake.read_lane(group, lane)
  if lane.reading or not lane.behind or not delivery_lanes.is_short(lane) then
    return
  end
  lane.reading = true
  local started = fiber.spawn(function()
    while lane.behind and delivery_lanes.is_short(lane) and delivery_groups.is_open(group) do
      if not delivery_lanes.is_full(group) then
        read_once(group, lane)
        on_ready(group)
      else
        fiber.sleep(FULL_MS)
      end
    end
    lane.reading = false
    if lane.first > lane.last and not lane.behind and not lane.busy then
      group.lanes[lane.name] = nil
    end
  end)
  lane.reading = started and lane.reading
end

---Goes on after a time in which the app was away.
function delivery_intake.resume(group)
  delivery_intake.read_more(group)
  for _, lane in pairs(group.lanes) do
    if lane.behind then
      delivery_intake.read_lane(group, lane)
    end
  end
  on_ready(group)
end

---Messages that have been stored for a group, which owns them from now on.
---@param name string
---@param messages table[]
function delivery_intake.offer(name, messages)
  local group = delivery_groups.all[name]
  if group.behind then
    group.missed = true
    delivery_intake.read_more(group)
    return
  end
  for i = 1, #messages do
    local message = messages[i]
    local lane = group.lanes[delivery_lanes.name_of(message)]
    if group.behind then
      group.missed = true
    elseif lane and lane.behind then
      lane.missed = true
    elseif not delivery_lanes.hold(group, message) then
      group.behind, group.missed = true, true
    end
  end
  on_ready(group)
end

---Something may have been stored for these groups, nobody knows: the table is looked at.
---@param names string[]
function delivery_intake.look(names)
  timers.after(1000, function()
    for _, name in ipairs(names) do
      local group = delivery_groups.all[name]
      group.behind, group.missed = true, true
      delivery_intake.read_more(group)
    end
  end)
end

return delivery_intake

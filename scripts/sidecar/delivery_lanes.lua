-- What is in memory of a group: lanes, one per key. Within a lane one message is under way at a
-- time, in their order; lanes run side by side. A message without a key has a lane of its own.
local delivery_lanes = {}

local MAX_HELD, LOW_HELD = 2000, 500
local MAX_BYTES = 8 * 1024 * 1024
local LANE_MAX, LANE_LOW = 500, 100

---The lane has something to deliver.
function delivery_lanes.push_ready(group, lane)
  group.ready_last = group.ready_last + 1
  group.ready[group.ready_last] = lane
end

---The lane that has waited longest; nil: none has something to deliver.
---@return any
function delivery_lanes.pop_ready(group)
  if group.ready_first > group.ready_last then
    return nil
  end
  local lane = group.ready[group.ready_first]
  group.ready[group.ready_first] = nil
  group.ready_first = group.ready_first + 1
  return lane
end

---How many lanes have something to deliver.
---@return integer
function delivery_lanes.waiting(group)
  return group.ready_last - group.ready_first + 1
end

---@return string
function delivery_lanes.name_of(message)
  return message.key or string.format("\0%d", message.id) -- ".." would round it
end

---@return boolean
function delivery_lanes.is_full(group)
  return group.held_count >= MAX_HELD or group.held_bytes >= MAX_BYTES
end

local function length(lane)
  return lane.last - lane.first + 1
end

---A message comes into memory, behind those of its lane. False: there is no room.
---@return boolean
function delivery_lanes.hold(group, message)
  if group.held[message.id] then
    return true
  end
  if delivery_lanes.is_full(group) then
    return false
  end
  local name = delivery_lanes.name_of(message)
  local lane = group.lanes[name]
  if not lane then
    lane = { name = name, first = 1, last = 0, behind = false, missed = false }
    group.lanes[name] = lane
  elseif length(lane) >= LANE_MAX then
    lane.behind = true -- the rest of it stays in the table for now
    return true
  end
  group.held[message.id] = #message.value
  group.held_count = group.held_count + 1
  group.held_bytes = group.held_bytes + #message.value
  lane.last = lane.last + 1
  lane[lane.last] = message
  if lane.first == lane.last and not lane.busy then
    lane.busy = true
    delivery_lanes.push_ready(group, lane)
  end
  return true
end

---Forgets a message that is deleted or moved.
function delivery_lanes.let_go(group, id)
  local bytes = group.held[id]
  if bytes then
    group.held[id] = nil
    group.held_count = group.held_count - 1
    group.held_bytes = group.held_bytes - bytes
  end
end

---Little enough is held that more should be read.
---@return boolean
function delivery_lanes.is_low(group)
  return group.held_count < LOW_HELD and group.held_bytes < MAX_BYTES / 2
end

---The same of a lane that is behind.
---@return boolean
function delivery_lanes.is_short(lane)
  return length(lane) <= LANE_LOW
end

return delivery_lanes

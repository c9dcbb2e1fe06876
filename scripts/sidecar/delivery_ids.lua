-- The ids of messages, in the order of publishing, and from which of them on a group is read.
--
-- Rows that were delivered stay in table and index while anybody holds an old snapshot, and a read
-- from the beginning would pass all of them. The sidecar is the only writer and knows which ids
-- are being stored; below these and below its lowest row a group has nothing. Should a row have
-- been missed all the same, a read from the beginning finds it, which comes every WHOLE_MS.
local time = require("host.time")
local timers = require("sidecar.timers")

local delivery_ids = {}

local WHOLE_MS = 10000
local DOUBT_MS = 10000 -- longer than a transaction may last whose answer was lost

---@type number
local next_id = 1
local storing = {} ---@type table<number, true>  the first ids of what is on its way to the table

---@param first number  above all ids in use
function delivery_ids.begin(first)
  next_id, storing = first, {}
end

---@param n integer  how many
---@return number    the first of them; `stored` must be called with it
function delivery_ids.reserve(n)
  local first = next_id
  next_id = next_id + n
  storing[first] = true
  return first
end

---What was reserved is in the table, or never will be.
---@param first number
---@param unknown boolean|nil  nobody can tell yet
function delivery_ids.stored(first, unknown)
  if not unknown then
    storing[first] = nil
    return
  end
  timers.after(DOUBT_MS, function()
    storing[first] = nil
  end)
end

---Where the next read of a group begins; and the lowest id that may be stored meanwhile, for
---`note`.
---@param group table
---@return number first
---@return number settled
function delivery_ids.first_of(group)
  local now, settled = time.monotonic_ms(), next_id
  if not group.whole_ms or now - group.whole_ms >= WHOLE_MS then
    group.whole_ms, group.first = now, 0
  end
  for first in pairs(storing) do
    settled = math.min(settled, first)
  end
  return group.first, settled
end

---What a read of a group has found that left out no key.
---@param group table
---@param first number         as first_of said: settled
---@param rows {id: number}[]  the oldest of those that are not held
function delivery_ids.note(group, first, rows)
  for id in pairs(group.held) do
    first = math.min(first, id)
  end
  for _, row in ipairs(rows) do
    first = math.min(first, row.id)
  end
  group.first = first
end

return delivery_ids

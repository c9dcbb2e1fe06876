-- Brings stored messages to the apps. A group is an app (for broadcasts a replica) and one topic:
-- a topic whose handler fails holds up no other. A group has lanes, one per key: within a lane one
-- message is under way at a time, in their order; lanes run side by side. A message without a key
-- has a lane of its own. A subscription that takes many messages in a call gets the first ones of
-- several lanes, whatever is ready: nothing waits for more to come.
--
-- The table is the truth: a row that exists is pending. What is in memory is a part of it, `held`
-- by id. A group (or a lane that is very long) that holds not all of its rows is `behind`; it then
-- takes messages from the table alone, oldest first, until a read finds none. There is no cursor:
-- rows may be committed in another order than that of their ids.
local apps = require("sidecar.apps")
local attempt = require("sidecar.attempt")
local components = require("sidecar.components")
local failpoint = require("lib.failpoint")
local fiber = require("host.fiber")
local log = require("host.log")
local metrics = require("host.metrics")
local record = require("sidecar.record")
local store = require("sidecar.delivery_store")
local subscriptions = require("sidecar.subscriptions")
local time = require("host.time")
local timers = require("sidecar.timers")
local worker = require("host.worker")

local delivery = {}

local IN_FLIGHT = 32          -- calls of one group at a time
local MAX_HELD, LOW_HELD = 2000, 500
local MAX_BYTES = 8 * 1024 * 1024
local READ_ROWS = 1000
local LANE_MAX, LANE_LOW, LANE_READ = 500, 100, 400
local FULL_MS = 50            -- how long a key waits for room in memory
local FLUSH_MS = 5            -- acks gather this long before they are deleted together
local FLUSH_ROWS, SAVE_ROWS = 2000, 64 -- 64: the statements of one db.batch
local DATABASE_RETRY_MS = 200
local COUNT_MS = 5000
local COUNT_SHARE = 50        -- counting takes a fiftieth of the time at most
local EXPIRE_MS = 60000

-- While whole batches are published somebody has fallen behind: deliveries stand back, they are
-- stored.
local BURST, CROWD_MS = 50, 50
local IN_FLIGHT_CROWDED = 4
-- Calls with many messages: few, so that what comes meanwhile gathers.
local BULK_IN_FLIGHT, BULK_IN_FLIGHT_CROWDED = 2, 1
local BULK_BYTES = 1024 * 1024 -- of one call, or a single larger message

local groups = {}
---@type number
local crowded_until = 0
local acked, failed = {}, {}
local flushed = fiber.event()
---@type number
local next_id
---@type {deliveries: host.metrics.Counter, dead: host.metrics.Counter, pending: host.metrics.Gauge,
---held: host.metrics.Gauge}
local count

local function make_metrics()
  return {
    deliveries = metrics.counter("sidecar_deliveries_total", "Answers of apps to messages.",
      { "app", "topic", "outcome" }),
    pending = metrics.gauge("sidecar_pending", "Messages not delivered yet.", { "app", "topic" }),
    held = metrics.gauge("sidecar_held", "Messages in memory.", { "app", "topic" }),
    dead = metrics.counter("sidecar_dead_letters_total", "Messages moved to a dead-letter topic.",
      { "topic" }),
  }
end

-- Queues of lanes that have something to deliver.
local function push_ready(group, lane)
  group.ready_last = group.ready_last + 1
  group.ready[group.ready_last] = lane
end

local function pop_ready(group)
  if group.ready_first > group.ready_last then
    return nil
  end
  local lane = group.ready[group.ready_first]
  group.ready[group.ready_first] = nil
  group.ready_first = group.ready_first + 1
  return lane
end

local function lane_name(message)
  return message.key or string.format("\0%d", message.id) -- ".." would round it
end

-- The group of an app and a topic, and where it is a broadcast of a replica.
local function group_of(app, replica, pubsub, topic)
  local owner = replica and app.id .. "@" .. replica.port or app.id
  local key = subscriptions.key(pubsub, topic)
  local name = owner .. " " .. key
  local group = groups[name]
  if not group then
    group = { name = name, owner = owner, app = app, replica = replica, key = key, topic = topic,
      lanes = {}, ready = {}, ready_first = 1, ready_last = 0, running = 0, held = {},
      held_count = 0, held_bytes = 0, behind = true, missed = false, reading = false }
    groups[name] = group
  end
  return group
end

-- The group of that name, made if need be; nil when its app is not one of this machine.
local function group_named(name)
  local id, port, pubsub, topic = name:match("^([^@ ]+)@?(%d*) ([^ ]+) (.+)$")
  local app = id and apps.find(id)
  if not app or groups[name] then
    return groups[name]
  end
  if port == "" then
    return group_of(app, nil, pubsub, topic)
  end
  for _, replica in ipairs(app.replicas) do
    if replica.port == tonumber(port) then
      return group_of(app, replica, pubsub, topic)
    end
  end
end

local function is_open(group)
  if worker.draining() or not group.app.subscriptions then
    return false
  end
  if group.replica then
    return group.replica.up
  end
  for _, replica in ipairs(group.app.replicas) do
    if replica.up and replica.port then
      return true
    end
  end
  return false
end

-- A message comes into memory, behind those of its lane. False: there is no room.
local function hold(group, message)
  if group.held[message.id] then
    return true
  end
  if group.held_count >= MAX_HELD or group.held_bytes >= MAX_BYTES then
    return false
  end
  local name = lane_name(message)
  local lane = group.lanes[name]
  if not lane then
    lane = { name = name, first = 1, last = 0, behind = false, missed = false }
    group.lanes[name] = lane
  elseif lane.last - lane.first + 1 >= LANE_MAX then
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
    push_ready(group, lane)
  end
  return true
end

local function let_go(group, id)
  local bytes = group.held[id]
  if bytes then
    group.held[id] = nil
    group.held_count = group.held_count - 1
    group.held_bytes = group.held_bytes - bytes
  end
end

local pump, read_more

-- Deletes.

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
    let_go(item.group, item.id)
    touched[item.group] = true
  end
  for group in pairs(touched) do
    read_more(group)
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

local function ack(group, message)
  acked[#acked + 1] = { group = group, id = message.id }
  flushed:set()
end

-- Reads.

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
      if not hold(group, from_row(row)) or source.behind then
        break
      end
    end
    source.behind = true
    return
  end
  for _, row in ipairs(rows) do
    if not hold(group, from_row(row)) then
      break
    end
  end
end

local function is_low(group)
  return group.held_count < LOW_HELD and group.held_bytes < MAX_BYTES / 2
end

local function read_while_low(group)
  while group.behind and is_low(group) and is_open(group) do
    read_once(group, group)
    pump(group)
  end
end

function read_more(group)
  if group.reading or not group.behind or not is_low(group) or not is_open(group) then
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

local function read_lane(group, lane)
  if lane.reading or not lane.behind or lane.last - lane.first + 1 > LANE_LOW then
    return
  end
  lane.reading = true
  local started = fiber.spawn(function()
    while lane.behind and lane.last - lane.first + 1 <= LANE_LOW and is_open(group) do
      if group.held_count < MAX_HELD and group.held_bytes < MAX_BYTES then
        read_once(group, lane)
        pump(group)
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

-- Deliveries.

-- Moves a message to the dead-letter topic of its subscription. False: not now.
local function dead_letter(group, message, subscription, why)
  local component = components.named(message.pubsub)
  local topic = subscription.dead_letter
  local names = delivery.groups_for(message.pubsub, topic)
  local now = time.now_ms()
  local headers = record.dead_letter_headers(message, component)
  local id = delivery.reserve(1)
  if not store.move(message, group.name, { app = group.app.id, topic = topic, id = id,
    headers = headers, groups = names, reason = tostring(why), now = now }) then
    delivery.look(names) -- it may have been moved, the answer was lost
    return false
  end
  count.dead:add(1, topic)
  log.warn("a message became a dead letter", { app = group.app.id, topic = message.topic,
    dead_letter_topic = topic, error = tostring(why) })
  let_go(group, message.id)
  for _, name in ipairs(names) do
    delivery.offer(name, { { id = id, pubsub = message.pubsub, topic = topic, key = message.key,
      value = message.value, encoding = message.encoding, headers = headers, published = now,
      attempts = 0 } })
  end
  return true
end

-- How long a failed message waits; nil: it goes to the dead letters.
local function wait_of(message, subscription)
  local component = components.named(message.pubsub)
  local delay = component and component.retry
    and components.delay(component.retry, message.attempts)
  if delay or subscription.dead_letter then
    return delay
  end
  message.attempts = 0 -- the component itself begins anew
  return component and component.back_off_ms or 5000
end

local function note_failure(group, message, delay)
  message.retry_ms = time.now_ms() + delay
  failed[#failed + 1] = { group = group, id = message.id, attempts = message.attempts,
    retry_ms = message.retry_ms }
  flushed:set()
end

-- What to do after an attempt: true when the message is done, or the milliseconds to wait.
local function conclude(group, message, result)
  local verdict, why, subscription = result.verdict, result.why, result.subscription
  if verdict ~= "down" then
    count.deliveries:add(1, group.app.id, message.topic, verdict)
  end
  if verdict == "ack" or verdict == "gone"
    or verdict == "drop" and not subscription.dead_letter then
    if why then
      log.warn("a message is done with", { app = group.app.id, topic = message.topic,
        error = why })
    end
    ack(group, message)
    return true
  end
  if verdict == "fail" and not (result.never and subscription.dead_letter) then
    message.attempts = message.attempts + 1
    local delay = wait_of(message, subscription)
    if delay then
      note_failure(group, message, delay)
      log.debug("a delivery failed", { app = group.app.id, topic = message.topic, error = why,
        attempts = message.attempts })
      return delay
    end
    message.attempts = message.attempts - 1 -- until it is moved
  end
  return dead_letter(group, message, subscription, why) or DATABASE_RETRY_MS
end

local function ready_later(group, lane, delay)
  timers.after(delay, function()
    push_ready(group, lane)
    pump(group)
  end)
end

-- The first message of a lane; nil when its time has not come.
local function first_due(group, lane)
  local message = lane[lane.first]
  local left = message.retry_ms and message.retry_ms - time.now_ms() or 0
  if left > 0 and left < 3600000 then
    ready_later(group, lane, left)
    return nil
  end
  return message
end

-- What an attempt makes of the first message of a lane, and of the lane.
local function settle(group, lane, message, result)
  if result.verdict == "down" then
    push_ready(group, lane)
    return
  end
  local done = conclude(group, message, result)
  if done ~= true then
    message.retry_ms = nil -- the timer knows
    ready_later(group, lane, done)
    return
  end
  lane[lane.first] = nil
  lane.first = lane.first + 1
  if lane.first <= lane.last then
    push_ready(group, lane)
  else
    lane.busy = false
    if not lane.behind and not lane.reading then
      group.lanes[lane.name] = nil
    end
  end
  if lane.behind then
    read_lane(group, lane)
  end
end

local function run_lane(group, lane)
  local message = first_due(group, lane)
  if message then
    settle(group, lane, message, attempt.one(group, message))
  end
end

-- Delivers the first messages of that many lanes in one call; lanes: those it has taken.
local function run_lanes(group, most, lanes)
  local messages, bytes, over = {}, 0, nil
  while #messages < most do
    local lane = pop_ready(group)
    if not lane then
      break
    end
    local message = first_due(group, lane)
    if message and bytes > 0 and bytes + #message.value > BULK_BYTES then
      over = lane
      break
    elseif message then
      bytes = bytes + #message.value
      lanes[#lanes + 1], messages[#messages + 1] = lane, message
    end
  end
  if over then
    push_ready(group, over)
  end
  local results = attempt.all(group, messages)
  for i, message in ipairs(messages) do
    local lane = lanes[i]
    lanes[i] = false
    settle(group, lane, message, results[i])
  end
end

-- How many messages the app takes in one call; nil: they come one by one.
local function bulk_of(group)
  local app = group.app --[[@as apps.App]]
  local known = app.subscriptions
  local subscription = known and known[group.key --[[@as string]]]
  return subscription and subscription.bulk
end

local function may_fly(group)
  local bulk = bulk_of(group)
  if time.monotonic_ms() >= crowded_until then
    return bulk and BULK_IN_FLIGHT or IN_FLIGHT
  end
  if not group.standing_back then
    group.standing_back = true
    timers.after(CROWD_MS, function()
      group.standing_back = false
      pump(group)
    end)
  end
  return bulk and BULK_IN_FLIGHT_CROWDED or IN_FLIGHT_CROWDED
end

local function waiting_of(group)
  return group.ready_last - group.ready_first + 1
end

local function run(group)
  while is_open(group) and group.running <= may_fly(group) and waiting_of(group) > 0 do
    local bulk, lanes = bulk_of(group), {}
    local ok, message
    if bulk then
      ok, message = pcall(run_lanes, group, bulk, lanes)
    else
      lanes[1] = pop_ready(group)
      ok, message = pcall(run_lane, group, lanes[1])
    end
    if not ok then
      log.error("a delivery broke", { app = group.app.id, error = tostring(message) })
      for _, lane in ipairs(lanes) do
        if lane then
          ready_later(group, lane, 1000)
        end
      end
    end
  end
  group.running = group.running - 1
end

function pump(group)
  local waiting = waiting_of(group)
  local limit, bulk = may_fly(group), bulk_of(group) or 1
  while group.running < limit and waiting > 0 and is_open(group) do
    group.running = group.running + 1
    if not fiber.spawn(function() run(group) end) then
      group.running = group.running - 1
      timers.after(50, function() pump(group) end)
      return
    end
    waiting = waiting - bulk
  end
end

-- Goes on after a time in which the app was away.
local function resume(group)
  read_more(group)
  for _, lane in pairs(group.lanes) do
    if lane.behind then
      read_lane(group, lane)
    end
  end
  pump(group)
end

-- The engine, as others see it.

---@param n integer  how many ids
---@return number    the first of them
function delivery.reserve(n)
  if n >= BURST then
    crowded_until = time.monotonic_ms() + CROWD_MS
  end
  local first = next_id
  next_id = next_id + n
  return first
end

local function hears(app, component, topic)
  if app.subscriptions then
    return app.subscriptions[subscriptions.key(component.name, topic)] ~= nil
  end
  return apps.has_port(app) and components.is_for(app.id, component)
    and components.may_subscribe(component, app.id, topic)
end

---The groups that a topic's messages go to: of apps that subscribe, and of those not known yet.
---@param pubsub string
---@param topic string
---@return string[]
function delivery.groups_for(pubsub, topic)
  local component, names = components.named(pubsub), {}
  for _, app in ipairs(apps.list) do
    if hears(app, component, topic) then
      for _, replica in ipairs(component.broadcast and app.replicas or { false }) do
        if not replica or replica.port then
          names[#names + 1] = group_of(app, replica or nil, pubsub, topic).name
        end
      end
    end
  end
  return names
end

---@param name string    of a group
---@param message table   with its type; none: it is no CloudEvent
---@return boolean        the app wants messages of this type
function delivery.wants(name, message)
  local group = groups[name]
  local app = group.app --[[@as apps.App]]
  local known = app.subscriptions
  local subscription = known and known[group.key --[[@as string]]]
  local types = subscription and subscription.types
  return not types or not message.type or types[message.type] == true
end

---Messages that have been stored for a group, which owns them from now on.
---@param name string
---@param messages table[]
function delivery.offer(name, messages)
  local group = groups[name]
  if group.behind then
    group.missed = true
    read_more(group)
    return
  end
  for i = 1, #messages do
    local message = messages[i]
    local lane = group.lanes[lane_name(message)]
    if group.behind then
      group.missed = true
    elseif lane and lane.behind then
      lane.missed = true
    elseif not hold(group, message) then
      group.behind, group.missed = true, true
    end
  end
  pump(group)
end

---@param message table
---@return table
function delivery.copy(message)
  local copy = {}
  for name, value in pairs(message) do
    copy[name] = value
  end
  return copy
end

---Something may have been stored for these groups, nobody knows: the table is looked at.
---@param names string[]
function delivery.look(names)
  timers.after(1000, function()
    for _, name in ipairs(names) do
      local group = groups[name]
      group.behind, group.missed = true, true
      read_more(group)
    end
  end)
end

---An app has come up, or its subscriptions have changed.
---@param app apps.App
---@param changed boolean
function delivery.wake(app, changed)
  local own, unwanted = {}, {}
  for name, group in pairs(groups) do
    if group.app == app then
      own[#own + 1] = group
      if app.subscriptions and not app.subscriptions[group.key] then
        unwanted[#unwanted + 1] = name
      end
    end
  end
  if changed and #unwanted > 0 and not store.forget(unwanted) then
    log.warn("messages that nobody wants are dropped when their turn comes", { app = app.id })
  end
  for _, group in ipairs(own) do
    resume(group)
  end
end

local function expire()
  local now = time.now_ms()
  for _, component in ipairs(components.of_kind("pubsub")) do
    local rows
    repeat
      rows = store.expire(component.name, now - component.retention_ms)
    until not rows or rows.affected == 0
  end
  store.expire_dead_letters()
end

-- Counts what waits; and looks where the table has more than memory knows of.
local function count_rows()
  local counts = store.count()
  if not counts then
    return
  end
  for name in pairs(counts) do
    group_named(name)
  end
  for _, group in pairs(groups) do
    local pending = counts[group.name] or 0
    count.pending:set(pending, group.owner, group.topic)
    count.held:set(group.held_count, group.owner, group.topic)
    if pending > 0 and group.held_count == 0 then
      group.behind = true
    end
  end
  for name in pairs(counts) do
    if groups[name] then
      resume(groups[name])
    end
  end
end

---Makes the groups and starts (waits until the database is there).
function delivery.start()
  count = make_metrics()
  local last = store.last_id()
  while not last do
    fiber.sleep(DATABASE_RETRY_MS)
    last = store.last_id()
  end
  -- Ids grow over restarts too, also when the table is empty.
  next_id = math.max(last + 1, time.now_ms() * 1000)
  ---@type any
  local counts = store.count()
  while not counts do
    fiber.sleep(DATABASE_RETRY_MS)
    counts = store.count()
  end
  for name, pending in pairs(counts) do
    if not group_named(name) then
      log.warn("messages of an app that is not here any more", { group = name, count = pending })
    end
  end
  fiber.spawn(flush_forever)
  worker.at_end(flush_all)
  fiber.spawn(function()
    ---@type number
    local took = 0
    while true do
      fiber.sleep(math.max(COUNT_MS, math.min(COUNT_SHARE * took, EXPIRE_MS)))
      local began = time.monotonic_ms()
      pcall(count_rows)
      took = time.monotonic_ms() - began
    end
  end)
  fiber.spawn(function()
    while true do
      pcall(expire)
      fiber.sleep(EXPIRE_MS)
    end
  end)
end

return delivery

-- Brings stored messages to the apps. A group (delivery_groups) has lanes (delivery_lanes), which
-- run side by side; delivery_intake fills them, delivery_acks deletes what was answered.
-- A subscription that takes many messages in a call gets the first ones of several lanes, whatever
-- is ready: nothing waits for more to come.
local attempt = require("sidecar.attempt")
local components = require("sidecar.components")
local delivery_acks = require("sidecar.delivery_acks")
local delivery_groups = require("sidecar.delivery_groups")
local delivery_intake = require("sidecar.delivery_intake")
local delivery_lanes = require("sidecar.delivery_lanes")
local fiber = require("host.fiber")
local log = require("host.log")
local metrics = require("host.metrics")
local record = require("sidecar.record")
local store = require("sidecar.delivery_store")
local time = require("host.time")
local timers = require("sidecar.timers")

local delivery = {}

local IN_FLIGHT = 32          -- calls of one group at a time
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

---@type number
local crowded_until = 0
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

local pump

-- Moves a message to the dead-letter topic of its subscription. False: not now.
local function dead_letter(group, message, subscription, why)
  local component = components.named(message.pubsub)
  local topic = subscription.dead_letter
  local names = delivery_groups.for_topic(message.pubsub, topic)
  local now = time.now_ms()
  local headers = record.dead_letter_headers(message, component)
  local id = delivery.reserve(1)
  if not store.move(message, group.name, { app = group.app.id, topic = topic, id = id,
    headers = headers, groups = names, reason = tostring(why), now = now }) then
    delivery_intake.look(names) -- it may have been moved, the answer was lost
    return false
  end
  count.dead:add(1, topic)
  log.warn("a message became a dead letter", { app = group.app.id, topic = message.topic,
    dead_letter_topic = topic, error = tostring(why) })
  delivery_lanes.let_go(group, message.id)
  for _, name in ipairs(names) do
    delivery_intake.offer(name, { { id = id, pubsub = message.pubsub, topic = topic,
      key = message.key, value = message.value, encoding = message.encoding, headers = headers,
      published = now, attempts = 0 } })
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
    delivery_acks.done(group, message)
    return true
  end
  if verdict == "fail" and not (result.never and subscription.dead_letter) then
    message.attempts = message.attempts + 1
    local delay = wait_of(message, subscription)
    if delay then
      delivery_acks.failed(group, message, delay)
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
    delivery_lanes.push_ready(group, lane)
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
    delivery_lanes.push_ready(group, lane)
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
    delivery_lanes.push_ready(group, lane)
  else
    lane.busy = false
    if not lane.behind and not lane.reading then
      group.lanes[lane.name] = nil
    end
  end
  if lane.behind then
    delivery_intake.read_lane(group, lane)
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
    local lane = delivery_lanes.pop_ready(group)
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
    delivery_lanes.push_ready(group, over)
  end
  local results = attempt.all(group, messages)
  for i, message in ipairs(messages) do
    local lane = lanes[i]
    lanes[i] = false
    settle(group, lane, message, results[i])
  end
end

local function may_fly(group)
  local bulk = delivery_groups.bulk_of(group)
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

local function run(group)
  while delivery_groups.is_open(group) and group.running <= may_fly(group)
    and delivery_lanes.waiting(group) > 0 do
    local bulk, lanes = delivery_groups.bulk_of(group), {}
    local ok, message
    if bulk then
      ok, message = pcall(run_lanes, group, bulk, lanes)
    else
      lanes[1] = delivery_lanes.pop_ready(group)
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
  local waiting = delivery_lanes.waiting(group)
  local limit, bulk = may_fly(group), delivery_groups.bulk_of(group) or 1
  while group.running < limit and waiting > 0 and delivery_groups.is_open(group) do
    group.running = group.running + 1
    if not fiber.spawn(function() run(group) end) then
      group.running = group.running - 1
      timers.after(50, function() pump(group) end)
      return
    end
    waiting = waiting - bulk
  end
end

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

---An app has come up, or its subscriptions have changed.
---@param app apps.App
---@param changed boolean
function delivery.wake(app, changed)
  local own, unwanted = {}, {}
  for name, group in pairs(delivery_groups.all) do
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
    delivery_intake.resume(group)
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
    delivery_groups.named(name)
  end
  for _, group in pairs(delivery_groups.all) do
    local pending = counts[group.name] or 0
    count.pending:set(pending, group.owner, group.topic)
    count.held:set(group.held_count, group.owner, group.topic)
    if pending > 0 and group.held_count == 0 then
      group.behind = true
    end
  end
  for name in pairs(counts) do
    if delivery_groups.all[name] then
      delivery_intake.resume(delivery_groups.all[name])
    end
  end
end

---Makes the groups and starts (waits until the database is there).
function delivery.start()
  count = make_metrics()
  delivery_intake.on_ready(pump)
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
    if not delivery_groups.named(name) then
      log.warn("messages of an app that is not here any more", { group = name, count = pending })
    end
  end
  delivery_acks.start()
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

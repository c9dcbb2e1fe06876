-- Sends what is due, channel by channel. A worker claims rows before it sends them, so that no two
-- workers or pods send one at once; a claim that was never settled ends by itself, and another try
-- begins. So a crash between sending and settling means once more, never not at all.
local config = require("host.config")
local crypto = require("host.crypto")
local dapr = require("lib.dapr")
local deliveries = require("notification-service.deliveries")
local failpoint = require("lib.failpoint")
local fiber = require("host.fiber")
local log = require("host.log")
local mail = require("notification-service.mail")
local metrics = require("host.metrics")
local rules = require("lib.rules")
local time = require("host.time")
local timer = require("host.timer")
local worker = require("host.worker")

local deliverer = {}

-- batch: rows claimed, and sent side by side. One mail at a time: Dapr's smtp binding shares its
-- settings between requests and can swap their recipients. A claim is longer than a send may last,
-- with room for slow answers of the database.
local CHANNELS = {
  log = { batch = 100, timeout_ms = 0, lease_seconds = 5 },
  email = { batch = 1, timeout_ms = 30000, lease_seconds = 40 },
  webhook = { batch = 16, timeout_ms = 10000, lease_seconds = 16 },
}
local NAMES = { "log", "email", "webhook" }
local POLL_MIN_MS, POLL_MAX_MS = 500, 1500
local IDLE_MS = 60000
local COUNT_MS = 5000
local SETTLE_SECONDS = 60   -- how long it tries to say what became of a row
local JITTER = 0.2          -- of the wait before a next try

---@type string
local owner
local woken = {}
local relay_woken = function() end

local outcomes = metrics.counter("notify_deliveries_total", "What became of deliveries.",
  { "channel", "outcome" })
local lateness = metrics.histogram("notify_late_seconds",
  "From the time of a reminder until a first channel had delivered it.",
  { 1, 2, 5, 10, 30, 60, 300, 3600, 86400 })
local pending = metrics.gauge("notify_pending", "Deliveries that wait.", {})

---@param channel string
---@param outcome "sent"|"failed"|"dead"|"skipped"
function deliverer.count(channel, outcome)
  outcomes:add(1, channel, outcome)
end

---A reminder as the rules know it.
---@param event {task_id: string, user_id: string}
---@param reminder table
---@param now_ms integer
---@return notify.Reminder
function deliverer.for_rules(event, reminder, now_ms)
  local due_ms = time.parse(reminder.due_at) --[[@as integer]]
  local remind_ms = time.parse(reminder.remind_at) --[[@as integer]]
  return { task_id = event.task_id, user_id = event.user_id, task_title = reminder.task_title,
    due_ms = due_ms, remind_ms = remind_ms,
    late_seconds = math.max(0, (now_ms - remind_ms) / 1000),
    timezone = type(reminder.timezone) == "string" and reminder.timezone or nil,
    priority = type(reminder.priority) == "string" and reminder.priority or nil }
end

local senders = {}

function senders.log(row, facts)
  log.info("reminder", { user = row.user_id, task_id = row.task_id, title = facts.task_title,
    due_at = row.reminder.due_at, late_seconds = math.floor(facts.late_seconds) })
  return true
end

function senders.email(row, facts)
  local binding = config.get("NOTIFY_EMAIL")
  local recipient = mail.address_of(row.user_id)
  if not binding or not recipient then
    return nil, binding and "the user has no address" or "NOTIFY_EMAIL is not set any more"
  end
  local message = rules.call("notify.compose", facts)
  local reply, err = dapr.bind(binding, "create", mail.to_html(message.text),
    { emailTo = recipient, subject = message.subject }, CHANNELS.email.timeout_ms)
  return reply and true, err and err.message
end

-- Metadata that begin with a capital letter become headers.
function senders.webhook(row, facts)
  local binding = config.get("NOTIFY_WEBHOOK")
  if not binding then
    return nil, "NOTIFY_WEBHOOK is not set any more"
  end
  local reminder, message = row.reminder, rules.call("notify.compose", facts)
  local body = { event_id = row.event_id, user_id = row.user_id, task_id = row.task_id,
    task_title = reminder.task_title, due_at = reminder.due_at, remind_at = reminder.remind_at,
    late_seconds = math.floor(facts.late_seconds), text = message.text }
  local reply, err = dapr.bind(binding, "post", body,
    { ["Idempotency-Key"] = row.event_id, ["Content-Type"] = "application/json" },
    CHANNELS.webhook.timeout_ms)
  return reply and true, err and err.message
end

-- What happened to a row is said until the database has heard it: else it would be sent again.
local function settle(statement, ...)
  local began = time.monotonic_ms()
  repeat
    local value, err = statement(...)
    if not err then
      return value
    end
    fiber.sleep(math.random(100, 500))
  until time.monotonic_ms() - began > SETTLE_SECONDS * 1000
  log.error("what became of a delivery cannot be kept; it may be sent again",
    { id = select(1, ...).id })
end

local function fail(row, message)
  local wait_ms = rules.call("notify.retry", row.channel, row.attempts)
  -- With jitter, so that what failed together is not tried together for ever.
  wait_ms = wait_ms and wait_ms * (1 + JITTER * (2 * math.random() - 1)) or nil
  local outcome = wait_ms and "failed" or "dead"
  deliverer.count(row.channel, outcome)
  log.warn(wait_ms and "a reminder could not be delivered; it is tried again"
    or "a reminder could not be delivered and is given up", { channel = row.channel,
    event_id = row.event_id, attempts = row.attempts, error = message })
  settle(deliveries.failed, row, owner, message, wait_ms)
end

local function deliver(row)
  if row.attempts > 1 and not rules.call("notify.retry", row.channel, row.attempts - 1) then
    return fail(row, row.error or "it was tried again and again, and no try ever ended")
  end
  local facts = deliverer.for_rules(row, row.reminder, time.now_ms())
  local ok, sent, message = pcall(senders[row.channel], row, facts)
  if not ok or not sent then
    return fail(row, tostring(ok and message or sent))
  end
  failpoint.hit("after_delivery")
  deliverer.count(row.channel, "sent")
  if settle(deliveries.sent, row) then
    lateness:observe(facts.late_seconds)
    relay_woken()
  end
end

-- One round of a channel. Returns whether there was anything to do.
local function round(channel)
  local kind = CHANNELS[channel]
  local began = time.monotonic_ms()
  local rows = deliveries.claim(channel, kind.batch, owner, kind.lease_seconds)
  if not rows then
    fiber.sleep(math.random(POLL_MIN_MS, POLL_MAX_MS))
    return true
  end
  if time.monotonic_ms() - began > kind.lease_seconds * 1000 - kind.timeout_ms then
    return true -- the answer took so long that the claims may end before the sending does
  end
  local work = {}
  for i, row in ipairs(rows) do
    work[i] = function()
      deliver(row)
    end
  end
  fiber.all(work)
  return #rows > 0
end

local function run(channel)
  while not worker.ending() do
    ---@type boolean, any
    local ok, busy = pcall(round, channel)
    if not ok then
      log.error("a round of deliveries failed", { channel = channel, error = busy })
      fiber.sleep(POLL_MAX_MS)
    elseif not busy then
      woken[channel]:wait(IDLE_MS)
    end
  end
end

-- Finds what nobody has told this worker of: next tries, ends of quiet hours, rows of others.
local function watch()
  while not worker.ending() do
    fiber.sleep(math.random(POLL_MIN_MS, POLL_MAX_MS))
    for _, row in ipairs(deliveries.waiting(NAMES) or {}) do
      woken[row.channel]:set()
    end
  end
end

---There is something new to send.
function deliverer.wake()
  for _, event in pairs(woken) do
    event:set()
  end
end

---Starts the deliveries of this worker, in the background.
---@param relay {wake: fun()}
function deliverer.start(relay)
  owner = crypto.uuid()
  relay_woken = relay.wake
  for _, channel in ipairs(NAMES) do
    woken[channel] = fiber.event()
    fiber.spawn(function()
      run(channel)
    end)
  end
  fiber.spawn(watch)
  if worker.index == 0 then
    timer.every(COUNT_MS, function()
      local count = deliveries.count_pending()
      if count then
        pending:set(count)
      end
    end)
    timer.every(3600 * 1000, deliveries.forget)
  end
end

return deliverer

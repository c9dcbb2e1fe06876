-- The rows of notify.delivery: one a reminder and channel, from the event that brings it until it
-- is sent or given up. Every function is one statement.
local config = require("host.config")
local crypto = require("host.crypto")
local db = require("host.db")
local json = require("lib.json")
local mail = require("notification-service.mail")
local params = require("lib.params")
local problem = require("lib.problem")
local store = require("lib.store")
local time = require("host.time")

local deliveries = {}

-- Waits are added to the database's clock, which is also the one that claims look at.
local ADD = "WITH i AS (INSERT INTO notify.inbox (event_id) VALUES ($1::uuid)"
  .. " ON CONFLICT DO NOTHING RETURNING event_id)"
  .. " INSERT INTO notify.delivery (event_id, channel, state, task_id, user_id, reminder,"
  .. " deliver_at) SELECT i.event_id, s.channel, $2, $3::uuid, $4, $5::jsonb,"
  .. " clock_timestamp() + make_interval(secs => s.wait_ms / 1000)"
  .. " FROM i, unnest($6::text[], $7::text[]::float8[]) AS s (channel, wait_ms)"
  .. " ON CONFLICT (event_id, channel) DO NOTHING RETURNING channel"
local KNOWN = "SELECT 1 FROM notify.inbox WHERE event_id = $1::uuid"

local CLAIM = "WITH due AS (SELECT id FROM notify.delivery WHERE channel = $1 AND state = 'pending'"
  .. " AND deliver_at <= clock_timestamp()"
  .. " AND (claimed_until IS NULL OR claimed_until < clock_timestamp())"
  .. " ORDER BY deliver_at, id LIMIT $2::integer FOR UPDATE SKIP LOCKED)"
  .. " UPDATE notify.delivery AS d SET claimed_by = $3::uuid, attempts = attempts + 1,"
  .. " claimed_until = clock_timestamp() + make_interval(secs => $4::integer)"
  .. " FROM due WHERE d.id = due.id"
  .. " RETURNING d.id, d.event_id, d.channel, d.task_id, d.user_id, d.attempts, d.error,"
  .. " d.reminder::text AS reminder"
local WAITING = "SELECT c.channel FROM unnest($1::text[]) AS c (channel) WHERE EXISTS (SELECT 1"
  .. " FROM notify.delivery AS d WHERE d.channel = c.channel AND d.state = 'pending'"
  .. " AND d.deliver_at <= clock_timestamp()"
  .. " AND (d.claimed_until IS NULL OR d.claimed_until < clock_timestamp()))"

-- Whoever sent it says so, even when its claim has ended meanwhile: it was sent.
local SENT = "WITH d AS (UPDATE notify.delivery SET state = 'sent', sent_at = clock_timestamp(),"
  .. " claimed_by = NULL, claimed_until = NULL, error = NULL"
  .. " WHERE id = $1::bigint AND state = 'pending' RETURNING event_id),"
  .. " first AS (UPDATE notify.inbox AS i SET announced_at = clock_timestamp() FROM d"
  .. " WHERE i.event_id = d.event_id AND i.announced_at IS NULL RETURNING i.event_id)"
  .. " INSERT INTO notify.outbox (topic, key, version, event_id, event_type, data)"
  .. " SELECT 'task-updates', $2::uuid, 1, $3::uuid, 'reminder.sent', $4 FROM first RETURNING 1"
-- A claim that another has taken over is that one's to judge. No wait: given up.
local FAILED = "UPDATE notify.delivery SET claimed_by = NULL, claimed_until = NULL, error = $3,"
  .. " state = CASE WHEN $4::float8 IS NULL THEN 'dead' ELSE 'pending' END,"
  .. " deliver_at = clock_timestamp() + make_interval(secs => coalesce($4::float8, 0) / 1000)"
  .. " WHERE id = $1::bigint AND claimed_by = $2::uuid AND state = 'pending'"

local LIST = "SELECT id, event_id, task_id, channel, state, attempts, deliver_at, created_at,"
  .. " sent_at, reminder::text AS reminder FROM notify.delivery WHERE user_id = $1"
  .. " ORDER BY id DESC LIMIT $2::integer"
local PENDING = "SELECT count(*) AS n FROM notify.delivery WHERE state = 'pending'"

-- Longer than any broker keeps an event, and never while a channel may still announce it.
local FORGET_INBOX = "DELETE FROM notify.inbox WHERE event_id IN (SELECT i.event_id"
  .. " FROM notify.inbox AS i WHERE i.received_at < now() - interval '8 days' AND NOT EXISTS"
  .. " (SELECT 1 FROM notify.delivery AS d WHERE d.event_id = i.event_id AND d.state = 'pending')"
  .. " LIMIT 2000)"
local FORGET_DELIVERY = "DELETE FROM notify.delivery WHERE id IN (SELECT id FROM notify.delivery"
  .. " WHERE created_at < now() - interval '90 days' AND state <> 'pending' LIMIT 2000)"
local FORGET_BATCH = 2000

local LIMIT = params.limit(100, 1000)

-- What the query string may say; the description of the API lists the same.
deliveries.PARAMETERS = { LIMIT }

---@class deliveries.Row
---@field id integer
---@field event_id string
---@field channel string
---@field task_id string
---@field user_id string
---@field attempts integer  this one included
---@field error string|nil  of the last try
---@field reminder table    as it was added

---Takes a reminder: the inbox and a row per step. A second time changes nothing.
---@param event cloudevent.Event
---@param state "pending"|"skipped"
---@param reminder table
---@param steps notify.Step[]
---@return integer|nil  rows that are new; 0: it is known already
---@return Problem|nil problem
---@return_overload integer, nil
---@return_overload nil, Problem
function deliveries.add(event, state, reminder, steps)
  local channels, waits = {}, {}
  for i, step in ipairs(steps) do
    channels[i], waits[i] = step.channel, ("%.0f"):format(step.wait_ms)
  end
  local rows, err = db.execute(ADD, event.event_id, state, event.task_id, event.user_id,
    json.encode(reminder), channels, waits)
  if not rows then
    return nil, store.problem(err)
  end
  return #rows
end

---@param event_id string
---@return boolean|nil
---@return Problem|nil problem
---@return_overload boolean, nil
---@return_overload nil, Problem
function deliveries.is_known(event_id)
  local rows, err = db.query(KNOWN, event_id)
  if not rows then
    return nil, store.problem(err)
  end
  return #rows > 0
end

---Claims what is due; nobody else gets it before the claim ends.
---@param channel string
---@param count integer
---@param owner string          a UUID, of this worker alone
---@param lease_seconds integer
---@return deliveries.Row[]|nil
---@return host.db.Error|nil
function deliveries.claim(channel, count, owner, lease_seconds)
  local rows, err = db.execute(CLAIM, channel, count, owner, lease_seconds)
  for _, row in ipairs(rows or {}) do
    row.reminder = json.decode(row.reminder)
  end
  return rows, err
end

---@param channels string[]
---@return host.db.Rows|nil rows  {channel}, of those that have something to do
---@return host.db.Error|nil
function deliveries.waiting(channels)
  return db.query(WAITING, channels)
end

---@param row deliveries.Row
---@return boolean|nil announced  it is the reminder's first channel
---@return host.db.Error|nil
function deliveries.sent(row)
  local reminder = row.reminder
  local id = crypto.uuid_of("reminder.sent:" .. row.event_id)
  local data = json.encode({ event_id = id, event_type = "reminder.sent",
    timestamp = time.format(time.now_ms()), user_id = row.user_id, task_id = row.task_id,
    payload = { action = "reminder.sent", task_id = row.task_id, task_title = reminder.task_title,
      due_at = reminder.due_at, remind_at = reminder.remind_at, channels = reminder.channels } })
  local rows, err = db.execute(SENT, ("%d"):format(row.id), row.task_id, id, data)
  return rows and #rows > 0, err
end

---@param row deliveries.Row
---@param owner string
---@param message string
---@param wait_ms number|nil  until the next try; nil: given up
---@return true|nil
---@return host.db.Error|nil
function deliveries.failed(row, owner, message, wait_ms)
  local rows, err = db.execute(FAILED, ("%d"):format(row.id), owner, message:sub(1, 500),
    wait_ms or json.null)
  return rows and true, err
end

---@return integer|nil
function deliveries.count_pending()
  local rows = db.query(PENDING)
  return rows and rows[1].n
end

---Deletes what nobody asks for any more, a part at a time.
function deliveries.forget()
  for _, statement in ipairs({ FORGET_INBOX, FORGET_DELIVERY }) do
    repeat
      local rows = db.execute(statement)
    until not rows or rows.affected < FORGET_BATCH
  end
end

local function to_item(row)
  local reminder = json.decode(row.reminder)
  -- Without the error, which may name what is ours alone, such as the mail server.
  return { id = row.id, event_id = row.event_id, task_id = row.task_id, channel = row.channel,
    state = row.state, attempts = row.attempts, deliver_at = row.deliver_at,
    created_at = row.created_at, sent_at = row.sent_at or json.null,
    task_title = reminder.task_title, due_at = reminder.due_at, remind_at = reminder.remind_at }
end

---A user's own deliveries, newest first.
---@param user string
---@param args table<string, string>
---@return {deliveries: table[]}|nil
---@return Problem|nil problem
---@return_overload {deliveries: table[]}, nil
---@return_overload nil, Problem
function deliveries.list(user, args)
  local message = params.problem(deliveries.PARAMETERS, args)
  if message then
    return nil, problem.unprocessable(message)
  end
  local limit = params.limit_of(LIMIT, args.limit)
  local rows, err = db.query(LIST, user, limit)
  if not rows then
    return nil, store.problem(err)
  end
  local list = json.list({})
  for i, row in ipairs(rows) do
    list[i] = to_item(row)
  end
  return { deliveries = list }
end

---The channels beside the log that a user can be reached on here.
---@param user_id string
---@return notify.Available
function deliveries.available(user_id)
  return { email = config.get("NOTIFY_EMAIL") ~= nil and mail.address_of(user_id) ~= nil,
    webhook = config.get("NOTIFY_WEBHOOK") ~= nil }
end

return deliveries

-- The relay: publishes what a service's outbox holds, and deletes it once the broker has it. A
-- row that exists is pending; nothing else remembers what was published, so a crash at any point
-- means that an event comes twice with the same id, and never that it is missing.
--
-- Buckets (a hash of the key) are owned through leases, so that several workers and pods share
-- the work and one key is published by one of them. Of one key and topic only the oldest row is
-- under way at a time: the order of a task's events is the order of its versions. No transaction
-- is open during HTTP.
local bus = require("host.bus")
local config = require("host.config")
local dapr = require("lib.dapr")
local db = require("host.db")
local failpoint = require("lib.failpoint")
local fiber = require("host.fiber")
local leases = require("lib.leases")
local log = require("host.log")
local metrics = require("host.metrics")
local time = require("host.time")
local timer = require("host.timer")
local worker = require("host.worker")

local outbox = {}

local BATCH = 50                  -- events in one bulk publish
local BATCH_BYTES = 512 * 1024
local LANES = 2                   -- bulk publishes at a time: more gain nothing, and crowd requests
local ROUND = 100                 -- rows read at once; requests wait while they are taken in
local POLL_MIN_MS, POLL_MAX_MS = 250, 1000
-- Where buckets are shared, what one commits may be another process's to publish, who is not woken.
local SHARED_MIN_MS, SHARED_MAX_MS = 15, 40
local TELL_MS = 25                -- between wakes of other workers: where there are more, polls do
-- A reminder must be on its way soon after the sidecar is back.
local BACKOFF_MIN_MS, BACKOFF_MAX_MS = 100, 10000
local BREAKER = 5                 -- failures after which one batch alone tries the sidecar
local COUNT_MS = 5000
local STOP_MS = 2500              -- for the last round
local LAG_BUCKETS = { 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300 }
local SETTLE_MS = 200             -- between two looks at who may still add rows
local WHOLE_MS = 10000            -- between two reads from the very beginning
local EXACT = 10000               -- rows counted one by one
local ROW_BYTES = 200              -- of a row beside its data

-- The schema is the service's own name for its tables, never something from outside.
local function statements(schema, first)
  local read = "SELECT id, topic, key, event_id, event_type, data, traceparent,"
    .. " extract(epoch FROM created_at)::float8 AS created FROM " .. schema .. ".outbox"
    .. " WHERE dead_at IS NULL AND bucket = ANY ($1::text[]::smallint[])"
    .. " AND NOT (topic = ANY ($3::text[])) AND id >= $4::bigint"
  local rest = read .. " ORDER BY id LIMIT $2::integer"
  return {
    -- The topic in the text, not as a parameter: a partial index serves it.
    read = first and "(" .. read .. " AND topic = '" .. first .. "' ORDER BY id LIMIT " .. BATCH
      .. ") UNION ALL (" .. rest .. ")" or rest,
    delete = "DELETE FROM " .. schema .. ".outbox AS o USING " .. schema .. ".relay_lease AS l,"
      .. " unnest($3::text[]::smallint[], $4::text[]::bigint[]) AS held (bucket, epoch)"
      .. " WHERE o.id = ANY ($1::text[]::bigint[]) AND l.bucket = o.bucket AND l.owner = $2"
      .. " AND held.bucket = l.bucket AND held.epoch = l.epoch",
    park = "UPDATE " .. schema .. ".outbox SET dead_at = now(), dead_error = $2"
      .. " WHERE id = $1::bigint",
    -- Exact up to EXACT rows; above, what PostgreSQL's statistics say.
    count = "SELECT n.pending, (SELECT count(*) FROM " .. schema .. ".outbox"
      .. " WHERE dead_at IS NOT NULL) AS dead, CASE WHEN n.pending > " .. EXACT
      .. " THEN greatest(n.pending, (SELECT n_live_tup FROM pg_stat_user_tables"
      .. " WHERE schemaname = '"
      .. schema .. "' AND relname = 'outbox')) ELSE n.pending END AS rows,"
      .. " coalesce(extract(epoch FROM now() - (SELECT created_at FROM " .. schema .. ".outbox"
      .. " WHERE dead_at IS NULL ORDER BY id LIMIT 1)), 0) AS oldest,"
      .. " coalesce((SELECT avg(octet_length(data)) FROM (SELECT data FROM " .. schema .. ".outbox"
      .. " ORDER BY id DESC LIMIT 100) AS recent), 0) AS bytes"
      .. " FROM (SELECT count(*) AS pending FROM (SELECT 1 FROM " .. schema .. ".outbox"
      .. " WHERE dead_at IS NULL LIMIT " .. EXACT + 1 .. ") AS few) AS n",
  }
end

local function make_metrics()
  return {
    published = metrics.counter("outbox_published_total", "Events that the broker has taken.",
      { "topic" }),
    failures = metrics.counter("outbox_publish_failures_total",
      "Publish calls that failed and are tried again.", { "topic" }),
    breaker = metrics.gauge("outbox_breaker_open",
      "Workers whose relay tries a topic with one batch alone, after failures.", { "topic" }),
    parked = metrics.counter("outbox_parked_total", "Events that can never be published.",
      { "topic" }),
    pending = metrics.gauge("outbox_pending", "Rows not published yet.", {}),
    dead = metrics.gauge("outbox_dead", "Rows parked with an error.", {}),
    woken = metrics.counter("outbox_woken_total",
      "Times that the relay was woken by a commit: of its own worker, or of another one.",
      { "by" }),
    lag = metrics.histogram("outbox_publish_lag_seconds",
      "From the transaction of a change until the broker had its event.", LAG_BUCKETS),
    oldest = metrics.gauge("outbox_oldest_seconds", "Age of the oldest row not published.", {}),
    bytes = metrics.gauge("outbox_bytes", "Size of all rows, estimated.", {}),
    max_bytes = metrics.gauge("outbox_max_bytes",
      "Size above which writes are refused (OUTBOX_MAX_MB).", {}),
    leases = metrics.gauge("outbox_leases", "Buckets owned by this worker.", {}),
  }
end

-- Rows of one round: of each key and topic the oldest one, in batches of one topic.
local function batches_of(rows)
  local taken, open, list = {}, {}, {}
  for _, row in ipairs(rows) do
    local lane = row.topic .. "\0" .. row.key
    if not taken[lane] then
      taken[lane] = true
      local batch = open[row.topic]
      if not batch or #batch.rows >= BATCH or batch.bytes + #row.data > BATCH_BYTES then
        batch = { topic = row.topic, rows = {}, bytes = 0 }
        open[row.topic] = batch
        list[#list + 1] = batch
      end
      batch.rows[#batch.rows + 1] = row
      batch.bytes = batch.bytes + #row.data
    end
  end
  return list
end

-- Where reading begins. Rows that were deleted stay in table and index while anybody holds an old
-- snapshot, and reading from the beginning would pass all of them in every round.
--
-- An id is settled when nobody can still commit it. Rows come after their transaction has its own
-- id (xid), so at a mark all that have an outbox id below the highest one seen have a lower xid
-- than the mark's, and are at their end once no transaction that runs has one. Below the lowest row
-- and below what is settled there is nothing, but for a row that an operator retries, which the
-- next whole read finds; as it does where buckets were gained.
local XIDS = "SELECT pg_current_xact_id()::text AS mine,"
  .. " pg_snapshot_xmin(pg_current_snapshot())::text AS oldest"

local function new_start()
  local at, highest, settled, owned = 0, 0, 0, nil ---@type number, number, number, string|nil
  local mark = { id = 0, xid = 0 } ---@type {id: number, xid: number}
  local marked_ms, whole_ms = 0, 0 ---@type number, number
  local start = {}

  -- Before a read, so that it sees what has come to its end by now.
  local function settle(now)
    local rows = db.query(XIDS)
    if not rows then
      return
    end
    marked_ms = now
    if tonumber(rows[1].oldest) >= mark.xid then
      settled = mark.id
      mark = { id = highest, xid = tonumber(rows[1].mine) --[[@as number]] }
    end
  end

  function start.next(buckets)
    local now, list = time.monotonic_ms(), {}
    for i, bucket in ipairs(buckets) do
      list[i] = bucket
    end
    table.sort(list)
    local key = table.concat(list, " ")
    if now - marked_ms >= SETTLE_MS and highest > settled then
      settle(now)
    end
    if key ~= owned or now - whole_ms >= WHOLE_MS then
      at, owned, whole_ms = 0, key, now
    end
    return string.format("%d", at)
  end

  -- `whole`: no topic was left out.
  function start.note(rows, whole)
    local lowest ---@type number|nil
    for _, row in ipairs(rows) do
      highest = math.max(highest, row.id)
      lowest = math.min(lowest or row.id, row.id)
    end
    if whole then
      at = math.min(lowest or settled, settled)
    end
  end

  return start
end

---@class outbox.Options
---@field schema string   of the tables outbox and relay_lease
---@field source string   the app-id, source of the CloudEvents
---@field pubsub string
---@field broadcast table<string, string>|nil  topics that go to another component, and its name
---@field first string|nil   a topic that does not wait behind the others; few, with an index

---@class outbox.Relay
---@field wake fun(key: string|nil)  tells who publishes that key, a UUID, of a commit; without a
---                               key this worker alone
---@field full fun(): boolean     so much waits that nothing should be added (OUTBOX_MAX_MB)
---@field leases leases.Set

-- As the migrations make the column.
local function bucket_of(key)
  return tonumber(key:sub(2, 2), 16) --[[@as integer]]
end

---Starts the relay of this worker, in the background.
---@param options outbox.Options
---@return outbox.Relay
function outbox.start(options)
  local sql = statements(options.schema, options.first)
  local count = make_metrics()
  local mine = leases.new(options.schema)
  local woken = fiber.event()
  local start = new_start()
  local full = false
  local topics = {} -- topic -> {failures, again_ms}: how its publishing goes

  local function state_of(topic)
    if not topics[topic] then
      topics[topic] = { failures = 0, again_ms = 0 }
      count.failures:add(0, topic)
      count.breaker:set(0, topic)
    end
    return topics[topic]
  end

  local function pubsub_of(topic)
    return options.broadcast and options.broadcast[topic] or options.pubsub
  end

  local function to_event(row)
    return { id = row.event_id, source = options.source, type = row.event_type, data = row.data,
      key = row.key, traceparent = row.traceparent }
  end

  local function park(row, message)
    log.error("an event can never be published", { event_id = row.event_id, topic = row.topic,
      error = message })
    if db.execute(sql.park, string.format("%d", row.id), message:sub(1, 500)) then
      count.parked:add(1, row.topic)
    end
  end

  -- One topic that cannot be published does not hold up the others.
  local function failed(topic, message, retry_ms)
    local state = state_of(topic)
    count.failures:add(1, topic)
    if state.failures == 0 then
      log.warn("events cannot be published for now; they wait", { topic = topic, error = message })
    end
    state.failures = state.failures + 1
    count.breaker:set(state.failures >= BREAKER and 1 or 0, topic)
    local ceiling = math.min(BACKOFF_MAX_MS,
      BACKOFF_MIN_MS * 2 ^ math.min(state.failures, 12)) --[[@as integer]]
    state.again_ms = time.monotonic_ms() + (retry_ms or math.random(1, ceiling))
  end

  local function succeeded(topic)
    local state = state_of(topic)
    if state.failures > 0 then
      log.info("events are published again", { topic = topic })
      count.breaker:set(0, topic)
    end
    state.failures, state.again_ms = 0, 0
  end

  -- Publishes a batch; adds the ids that the broker has to `done`.
  local publish

  local function publish_each(batch, done)
    for _, row in ipairs(batch.rows) do
      publish({ topic = batch.topic, rows = { row } }, done)
    end
  end

  -- The call itself was refused: by whose fault? True when that is settled.
  local function settle_refused(batch, err, done)
    if err.failed or err.code ~= "too_large" and err.code ~= "refused" then
      return false
    end
    if #batch.rows > 1 then
      publish_each(batch, done)
      return true
    end
    if err.code == "too_large" or err.status == 400 then
      park(batch.rows[1], err.message)
      return true
    end
    return false
  end

  -- Some were taken and some not. What a broker calls too large now is too large for ever.
  local function settle_partial(batch, err)
    local waiting
    for _, row in ipairs(batch.rows) do
      local message = err.failed[row.event_id]
      if message and message:lower():find("too large", 1, true) then
        park(row, message)
      else
        waiting = waiting or message
      end
    end
    return waiting
  end

  function publish(batch, done)
    local events = {}
    for i, row in ipairs(batch.rows) do
      events[i] = to_event(row)
    end
    local ok, err = dapr.publish_bulk(pubsub_of(batch.topic), batch.topic, events)
    if not ok and settle_refused(batch, err, done) then
      return
    end
    if not ok and not err.failed then
      failed(batch.topic, err.message)
      return
    end
    local published, now = 0, time.now_ms() / 1000
    for _, row in ipairs(batch.rows) do
      if ok or not err.failed[row.event_id] then
        count.lag:observe(math.max(0, now - row.created))
        done[#done + 1] = string.format("%d", row.id)
        published = published + 1
      end
    end
    count.published:add(published, batch.topic)
    local waiting = not ok and settle_partial(batch, err)
    if waiting then
      failed(batch.topic, waiting, math.random(BACKOFF_MIN_MS, 3 * BACKOFF_MIN_MS))
    else
      succeeded(batch.topic)
    end
  end

  local function forget(done)
    if #done > 0 then
      failpoint.hit("before_outbox_delete")
      local buckets, epochs = mine.lists()
      db.execute(sql.delete, done, mine.owner, buckets, epochs)
    end
  end

  local function resting()
    local list, now = {}, time.monotonic_ms()
    for topic, state in pairs(topics) do
      if state.again_ms > now then
        list[#list + 1] = topic
      end
    end
    return list
  end

  -- One batch alone tries a topic that has failed often.
  local function attempts_of(list)
    local work, tried = {}, {}
    for _, batch in ipairs(list) do
      if not tried[batch.topic] or state_of(batch.topic).failures < BREAKER then
        tried[batch.topic] = true
        work[#work + 1] = batch
      end
    end
    return work
  end

  -- One round. Returns how many events were published.
  local function round()
    local buckets, left_out = mine.lists(), resting()
    local rows = db.query(sql.read, buckets, ROUND, left_out, start.next(buckets))
    if not rows then
      return 0
    end
    start.note(rows, #left_out == 0)
    local done, work = {}, {}
    local list, at = attempts_of(batches_of(rows)), 0
    for i = 1, math.min(LANES, #list) do
      work[i] = function()
        while at < #list do
          at = at + 1
          publish(list[at], done)
        end
      end
    end
    fiber.all(work)
    forget(done)
    return #done
  end

  -- Until something is committed, a topic's rest is over, or the poll is due.
  local function rest()
    local ms, now = math.random(POLL_MIN_MS, POLL_MAX_MS), time.monotonic_ms()
    if mine.shared() or worker.count > 1 then
      ms = math.random(SHARED_MIN_MS, SHARED_MAX_MS)
    end
    for _, state in pairs(topics) do
      if state.again_ms > now then
        ms = math.min(ms, math.ceil(state.again_ms - now))
      end
    end
    woken:wait(math.max(ms, 1))
  end

  local stopping = false
  local stopped = fiber.event()

  local function run()
    while not stopping do
      mine.renew()
      count.leases:set(mine.count())
      if not mine.any() or round() == 0 then
        rest()
      end
    end
    round() -- what was committed last
    mine.leave()
    stopped:set()
  end

  local function count_rows()
    local rows = db.query(sql.count)
    if not rows then
      return
    end
    local seen = rows[1]
    local bytes, max = seen.rows * (seen.bytes + ROW_BYTES), config.get("OUTBOX_MAX_MB") * 1048576
    full = bytes > max
    if worker.index == 0 then
      count.bytes:set(bytes)
      count.max_bytes:set(max)
      count.pending:set(seen.rows)
      count.dead:set(seen.dead)
      count.oldest:set(seen.oldest)
    end
  end

  ---@type number
  local told_ms = -TELL_MS

  local function wake(key)
    if not key or mine.holds(bucket_of(key)) then
      count.woken:add(1, "own")
      woken:set()
    elseif worker.count > 1 and time.monotonic_ms() - told_ms >= TELL_MS then
      told_ms = time.monotonic_ms()
      bus.publish("outbox\n" .. key)
    end
  end

  bus.subscribe(function(text)
    local key = text and text:match("^outbox\n(.*)$")
    if key and mine.holds(bucket_of(key)) then
      count.woken:add(1, "other")
      woken:set()
    end
  end)
  timer.every(COUNT_MS, count_rows)
  fiber.spawn(run)
  worker.at_end(function()
    stopping = true
    woken:set()
    stopped:wait(STOP_MS)
  end)
  return {
    wake = wake,
    full = function() return full end,
    leases = mine,
  }
end

return outbox

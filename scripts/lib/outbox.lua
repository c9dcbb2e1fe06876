-- The relay: publishes what a service's outbox holds, and deletes it once the broker has it. A
-- row that exists is pending; nothing else remembers what was published, so a crash at any point
-- means that an event comes twice with the same id, and never that it is missing.
--
-- Buckets (a hash of the key) are owned through leases, so that several workers and pods share
-- the work and one key is published by one of them. Of one key and topic only the oldest row is
-- under way at a time: the order of a task's events is the order of its versions. No transaction
-- is open during HTTP.
local crypto = require("host.crypto")
local dapr = require("lib.dapr")
local db = require("host.db")
local fiber = require("host.fiber")
local log = require("host.log")
local metrics = require("host.metrics")
local time = require("host.time")
local timer = require("host.timer")
local worker = require("host.worker")

local outbox = {}

local BATCH = 100                 -- events in one bulk publish
local BATCH_BYTES = 512 * 1024
local ROUND = 800                 -- rows read at once
local LEASE_SECONDS = 10
local RENEW_MS = 3000
local POLL_MIN_MS, POLL_MAX_MS = 250, 1000
local BACKOFF_MIN_MS, BACKOFF_MAX_MS = 100, 30000
local BREAKER = 5                 -- failures after which one batch alone tries the sidecar
local COUNT_MS = 5000

-- The schema is the service's own name for its tables, never something from outside.
local function statements(schema)
  return {
    -- Keeps what is mine, and takes what nobody holds, up to a fair share of all buckets.
    renew = "WITH me AS (INSERT INTO " .. schema .. ".relay_member (owner) VALUES ($1)"
      .. " ON CONFLICT (owner) DO UPDATE SET seen_at = clock_timestamp()),"
      .. " gone AS (DELETE FROM " .. schema .. ".relay_member"
      .. " WHERE seen_at < clock_timestamp() - make_interval(secs => 3 * $2::integer)),"
      .. " others AS (SELECT count(*) AS n FROM " .. schema .. ".relay_member WHERE owner <> $1"
      .. " AND seen_at > clock_timestamp() - make_interval(secs => $2::integer)),"
      .. " share AS (SELECT ceil((SELECT count(*) FROM " .. schema .. ".relay_lease)::numeric"
      .. " / (1 + n))::integer AS n FROM others),"
      .. " mine AS (SELECT bucket FROM " .. schema .. ".relay_lease"
      .. " WHERE owner = $1 OR expires_at < clock_timestamp()"
      .. " ORDER BY (owner = $1) DESC, bucket LIMIT (SELECT n FROM share))"
      .. " UPDATE " .. schema .. ".relay_lease AS l SET owner = $1,"
      .. " epoch = CASE WHEN l.owner = $1 AND l.expires_at > clock_timestamp() THEN l.epoch"
      .. " ELSE l.epoch + 1 END,"
      .. " expires_at = clock_timestamp() + make_interval(secs => $2::integer)"
      .. " FROM mine WHERE l.bucket = mine.bucket"
      .. " AND (l.owner = $1 OR l.expires_at < clock_timestamp()) RETURNING l.bucket, l.epoch",
    release = "UPDATE " .. schema .. ".relay_lease SET expires_at = '-infinity'"
      .. " WHERE owner = $1 AND NOT (bucket = ANY ($2::text[]::smallint[]))",
    leave = "DELETE FROM " .. schema .. ".relay_member WHERE owner = $1",
    read = "SELECT id, topic, key, event_id, event_type, data, traceparent FROM " .. schema
      .. ".outbox WHERE dead_at IS NULL AND bucket = ANY ($1::text[]::smallint[])"
      .. " ORDER BY id LIMIT $2::integer",
    delete = "DELETE FROM " .. schema .. ".outbox AS o USING " .. schema .. ".relay_lease AS l,"
      .. " unnest($3::text[]::smallint[], $4::text[]::bigint[]) AS held (bucket, epoch)"
      .. " WHERE o.id = ANY ($1::text[]::bigint[]) AND l.bucket = o.bucket AND l.owner = $2"
      .. " AND held.bucket = l.bucket AND held.epoch = l.epoch",
    park = "UPDATE " .. schema .. ".outbox SET dead_at = now(), dead_error = $2"
      .. " WHERE id = $1::bigint",
    count = "SELECT count(*) FILTER (WHERE dead_at IS NULL) AS pending,"
      .. " count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead,"
      .. " coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE dead_at IS NULL)), 0)"
      .. " AS oldest FROM " .. schema .. ".outbox",
  }
end

local function make_metrics()
  return {
    published = metrics.counter("outbox_published_total", "Events that the broker has taken.",
      { "topic" }),
    failures = metrics.counter("outbox_publish_failures_total",
      "Publish calls that failed and are tried again.", {}),
    parked = metrics.counter("outbox_parked_total", "Events that can never be published.",
      { "topic" }),
    pending = metrics.gauge("outbox_pending", "Rows not published yet.", {}),
    dead = metrics.gauge("outbox_dead", "Rows parked with an error.", {}),
    oldest = metrics.gauge("outbox_oldest_seconds", "Age of the oldest row not published.", {}),
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

---@class outbox.Options
---@field schema string   of the tables outbox and relay_lease
---@field source string   the app-id, source of the CloudEvents
---@field pubsub string

---Starts the relay of this worker, in the background.
---@param options outbox.Options
---@return {wake: fun()}  wake tells it that something has been committed
function outbox.start(options)
  local sql = statements(options.schema)
  local count = make_metrics()
  local owner = crypto.uuid()
  local woken = fiber.event()
  local held, renewed_ms, failures, said = {}, nil, 0, false
  local partial = false -- some events of a batch were refused in the last round

  local function held_lists()
    local buckets, epochs = {}, {}
    for bucket, epoch in pairs(held) do
      buckets[#buckets + 1] = tostring(bucket)
      epochs[#epochs + 1] = string.format("%d", epoch)
    end
    return buckets, epochs
  end

  local function renew()
    local now = time.monotonic_ms()
    if renewed_ms and now - renewed_ms < RENEW_MS then
      return
    end
    local rows = db.execute(sql.renew, owner, LEASE_SECONDS)
    if not rows then
      if renewed_ms and now - renewed_ms > LEASE_SECONDS * 1000 then
        held = {}
      end
      return
    end
    held, renewed_ms = {}, now
    local buckets = {}
    for i, row in ipairs(rows) do
      held[row.bucket] = row.epoch
      buckets[i] = tostring(row.bucket)
    end
    count.leases:set(#rows)
    db.execute(sql.release, owner, buckets) -- what is more than my share, for others
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

  -- Publishes a batch; adds the ids that the broker has to `done`. False: try later.
  local publish

  local function publish_each(batch, done)
    local good = true
    for _, row in ipairs(batch.rows) do
      good = publish({ topic = batch.topic, rows = { row } }, done) and good
    end
    return good
  end

  function publish(batch, done)
    local events = {}
    for i, row in ipairs(batch.rows) do
      events[i] = to_event(row)
    end
    local ok, err = dapr.publish_bulk(options.pubsub, batch.topic, events)
    if not ok and not err.failed and (err.code == "too_large" or err.code == "refused") then
      if #batch.rows > 1 then
        return publish_each(batch, done) -- which of them is it?
      end
      if err.code == "too_large" or err.status == 400 then
        park(batch.rows[1], err.message)
        return true
      end
    end
    if not ok and not err.failed then
      count.failures:add(1)
      if not said then
        said = true
        log.warn("events cannot be published for now; they wait", { error = err.message })
      end
      return false
    end
    local published = 0
    for _, row in ipairs(batch.rows) do
      if not (err and err.failed[row.event_id]) then
        done[#done + 1] = string.format("%d", row.id)
        published = published + 1
      end
    end
    count.published:add(published, batch.topic)
    if err then
      count.failures:add(1)
      partial = true
    end
    return true
  end

  local function forget(done)
    if #done > 0 then
      local buckets, epochs = held_lists()
      db.execute(sql.delete, done, owner, buckets, epochs)
    end
  end

  -- One round. Returns how many rows were read, and whether all went well.
  local function round()
    local buckets = held_lists()
    local rows = db.query(sql.read, buckets, failures > 0 and BATCH or ROUND)
    if not rows then
      return 0, false
    end
    local list, done, good = batches_of(rows), {}, true
    if failures >= BREAKER then
      list = { list[1] }
    end
    local work = {}
    for i, batch in ipairs(list) do
      work[i] = function()
        good = publish(batch, done) and good
      end
    end
    fiber.all(work)
    forget(done)
    return #rows, good
  end

  local function wait(read, good)
    if not good then
      failures = failures + 1
      local ceiling = math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ^ math.min(failures, 12))
      fiber.sleep(math.random(1, ceiling))
      return
    end
    if failures > 0 then
      log.info("events are published again", {})
    end
    failures, said = 0, false
    if partial then
      partial = false
      fiber.sleep(math.random(BACKOFF_MIN_MS, 3 * BACKOFF_MIN_MS))
    elseif read == 0 then
      woken:wait(math.random(POLL_MIN_MS, POLL_MAX_MS))
    end
  end

  local function run()
    while not worker.draining() do
      renew()
      if next(held) == nil then
        fiber.sleep(math.random(POLL_MIN_MS, POLL_MAX_MS))
      else
        wait(round())
      end
    end
    round() -- what was committed last
    db.batch({ { sql.release, owner, {} }, { sql.leave, owner } })
  end

  local function count_rows()
    local rows = db.query(sql.count)
    if rows then
      count.pending:set(rows[1].pending)
      count.dead:set(rows[1].dead)
      count.oldest:set(rows[1].oldest)
    end
  end

  if worker.index == 0 then
    timer.every(COUNT_MS, count_rows)
  end
  fiber.spawn(run)
  return { wake = function() woken:set() end }
end

return outbox

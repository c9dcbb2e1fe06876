-- Leases on the buckets of a schema's outbox, so that several workers and pods share the work and
-- each bucket is worked on by one of them. A lease's epoch grows with each owner: what a frozen
-- owner does late finds another epoch.
local crypto = require("host.crypto")
local db = require("host.db")
local time = require("host.time")

local leases = {}

local LEASE_SECONDS = 6
local RENEW_MS = 2000
local BUCKETS = 16      -- as the migration makes them

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
  }
end

---@class leases.Set
---@field owner string
---@field renew fun()                          takes and keeps buckets; call it often, it is cheap
---@field any fun(): boolean                   this worker holds a bucket
---@field count fun(): integer
---@field holds fun(bucket: integer): boolean
---@field shared fun(): boolean                others hold buckets too, or nobody does
---@field lists fun(): string[], string[]      the buckets held, and their epochs
---@field leave fun()                          gives all of them back

---@param schema string  with the tables relay_lease and relay_member
---@return leases.Set
function leases.new(schema)
  local sql = statements(schema)
  local owner = crypto.uuid()
  local held, renewed_ms = {}, nil
  local set = { owner = owner }

  function set.renew()
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
    db.execute(sql.release, owner, buckets) -- what is more than my share, for others
  end

  function set.any()
    return next(held) ~= nil
  end

  function set.holds(bucket)
    return held[bucket] ~= nil
  end

  function set.count()
    local count = 0
    for _ in pairs(held) do
      count = count + 1
    end
    return count
  end

  function set.shared()
    return set.count() < BUCKETS
  end

  function set.lists()
    local buckets, epochs = {}, {}
    for bucket, epoch in pairs(held) do
      buckets[#buckets + 1] = tostring(bucket)
      epochs[#epochs + 1] = string.format("%d", epoch)
    end
    return buckets, epochs
  end

  function set.leave()
    held = {}
    db.batch({ { sql.release, owner, {} }, { sql.leave, owner } })
  end

  return set
end

return leases

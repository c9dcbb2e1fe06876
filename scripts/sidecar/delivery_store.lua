-- The table of messages on their way. Every call waits.
local db = require("host.db")
local fiber = require("host.fiber")

local delivery_store = {}

local WINDOW_BYTES = 4 * 1024 * 1024 -- of values read at once

local INSERT = "INSERT INTO sidecar.delivery (grp, id, pubsub, topic, key, value, encoding,"
  .. " headers, expires_ms, published_ms) SELECT g, m.id, $2, $3, nullif(m.key, ''), m.value,"
  .. " m.encoding, nullif(m.headers, ''), nullif(m.expires, '')::bigint, $9::bigint"
  .. " FROM unnest($4::text[]::bigint[], $5::text[], $6::text[], $7::text[], $8::text[],"
  .. " $10::text[]) AS m (id, key, value, encoding, headers, expires)"
  .. " CROSS JOIN unnest($1::text[]) AS g"
local READ = "SELECT id, pubsub, topic, key, value, encoding, headers, expires_ms, published_ms,"
  .. " attempts, retry_ms FROM (SELECT d.*, sum(octet_length(value)) OVER (ORDER BY id)"
  .. " - octet_length(value) AS before FROM sidecar.delivery AS d WHERE d.grp = $1 %s"
  -- Not a join: the scan stays in the order of the index, and the list is hashed.
  .. " AND d.id NOT IN (SELECT unnest($2::text[]::bigint[]))"
  .. " ORDER BY id LIMIT $3::integer) AS w WHERE before < " .. WINDOW_BYTES .. " ORDER BY id"
local NOT_OF = "AND (d.key IS NULL OR d.key <> ALL ($4::text[]))"
local ONLY_OF = "AND d.key = $4"
local READ_ALL, READ_BUT, READ_LANE = READ:format(""), READ:format(NOT_OF), READ:format(ONLY_OF)
-- Row by row through the whole key. PostgreSQL takes a queue for small long after it has grown, and
-- would else read all of a group and compare each row with each id.
local DELETE = "DELETE FROM sidecar.delivery WHERE ctid = ANY (ARRAY(SELECT d.tid"
  .. " FROM unnest($2::text[]::bigint[]) AS x (id), LATERAL (SELECT ctid AS tid"
  .. " FROM sidecar.delivery WHERE grp = $1 AND id = x.id OFFSET 0) AS d))"
local FAILED = "UPDATE sidecar.delivery SET attempts = $3::integer, retry_ms = $4::bigint"
  .. " WHERE grp = $1 AND id = $2::bigint"
local MOVE = "WITH gone AS (DELETE FROM sidecar.delivery WHERE grp = $1 AND id = $2::bigint"
  .. " RETURNING key, value, encoding) INSERT INTO sidecar.delivery (grp, id, pubsub, topic, key,"
  .. " value, encoding, headers, published_ms) SELECT g, $3::bigint, $4, $5, key, value, encoding,"
  .. " $6, $7::bigint FROM gone CROSS JOIN unnest($8::text[]) AS g"
local BURY = "WITH gone AS (DELETE FROM sidecar.delivery WHERE grp = $1 AND id = $2::bigint"
  .. " RETURNING key, value, encoding) INSERT INTO sidecar.dead_letter (app, pubsub, topic, key,"
  .. " value, encoding, headers, reason) SELECT $3, $4, $5, key, value, encoding, $6, $7 FROM gone"
local FORGET = "DELETE FROM sidecar.delivery WHERE grp = ANY ($1::text[])"
local EXPIRE = "DELETE FROM sidecar.delivery WHERE ctid = ANY (ARRAY(SELECT ctid"
  .. " FROM sidecar.delivery WHERE pubsub = $1 AND published_ms < $2::bigint LIMIT 5000))"
local EXPIRE_DEAD = "DELETE FROM sidecar.dead_letter WHERE recorded_at < now() - interval '7 days'"
local LAST = "SELECT coalesce(max(id), 0)::text AS id FROM sidecar.delivery"
local COUNT = "SELECT grp, count(*) AS pending FROM sidecar.delivery GROUP BY grp"

local function int(number)
  return string.format("%d", number)
end

---Stores messages for each of the groups.
---@param groups string[]
---@param pubsub string
---@param topic string
---@param published_ms integer
---@param messages table[]  {id, key, value, encoding, headers, expires}
---@return table|nil
---@return host.db.Error|nil
function delivery_store.insert(groups, pubsub, topic, published_ms, messages)
  local ids, keys, values, encodings, headers, expires = {}, {}, {}, {}, {}, {}
  for i = 1, #messages do
    local message = messages[i]
    ids[i] = int(message.id)
    keys[i] = message.key or ""
    values[i] = message.value
    encodings[i] = message.encoding
    headers[i] = message.headers or ""
    expires[i] = message.expires and int(message.expires) or ""
  end
  return db.execute(INSERT, groups, pubsub, topic, ids, keys, values, encodings, headers,
    int(published_ms), expires)
end

---The oldest messages of a group, without those in `held`.
---@param group string
---@param held string[]
---@param limit integer
---@param without string[]|nil  keys to leave out
---@param lane string|nil       this key alone
---@return host.db.Rows|nil
---@return host.db.Error|nil
function delivery_store.read(group, held, limit, without, lane)
  if lane then
    return db.query(READ_LANE, group, held, limit, lane)
  end
  if without and #without > 0 then
    return db.query(READ_BUT, group, held, limit, without)
  end
  return db.query(READ_ALL, group, held, limit)
end

---@param ids_of table<string, string[]>  by group
---@return boolean
function delivery_store.delete(ids_of)
  local good, work = true, {}
  for group, ids in pairs(ids_of) do
    work[#work + 1] = function() -- side by side they share a commit
      good = db.execute(DELETE, group, ids) ~= nil and good
    end
  end
  fiber.all(work)
  return good
end

---@param list {group: table, id: integer, attempts: integer, retry_ms: number}[]
---@return host.db.Rows[]|nil
---@return host.db.Error|nil
function delivery_store.save_attempts(list)
  local statements = {}
  for i, item in ipairs(list) do
    statements[i] = { FAILED, item.group.name, int(item.id), int(item.attempts),
      int(item.retry_ms) }
  end
  return db.batch(statements)
end

---Moves a message to another topic, for its groups; or, when there is none, buries it.
---@param message table
---@param group string
---@param target table  {app, topic, id, headers, groups, reason, now}
---@return host.db.Rows|nil
---@return host.db.Error|nil
function delivery_store.move(message, group, target)
  if #target.groups == 0 then
    return db.execute(BURY, group, int(message.id), target.app, message.pubsub, target.topic,
      target.headers, target.reason)
  end
  return db.execute(MOVE, group, int(message.id), int(target.id), message.pubsub, target.topic,
    target.headers, int(target.now), target.groups)
end

---Drops all that groups have.
---@param groups string[]
---@return host.db.Rows|nil
---@return host.db.Error|nil
function delivery_store.forget(groups)
  return db.execute(FORGET, groups)
end

---@param pubsub string
---@param before_ms number
---@return host.db.Rows|nil
---@return host.db.Error|nil
function delivery_store.expire(pubsub, before_ms)
  return db.execute(EXPIRE, pubsub, int(before_ms))
end

---@return host.db.Rows|nil
---@return host.db.Error|nil
function delivery_store.expire_dead_letters()
  return db.execute(EXPIRE_DEAD)
end

---@return number|nil  the highest id in use
function delivery_store.last_id()
  local rows = db.query(LAST)
  return rows and tonumber(rows[1].id)
end

---@return table<string, integer>|nil  pending messages by group
function delivery_store.count()
  local rows = db.query(COUNT)
  if not rows then
    return nil
  end
  local counts = {}
  for _, row in ipairs(rows) do
    counts[row.grp] = row.pending
  end
  return counts
end

return delivery_store

-- The calendar feed: an address with a secret in it, for programs that can send no token. Whoever
-- knows the address reads the user's tasks, until the user ends it or asks for a new one.
--
-- The database has only the SHA-256 of the secret, so a copy of it opens no feed. But people want
-- to see their address again, for the next device, so the secret is no random number: it is an HMAC
-- of a random salt, which is stored, with the key of tokens, which is not. Where tokens are
-- verified with public keys there is no such key: then the address is shown once, when it is made.
local config = require("host.config")
local crypto = require("host.crypto")
local db = require("host.db")
local entity_tag = require("lib.entity_tag")
local fiber = require("host.fiber")
local ical_export = require("chat-api.ical_export")
local json = require("lib.json")
local limit = require("lib.limit")
local metrics = require("host.metrics")
local problem = require("lib.problem")
local store = require("lib.store")
local task_fields = require("chat-api.task_fields")
local task_store = require("chat-api.task_store")
local time = require("host.time")

local calendar_feed = {}

local SECRET_BYTES = 24
local MAX_TASKS = 2000
-- Per worker, as for failed tokens; and what one feed may ask for.
local FAILED_PER_SECOND, FAILED_BURST = 10, 200
local FEED_PER_SECOND, FEED_BURST = 2, 60

local SELECT = "SELECT user_id, secret_hash, salt, created_at FROM chat.calendar_feed"
local BY_USER = SELECT .. " WHERE user_id = $1"
local BY_HASH = SELECT .. " WHERE secret_hash = $1"
local SAVE = "INSERT INTO chat.calendar_feed (user_id, secret_hash, salt) VALUES ($1, $2, $3)"
  .. " ON CONFLICT (user_id) DO UPDATE SET secret_hash = EXCLUDED.secret_hash,"
  .. " salt = EXCLUDED.salt, created_at = now() RETURNING created_at"
local REMOVE = "DELETE FROM chat.calendar_feed WHERE user_id = $1"

-- Each part ends by the index and the limit, so that a long list costs no more than a short one.
local function nearest(from, condition)
  local parts = {
    "(SELECT * FROM chat.task WHERE user_id = $1 AND due_date >= now()" .. condition
      .. " ORDER BY due_date, id LIMIT " .. MAX_TASKS .. ")",
    "(SELECT * FROM chat.task WHERE user_id = $1 AND due_date < now()" .. condition
      .. " ORDER BY due_date DESC, id DESC LIMIT " .. MAX_TASKS .. ")",
    from,
  }
  return "(SELECT * FROM (" .. table.concat(parts, " UNION ALL ") .. ") AS n"
    .. " ORDER BY abs(extract(epoch FROM due_date - now())) NULLS LAST, id LIMIT " .. MAX_TASKS
    .. ") AS t"
end

local EVENTS = nearest(nil, " AND status <> 'completed'")
local TODOS = nearest("(SELECT * FROM chat.task WHERE user_id = $1 AND due_date IS NULL"
  .. " AND status <> 'completed' ORDER BY id LIMIT " .. MAX_TASKS .. ")", "")

local function statements(from)
  return {
    rows = "SELECT " .. task_store.COLUMNS .. " FROM " .. from .. " ORDER BY id",
    state = "SELECT coalesce(string_agg(id::text || ' ' || version, ',' ORDER BY id), '') AS state"
      .. " FROM " .. from,
  }
end

local READ = { [false] = statements(EVENTS), [true] = statements(TODOS) }

local failed_total = metrics.counter("calendar_feed_failures_total",
  "Requests for a feed that there is not.", {})
local failures = limit.new(FAILED_PER_SECOND, FAILED_BURST)
local reads = limit.new(FEED_PER_SECOND, FEED_BURST)

local function hash_of(secret)
  return crypto.hex(crypto.sha256(secret))
end

-- With the NUL it is no signing input of a token, which the same key signs.
local function secret_of(user, salt)
  local key = config.get("JWT_SECRET")
  if not key then
    return nil
  end
  local mac = crypto.hmac_sha256(key, "calendar feed\0" .. salt .. "\0" .. user)
  return crypto.base64url_encode(mac:sub(1, SECRET_BYTES))
end

-- As the user's program reaches this service; behind a proxy that ends TLS, as it says.
local function url_of(request, secret)
  local path = "/calendar/" .. secret .. ".ics"
  local host = request.headers.host or ""
  if not host:find("^[%w%.%-%[%]:_]+$") then
    return path
  end
  local proto = (request.headers["x-forwarded-proto"] or ""):lower():match("^%s*(%a+)")
  return (proto == "https" and "https://" or "http://") .. host .. path
end

local function answer(url, created_at)
  return { url = url or json.null, active = created_at ~= nil,
    created_at = created_at or json.null }
end

---GET /api/calendar: the address, where there is one that can be shown.
---@param request service.Request
---@return integer, any, table|nil
function calendar_feed.show(request)
  local rows, err = db.query(BY_USER, request.user)
  if not rows then
    return problem.reply(store.problem(err))
  end
  local feed = rows[1]
  if not feed then
    return 200, answer()
  end
  -- Of a key that was changed since, another secret comes.
  local secret = secret_of(request.user, feed.salt)
  if secret and not crypto.equal(hash_of(secret), feed.secret_hash) then
    secret = nil
  end
  return 200, answer(secret and url_of(request, secret), feed.created_at)
end

---POST /api/calendar: a new address; the one before ends.
---@param request service.Request
---@return integer, any, table|nil
function calendar_feed.create(request)
  local salt = crypto.base64url_encode(crypto.random(16))
  local secret = secret_of(request.user, salt)
    or crypto.base64url_encode(crypto.random(SECRET_BYTES))
  local rows, err = db.execute(SAVE, request.user, hash_of(secret), salt)
  if not rows then
    return problem.reply(store.problem(err))
  end
  return 201, answer(url_of(request, secret), rows[1].created_at)
end

---DELETE /api/calendar: the address ends.
---@param request service.Request
---@return integer, any, table|nil
function calendar_feed.delete(request)
  local rows, err = db.execute(REMOVE, request.user)
  if not rows then
    return problem.reply(store.problem(err))
  end
  return 200, { deleted = true }
end

local function too_many(wait)
  return nil, problem.too_many(wait)
end

-- The user whose feed it is. Every guess, of whatever form, takes the same way: a hash and a look
-- into an index of hashes.
local function find_user(request)
  local secret = request.params.name:match("^(.*)%.ics$") or ""
  local rows, err = db.query(BY_HASH, hash_of(secret))
  if not rows then
    return nil, store.problem(err)
  end
  local now_ms = time.monotonic_ms()
  if not rows[1] then
    failed_total:add(1)
    local allowed, wait = failures:take(request.remote, now_ms)
    if not allowed then
      return too_many(wait)
    end
    return nil, problem.not_found("There is nothing here")
  end
  local allowed, wait = reads:take(rows[1].user_id, now_ms)
  if not allowed then
    return too_many(wait)
  end
  return rows[1].user_id
end

-- Others' turn.
local function pause()
  fiber.sleep(1)
end

local function etag_of(state, now_ms, todo)
  return '"' .. crypto.hex(crypto.sha256(ical_export.variant(now_ms, todo) .. "\n" .. state))
    :sub(1, 40) .. '"'
end

local function state_of(rows)
  local parts = {}
  for i, row in ipairs(rows) do
    parts[i] = row.id .. " " .. string.format("%d", row.version)
  end
  return table.concat(parts, ",")
end

-- What a client has is asked for without its tasks: most of its requests find nothing new.
local function is_fresh(request, user, now_ms, todo)
  local known = request.headers["if-none-match"]
  if not known then
    return false
  end
  local rows, err = db.query(READ[todo].state, user)
  if not rows then
    return nil, store.problem(err)
  end
  local tag = etag_of(rows[1].state, now_ms, todo)
  return entity_tag.matches(known, tag), nil, tag
end

---GET /calendar/{secret}.ics
---@param request service.Request
---@return integer, any, table|nil
function calendar_feed.read(request)
  local user, why = find_user(request)
  if not user then
    return problem.reply(why)
  end
  local kind = request.args.todo
  if kind and kind ~= "0" and kind ~= "1" then
    return problem.reply(problem.unprocessable("todo must be 1, for tasks instead of events, or 0"))
  end
  local todo = kind == "1"
  local now_ms = time.now_ms()
  local fresh, failed, tag = is_fresh(request, user, now_ms, todo)
  if failed then
    return problem.reply(failed)
  end
  local headers = { ["Content-Type"] = "text/calendar; charset=utf-8",
    ["Cache-Control"] = "private, max-age=60",
    ["Content-Disposition"] = 'inline; filename="tasks.ics"' }
  if fresh then
    headers.ETag = tag
    return 304, "", headers
  end
  local rows, err = db.query(READ[todo].rows, user)
  if not rows then
    return problem.reply(store.problem(err))
  end
  headers.ETag = etag_of(state_of(rows), now_ms, todo)
  for i, row in ipairs(rows) do
    rows[i] = task_fields.from_row(row)
  end
  return 200, ical_export.calendar(rows, now_ms, todo, pause), headers
end

return calendar_feed

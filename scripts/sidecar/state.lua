-- The state API: a value, its version (the ETag) and when it ends, by app and key.
local components = require("sidecar.components")
local db = require("host.db")
local errors = require("sidecar.errors")
local json = require("lib.json")
local rawjson = require("lib.rawjson")

local state = {}

local ALIVE = "(expires_at IS NULL OR expires_at > clock_timestamp())"
local GET = "SELECT key, value, version FROM sidecar.state WHERE store = $1"
  .. " AND key = ANY ($2::text[]) AND " .. ALIVE
-- $5: the version that an existing key must have, "" for any; $6: only if there is none.
local SAVE = "INSERT INTO sidecar.state AS s (store, key, value, expires_at) VALUES ($1, $2, $3,"
  .. " clock_timestamp() + make_interval(secs => nullif($4, '')::float))"
  .. " ON CONFLICT (store, key) DO UPDATE SET value = EXCLUDED.value, version = s.version + 1,"
  .. " expires_at = CASE WHEN $4 = '' AND NOT $7::boolean AND s.expires_at > clock_timestamp()"
  .. " THEN s.expires_at ELSE EXCLUDED.expires_at END"
  .. " WHERE s.expires_at <= clock_timestamp()"
  .. " OR NOT $6::boolean AND ($5 = '' OR s.version = $5::bigint) RETURNING version"
local DELETE = "WITH old AS (SELECT version FROM sidecar.state WHERE store = $1 AND key = $2 AND "
  .. ALIVE .. "), gone AS (DELETE FROM sidecar.state WHERE store = $1 AND key = $2"
  .. " AND ($3 = '' OR version = $3::bigint) RETURNING 1)"
  .. " SELECT (SELECT count(*) FROM old) AS had, (SELECT count(*) FROM gone) AS gone"
local EXPIRE = "DELETE FROM sidecar.state WHERE expires_at < clock_timestamp()"

local MALFORMED = "ERR_MALFORMED_REQUEST"

local function find_store(call, name)
  local component = components.find(call.app.id, "state", name)
  if component then
    return component
  end
  if #components.all(call.app.id, "state") == 0 then
    return nil, { errors.reply(500, "ERR_STATE_STORE_NOT_CONFIGURED",
      "state store is not configured") }
  end
  return nil, { errors.reply(400, "ERR_STATE_STORE_NOT_FOUND",
    "state store " .. name .. " is not found") }
end

-- The key as it is stored; nil and a reply for one that may not be.
local function full_key(call, component, key)
  if key:find("||", 1, true) then
    return nil, { errors.reply(400, MALFORMED, "input key/keyPrefix '" .. key
      .. "' can't contain '||'") }
  end
  local prefix = component.metadata.keyPrefix or "appid"
  if prefix == "none" then
    return key
  elseif prefix == "name" then
    prefix = component.name
  elseif prefix == "namespace" then
    prefix = "default." .. call.app.id
  elseif prefix == "appid" then
    prefix = call.app.id
  end
  return prefix .. "||" .. key
end

local function database_failed(code, err)
  return { errors.reply(500, code, "the state store failed: " .. err.message) }
end

local function is_object(value)
  return type(value) == "table" and not json.is_list(value)
end

---@class state.Change
---@field operation "upsert"|"delete"
---@field key string
---@field value string|nil   JSON text
---@field etag string        "" for any
---@field ttl string         seconds, "" for none
---@field persist boolean    an end that was set is taken away
---@field create boolean     only if there is none

local function read_ttl(metadata)
  local ttl = metadata.ttlInSeconds
  if ttl == nil then
    return "", false
  end
  local number = type(ttl) == "string" and tonumber(ttl)
  if not number or number % 1 ~= 0 then
    return nil
  end
  return number > 0 and string.format("%d", number) or "", number <= 0
end

-- Reads one item of a save or a transaction. Fails with {status, code, message}.
local function read_item(call, component, item, text, query)
  if not is_object(item) or type(item.key) ~= "string" then
    return nil, { errors.reply(400, MALFORMED, "an item has no key") }
  end
  local key, problem = full_key(call, component, item.key)
  if not key then
    return nil, problem
  end
  local options = is_object(item.options) and item.options or {}
  local concurrency = options.concurrency or ""
  if concurrency ~= "" and concurrency ~= "first-write" and concurrency ~= "last-write" then
    return nil, { errors.reply(500, "ERR_STATE_SAVE", "unrecognized concurrency type "
      .. tostring(concurrency)) }
  end
  local metadata = {}
  for _, source in ipairs({ is_object(item.metadata) and item.metadata or {}, query }) do
    for name, value in pairs(source) do
      metadata[name] = value
    end
  end
  local ttl, persist = read_ttl(metadata)
  if not ttl then
    return nil, { errors.reply(500, "ERR_STATE_SAVE", "incorrect value for metadata ttlInSeconds") }
  end
  local etag = type(item.etag) == "string" and concurrency ~= "last-write" and item.etag or ""
  local create = etag == "0" and concurrency == "first-write"
  if create then
    etag = ""
  end
  return { operation = "upsert", key = key, etag = etag, ttl = ttl, persist = persist,
    create = create, value = text and rawjson.member(text, "value") or "null" }
end

local function is_version(etag)
  return etag == "" or etag:find("^%d+$") ~= nil and #etag < 19
end

local function save_values(component, change)
  return component.name, change.key, change.value, change.ttl, change.etag, change.create,
    change.persist
end

-- Saves one. true, or nil and a reply.
local function save_one(component, change)
  if not is_version(change.etag) then
    return nil, { errors.reply(400, "ERR_STATE_SAVE", "invalid etag value: " .. change.etag) }
  end
  local rows, err = db.execute(SAVE, save_values(component, change))
  if not rows then
    return nil, database_failed("ERR_STATE_SAVE", err)
  end
  if #rows == 0 then
    return nil, { errors.reply(409, "ERR_STATE_SAVE",
      "failed saving state in state store " .. component.name .. ": possible etag mismatch") }
  end
  return true
end

---@return integer, string, table|nil
function state.save(call, name)
  local component, problem = find_store(call, name)
  if not component then
    return unpack(problem)
  end
  local list = json.decode(call.request.body)
  if not json.is_list(list) then
    return errors.reply(400, MALFORMED, "failed deserializing HTTP body: a JSON array is expected")
  end
  local texts, changes = rawjson.items(call.request.body), {}
  for i, item in ipairs(list) do
    changes[i], problem = read_item(call, component, item, texts[i], call.metadata)
    if not changes[i] then
      return unpack(problem)
    end
  end
  for _, change in ipairs(changes) do
    local saved
    saved, problem = save_one(component, change)
    if not saved then
      return unpack(problem)
    end
  end
  return errors.no_content()
end

local function read(component, keys)
  local rows, err = db.query(GET, component.name, keys)
  if not rows then
    return nil, database_failed("ERR_STATE_GET", err)
  end
  local found = {}
  for _, row in ipairs(rows) do
    found[row.key] = row
  end
  return found
end

---@return integer, string, table|nil
function state.get(call, name, key)
  local component, problem = find_store(call, name)
  local full, found
  if component then
    full, problem = full_key(call, component, key)
  end
  if full then
    found, problem = read(component, { full })
  end
  if not found then
    return unpack(problem)
  end
  local row = found[full]
  if not row then
    return errors.no_content()
  end
  return errors.ok(row.value, { ETag = string.format("%d", row.version) })
end

---@return integer, string, table|nil
function state.get_bulk(call, name)
  local component, problem = find_store(call, name)
  if not component then
    return unpack(problem)
  end
  local body = json.decode(call.request.body)
  if not is_object(body) or not json.is_list(body.keys or json.list({})) then
    return errors.reply(400, MALFORMED, "failed deserializing HTTP body")
  end
  local keys, full = body.keys or {}, {}
  for i, key in ipairs(keys) do
    full[i], problem = full_key(call, component, tostring(key))
    if not full[i] then
      return unpack(problem)
    end
  end
  local found
  found, problem = read(component, full)
  if not found then
    return unpack(problem)
  end
  local parts = {}
  for i, key in ipairs(keys) do
    local row = found[full[i]]
    parts[i] = '{"key":' .. json.encode(tostring(key)) .. (row and ',"data":' .. row.value
      .. ',"etag":"' .. string.format("%d", row.version) .. '"' or "") .. "}"
  end
  return errors.ok("[" .. table.concat(parts, ",") .. "]")
end

---@return integer, string, table|nil
function state.delete(call, name, key)
  local component, problem = find_store(call, name)
  local full
  if component then
    full, problem = full_key(call, component, key)
  end
  if not full then
    return unpack(problem)
  end
  local etag = call.request.headers["if-match"] or ""
  local rows, err
  if is_version(etag) then
    rows, err = db.execute(DELETE, component.name, full, etag)
    if not rows then
      return unpack(database_failed("ERR_STATE_DELETE", err))
    end
  end
  if not rows or etag ~= "" and rows[1].gone == 0 and rows[1].had > 0 then
    return errors.reply(409, "ERR_STATE_DELETE", "possible etag mismatch")
  end
  return errors.no_content()
end

local function read_operation(call, component, item, text)
  local request = is_object(item) and item.request
  if not is_object(request) then
    return nil, { errors.reply(400, MALFORMED, "an operation has no request") }
  end
  if item.operation ~= "upsert" and item.operation ~= "delete" then
    return nil, { errors.reply(400, "ERR_NOT_SUPPORTED_STATE_OPERATION",
      "operation type " .. tostring(item.operation) .. " not supported") }
  end
  local change, problem = read_item(call, component, request, rawjson.member(text, "request"), {})
  if change then
    change.operation = item.operation
  end
  return change, problem
end

-- All or nothing, unlike Dapr with Redis.
local function run_transaction(component, changes)
  return db.transaction(function(tx)
    for _, change in ipairs(changes) do
      local rows, err
      if change.operation == "upsert" then
        rows, err = tx:query(SAVE, save_values(component, change))
      else
        rows, err = tx:query(DELETE, component.name, change.key, change.etag)
      end
      if not rows then
        return nil, err
      end
      local first = rows[1]
      if not first or change.operation == "delete" and change.etag ~= "" and first.gone == 0 then
        return nil, { message = "possible etag mismatch" }
      end
    end
    return true
  end)
end

---@return integer, string, table|nil
function state.transaction(call, name)
  local component, problem = find_store(call, name)
  if not component then
    return unpack(problem)
  end
  local body = json.decode(call.request.body)
  if not is_object(body) or not json.is_list(body.operations or json.list({})) then
    return errors.reply(400, MALFORMED, "failed deserializing HTTP body")
  end
  local changes = {}
  local texts = body.operations
    and rawjson.items(rawjson.member(call.request.body, "operations") --[[@as string]])
    or {}
  for i, item in ipairs(body.operations or {}) do
    changes[i], problem = read_operation(call, component, item, texts[i])
    if not changes[i] then
      return unpack(problem)
    end
    if not is_version(changes[i].etag) then
      return errors.reply(500, "ERR_STATE_TRANSACTION", "invalid etag value")
    end
  end
  local done, err = run_transaction(component, changes)
  if not done then
    return errors.reply(500, "ERR_STATE_TRANSACTION",
      "error while executing state transaction: " .. err.message)
  end
  return errors.no_content()
end

---Forgets what has expired (waits).
function state.expire()
  db.execute(EXPIRE)
end

return state

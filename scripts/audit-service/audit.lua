-- The audit log: records each event of a task once, and tells its user what happened.
local crypto = require("host.crypto")
local db = require("host.db")
local inbox = require("lib.inbox")
local json = require("lib.json")
local params = require("lib.params")
local problem = require("lib.problem")
local rules = require("lib.rules")
local store = require("lib.store")
local time = require("host.time")

local audit = {}

local RECORD = "INSERT INTO audit.audit_log (event_id, event_type, user_id, task_id, version,"
  .. " occurred_at, source, payload) VALUES ($1::uuid, $2, $3, $4::uuid, $5::integer,"
  .. " $6::timestamptz, $7, $8::jsonb) ON CONFLICT (event_id) DO NOTHING"
local RECORD_ALL = "INSERT INTO audit.audit_log (event_id, event_type, user_id, task_id, version,"
  .. " occurred_at, source, payload) SELECT * FROM unnest($1::text[]::uuid[], $2::text[],"
  .. " $3::text[], $4::text[]::uuid[], $5::text[]::integer[], $6::text[]::timestamptz[],"
  .. " $7::text[], $8::text[]::jsonb[]) ON CONFLICT (event_id) DO NOTHING"

-- The state before is the payload of the version before: right however late or out of order they
-- came.
local LIST = "SELECT a.id, a.event_id, a.event_type, a.user_id, a.task_id, a.version,"
  .. " a.occurred_at, a.source, a.payload::text AS payload, b.payload::text AS before"
  .. " FROM audit.audit_log AS a LEFT JOIN audit.audit_log AS b ON b.task_id = a.task_id"
  .. " AND b.version = a.version - 1 AND a.event_type IN ('task.updated', 'task.completed')"
  .. " WHERE %s ORDER BY a.occurred_at, a.id LIMIT %s"
local COUNT = "SELECT count(*) AS total FROM audit.audit_log AS a WHERE %s"

local LIMIT = params.limit(100, 1000)
local UUID, MOMENT = { type = "string", format = "uuid" }, { type = "string", format = "date-time" }

-- What the query string may say; the description of the API lists the same.
audit.PARAMETERS = {
  { name = "task_id", schema = UUID },
  { name = "event_type", schema = { type = "string", examples = { "task.completed" } } },
  { name = "from", schema = MOMENT, description = "At this time or later." },
  { name = "to", schema = MOMENT, description = "Before this time." },
  { name = "user_id", schema = { type = "string" },
    description = "Anybody else than the token's user has no entries." },
  LIMIT,
  { name = "cursor", schema = { type = "string", format = "cursor" },
    description = "next_cursor of the page before." },
}

-- What the log itself stands on.
local ALWAYS = { id = true, user_id = true, version = true, status = true }
local HIDDEN = "[hidden]"

-- The payload as the rules want it kept; nil when the event is not to be recorded.
local function redact(event)
  local payload, tags = event.payload, {}
  for i, tag in ipairs(type(payload.tags) == "table" and payload.tags or {}) do
    tags[i] = type(tag) == "string" and tag or ""
  end
  local decision = rules.call("audit.keep", { event_type = event.event_type,
    user_id = event.user_id, tags = tags,
    title = type(payload.title) == "string" and payload.title or nil })
  if not decision.keep then
    return nil
  elseif #decision.hide + #decision.drop == 0 then
    return payload
  end
  local kept = {}
  for name, value in pairs(payload) do
    kept[name] = value
  end
  for _, name in ipairs(decision.hide) do
    if kept[name] ~= nil and not ALWAYS[name] then
      kept[name] = type(kept[name]) == "string" and HIDDEN or json.null
    end
  end
  for _, name in ipairs(decision.drop) do
    kept[name] = ALWAYS[name] and kept[name] or nil
  end
  return kept
end

-- The values of an event's row; nil and a message when it can have none; false when the rules do
-- not want it kept.
local function row_of(event)
  local version = event.payload.version
  if type(version) ~= "number" or version % 1 ~= 0 or version < 1 or version > 2 ^ 31 - 1 then
    return nil, "payload.version is not a whole number"
  end
  if event.event_type == "task.deleted" then
    version = version + 1 -- its payload is the last state, of the version before
  end
  local payload = redact(event)
  if not payload then
    return false
  end
  -- In UTC: PostgreSQL does not know all offsets that RFC 3339 allows.
  return { event.event_id, event.event_type, event.user_id, event.task_id,
    string.format("%d", version), time.format(time.parse(event.timestamp)), event.source,
    json.encode(payload) }
end

local function record_row(row)
  local rows, why = inbox.effect(RECORD, unpack(row))
  if not rows then
    return nil, why
  end
  return "SUCCESS"
end

---Records an event as far as the rules want it kept; a second time changes nothing.
---@param event cloudevent.Event
---@return "SUCCESS"|"DROP"|nil
---@return string|Problem|nil  why it is dropped, or a problem
function audit.record(event)
  local row, message = row_of(event)
  if row then
    return record_row(row)
  elseif row == false then
    return "SUCCESS"
  end
  return "DROP", message
end

---Records events by one statement, and each alone when the database does not take them together.
---@param events cloudevent.Event[]
---@return subscription.Outcome[]
function audit.record_all(events)
  local outcomes, rows = {}, {}
  ---@type any[][]
  local columns = { {}, {}, {}, {}, {}, {}, {}, {} }
  for i, event in ipairs(events) do
    local row, message = row_of(event)
    if row then
      rows[i] = row
      for n, column in ipairs(columns) do
        column[#column + 1] = row[n]
      end
    else
      outcomes[i] = { row == false and "SUCCESS" or "DROP", message }
    end
  end
  ---@type any, Problem|nil
  local good, why = #columns[1] == 0, nil
  if not good then
    good, why = inbox.effect(RECORD_ALL, unpack(columns))
  end
  for i, row in pairs(rows) do
    if good then
      outcomes[i] = { "SUCCESS" }
    elseif why.status == 503 then
      outcomes[i] = { nil, why }
    else
      outcomes[i] = { record_row(row) }
    end
  end
  return outcomes
end

local function read_cursor(text)
  local decoded = crypto.base64url_decode(text)
  local cursor = decoded and json.decode(decoded)
  if type(cursor) == "table" and type(cursor.id) == "number" and type(cursor.at) == "string"
    and time.parse(cursor.at) then
    return cursor
  end
end

local function check(args)
  local message = params.problem(audit.PARAMETERS, args)
  if message then
    return message
  end
  if args.cursor and not read_cursor(args.cursor) then
    return "cursor is not one that this list gave"
  end
end

-- Only the fields that are not the same, each with what it was and what it is.
local function changes_of(before, after)
  local changes, any = {}, false
  for name, value in pairs(after) do
    local old = before[name]
    if name ~= "changed" and name ~= "version" and name ~= "updated_at"
      and json.encode({ old }) ~= json.encode({ value }) then
      changes[name] = { before = old == nil and json.null or old, after = value }
      any = true
    end
  end
  return any and changes or json.null
end

local function to_entry(row)
  local payload = json.decode(row.payload)
  local before = row.before and json.decode(row.before)
  return { event_id = row.event_id, event_type = row.event_type, user_id = row.user_id,
    task_id = row.task_id, version = row.version, timestamp = row.occurred_at, source = row.source,
    payload = payload, changes = before and changes_of(before, payload) or json.null }
end

-- A user sees only their own rows, whoever's were asked for.
local function conditions(user, args)
  local parts, values = { "a.user_id = $1" }, { user }
  local function where(text, value)
    values[#values + 1] = value
    parts[#parts + 1] = (text:gsub("?", "$" .. #values))
  end
  if args.task_id then
    where("a.task_id = ?::uuid", args.task_id)
  end
  if args.event_type then
    where("a.event_type = ?", args.event_type)
  end
  if args.from then
    where("a.occurred_at >= ?::timestamptz", args.from)
  end
  if args.to then
    where("a.occurred_at < ?::timestamptz", args.to)
  end
  return parts, values
end

---@param user string
---@param args table<string, string>  of GET /api/v1/audit-log
---@return {entries: table[], total: integer, next_cursor: string|nil}|nil
---@return Problem|nil problem
---@return_overload {entries: table[], total: integer, next_cursor: string|nil}, nil
---@return_overload nil, Problem
function audit.list(user, args)
  local message = check(args)
  if message then
    return nil, problem.unprocessable(message)
  end
  if args.user_id and args.user_id ~= user then
    return { entries = json.list({}), total = 0 }
  end
  local parts, values = conditions(user, args)
  local counted, err = db.query(COUNT:format(table.concat(parts, " AND ")), unpack(values))
  if not counted then
    return nil, store.problem(err)
  end
  if args.cursor then
    local cursor = read_cursor(args.cursor)
    values[#values + 1] = cursor.at
    values[#values + 1] = string.format("%d", cursor.id)
    parts[#parts + 1] = ("(date_trunc('milliseconds', a.occurred_at), a.id) > ($%d::timestamptz,"
      .. " $%d::bigint)"):format(#values - 1, #values)
  end
  local limit = params.limit_of(LIMIT, args.limit)
  values[#values + 1] = limit + 1
  local rows
  rows, err = db.query(LIST:format(table.concat(parts, " AND "), "$" .. #values .. "::integer"),
    unpack(values))
  if not rows then
    return nil, store.problem(err)
  end
  local entries = json.list({})
  for i = 1, math.min(#rows, limit) do
    entries[i] = to_entry(rows[i])
  end
  local answer = { entries = entries, total = counted[1].total }
  if #rows > limit then
    local last = rows[limit]
    answer.next_cursor = crypto.base64url_encode(json.encode({ at = last.occurred_at,
      id = last.id }))
  end
  return answer
end

return audit

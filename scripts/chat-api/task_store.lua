-- Every change of a task as one SQL statement that writes the task, its outbox rows and its
-- reminder together. The statement is atomic by itself, so the host may commit it together with
-- those of other requests. Nothing is decided here. The events are a part of the fiber's trace.
local db = require("host.db")
local fiber = require("host.fiber")
local time = require("host.time")

local task_store = {}

local COLUMNS = "id, user_id, title, description, status, priority, due_date, tags,"
  .. " reminder_offset_minutes, remind_at, recurrence_rule, parent_task_id, timezone, repeat_from,"
  .. " version, created_at, updated_at"

-- $1 id … $17 updated_at as in COLUMNS, $18 traceparent, then per event: topic, id, type, data.
local EVENTS = "($19, $20::uuid, $21, $22), ($23, $24::uuid, $25, $26)"
local INTO_OUTBOX = " INSERT INTO chat.outbox (topic, key, version, event_id, event_type, data,"
  .. " traceparent) SELECT e.topic, t.id, t.version, e.id, e.type, e.data, $18"
  .. " FROM t, (VALUES " .. EVENTS .. ") AS e (topic, id, type, data)"
local VALUES = "$1::uuid, $2, $3, $4, $5, $6, $7::timestamptz, $8::text[], $9::integer,"
  .. " $10::timestamptz, $11, $12::uuid, $13, $14, $15::integer, $16::timestamptz,"
  .. " $17::timestamptz"

local INTO_TASK = " t AS (INSERT INTO chat.task (" .. COLUMNS .. ")"
local INSERT = "WITH t AS (INSERT INTO chat.task (" .. COLUMNS .. ") VALUES (" .. VALUES
  .. ") RETURNING id, version)"
-- The answer is stored first: whoever finds it there changes nothing.
local INSERT_ONCE = "WITH k AS (INSERT INTO chat.idempotency (user_id, key, request_hash, body)"
  .. " VALUES ($2, $27, $28, $29) ON CONFLICT DO NOTHING RETURNING 1),"
  .. INTO_TASK .. " SELECT " .. VALUES .. " FROM k RETURNING id, version)"
-- The next occurrence of a task, once per event and once per parent, and only of a parent that is,
-- or was, the user's.
local INSERT_NEXT = "WITH i AS (INSERT INTO chat.inbox (event_id) VALUES ($27::uuid)"
  .. " ON CONFLICT DO NOTHING RETURNING 1),"
  .. " o AS (SELECT 1 FROM chat.task WHERE id = $12::uuid AND user_id = $2 UNION"
  .. " SELECT 1 FROM chat.departed_parent WHERE task_id = $12::uuid AND user_id = $2),"
  .. INTO_TASK .. " SELECT " .. VALUES .. " FROM i, o ON CONFLICT DO NOTHING RETURNING id, version)"
-- What was imported, once per UID. That the task of an earlier import is gone cannot be asked
-- here: of one that is just being made this statement would see the row and not the task.
local INSERT_IMPORTED = "WITH k AS (INSERT INTO chat.calendar_import (user_id, uid_hash, task_id)"
  .. " VALUES ($2, $27, $1::uuid) ON CONFLICT DO NOTHING RETURNING 1),"
  .. INTO_TASK .. " SELECT " .. VALUES .. " FROM k RETURNING id, version)"
local FORGET_IMPORTED = "DELETE FROM chat.calendar_import AS i WHERE user_id = $1"
  .. " AND uid_hash = ANY($2::text[])"
  .. " AND NOT EXISTS (SELECT 1 FROM chat.task WHERE id = i.task_id)"
local UPDATE = "WITH t AS (UPDATE chat.task SET title = $3, description = $4, status = $5,"
  .. " priority = $6, due_date = $7::timestamptz, tags = $8::text[],"
  .. " reminder_offset_minutes = $9::integer, remind_at = $10::timestamptz, recurrence_rule = $11,"
  .. " parent_task_id = $12::uuid, timezone = $13, repeat_from = $14, version = $15::integer,"
  .. " created_at = $16::timestamptz, updated_at = $17::timestamptz"
  .. " WHERE id = $1::uuid AND user_id = $2 AND version = $15::integer - 1 RETURNING id, version)"
-- Any task that was ever changed may have been completed in between, and its next one on its way.
local DELETE = "WITH t AS (DELETE FROM chat.task WHERE id = $1::uuid AND user_id = $2"
  .. " AND version = $3::integer RETURNING id, version + 1 AS version, version > 1 AS is_parent),"
  .. " p AS (INSERT INTO chat.departed_parent (task_id, user_id) SELECT id, $2 FROM t"
  .. " WHERE is_parent ON CONFLICT (task_id) DO UPDATE SET departed_at = now()),"
  .. " d AS (INSERT INTO chat.deleted_task (task_id, user_id, version, task)"
  .. " SELECT id, $2, version - 1, $13 FROM t ON CONFLICT (task_id) DO UPDATE SET version ="
  .. " EXCLUDED.version, task = EXCLUDED.task, user_id = EXCLUDED.user_id, deleted_at = now())"
-- A deleted task as it was, two versions on: one is that of its deletion.
local RESTORE = "WITH d AS (SELECT task_id FROM chat.deleted_task WHERE task_id = $1::uuid"
  .. " AND user_id = $2 AND version = $15::integer - 2 FOR UPDATE),"
  .. INTO_TASK .. " SELECT " .. VALUES .. " FROM d ON CONFLICT DO NOTHING RETURNING id, version),"
  .. " g AS (DELETE FROM chat.deleted_task AS d USING t WHERE d.task_id = t.id)"
local DELETE_INTO_OUTBOX = " INSERT INTO chat.outbox (topic, key, version, event_id, event_type,"
  .. " data, traceparent) SELECT e.topic, t.id, t.version, e.id, e.type, e.data, $4 FROM t, (VALUES"
  .. " ($5, $6::uuid, $7, $8), ($9, $10::uuid, $11, $12)) AS e (topic, id, type, data)"

local JOB = " INSERT INTO chat.job_change (task_id, due_at, version) SELECT id, %s, version FROM t"
  .. " ON CONFLICT (task_id) DO UPDATE SET due_at = EXCLUDED.due_at, version = EXCLUDED.version)"
local SET_REMINDER = ", r AS (INSERT INTO chat.reminder (task_id, user_id, remind_at, version)"
  .. " SELECT id, $2, $10::timestamptz, version FROM t ON CONFLICT (task_id) DO UPDATE"
  .. " SET remind_at = EXCLUDED.remind_at, version = EXCLUDED.version),"
  .. " j AS (" .. JOB:format("$10::timestamptz")
local CLEAR_REMINDER = ", r AS (DELETE FROM chat.reminder AS r USING t WHERE r.task_id = t.id),"
  .. " j AS (" .. JOB:format("NULL::timestamptz")

-- By what becomes of the reminder.
local function with_reminder(head, tail)
  return { keep = head .. tail, set = head .. SET_REMINDER .. tail,
    clear = head .. CLEAR_REMINDER .. tail }
end

local INSERTS = with_reminder(INSERT, INTO_OUTBOX)
local INSERTS_ONCE = with_reminder(INSERT_ONCE, INTO_OUTBOX)
local INSERTS_NEXT = with_reminder(INSERT_NEXT, INTO_OUTBOX)
local INSERTS_IMPORTED = with_reminder(INSERT_IMPORTED, INTO_OUTBOX)
local UPDATES = with_reminder(UPDATE, INTO_OUTBOX)
local DELETES = with_reminder(DELETE, DELETE_INTO_OUTBOX)
local RESTORES = with_reminder(RESTORE, INTO_OUTBOX)

local SELECT = "SELECT " .. COLUMNS .. " FROM chat.task WHERE id = $1::uuid AND user_id = $2"
local SELECT_DELETED = "SELECT " .. COLUMNS .. " FROM (SELECT t.* FROM chat.deleted_task AS d"
  .. " CROSS JOIN LATERAL jsonb_populate_record(NULL::chat.task, d.task::jsonb) AS t"
  .. " WHERE d.task_id = $1::uuid AND d.user_id = $2) AS t"
local SELECT_CHILD = "SELECT " .. COLUMNS
  .. " FROM chat.task WHERE parent_task_id = $1::uuid AND user_id = $2"
local SELECT_REMINDERS = "SELECT " .. COLUMNS .. ", count(*) OVER () AS total FROM chat.task"
  .. " WHERE user_id = $1 AND status <> 'completed' AND remind_at >= $2::timestamptz"
  .. " AND ($3::timestamptz IS NULL OR remind_at < $3::timestamptz)"
  .. " ORDER BY remind_at, id LIMIT $4::integer"
local SELECT_COMPLETED = "SELECT " .. COLUMNS .. ", count(*) OVER () AS total FROM chat.task"
  .. " WHERE user_id = $1 AND status = 'completed' AND (tstzrange($2::timestamptz,"
  .. " $3::timestamptz) @> updated_at OR tstzrange($2::timestamptz, $3::timestamptz) @> due_date)"
  .. " ORDER BY updated_at DESC, id LIMIT $4::integer"
local SELECT_TIMEZONE = "SELECT timezone FROM (SELECT timezone, created_at FROM chat.task"
  .. " WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT 50) AS newest"
  .. " WHERE timezone IS NOT NULL ORDER BY created_at DESC LIMIT 1"
local SELECT_ANSWER = "SELECT request_hash, body FROM chat.idempotency"
  .. " WHERE user_id = $1 AND key = $2"
local IS_PARENT = "SELECT 1 FROM chat.task WHERE id = $1::uuid AND user_id = $2 UNION ALL"
  .. " SELECT 1 FROM chat.departed_parent WHERE task_id = $1::uuid AND user_id = $2"

task_store.COLUMNS = COLUMNS

local function at(ms)
  return ms and time.format(ms) or nil
end

local on_commit = function(_, _) end

---@param fn fun(id: string, has_job: boolean)  called after each commit with a task's id
function task_store.on_commit(fn)
  on_commit = fn
end

local function committed(id, reminder, rows, err)
  if rows and rows.affected > 0 then
    on_commit(id, reminder ~= "keep")
  end
  return rows, err
end

-- Runs a statement whose values are the task and its events.
local function write(statements, reminder, task, change, ...)
  local first, second = change.events[1], change.events[2]
  return committed(task.id, reminder, db.execute(statements[reminder], task.id, task.user_id,
    task.title, task.description, task.status, task.priority, at(task.due_date), task.tags,
    task.reminder_offset_minutes, at(task.remind_at), task.recurrence_rule, task.parent_task_id,
    task.timezone, task.repeat_from, task.version, at(task.created_at), at(task.updated_at),
    fiber.traceparent(), first.topic, first.id, first.type, first.data,
    second.topic, second.id, second.type, second.data, ...))
end

-- A task reminds of itself while it is open. What would have been in the past is not armed: only a
-- series, or a task that is opened again, can bring such a one.
local function reminder_of(before, after, now_ms)
  local had = before and before.remind_at and before.status ~= "completed" and before.remind_at
  local has = after and after.remind_at and after.status ~= "completed" and after.remind_at
  if has == had then
    return "keep"
  end
  if has and has >= now_ms then
    return "set"
  end
  return had and "clear" or "keep"
end

---@param task table
---@param change task_events.Change
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.insert(task, change)
  local reminder = reminder_of(nil, task, task.created_at)
  return write(INSERTS, reminder, task, change)
end

---As insert, unless the user has used the key before.
---@param key string
---@param hash string  of the request
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.insert_once(task, change, key, hash)
  local reminder = reminder_of(nil, task, task.created_at)
  return write(INSERTS_ONCE, reminder, task, change, key, hash, change.text)
end

---As insert, for the next occurrence of task.parent_task_id, unless the event was seen, the parent
---has one or is not the user's.
---@param event_id string
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.insert_next(task, change, event_id)
  local reminder = reminder_of(nil, task, task.created_at)
  return write(INSERTS_NEXT, reminder, task, change, event_id)
end

---As insert, unless the user has imported this UID before (see forget_imported).
---@param uid_hash string
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.insert_imported(task, change, uid_hash)
  local reminder = reminder_of(nil, task, task.created_at)
  return write(INSERTS_IMPORTED, reminder, task, change, uid_hash)
end

---Forgets imports with these UIDs whose task is gone, so that they may come again.
---@param user string
---@param uid_hashes string[]  a list of lib/json.lua
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.forget_imported(user, uid_hashes)
  return db.execute(FORGET_IMPORTED, user, uid_hashes)
end

---Writes the task if nobody has changed it since `before` was read.
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.update(before, after, change)
  local reminder = reminder_of(before, after, after.updated_at)
  return write(UPDATES, reminder, after, change)
end

---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.delete(task, change)
  local first, second = change.events[1], change.events[2]
  local reminder = reminder_of(task, nil, 0)
  return committed(task.id, reminder, db.execute(DELETES[reminder], task.id, task.user_id,
    task.version, fiber.traceparent(), first.topic, first.id, first.type, first.data,
    second.topic, second.id, second.type, second.data, change.text))
end

---Writes a deleted task again, unless another was faster.
---@param task table  as it is from now on
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.restore(task, change)
  local reminder = reminder_of(nil, task, task.updated_at)
  return write(RESTORES, reminder, task, change)
end

---@param user string
---@param id string  a UUID
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.find(user, id)
  return db.query(SELECT, id, user)
end

---@param user string
---@param id string  a UUID
---@return host.db.Rows|nil rows  the task as it was when it was deleted
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.find_deleted(user, id)
  return db.query(SELECT_DELETED, id, user)
end

---@param user string
---@param parent string  a UUID
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.find_child(user, parent)
  return db.query(SELECT_CHILD, parent, user)
end

---Open tasks whose reminder lies in a span, the first first; each row has the `total` of all.
---@param user string
---@param from_ms integer
---@param to_ms integer|nil  before this
---@param limit integer
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.find_reminders(user, from_ms, to_ms, limit)
  return db.query(SELECT_REMINDERS, user, at(from_ms), at(to_ms), limit)
end

---Completed tasks that were due in a span, or changed last in it, the last first; each row has the
---`total` of all.
---@param user string
---@param from_ms integer|nil
---@param to_ms integer|nil  before this
---@param limit integer
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.find_completed(user, from_ms, to_ms, limit)
  return db.query(SELECT_COMPLETED, user, at(from_ms), at(to_ms), limit)
end

---@param user string
---@return host.db.Rows|nil rows  {timezone}, of the newest task that has one, if one of them has
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.find_timezone(user)
  return db.query(SELECT_TIMEZONE, user)
end

---The answer that an earlier request with this key got.
---@return host.db.Rows|nil rows  {request_hash, body}
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.find_answer(user, key)
  return db.query(SELECT_ANSWER, user, key)
end

---@return host.db.Rows|nil rows  none: there is and was no such task of this user
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function task_store.find_parent(user, id)
  return db.query(IS_PARENT, id, user)
end

return task_store

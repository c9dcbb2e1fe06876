-- The tasks of a user: every change is one statement that writes the task and its outbox rows
-- together, guarded by the version that was read. The statement is atomic by itself, so the host
-- may commit it together with those of other requests. REST, chat and MCP all come through here.
-- Expected failure is nil and a problem (lib/problem.lua).
local crypto = require("host.crypto")
local db = require("host.db")
local fiber = require("host.fiber")
local json = require("lib.json")
local problem = require("lib.problem")
local store = require("lib.store")
local task_events = require("chat-api.task_events")
local task_fields = require("chat-api.task_fields")
local task_query = require("chat-api.task_query")
local time = require("host.time")

local tasks = {}

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

local INSERT = "WITH t AS (INSERT INTO chat.task (" .. COLUMNS .. ") VALUES (" .. VALUES
  .. ") RETURNING id, version)" .. INTO_OUTBOX
-- The answer is stored first: whoever finds it there changes nothing.
local INSERT_ONCE = "WITH k AS (INSERT INTO chat.idempotency (user_id, key, request_hash, body)"
  .. " VALUES ($2, $27, $28, $29) ON CONFLICT DO NOTHING RETURNING 1),"
  .. " t AS (INSERT INTO chat.task (" .. COLUMNS .. ") SELECT " .. VALUES
  .. " FROM k RETURNING id, version)" .. INTO_OUTBOX
local UPDATE = "WITH t AS (UPDATE chat.task SET title = $3, description = $4, status = $5,"
  .. " priority = $6, due_date = $7::timestamptz, tags = $8::text[],"
  .. " reminder_offset_minutes = $9::integer, remind_at = $10::timestamptz, recurrence_rule = $11,"
  .. " parent_task_id = $12::uuid, timezone = $13, repeat_from = $14, version = $15::integer,"
  .. " created_at = $16::timestamptz, updated_at = $17::timestamptz"
  .. " WHERE id = $1::uuid AND user_id = $2 AND version = $15::integer - 1 RETURNING id, version)"
  .. INTO_OUTBOX
local DELETE = "WITH t AS (DELETE FROM chat.task WHERE id = $1::uuid AND user_id = $2"
  .. " AND version = $3::integer RETURNING id)"
  .. " INSERT INTO chat.outbox (topic, key, version, event_id, event_type, data, traceparent)"
  .. " SELECT e.topic, t.id, $3::integer + 1, e.id, e.type, e.data, $4 FROM t, (VALUES"
  .. " ($5, $6::uuid, $7, $8), ($9, $10::uuid, $11, $12)) AS e (topic, id, type, data)"
local SELECT = "SELECT " .. COLUMNS .. " FROM chat.task WHERE id = $1::uuid AND user_id = $2"
local SELECT_CHILD = "SELECT " .. COLUMNS
  .. " FROM chat.task WHERE parent_task_id = $1::uuid AND user_id = $2"
local SELECT_ANSWER = "SELECT request_hash, body FROM chat.idempotency"
  .. " WHERE user_id = $1 AND key = $2"
local FORGET_ANSWERS = "DELETE FROM chat.idempotency WHERE created_at < now() - interval '48 hours'"

-- How often a change is decided anew because another one came between.
local MAX_RACES = 10

local UUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

local function not_found()
  return problem.not_found("Task not found")
end

local function at(ms)
  return ms and time.format(ms) or nil
end

-- Told of every commit; without one (a spec) events wait for the relay's next look.
local relay

---@param running {wake: fun()}  of lib/outbox.lua
function tasks.use_relay(running)
  relay = running
end

local function committed(rows, err)
  if rows and rows.affected > 0 and relay then
    relay.wake()
  end
  return rows, err
end

-- Runs a statement whose values are the task and its events.
local function write(sql, task, change, traceparent, ...)
  local first, second = change.events[1], change.events[2]
  return committed(db.execute(sql, task.id, task.user_id, task.title, task.description, task.status,
    task.priority, at(task.due_date), task.tags, task.reminder_offset_minutes, at(task.remind_at),
    task.recurrence_rule, task.parent_task_id, task.timezone, task.repeat_from, task.version,
    at(task.created_at), at(task.updated_at), traceparent,
    first.topic, first.id, first.type, first.data,
    second.topic, second.id, second.type, second.data, ...))
end

-- The answer that an earlier request with this key got.
local function first_answer(user, key, hash)
  local rows, err = db.query(SELECT_ANSWER, user, key)
  if not rows then
    return nil, store.problem(err)
  end
  if not rows[1] then
    return nil, problem.conflict("The Idempotency-Key has just been forgotten; send it again")
  end
  if rows[1].request_hash ~= hash then
    return nil, problem.unprocessable("This Idempotency-Key was used with another body")
  end
  return rows[1].body
end

local function create_once(task, change, options)
  local hash = crypto.hex(crypto.sha256(options.body))
  local rows, err
  for _ = 1, 2 do
    -- With the key it is safe to send again what may or may not have been done.
    rows, err = write(INSERT_ONCE, task, change, options.traceparent, options.key, hash,
      change.text)
    if rows or err.code ~= "unknown" then
      break
    end
  end
  if not rows then
    return nil, store.problem(err)
  end
  if rows.affected > 0 then
    return change.text
  end
  return first_answer(task.user_id, options.key, hash)
end

---@class tasks.Options
---@field key string|nil          an Idempotency-Key
---@field body string|nil         the raw request, compared when the key comes again
---@field traceparent string|nil

---Creates a task.
---@param user string
---@param input table  the client's JSON object
---@param options tasks.Options|nil
---@return string|nil text  the task as JSON
---@return table|nil problem
function tasks.create_text(user, input, options)
  options = options or {}
  local now_ms = time.now_ms()
  local task, message = task_fields.create(user, input, now_ms)
  if not task then
    return nil, problem.unprocessable(message)
  end
  local change = task_events.make("task.created", task, nil, now_ms)
  if options.key then
    return create_once(task, change, options)
  end
  local rows, err = write(INSERT, task, change, options.traceparent)
  if not rows then
    return nil, store.problem(err)
  end
  return change.text
end

---The same for callers that want the task as a table, with the keys of the contract.
---@param user string
---@param input table
---@return table|nil task
---@return table|nil problem
function tasks.create(user, input)
  local text, why = tasks.create_text(user, input)
  if not text then
    return nil, why
  end
  return json.decode(text)
end

local function fetch(user, id)
  if type(id) ~= "string" or not id:match(UUID) then
    return nil, not_found()
  end
  local rows, err = db.query(SELECT, id, user)
  if not rows then
    return nil, store.problem(err)
  end
  if not rows[1] then
    return nil, not_found()
  end
  return task_fields.from_row(rows[1])
end

---@param user string
---@param id string
---@return string|nil text  the task as JSON
---@return table|nil problem
---@return integer|nil version
function tasks.get_text(user, id)
  local task, why = fetch(user, id)
  if not task then
    return nil, why
  end
  return task_fields.encode(task), nil, task.version
end

---@param user string
---@param id string
---@return table|nil task
---@return table|nil problem
function tasks.get(user, id)
  local text, why = tasks.get_text(user, id)
  if not text then
    return nil, why
  end
  return json.decode(text)
end

-- Reads the task, lets `decide` make the change from it, writes it if nobody was faster, else
-- again.
-- decide(task, now_ms) -> after, change | nil (nothing to do: the task stays as it is), problem
local function change_task(user, id, expected_version, apply)
  for _ = 1, MAX_RACES do
    local task, why = fetch(user, id)
    if not task then
      return nil, why
    end
    if expected_version and task.version ~= expected_version then
      return nil, problem.precondition_failed("The task has been changed since: its version is "
        .. task.version)
    end
    local text, failed, version = apply(task)
    if text or failed then
      return text, failed, version
    end
  end
  return nil, problem.unavailable("The task is being changed by many at once", 1)
end

local function event_type_of(before, after)
  if after.status == "completed" and before.status ~= "completed" then
    return "task.completed"
  end
  return "task.updated"
end

---Changes what the input names; null clears. Setting the status to completed is a completion.
---@param user string
---@param id string
---@param input table
---@param options {version: integer|nil, traceparent: string|nil}|nil
---@return string|nil text  the task as JSON, as it is now
---@return table|nil problem
---@return integer|nil version
function tasks.update_text(user, id, input, options)
  options = options or {}
  return change_task(user, id, options.version, function(before)
    local now_ms = time.now_ms()
    local after, changed = task_fields.update(before, input, now_ms)
    if not after and type(changed) == "string" then
      return nil, problem.unprocessable(changed)
    end
    if not after then
      return task_fields.encode(before), nil, before.version
    end
    local change = task_events.make(event_type_of(before, after), after, changed, now_ms)
    local rows, err = write(UPDATE, after, change, options.traceparent)
    if not rows then
      return nil, store.problem(err)
    end
    if rows.affected > 0 then
      return change.text, nil, after.version
    end
  end)
end

---@param user string
---@param id string
---@param input table
---@return table|nil task
---@return table|nil problem
function tasks.update(user, id, input)
  local text, why = tasks.update_text(user, id, input)
  if not text then
    return nil, why
  end
  return json.decode(text)
end

---@param user string
---@param id string
---@param options {version: integer|nil, traceparent: string|nil}|nil
---@return table|nil answer  {deleted = true, id = …}
---@return table|nil problem
function tasks.delete(user, id, options)
  options = options or {}
  local text, why = change_task(user, id, options.version, function(task)
    local now_ms = time.now_ms()
    local change = task_events.make("task.deleted", task, nil, now_ms)
    local first, second = change.events[1], change.events[2]
    local rows, err = committed(db.execute(DELETE, task.id, user, task.version, options.traceparent,
      first.topic, first.id, first.type, first.data,
      second.topic, second.id, second.type, second.data))
    if not rows then
      return nil, store.problem(err)
    end
    if rows.affected > 0 then
      return task.id
    end
  end)
  if not text then
    return nil, why
  end
  return { deleted = true, id = text }
end

---The next occurrence of a completed task, when it has been made.
---@param user string
---@param id string
---@return string|nil text
---@return table|nil problem
local function child_text(user, id)
  local rows, err = db.query(SELECT_CHILD, id, user)
  if not rows then
    return nil, store.problem(err)
  end
  return rows[1] and task_fields.encode(task_fields.from_row(rows[1])) or "null"
end

---Completes a task; a second time changes nothing.
---@param user string
---@param id string
---@param options {version: integer|nil, traceparent: string|nil}|nil
---@return string|nil text  {"completed_task": Task, "next_task": Task or null}
---@return table|nil problem
function tasks.complete_text(user, id, options)
  local text, why = tasks.update_text(user, id, { status = "completed" }, options)
  if not text then
    return nil, why
  end
  local child
  child, why = child_text(user, id)
  if not child then
    return nil, why
  end
  return '{"completed_task":' .. text .. ',"next_task":' .. child .. "}"
end

---@param user string
---@param id string
---@return table|nil answer  {completed_task, next_task}
---@return table|nil problem
function tasks.complete(user, id)
  local text, why = tasks.complete_text(user, id)
  if not text then
    return nil, why
  end
  return json.decode(text)
end

-- Rows in the order of the page, one more than asked for when there are more.
local function read_page(query, columns)
  local sql, values = task_query.page(query, columns)
  return db.query(sql, unpack(values, 1, values.n))
end

local function count_all(query)
  local sql, values = task_query.count(query)
  return db.query(sql, unpack(values, 1, values.n))
end

---@class tasks.Page
---@field items string[]      tasks as JSON
---@field total integer       of all that match, on every page
---@field next string|nil     the cursor of the next page

---@param user string
---@param args table<string, any>  as in the query string of GET /api/tasks; tags may be a list
---@return tasks.Page|nil
---@return table|nil problem
function tasks.page(user, args)
  local query, message = task_query.parse(user, args, time.now_ms())
  if not query then
    return nil, problem.unprocessable(message)
  end
  local rows, err, counted, count_err
  if query.after then
    fiber.all({
      function() rows, err = read_page(query, COLUMNS) end,
      function() counted, count_err = count_all(query) end,
    })
  else
    rows, err = read_page(query, COLUMNS)
    if rows and #rows > query.limit then
      counted, count_err = count_all(query)
    elseif rows then
      counted = { { total = #rows } }
    end
  end
  if not rows or not counted then
    return nil, store.problem(err or count_err)
  end
  local page = { items = {}, total = counted[1].total }
  for i = 1, math.min(#rows, query.limit) do
    page.items[i] = task_fields.encode(task_fields.from_row(rows[i]))
  end
  if #rows > query.limit then
    page.next = task_query.cursor(query, rows[query.limit])
  end
  return page
end

---@param user string
---@param args table<string, any>
---@return {items: table[], total: integer}|nil
---@return table|nil problem
function tasks.list(user, args)
  local page, why = tasks.page(user, args)
  if not page then
    return nil, why
  end
  local items = {}
  for i, text in ipairs(page.items) do
    items[i] = json.decode(text)
  end
  return { items = items, total = page.total }
end

---Forgets answers to keyed requests after two days.
function tasks.forget_answers()
  db.execute(FORGET_ANSWERS)
end

return tasks

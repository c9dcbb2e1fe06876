-- What every consumer of events does alike with its own schema: an event's effect is one statement
-- that counts once; events that can never be handled are kept (table dead_event); and which events
-- it has had is forgotten in time (table inbox: event_id, received_at). The schema is the service's
-- own name for its tables, never something from outside.
local db = require("host.db")
local failpoint = require("lib.failpoint")
local fiber = require("host.fiber")
local log = require("host.log")
local metrics = require("host.metrics")
local store = require("lib.store")
local timer = require("host.timer")
local worker = require("host.worker")

local inbox = {}

local BODY_BYTES = 65536
local SWEEP_MS, RETRY_MS = 3600 * 1000, 1000
local COUNT_MS, COUNTED = 15000, 10000
local SWEEP_ROWS = 5000 -- of one statement, so that it is over well before its deadline

---Runs the statement that is an event's whole effect (waits), guarded by its event_id:
---  WITH i AS (INSERT INTO x.inbox (event_id) VALUES ($1::uuid) ON CONFLICT DO NOTHING RETURNING 1)
---  INSERT INTO … SELECT … FROM i
---@param sql string
---@param ... any
---@return host.db.Rows|nil rows  rows.affected is 0 when the event had come before
---@return Problem|nil problem
---@return_overload host.db.Rows, nil
---@return_overload nil, Problem
function inbox.effect(sql, ...)
  failpoint.hit("before_effect_commit")
  local rows, err = db.execute(sql, ...)
  failpoint.hit("after_effect")
  if not rows then
    return nil, store.problem(err)
  end
  return rows
end

-- One worker of a program looks.
local function count_dead(schema)
  local dead = metrics.gauge("events_dead",
    "Rows of dead_event: events that could never be handled; " .. COUNTED .. " at most.", {})
  local sql = "SELECT count(*) AS dead FROM (SELECT 1 FROM " .. schema .. ".dead_event LIMIT "
    .. COUNTED .. ") AS few"
  timer.every(COUNT_MS, function()
    local rows = db.query(sql)
    if rows then
      dead:set(rows[1].dead)
    end
  end)
end

---The `bury` of a subscription.
---@param schema string
---@return fun(topic: string, message: string, body: string): true|nil, table|nil
function inbox.bury(schema)
  local sql = "INSERT INTO " .. schema .. ".dead_event (topic, error, body) VALUES ($1, $2, $3)"
  local buried = metrics.counter("events_dropped_total",
    "Events that can never be handled; they are kept in dead_event.", { "topic" })
  return function(topic, message, body)
    log.warn("an event is dropped", { topic = topic, error = message })
    local text = body:gsub("%z", ""):gsub("[\128-\255]", "?"):sub(1, BODY_BYTES)
    local rows, err = db.execute(sql, topic, message, text)
    if not rows then
      return nil, store.problem(err)
    end
    buried:add(1, topic)
    return true
  end
end

---Deletes the rows of a table that fit a condition, now and then every hour. For `start`; one
---worker of a program does it.
---@param name string       schema and table
---@param condition string  SQL
function inbox.forget_rows(name, condition)
  if worker.index ~= 0 then
    return
  end
  local sql = "DELETE FROM " .. name .. " WHERE ctid = ANY (ARRAY(SELECT ctid FROM " .. name
    .. " WHERE " .. condition .. " LIMIT " .. SWEEP_ROWS .. "))"
  local function sweep()
    while not worker.ending() do
      local rows = db.execute(sql)
      if not rows then
        fiber.sleep(RETRY_MS)
      elseif rows.affected < SWEEP_ROWS then
        return
      end
    end
  end
  fiber.spawn(sweep)
  timer.every(SWEEP_MS, sweep)
end

---For `start` of a service that buries events: how many there are is a metric.
---@param schema string
function inbox.watch(schema)
  if worker.index == 0 then
    count_dead(schema)
  end
end

---Forgets events that cannot come again: topics keep them for seven days.
---@param schema string
function inbox.forget(schema)
  inbox.forget_rows(schema .. ".inbox", "received_at < now() - interval '8 days'")
end

return inbox

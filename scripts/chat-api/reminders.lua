-- Reminders: a row of chat.reminder is one that has not fired. Firing removes the row and writes
-- its event in one statement, by the database's clock, so it happens once, whoever asks: the job
-- that the scheduler calls, the sweep every second, or the cron binding. What is late fires oldest
-- first.
local db = require("host.db")
local failpoint = require("lib.failpoint")
local fiber = require("host.fiber")
local json = require("lib.json")
local log = require("host.log")
local metrics = require("host.metrics")
local problem = require("lib.problem")
local store = require("lib.store")
local uuid = require("lib.uuid")

local reminders = {}

local JOB_PREFIX = "reminder-"
local SWEEP_ROWS = 500
local EARLY_MS = 5000 -- a job that comes this much before its time waits for it

local TIME = "to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
-- json_build_object rather than jsonb: the keys keep their order.
local FIRE = "WITH due AS (SELECT task_id, version FROM chat.reminder WHERE %s"
  .. " ORDER BY remind_at LIMIT " .. SWEEP_ROWS .. " FOR UPDATE SKIP LOCKED),"
  .. " fired AS (DELETE FROM chat.reminder AS r USING due WHERE r.task_id = due.task_id"
  .. " AND r.version = due.version RETURNING r.task_id, r.user_id, r.remind_at, r.version),"
  .. " e AS (SELECT f.*, gen_random_uuid() AS event_id, clock_timestamp() AS now, t.title,"
  .. " t.due_date, t.priority, t.timezone FROM fired AS f JOIN chat.task AS t ON t.id = f.task_id"
  .. " AND t.user_id = f.user_id AND t.status <> 'completed')"
  .. " INSERT INTO chat.outbox (topic, key, version, event_id, event_type, data)"
  .. " SELECT 'reminders', task_id, version, event_id, 'reminder.triggered', json_build_object("
  .. "'event_id', event_id, 'event_type', 'reminder.triggered', 'timestamp', " .. TIME:format("now")
  .. ", 'user_id', user_id, 'task_id', task_id, 'payload', json_build_object("
  .. "'task_id', task_id, 'task_title', title, 'due_at', " .. TIME:format("due_date")
  .. ", 'remind_at', " .. TIME:format("remind_at") .. ", 'priority', priority,"
  .. " 'timezone', timezone, 'late_seconds',"
  .. " round(greatest(extract(epoch FROM now - remind_at), 0)::numeric, 3)))::text"
  .. " FROM e ORDER BY remind_at RETURNING (data::json->'payload'->>'late_seconds')::float8 AS late"
local FIRE_ONE = FIRE:format("task_id = $1::uuid AND version = $2::integer"
  .. " AND remind_at <= clock_timestamp()")
local FIRE_LATE = FIRE:format("remind_at <= clock_timestamp() - interval '2 seconds'")
local WAIT = "SELECT extract(epoch FROM remind_at - clock_timestamp()) * 1000 AS ms"
  .. " FROM chat.reminder WHERE task_id = $1::uuid AND version = $2::integer"
local PENDING = "SELECT count(*) AS waiting,"
  .. " count(*) FILTER (WHERE remind_at < clock_timestamp()) AS overdue,"
  .. " coalesce(extract(epoch FROM clock_timestamp() - min(remind_at)), 0) AS late"
  .. " FROM chat.reminder WHERE remind_at < clock_timestamp() + interval '1 day'"

local fired_total = metrics.counter("reminders_fired_total", "Reminders whose event was written.",
  { "by" })
for _, by in ipairs({ "job", "sweep", "cron" }) do
  fired_total:add(0, by)
end
local lateness = metrics.histogram("reminders_late_seconds",
  "From the time of a reminder until its event was written.",
  { 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 10, 30, 60, 300, 3600, 86400 }, {})
local overdue = metrics.gauge("reminders_overdue", "Reminders whose time has come.", {})
local waiting = metrics.gauge("reminders_waiting", "Reminders of the next 24 hours.", {})
local late = metrics.gauge("reminders_oldest_overdue_seconds",
  "How late the oldest reminder is that has not fired.", {})
local wake = function() end

---@param relay {wake: fun()}
function reminders.use_relay(relay)
  wake = relay.wake
end

---@param task_id string
---@return string  the name of its job
function reminders.job_name(task_id)
  return JOB_PREFIX .. task_id
end

---@return integer|nil fired
---@return host.db.Error|nil err
---@return_overload integer, nil
---@return_overload nil, host.db.Error
local function fire(by, sql, ...)
  failpoint.hit("before_reminder_commit")
  local rows, err = db.execute(sql, ...)
  if not rows then
    return nil, err
  end
  if rows.affected > 0 then
    failpoint.hit("after_reminder_commit")
    fired_total:add(rows.affected, by)
    for _, row in ipairs(rows) do
      lateness:observe(row.late)
    end
    wake()
  end
  return rows.affected
end

-- The scheduler's clock may be ahead of the database's by a little: then the job's call waits.
local function fire_one(task_id, version)
  local count, err = fire("job", FIRE_ONE, task_id, version)
  if count ~= 0 then
    return count, err
  end
  local rows
  rows, err = db.query(WAIT, task_id, version)
  if not rows then
    return nil, err
  end
  local ms = rows[1] and rows[1].ms
  if ms and ms <= EARLY_MS then
    fiber.sleep(math.max(1, math.ceil(ms)))
    return fire("job", FIRE_ONE, task_id, version)
  end
  return 0
end

---POST /job/{name}. A job that is of no reminder any more is 200 without effect.
---@param request service.Request
function reminders.on_job(request)
  local task_id = request.params.name:match("^reminder%-(.+)$")
  local data = json.decode(request.body)
  local version = type(data) == "table" and data.version
  if not uuid.is(task_id) or type(version) ~= "number" or version % 1 ~= 0
    or version < 1 or version > 2 ^ 31 - 1 then
    log.warn("a job that is no reminder is ignored", { job = request.params.name:sub(1, 100) })
    return 200, { fired = false }
  end
  local count, err = fire_one(task_id, version)
  if not count then
    return problem.reply(store.problem(err))
  end
  return 200, { fired = count > 0 }
end

---Fires what no job has fired in time.
---@param by string  "sweep" or "cron"
---@return integer|nil fired
---@return host.db.Error|nil err
---@return_overload integer, nil
---@return_overload nil, host.db.Error
function reminders.sweep(by)
  local total = 0
  while true do
    local count, err = fire(by, FIRE_LATE)
    if not count then
      return nil, err
    end
    total = total + count
    if count < SWEEP_ROWS then
      return total
    end
  end
end

---POST /reminder-sweep, the cron binding's.
function reminders.on_cron()
  local count, err = reminders.sweep("cron")
  if not count then
    return problem.reply(store.problem(err))
  end
  return 200, { fired = count }
end

---For the metrics.
function reminders.count()
  local rows = db.query(PENDING)
  if rows then
    waiting:set(rows[1].waiting)
    overdue:set(rows[1].overdue)
    late:set(math.max(0, rows[1].late))
  end
end

return reminders

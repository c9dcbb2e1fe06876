-- The jobs API. The table is the truth; what is due soon is in memory, so that it is fired on time
-- without polling. A job waits while its app is down, and is tried again as its policy says.
local apps = require("sidecar.apps")
local crypto = require("host.crypto")
local db = require("host.db")
local errors = require("sidecar.errors")
local fiber = require("host.fiber")
local job_spec = require("sidecar.job_spec")
local json = require("lib.json")
local log = require("host.log")
local metrics = require("host.metrics")
local rawjson = require("lib.rawjson")
local time = require("host.time")
local timers = require("sidecar.timers")
local worker = require("host.worker")

local jobs = {}

local HORIZON_MS = 60000    -- jobs due within it are in memory
local LOOK_MS = 20000       -- how often the table is read for them
local LOOK_ROWS = 2000
local WAITING_LOW = 500     -- so few due jobs wait for their call that more may come into memory
local RUNNING = 32          -- calls at a time, of one app
local DATABASE_RETRY_MS = 500

local CREATE = "INSERT INTO sidecar.job (app, name, seq, spec, data, next_ms, due_ms, expires_ms,"
  .. " runs_left) VALUES ($1, $2, $3, $4, $5, $6::bigint, $6::bigint, $7::bigint, $8::integer)"
  .. " ON CONFLICT (app, name) DO %s RETURNING seq"
local INSERT = CREATE:format("NOTHING")
local REPLACE = CREATE:format("UPDATE SET seq = EXCLUDED.seq, spec = EXCLUDED.spec,"
  .. " data = EXCLUDED.data, next_ms = EXCLUDED.next_ms, due_ms = EXCLUDED.due_ms,"
  .. " expires_ms = EXCLUDED.expires_ms, runs_left = EXCLUDED.runs_left, attempts = 0")
local GET = "SELECT spec, data FROM sidecar.job WHERE app = $1 AND name = $2"
local DELETE = "DELETE FROM sidecar.job WHERE app = $1 AND name = $2"
local LOOK = "SELECT app, name, seq, next_ms FROM sidecar.job WHERE next_ms < $1::bigint"
  .. " AND app = ANY ($2::text[]) AND seq NOT IN (SELECT unnest($4::text[]))"
  .. " ORDER BY next_ms LIMIT $3::integer"
local READ = "SELECT * FROM sidecar.job WHERE app = $1 AND name = $2 AND seq = $3"
local DONE = "DELETE FROM sidecar.job WHERE app = $1 AND name = $2 AND seq = $3"
local AGAIN = "UPDATE sidecar.job SET next_ms = $4::bigint, due_ms = $5::bigint,"
  .. " attempts = $6::integer, runs_left = $7::integer WHERE app = $1 AND name = $2 AND seq = $3"

local known = {}            -- seq -> the time of its timer, or "running"
local queues = {}           -- app -> {first, last, running, …}: jobs that are due, in their order
local waiting = 0           -- in all queues
local looked = fiber.event()
---@type {late: host.metrics.Histogram, runs: host.metrics.Counter}
local count

local function int(number)
  return number and string.format("%d", number)
end

local start_next

-- Fires at its time, if nothing else has been decided until then.
local function arm(entry, at)
  known[entry.seq] = at
  timers.after(at - time.now_ms(), function()
    if known[entry.seq] ~= at then
      return
    end
    if time.now_ms() < at then
      return arm(entry, at) -- the wall clock was set back
    end
    known[entry.seq] = "running"
    local queue = queues[entry.app] or { first = 1, last = 0, running = 0 }
    queues[entry.app] = queue
    queue.last = queue.last + 1
    queue[queue.last] = entry
    waiting = waiting + 1
    start_next(queue)
  end)
end

local function finish(entry)
  while not db.execute(DONE, entry.app, entry.name, entry.seq) do
    fiber.sleep(DATABASE_RETRY_MS)
  end
  known[entry.seq] = nil
end

local function run_again(entry, at, due, attempts, runs_left)
  while not db.execute(AGAIN, entry.app, entry.name, entry.seq, int(at), int(due), int(attempts),
    int(runs_left) or json.null) do
    fiber.sleep(DATABASE_RETRY_MS)
  end
  if at < time.now_ms() + HORIZON_MS then
    arm(entry, at)
  else
    known[entry.seq] = nil
  end
end

-- The end of a run, good or given up: the next one, or none.
local function next_run(entry, row, spec)
  local due = job_spec.next(spec, row.due_ms)
  local left = row.runs_left and row.runs_left - 1
  if not due or left == 0 or row.expires_ms and due > row.expires_ms then
    return finish(entry)
  end
  run_again(entry, due, due, 0, left)
end

local function is_done(reply)
  return reply ~= nil and (reply.status >= 200 and reply.status < 300 or reply.status == 404)
end

local function fail(entry, row, spec, why)
  local policy = spec.policy
  local attempts = row.attempts + 1
  count.runs:add(1, entry.app, "failed")
  log.warn("a job failed", { app = entry.app, job = entry.name, attempts = attempts, error = why })
  if policy.drop or policy.max and attempts > policy.max then
    return next_run(entry, row, spec)
  end
  run_again(entry, time.now_ms() + policy.interval, row.due_ms, attempts, row.runs_left)
end

local function fire(entry)
  local app = apps.find(entry.app)
  local replica = app and apps.pick(app)
  if not replica then
    known[entry.seq] = nil -- it is found again when the app has come up
    return
  end
  local rows = db.query(READ, entry.app, entry.name, entry.seq)
  if not rows then
    return arm(entry, time.now_ms() + DATABASE_RETRY_MS)
  end
  local row = rows[1]
  if not row then
    known[entry.seq] = nil -- deleted or replaced
    return
  end
  local spec = json.decode(row.spec)
  if row.expires_ms and time.now_ms() > row.expires_ms then
    return finish(entry)
  end
  if row.attempts == 0 then
    count.late:observe(math.max(0, time.now_ms() - row.due_ms) / 1000)
  end
  local reply, err = apps.call(replica, "POST", "/job/" .. entry.name,
    { ["Content-Type"] = "application/json" }, row.data)
  if is_done(reply) then
    count.runs:add(1, entry.app, "done")
    return next_run(entry, row, spec)
  end
  if not reply and apps.is_refused(err) then
    known[entry.seq] = nil
    return
  end
  fail(entry, row, spec, reply and "the app answered " .. reply.status or err.message)
end

function start_next(queue)
  while queue.running < RUNNING and queue.first <= queue.last and not worker.draining() do
    local entry = queue[queue.first]
    queue[queue.first] = nil
    queue.first = queue.first + 1
    queue.running = queue.running + 1
    waiting = waiting - 1
    if waiting == WAITING_LOW then
      looked:set()
    end
    local started = fiber.spawn(function()
      local ok, message = pcall(fire, entry)
      if not ok then
        log.error("a job broke", { app = entry.app, job = entry.name, error = tostring(message) })
        arm(entry, time.now_ms() + 1000)
      end
      queue.running = queue.running - 1
      start_next(queue)
    end)
    if not started then
      queue.running = queue.running - 1
      arm(entry, time.now_ms() + 100)
    end
  end
end

---An app has come up: what waited for it is fired.
function jobs.wake()
  looked:set()
end

local function ids_of_those_up()
  local ids = {}
  for _, app in ipairs(apps.list) do
    if apps.pick(app) then
      ids[#ids + 1] = app.id
    end
  end
  return ids
end

local function known_list()
  local list = {}
  for seq in pairs(known) do
    list[#list + 1] = seq
  end
  return list
end

-- Takes into memory what is due soon, the oldest first. Returns how long to wait for the next look.
local function look()
  local rows = db.query(LOOK, int(time.now_ms() + HORIZON_MS), ids_of_those_up(), LOOK_ROWS,
    known_list())
  if not rows then
    return DATABASE_RETRY_MS
  end
  for _, row in ipairs(rows) do
    if not known[row.seq] then
      arm({ app = row.app, name = row.name, seq = row.seq }, row.next_ms)
    end
  end
  return #rows == LOOK_ROWS and waiting < WAITING_LOW and 1 or LOOK_MS
end

---Starts (waits for the first look).
function jobs.start()
  count = {
    late = metrics.histogram("sidecar_job_late_seconds", "How late jobs are called first.",
      { 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 300 }, {}),
    runs = metrics.counter("sidecar_job_runs_total", "Calls of jobs.", { "app", "outcome" }),
  }
  fiber.spawn(function()
    while true do
      ---@type boolean, any
      local ok, wait = pcall(look)
      looked:wait(ok and wait or DATABASE_RETRY_MS)
    end
  end)
end

local function failed(err)
  return errors.reply(500, "DAPR_SCHEDULER_SCHEDULE_JOB", "the scheduler failed: " .. err.message)
end

---@return integer, string, table|nil
function jobs.create(call, name)
  local body, message = json.decode(call.request.body)
  if message then
    return errors.reply(400, "ERR_MALFORMED_REQUEST", message)
  end
  local job, problem = job_spec.read(name, body, time.now_ms())
  if not job then
    return errors.reply(problem.status, problem.code, problem.message)
  end
  local seq = crypto.uuid()
  local rows, err = db.execute(job.overwrite and REPLACE or INSERT, call.app.id, name, seq,
    json.encode(job.spec), rawjson.member(call.request.body, "data") or "null", int(job.first),
    int(job.expires) or json.null, int(job.runs) or json.null)
  if not rows then
    return failed(err)
  end
  if #rows == 0 then
    return errors.reply(409, "DAPR_SCHEDULER_SCHEDULE_JOB", "job already exists: " .. name)
  end
  if job.first < time.now_ms() + HORIZON_MS then
    arm({ app = call.app.id, name = name, seq = seq }, job.first)
  end
  return errors.no_content()
end

local function policy_text(policy)
  if policy.drop then
    return '{"drop":{}}'
  end
  local max = policy.max and ',"maxRetries":' .. int(policy.max) or ""
  return '{"constant":{"interval":"' .. string.format("%g", policy.interval / 1000) .. 's"' .. max
    .. "}}"
end

---@return integer, string, table|nil
function jobs.get(call, name)
  local rows, err = db.query(GET, call.app.id, name)
  if not rows or #rows == 0 then
    return errors.reply(500, "DAPR_SCHEDULER_GET_JOB", "failed to get job " .. name .. ": "
      .. (err and err.message or "job not found"))
  end
  local spec = json.decode(rows[1].spec)
  local parts = { '"name":' .. json.encode(name) }
  for member, value in pairs({ schedule = spec.schedule, dueTime = spec.due,
    repeats = spec.repeats, ttl = spec.ttl }) do
    parts[#parts + 1] = json.encode(member) .. ":" .. json.encode(value)
  end
  parts[#parts + 1] = '"data":{"@type":"type.googleapis.com/google.protobuf.Value","value":'
    .. rows[1].data .. "}"
  parts[#parts + 1] = '"failurePolicy":' .. policy_text(spec.policy)
  return errors.ok("{" .. table.concat(parts, ",") .. "}")
end

---@return integer, string, table|nil
function jobs.delete(call, name)
  local rows, err = db.execute(DELETE, call.app.id, name)
  if not rows then
    return failed(err)
  end
  return errors.no_content()
end

return jobs

-- Tells the scheduler (Dapr's Jobs API) of the changes in a schema's job_change: a job per task,
-- set or deleted. A row that exists is still to be told; it is deleted once the scheduler has
-- answered, unless it has changed meanwhile. A job is only a wake-up: where the scheduler is away
-- or refuses, the changes wait or are dropped, and the sweep of the reminders does the work.
local dapr = require("lib.dapr")
local db = require("host.db")
local fiber = require("host.fiber")
local log = require("host.log")
local metrics = require("host.metrics")
local timer = require("host.timer")
local worker = require("host.worker")

local jobs = {}

local BATCH = 32
local POLL_MIN_MS, POLL_MAX_MS = 500, 1500
local BACKOFF_MIN_MS, BACKOFF_MAX_MS = 200, 30000
local COUNT_MS, COUNTED = 5000, 10000

---@class jobs.Options
---@field schema string
---@field leases leases.Set         of the same worker's relay, which renews them
---@field name fun(task_id: string): string

-- The schema is the service's own name for its tables, never something from outside.
local function statements(schema)
  return {
    read = "SELECT task_id, due_at, version FROM " .. schema .. ".job_change"
      .. " WHERE bucket = ANY ($1::text[]::smallint[]) LIMIT $2::integer",
    count = "SELECT count(*) AS pending FROM (SELECT 1 FROM " .. schema .. ".job_change LIMIT "
      .. COUNTED .. ") AS few",
    delete = "DELETE FROM " .. schema .. ".job_change AS j USING"
      .. " unnest($1::text[]::uuid[], $2::text[]::integer[]) AS d (task_id, version)"
      .. " WHERE j.task_id = d.task_id AND j.version = d.version",
  }
end

---Starts telling, in the background of this worker.
---@param options jobs.Options
---@return {wake: fun()}  wake tells it that something has been committed
function jobs.start(options)
  local sql = statements(options.schema)
  local woken = fiber.event()
  local failures = 0
  local told = metrics.counter("jobs_told_total", "Changes that the scheduler knows.", {})
  local refused = metrics.counter("jobs_refused_total", "Changes that it will never take.", {})
  local failed = metrics.counter("jobs_failures_total", "Calls that are tried again.", {})
  local pending = metrics.gauge("jobs_pending",
    "Changes that the scheduler has not been told; " .. COUNTED .. " at most.", {})

  -- True: it is settled.
  local function tell(row)
    local name = options.name(row.task_id)
    local ok, err
    if row.due_at then
      ok, err = dapr.set_job(name, row.due_at, { task_id = row.task_id, version = row.version })
    else
      ok, err = dapr.delete_job(name)
    end
    if ok then
      told:add(1)
      return true
    end
    if err.code == "refused" or err.code == "too_large" then
      refused:add(1)
      log.error("the scheduler refuses a job; its reminder is fired by the sweep",
        { job = name, error = err.message })
      return true
    end
    failed:add(1)
    if failures == 0 then
      log.warn("the scheduler cannot be told of jobs for now", { error = err.message })
    end
    return false
  end

  -- Returns how many rows were read, and whether all are settled.
  local function round()
    local rows = db.query(sql.read, (options.leases.lists()), failures > 0 and 1 or BATCH)
    if not rows then
      return 0, false
    end
    local ids, versions, good, work = {}, {}, true, {}
    for i, row in ipairs(rows) do
      work[i] = function()
        if tell(row) then
          ids[#ids + 1], versions[#versions + 1] = row.task_id, tostring(row.version)
        else
          good = false
        end
      end
    end
    fiber.all(work)
    if #ids > 0 then
      db.execute(sql.delete, ids, versions)
    end
    return #rows, good
  end

  local function run()
    while not worker.ending() do
      local count, good = 0, true
      if options.leases.any() then
        count, good = round()
      end
      if not good then
        failures = failures + 1
        local ceiling = math.min(BACKOFF_MAX_MS,
          BACKOFF_MIN_MS * 2 ^ math.min(failures, 12)) --[[@as integer]]
        fiber.sleep(math.random(1, ceiling))
      else
        failures = 0
        if count == 0 then
          woken:wait(math.random(POLL_MIN_MS, POLL_MAX_MS))
        end
      end
    end
  end

  if worker.index == 0 then
    timer.every(COUNT_MS, function()
      local rows = db.query(sql.count)
      if rows then
        pending:set(rows[1].pending)
      end
    end)
  end
  fiber.spawn(run)
  return { wake = function() woken:set() end }
end

return jobs

-- Reads what an app asks of a job, as Dapr's scheduler does. Pure.
local json = require("lib.json")
local schedule = require("sidecar.schedule")

local job_spec = {}

local BAD, WRONG = 400, 500
local DEFAULT_RETRIES, DEFAULT_INTERVAL_MS = 3, 1000
local NAME = "^[%w][%w%-%._:]*$"

local function failure(status, code, message)
  return nil, { status = status, code = code, message = message }
end

local function malformed(message)
  return failure(BAD, "ERR_MALFORMED_REQUEST", message)
end

local function wrong(message)
  return failure(WRONG, "DAPR_SCHEDULER_SCHEDULE_JOB", "failed to schedule job: " .. message)
end

local function pick(body, camel, snake)
  local value = body[camel]
  if value == nil then
    value = body[snake]
  end
  if value == json.null then
    return nil
  end
  return value
end

-- protobuf's JSON has whole numbers as strings, too. nil: it is none.
local function whole(value)
  if type(value) == "string" and value:find("^%d+$") then
    value = tonumber(value)
  end
  return type(value) == "number" and value >= 0 and value % 1 == 0 and value or nil
end

-- {drop = true} or {interval, max}; nil and a message for what protobuf's JSON does not take.
local function read_policy(value)
  if value == nil then
    return { interval = DEFAULT_INTERVAL_MS, max = DEFAULT_RETRIES }
  end
  if type(value) ~= "table" then
    return nil, "failurePolicy is not an object"
  end
  if value.drop ~= nil then
    return { drop = true }
  end
  if value.constant == nil then
    return { interval = DEFAULT_INTERVAL_MS, max = DEFAULT_RETRIES }
  end
  local constant = type(value.constant) == "table" and value.constant or {}
  local interval = pick(constant, "interval", "interval")
  local max = pick(constant, "maxRetries", "max_retries")
  local ms = interval == nil and DEFAULT_INTERVAL_MS or schedule.seconds(interval)
  if not ms then
    return nil, "failurePolicy.constant.interval is not a duration in seconds"
  end
  if max ~= nil and not whole(max) then
    return nil, "failurePolicy.constant.maxRetries is not a number"
  end
  return { interval = math.max(ms, 0), max = whole(max) }
end

local function read_fields(body)
  local fields = { schedule = pick(body, "schedule", "schedule"),
    due = pick(body, "dueTime", "due_time"), ttl = pick(body, "ttl", "ttl") }
  for name, value in pairs(fields) do
    if type(value) ~= "string" then
      return nil, name .. " is not a string"
    end
  end
  local repeats = pick(body, "repeats", "repeats")
  fields.repeats = whole(repeats)
  if repeats ~= nil and not fields.repeats then
    return nil, "repeats is not a whole number"
  end
  local overwrite = pick(body, "overwrite", "overwrite")
  if overwrite ~= nil and type(overwrite) ~= "boolean" then
    return nil, "overwrite is not true or false"
  end
  local policy, message = read_policy(pick(body, "failurePolicy", "failure_policy"))
  fields.policy = policy
  return policy and fields, message
end

-- The first run and the end.
local function plan(fields, now)
  if fields.repeats == 0 then
    return wrong("repeats must be greater than 0")
  end
  ---@type any, boolean|nil
  local due, is_duration
  if fields.due then
    due, is_duration = schedule.point(fields.due, now)
    if not due then
      return wrong("failed to parse due time: " .. fields.due)
    end
  end
  local times, message
  if fields.schedule then
    times, message = schedule.parse(fields.schedule)
    if not times then
      return wrong("failed to parse schedule: " .. message)
    end
  elseif fields.ttl or (fields.repeats or 0) > 1 then
    return wrong("ttl and repeats need a schedule")
  end
  local expires
  if fields.ttl then
    local is_ttl_duration
    expires, is_ttl_duration = schedule.point(fields.ttl, now)
    if expires and is_ttl_duration and is_duration then
      expires = schedule.point(fields.ttl, due)
    end
    if not expires or due and expires < due then
      return wrong("failed to parse ttl: " .. fields.ttl)
    end
  end
  local first = due or schedule.next(times --[[@as schedule.Plan]], now)
  if not first then
    return wrong("the schedule never comes")
  end
  return { first = first, expires = expires, runs = not fields.schedule and 1 or fields.repeats }
end

---@class job_spec.Job
---@field first integer        ms
---@field expires integer|nil
---@field runs integer|nil     nil: without an end
---@field spec table           schedule, due, repeats, ttl, policy: as stored
---@field overwrite boolean

---@param name string
---@param body any       decoded
---@param now integer
---@return job_spec.Job|nil
---@return {status: integer, code: string, message: string}|nil
function job_spec.read(name, body, now)
  if type(body) ~= "table" or json.is_list(body) then
    return malformed("the body is not a JSON object")
  end
  if body.name ~= nil then
    return malformed("the name is in the path, not in the body")
  end
  if name == "" or name:find("|", 1, true) then
    return failure(BAD, "DAPR_SCHEDULER_JOB_NAME_EMPTY", "the job's name is empty or has a |")
  end
  local fields, message = read_fields(body)
  if not fields then
    return malformed(message)
  end
  if not fields.schedule and not fields.due then
    return failure(BAD, "DAPR_SCHEDULER_SCHEDULE_EMPTY", "neither schedule nor dueTime is given")
  end
  if #name > 253 or not name:find(NAME) or not name:find("%w$") then
    return wrong("the name is not valid")
  end
  local job, problem = plan(fields, now)
  if not job then
    return nil, problem
  end
  job.spec, job.overwrite = fields, body.overwrite == true
  return job --[[@as job_spec.Job]]
end

---The run after one that was due at `due`; nil when there is none.
---@param fields table
---@param due integer
---@return integer|nil
function job_spec.next(fields, due)
  local times = fields.schedule and schedule.parse(fields.schedule)
  return times and schedule.next(times, due)
end

return job_spec

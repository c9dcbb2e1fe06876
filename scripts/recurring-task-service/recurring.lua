-- From the completion of a recurring task to the event that calls for its next occurrence. All ids
-- are made of the completed task's: whatever comes twice calls for the same task.
local crypto = require("host.crypto")
local db = require("host.db")
local inbox = require("lib.inbox")
local json = require("lib.json")
local metrics = require("host.metrics")
local problem = require("lib.problem")
local rules = require("lib.rules")
local store = require("lib.store")
local time = require("host.time")

local recurring = {}

local null = json.null

-- The effect hangs on the row of the inbox: a duplicate does nothing.
local ONCE = "WITH i AS (INSERT INTO recur.inbox (event_id) VALUES ($1::uuid)"
  .. " ON CONFLICT DO NOTHING RETURNING 1)"
local INTO_OUTBOX = " INSERT INTO recur.outbox (topic, key, version, event_id, event_type, data,"
  .. " traceparent) SELECT 'recurring-tasks', $2::uuid, 1, $3::uuid, 'recurring.next', $4, $5"
  .. " FROM i"
local NEXT = ONCE .. INTO_OUTBOX
-- The first one stands: so does the task that the first event makes.
local NEXT_ANCHORED = ONCE .. ", a AS (INSERT INTO recur.anchor (task_id, due_at, local_at, day)"
  .. " SELECT $6::uuid, $7::timestamptz, $8::timestamptz, $9::smallint FROM i"
  .. " ON CONFLICT DO NOTHING)" .. INTO_OUTBOX
local LAST = "INSERT INTO recur.inbox (event_id) VALUES ($1::uuid) ON CONFLICT DO NOTHING"
local ANCHOR = "SELECT local_at, day FROM recur.anchor WHERE task_id = $1::uuid"
  .. " AND due_at = $2::timestamptz"

---@type host.metrics.Counter, host.metrics.Counter, outbox.Relay
local made, ended, relay

---@param running outbox.Relay
function recurring.start(running)
  relay = running
  made = metrics.counter("recurring_next_total", "Next occurrences called for.", {})
  ended = metrics.counter("recurring_ended_total", "Series that came to their end.", {})
end

local function is_text(max)
  return function(value)
    return type(value) == "string" and #value <= max
  end
end

local function one_of(words)
  return function(value)
    return words[value] ~= nil
  end
end

local function is_tags(value)
  if not json.is_list(value) then
    return false
  end
  for _, tag in ipairs(value) do
    if type(tag) ~= "string" then
      return false
    end
  end
  return true
end

local function is_minutes(value)
  return type(value) == "number" and value % 1 == 0 and value >= 1 and value <= 525600
end

-- What is taken over from the completed task. Sizes are in bytes; how many characters a field may
-- have is chat-api's to say, which checks again.
local FIELDS = {
  { "title", is_text(1020), needed = true },
  { "description", is_text(8000) },
  { "priority", is_text(20), needed = true },
  { "tags", is_tags, needed = true },
  { "reminder_offset_minutes", is_minutes },
  { "timezone", is_text(64) },
  { "repeat_from", one_of({ due_date = true, completion = true }), needed = true },
  { "recurrence_rule", is_text(300) },
}

-- The completed task with its times in milliseconds; or why it cannot be one.
local function read_task(event)
  local payload, task = event.payload, {}
  if type(payload.id) ~= "string" or payload.id:lower() ~= event.task_id:lower() then
    return nil, "payload.id is not the task's id"
  elseif payload.user_id ~= event.user_id then
    return nil, "payload.user_id is not the event's"
  elseif payload.status ~= "completed" then
    return nil, "payload.status is not completed"
  end
  for _, field in ipairs(FIELDS) do
    local name, fits = field[1], field[2]
    local value = payload[name]
    if value == null then
      value = nil
    end
    if value == nil and field.needed or value ~= nil and not fits(value) then
      return nil, "payload." .. name .. " is not what a task has"
    end
    task[name] = value
  end
  if payload.due_date ~= nil and payload.due_date ~= null then
    task.due_date = type(payload.due_date) == "string" and time.parse(payload.due_date) or nil
    if not task.due_date then
      return nil, "payload.due_date is not an RFC 3339 time"
    end
  end
  return task
end

-- What an earlier call kept for this task. Only those that a series has made can have something.
local function read_anchor(event, task)
  local parent = event.payload.parent_task_id
  if not task.due_date or parent == nil or parent == null then
    return true
  end
  local rows, err = db.query(ANCHOR, event.task_id, time.format(task.due_date))
  if not rows then
    return nil, store.problem(err)
  end
  if rows[1] then
    task.anchor = { local_ms = time.parse(rows[1].local_at), day = rows[1].day }
  end
  return true
end

local function or_null(value)
  return value == nil and null or value
end

local function to_event(id, child, event, task, following)
  local due = following.due_date and time.format(following.due_date)
  return json.encode({ event_id = id, event_type = "recurring.next",
    timestamp = time.format(time.now_ms()), user_id = event.user_id, task_id = event.task_id,
    payload = { id = child, title = task.title, description = or_null(task.description),
      status = "pending", priority = task.priority, due_date = or_null(due), tags = task.tags,
      reminder_offset_minutes = or_null(task.reminder_offset_minutes),
      recurrence_rule = following.recurrence_rule, timezone = or_null(task.timezone),
      repeat_from = task.repeat_from, user_id = event.user_id,
      parent_task_id = event.task_id } })
end

local function finish(event)
  local rows, why = inbox.effect(LAST, event.event_id)
  if not rows then
    return nil, why
  end
  ended:add(rows.affected)
  return "SUCCESS"
end

local function call_for(event, task, following)
  if relay.full() then
    return nil, problem.unavailable("Too many events wait to be published", 5)
  end
  local parent = event.task_id:lower()
  -- Of the completion, not of the task: who opens a task again, removes the next one and completes
  -- it again is to get another. While there is one, chat-api takes no second.
  local id = crypto.uuid_of("recurring.next:" .. event.event_id)
  local child = crypto.uuid_of("task.next:" .. event.event_id)
  local data = to_event(id, child, event, task, following)
  local anchor = following.anchor
  local rows, why
  if anchor then
    rows, why = inbox.effect(NEXT_ANCHORED, event.event_id, parent, id, data, event.traceparent,
      child, time.format(following.due_date), time.format(anchor.local_ms), anchor.day)
  else
    rows, why = inbox.effect(NEXT, event.event_id, parent, id, data, event.traceparent)
  end
  if not rows then
    return nil, why
  end
  if rows.affected > 0 then
    made:add(1)
    relay.wake(parent)
  end
  return "SUCCESS"
end

---@param event cloudevent.Event
---@return "SUCCESS"|"DROP"|nil
---@return string|Problem|nil  why it is dropped, or a problem
function recurring.handle(event)
  local rule = event.payload.recurrence_rule
  if event.event_type ~= "task.completed" or rule == nil or rule == null then
    return "SUCCESS"
  end
  local task, message = read_task(event)
  if not task then
    return "DROP", message
  end
  local good, why = read_anchor(event, task)
  if not good then
    return nil, why
  end
  local following = rules.call("recurrence.next", { recurrence_rule = task.recurrence_rule,
    due_date = task.due_date, timezone = task.timezone, repeat_from = task.repeat_from,
    anchor = task.anchor }, time.parse(event.timestamp))
  if following.invalid then
    return "DROP", "payload: " .. following.invalid
  elseif following.ended then
    return finish(event)
  end
  return call_for(event, task, following)
end

return recurring

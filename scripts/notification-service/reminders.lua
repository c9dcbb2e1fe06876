-- Takes reminders as chat-api fires them: asks whether the task is still open, and lets the rules
-- say where and when the reminder goes out.
local dapr = require("lib.dapr")
local deliverer = require("notification-service.deliverer")
local deliveries = require("notification-service.deliveries")
local failpoint = require("lib.failpoint")
local json = require("lib.json")
local problem = require("lib.problem")
local rules = require("lib.rules")
local time = require("host.time")
local url = require("lib.url")

local reminders = {}

local ASK_TIMEOUT_MS = 3000
-- How long an event waits for chat-api. Afterwards a reminder too many is better than none.
local PATIENCE_MS = 30 * 1000
local MAX_TITLE_BYTES = 255 * 4

-- The reminder in an event, or why there is none.
local function read(event)
  local payload = event.payload
  if event.event_type ~= "reminder.triggered" then
    return nil, "event_type is not reminder.triggered"
  end
  if type(payload.task_title) ~= "string" or payload.task_title == ""
    or #payload.task_title > MAX_TITLE_BYTES then
    return nil, "payload.task_title is not a title"
  end
  if payload.task_id ~= nil and payload.task_id ~= event.task_id then
    return nil, "payload.task_id is of another task"
  end
  for _, name in ipairs({ "due_at", "remind_at" }) do
    if type(payload[name]) ~= "string" or not time.parse(payload[name]) then
      return nil, "payload." .. name .. " is not an RFC 3339 time"
    end
  end
  return { task_title = payload.task_title, due_at = payload.due_at,
    remind_at = payload.remind_at, timezone = payload.timezone, priority = payload.priority }
end

-- What chat-api says of the task, nil and why when it cannot say.
local function ask(event)
  local reply, err = dapr.invoke("chat-api", "GET", "/internal/tasks/" .. event.task_id
    .. "?user_id=" .. url.encode(event.user_id), { timeout_ms = ASK_TIMEOUT_MS })
  if not reply then
    return nil, err.message
  end
  local answer = reply.status == 200 and json.decode(reply.body)
  if type(answer) ~= "table" or type(answer.open) ~= "boolean" then
    return nil, "chat-api answered " .. reply.status
  end
  return answer
end

-- The task as it is now; what chat-api did not say stays as the event had it.
local function refresh(reminder, answer)
  if type(answer.title) == "string" and answer.title ~= "" then
    reminder.task_title = answer.title
  end
  if type(answer.due_at) == "string" and time.parse(answer.due_at) then
    reminder.due_at = answer.due_at
  end
  for _, name in ipairs({ "timezone", "priority" }) do
    if type(answer[name]) == "string" then
      reminder[name] = answer[name]
    end
  end
end

local function plan(event, reminder)
  local now_ms = time.now_ms()
  return rules.call("notify.plan", deliverer.for_rules(event, reminder, now_ms),
    deliveries.available(event.user_id), now_ms)
end

local function later(event, why)
  local known, trouble = deliveries.is_known(event.event_id)
  if known then
    return "SUCCESS"
  end
  return nil, trouble or problem.unavailable("chat-api cannot be asked about the task: " .. why, 1)
end

local function skip(event, reminder)
  local steps = { { channel = "log", wait_ms = 0 } }
  local count, why = deliveries.add(event, "skipped", reminder, steps)
  if not count then
    return nil, why
  end
  if count > 0 then
    deliverer.count("log", "skipped")
  end
  return "SUCCESS"
end

-- Of a clock that is far ahead of ours nothing can be said; that reminder does not wait either.
local function is_patient(event)
  return math.abs(time.now_ms() - time.parse(event.timestamp)) <= PATIENCE_MS
end

---Takes a reminder; a second time changes nothing.
---@param event cloudevent.Event
---@return "SUCCESS"|"DROP"|nil
---@return string|Problem|nil  why it is dropped, or a problem
function reminders.accept(event)
  local reminder, message = read(event)
  if not reminder then
    return "DROP", message
  end
  local answer, why = ask(event)
  if not answer and is_patient(event) then
    return later(event, why)
  end
  if answer and not answer.open then
    return skip(event, reminder)
  end
  refresh(reminder, answer or {})
  local steps = plan(event, reminder)
  reminder.channels = json.list({})
  for i, step in ipairs(steps) do
    reminder.channels[i] = step.channel
  end
  failpoint.hit("before_effect_commit")
  local count, trouble = deliveries.add(event, "pending", reminder, steps)
  if not count then
    return nil, trouble
  end
  if count > 0 then
    deliverer.wake()
  end
  failpoint.hit("after_effect")
  return "SUCCESS"
end

return reminders

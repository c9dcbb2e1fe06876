-- recurring.next: the next occurrence of a completed task becomes a task.
local crypto = require("host.crypto")
local failpoint = require("lib.failpoint")
local json = require("lib.json")
local live = require("chat-api.live")
local tasks = require("chat-api.tasks")
local uuid = require("lib.uuid")

local series = {}

local FIELDS = { "title", "description", "priority", "due_date", "tags", "reminder_offset_minutes",
  "recurrence_rule", "timezone", "repeat_from" }

---@param event cloudevent.Event
---@return "SUCCESS"|"DROP"|nil
---@return string|table|nil  why it is dropped, or a problem
function series.on_next(event)
  if event.event_type ~= "recurring.next" then
    return "DROP", "the event is not recurring.next"
  end
  local payload, input = event.payload, {}
  local parent = payload.parent_task_id
  if not uuid.is(parent) then
    return "DROP", "payload.parent_task_id is not a UUID"
  end
  local id = payload.id
  if not uuid.is(id) then
    id = crypto.uuid_of("task.next:" .. event.event_id)
  end
  for _, name in ipairs(FIELDS) do
    input[name] = payload[name] ~= json.null and payload[name] or nil
  end
  failpoint.hit("before_effect_commit")
  local made, why = tasks.create_next(event.user_id, parent, id:lower(), input,
    { event_id = event.event_id })
  if made == nil then
    if type(why) == "string" then
      return "DROP", "payload: " .. why
    end
    return nil, why
  end
  failpoint.hit("after_effect")
  live.tell("next", parent:lower())
  return "SUCCESS"
end

return series

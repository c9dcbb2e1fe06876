-- The events that one change of a task owes the world, as rows of chat.outbox. They are written in
-- the transaction of the change; their ids are made here and stay the same however often the relay
-- publishes them.
local crypto = require("host.crypto")
local task_fields = require("chat-api.task_fields")
local time = require("host.time")
local cjson = require("cjson")

local task_events = {}

local quote = cjson.encode

local ACTIONS = {
  ["task.created"] = "created", ["task.updated"] = "updated",
  ["task.completed"] = "completed", ["task.deleted"] = "deleted",
}

local function event(id, event_type, now, task, payload)
  return '{"event_id":"' .. id .. '","event_type":"' .. event_type .. '","timestamp":"' .. now
    .. '","user_id":' .. quote(task.user_id) .. ',"task_id":"' .. task.id
    .. '","payload":' .. payload .. "}"
end

---@class task_events.Change
---@field type string     task.created, task.updated, task.completed or task.deleted
---@field text string     the task as JSON
---@field events {id: string, topic: string, type: string, data: string}[]

---@param event_type string
---@param task table          as it is after the change (deleted: as it was)
---@param changed string[]|nil  for task.updated
---@param now_ms integer
---@return task_events.Change
function task_events.make(event_type, task, changed, now_ms)
  local now = time.format(now_ms)
  local text = task_fields.encode(task)
  local payload = text
  if changed and event_type == "task.updated" then
    payload = text:sub(1, -2) .. ',"changed":["' .. table.concat(changed, '","') .. '"]}'
  end
  local id, sync_id = crypto.uuid(), crypto.uuid()
  local sync = '{"action":"' .. ACTIONS[event_type] .. '","task":' .. text .. "}"
  return {
    type = event_type,
    text = text,
    events = {
      { id = id, topic = "task-events", type = event_type,
        data = event(id, event_type, now, task, payload) },
      { id = sync_id, topic = "task-updates", type = "task.sync",
        data = event(sync_id, "task.sync", now, task, sync) },
    },
  }
end

return task_events

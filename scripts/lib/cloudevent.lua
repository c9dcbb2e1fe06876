-- CloudEvents 1.0 as Dapr delivers them: the envelope, and in its `data` the event that every
-- service of ours publishes.
local json = require("lib.json")
local time = require("host.time")
local uuid = require("lib.uuid")

local cloudevent = {}

---@class cloudevent.Event
---@field event_id string
---@field event_type string
---@field timestamp string   RFC 3339
---@field user_id string
---@field task_id string
---@field payload table
---@field source string      the app-id of the publisher
---@field traceparent string|nil  W3C Trace Context, of the envelope

local TRACEPARENT = "^%x%x%-" .. ("%x"):rep(32) .. "%-" .. ("%x"):rep(16) .. "%-%x%x$"

local function is_text(value, max)
  return type(value) == "string" and value ~= "" and #value <= max
end

---@param body string
---@return cloudevent.Event|nil
---@return string|nil message  why it can never be handled
function cloudevent.read(body)
  local envelope, message = json.decode(body)
  if type(envelope) ~= "table" or json.is_list(envelope) then
    return nil, "the envelope is not a JSON object" .. (message and ": " .. message or "")
  end
  local event = envelope.data
  if type(event) ~= "table" or json.is_list(event) then
    return nil, "data is not a JSON object"
  end
  for _, name in ipairs({ "event_id", "task_id" }) do
    if not uuid.is(event[name]) then
      return nil, "data." .. name .. " is not a UUID"
    end
  end
  if not is_text(event.event_type, 100) or not is_text(event.user_id, 255) then
    return nil, "data.event_type or data.user_id is missing"
  end
  if type(event.timestamp) ~= "string" or not time.parse(event.timestamp) then
    return nil, "data.timestamp is not an RFC 3339 time"
  end
  if type(event.payload) ~= "table" or json.is_list(event.payload) then
    return nil, "data.payload is not a JSON object"
  end
  event.source = is_text(envelope.source, 255) and envelope.source or "unknown"
  local trace = envelope.traceparent
  event.traceparent = type(trace) == "string" and trace:find(TRACEPARENT) and trace or nil
  return event
end

return cloudevent

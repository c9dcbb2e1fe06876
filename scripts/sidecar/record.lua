-- The headers that travel with a message: publish metadata, and where a dead letter was before.
local envelope = require("sidecar.envelope")
local json = require("lib.json")
local partition = require("sidecar.partition")

local record = {}

local MAX_METADATA = 20

-- Never an app's header: framing, the app's own token, and what says that another app is calling.
local RESERVED = { ["content-length"] = true, ["content-type"] = true, host = true,
  connection = true, ["transfer-encoding"] = true, expect = true, upgrade = true, te = true,
  trailer = true, ["keep-alive"] = true, ["dapr-api-token"] = true,
  ["dapr-caller-app-id"] = true, ["dapr-callee-app-id"] = true, pubsubname = true }

local function is_header(name, value)
  return name:find("^[%w!#$%%&'*+%-.^_`|~]+$") and #name <= 63
    and not RESERVED[name:lower()] and not value:find("[%z\1-\8\10-\31\127]")
    and envelope.to_utf8(value) == value
end

---@param metadata table<string, string>
---@return string|nil text  as stored; nil when there is nothing beyond the key
---@return string|nil message
function record.headers(metadata)
  local kept, count, plain = {}, 0, true
  for name, value in pairs(metadata) do
    if is_header(name, value) then
      kept[name] = value
      count = count + 1
      plain = plain and name == "partitionKey"
    end
  end
  if count > MAX_METADATA then
    return nil, "more than " .. MAX_METADATA .. " metadata pairs"
  end
  return not plain and json.encode(kept) or nil
end

-- Where a message is, in the words of Kafka.
local function position_of(message, component)
  local count = component and component.partitions or 1
  return message.topic,
    string.format("%d", message.key and partition.of(message.key, count) or message.id % count),
    string.format("%d", message.id), string.format("%d", message.published)
end

---The headers of a delivery.
---@param message table
---@param component table|nil
---@return table<string, string>
function record.delivery_headers(message, component)
  local topic, number, offset, timestamp = position_of(message, component)
  local headers = {
    ["Content-Type"] = "application/cloudevents+json", Pubsubname = message.pubsub,
    __topic = topic, __partition = number, __offset = offset, __timestamp = timestamp,
    __key = message.key,
  }
  if message.headers then
    for name, value in pairs(json.decode(message.headers)) do
      headers[name] = value
    end
  elseif message.key then
    headers.partitionKey = message.key
  end
  return headers
end

---What a delivery of many says of one of them.
---@param message table
---@param component table|nil
---@return table<string, string>
function record.entry_metadata(message, component)
  local headers = record.delivery_headers(message, component)
  headers["Content-Type"], headers.Pubsubname = nil, nil
  return headers
end

---The stored headers of a dead letter: those of the message, and where it was first.
---@param message table
---@param component table|nil
---@return string
function record.dead_letter_headers(message, component)
  return json.encode(record.entry_metadata(message, component))
end

return record

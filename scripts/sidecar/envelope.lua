-- CloudEvents as Dapr makes and fills them: pure text in, text out.
local crypto = require("host.crypto")
local json = require("lib.json")
local rawjson = require("lib.rawjson")

local envelope = {}

local TYPE = "com.dapr.event.sent"

---@class envelope.Context
---@field app string                     the publisher, source of the events
---@field pubsub string
---@field topic string
---@field now string                     RFC 3339 in seconds
---@field expiration string|nil          RFC 3339
---@field overrides table<string, string> cloudevent.* metadata, without the prefix

---@param content_type string|nil
---@return string  lower case, without parameters
function envelope.media_type(content_type)
  local media_type = (content_type or "text/plain"):match("^%s*([^;]*)") --[[@as string]]
  return media_type:gsub("%s+$", ""):lower()
end

---@param bytes string
---@return string  with what is not UTF-8 replaced, as Go's JSON does
function envelope.to_utf8(bytes)
  if not bytes:find("[\128-\255]") then
    return bytes
  end
  local checked = bytes:gsub("%z", " ")
  if json.decode(json.encode(checked)) ~= nil then
    return bytes
  end
  return (bytes:gsub("[\128-\255]", "\239\191\189"))
end

local function member(name, value)
  return '"' .. name .. '":' .. json.encode(value)
end

-- What the publisher gave as the member `data` or `data_base64`. A JSON body keeps its text.
local function data_member(media_type, body)
  if media_type == "application/json" or media_type:find("%+json$") then
    if json.decode(body) ~= nil then
      return '"data":' .. body
    end
  elseif media_type == "application/octet-stream"
    or media_type == "application/cloudevents+protobuf" then
    return '"data_base64":"' .. crypto.base64_encode(body) .. '"'
  end
  return member("data", envelope.to_utf8(body))
end

---Wraps a body that is not a CloudEvent.
---@param context envelope.Context
---@param content_type string|nil
---@param body string
---@return string
function envelope.wrap(context, content_type, body)
  local over = context.overrides
  local trace = over.traceid or over.traceparent or ""
  return "{" .. data_member(envelope.media_type(content_type), body) .. ","
    .. member("datacontenttype", content_type or "text/plain")
    .. (context.expiration and "," .. member("expiration", context.expiration) or "") .. ","
    .. member("id", over.id or crypto.uuid()) .. ","
    .. member("pubsubname", context.pubsub) .. ","
    .. member("source", over.source or context.app) .. ',"specversion":"1.0",'
    .. member("time", context.now) .. ","
    .. member("topic", context.topic) .. ","
    .. member("traceid", trace) .. ","
    .. member("traceparent", over.traceparent or trace) .. ","
    .. member("tracestate", over.tracestate or "") .. ","
    .. member("type", over.type or TYPE) .. "}"
end

local function is_there(value)
  return value ~= nil and value ~= json.null
end

-- The members that a CloudEvent gets. traceid alone decides over both trace members.
local function additions_of(context, event)
  local add = { topic = context.topic, pubsubname = context.pubsub,
    expiration = context.expiration }
  if not is_there(event.traceid) then
    add.traceid, add.traceparent = "", ""
  end
  local defaults = { tracestate = "", source = "Dapr", type = TYPE, specversion = "1.0",
    time = context.now }
  for name, value in pairs(defaults) do
    if not is_there(event[name]) then
      add[name] = value
    end
  end
  return add
end

local function replace(text, add)
  local names, values = rawjson.members(text)
  local parts = {}
  for i = 1, #names do
    if add[names[i]] == nil then
      parts[#parts + 1] = json.encode(names[i]) .. ":" .. values[i]
    end
  end
  return table.concat(parts, ",") .. "}"
end

---Fills a CloudEvent in.
---@param context envelope.Context
---@param text string   the event as it came
---@param event table   the same, decoded
---@return string
function envelope.fill(context, text, event)
  local add = additions_of(context, event)
  local parts, overlap = {}, false
  for name, value in pairs(add) do
    parts[#parts + 1] = member(name, value)
    overlap = overlap or event[name] ~= nil
  end
  local rest = overlap and replace(text, add) or text:match("^%s*{%s*(.*)$") --[[@as string]]
  return "{" .. table.concat(parts, ",") .. (rest:find("^}") and "" or ",") .. rest
end

---What a subscriber with rawPayload gets; the id is new for each attempt.
---@param pubsub string
---@param topic string
---@param bytes string
---@return string
function envelope.raw(pubsub, topic, bytes)
  return '{"data_base64":"' .. crypto.base64_encode(bytes)
    .. '","datacontenttype":"application/octet-stream",' .. member("id", crypto.uuid())
    .. "," .. member("pubsubname", pubsub) .. ',"source":"Dapr","specversion":"1.0",'
    .. member("topic", topic) .. ',"type":"' .. TYPE .. '"}'
end

return envelope

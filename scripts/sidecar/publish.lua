-- POST /v1.0/publish and bulk publish: makes the envelopes, answers once the messages are stored.
local components = require("sidecar.components")
local crypto = require("host.crypto")
local delivery = require("sidecar.delivery")
local delivery_groups = require("sidecar.delivery_groups")
local delivery_intake = require("sidecar.delivery_intake")
local envelope = require("sidecar.envelope")
local errors = require("sidecar.errors")
local fiber = require("host.fiber")
local json = require("lib.json")
local rawjson = require("lib.rawjson")
local record = require("sidecar.record")
local schedule = require("sidecar.schedule")
local store = require("sidecar.delivery_store")
local time = require("host.time")

local publish = {}

local MAX_BODY = 4 * 1024 * 1024
local CLOUD_EVENT = "application/cloudevents+json"
local BOOLEANS = { ["1"] = true, t = true, T = true, TRUE = true, ["true"] = true, True = true,
  ["0"] = false, f = false, F = false, FALSE = false, ["false"] = false, False = false }
local FAILED = "ERR_PUBSUB_PUBLISH_MESSAGE"

-- Nothing when the call may go on, else the component's problem as a reply.
local function check(call, pubsub, topic)
  local component = components.find(call.app.id, "pubsub", pubsub)
  if not component then
    return nil, { errors.reply(404, "ERR_PUBSUB_NOT_FOUND", "pubsub " .. pubsub
      .. " is not found") }
  end
  if not components.may_publish(component, call.app.id, topic) then
    return nil, { errors.reply(403, "ERR_PUBSUB_FORBIDDEN", "topic " .. topic
      .. " is not allowed for app id " .. call.app.id) }
  end
  if #call.request.body > MAX_BODY then
    return nil, { errors.reply(500, FAILED, "error when publishing to topic " .. topic
      .. " in pubsub " .. pubsub .. ": stream too large") }
  end
  return component
end

local function ttl_of(metadata)
  for name, value in pairs(metadata) do
    local lower = name:lower()
    if lower == "ttlinseconds" or lower == "ttl" then
      local ms = value:match("^%d+$") and tonumber(value) * 1000 or schedule.go_duration(value)
      return ms and ms > 0 and ms or nil
    end
  end
end

local second, second_text -- the last time that was written out

local function to_seconds(ms)
  local whole = math.floor(ms / 1000)
  if whole ~= second then
    second, second_text = whole, time.format(whole * 1000):gsub("%.%d+Z$", "Z")
  end
  return second_text
end

local function context_of(call, pubsub, topic, metadata)
  local now = time.now_ms()
  local overrides = {}
  for name, value in pairs(metadata) do
    local attribute = name:match("^cloudevent%.(%a+)$")
    if attribute then
      overrides[attribute] = value
    end
  end
  local ttl = ttl_of(metadata)
  local expires = ttl and now + ttl or nil
  return { app = call.app.id, pubsub = pubsub, topic = topic, overrides = overrides,
    now = to_seconds(now), expires = expires,
    expiration = expires and to_seconds(expires) or nil }
end

local function raw_message(body)
  if body:find("%z") or envelope.to_utf8(body) ~= body then
    return { value = crypto.base64_encode(body), encoding = "base64" }
  end
  return { value = body, encoding = "raw" }
end

-- A CloudEvent that sets its own end.
local function expiration_of(event)
  local at = type(event.expiration) == "string" and time.parse(event.expiration)
  return at or nil
end

local function is_object(value)
  return type(value) == "table" and not json.is_list(value)
end

-- The message of one body; nil and a problem when it is no CloudEvent.
-- event: the body decoded, where that has been done.
---@return table<string, any>|nil message
---@return string|nil why
local function message_of(context, content_type, body, raw, event)
  if raw then
    return raw_message(body)
  end
  if envelope.media_type(content_type) == CLOUD_EVENT then
    event = event or json.decode(body)
    if not is_object(event) then
      return nil, "cannot create cloudevent: the body is not a JSON object"
    end
    return { value = envelope.fill(context, body, event), encoding = "event",
      type = type(event.type) == "string" and event.type or nil,
      expires = context.expires or expiration_of(event) }
  end
  return { value = envelope.wrap(context, content_type, body), encoding = "event",
    expires = context.expires }
end

local function key_of(metadata)
  local key = metadata.partitionKey or metadata.__key
  return key ~= "" and key or nil
end

-- Messages that go to the same groups, together: an app may want certain types only.
local function by_groups(groups, messages)
  local parts, list = {}, {}
  for _, message in ipairs(messages) do
    local wanted = {}
    for _, name in ipairs(groups) do
      if delivery_groups.wants(name, message) then
        wanted[#wanted + 1] = name
      end
    end
    local key = table.concat(wanted, "\0")
    if #wanted > 0 and not parts[key] then
      parts[key] = { groups = wanted, messages = {} }
      list[#list + 1] = parts[key]
    end
    if #wanted > 0 then
      table.insert(parts[key].messages, message)
    end
  end
  return list
end

-- Stores the parts side by side. Returns the error of one that was not taken.
local function store_all(component, topic, now, parts)
  local work, failure = {}, nil
  for i, part in ipairs(parts) do
    work[i] = function()
      local rows, err = store.insert(part.groups, component.name, topic, now, part.messages)
      part.stored = rows ~= nil
      failure = err or failure
      if err and err.code ~= "unavailable" and err.code ~= "sql" then
        delivery_intake.look(part.groups) -- they may be there after all
      end
    end
  end
  fiber.all(work)
  return failure
end

local function copy(message)
  local new = {}
  for name, value in pairs(message) do
    new[name] = value
  end
  return new
end

-- Each group gets what is its, in the order of publishing, whatever part it was stored with.
local function offer_all(groups, parts)
  for _, name in ipairs(groups) do
    local own = {}
    for _, part in ipairs(parts) do
      for _, wanted in ipairs(part.stored and part.groups or {}) do
        for i = 1, wanted == name and #part.messages or 0 do
          own[#own + 1] = copy(part.messages[i]) -- each counts its attempts
        end
      end
    end
    if #parts > 1 then
      table.sort(own, function(a, b) return a.id < b.id end)
    end
    if #own > 0 then
      delivery_intake.offer(name, own)
    end
  end
end

-- Stores messages and hands them on. nil and a message when the database did not take all of them.
local function send(component, topic, messages)
  local groups = delivery_groups.for_topic(component.name, topic)
  if #groups == 0 or #messages == 0 then
    return true
  end
  local first, now = delivery.reserve(#messages), time.now_ms()
  for i, message in ipairs(messages) do
    message.id, message.pubsub, message.topic = first + i - 1, component.name, topic
    message.published, message.attempts = now, 0
  end
  local parts = by_groups(groups, messages)
  local err = store_all(component, topic, now, parts)
  offer_all(groups, parts)
  if err then
    return nil, err.message
  end
  return true
end

local function problem_of(component, message)
  if message.key and (message.key:find("%z") or envelope.to_utf8(message.key) ~= message.key) then
    return "the partition key is not UTF-8 text"
  end
  if #message.value > component.max_bytes then
    return "the message is larger than " .. component.max_bytes .. " bytes"
  end
end

---@param call router.Call
---@param pubsub string
---@param topic string
---@return integer, string, table|nil
function publish.one(call, pubsub, topic)
  local component, problem = check(call, pubsub, topic)
  if not component then
    return unpack(problem)
  end
  local metadata = call.metadata
  local raw = metadata.rawPayload and BOOLEANS[metadata.rawPayload]
  if metadata.rawPayload and raw == nil then
    return errors.reply(400, "ERR_PUBSUB_REQUEST_METADATA",
      "failed deserializing metadata: rawPayload is not a boolean")
  end
  local headers, too_many = record.headers(metadata)
  if too_many then
    return errors.reply(400, "ERR_PUBSUB_REQUEST_METADATA", too_many)
  end
  local message, why = message_of(context_of(call, pubsub, topic, metadata),
    call.request.headers["content-type"], call.request.body, raw)
  if not message then
    return errors.reply(500, "ERR_PUBSUB_CLOUD_EVENTS_SER", why --[[@as string]])
  end
  message.key, message.headers = key_of(metadata), headers
  why = problem_of(component, message)
  local sent
  if not why then
    sent, why = send(component, topic, { message })
  end
  if not sent then
    return errors.reply(500, FAILED, "error when publishing to topic " .. topic .. " in pubsub "
      .. pubsub .. ": " .. why)
  end
  return errors.no_content()
end

local function refuse(text)
  return nil, { errors.reply(400, "ERR_PUBSUB_EVENTS_SER",
    "error when unmarshaling the request: " .. text) }
end

-- The bytes of an entry's event by its content type; nil when they do not fit.
local function event_bytes(content_type, event, text)
  local media_type = envelope.media_type(content_type)
  if media_type:find("^text/") or media_type == "application/xml" then
    return type(event) == "string" and event or nil
  end
  if media_type == "application/octet-stream" then
    return type(event) == "string" and crypto.base64_decode(event) or nil
  end
  return text
end

-- Entries as they came, checked: {id, type, bytes, metadata}.
local function read_entries(body)
  local list = json.decode(body)
  if not json.is_list(list) then
    return refuse("the body is not a JSON array")
  end
  local texts, seen, entries = rawjson.items(body), {}, {}
  for i, item in ipairs(list) do
    local id = is_object(item) and item.entryId
    if type(id) ~= "string" or id == "" or seen[id] then
      return refuse("entryId is missing or not unique")
    end
    seen[id] = true
    local content_type = item.contentType
    local text = rawjson.member(texts[i], "event")
    local bytes = type(content_type) == "string" and content_type ~= "" and item.event ~= nil
      and event_bytes(content_type, item.event, text --[[@as string]])
    if not bytes then
      return refuse("mismatch between contentType and event")
    end
    local metadata = is_object(item.metadata) and item.metadata or nil
    entries[i] = { id = id, type = content_type, bytes = bytes, metadata = metadata,
      event = item.event }
  end
  return entries
end

-- What the request says overrides what its entries say.
local function merge(own, of_request)
  if not own then
    own = {}
  end
  local merged = {}
  for name, value in pairs(own) do
    if type(value) == "string" then
      merged[name] = value
    end
  end
  for name, value in pairs(of_request) do
    merged[name] = value
  end
  return merged
end

local function bulk_message(call, component, topic, entry)
  local metadata = merge(entry.metadata, call.metadata)
  local headers, why = record.headers(metadata)
  if why then
    return nil, why
  end
  local raw = metadata.rawPayload and BOOLEANS[metadata.rawPayload] or false
  local message
  message, why = message_of(context_of(call, component.name, topic, metadata), entry.type,
    entry.bytes, raw, entry.event)
  if not message then
    return nil, why
  end
  message.key, message.headers = key_of(metadata), headers
  why = problem_of(component, message)
  return not why and message or nil, why
end

local function reply_failed(failed)
  local list = json.list({})
  for _, entry in ipairs(failed) do
    list[#list + 1] = { entryId = entry.id, error = entry.error }
  end
  local body = json.encode({ failedEntries = list, errorCode = FAILED })
  return 500, body, { ["Content-Type"] = "application/json", ["metadata.responseData"] = body,
    ["metadata.error"] = FAILED }
end

---@param call router.Call
---@param pubsub string
---@param topic string
---@return integer, string, table|nil
function publish.bulk(call, pubsub, topic)
  local component, problem = check(call, pubsub, topic)
  if not component then
    return unpack(problem)
  end
  local entries
  entries, problem = read_entries(call.request.body)
  if not entries then
    return unpack(problem)
  end
  local messages, failed, taken = {}, {}, {}
  for _, entry in ipairs(entries) do
    local message, why = bulk_message(call, component, topic, entry)
    if message then
      messages[#messages + 1], taken[#taken + 1] = message, entry
    else
      failed[#failed + 1] = { id = entry.id, error = why }
    end
  end
  local sent, why = send(component, topic, messages)
  if not sent then
    for _, entry in ipairs(taken) do
      failed[#failed + 1] = { id = entry.id, error = why }
    end
  end
  if #failed > 0 then
    return reply_failed(failed)
  end
  return errors.no_content()
end

return publish

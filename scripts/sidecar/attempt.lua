-- One attempt to bring messages to an app: where they go, what is sent, and what the answer means.
-- A verdict is ack, drop, fail, gone (nobody subscribes) or down (the app did not get the call).
local apps = require("sidecar.apps")
local components = require("sidecar.components")
local crypto = require("host.crypto")
local envelope = require("sidecar.envelope")
local json = require("lib.json")
local outcome = require("sidecar.outcome")
local record = require("sidecar.record")
local subscriptions = require("sidecar.subscriptions")
local time = require("host.time")

local attempt = {}

local BULK_TYPE = "com.dapr.event.sent.bulk"

---@class attempt.Result
---@field verdict "ack"|"drop"|"fail"|"gone"|"down"
---@field why string|nil
---@field subscription subscriptions.Subscription|nil
---@field never boolean|nil  another attempt cannot be better

local function decode_value(message)
  if message.encoding == "base64" then
    return crypto.base64_decode(message.value)
  end
  return message.value
end

-- The route for a message: nil and "drop" where none fits, nil and "fail" where a rule cannot tell.
local function route_of(subscription, value)
  if #subscription.rules == 0 then
    return subscription.path
  end
  local event = subscription.raw and {} or json.decode(value)
  for _, rule in ipairs(subscription.rules) do
    local fits, message = rule.test(event)
    if message then
      return nil, "fail", "the rule " .. rule.text .. " cannot be evaluated: " .. message
    end
    if fits then
      return rule.path
    end
  end
  if subscription.path then
    return subscription.path
  end
  return nil, "drop", "no route fits"
end

local function check_object(message, value)
  if message.encoding == "event" then
    return true
  end
  local event = json.decode(value)
  return type(event) == "table" and not json.is_list(event)
end

-- Where a message goes and what it is: {path, value, subscription}. Or nil and the result it has
-- without a call.
local function prepare(group, message)
  local key = subscriptions.key(message.pubsub, message.topic)
  local subscription = group.app.subscriptions[key]
  if not subscription then
    return nil, { verdict = "gone" }
  end
  local function without_call(verdict, why)
    return nil, { verdict = verdict, why = why, subscription = subscription }
  end
  local now = time.now_ms()
  if message.expires and now > message.expires then
    return without_call("drop", "it has expired")
  end
  local component = components.named(message.pubsub)
  if component and now > message.published + component.retention_ms then
    return without_call("gone")
  end
  local value = decode_value(message)
  if not subscription.raw and not check_object(message, value) then
    return nil, { verdict = "fail", why = "the message is not a JSON object",
      subscription = subscription, never = true }
  end
  local path, verdict, why = route_of(subscription, value)
  if not path then
    return without_call(verdict, why)
  end
  return { path = path:sub(1, 1) == "/" and path or "/" .. path, value = value,
    subscription = subscription }
end

-- Calls the app. nil, a verdict and why when there is no answer.
local function post(group, path, headers, body, component)
  local replica = group.replica or apps.pick(group.app)
  if not replica or not replica.up then
    return nil, "down"
  end
  local reply, err = apps.call(replica, "POST", path, headers, body,
    component and component.timeout_ms)
  if not reply then
    return nil, apps.is_refused(err) and "down" or "fail", err.message
  end
  return reply
end

---Brings one message (waits).
---@param group table
---@param message table
---@return attempt.Result
function attempt.one(group, message)
  local call, result = prepare(group, message)
  if not call then
    return result --[[@as attempt.Result]]
  end
  local component, subscription = components.named(message.pubsub), call.subscription
  local body = subscription.raw and envelope.raw(message.pubsub, message.topic, call.value)
    or call.value
  local reply, verdict, why = post(group, call.path, record.delivery_headers(message, component),
    body, component)
  if reply then
    verdict, why = outcome.of(reply)
  end
  return { verdict = verdict, why = why, subscription = subscription }
end

local function entry_of(id, call, message, component)
  local raw = call.subscription.raw
  return '{"entryId":"' .. id .. '","event":'
    .. (raw and '"' .. crypto.base64_encode(call.value) .. '"' or call.value)
    .. ',"metadata":' .. json.encode(record.entry_metadata(message, component))
    .. ',"contentType":"application/' .. (raw and "octet-stream" or "cloudevents+json") .. '"}'
end

-- Brings those that go to one path. numbers: which of the messages.
local function post_all(group, path, numbers, calls, messages, results)
  local first = messages[numbers[1]]
  local component, entries, ids = components.named(first.pubsub), {}, {}
  for i, number in ipairs(numbers) do
    ids[i] = string.format("%d", number - 1)
    entries[i] = entry_of(ids[i], calls[number], messages[number], component)
  end
  local pubsub, topic = json.encode(first.pubsub), json.encode(first.topic)
  local body = '{"entries":[' .. table.concat(entries, ",") .. '],"id":"' .. crypto.uuid()
    .. '","metadata":{"pubsubName":' .. pubsub .. '},"pubsubname":' .. pubsub .. ',"topic":'
    .. topic .. ',"type":"' .. BULK_TYPE .. '"}'
  local reply, verdict, why = post(group, path, { ["Content-Type"] = "application/json" }, body,
    component)
  local verdicts, reasons = {}, {}
  if reply then
    verdicts, reasons = outcome.of_all(reply, ids)
  end
  for i, number in ipairs(numbers) do
    results[number] = { verdict = verdicts[i] or verdict, why = reasons[i] or why,
      subscription = calls[number].subscription }
  end
end

---Brings messages of a subscription that takes many in one call (waits).
---@param group table
---@param messages table[]
---@return attempt.Result[]
function attempt.all(group, messages)
  local results, calls, paths, numbers_of = {}, {}, {}, {}
  for i, message in ipairs(messages) do
    calls[i], results[i] = prepare(group, message)
    if calls[i] then
      local path = calls[i].path
      if not numbers_of[path] then
        numbers_of[path] = {}
        paths[#paths + 1] = path
      end
      table.insert(numbers_of[path], i)
    end
  end
  for _, path in ipairs(paths) do
    post_all(group, path, numbers_of[path], calls, messages, results)
  end
  return results
end

return attempt

-- The subscriptions of a service: what it tells Dapr of them, and what it does with the events that
-- then come to its inner port, one by one or many in one call.
local cloudevent = require("lib.cloudevent")
local fiber = require("host.fiber")
local json = require("lib.json")
local log = require("host.log")
local metrics = require("host.metrics")
local problem = require("lib.problem")
local rawjson = require("lib.rawjson")
local time = require("host.time")

local subscription = {}

---@class subscription.Subscription
---@field pubsub string
---@field topic string
---@field path string               inner route that Dapr calls
---@field dead_letter_topic string|nil
---@field types string[]|nil        event types that matter: another is SUCCESS without the handler
---@field bulk subscription.Bulk|nil  Dapr brings many events in one call
---@field handler fun(event: cloudevent.Event): string|nil, any
---@field handle_all nil|fun(events: cloudevent.Event[]): subscription.Outcome[]
---@field bury fun(topic: string, message: string, body: string): true|nil, table|nil
-- handler returns SUCCESS, RETRY, or DROP with a reason; nil and a problem when it cannot now. bury
-- keeps an event that can never be handled, before it is dropped. Without handle_all the events of
-- one call go to handler: those of a task one after the other, and once one of them must come again
-- the later ones must too; tasks side by side.

---@class subscription.Bulk
---@field max integer      events of one call, 32 at most
---@field wait_ms integer  how long Dapr with Kafka gathers them, also when there is only one

---@class subscription.Outcome
---@field [1] string|nil  as handler returns
---@field [2] any

subscription.EVENT_BYTES = 256 * 1024

local handled_total = metrics.counter("events_handled_total",
  "Events that came, by what became of each.", { "topic", "outcome" })
local lag = metrics.histogram("events_handled_lag_seconds",
  "From an event's timestamp until its effect was there.",
  { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600 }, { "topic" })

local OUTCOMES = { SUCCESS = "success", RETRY = "retry", DROP = "drop" }

-- verdict nil: it cannot be handled now. event nil: it could not be read.
local function count(topic, verdict, event)
  handled_total:add(1, topic, OUTCOMES[verdict] or "retry")
  if verdict == "SUCCESS" and event then
    lag:observe(math.max(0, (time.now_ms() - time.parse(event.timestamp)) / 1000), topic)
  end
end

local function wants(declared, event_type)
  if not declared.types then
    return true
  end
  for _, wanted in ipairs(declared.types) do
    if wanted == event_type then
      return true
    end
  end
  return false
end

local function read_event(body)
  if #body > subscription.EVENT_BYTES then
    return nil, "it is larger than " .. subscription.EVENT_BYTES .. " bytes"
  end
  return cloudevent.read(body)
end

local function set_trace(event)
  if event.traceparent then
    fiber.set_traceparent(event.traceparent)
  end
end

-- Dapr takes exactly these words, and any status but 2xx and 404 as "later": a 413 would come again
-- and again, and hold up all that is behind it.
local function deliver(declared, request)
  local body = request.body
  local event, message = read_event(body)
  local verdict = "DROP"
  if event then
    -- The sidecar's span of this delivery, where it traces; else what the publisher was a part of.
    event.traceparent = request.traceparent or event.traceparent
    set_trace(event)
  end
  if event and not wants(declared, event.event_type) then
    verdict = "SUCCESS"
  elseif event then
    verdict, message = declared.handler(event)
    if not verdict then
      count(declared.topic, nil)
      return problem.reply(message --[[@as Problem]])
    end
  end
  if verdict == "DROP" then
    local kept, why = declared.bury(declared.topic, message, body)
    if not kept then
      count(declared.topic, nil)
      return problem.reply(why)
    end
  end
  count(declared.topic, verdict, event)
  return 200, { status = verdict }
end

-- The entries of a call with many events: {id, text}. Each is read by itself, so that one that is
-- not the JSON that is taken here spoils no other.
local function read_entries(body)
  local list = body:find("^%s*{") and rawjson.member(body, "entries")
  if not list or not list:find("^%[") then
    return nil
  end
  local entries = {}
  for i, text in ipairs(rawjson.items(list)) do
    local id = text:find("^{") and json.decode(rawjson.member(text, "entryId") or "")
    if type(id) ~= "string" then
      return nil
    end
    entries[i] = { id = id, text = rawjson.member(text, "event") or "" }
  end
  return entries
end

-- Events of one task, in order.
local function handle_in_turn(declared, entries)
  local put_off
  for _, entry in ipairs(entries) do
    if put_off then
      entry.verdict, entry.message = "RETRY", put_off
    else
      set_trace(entry.event)
      entry.verdict, entry.message = declared.handler(entry.event)
      if entry.verdict == nil or entry.verdict == "RETRY" then
        put_off = entry.message or "the handler said RETRY"
      end
    end
  end
end

local function handle_each(declared, entries)
  local of_task, work = {}, {}
  for _, entry in ipairs(entries) do
    local task = entry.event.task_id:lower()
    local own = of_task[task]
    if own then
      own[#own + 1] = entry
    else
      own = { entry }
      of_task[task] = own
      work[#work + 1] = function() handle_in_turn(declared, own) end
    end
  end
  fiber.all(work)
end

local function handle(declared, entries)
  if #entries == 0 then
    return
  end
  if not declared.handle_all then
    handle_each(declared, entries)
    return
  end
  local events = {}
  for i, entry in ipairs(entries) do
    events[i] = entry.event
  end
  for i, outcome in ipairs(declared.handle_all(events)) do
    entries[i].verdict, entries[i].message = outcome[1], outcome[2]
  end
end

-- The word for an entry. daprd brings a dropped one to the dead letters by its place in the first
-- call; in a later one, of what is left, it would take another, or end itself. There an event that
-- is kept counts as handled.
local function word_for(declared, entry, place)
  if entry.verdict == "DROP" then
    local kept, why = declared.bury(declared.topic, entry.message, entry.text)
    if kept then
      return entry.id == tostring(place) and "DROP" or "SUCCESS"
    end
    entry.verdict, entry.message = nil, why
  end
  return entry.verdict or "RETRY"
end

-- Dapr has a span for each event of a call but tells one: it is right for events of its trace.
local function join_trace(event, told)
  if told and event.traceparent and event.traceparent:sub(4, 35) == told:sub(4, 35) then
    event.traceparent = told
  end
end

local function deliver_all(declared, request)
  local entries = read_entries(request.body)
  if not entries then
    return problem.reply(problem.unprocessable("The body has no list of entries with an entryId"))
  end
  local wanted = {}
  for _, entry in ipairs(entries) do
    local event, message = read_event(entry.text)
    if not event then
      entry.verdict, entry.message = "DROP", message
    elseif not wants(declared, event.event_type) then
      entry.verdict = "SUCCESS"
    else
      join_trace(event, request.traceparent)
      entry.event = event
      wanted[#wanted + 1] = entry
    end
  end
  handle(declared, wanted)
  local statuses, put_off, reason = json.list({}), 0, nil
  for i, entry in ipairs(entries) do
    local word = word_for(declared, entry, i - 1)
    statuses[i] = { entryId = entry.id, status = word }
    count(declared.topic, entry.verdict, entry.event)
    if word == "RETRY" then
      put_off = put_off + 1
      reason = reason or entry.message
    end
  end
  if put_off > 0 then
    log.warn("events must come again", { topic = declared.topic, count = put_off,
      of = #entries, error = type(reason) == "table" and reason.detail or tostring(reason) })
  end
  if put_off > 0 and put_off == #entries and type(reason) == "table" then
    return problem.reply(reason) -- to Dapr the same, and seen as what it is by who watches
  end
  return 200, { statuses = statuses }
end

local function tell(declared)
  local bulk = declared.bulk
  return { pubsubname = declared.pubsub, topic = declared.topic, route = declared.path,
    deadLetterTopic = declared.dead_letter_topic,
    bulkSubscribe = bulk and { enabled = true, maxMessagesCount = bulk.max,
      maxAwaitDurationMs = bulk.wait_ms },
    -- For the stand-in, which then need not bring the others; Dapr passes over it.
    metadata = declared.types and { types = table.concat(declared.types, ",") } }
end

-- A sidecar that was told of the subscription before it was bulk brings one event at a time.
local function is_bulk(declared, request)
  local content_type = request.headers["content-type"] or ""
  return declared.bulk ~= nil and content_type:find("^application/json") ~= nil
end

-- What Dapr is told of a subscription, as text.
local function as_text(told)
  local bulk, types = told.bulkSubscribe, told.metadata and told.metadata.types
  return table.concat({ told.pubsubname, told.topic, told.route, told.deadLetterTopic or "",
    types or "", bulk and bulk.maxMessagesCount or "", bulk and bulk.maxAwaitDurationMs or "" },
    "\n")
end

---The inner routes of a service's subscriptions, and the one that tells Dapr of them; and what it
---is told as text, to see whether it changed.
---@param subscriptions subscription.Subscription[]|nil
---@return service.Route[], string
function subscription.routes(subscriptions)
  local list, told, texts = {}, json.list({}), {}
  for i, declared in ipairs(subscriptions or {}) do
    told[i] = tell(declared)
    for _, outcome in ipairs({ "success", "retry", "drop" }) do
      handled_total:add(0, declared.topic, outcome)
    end
    texts[i] = as_text(told[i])
    list[i] = { "POST", declared.path, large = true, function(request)
      if is_bulk(declared, request) then
        return deliver_all(declared, request)
      end
      return deliver(declared, request)
    end }
  end
  list[#list + 1] = { "GET", "/dapr/subscribe", early = true, function()
    return 200, told
  end }
  return list, table.concat(texts, "\n\n")
end

return subscription

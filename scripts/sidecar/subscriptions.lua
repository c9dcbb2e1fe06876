-- Who hears of which topic: asks each app by GET /dapr/subscribe until it answers, and again when
-- it comes back or from time to time. What is known is stored, so that messages wait for an app
-- that is down. A bad answer never makes a known subscription forgotten.
local apps = require("sidecar.apps")
local components = require("sidecar.components")
local db = require("host.db")
local fiber = require("host.fiber")
local json = require("lib.json")
local log = require("host.log")
local match = require("sidecar.match")

local subscriptions = {}

local ASK_AGAIN_MS = 10000
local DOWN_MS = 250
local BULK_COUNT = 80 -- where a bulk subscription does not say, as with Kafka
local BAD_MIN_MS, BAD_MAX_MS = 250, 5000

local LOAD = "SELECT id, subscriptions FROM sidecar.app"
local SAVE = "INSERT INTO sidecar.app (id, subscriptions) VALUES ($1, $2)"
  .. " ON CONFLICT (id) DO UPDATE SET subscriptions = EXCLUDED.subscriptions, updated_at = now()"

---Called with an app when it has come up, or its subscriptions have changed.
---@type fun(app: apps.App, changed: boolean)
subscriptions.on_change = function(_, _) end
---Called with a replica when it has come up.
---@type fun(replica: apps.Replica)
subscriptions.on_up = function(_) end

---@param pubsub string
---@param topic string
---@return string
function subscriptions.key(pubsub, topic)
  return pubsub .. " " .. topic
end

local function text_of(value)
  return type(value) == "string" and value ~= "" and value or nil
end

local function read_rules(routes)
  local rules = {}
  for _, rule in ipairs(type(routes.rules) == "table" and routes.rules or {}) do
    local path = text_of(rule.path)
    if not path then
      return nil, "a rule has no path"
    end
    if text_of(rule.match) then
      local test, message = match.compile(rule.match)
      if not test then
        return nil, "the rule " .. rule.match .. " is not understood: " .. message
      end
      rules[#rules + 1] = { test = test, text = rule.match, path = path }
    else
      rules[#rules + 1] = { test = function() return true end, text = "", path = path }
    end
  end
  return rules
end

-- How long to wait for more does not matter: what is there goes at once.
local function read_bulk(bulk)
  if type(bulk) ~= "table" or bulk.enabled ~= true then
    return nil
  end
  local count = tonumber(bulk.maxMessagesCount)
  return count and count >= 1 and math.floor(count) or BULK_COUNT
end

---@class subscriptions.Subscription
---@field pubsub string
---@field topic string
---@field rules {test: function, text: string, path: string}[]
---@field path string|nil         where no rule fits
---@field raw boolean
---@field dead_letter string|nil
---@field bulk integer|nil        how many messages a call brings at most; nil: one, in its own form

---@param app string
---@param item any
---@return subscriptions.Subscription|nil
---@return string|nil message
function subscriptions.read(app, item)
  local pubsub = type(item) == "table" and text_of(item.pubsubname)
  local topic = pubsub and text_of(item.topic)
  if not topic then
    return nil, "pubsubname or topic is missing"
  end
  local component = components.find(app, "pubsub", pubsub)
  if not component then
    return nil, "there is no pubsub " .. pubsub
  end
  if not components.may_subscribe(component, app, topic) then
    return nil, "the app may not subscribe to " .. topic
  end
  local routes = type(item.routes) == "table" and item.routes or {}
  local rules, message = read_rules(routes)
  if not rules then
    return nil, message
  end
  local path = text_of(routes.default) or text_of(item.route)
  if not path and #rules == 0 then
    return nil, "it has no route"
  end
  local metadata = type(item.metadata) == "table" and item.metadata or {}
  return { pubsub = pubsub, topic = topic, rules = rules, path = path,
    raw = tostring(metadata.rawPayload):lower() == "true",
    dead_letter = text_of(item.deadLetterTopic), bulk = read_bulk(item.bulkSubscribe),
    types = components.set_of(text_of(metadata.types)) }
end

-- All of an answer; what is refused keeps what was known before of the same topic.
local function read_all(app, list)
  local found = {}
  for _, item in ipairs(list) do
    local subscription, message = subscriptions.read(app.id, item)
    local topic = type(item) == "table" and tostring(item.topic) or "?"
    if subscription then
      found[subscriptions.key(subscription.pubsub, subscription.topic)] = subscription
    else
      log.error("a subscription is refused", { app = app.id, topic = topic, error = message })
      local key = type(item) == "table"
        and subscriptions.key(tostring(item.pubsubname), tostring(item.topic))
      found[key or ""] = key and app.subscriptions and app.subscriptions[key] or nil
    end
  end
  return found
end

local function decode_list(text)
  if text == nil or text == "" then
    return json.list({})
  end
  local list = json.decode(text)
  if list == json.null then
    return json.list({})
  end
  return json.is_list(list) and list or nil
end

-- The same for the same meaning: replicas write their keys in different orders.
local function canonical(value)
  if type(value) ~= "table" then
    return json.encode({ value })
  end
  local parts = {}
  for key, item in pairs(value) do
    parts[#parts + 1] = tostring(key) .. ":" .. canonical(item)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Takes an answer over, once it is stored.
local function take(app, text)
  if app.text == text then
    return true
  end
  local list = decode_list(text)
  if app.text and canonical(decode_list(app.text)) == canonical(list) then
    app.text = text
    return true
  end
  local found = read_all(app, list)
  if not db.execute(SAVE, app.id, text) then
    return false
  end
  app.subscriptions, app.text = found, text
  log.info("subscriptions", { app = app.id, count = #list })
  subscriptions.on_change(app, true)
  return true
end

local function to_text(reply)
  if reply.status == 404 then
    return "[]"
  end
  if reply.status ~= 200 or not decode_list(reply.body) then
    return nil
  end
  return reply.body == "" and "[]" or reply.body
end

-- Asks once. Returns how long to wait before the next time.
local function ask(replica, bad)
  local app = replica.app
  local reply, err = apps.call(replica, "GET", "/dapr/subscribe",
    { ["Content-Type"] = "application/json", ["Dapr-App-Id"] = app.id }, nil, 5000)
  if not reply then
    replica.up = replica.up and not apps.is_refused(err) -- one that is slow is not down
    return DOWN_MS, 0
  end
  local first = not replica.up
  local text = to_text(reply)
  local known = app.text ~= nil and app.text ~= "[]"
  if text and not (reply.status == 404 and known) and not take(app, text) then
    return BAD_MIN_MS, 0
  end
  -- Not before: who finds the sidecar healthy may publish to these topics.
  replica.up, replica.seen = true, true
  if not text and bad == 0 then
    log.warn("an app does not say what it subscribes to", { app = app.id, status = reply.status })
  end
  if first then
    subscriptions.on_up(replica)
    subscriptions.on_change(app, false)
  end
  if not text then
    return math.min(BAD_MAX_MS, BAD_MIN_MS * 2 ^ bad), bad + 1
  end
  return ASK_AGAIN_MS, 0
end

local function watch(replica)
  local bad = 0
  replica.woken = fiber.event()
  while true do
    local wait
    wait, bad = ask(replica, bad)
    replica.woken:wait(wait)
  end
end

---Reads what is stored (waits, and until the database is there).
function subscriptions.load()
  ---@type any
  local rows = db.query(LOAD)
  while not rows do
    fiber.sleep(BAD_MIN_MS)
    rows = db.query(LOAD)
  end
  for _, row in ipairs(rows) do
    local app = apps.find(row.id)
    local list = app and decode_list(row.subscriptions)
    if list then
      app.subscriptions, app.text = read_all(app, list), row.subscriptions
    end
  end
end

---Starts asking.
function subscriptions.start()
  apps.on_refused = function(replica)
    if replica.up then
      log.warn("an app is not reachable; its deliveries wait",
        { app = replica.app.id, port = replica.port })
      replica.up = false
      replica.woken --[[@as host.fiber.Event]]:set()
    end
  end
  for _, app in ipairs(apps.list) do
    for _, replica in ipairs(app.replicas) do
      if replica.port then
        fiber.spawn(function() watch(replica) end)
      end
    end
  end
end

return subscriptions

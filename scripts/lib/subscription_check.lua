-- What a service's subscriptions must be like. Dapr asks for them once in its life and takes a bad
-- answer as final, so a bad declaration must end the program before its inner port opens.
local subscription_check = {}

local KNOWN = { pubsub = true, topic = true, path = true, dead_letter_topic = true, types = true,
  handler = true, handle_all = true, bulk = true, bury = true }
local BULK_MAX = 32 -- of Kafka's largest records, which fit into the host's limit of a body
local WAIT_MAX_MS = 1000
local NAME = "^%w[%w._-]*$"
local NAME_BYTES = 249 -- the longest that a broker takes as a topic
local PATH = "^/[%w/._~-]*[%w._~-]$"

local function is_name(value)
  return type(value) == "string" and #value <= NAME_BYTES and value:find(NAME) ~= nil
end

local function names_of_types(types)
  if type(types) ~= "table" or #types == 0 then
    return false
  end
  for _, name in pairs(types) do
    if type(name) ~= "string" or not name:find("^[%w._-]+$") then
      return false
    end
  end
  return true
end

local function is_whole(value, from, to)
  return type(value) == "number" and value % 1 == 0 and value >= from and value <= to
end

local function wrong_bulk(bulk)
  if type(bulk) ~= "table" or not is_whole(bulk.max, 1, BULK_MAX) then
    return "bulk.max must be a number of events from 1 to " .. BULK_MAX
  elseif not is_whole(bulk.wait_ms, 1, WAIT_MAX_MS) then
    return "bulk.wait_ms must be milliseconds from 1 to " .. WAIT_MAX_MS
  end
end

local function wrong_field(subscription)
  for field in pairs(subscription) do
    -- A rule of Dapr's that asks for an attribute which an event lacks is tried again for ever, and
    -- all that is behind that event waits: there are no rules here.
    if field == "match" or field == "rules" or field == "routes" then
      return field .. " is not supported: types tells which events matter"
    end
    if not KNOWN[field] then
      return "there is no field " .. tostring(field)
    end
  end
end

local function wrong_value(subscription)
  local dead = subscription.dead_letter_topic
  if not is_name(subscription.pubsub) then
    return "pubsub must be the name of a component"
  elseif not is_name(subscription.topic) then
    return "topic must be the name of a topic"
  elseif type(subscription.path) ~= "string" or not subscription.path:find(PATH)
    or subscription.path:find("^/dapr/") then
    return "path must be a path of the inner port, like /events/tasks"
  elseif dead ~= nil and not is_name(dead) then
    return "dead_letter_topic must be the name of a topic"
  elseif dead == subscription.topic then
    return "dead_letter_topic must be another topic"
  elseif subscription.types ~= nil and not names_of_types(subscription.types) then
    return "types must be a list of event types"
  elseif type(subscription.handler) ~= "function" then
    return "handler must be a function"
  elseif subscription.handle_all ~= nil and type(subscription.handle_all) ~= "function" then
    return "handle_all must be a function"
  elseif subscription.handle_all and not subscription.bulk then
    return "handle_all is for a subscription with bulk"
  elseif type(subscription.bury) ~= "function" then
    return "bury must be a function"
  end
  return subscription.bulk ~= nil and wrong_bulk(subscription.bulk) or nil
end

local function taken_paths(inner_routes)
  local taken = {}
  for _, route in ipairs(inner_routes or {}) do
    if route[1] == "POST" then
      taken[route[2]] = true
    end
  end
  return taken
end

local function find_wrong(declaration)
  local list = declaration.subscriptions
  if type(list) ~= "table" then
    return "subscriptions must be a list"
  end
  local topics, paths, count = {}, taken_paths(declaration.inner_routes), 0
  for _ in pairs(list) do
    count = count + 1
  end
  if count ~= #list then
    return "subscriptions must be a list"
  end
  if count > 0 and not declaration.inner_port then
    return "subscriptions need an inner_port"
  end
  for i, subscription in ipairs(list) do
    local message = type(subscription) ~= "table" and "it is not a table"
      or wrong_field(subscription) or wrong_value(subscription)
    local topic = not message and subscription.pubsub .. " " .. subscription.topic
    if topic and topics[topic] then
      message = "there is another of " .. topic -- Dapr would take the last one alone
    elseif topic and paths[subscription.path] then
      message = "there is another route " .. subscription.path
    end
    if message then
      return "subscription " .. i .. ": " .. message
    end
    topics[topic], paths[subscription.path] = true, true
  end
end

---Looks at the subscriptions of a declaration.
---@param declaration table  what service.lua returned
---@return string|nil message  what is wrong with them
function subscription_check.problem(declaration)
  return declaration.subscriptions ~= nil and find_wrong(declaration) or nil
end

return subscription_check

-- The groups that messages are delivered to. A group is an app (for broadcasts a replica) and one
-- topic: a topic whose handler fails holds up no other.
local apps = require("sidecar.apps")
local components = require("sidecar.components")
local subscriptions = require("sidecar.subscriptions")
local worker = require("host.worker")

local delivery_groups = {}

---@type table<string, any>
delivery_groups.all = {} -- by name

-- The group of an app and a topic, and where it is a broadcast of a replica. Its lanes, what is
-- ready and what is held are changed by delivery_lanes; behind, missed and reading by
-- delivery_intake; running by delivery.
local function group_of(app, replica, pubsub, topic)
  local owner = replica and app.id .. "@" .. replica.port or app.id
  local key = subscriptions.key(pubsub, topic)
  local name = owner .. " " .. key
  local group = delivery_groups.all[name]
  if not group then
    group = { name = name, owner = owner, app = app, replica = replica, key = key, topic = topic,
      lanes = {}, ready = {}, ready_first = 1, ready_last = 0, running = 0, held = {},
      held_count = 0, held_bytes = 0, behind = true, missed = false, reading = false }
    delivery_groups.all[name] = group
  end
  return group
end

---The group of that name, made if need be; nil when its app is not one of this machine.
---@param name string
---@return any
function delivery_groups.named(name)
  local id, port, pubsub, topic = name:match("^([^@ ]+)@?(%d*) ([^ ]+) (.+)$")
  local app = id and apps.find(id)
  if not app or delivery_groups.all[name] then
    return delivery_groups.all[name]
  end
  if port == "" then
    return group_of(app, nil, pubsub, topic)
  end
  for _, replica in ipairs(app.replicas) do
    if replica.port == tonumber(port) then
      return group_of(app, replica, pubsub, topic)
    end
  end
end

---Somebody is there to take its messages, and the process goes on.
---@return boolean
function delivery_groups.is_open(group)
  if worker.draining() or not group.app.subscriptions then
    return false
  end
  if group.replica then
    return group.replica.up
  end
  for _, replica in ipairs(group.app.replicas) do
    if replica.up and replica.port then
      return true
    end
  end
  return false
end

---How many messages the app takes in one call; nil: they come one by one.
---@return integer|nil
function delivery_groups.bulk_of(group)
  local app = group.app --[[@as apps.App]]
  local known = app.subscriptions
  local subscription = known and known[group.key --[[@as string]]]
  return subscription and subscription.bulk
end

local function hears(app, component, topic)
  if app.subscriptions then
    return app.subscriptions[subscriptions.key(component.name, topic)] ~= nil
  end
  return apps.has_port(app) and components.is_for(app.id, component)
    and components.may_subscribe(component, app.id, topic)
end

---The groups that a topic's messages go to: of apps that subscribe, and of those not known yet.
---@param pubsub string
---@param topic string
---@return string[]
function delivery_groups.for_topic(pubsub, topic)
  local component, names = components.named(pubsub), {}
  for _, app in ipairs(apps.list) do
    if hears(app, component, topic) then
      for _, replica in ipairs(component.broadcast and app.replicas or { false }) do
        if not replica or replica.port then
          names[#names + 1] = group_of(app, replica or nil, pubsub, topic).name
        end
      end
    end
  end
  return names
end

---@param name string    of a group
---@param message table   with its type; none: it is no CloudEvent
---@return boolean        the app wants messages of this type
function delivery_groups.wants(name, message)
  local group = delivery_groups.all[name]
  local app = group.app --[[@as apps.App]]
  local known = app.subscriptions
  local subscription = known and known[group.key --[[@as string]]]
  local types = subscription and subscription.types
  return not types or not message.type or types[message.type] == true
end

return delivery_groups

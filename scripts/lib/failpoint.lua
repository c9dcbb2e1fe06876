-- Named places at which a test build fails on purpose, so that specs can see what is left.
-- FAILPOINTS says which, and how: "after_commit=crash,before_outbox_delete=crash@3".
--   crash     the process ends as by kill -9
--   error     an error is thrown
--   sleep:MS  the fiber waits
--   hold:N    the fiber waits while a session of the database holds the advisory lock N
--   spin:MS   the worker's loop is stuck
-- @N after it: the N-th time only, else each time. A release build has none of this.
local failpoint = {}

---@type table<string, string>  name -> where it is
failpoint.POINTS = {
  after_commit = "chat-api, between the commit of a change and its answer",
  before_outbox_delete = "relay, between the broker's answer and the delete of its rows",
  before_effect_commit = "consumer, before the statement that is an event's effect",
  after_effect = "consumer, between the commit of the effect and the answer to the sidecar",
  after_delivery = "notification-service, between the sending of a reminder and its row",
  before_reminder_commit = "chat-api, before the statement that fires reminders",
  after_reminder_commit = "chat-api, after it and before the callback's answer",
  before_ack_delete = "stand-in sidecar, between an app's answer and the delete of the delivery",
  before_start = "any service, before its start function",
}

local ok, host = pcall(require, "host.failpoint")
local armed = {}

local function arm(text)
  for item in text:gmatch("[^,]+") do
    local name, action, value, nth = item:match("^([%w_]+)=(%a+):?(%d*)@?(%d*)$")
    if not name or not failpoint.POINTS[name] then
      error("FAILPOINTS: " .. item .. " is not one of the failpoints, as name=action")
    end
    armed[name] = { action = action, value = tonumber(value), nth = tonumber(nth), seen = 0 }
  end
end

local HELD = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"
  .. " AND objid = $1::text::oid AND database = (SELECT oid FROM pg_database"
  .. " WHERE datname = current_database())"

local function wait_for_lock(number)
  local db, fiber = require("host.db"), require("host.fiber")
  repeat
    fiber.sleep(20)
    local rows = db.query(HELD, tostring(number))
  until rows and #rows == 0
end

local function run(point)
  point.seen = point.seen + 1
  if point.nth and point.seen ~= point.nth then
    return
  end
  if point.action == "crash" then
    host.crash()
  elseif point.action == "spin" then
    host.spin(point.value)
  elseif point.action == "sleep" then
    require("host.fiber").sleep(point.value)
  elseif point.action == "hold" then
    wait_for_lock(point.value)
  elseif point.action == "error" then
    error("failpoint")
  else
    error("FAILPOINTS: there is no action " .. point.action)
  end
end

---Fails here, if the process was started to do so.
---@param name string
function failpoint.hit(name)
  local point = armed[name]
  if point then
    run(point)
  end
end

---@return boolean  this is a test build
function failpoint.built_in()
  return ok
end

if ok and host.wanted() then
  arm(host.wanted())
end

return failpoint

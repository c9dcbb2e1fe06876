-- The stand-in for Dapr on one machine: see README.md. Its own port is the sidecar port of the app
-- declared at 8000; each further app has one of its own.
local apps = require("sidecar.apps")
local bindings = require("sidecar.bindings")
local components = require("sidecar.components")
local delivery = require("sidecar.delivery")
local jobs = require("sidecar.jobs")
local log = require("host.log")
local router = require("sidecar.router")
local secrets = require("sidecar.secrets")
local state = require("sidecar.state")
local subscriptions = require("sidecar.subscriptions")
local timer = require("host.timer")
local timers = require("sidecar.timers")
local worker = require("host.worker")

local BODY_LIMIT = 6 * 1024 * 1024 -- above Dapr's own 4 MiB, so that its answer can be given
local EXPIRE_MS = 60000

local function own_port()
  for _, service in ipairs(worker.services()) do
    if service.name == "sidecar" then
      return service.port
    end
  end
end

local function listen()
  local own = own_port()
  for _, port in ipairs(apps.ports()) do
    if port ~= own then
      local ok, message = worker.listen(port, BODY_LIMIT)
      if not ok then
        error("the sidecar cannot listen: " .. message, 0)
      end
    end
  end
end

local function start()
  timers.start()
  subscriptions.load()
  delivery.start()
  jobs.start()
  listen()
  subscriptions.on_up = bindings.on_up
  subscriptions.on_change = function(app, changed)
    delivery.wake(app, changed)
    jobs.wake()
  end
  subscriptions.start()
  timer.every(EXPIRE_MS, state.expire)
  log.info("the sidecar is there", { apps = #apps.list })
end

-- While loading, so that a bad setting stops the program.
components.load()
secrets.load()
apps.load()

return {
  name = "sidecar",
  port = 10000,
  workers = 1,
  reloads = false, -- what apps are being given is in memory alone
  nice = 4, -- what waits here is stored; a user waits now
  body_limit = BODY_LIMIT,
  routes = {},
  fallback = router.handle,
  start = start,
}

-- The routes that every service has. service_docs describes them.
local db = require("host.db")
local json = require("lib.json")
local metrics = require("host.metrics")
local openapi = require("lib.openapi")
local problem = require("lib.problem")
local revision = require("host.revision")
local rule_rollback = require("lib.rule_rollback")
local service_docs = require("lib.service_docs")
local static = require("lib.static")
local time = require("host.time")
local worker = require("host.worker")

local service_routes = {}

local function ready(started)
  if not started then
    return problem.unavailable("The service is starting", 1)
  end
  if worker.draining() then
    return problem.unavailable("The service is stopping", 1)
  end
  if not db.ready() then
    return problem.unavailable("The database is not reachable", 1)
  end
end

-- What of the scripts or rules is not live, though it should be: no reason to send nobody here.
local function stale()
  local list = {}
  for _, kind in ipairs({ "scripts", "rules" }) do
    local why = revision.status(kind).error
    if why then
      list[#list + 1] = kind .. ": " .. why
    end
  end
  return list[1] and table.concat(list, "; ")
end

local function read_status(kind)
  ---@type any
  local status = revision.status(kind)
  status.loaded_at = status.revision and time.format(status.loaded_ms)
  status.loaded_ms = nil
  for _, past in ipairs(status.previous) do
    past.loaded_at, past.loaded_ms = past.loaded_ms and time.format(past.loaded_ms), nil
  end
  status.previous = json.list(status.previous)
  status.worker = worker.index
  return status
end

local function scripts_status()
  return 200, read_status("scripts")
end

local function rules_status()
  local status, shadow = read_status("rules"), read_status("shadow")
  status.shadow = (shadow.revision or shadow.error) and shadow or nil
  return 200, status
end

---@type service.Route[]
service_routes.inner = {
  { "GET", "/scripts/status", scripts_status },
  { "GET", "/rules/status", rules_status },
  { "POST", "/rules/rollback", rule_rollback.handle, body = "optional" },
}

---Those of the port for users.
---@param name string
---@param is_started fun(): boolean  the service's start function has run
---@return service.Route[]
function service_routes.public(name, is_started)
  return {
    { "GET", "/health", auth = false, doc = service_docs.health, function()
      return 200, { status = "ok", service = name, version = worker.version,
        uptime = math.floor(worker.uptime() * 1000) / 1000 }
    end },
    { "GET", "/ready", auth = false, doc = service_docs.ready, function()
      local why = ready(is_started())
      if why then
        return problem.reply(why)
      end
      return 200, { status = "ready", detail = stale() or nil }
    end },
    { "GET", "/metrics", auth = false, doc = service_docs.metrics, function()
      return 200, metrics.render(), { ["Content-Type"] = "text/plain; version=0.0.4" }
    end },
    { "GET", "/docs", static.file("web/docs.html"), auth = false, doc = false },
    { "GET", "/docs.js", static.file("web/docs.js"), auth = false, doc = false },
    { "GET", "/docs.css", static.file("web/docs.css"), auth = false, doc = false },
  }
end

---GET /openapi.json, made when it is first asked for.
---@param declaration table
---@param routes service.Route[]  all of the port for users
---@return service.Route
function service_routes.description(declaration, routes)
  local text
  return { "GET", "/openapi.json", auth = false, doc = service_docs.openapi, function()
    text = text or openapi.describe(declaration, routes, worker.version)
    return 200, text, { ["Cache-Control"] = "no-cache" }
  end }
end

return service_routes

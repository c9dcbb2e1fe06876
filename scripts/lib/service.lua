-- Turns a service's declaration into the function that answers its requests.
--
-- A service folder holds service.lua, which returns its declaration as data:
--   name, port, inner_port   port for users, probes and Prometheus; inner_port for the sidecar
--   routes                   list of {method, path, handler, options…}; see service.Route
--   files                    routes of static.folder: what is served without being part of the API
--   about                    of its description (lib/openapi): title, description, tags, schemas
--   inner_routes             the same for the inner port
--   subscriptions            list of subscription.Subscription, told to Dapr by GET /dapr/subscribe
--   start                    runs once per worker in a fiber, after the listeners are open
--   rules                    files of rules/ that it may ask; it starts only where their examples
--                            hold
--   fallback                 answers what no route of the port for users matches, as a handler does
--   workers                  how many workers it has, where the setting must not decide
--   body_limit               bytes of a request's body on the port for users (default 65,536); one
--                            route, without {name} in its path, may have a larger one of its own
--   nice                     0 to 19: how far its threads stand back where cores are short
--   reloads                  false: what it keeps in memory must not be lost, so a changed script
--                            waits for a restart
-- While the program runs, changed scripts are loaded into a new VM beside the old one: start runs
-- again there, and what runs in the background of the old one ends (worker.ending, worker.at_end).
-- GET /health, /ready, /metrics, /openapi.json and /docs are there for every service.
local authentication = require("lib.authentication")
local config = require("host.config")
local cors = require("lib.cors")
local crypto = require("host.crypto")
local failpoint = require("lib.failpoint")
local json = require("lib.json")
local problem = require("lib.problem")
local request_body = require("lib.request_body")
local route_table = require("lib.route_table")
local service_routes = require("lib.service_routes")
local subscription = require("lib.subscription")
local subscription_check = require("lib.subscription_check")
local time = require("host.time")
local url = require("lib.url")
local worker = require("host.worker")

local service = {}

local INNER_BYTES = subscription.EVENT_BYTES -- of a body on the inner port

---@class service.Request
---@field method string
---@field path string                   not decoded
---@field query string                  not decoded, without "?"
---@field headers table<string, string> lower-case names
---@field body string
---@field remote string                 the peer's address
---@field id string                     correlation id, in every log line of this request
---@field traceparent string|nil        W3C Trace Context: the header, when it is a valid one
---@field inner boolean                 it came through the inner port
---@field port integer                  the port that it came through
---@field user string                   sub of the token, on routes with auth
---@field expires_ms integer            when the token ends, on routes with auth
---@field params table<string, string>  {name} parts of the path, decoded
---@field args table<string, string>    the query string, decoded
---@field json table                    the body, on routes with a body

---@class service.Route
---@field [1] string  method
---@field [2] string  path; a segment {name} matches any one segment
---@field [3] fun(request: service.Request): integer, any, table|nil
---@field auth boolean|nil          needs a bearer token (default true on the public port)
---@field challenge nil|fun(request: service.Request): string  the WWW-Authenticate of its 401
---@field body string|nil            "json": a JSON object is needed; "optional": one may come;
---                                  else the media type of a text that the handler reads
---@field body_limit integer|nil    bytes of its body, where it is the one route that takes more
---@field doc openapi.Doc|false|nil  of the public port: its description; false: a page's file
---@field large boolean|nil         of the inner port: takes bodies above INNER_BYTES
---@field invoked boolean|nil       of the inner port: other apps may call it
---@field early boolean|nil         of the inner port: answers before start has run
-- A handler returns status, body and headers. A table as body is sent as JSON, a string as it is
-- (JSON, unless the headers say otherwise), a function streams: it gets the open stream.
-- problem.reply(p) makes the three values of a problem.

local JSON_HEADERS = {
  ["Content-Type"] = "application/json",
  ["X-Content-Type-Options"] = "nosniff",
  ["Cache-Control"] = "no-store",
}

local started = false -- this VM's service: its start function has run

local function is_started()
  return started
end

local function concat(first, second)
  local all = {}
  for _, list in ipairs({ first, second or {} }) do
    for _, item in ipairs(list) do
      all[#all + 1] = item
    end
  end
  return all
end

-- The inner port is the sidecar's: its token, and no other app's invocation but where it is meant.
local function guard_inner(route, request)
  local expected = config.get("APP_API_TOKEN")
  if expected and not crypto.equal(request.headers["dapr-api-token"] or "", expected) then
    return problem.forbidden("The dapr-api-token header is missing or wrong")
  end
  if request.headers["dapr-caller-app-id"] and not (route and route.invoked) then
    return problem.forbidden("This route is not for other apps")
  end
  if #request.body > INNER_BYTES and not (route and route.large) then
    return problem.new(413, "The body is larger than " .. INNER_BYTES .. " bytes")
  end
end

-- A service that asks no rules loads none. All workers have the same: one of them looks.
local function check_rules(files)
  if files then
    require("host.rules").open(files)
  end
  if files and worker.index == 0 then
    local good, message = require("lib.rule_examples").run_all(files)
    if not good then
      error(message, 0)
    end
  end
end

local function decode_params(params)
  for name, value in pairs(params) do
    local decoded = url.decode(value)
    if not decoded then
      return problem.bad_request("The path is not valid")
    end
    params[name] = decoded
  end
end

local function prepare(route, request, params, authenticate)
  local why = decode_params(params)
  if why then
    return why
  end
  request.params = params
  if route.auth or route.auth == nil and not request.inner then
    request.user, why = authenticate(request, time.now_ms())
    if why then
      if why.status == 401 and route.challenge then
        why.headers = { ["WWW-Authenticate"] = route.challenge(request) }
      end
      return why
    end
  end
  if request.query ~= "" then
    local message
    request.args, message = url.parse_query(request.query)
    if message then
      return problem.unprocessable(message)
    end
  else
    request.args = {}
  end
  if route.body then
    return request_body.read(route.body, request)
  end
end

local function respond(status, body, headers)
  if type(body) == "table" then
    body = json.encode(body)
  end
  if not headers then
    return status, JSON_HEADERS, body
  end
  local all = {}
  for name, value in pairs(JSON_HEADERS) do
    all[name] = value
  end
  for name, value in pairs(headers) do
    all[name] = value
  end
  return status, all, body
end

-- The one route that takes larger bodies than others: the host must know before it reads one.
local function large_route(routes)
  local found
  for _, route in ipairs(routes or {}) do
    if route.body_limit then
      assert(not found, "two routes have a body_limit")
      assert(#route[2] < 64 and not route[2]:find("{", 1, true), "a body_limit needs a plain path")
      found = route
    end
  end
  return found or {}
end

---@param name string  a folder of scripts/
---@return table  {port, inner_port, start, handle}
function service.open(name)
  local declaration = require(name .. ".service")
  assert(declaration.name == name, name .. "/service.lua declares another name")
  local wrong = subscription_check.problem(declaration)
  if wrong then
    error(name .. "/service.lua: " .. wrong, 0)
  end
  check_rules(declaration.rules)
  local routes = concat(concat(declaration.routes or {}, declaration.files),
    service_routes.public(name, is_started))
  routes[#routes + 1] = service_routes.description(declaration, routes)
  local public = route_table.new(routes)
  local subscribed, asked = subscription.routes(declaration.subscriptions)
  local private = route_table.new(concat(concat(subscribed, service_routes.inner),
    declaration.inner_routes))
  local authenticate = authentication.new(name)
  local large = large_route(declaration.routes)
  ---@type table<string, boolean>
  local origins

  local function answer(request)
    local inner = request.inner
    local entry, params = route_table.find(inner and private or public, request.path)
    local method = request.method == "HEAD" and "GET" or request.method
    local route = entry and entry.methods[method]
    if inner then
      local why = guard_inner(route, request)
      if why then
        return "inner", problem.reply(why)
      end
    end
    -- What the sidecar asks, and what the stand-in is asked, may need what start has not made yet.
    -- The subscriptions do not, and Dapr, which asks once, would take a 503 for "none".
    if not started and not (route and route.early)
      and (inner or not entry and declaration.fallback) then
      return "starting", problem.reply(problem.unavailable("The service is starting", 1))
    end
    if not entry and declaration.fallback and not inner then
      return "fallback", declaration.fallback(request)
    end
    if not entry then
      -- Dapr takes a 404 for "done": the inner port never says it.
      return "none", problem.reply(inner and problem.unavailable("No such route", 1)
        or problem.not_found("There is nothing here"))
    end
    if not route then
      if method == "OPTIONS" and not inner then
        return "preflight", cors.preflight(origins, request)
      end
      local methods = route_table.allowed_methods(entry)
      return entry.path, problem.reply(problem.method_not_allowed(methods))
    end
    local why = prepare(route, request, params, authenticate)
    if why then
      return entry.path, problem.reply(why)
    end
    return entry.path, route[3](request)
  end

  -- handle(request) -> status, headers, body, route, as host/request.c calls it.
  local function handle(request)
    origins = origins or cors.parse_origins(config.get("CORS_ORIGINS"))
    local route, status, body, headers = answer(request)
    if route == "fallback" then
      return status, headers, body, route
    end
    local code, all, text = respond(status, body, headers)
    if request.headers.origin then
      all = cors.headers(origins, request, all)
    end
    return code, all, text, route
  end

  local function start()
    failpoint.hit("before_start")
    if declaration.start then
      declaration.start()
    end
    started = true
  end

  return {
    port = declaration.port,
    inner_port = declaration.inner_port,
    workers = declaration.workers,
    body_limit = declaration.body_limit,
    large_path = large[2],
    large_limit = large.body_limit,
    nice = declaration.nice,
    reloads = declaration.reloads ~= false,
    asked = asked,
    rules = table.concat(declaration.rules or {}, " "),
    start = start,
    handle = handle,
  }
end

return service

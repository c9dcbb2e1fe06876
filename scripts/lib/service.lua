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
local config = require("host.config")
local crypto = require("host.crypto")
local db = require("host.db")
local failpoint = require("lib.failpoint")
local json = require("lib.json")
local jwt = require("lib.jwt")
local limit = require("lib.limit")
local log = require("host.log")
local metrics = require("host.metrics")
local openapi = require("lib.openapi")
local packing = require("lib.packing")
local problem = require("lib.problem")
local revision = require("host.revision")
local rule_rollback = require("lib.rule_rollback")
local static = require("lib.static")
local service_docs = require("lib.service_docs")
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
local EXPOSED = "ETag, Link, Location, Retry-After, WWW-Authenticate, X-Request-Id, X-Total-Count"
local METHODS = "GET, POST, PUT, PATCH, DELETE"
local ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, "
  .. "If-None-Match, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id, "
  .. "X-Request-Id"

-- Per worker; the numbers of two workers add up.
local FAILED_AUTH_PER_SECOND, FAILED_AUTH_BURST = 10, 200


local function split(path)
  local segments = {}
  for segment in path:gmatch("[^/]+") do
    segments[#segments + 1] = segment
  end
  return segments
end

-- Routes by exact path, and those with parameters by their number of segments.
local function compile(routes)
  local exact, patterns = {}, {}
  for _, route in ipairs(routes) do
    local method, path = route[1], route[2]
    if path:find("{", 1, true) then
      local segments = split(path)
      local names = {}
      for i, segment in ipairs(segments) do
        names[i] = segment:match("^{(.+)}$") or false
      end
      local group = patterns[#segments] or {}
      patterns[#segments] = group
      local found
      for _, pattern in ipairs(group) do
        found = found or pattern.path == path and pattern
      end
      if not found then
        found = { path = path, segments = segments, names = names, methods = {} }
        group[#group + 1] = found
      end
      found.methods[method] = route
    else
      exact[path] = exact[path] or { path = path, methods = {} }
      exact[path].methods[method] = route
    end
  end
  return exact, patterns
end

local function match_pattern(pattern, segments)
  local params = {}
  for i, name in ipairs(pattern.names) do
    if name then
      params[name] = segments[i]
    elseif pattern.segments[i] ~= segments[i] then
      return nil
    end
  end
  return params
end

local function find(exact, patterns, path)
  if exact[path] then
    return exact[path], {}
  end
  if path:sub(-1) == "/" then
    return nil
  end
  local segments = split(path)
  for _, pattern in ipairs(patterns[#segments] or {}) do
    local params = match_pattern(pattern, segments)
    if params then
      return pattern, params
    end
  end
end

local function allowed_methods(entry)
  local list = {}
  for method in pairs(entry.methods) do
    list[#list + 1] = method
    if method == "GET" then
      list[#list + 1] = "HEAD"
    end
  end
  table.sort(list)
  return list
end

-- Cross-origin requests: CORS_ORIGINS names who may read answers.
local function parse_origins(text)
  local origins = {}
  for origin in (text or ""):gmatch("[^,%s]+") do
    origins[origin] = true
  end
  return origins
end

-- What lets a page of an origin read an answer; nil where it may not. With credentials only where
-- the origin is named: "*" is for whoever comes without.
local function grant(origins, origin)
  if not origin or not (origins[origin] or origins["*"]) then
    return nil
  end
  return {
    ["Access-Control-Allow-Origin"] = origin,
    ["Access-Control-Allow-Credentials"] = origins[origin] and "true" or nil,
    ["Vary"] = "Origin",
  }
end

local function cors_headers(origins, request, headers)
  local with = grant(origins, request.headers.origin)
  if not with then
    return headers
  end
  with["Access-Control-Expose-Headers"] = EXPOSED
  for name, value in pairs(headers) do
    with[name] = name == "Vary" and with.Vary .. ", " .. value or value
  end
  return with
end

local function preflight(origins, request)
  local headers = grant(origins, request.headers.origin)
  if not headers then
    return problem.reply(problem.forbidden("This origin may not call"))
  end
  headers["Access-Control-Allow-Methods"] = METHODS
  headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
  headers["Access-Control-Max-Age"] = "600"
  return 204, "", headers
end

local function is_json(content_type)
  local kind, rest = content_type:lower():match("^%s*application/([%w%.%+%-]+)%s*(.*)$")
  if kind ~= "json" and not (kind and kind:find(".%+json$")) then
    return false
  end
  return rest == "" or rest:match('^;%s*charset="?utf%-8"?%s*$') ~= nil
end

-- A body that is no JSON: the handler reads it.
local function check_media_type(wanted, request)
  local content_type = (request.headers["content-type"] or ""):lower()
  local kind, rest = content_type:match("^%s*([^;%s]+)%s*(.*)$")
  local charset = rest and rest:match('charset="?([^";%s]+)')
  if kind ~= wanted or charset and charset ~= "utf-8" then
    return problem.unsupported_media_type("The Content-Type must be " .. wanted .. ", in UTF-8")
  elseif request.headers["content-encoding"] then
    return problem.unsupported_media_type("A Content-Encoding is not supported")
  end
end

local function read_body(route, request)
  local body = request.body
  if route.body:find("/", 1, true) then
    return check_media_type(route.body, request)
  end
  if body == "" and route.body == "optional" then
    return nil
  end
  local content_type = request.headers["content-type"]
  if not content_type or not is_json(content_type) then
    return problem.unsupported_media_type("The Content-Type must be application/json")
  end
  if request.headers["content-encoding"] then
    return problem.unsupported_media_type("A Content-Encoding is not supported")
  end
  local value, message = json.decode(body)
  if message then
    return problem.unprocessable("The body is not valid JSON: " .. message)
  end
  if type(value) ~= "table" or json.is_list(value) then
    return problem.unprocessable("The body must be a JSON object")
  end
  request.json = value
end

local started = false -- this VM's service: its start function has run

local function ready()
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

local INNER_BUILT_IN = {
  { "GET", "/scripts/status", scripts_status },
  { "GET", "/rules/status", rules_status },
  { "POST", "/rules/rollback", rule_rollback.handle, body = "optional" },
}

local function built_in(name)
  return {
    { "GET", "/health", auth = false, doc = service_docs.health, function()
      return 200, { status = "ok", service = name, version = worker.version,
        uptime = math.floor(worker.uptime() * 1000) / 1000 }
    end },
    { "GET", "/ready", auth = false, doc = service_docs.ready, function()
      local why = ready()
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

-- GET /openapi.json, made when it is first asked for.
local function description(declaration, routes)
  local text
  return { "GET", "/openapi.json", auth = false, doc = service_docs.openapi, packing.of(function()
    text = text or openapi.describe(declaration, routes, worker.version)
    return 200, text, { ["Cache-Control"] = "no-cache" }
  end) }
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

-- The function that names the user of a request, or says why there is none.
local function make_authenticate(name)
  local failures = limit.new(FAILED_AUTH_PER_SECOND, FAILED_AUTH_BURST)
  local floods
  local failed = metrics.counter("http_authentication_failures_total",
    "Requests refused for their token.", {})
  return function(request, now_ms)
    local rate = tonumber(config.get("USER_RATE")) --[[@as number]]
    floods = floods or limit.new(rate, 2 * rate)
    local monotonic = time.monotonic_ms()
    local header = request.headers.authorization
    local token = header and header:match("^[Bb][Ee][Aa][Rr][Ee][Rr] +([^%s]+)$")
    local claims, detail
    if token then
      claims, detail = jwt.verify(token, now_ms)
    else
      detail = "A bearer token is needed"
    end
    if not claims then
      failed:add(1)
      local allowed, wait = failures:take(request.remote, monotonic)
      if not allowed then
        return nil, problem.too_many(wait)
      end
      log.debug("token refused", { service = name, detail = detail })
      return nil, problem.unauthorized(detail --[[@as string]])
    end
    local allowed, wait = floods:take(claims.sub, monotonic)
    if not allowed then
      return nil, problem.too_many(wait)
    end
    request.expires_ms = claims.exp * 1000
    return claims.sub
  end
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
    return read_body(route, request)
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
  local routes = concat(concat(declaration.routes or {}, declaration.files), built_in(name))
  routes[#routes + 1] = description(declaration, routes)
  local exact, patterns = compile(routes)
  local subscribed, asked = subscription.routes(declaration.subscriptions)
  local inner_exact, inner_patterns = compile(concat(concat(subscribed, INNER_BUILT_IN),
    declaration.inner_routes))
  local authenticate = make_authenticate(name)
  local large = large_route(declaration.routes)
  local origins

  local function answer(request)
    local inner = request.inner
    local entry, params
    if inner then
      entry, params = find(inner_exact, inner_patterns, request.path)
    else
      entry, params = find(exact, patterns, request.path)
    end
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
        return "preflight", preflight(origins, request)
      end
      return entry.path, problem.reply(problem.method_not_allowed(allowed_methods(entry)))
    end
    local why = prepare(route, request, params, authenticate)
    if why then
      return entry.path, problem.reply(why)
    end
    return entry.path, route[3](request)
  end

  -- handle(request) -> status, headers, body, route, as host/worker.c calls it.
  local function handle(request)
    origins = origins or parse_origins(config.get("CORS_ORIGINS"))
    local route, status, body, headers = answer(request)
    if route == "fallback" then
      return status, headers, body, route
    end
    local code, all, text = respond(status, body, headers)
    if request.headers.origin then
      all = cors_headers(origins, request, all)
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

-- A service that does with the host what specs want to see done; spec/host/test_host.py drives it.
local config = require("host.config")
local dapr = require("lib.dapr")
local db = require("host.db")
local fiber = require("host.fiber")
local http = require("host.http")
local json = require("lib.json")
local static = require("lib.static")
local timer = require("host.timer")

local ticks = 0
local kept

local function outcome(value, err)
  return 200, { value = value == nil and json.null or value,
    code = err and err.code or json.null, sqlstate = err and err.sqlstate or json.null }
end

local routes = {}

function routes.stream(request)
  local count = tonumber(request.args.count)
  return 200, function(stream)
    for i = 1, count do
      if not stream:write("data: " .. i .. "\n\n") then
        return
      end
      fiber.sleep(5)
    end
    stream:close()
  end, { ["Content-Type"] = "text/event-stream" }
end

function routes.flood()
  return 200, function(stream)
    kept = { stream = stream, written = 0 }
    while stream:write(("x"):rep(1024)) do
      kept.written = kept.written + 1
      if kept.written % 64 == 0 then
        fiber.sleep(1)
      end
    end
  end, { ["Content-Type"] = "text/plain" }
end

function routes.kept()
  return 200, { written = kept and kept.written or 0, alive = kept ~= nil and kept.stream:alive() }
end

-- What a module of the host has, and what its stub in scripts/meta/host tells of it.
function routes.module(request)
  local name = "host." .. request.params.name
  local live, told = json.list({}), json.list({})
  for key, value in pairs(require(name)) do
    live[#live + 1] = type(value) == "function" and key or nil
  end
  for key in pairs(require("meta." .. name)) do
    told[#told + 1] = key
  end
  table.sort(live)
  table.sort(told)
  return 200, { live = live, told = told }
end

function routes.throw()
  error("on purpose")
end

function routes.nothing()
  return nil
end

function routes.all()
  local order = {}
  local function waits(name)
    return function()
      order[#order + 1] = name .. " begins"
      fiber.sleep(60)
      order[#order + 1] = name .. " ends"
      return name
    end
  end
  local results = fiber.all({ waits("a"), waits("b"), function() return "c" end })
  local failed = not pcall(fiber.all, { function() error("inside") end, function() fiber.sleep(5) end })
  return 200, { results = json.list(results), order = json.list(order), failed = failed }
end

function routes.sleeper()
  fiber.spawn(function() fiber.sleep(600000) end)
  return 200, {}
end

function routes.ticks()
  return 200, { ticks = ticks }
end

function routes.types()
  local rows = assert(db.query("SELECT true AS yes, 1::int AS i, 9007199254740992::bigint AS big, 1.5::float8 AS f,"
    .. " 2.25::numeric AS n, 'x' AS t, NULL::text AS nothing, '2026-01-02 03:04:05.678901+02'::timestamptz AS at,"
    .. " ARRAY['a','b c','d\"e\\f','','ü,x'] AS list, '{}'::text[] AS none, $1::text AS s, $2::float8 AS num,"
    .. " $3::boolean AS bool, $4::text AS null_in, $5::text[] AS back",
    "it's $1 \\", 0.1, false, json.null, { "a\"b", "c\\d", "", "e,f", "{g}" }))
  return 200, rows[1]
end

function routes.setup()
  assert(db.batch({ { "DROP TABLE IF EXISTS spec_t" }, { "CREATE TABLE spec_t (id int PRIMARY KEY, v text)" } }))
  return 200, {}
end

function routes.batch(request)
  local second = tonumber(request.args.second)
  local results, err = db.batch({
    { "INSERT INTO spec_t VALUES ($1, 'x')", 1 },
    { "INSERT INTO spec_t VALUES ($1, $2)", second, nil, n = 3 },
    { "SELECT count(*) AS n FROM spec_t" },
  })
  return outcome(results and results[3][1].n, err)
end

function routes.transaction(request)
  local how = request.args.how
  local ok, value, err = pcall(db.transaction, function(tx)
    assert(tx:query("INSERT INTO spec_t VALUES (10, 'tx')"))
    if how == "throw" then
      error("thrown inside")
    elseif how == "nil" then
      return nil, { code = "changed my mind" }
    elseif how == "sql" then
      tx:query("SELECT 1 / 0")
      return "not reached by COMMIT"
    end
    return tx:query("SELECT v FROM spec_t WHERE id = 10")[1].v
  end)
  if not ok then
    return outcome(nil, { code = "thrown" })
  end
  return outcome(value, err)
end

-- Two transactions that read the same row and then change it: one cannot be serialised and runs again. None
-- changes it before both have read it, and none gives up waiting for the other.
function routes.conflict()
  assert(db.execute("INSERT INTO spec_t VALUES (21, 'a')"))
  local runs, read = 0, 0
  local function one()
    return db.transaction(function(tx)
      runs = runs + 1
      assert(tx:query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
      assert(tx:query("SELECT set_config(name, '0', true)"
        .. " FROM unnest(ARRAY['lock_timeout', 'statement_timeout']) AS name"))
      assert(tx:query("SELECT v FROM spec_t WHERE id = 21"))
      read = read + 1
      while read < 2 do
        fiber.sleep(1)
      end
      local rows, err = tx:query("UPDATE spec_t SET v = v || 'x' WHERE id = 21")
      return rows and true, err
    end)
  end
  local results = fiber.all({ one, one })
  local rows = db.query("SELECT v FROM spec_t WHERE id = 21")
  return 200, { done = results[1] == true and results[2] == true, runs = runs, v = rows[1].v }
end

function routes.sql(request)
  local rows, err = db[request.args.kind or "query"](request.args.text)
  return outcome(rows and #rows, err)
end

function routes.call(request)
  local reply, err = http.request({ method = "GET", url = request.args.url, timeout_ms = 30000 })
  return outcome(reply and reply.status, err)
end

-- Calls a function of lib/dapr.lua with what the body says: {fn, args}.
function routes.dapr(request)
  local args = request.json.args
  for i = 1, #args do
    if args[i] == json.null then
      args[i] = nil
    end
  end
  local value, err, third = dapr[request.json.fn](unpack(args, 1, 8))
  if err then
    err.body = nil -- of another's making; the specs ask for what is ours
  end
  return 200, { value = value == nil and json.null or value, err = err or json.null, third = third or json.null }
end

function routes.setting(request)
  return 200, { value = config.get(request.args.name) or json.null }
end

return {
  name = "spec-api",
  port = 8000,
  inner_port = 9000,
  routes = {
    { "GET", "/stream", routes.stream, auth = false }, { "GET", "/flood", routes.flood, auth = false },
    { "GET", "/module/{name}", routes.module, auth = false },
    { "GET", "/kept", routes.kept, auth = false }, { "GET", "/throw", routes.throw, auth = false },
    { "GET", "/nothing", routes.nothing, auth = false }, { "GET", "/all", routes.all, auth = false },
    { "GET", "/sleeper", routes.sleeper, auth = false },
    { "GET", "/ticks", routes.ticks, auth = false }, { "GET", "/types", routes.types, auth = false },
    { "GET", "/setup", routes.setup, auth = false }, { "GET", "/batch", routes.batch, auth = false },
    { "GET", "/transaction", routes.transaction, auth = false }, { "GET", "/sql", routes.sql, auth = false },
    { "GET", "/conflict", routes.conflict, auth = false }, { "GET", "/call", routes.call, auth = false },
    { "POST", "/dapr", routes.dapr, auth = false, body = "json" },
    { "GET", "/setting", routes.setting, auth = false },
    { "GET", "/page", static.file("web/index.html"), auth = false },
  },
  inner_routes = {
    { "POST", "/open-to-others", function() return 200, {} end, invoked = true },
  },
  start = function()
    timer.every(10, function() ticks = ticks + 1 end)
  end,
}

-- What a service makes of many events in one call.
local host = require("host")
local json = require("lib.json")
local subscription = require("lib.subscription")

local TASKS = { a = "11111111-1111-4111-8111-111111111111",
  b = "22222222-2222-4222-8222-222222222222" }

local handled, buried

local function event(n, task, kind)
  return json.encode({ source = "s", data = { event_id = ("%08d-0000-4000-8000-000000000000"):format(n),
    event_type = kind or "task.updated", timestamp = "2026-01-01T00:00:00Z", user_id = "ann",
    task_id = TASKS[task], payload = { n = n } } })
end

-- Delivers the texts in one call to a subscription whose handler says answers[n] of the event n.
local function deliver(answers, texts, more)
  local declared = { pubsub = "pubsub", topic = "t", path = "/t", bulk = { max = 32, wait_ms = 5 },
    handler = function(given)
      handled[#handled + 1] = given.payload.n
      local answer = answers[given.payload.n] or { "SUCCESS" }
      return answer[1], answer[2]
    end,
    bury = function(_, message)
      buried[#buried + 1] = message
      return true
    end }
  for name, value in pairs(more or {}) do
    declared[name] = value
  end
  local entries = {}
  for i, text in ipairs(texts) do
    entries[i] = '{"entryId":"' .. i - 1 .. '","event":' .. text .. "}"
  end
  local route = subscription.routes({ declared })[1]
  local status, body = route[3]({ headers = { ["content-type"] = "application/json" },
    body = '{"entries":[' .. table.concat(entries, ",") .. "]}" })
  if status ~= 200 then
    return status
  end
  local words = {}
  for i, item in ipairs(body.statuses) do
    assert.equal(tostring(i - 1), item.entryId)
    words[i] = item.status
  end
  return words
end

describe("lib.subscription", function()
  before_each(function()
    handled, buried, host.lines = {}, {}, {}
  end)

  it("counts what became of each event, and how old it was when its effect was there", function()
    host.counters = {}
    deliver({ [2] = { nil, { status = 503, detail = "not now" } }, [3] = { "DROP", "why" } },
      { event(1, "a"), event(2, "a"), event(3, "b"), "[]" })
    assert.same({ ["events_handled_total t success"] = 1, ["events_handled_total t retry"] = 1,
      ["events_handled_total t drop"] = 2, ["events_handled_lag_seconds t"] = 1 }, host.counters)
  end)

  it("puts off what comes behind a failure of the same task, and nothing else", function()
    local words = deliver({ [2] = { nil, { status = 503, detail = "not now" } } },
      { event(1, "a"), event(2, "a"), event(3, "b"), event(4, "a"), event(5, "b") })
    assert.same({ "SUCCESS", "RETRY", "SUCCESS", "RETRY", "SUCCESS" }, words)
    assert.same({ 1, 2, 3, 5 }, handled)
    assert.equal("not now", host.lines[1].fields.error)
  end)

  it("goes on behind an event that is dropped", function()
    local words = deliver({ [1] = { "DROP", "bad" } }, { event(1, "a"), event(2, "a") })
    assert.same({ "DROP", "SUCCESS" }, words)
    assert.same({ "bad" }, buried)
  end)

  it("passes over the types that do not matter", function()
    local words = deliver({}, { event(1, "a", "x"), event(2, "a", "y"), "5" }, { types = { "y" } })
    assert.same({ "SUCCESS", "SUCCESS", "DROP" }, words)
    assert.same({ 2 }, handled)
  end)

  it("gives all events at once to a handler that takes them so", function()
    local words = deliver({}, { event(1, "a"), "{}", event(2, "b"), event(3, "a") }, {
      handle_all = function(events)
        assert.equal(3, #events)
        return { { "SUCCESS" }, { nil, { detail = "not now" } }, { "DROP", "bad" } }
      end })
    assert.same({ "SUCCESS", "DROP", "RETRY", "DROP" }, words)
    assert.same({}, handled)
  end)

  it("lets an event come again that cannot be kept", function()
    local words = deliver({}, { "{}", event(1, "a") }, { bury = function()
      return nil, { status = 503, detail = "no database" }
    end })
    assert.same({ "RETRY", "SUCCESS" }, words)
  end)

  it("answers as for a single event when nothing can be handled", function()
    local why = { nil, { status = 503, title = "", detail = "not now" } }
    assert.equal(503, deliver({ why, why }, { event(1, "a"), event(2, "b") }))
    assert.same({ "RETRY", "SUCCESS" }, deliver({ why }, { event(1, "a"), event(2, "b") }))
  end)

  it("joins the span of the delivery where an event is of its trace", function()
    local function trace(digit, span)
      return "00-" .. digit:rep(32) .. "-" .. span:rep(16) .. "-01"
    end
    local function traced(n, parent)
      return (event(n, "a"):gsub("^{", '{"traceparent":"' .. parent .. '",'))
    end
    local seen = {}
    local declared = { pubsub = "p", topic = "t", path = "/t", bulk = { max = 2, wait_ms = 5 },
      handler = function(given)
        seen[given.payload.n] = given.traceparent
        return "SUCCESS"
      end }
    subscription.routes({ declared })[1][3]({ traceparent = trace("a", "9"),
      headers = { ["content-type"] = "application/json" },
      body = '{"entries":[{"entryId":"0","event":' .. traced(1, trace("a", "1"))
        .. '},{"entryId":"1","event":' .. traced(2, trace("b", "2")) .. "}]}" })
    assert.same({ trace("a", "9"), trace("b", "2") }, seen)
  end)

  it("takes a single event too", function()
    local route = subscription.routes({ { pubsub = "p", topic = "t", path = "/t", bulk = { max = 2, wait_ms = 5 },
      handler = function() return "RETRY" end } })[1]
    local status, body = route[3]({ headers = { ["content-type"] = "application/cloudevents+json" },
      body = event(1, "a") })
    assert.same({ 200, { status = "RETRY" } }, { status, body })
  end)
end)

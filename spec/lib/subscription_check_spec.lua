local check = require("lib.subscription_check")

local function nothing() end

local function one(changes)
  local subscription = { pubsub = "pubsub", topic = "task-events", path = "/events/tasks",
    dead_letter_topic = "task-events-dead", types = { "task.created" }, handler = nothing,
    bury = nothing }
  for name, value in pairs(changes or {}) do
    subscription[name] = value ~= "none" and value or nil
  end
  return subscription
end

local function problem(...)
  return check.problem({ inner_port = 9000, subscriptions = { ... },
    inner_routes = { { "POST", "/job/{name}", nothing }, { "POST", "/sweep", nothing },
      { "GET", "/read", nothing } } })
end

describe("lib.subscription_check", function()
  it("takes what Dapr understands", function()
    assert.is_nil(problem())
    assert.is_nil(problem(one()))
    assert.is_nil(problem(one({ dead_letter_topic = "none", types = "none" })))
    assert.is_nil(problem(one(), one({ topic = "reminders", path = "/events/reminders" }),
      one({ pubsub = "pubsub-broadcast", path = "/read" })))
    assert.is_nil(problem(one({ bulk = { max = 32, wait_ms = 20 }, handle_all = nothing })))
    assert.is_nil(check.problem({ port = 8000 }))
  end)

  it("refuses a handler of many where one comes at a time", function()
    assert.equal("subscription 1: handle_all is for a subscription with bulk",
      problem(one({ handle_all = nothing })))
  end)

  it("names the subscription and the field that is wrong", function()
    for field, values in pairs({
      pubsub = { "none", "", 7, "a b", "a/b" },
      topic = { "none", "", 7, "a b", "a/b", "-a", ("x"):rep(250) },
      path = { "none", "", "events", "/", "/a/", "/a b", "/a?b", "/{id}", "/dapr/subscribe", 7 },
      dead_letter_topic = { "", "task-events", 7 },
      types = { "task.created", {}, { "" }, { "a,b" }, { 7 }, { "a", x = "b c" } },
      handler = { "none", "record" },
      bury = { "none", {} },
      handle_all = { 7 },
      ["bulk.max"] = { { wait_ms = 5 }, { max = 0, wait_ms = 5 }, { max = 33, wait_ms = 5 },
        { max = 1.5, wait_ms = 5 }, 7 },
      ["bulk.wait_ms"] = { { max = 5 }, { max = 5, wait_ms = 0 }, { max = 5, wait_ms = 1001 } },
    }) do
      for _, value in ipairs(values) do
        local message = problem(one({ topic = "first", path = "/first" }), one({ [field:match("^[^.]+")] = value }))
        assert.matches("^subscription 2: " .. field .. " must be ", message)
      end
    end
  end)

  it("refuses what it does not know, and every rule of Dapr's", function()
    assert.equal("subscription 1: there is no field deadLetterTopic",
      problem(one({ deadLetterTopic = "x" })))
    for _, rule in ipairs({ "event.type == 'x'", "has(event.type) && event.type == 'x'" }) do
      assert.equal("subscription 1: match is not supported: types tells which events matter",
        problem(one({ match = rule })))
    end
    assert.matches("^subscription 1: routes is not", problem(one({ routes = { rules = {} } })))
  end)

  it("refuses a topic that is there twice, since Dapr would take the last one alone", function()
    assert.equal("subscription 2: there is another of pubsub task-events",
      problem(one(), one({ path = "/events/others" })))
  end)

  it("refuses a path that is there twice", function()
    assert.equal("subscription 2: there is another route /events/tasks",
      problem(one(), one({ topic = "reminders" })))
    assert.equal("subscription 1: there is another route /sweep", problem(one({ path = "/sweep" })))
  end)

  it("refuses what is no list, and subscriptions that nobody can ask for", function()
    assert.equal("subscriptions must be a list", check.problem({ subscriptions = 7 }))
    assert.equal("subscriptions must be a list",
      check.problem({ inner_port = 9000, subscriptions = one() }))
    assert.equal("subscription 1: it is not a table", problem("task-events"))
    assert.equal("subscriptions need an inner_port",
      check.problem({ port = 8000, subscriptions = { one() } }))
  end)
end)

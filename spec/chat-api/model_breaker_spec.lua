-- When the model is asked, and when nobody waits for it.
require("host")

local now, told, hears

local function load()
  local live = { tell = function(_, text) told[#told + 1] = text end,
    on = function(_, fn) hears = fn end }
  local kept = { ["chat-api.live"] = package.loaded["chat-api.live"],
    ["host.time"] = package.loaded["host.time"] }
  package.loaded["chat-api.live"] = live
  package.loaded["host.time"] = { monotonic_ms = function() return now end }
  package.loaded["chat-api.model_breaker"] = nil
  local breaker = require("chat-api.model_breaker")
  package.loaded["chat-api.live"] = kept["chat-api.live"]
  package.loaded["host.time"] = kept["host.time"]
  package.loaded["chat-api.model_breaker"] = nil
  breaker.start()
  return breaker
end

local function fail(breaker, times)
  for _ = 1, times do
    breaker.failure()
  end
end

describe("model_breaker", function()
  local breaker
  before_each(function()
    now, told = 1000, {}
    breaker = load()
  end)

  it("rests after three failures in a row", function()
    fail(breaker, 2)
    assert.is_true(breaker.allows())
    breaker.success()
    fail(breaker, 2)
    assert.is_true(breaker.allows())
    breaker.failure()
    assert.is_false(breaker.allows())
    assert.same({ "rests 6000" }, told)
  end)

  it("lets one try after the rest, and rests longer when that fails", function()
    fail(breaker, 3)
    now = 6000
    assert.is_true(breaker.allows())
    assert.is_false(breaker.allows())
    breaker.failure()
    now = 15999
    assert.is_false(breaker.allows())
    now = 16000
    assert.is_true(breaker.allows())
    breaker.success()
    assert.is_true(breaker.allows())
    assert.is_true(breaker.allows())
    assert.equal("well", told[#told])
  end)

  it("rests for a minute at most", function()
    fail(breaker, 3)
    for _ = 1, 10 do
      now = now + 60000
      assert.is_true(breaker.allows())
      breaker.failure()
    end
    now = now + 59999
    assert.is_false(breaker.allows())
    now = now + 1
    assert.is_true(breaker.allows())
  end)

  it("rests at once, as long as the server asks", function()
    breaker.failure(30000)
    now = now + 29999
    assert.is_false(breaker.allows())
    now = now + 1
    assert.is_true(breaker.allows())
  end)

  it("lets another try when the one that tried is never heard of", function()
    fail(breaker, 3)
    now = 6000
    assert.is_true(breaker.allows())
    now = 66000
    assert.is_true(breaker.allows())
  end)

  it("hears from other workers", function()
    hears("rests 9000")
    assert.is_false(breaker.allows())
    hears(nil)
    assert.is_false(breaker.allows())
    hears("well")
    assert.is_true(breaker.allows())
  end)
end)

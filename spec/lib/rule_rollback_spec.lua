-- POST /rules/rollback: what it takes, and what it answers while the coordinator works.
local host = require("host")
local json = require("lib.json")

describe("the way back to rules before", function()
  local rule_rollback, revision, kept, asked

  before_each(function()
    kept, asked, host.counters = package.loaded["host.revision"], {}, {}
    revision = { status = function() return { revision = "aaaa", previous = {} } end,
      roll_back = function(...) asked[#asked + 1] = { ... } return true end,
      is_rolling_back = function() return false end }
    package.loaded["host.revision"] = revision
    package.loaded["lib.rule_rollback"] = nil
    rule_rollback = require("lib.rule_rollback")
  end)

  after_each(function()
    package.loaded["host.revision"], package.loaded["lib.rule_rollback"] = kept, nil
  end)

  it("is the last good ones, or those that are named", function()
    assert.same({ 200, { revision = "aaaa" } }, { rule_rollback.handle({}) })
    rule_rollback.handle({ json = { revision = "bbbb", from = "aaaa" } })
    assert.same({ {}, { "bbbb" } }, asked)
    assert.equal(2, host.counters["rules_rollbacks_total"])
  end)

  it("takes no other fields, and strings alone", function()
    for _, body in ipairs({ { revision = 7 }, { from = true }, { to = "bbbb" } }) do
      assert.equal(422, (rule_rollback.handle({ json = body })))
    end
    assert.same({}, asked)
  end)

  it("is refused where something else is live by now", function()
    assert.equal(409, (rule_rollback.handle({ json = { from = "cccc" } })))
    assert.same({}, asked)
  end)

  it("waits until the workers have them", function()
    local looks = 0
    revision.is_rolling_back = function()
      looks = looks + 1
      return looks < 3
    end
    assert.equal(200, (rule_rollback.handle({})))
    assert.equal(3, looks)
  end)

  it("says why they did not come, and counts nothing", function()
    revision.is_rolling_back = function() return false, "a worker does not take them" end
    local status, body = rule_rollback.handle({})
    assert.equal(409, status)
    assert.equal("a worker does not take them", json.decode(body).detail)
    revision.roll_back = function() return nil, "revision bbbb is not held" end
    status, body = rule_rollback.handle({ json = { revision = "bbbb" } })
    assert.same({ 409, "revision bbbb is not held" }, { status, json.decode(body).detail })
    assert.same({}, host.counters)
  end)

  it("gives up on workers that do not answer", function()
    local time = require("host.time")
    local monotonic, now_ms = time.monotonic_ms, 0
    time.monotonic_ms = function()
      now_ms = now_ms + 10000
      return now_ms
    end
    revision.is_rolling_back = function() return true end
    local status = rule_rollback.handle({})
    time.monotonic_ms = monotonic
    assert.equal(503, status)
  end)
end)

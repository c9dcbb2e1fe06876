-- Candidate rules are asked what the live ones decided, and change nothing.
local host = require("host")

describe("candidate rules", function()
  local rule_shadow, now_ms, time, monotonic

  before_each(function()
    time = require("host.time")
    monotonic = time.monotonic_ms
    now_ms = 1e9
    time.monotonic_ms = function() return now_ms end
    host.counters, host.lines, host.shadow = {}, {}, nil
    host.settings.RULES_SHADOW_RATE = "20"
    package.loaded["lib.rule_shadow"] = nil -- what it has logged and allowed is its own
    rule_shadow = require("lib.rule_shadow")
  end)

  after_each(function()
    time.monotonic_ms = monotonic
    host.shadow, host.settings.RULES_SHADOW_RATE = nil, nil
    package.loaded["lib.rule_shadow"] = nil
    package.loaded["lib.rules"] = nil
  end)

  it("that are not there are not asked, nor counted", function()
    rule_shadow.compare("notify.retry", 1000, "log", 1)
    assert.same({}, host.counters)
  end)

  it("get the same arguments", function()
    local asked
    host.shadow = function(...) asked = { ... } return 1000 end
    rule_shadow.compare("notify.retry", 1000, "log", 1)
    assert.same({ "notify.retry", "log", 1 }, asked)
  end)

  it("that decide alike are counted as asked, and not told", function()
    host.shadow = function() return { { channel = "log", wait_ms = 0 } } end
    rule_shadow.compare("notify.plan", { { channel = "log", wait_ms = 0 } }, {})
    assert.same({ ["rules_shadow_calls_total notify.plan"] = 1 }, host.counters)
    assert.same({}, host.lines)
  end)

  it("that decide otherwise are counted, and told with the place but not the values", function()
    host.shadow = function() return { { channel = "log", wait_ms = 77 } } end
    rule_shadow.compare("notify.plan", { { channel = "log", wait_ms = 88 } }, {})
    assert.equal(1, host.counters["rules_shadow_differences_total notify.plan"])
    assert.same({ { level = "warn", message = "the candidate rules decide otherwise",
      fields = { rule = "notify.plan", path = "result[1].wait_ms", not_logged = 0 } } }, host.lines)
  end)

  it("that fail are a difference, told with the error", function()
    host.shadow = function() return nil, { code = "budget", message = "rules/notify.lua:3: over" } end
    rule_shadow.compare("notify.retry", 1000, "log", 1)
    assert.equal(1, host.counters["rules_shadow_differences_total notify.retry"])
    assert.same({ rule = "notify.retry", path = "result", code = nil, reason = "budget",
      error = "rules/notify.lua:3: over", not_logged = 0 }, host.lines[1].fields)
  end)

  it("are told once a minute for each rule, and how often they were not", function()
    host.shadow = function() return 7 end
    for _ = 1, 5 do
      rule_shadow.compare("notify.retry", 1000, "log", 1)
    end
    rule_shadow.compare("chat.due", false, {})
    assert.equal(2, #host.lines)
    now_ms = now_ms + 61000
    rule_shadow.compare("notify.retry", 1000, "log", 1)
    assert.equal(4, host.lines[3].fields.not_logged)
    assert.equal(6, host.counters["rules_shadow_differences_total notify.retry"])
  end)

  it("are not asked more often than their rate", function()
    host.settings.RULES_SHADOW_RATE = "3"
    host.shadow = function() return 1000 end
    for _ = 1, 10 do
      rule_shadow.compare("notify.retry", 1000, "log", 1)
    end
    assert.equal(3, host.counters["rules_shadow_calls_total notify.retry"])
    now_ms = now_ms + 1000
    for _ = 1, 10 do
      rule_shadow.compare("notify.retry", 1000, "log", 1)
    end
    assert.equal(6, host.counters["rules_shadow_calls_total notify.retry"])
  end)

  it("decide nothing of a live call, and are compared with the default where that answered", function()
    host.shadow = function() return 5 end
    package.loaded["lib.rules"] = nil
    local rules = require("lib.rules")
    assert.equal(1000, rules.call("notify.retry", "log", 1))
    host.rules["notify.retry"] = function() error({ code = "budget", message = "over" }, 0) end
    host.shadow = function() return 60000 end
    assert.equal(60000, rules.call("notify.retry", "log", 1))
    host.rules = {}
    assert.equal(2, host.counters["rules_shadow_calls_total notify.retry"])
    assert.equal(1, host.counters["rules_shadow_differences_total notify.retry"])
  end)
end)

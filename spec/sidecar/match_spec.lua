require("host")
local match = require("sidecar.match")

local function eval(rule, event)
  local test = assert(match.compile(rule))
  return test(event)
end

describe("sidecar.match", function()
  local event = { type = "task.completed", n = 3, yes = true, data = { kind = "x" } }

  it("compares members with literals", function()
    assert.is_true(eval('event.type == "task.completed"', event))
    assert.is_true(eval("event.type == 'task.completed'", event))
    assert.is_false(eval('event.type != "task.completed"', event))
    assert.is_true(eval('"x" == event.data.kind', event))
    assert.is_true(eval("event.n == 3 && event.yes == true", event))
    assert.is_true(eval('event.type == "a\\"b"', { type = 'a"b' }))
  end)

  it("knows has, and, or, not and parentheses", function()
    assert.is_true(eval("has(event.type)", event))
    assert.is_false(eval("has(event.none)", event))
    assert.is_true(eval("!has(event.none)", event))
    assert.is_true(eval("!(has(event.none) || false) && true", event))
    assert.is_true(eval('has(event.none) || has(event.type) && event.n == 3', event))
    assert.is_false(eval('(has(event.none) || has(event.type)) && event.n == 4', event))
    assert.is_false(eval('has(event.none) && event.none == "x"', event))
  end)

  it("takes a missing key for an error, unless the other side decides", function()
    local value, message = eval('event.none == "x"', event)
    assert.is_nil(value)
    assert.matches("none", message)
    assert.is_true(eval('event.none == "x" || has(event.type)', event))
    assert.is_nil((eval('event.none == "x" || has(event.other)', event)))
    assert.is_nil((eval("has(event.none.deep)", event)))
    assert.is_nil((eval('event.type.deep == "x"', event)))
  end)

  it("refuses everything else", function()
    for _, rule in ipairs({ "", "event", "event.type", "other.type == 'x'", "event.type = 'x'",
      "event.type == 'x", "event.n > 3", "event.type.startsWith('x')", "event.type in ['x']",
      "event.type == 'x' &&", "(event.type == 'x'", "event.type == 'x')", "size(event) == 1",
      "'\\q' == event.type", "event['type'] == 'x'", "1 + 1 == 2", "x'", "event.type == null",
      "has(event)", "&& true" }) do
      local test, message = match.compile(rule)
      assert.is_nil(test, rule)
      assert.is_string(message, rule)
    end
  end)
end)

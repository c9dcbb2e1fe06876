require("host")
local lanes = require("sidecar.delivery_lanes")

describe("sidecar.delivery_lanes", function()
  local group

  before_each(function()
    group = { lanes = {}, ready = {}, ready_first = 1, ready_last = 0, held = {}, held_count = 0,
      held_bytes = 0 }
  end)

  local function hold(id, key, value)
    return lanes.hold(group, { id = id, key = key, value = value or "x" })
  end

  it("gives messages of one key one lane, in their order, and the others lanes of their own", function()
    hold(1, "a")
    hold(2)
    hold(3, "a")
    hold(4)
    assert.equal(3, lanes.waiting(group))
    local first = lanes.pop_ready(group)
    assert.equal("a", first.name)
    assert.same({ 1, 3 }, { first[1].id, first[2].id })
    assert.equal(2, lanes.pop_ready(group)[1].id)
    assert.equal(4, lanes.pop_ready(group)[1].id)
    assert.is_nil(lanes.pop_ready(group))
  end)

  it("holds a message once", function()
    assert.is_true(hold(1, "a"))
    assert.is_true(hold(1, "a"))
    assert.equal(1, group.held_count)
  end)

  it("has room for 2,000 messages, and again when some are let go", function()
    for id = 1, 2000 do
      assert.is_true(hold(id))
    end
    assert.is_true(lanes.is_full(group))
    assert.is_false(hold(2001))
    lanes.let_go(group, 7)
    lanes.let_go(group, 7)
    assert.is_true(hold(2001))
  end)

  it("has room for 8 MiB", function()
    assert.is_true(hold(1, "a", ("x"):rep(8 * 1024 * 1024)))
    assert.is_false(hold(2, "b"))
  end)

  it("leaves the rest of a very long lane to the table", function()
    for id = 1, 501 do
      assert.is_true(hold(id, "a"))
    end
    assert.is_true(group.lanes.a.behind)
    assert.equal(500, group.held_count)
    assert.is_true(hold(502, "b"))
  end)
end)

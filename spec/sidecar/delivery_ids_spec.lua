require("host")
local time = require("host.time")

describe("sidecar.delivery_ids", function()
  local ids, group, now, real, later

  before_each(function()
    now, later, real = 1000, {}, time.monotonic_ms
    time.monotonic_ms = function() return now end
    package.loaded["sidecar.timers"] = { after = function(_, fn) later[#later + 1] = fn end }
    package.loaded["sidecar.delivery_ids"] = nil
    ids = require("sidecar.delivery_ids")
    ids.begin(100)
    group = { held = {} }
  end)

  after_each(function()
    time.monotonic_ms = real
    package.loaded["sidecar.timers"], package.loaded["sidecar.delivery_ids"] = nil, nil
  end)

  -- Where the read after this one begins.
  local function read(...)
    local rows = {}
    for i, id in ipairs({ ... }) do
      rows[i] = { id = id }
    end
    local _, settled = ids.first_of(group)
    ids.note(group, settled, rows)
    return (ids.first_of(group))
  end

  it("begins at the beginning, then at the lowest that is there, held or not", function()
    assert.equal(0, (ids.first_of(group)))
    assert.equal(7, read(7, 8))
    group.held[5] = 1
    assert.equal(5, read(7, 8))
    group.held[5] = nil
    assert.equal(100, read())
  end)

  it("passes nothing that is being stored, however long that takes", function()
    local first, second = ids.reserve(10), ids.reserve(10)
    assert.same({ 100, 110 }, { first, second })
    ids.stored(second)
    assert.equal(100, read())
    ids.stored(first)
    assert.equal(120, read())
  end)

  it("passes nothing of which it does not know what became, for a while", function()
    local first = ids.reserve(1)
    ids.stored(first, true)
    assert.equal(100, read())
    later[1]()
    assert.equal(101, read())
  end)

  it("takes what was stored after a read began for what it may have missed", function()
    local first = ids.reserve(1)
    local _, settled = ids.first_of(group)
    ids.stored(first)
    ids.note(group, settled, {})
    assert.equal(100, (ids.first_of(group)))
  end)

  it("reads from the beginning now and then", function()
    read(50)
    now = now + 9999
    assert.equal(50, (ids.first_of(group)))
    now = now + 1
    assert.equal(0, (ids.first_of(group)))
  end)
end)

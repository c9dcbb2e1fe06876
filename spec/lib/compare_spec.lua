-- Where two values differ first, and how they are shown.
require("host")
local compare = require("lib.compare")
local json = require("lib.json")

local function place(a, b)
  return (compare.difference(a, b, "result"))
end

describe("two values", function()
  it("that are the same have no difference, whatever tables they are in", function()
    assert.is_nil(place(1, 1))
    assert.is_nil(place(nil, nil))
    assert.is_nil(place({ a = { 1, "x", false } }, { a = { 1, "x", false } }))
    assert.is_nil(place(json.list({}), {}))
  end)

  it("that differ are given, with their place", function()
    assert.same({ "result", 1, "1" }, { compare.difference(1, "1", "result") })
    assert.same({ "result[2].wait_ms", 5, 7 },
      { compare.difference({ 0, { wait_ms = 5 } }, { 0, { wait_ms = 7 } }, "result") })
  end)

  it("differ where one has something and the other nothing", function()
    local at, one, other = compare.difference({ a = 1 }, {}, "result")
    assert.same({ "result.a", 1 }, { at, one })
    assert.is_nil(other)
    assert.equal("result[2]", place({ 1 }, { 1, 2 }))
    assert.equal("result.a", place({ a = false }, {}))
  end)

  it("differ as a whole where only one is a table", function()
    assert.equal("result.a", place({ a = { 1 } }, { a = 1 }))
    assert.equal("result", place({}, nil))
  end)

  it("are compared in the order of their keys, numbers by size", function()
    assert.equal("result.a", place({ a = 1, b = 1, c = 1 }, { a = 2, b = 2, c = 2 }))
    local long, other = {}, {}
    for i = 1, 12 do
      long[i], other[i] = i, i < 9 and i or -i
    end
    assert.equal("result[9]", place(long, other))
  end)
end)

describe("a value that is shown", function()
  it("is JSON, and nothing where there is none", function()
    assert.equal("nothing", compare.show(nil))
    assert.equal('"a\\"b"', compare.show('a"b'))
    assert.equal("false", compare.show(false))
    assert.equal("[]", compare.show(json.list({})))
  end)

  it("is named where it has no JSON", function()
    assert.matches("^function: ", compare.show(print))
    assert.equal("nan", (compare.show(0 / 0):gsub("-", "")))
  end)

  it("is cut where it is long", function()
    assert.equal('"' .. ("x"):rep(199) .. "…", compare.show(("x"):rep(1000)))
  end)
end)

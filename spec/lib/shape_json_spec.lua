-- What a rule gives, as JSON: an empty table is a list where its shape says so.
require("host")
local json = require("lib.json")
local shape = require("lib.shape")
local shape_json = require("lib.shape_json")

local function encode(of, value)
  return json.encode(shape_json.mark(of, value))
end

describe("a value marked by its shape", function()
  it("is an empty list where a list is meant, else an empty object", function()
    assert.equal("[]", encode(shape.list(shape.any()), {}))
    assert.equal("{}", encode(shape.record({}), {}))
    assert.equal("{}", encode(shape.any(), {}))
  end)

  it("is marked all the way down", function()
    local of = shape.list(shape.record({ tags = shape.optional(shape.list(shape.string())) }))
    assert.equal('[{"tags":[]},{}]', encode(of, { { tags = {} }, {} }))
  end)

  it("is marked as the first of several shapes that it fits", function()
    local of = shape.either(shape.record({ kind = shape.literal("a"), list = shape.list(shape.any()) }),
      shape.record({ kind = shape.literal("b"), list = shape.table() }))
    assert.equal("[]", json.encode(shape_json.mark(of, { kind = "a", list = {} }).list))
    assert.equal("{}", json.encode(shape_json.mark(of, { kind = "b", list = {} }).list))
  end)

  it("that fits none of them, or has a field more, stays as it is", function()
    local of = shape.either(shape.list(shape.integer()), shape.integer())
    assert.equal('{"a":1}', encode(of, { a = 1 }))
    assert.equal('{"more":{}}', encode(shape.record({}), { more = {} }))
  end)

  it("that is no table stays as it is", function()
    assert.equal(5, shape_json.mark(shape.list(shape.any()), 5))
    assert.is_nil(shape_json.mark(shape.optional(shape.list(shape.any())), nil))
  end)

  it("is a copy", function()
    local value = { { tags = {} } }
    shape_json.mark(shape.list(shape.record({ tags = shape.list(shape.any()) })), value)
    assert.is_nil(getmetatable(value))
    assert.is_nil(getmetatable(value[1].tags))
  end)
end)

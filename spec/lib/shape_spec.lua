-- Where a value is not what it should be.
local shape = require("lib.shape")

local STEP = shape.record({ channel = shape.one_of("log", "email"), wait_ms = shape.integer(0) })

local function check(of, value)
  return shape.check(of, value, "result")
end

describe("a shape", function()
  it("says nothing of what fits", function()
    assert.is_nil(check(shape.list(STEP), { { channel = "log", wait_ms = 0 } }))
    assert.is_nil(check(shape.list(STEP), {}))
    assert.is_nil(check(shape.optional(STEP), nil))
    assert.is_nil(check(shape.any(), nil))
    assert.is_nil(check(shape.table(), { 1, a = 2 }))
    assert.is_nil(check(shape.boolean(), false))
    assert.is_nil(check(shape.literal(false), false))
  end)

  it("names the path to what does not", function()
    assert.equal('result[2].wait_ms must be an integer from 0, is "soon"',
      check(shape.list(STEP), { { channel = "log", wait_ms = 0 }, { channel = "log", wait_ms = "soon" } }))
  end)

  it("says what is missing and what is not known", function()
    assert.equal('result.channel must be "log" or "email", is missing', check(STEP, { wait_ms = 0 }))
    assert.equal('result has a field that is not known, "wait"',
      check(STEP, { channel = "log", wait_ms = 0, wait = 1 }))
    assert.equal("result must be a table of fields, is missing", check(STEP, nil))
  end)

  it("keeps numbers within their range, and finite", function()
    assert.equal("result must be an integer from 1 to 5, is 6", check(shape.integer(1, 5), 6))
    assert.equal("result must be an integer up to 5, is 1.5", check(shape.integer(nil, 5), 1.5))
    for _, value in ipairs({ 0 / 0, 1 / 0, -1 / 0 }) do
      assert.is_string(check(shape.number(), value))
      assert.is_string(check(shape.integer(), value))
    end
  end)

  it("keeps a text within its size, and on its line", function()
    local line = shape.string({ min = 1, max = 3, one_line = true })
    assert.is_nil(check(line, "abc"))
    for _, value in ipairs({ "", "abcd", "a\nb", "a\rb", "a\0b" }) do
      assert.matches("^result must be a string of one line from 1 to 3 bytes, is ", check(line, value))
    end
  end)

  it("shows only the beginning of a long text", function()
    assert.is_true(#check(shape.integer(), ("x"):rep(10000)) < 120)
  end)

  it("takes no table with other keys as a list", function()
    assert.equal('result must be a list, has the key "name"', check(shape.list(STEP), { name = 1 }))
    assert.equal("result must be a list, has the key 1.5", check(shape.list(shape.any()), { [1.5] = 1 }))
    assert.equal("result must be a list of up to 1 items, is a table",
      check(shape.list(shape.any(), 1), { 1, 2 }))
    assert.equal("result must be a list, is true", check(shape.list(STEP), true))
  end)

  it("of several is about the one that was meant", function()
    local call = shape.either(
      shape.record({ tool = shape.literal("add"), title = shape.string() }),
      shape.record({ tool = shape.literal("list"), args = STEP }))
    assert.is_nil(check(call, { tool = "add", title = "x" }))
    assert.equal("result.title must be a string, is 5", check(call, { tool = "add", title = 5 }))
    assert.equal('result.args.wait_ms must be an integer from 0, is -1',
      check(call, { tool = "list", args = { channel = "log", wait_ms = -1 } }))
    assert.equal('result.tool must be "add" or "list", is "shout"', check(call, { tool = "shout" }))
    assert.equal('result.tool must be "add" or "list", is missing', check(call, {}))
  end)

  it("of several simple ones names them all", function()
    assert.equal('result must be an integer from 0 or false, is "soon"',
      check(shape.either(shape.integer(0), shape.literal(false)), "soon"))
  end)

  it("of several where nothing tells them apart is about the deepest difference", function()
    local either = shape.either(shape.record({ ended = shape.literal(true) }),
      shape.record({ rule = shape.string(), due = shape.optional(shape.integer()) }))
    assert.equal("result.rule must be a string, is 7", check(either, { rule = 7 }))
  end)
end)

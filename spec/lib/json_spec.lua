require("host")
local json = require("lib.json")

describe("lib.json", function()
  it("keeps an empty list a list and an empty object an object", function()
    assert.equal("[]", json.encode(json.list({})))
    assert.equal("{}", json.encode({}))
    assert.equal('{"a":[]}', json.encode({ a = json.list({}) }))
    assert.equal('[[],{}]', json.encode({ json.list({}), {} }))
    assert.equal('{"a":{"b":[]}}', json.encode(json.decode('{"a":{"b":[]}}')))
  end)

  it("tells lists from objects in what it has read", function()
    assert.is_true(json.is_list(json.decode("[]")))
    assert.is_true(json.is_list(json.decode("[1]")))
    assert.is_false(json.is_list(json.decode("{}")))
    assert.is_false(json.is_list("[]"))
  end)

  it("keeps whole numbers exact up to 2^53", function()
    assert.equal("9007199254740992", json.encode(2 ^ 53))
    assert.equal('[-9007199254740991,"x"]', json.encode({ -(2 ^ 53) + 1, "x" }))
    assert.equal("1795522485123", json.encode(1795522485123))
  end)

  it("cannot be fooled by text that looks like its own marks", function()
    assert.equal('["[]","123"]', json.encode({ "[]", "123" }))
    local value = { a = json.list({}), b = '"[]"', c = "\\255", d = "\"" }
    assert.same(value, json.decode(json.encode(value)))
  end)

  it("writes null, and refuses what has no JSON", function()
    assert.equal('{"a":null}', json.encode({ a = json.null }))
    assert.has_error(function() json.encode({ f = function() end }) end)
    assert.has_error(function() json.encode({ 0 / 0 }) end)
  end)

  it("says what is wrong and where", function()
    local value, message = json.decode('{"a":1,"a":2}')
    assert.is_nil(value)
    assert.matches('repeated key "a" at byte', message)
  end)

  it("writes the same text for the same value when members are sorted", function()
    local value = { b = { 1, { z = json.null, a = true } }, a = json.list({}), c = {},
      ["1"] = "x/y", d = 2 ^ 53 }
    assert.equal('{"1":"x\\/y","a":[],"b":[1,{"a":true,"z":null}],"c":{},"d":9007199254740992}',
      json.encode_sorted(value))
    assert.equal('"x"', json.encode_sorted("x"))
    assert.has_error(function() json.encode_sorted({ f = function() end }) end)
  end)
end)

require("host")
local json = require("lib.json")
local json_schema = require("lib.json_schema")

local SCHEMA = {
  type = "object", required = { "name" }, additionalProperties = false,
  properties = {
    name = { type = "string", minLength = 1, maxLength = 5 },
    size = { type = "integer", minimum = 1, maximum = 10 },
    note = { type = { "string", "null" } },
    kind = { type = "string", enum = { "a", "b" } },
    tags = { type = "array", maxItems = 2, items = { type = "string" } },
    on = { type = "boolean" },
    inner = { type = "object", properties = { x = { type = "number", minimum = 0 } } },
  },
}

local function check(text)
  return json_schema.check(SCHEMA, assert(json.decode(text)))
end

describe("json_schema.check", function()
  it("takes what the schema allows", function()
    assert.is_nil(check('{"name":"x"}'))
    assert.is_nil(check('{"name":"x","size":10,"note":null,"kind":"b","tags":["p","q"],"on":false,'
      .. '"inner":{"x":0.5,"other":1}}'))
  end)

  it("counts characters, not bytes", function()
    assert.is_nil(check('{"name":"äääää"}'))
    assert.equal("name must be a string of 1 to 5 characters", check('{"name":"ääääää"}'))
  end)

  it("names what is missing, and what is not known", function()
    assert.equal("name is needed", check("{}"))
    assert.equal("nmae is not known; known are inner, kind, name, note, on, size, tags",
      check('{"name":"x","nmae":"y"}'))
  end)

  it("names what has the wrong type", function()
    assert.equal('size must be a whole number, is "5"', check('{"name":"x","size":"5"}'))
    assert.equal("size must be a whole number, is 1.5", check('{"name":"x","size":1.5}'))
    assert.equal("note must be a string or null, is 5", check('{"name":"x","note":5}'))
    assert.equal("on must be true or false, is null", check('{"name":"x","on":null}'))
    assert.equal("inner must be an object, is a list", check('{"name":"x","inner":[]}'))
    assert.equal("tags must be a list, is an object", check('{"name":"x","tags":{}}'))
    assert.equal("tags[1] must be a string, is 5", check('{"name":"x","tags":["a",5]}'))
    assert.equal("the value must be an object, is a list", check("[]"))
  end)

  it("names what is out of range", function()
    assert.equal("size must be a number of 1 to 10, is 11", check('{"name":"x","size":11}'))
    assert.equal("kind must be one of a, b, is \"c\"", check('{"name":"x","kind":"c"}'))
    assert.equal("tags must be a list of at most 2 items, has 3",
      check('{"name":"x","tags":["a","b","c"]}'))
    assert.equal("inner.x must be a number of at least 0, is -1",
      check('{"name":"x","inner":{"x":-1}}'))
  end)

  it("does not repeat a long value", function()
    assert.equal("kind must be one of a, b, is a string of 5000 bytes",
      check('{"name":"x","kind":"' .. ("z"):rep(5000) .. '"}'))
  end)
end)

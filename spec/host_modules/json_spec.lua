require("host")
local json = require("host.json")

describe("host.json", function()
  it("makes tables of objects, and of lists tables with their metatable", function()
    local value = json.decode('{"a":[1,"two",true,null,{}],"b":{"c":-0.5e1}}')
    assert.equal(json.list_mt, getmetatable(value.a))
    assert.is_nil(getmetatable(value))
    assert.is_nil(getmetatable(value.a[5]))
    assert.same({ 1, "two", true, json.null, {} }, setmetatable(value.a, nil))
    assert.equal(-5, value.b.c)
  end)

  it("gives the null of cjson", function()
    assert.equal(require("cjson").null, json.null)
    assert.equal(json.null, (json.decode("null")))
    assert.is_false((json.decode("false")))
  end)

  it("takes 32 levels and no more, also from a deep Lua stack", function()
    local deep = ("["):rep(32) .. ("]"):rep(32)
    assert.is_table(json.decode(deep))
    assert.is_nil((json.decode("[" .. deep .. "]")))
    local function down(n)
      if n == 0 then
        return (json.decode(deep))
      end
      local value = down(n - 1)
      return value
    end
    assert.is_table(down(150))
  end)

  it("refuses what RFC 8259 has not", function()
    for _, bad in ipairs({ "", " ", "nul", "[1,]", "{\"a\":1,}", "{a:1}", "'a'", "01", "+1", "1.", ".5",
      "0x1", "NaN", "Infinity", "-", "1e", "\"\\x\"", "\"\\ud800\"", "\"\\u0000\"", "\"\n\"", "\"a",
      "[1 2]", "[1]]", "{\"a\":1 \"b\":2}", "{\"a\":1,\"a\":2}", "\239\187\1911", "\"\255\"",
      "\"\237\160\128\"", "\"\192\128\"", "1\0", "[\0]", "1e400", "// x\n1" }) do
      local value, message = json.decode(bad)
      assert.is_nil(value, bad)
      assert.is_string(message, bad)
    end
  end)

  it("throws when it is given no string", function()
    assert.has_error(function() json.decode({}) end)
  end)
end)

require("host")
local url = require("lib.url")

describe("lib.url", function()
  it("decodes percent-encoding and refuses what is not text", function()
    assert.equal("a b", url.decode("a%20b"))
    assert.equal("ü", url.decode("%C3%BC"))
    for _, bad in ipairs({ "%", "%4", "%zz", "%00", "%FF", "%C0%80", "%ED%A0%80", "\255" }) do
      assert.is_nil(url.decode(bad), bad)
    end
  end)

  it("reads a query string", function()
    assert.same({ a = "1 2", b = "", c = "x=y" }, url.parse_query("a=1+2&b&c=x=y&"))
    assert.same({}, url.parse_query(""))
    assert.is_nil(url.parse_query("a=1&a=2"))
    assert.is_nil(url.parse_query("a=%ff"))
  end)

  it("builds what it reads", function()
    local args = { ["a b"] = "1&2=3", z = "ü/?" }
    assert.same(args, url.parse_query(url.build_query(args)))
    assert.equal("a=1&b=2", url.build_query({ b = "2", a = "1" }))
  end)
end)

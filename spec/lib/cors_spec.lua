require("host")
local cors = require("lib.cors")

describe("lib.cors", function()
  local named = cors.parse_origins("https://a.example, https://b.example")

  local function from(origin)
    return { headers = { origin = origin } }
  end

  it("lets a page of a named origin read an answer, with credentials", function()
    local headers = cors.headers(named, from("https://b.example"), { ETag = "1" })
    assert.equal("https://b.example", headers["Access-Control-Allow-Origin"])
    assert.equal("true", headers["Access-Control-Allow-Credentials"])
    assert.equal("Origin", headers.Vary)
    assert.equal("1", headers.ETag)
  end)

  it("adds nothing for another origin, or where none is named", function()
    local own = { ETag = "1" }
    assert.equal(own, cors.headers(named, from("https://c.example"), own))
    assert.equal(own, cors.headers(cors.parse_origins(nil), from("https://a.example"), own))
  end)

  it("lets every page read, but without credentials, where * is named", function()
    local headers = cors.headers(cors.parse_origins("*"), from("https://c.example"), {})
    assert.equal("https://c.example", headers["Access-Control-Allow-Origin"])
    assert.is_nil(headers["Access-Control-Allow-Credentials"])
  end)

  it("answers a preflight, and refuses one of another origin", function()
    local status, _, headers = cors.preflight(named, from("https://a.example"))
    assert.equal(204, status)
    assert.matches("Idempotency%-Key", headers["Access-Control-Allow-Headers"])
    assert.equal(403, (cors.preflight(named, from("https://c.example"))))
  end)
end)

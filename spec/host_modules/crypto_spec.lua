require("host")
local crypto = require("host.crypto")

describe("host.crypto", function()
  it("makes version 4 ids that differ, and version 8 ids that do not", function()
    local seen = {}
    for _ = 1, 2000 do
      local id = crypto.uuid()
      assert.matches("^%x+%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x+$", id)
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.equal(crypto.uuid_of("a"), crypto.uuid_of("a"))
    assert.not_equal(crypto.uuid_of("a"), crypto.uuid_of("b"))
    assert.matches("^%x+%-%x%x%x%x%-8%x%x%x%-[89ab]%x%x%x%-%x+$", crypto.uuid_of("a"))
  end)

  it("agrees with known hashes", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      crypto.hex(crypto.sha256("abc")))
    assert.equal("f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
      crypto.hex(crypto.hmac_sha256("key", "The quick brown fox jumps over the lazy dog")))
  end)

  it("codes base 64 there and back, and takes canonical input only", function()
    for len = 0, 50 do
      local bytes = len > 0 and crypto.random(len) or ""
      assert.equal(bytes, crypto.base64url_decode(crypto.base64url_encode(bytes)))
      assert.equal(bytes, crypto.base64_decode(crypto.base64_encode(bytes)))
    end
    assert.equal("_-8", crypto.base64url_encode("\255\239"))
    for _, bad in ipairs({ "A", "AB==", "A A", "AB=", "A+/A", "_-9", "é" }) do
      assert.is_nil(crypto.base64url_decode(bad), bad)
    end
    for _, bad in ipairs({ "AA", "AA=", "AAA", "AB==", "A-_A", "====" }) do
      assert.is_nil(crypto.base64_decode(bad), bad)
    end
  end)

  it("compares", function()
    assert.is_true(crypto.equal("abc", "abc"))
    assert.is_false(crypto.equal("abc", "abd"))
    assert.is_false(crypto.equal("abc", "abcd"))
    assert.is_true(crypto.equal("", ""))
  end)

  it("refuses keys that are none", function()
    for _, jwk in ipairs({ {}, { kty = "oct", k = "AAAA" }, { kty = "RSA", n = "AQAB", e = "AQAB" },
      { kty = "EC", crv = "P-256", x = "AAAA", y = "AAAA" },
      { kty = "EC", crv = "P-256", x = ("A"):rep(43), y = ("A"):rep(43) }, { kty = "OKP", crv = "Ed25519", x = "AA" },
      { kty = "EC", crv = "P-521", x = "AA", y = "AA" } }) do
      local key, message = crypto.public_key(jwk)
      assert.is_nil(key)
      assert.is_string(message)
    end
  end)
end)

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

  -- RFC 7515, appendix A: the payload is the same in all.
  local PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
    .. "Ijp0cnVlfQ"

  it("agrees with RFC 7515, appendix A.2, on RS256", function()
    local key = crypto.public_key({ kty = "RSA", e = "AQAB",
      n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR"
        .. "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB"
        .. "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia"
        .. "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" })
    local signature = crypto.base64url_decode(
      "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb"
        .. "F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN"
        .. "9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5A"
        .. "XLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw")
    local text = "eyJhbGciOiJSUzI1NiJ9." .. PAYLOAD
    assert.is_true(crypto.verify("RS256", key, text, signature))
    assert.is_false(crypto.verify("RS256", key, text .. "x", signature))
    assert.is_false(crypto.verify("RS256", key, text, signature:sub(2)))
    assert.is_false(crypto.verify("RS256", key, text, ""))
    assert.is_false(crypto.verify("ES256", key, text, signature))
    assert.is_false(crypto.verify("none", key, text, ""))
  end)

  it("agrees with RFC 7515, appendix A.3, on ES256", function()
    local key = crypto.public_key({ kty = "EC", crv = "P-256",
      x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" })
    local signature = crypto.base64url_decode(
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
    local text = "eyJhbGciOiJFUzI1NiJ9." .. PAYLOAD
    assert.is_true(crypto.verify("ES256", key, text, signature))
    assert.is_false(crypto.verify("ES256", key, text .. "x", signature))
    assert.is_false(crypto.verify("EdDSA", key, text, signature))
    -- r and s of 0, and the form of DER that JWS does not have
    assert.is_false(crypto.verify("ES256", key, text, ("\0"):rep(64)))
    assert.is_false(crypto.verify("ES256", key, text, "\48\6\2\1\1\2\1\1"))
  end)

  it("refuses an RSA exponent that proves nothing", function()
    local n = crypto.base64url_encode("\255" .. ("\1"):rep(255))
    for _, e in ipairs({ "AQ", "Ag", "AAE", crypto.base64url_encode(("\1"):rep(9)) }) do
      local key, message = crypto.public_key({ kty = "RSA", n = n, e = e })
      assert.is_nil(key, e)
      assert.matches("odd e", message)
    end
    assert.is_userdata(crypto.public_key({ kty = "RSA", n = n, e = "Aw" }))
  end)

  it("does not hand out what frees a key", function()
    local key = crypto.public_key({ kty = "OKP", crv = "Ed25519",
      x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    assert.is_false(getmetatable(key))
  end)
end)

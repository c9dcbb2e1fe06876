local host = require("host")
local crypto = require("host.crypto")
local json = require("lib.json")
local time = require("host.time")

local NOW = 1800000000 * 1000
local SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"

-- Modules with state of their own, loaded anew for each spec.
local function fresh()
  package.loaded["lib.jwt"], package.loaded["lib.jwks"] = nil, nil
  host.requests, host.replies = {}, {}
  return require("lib.jwt")
end

describe("lib.jwt", function()
  before_each(function()
    host.settings = { JWT_SECRET = SECRET }
  end)

  it("verifies what it signs", function()
    local jwt = fresh()
    local token = jwt.sign_hs256({ sub = "ann", exp = NOW / 1000 + 60 }, SECRET)
    assert.equal("ann", jwt.verify(token, NOW).sub)
    assert.equal("ann", jwt.verify(token, NOW).sub) -- and remembers it
    assert.same({ nil, "Token expired" }, { jwt.verify(token, NOW + 61000) })
  end)

  it("agrees with RFC 7515, appendix A.1, on the HMAC", function()
    local key = crypto.base64url_decode(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
    local signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      .. "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    assert.equal("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
      crypto.base64url_encode(crypto.hmac_sha256(key, signed)))
  end)

  it("refuses another key, and a changed payload", function()
    local jwt = fresh()
    local token = jwt.sign_hs256({ sub = "ann", exp = NOW / 1000 + 60 }, SECRET .. "x")
    assert.same({ nil, "Invalid token" }, { jwt.verify(token, NOW) })
    local good = jwt.sign_hs256({ sub = "ann", exp = NOW / 1000 + 60 }, SECRET)
    local other = crypto.base64url_encode(json.encode({ sub = "eve", exp = NOW / 1000 + 60 }))
    assert.is_nil((jwt.verify(good:gsub("%..-%.", "." .. other .. "."), NOW)))
  end)

  describe("with a JWKS", function()
    -- RFC 8037, appendix A: an Ed25519 key and its signature.
    local JWK = { kty = "OKP", crv = "Ed25519", kid = "k",
      x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }

    before_each(function()
      host.settings = { JWKS_URL = "https://id.example/jwks" }
    end)

    it("agrees with RFC 8037, appendix A.4, on Ed25519", function()
      local key = crypto.public_key(JWK)
      local signature = crypto.base64url_decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
      local text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
      assert.is_true(crypto.verify("EdDSA", key, text, signature))
      assert.is_false(crypto.verify("EdDSA", key, text .. "x", signature))
      assert.is_false(crypto.verify("ES256", key, text, signature))
    end)

    it("fetches once for an unknown kid, and again only after a minute", function()
      local jwt = fresh()
      host.replies.all = { status = 200, headers = {}, body = json.encode({ keys = { JWK } }) }
      local monotonic, now = time.monotonic_ms, 1000
      time.monotonic_ms = function() return now end
      local head = crypto.base64url_encode(json.encode({ alg = "EdDSA", kid = "other" }))
      local token = head .. ".e30.AAAA"
      for _ = 1, 20 do
        assert.is_nil((jwt.verify(token, NOW)))
      end
      assert.equal(1, #host.requests)
      now = now + 61000
      assert.is_nil((jwt.verify(token, NOW)))
      assert.equal(2, #host.requests)
      time.monotonic_ms = monotonic
    end)

    it("keeps its keys when their server is away", function()
      fresh()
      local jwks = require("lib.jwks")
      host.replies = { { status = 200, headers = {}, body = json.encode({ keys = { JWK } }) } }
      local monotonic, now = time.monotonic_ms, 1000
      time.monotonic_ms = function() return now end
      assert.is_not_nil(jwks.find("k", "EdDSA"))
      now = now + 3600000
      assert.is_not_nil(jwks.find("k", "EdDSA"))
      assert.equal(2, #host.requests)
      assert.is_nil(jwks.find("k", "RS256"))
      time.monotonic_ms = monotonic
    end)
  end)
end)

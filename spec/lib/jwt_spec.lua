local host = require("host")
local crypto = require("host.crypto")
local fiber = require("host.fiber")
local json = require("lib.json")
local time = require("host.time")

local NOW = 1800000000 * 1000
local SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
-- RFC 8037, appendix A: an Ed25519 key.
local JWK = { kty = "OKP", crv = "Ed25519", kid = "k",
  x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }

-- Modules with state of their own, loaded anew for each spec.
local function fresh()
  package.loaded["lib.jwt"], package.loaded["lib.jwks"] = nil, nil
  host.requests, host.replies, host.lines = {}, {}, {}
  return require("lib.jwt")
end

local function part(value)
  return crypto.base64url_encode(type(value) == "table" and json.encode(value) or value)
end

-- A token with any header, and any body as a table or as text, signed with HMAC.
local function forge(header, body, key)
  local signed = part(header) .. "." .. part(body)
  return signed .. "." .. crypto.base64url_encode(crypto.hmac_sha256(key or SECRET, signed))
end

local function claims(more)
  local all = { sub = "ann", exp = NOW / 1000 + 60 }
  for name, value in pairs(more or {}) do
    all[name] = value
  end
  return all
end

describe("lib.jwt", function()
  before_each(function()
    host.settings = { JWT_SECRET = SECRET }
  end)

  it("verifies what it signs", function()
    local jwt = fresh()
    local token = jwt.sign_hs256(claims(), SECRET)
    assert.equal("ann", jwt.verify(token, NOW).sub)
    assert.equal("ann", jwt.verify(token, NOW).sub) -- and remembers it
    assert.same({ nil, "Token expired" }, { jwt.verify(token, NOW + 61000) })
    assert.same({ nil, "Token expired" }, { jwt.verify(token, NOW + 60000) })
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
    assert.same({ nil, "Invalid token" }, { jwt.verify(jwt.sign_hs256(claims(), SECRET .. "x"), NOW) })
    local good = jwt.sign_hs256(claims(), SECRET)
    local changed = good:gsub("%..-%.", "." .. part(claims({ sub = "eve" })) .. ".")
    assert.not_equal(good, changed)
    assert.same({ nil, "Invalid token" }, { jwt.verify(changed, NOW) })
  end)

  it("S02: takes no algorithm but the one that is configured", function()
    local jwt = fresh()
    for _, alg in ipairs({ "none", "None", "nOnE", "", "HS384", "HS512", "hs256", "RS256", "EdDSA",
      { "HS256" }, 5, json.null }) do
      local signed = part({ alg = alg }) .. "." .. part(claims())
      for _, token in ipairs({ forge({ alg = alg }, claims()), signed .. ".", signed, signed .. ".AA" }) do
        assert.same({ nil, "Invalid token" }, { jwt.verify(token, NOW) }, token)
      end
    end
    assert.same({ nil, "Invalid token" }, { jwt.verify(forge({ typ = "JWT" }, claims()), NOW) })
  end)

  it("S05: follows nothing that a header points to", function()
    local jwt = fresh()
    for _, extra in ipairs({ { kid = "../../../dev/null" }, { kid = "' OR 1=1 --" },
      { kid = "https://evil.example/k" }, { jku = "https://evil.example/jwks" },
      { x5u = "https://evil.example/x" }, { jwk = { kty = "oct", k = "" } } }) do
      extra.alg = "HS256"
      assert.same({ nil, "Invalid token" }, { jwt.verify(forge(extra, claims(), ""), NOW) })
    end
    assert.same({ nil, "Invalid token" },
      { jwt.verify(forge({ alg = "HS256", crit = json.list({ "exp" }) }, claims()), NOW) })
    assert.same({ nil, "Invalid token" },
      { jwt.verify(forge({ alg = "HS256", typ = "JWE" }, claims()), NOW) })
    assert.equal("ann", jwt.verify(forge({ alg = "HS256", typ = "at+jwt" }, claims()), NOW).sub)
    assert.equal(0, #host.requests)
  end)

  it("S06: needs a finite exp that has not come, and times that have", function()
    local jwt = fresh()
    local header, now = { alg = "HS256" }, NOW / 1000
    for body, detail in pairs({
      ['{"sub":"ann"}'] = "Invalid token payload",
      ['{"sub":"ann","exp":null}'] = "Invalid token payload",
      ['{"sub":"ann","exp":"1900000000"}'] = "Invalid token payload",
      ['{"sub":"ann","exp":1e300}'] = "Invalid token payload",
      ['{"sub":"ann","exp":true}'] = "Invalid token payload",
      ['{"sub":"ann","exp":[1900000000]}'] = "Invalid token payload",
      ['{"sub":"ann","exp":1900000000,"exp":1}'] = "Invalid token payload",
      ['{"sub":"ann","exp":1e999}'] = "Invalid token payload",
      ['{"sub":"ann","exp":0}'] = "Token expired",
      ['{"sub":"ann","exp":-5}'] = "Token expired",
    }) do
      assert.same({ nil, detail }, { jwt.verify(forge(header, body), NOW) }, body)
    end
    for name, value in pairs({ nbf = now + 61, iat = now + 61 }) do
      assert.same({ nil, "Invalid token payload" },
        { jwt.verify(forge(header, claims({ [name] = value })), NOW) }, name)
      assert.equal("ann", jwt.verify(forge(header, claims({ [name] = now + 59 })), NOW).sub)
    end
    assert.is_nil((jwt.verify(forge(header, claims({ iat = "x" })), NOW)))
  end)

  it("S07: checks sub, and aud and iss where configured", function()
    host.settings = { JWT_SECRET = SECRET, JWT_AUDIENCE = "todo", JWT_ISSUER = "https://id.example" }
    local jwt = fresh()
    local header, good = { alg = "HS256" }, { aud = "todo", iss = "https://id.example" }
    local function verify(more)
      local all = claims(good)
      for name, value in pairs(more) do
        all[name] = value
      end
      return jwt.verify(forge(header, all), NOW)
    end
    assert.equal("ann", verify({}).sub)
    assert.equal("ann", verify({ aud = json.list({ "x", "todo" }) }).sub)
    for _, more in ipairs({ { sub = "" }, { sub = 5 }, { sub = json.list({ "ann" }) }, { sub = json.null },
      { sub = ("x"):rep(256) }, { sub = "a\nb" }, { sub = "a\127" }, { aud = "other" },
      { aud = json.list({}) }, { aud = json.list({ "Todo" }) }, { aud = { todo = "todo" } },
      { aud = json.null }, { iss = "https://id.example/" }, { iss = json.list({ "https://id.example" }) },
      { iss = json.null } }) do
      assert.same({ nil, "Invalid token payload" }, { verify(more) }, json.encode(more))
    end
    assert.equal(255, #verify({ sub = ("x"):rep(255) }).sub)
  end)

  it("refuses what is no token, and what is no object", function()
    local jwt = fresh()
    local good = jwt.sign_hs256(claims(), SECRET)
    for _, bad in ipairs({ "", ".", "..", "a.b.c", good .. ".x", good .. "=", " " .. good, good .. "\n",
      ("x"):rep(9000), forge(json.list({}), claims()), forge("{", claims()) }) do
      assert.same({ nil, "Invalid token" }, { jwt.verify(bad, NOW) }, bad:sub(1, 60))
    end
    for _, body in ipairs({ "[]", "5", "null", '"x"', "{", "" }) do
      assert.is_nil((jwt.verify(forge({ alg = "HS256" }, body), NOW)), body)
    end
  end)

  describe("with a JWKS", function()
    local monotonic, spawn, now = time.monotonic_ms, fiber.spawn, 1000

    before_each(function()
      host.settings = { JWKS_URL = "https://id.example/jwks" }
      now = 1000
      time.monotonic_ms = function() return now end
    end)

    after_each(function()
      time.monotonic_ms, fiber.spawn = monotonic, spawn
    end)

    local function serve(document)
      return { status = 200, headers = {}, body = json.encode(document) }
    end

    it("agrees with RFC 8037, appendix A.4, on Ed25519", function()
      local key = crypto.public_key(JWK)
      local signature = crypto.base64url_decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
      local text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
      assert.is_true(crypto.verify("EdDSA", key, text, signature))
      assert.is_false(crypto.verify("EdDSA", key, text .. "x", signature))
      assert.is_false(crypto.verify("ES256", key, text, signature))
    end)

    it("S03: takes no HMAC, not even one keyed with a public key", function()
      local jwt = fresh()
      host.replies.all = serve({ keys = { JWK } })
      local raw = crypto.base64url_decode(JWK.x)
      local der = crypto.base64_decode("MCowBQYDK2VwAyEA") .. raw
      local pem = "-----BEGIN PUBLIC KEY-----\n" .. crypto.base64_encode(der)
        .. "\n-----END PUBLIC KEY-----\n"
      for _, key in ipairs({ raw, der, pem, JWK.x, json.encode(JWK), "" }) do
        for _, kid in ipairs({ "k", json.null, "other" }) do
          assert.same({ nil, "Invalid token" },
            { jwt.verify(forge({ alg = "HS256", kid = kid }, claims(), key), NOW) })
        end
      end
      assert.equal(0, #host.requests)
    end)

    it("S09: fetches once for unknown kids, and again only after a minute", function()
      local jwt = fresh()
      host.replies.all = serve({ keys = { JWK } })
      local function flood()
        for i = 1, 20 do
          assert.is_nil((jwt.verify(part({ alg = "EdDSA", kid = "x" .. i }) .. ".e30.AAAA", NOW)))
        end
      end
      flood()
      assert.equal(1, #host.requests)
      now = now + 61000
      flood()
      assert.equal(2, #host.requests)
    end)

    it("S09: keeps its keys when their server is away", function()
      fresh()
      local jwks = require("lib.jwks")
      host.replies = { serve({ keys = { JWK } }) }
      assert.is_not_nil(jwks.find("k", "EdDSA"))
      now = now + 3600000
      assert.is_not_nil(jwks.find("k", "EdDSA"))
      assert.equal(2, #host.requests)
      assert.is_nil(jwks.find("k", "RS256"))
    end)

    it("S09: lets no known key wait for a fetch", function()
      fresh()
      local jwks = require("lib.jwks")
      host.replies.all = serve({ keys = { JWK } })
      assert.is_not_nil(jwks.find("k", "EdDSA"))
      local background = {}
      fiber.spawn = function(fn)
        background[#background + 1] = fn
        return true
      end
      now = now + 3600000
      for _ = 1, 3 do
        assert.is_not_nil(jwks.find("k", "EdDSA"))
      end
      assert.equal(1, #background) -- one at a time, and nobody waited for it
      assert.equal(1, #host.requests)
      background[1]()
      assert.equal(2, #host.requests)
    end)

    it("forgets a key that is withdrawn", function()
      fresh()
      local jwks = require("lib.jwks")
      local other = { kty = JWK.kty, crv = JWK.crv, x = JWK.x, kid = "new" }
      host.replies = { serve({ keys = { JWK } }), serve({ keys = { other } }) }
      assert.is_not_nil(jwks.find("k", "EdDSA"))
      now = now + 61000
      assert.is_not_nil(jwks.find("new", "EdDSA"))
      assert.is_nil(jwks.find("k", "EdDSA"))
    end)

    it("survives documents that are none, and fetches again later", function()
      for _, body in ipairs({ "", "[]", "5", '{"keys":5}', '{"keys":"x"}', '{"keys":{"kty":"RSA"}}',
        '{"keys":[]}', '{"keys":[5,null,"x",{}]}', '{"keys":[{"kty":5,"kid":[]}]}' }) do
        fresh()
        local jwks = require("lib.jwks")
        host.replies = { { status = 200, headers = {}, body = body }, serve({ keys = { JWK } }) }
        assert.is_nil(jwks.find("k", "EdDSA"), body)
        assert.equal("warn", host.lines[#host.lines].level, body)
        now = now + 61000
        assert.is_not_nil(jwks.find("k", "EdDSA"), body)
      end
    end)

    it("is not stuck when a fetch throws", function()
      fresh()
      local jwks, http = require("lib.jwks"), require("host.http")
      local request = http.request
      http.request = function() error("broken") end
      assert.is_nil(jwks.find("k", "EdDSA"))
      http.request = request
      assert.equal("error", host.lines[#host.lines].level)
      host.replies.all = serve({ keys = { JWK } })
      now = now + 61000
      assert.is_not_nil(jwks.find("k", "EdDSA"))
    end)
  end)

  it("looks at a remembered token again after ten minutes", function()
    local jwt = fresh()
    local token = jwt.sign_hs256(claims({ exp = NOW / 1000 + 86400 }), SECRET)
    assert.is_table(jwt.verify(token, NOW))
    host.settings = { JWT_SECRET = "another-secret-another-secret-xx" }
    assert.is_table(jwt.verify(token, NOW + 599999))
    assert.same({ nil, "Invalid token" }, { jwt.verify(token, NOW + 600000) })
  end)
end)

-- JSON Web Tokens (RFC 7519) in their signed compact form (RFC 7515). Which algorithms are accepted
-- follows from the settings, never from the token: JWT_SECRET means HS256, JWKS_URL means the
-- algorithm of the key that the document names (RS256, ES256, EdDSA).
local config = require("host.config")
local crypto = require("host.crypto")
local json = require("lib.json")
local jwks = require("lib.jwks")

local jwt = {}

local MAX_TOKEN = 8192
local MAX_SUBJECT = 255
local SKEW_SECONDS = 60        -- for nbf and iat; exp has none
local MAX_CACHED = 2000
local MAX_CACHED_MS = 600 * 1000   -- a key that was withdrawn must not verify for longer

-- Tokens that were good: {claims = …, until_ms = when to look again}.
local cache, cached = {}, 0

local function is_number(value)
  return type(value) == "number" and value == value and value > -1e15 and value < 1e15
end

local function decode_part(part)
  local text = crypto.base64url_decode(part)
  local value = text and json.decode(text)
  if type(value) == "table" and not json.is_list(value) then
    return value
  end
end

local function check_header(header)
  if header.crit ~= nil then
    return false
  end
  local typ = header.typ
  return typ == nil or type(typ) == "string" and (typ:upper() == "JWT" or typ:lower() == "at+jwt")
end

local function signed_by(header, signed, signature)
  if header.alg == "HS256" then
    local secret = config.get("JWT_SECRET")
    return secret ~= nil and crypto.equal(crypto.hmac_sha256(secret, signed), signature)
  end
  if not config.get("JWKS_URL") then
    return false
  end
  local key = jwks.find(header.kid, header.alg)
  return key ~= nil and crypto.verify(header.alg, key, signed, signature)
end

local function has_audience(claims, expected)
  if not expected or claims.aud == expected then
    return true
  end
  if json.is_list(claims.aud) then
    for _, audience in ipairs(claims.aud) do
      if audience == expected then
        return true
      end
    end
  end
  return false
end

local function check_claims(claims, now_ms)
  local now = now_ms / 1000
  if not is_number(claims.exp) then
    return "Invalid token payload"
  end
  if claims.exp <= now then
    return "Token expired"
  end
  for _, name in ipairs({ "nbf", "iat" }) do
    local value = claims[name]
    if value ~= nil and (not is_number(value) or value > now + SKEW_SECONDS) then
      return "Invalid token payload"
    end
  end
  local subject = claims.sub
  if type(subject) ~= "string" or subject == "" or #subject > MAX_SUBJECT
    or subject:find("[%z\1-\31\127]") then
    return "Invalid token payload"
  end
  local issuer = config.get("JWT_ISSUER")
  if issuer and claims.iss ~= issuer or not has_audience(claims, config.get("JWT_AUDIENCE")) then
    return "Invalid token payload"
  end
end

local function remember(token, claims, now_ms)
  if cached >= MAX_CACHED then
    cache, cached = {}, 0
  end
  cache[token] = { claims = claims,
    until_ms = math.min(claims.exp * 1000, now_ms + MAX_CACHED_MS) }
  cached = cached + 1
end

local function recall(token, now_ms)
  local known = cache[token]
  if known and now_ms < known.until_ms then
    return known.claims
  end
  if known then
    cache[token], cached = nil, cached - 1
  end
end

---Verifies a token (waits when its key must be fetched).
---@param token string
---@param now_ms integer
---@return table|nil claims
---@return string|nil detail  "Token expired", "Invalid token payload" or "Invalid token"
function jwt.verify(token, now_ms)
  local known = recall(token, now_ms)
  if known then
    return known
  end
  if #token > MAX_TOKEN then
    return nil, "Invalid token"
  end
  local head, body, signature = token:match("^([%w_%-]+)%.([%w_%-]+)%.([%w_%-]+)$")
  local header = head and decode_part(head)
  local raw = signature and crypto.base64url_decode(signature)
  if not header or not raw or not check_header(header)
    or not signed_by(header, head .. "." .. body, raw) then
    return nil, "Invalid token"
  end
  local claims = decode_part(body)
  if not claims then
    return nil, "Invalid token payload"
  end
  local detail = check_claims(claims, now_ms)
  if detail then
    return nil, detail
  end
  remember(token, claims, now_ms)
  return claims
end

---@param claims table
---@param secret string
---@return string token
function jwt.sign_hs256(claims, secret)
  local signed = crypto.base64url_encode(json.encode({ alg = "HS256", typ = "JWT" })) .. "."
    .. crypto.base64url_encode(json.encode(claims))
  return signed .. "." .. crypto.base64url_encode(crypto.hmac_sha256(secret, signed))
end

return jwt

-- The public keys that JWKS_URL names (RFC 7517), kept by their kid. They are fetched when a token
-- names a kid that is not known, at most once a minute, and anew every ten minutes of use. When the
-- server of the keys is away, the known ones go on verifying.
local config = require("host.config")
local crypto = require("host.crypto")
local fiber = require("host.fiber")
local http = require("host.http")
local json = require("lib.json")
local log = require("host.log")
local time = require("host.time")

local jwks = {}

local MIN_MS, MAX_MS = 60 * 1000, 600 * 1000
local ALGORITHMS = { RSA = "RS256", EC = "ES256", OKP = "EdDSA" }

local keys = {}        -- by kid; a key without one is under ""
local fetched_ms       -- monotonic, of the last attempt
local fetching = false

local function read_keys(document)
  local found, count = {}, 0
  for _, jwk in ipairs(type(document) == "table" and document.keys or {}) do
    if type(jwk) == "table" and (jwk.use == nil or jwk.use == "sig") then
      local key, message = crypto.public_key(jwk)
      local alg = ALGORITHMS[jwk.kty]
      if key and (jwk.alg == nil or jwk.alg == alg) then
        found[type(jwk.kid) == "string" and jwk.kid or ""] = { alg = alg, key = key }
        count = count + 1
      else
        log.warn("a key of the JWKS is not used",
          { kid = tostring(jwk.kid), why = message or "alg" })
      end
    end
  end
  return found, count
end

local function fetch()
  fetching, fetched_ms = true, time.monotonic_ms()
  local reply, err = http.request({ method = "GET", url = config.get("JWKS_URL"),
    headers = { Accept = "application/json" }, timeout_ms = 3000, max_reply = 256 * 1024 })
  fetching = false
  local document = reply and reply.status == 200 and json.decode(reply.body)
  local found, count = read_keys(document or nil)
  if count > 0 then
    keys = found
  else
    log.warn("the JWKS could not be read; the known keys stay",
      { error = err and err.message or "status " .. tostring(reply and reply.status) })
  end
end

---The key for a token (may wait).
---@param kid any     of the token's header
---@param alg string  of the token's header; must be the key's own
---@return userdata|nil key
function jwks.find(kid, alg)
  if kid ~= nil and (type(kid) ~= "string" or #kid > 255) then
    return nil
  end
  while fetching do
    fiber.sleep(10) -- the call has its own deadline
  end
  local age = fetched_ms and time.monotonic_ms() - fetched_ms
  local known = keys[kid or ""]
  if not age or age > MAX_MS or not known and age > MIN_MS then
    fetch()
    known = keys[kid or ""]
  end
  if known and known.alg == alg then
    return known.key
  end
end

return jwks

-- The public keys that JWKS_URL names (RFC 7517), kept by their kid. They are fetched when a token
-- names a kid that is not known, at most once a minute, and anew every ten minutes of use, in the
-- background. One fetch runs at a time, and a known key never waits for it: when the server of the
-- keys is slow or away, the known ones go on verifying.
local config = require("host.config")
local crypto = require("host.crypto")
local fiber = require("host.fiber")
local http = require("host.http")
local json = require("lib.json")
local log = require("host.log")
local time = require("host.time")

local jwks = {}

local MIN_MS, MAX_MS = 60 * 1000, 600 * 1000
local ALGORITHMS = { RSA = "RS256", EC = "ES256", OKP = "EdDSA" } -- by kty
local KNOWN_ALGORITHM = { RS256 = true, ES256 = true, EdDSA = true }

local keys = {}        -- by kid; a key without one is under ""
local fetched_ms       -- monotonic, of the last attempt
local fetching = false

local function read_keys(document)
  local found, count = {}, 0
  local list = type(document) == "table" and document.keys
  for _, jwk in ipairs(json.is_list(list) and list or {}) do
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
  local reply, err = http.request({ method = "GET", url = config.get("JWKS_URL") --[[@as string]],
    headers = { Accept = "application/json" }, timeout_ms = 3000, max_reply = 256 * 1024 })
  local document = reply and reply.status == 200 and json.decode(reply.body)
  local found, count = read_keys(document)
  if count > 0 then
    keys = found
  else
    log.warn("the JWKS could not be read; the known keys stay",
      { error = err and err.message or "status " .. tostring(reply and reply.status) })
  end
end

-- Whatever happens to the fetch, the next one must be possible.
local function refresh()
  fetching, fetched_ms = true, time.monotonic_ms()
  local good, message = pcall(fetch)
  fetching = false
  if not good then
    log.error("the JWKS could not be read", { error = tostring(message) })
  end
end

---The key for a token (may wait when its kid is not known).
---@param kid any  of the token's header
---@param alg any  of the token's header; must be the key's own
---@return userdata|nil key
function jwks.find(kid, alg)
  if not KNOWN_ALGORITHM[alg] or kid ~= nil and (type(kid) ~= "string" or #kid > 255) then
    return nil
  end
  local age = fetched_ms and time.monotonic_ms() - fetched_ms
  local known = keys[kid or ""]
  if known then
    if age > MAX_MS and not fetching then
      fetching = fiber.spawn(refresh)
    end
  elseif not fetching and (not age or age > MIN_MS) then
    refresh()
    known = keys[kid or ""]
  else
    while fetching do
      fiber.sleep(10) -- the call has its own deadline
    end
    known = keys[kid or ""]
  end
  if known and known.alg == alg then
    return known.key
  end
end

return jwks

---@meta host.crypto

---@class host.crypto
local crypto = {}
---@return string  a random version 4 UUID, lower case
function crypto.uuid() end
---A version 8 UUID (RFC 9562) made of the SHA-256 of the text: the same text, the same id.
---@param text string
---@return string
function crypto.uuid_of(text) end
---@param count integer  bytes, at most 1024
---@return string
function crypto.random(count) end
---@param bytes string
---@return string  32 bytes
function crypto.sha256(bytes) end
---@param key string
---@param bytes string
---@return string  32 bytes
function crypto.hmac_sha256(key, bytes) end
---Compares in a time that depends on the lengths alone.
---@param a string
---@param b string
---@return boolean
function crypto.equal(a, b) end
---@param bytes string
---@return string  without padding
function crypto.base64url_encode(bytes) end
---Without padding; nil for anything that is not canonical base64url.
---@param text string
---@return string|nil
function crypto.base64url_decode(text) end
---@param bytes string
---@return string  standard alphabet with padding
function crypto.base64_encode(bytes) end
---@param text string
---@return string|nil
function crypto.base64_decode(text) end
---@param bytes string
---@return string  lower case
function crypto.hex(bytes) end
---A public key from the members of a JWK (RFC 7517): kty RSA (n, e; 2048 to 8192 bits), EC (crv
---P-256, x, y on the curve) or OKP (crv Ed25519, x). Freed by the collector.
---@param jwk table<string, string>
---@return userdata|nil key
---@return string|nil message
function crypto.public_key(jwk) end
---@param alg "RS256"|"ES256"|"EdDSA"  must fit the key, else false
---@param key userdata
---@param bytes string
---@param signature string  as in JWS (ES256: 64 bytes r || s)
---@return boolean
function crypto.verify(alg, key, bytes, signature) end

return crypto

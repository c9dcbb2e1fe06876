-- Cross-origin requests: CORS_ORIGINS names whose pages may read answers. host/cors.c does the same
-- for answers that no script has made.
local problem = require("lib.problem")

local cors = {}

local EXPOSED = "ETag, Link, Location, Retry-After, WWW-Authenticate, X-Request-Id, X-Total-Count"
local METHODS = "GET, POST, PUT, PATCH, DELETE"
local ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, "
  .. "If-None-Match, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id, "
  .. "X-Request-Id"

---@param text string|nil  CORS_ORIGINS
---@return table<string, boolean>
function cors.parse_origins(text)
  local origins = {}
  for origin in (text or ""):gmatch("[^,%s]+") do
    origins[origin] = true
  end
  return origins
end

-- What lets a page of an origin read an answer; nil where it may not. With credentials only where
-- the origin is named: "*" is for whoever comes without.
local function grant(origins, origin)
  if not origin or not (origins[origin] or origins["*"]) then
    return nil
  end
  return {
    ["Access-Control-Allow-Origin"] = origin,
    ["Access-Control-Allow-Credentials"] = origins[origin] and "true" or nil,
    ["Vary"] = "Origin",
  }
end

---The headers of an answer, with what lets the page of the request read it.
---@param origins table<string, boolean>
---@param request service.Request
---@param headers table<string, string>
---@return table<string, string>
function cors.headers(origins, request, headers)
  local with = grant(origins, request.headers.origin)
  if not with then
    return headers
  end
  with["Access-Control-Expose-Headers"] = EXPOSED
  for name, value in pairs(headers) do
    with[name] = value
  end
  return with
end

---The answer to OPTIONS.
---@param origins table<string, boolean>
---@param request service.Request
---@return integer, any, table|nil
function cors.preflight(origins, request)
  local headers = grant(origins, request.headers.origin)
  if not headers then
    return problem.reply(problem.forbidden("This origin may not call"))
  end
  headers["Access-Control-Allow-Methods"] = METHODS
  headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
  headers["Access-Control-Max-Age"] = "600"
  return 204, "", headers
end

return cors

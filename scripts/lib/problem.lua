-- Problems: what went wrong with a request, as RFC 9457 says it. A problem is a plain table; its
-- `detail` is always one English sentence that may be shown to a person.
local json = require("lib.json")

local problem = {}

---@class Problem
---@field status integer
---@field title string
---@field detail string
---@field headers table<string, string>|nil

local TITLES = {
  [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found",
  [405] = "Method Not Allowed", [406] = "Not Acceptable", [409] = "Conflict",
  [412] = "Precondition Failed", [413] = "Content Too Large", [415] = "Unsupported Media Type",
  [422] = "Unprocessable Content", [429] = "Too Many Requests", [500] = "Internal Server Error",
  [502] = "Bad Gateway", [503] = "Service Unavailable",
}

---@param status integer
---@param detail string
---@param headers table<string, string>|nil
---@return Problem
function problem.new(status, detail, headers)
  return { status = status, title = TITLES[status] or "Error", detail = detail, headers = headers }
end

---@param detail string
---@return Problem
function problem.bad_request(detail)
  return problem.new(400, detail)
end

---@param detail string
---@return Problem
function problem.unauthorized(detail)
  return problem.new(401, detail, { ["WWW-Authenticate"] = "Bearer" })
end

---@param detail string
---@return Problem
function problem.forbidden(detail)
  return problem.new(403, detail)
end

---@param detail string
---@return Problem
function problem.not_found(detail)
  return problem.new(404, detail)
end

---@param allowed string[]
---@return Problem
function problem.method_not_allowed(allowed)
  local list = table.concat(allowed, ", ")
  return problem.new(405, "This address answers only " .. list, { Allow = list })
end

---@param detail string
---@return Problem
function problem.conflict(detail)
  return problem.new(409, detail)
end

---@param detail string
---@return Problem
function problem.precondition_failed(detail)
  return problem.new(412, detail)
end

---@param detail string
---@return Problem
function problem.unsupported_media_type(detail)
  return problem.new(415, detail)
end

---@param detail string
---@return Problem
function problem.unprocessable(detail)
  return problem.new(422, detail)
end

---@param wait_seconds number  whole
---@return Problem
function problem.too_many(wait_seconds)
  return problem.new(429, "Too many requests; try again in a moment",
    { ["Retry-After"] = tostring(math.max(1, wait_seconds)) })
end

---@param detail string
---@param retry_after integer  seconds
---@return Problem
function problem.unavailable(detail, retry_after)
  return problem.new(503, detail, { ["Retry-After"] = tostring(retry_after) })
end

---What a handler returns for a problem.
---@param p Problem
---@return integer status
---@return string body
---@return table<string, string> headers
function problem.reply(p)
  local headers = { ["Content-Type"] = "application/problem+json" }
  for name, value in pairs(p.headers or {}) do
    headers[name] = value
  end
  return p.status, json.encode({ type = "about:blank", title = p.title, status = p.status,
    detail = p.detail }), headers
end

return problem

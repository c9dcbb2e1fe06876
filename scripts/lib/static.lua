-- Files of the page, each with an ETag, served from memory: read once per worker.
local crypto = require("host.crypto")
local problem = require("lib.problem")
local worker = require("host.worker")

local static = {}

local TYPES = {
  html = "text/html; charset=utf-8", css = "text/css; charset=utf-8", svg = "image/svg+xml",
  js = "text/javascript; charset=utf-8", json = "application/json", png = "image/png",
  ico = "image/x-icon", txt = "text/plain; charset=utf-8",
  webmanifest = "application/manifest+json",
}
-- No script, style or picture but our own; nothing may frame the page.
local POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
  .. "connect-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; "
  .. "frame-ancestors 'none'"

local function load(path)
  local content = worker.read_file(path)
  if not content then
    return nil
  end
  return {
    content = content,
    headers = {
      ["Content-Type"] = TYPES[path:match("%.(%w+)$")] or "application/octet-stream",
      ["ETag"] = '"' .. crypto.hex(crypto.sha256(content)):sub(1, 32) .. '"',
      ["Cache-Control"] = "no-cache",
      ["Content-Security-Policy"] = POLICY,
      ["Referrer-Policy"] = "no-referrer",
    },
  }
end

local function matches(header, etag)
  if header == "*" then
    return true
  end
  for candidate in (header or ""):gmatch("[^,%s]+") do
    if candidate:gsub("^W/", "") == etag then
      return true
    end
  end
  return false
end

---A handler that serves one file of web/ or scripts/.
---@param path string  "web/index.html"
---@return fun(request: service.Request): integer, any, table|nil
function static.file(path)
  local file
  return function(request)
    file = file or load(path)
    if not file then
      return problem.reply(problem.not_found("There is nothing here"))
    end
    if matches(request.headers["if-none-match"], file.headers.ETag) then
      return 304, "", file.headers
    end
    return 200, file.content, file.headers
  end
end

return static

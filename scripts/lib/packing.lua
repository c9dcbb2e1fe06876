-- Sends answers packed with gzip to who takes that (RFC 9110, 12.5.3).
local json = require("lib.json")
local worker = require("host.worker")

local packing = {}

local LEAST = 1024            -- bytes: below it the packet is sent all the same
local MOST = 1024 * 1024      -- above it the worker's other requests would wait for milliseconds
local LEVEL = 1               -- leaves a sixth of a list of tasks; 6 is thrice as slow

-- Quality values of the codings that Accept-Encoding names.
local function qualities(header)
  local list = {}
  for item in header:lower():gmatch("[^,]+") do
    local coding, rest = item:match("^%s*([^%s;]+)%s*(.-)%s*$")
    local q = rest == "" and 1 or tonumber(rest and rest:match("^;%s*q=([01]%.?%d*)$"))
    if coding and q and q <= 1 then
      list[coding == "x-gzip" and "gzip" or coding] = q
    end
  end
  return list
end

---Whether Accept-Encoding allows gzip, and likes it no less than bytes as they are.
---@param header string|nil
---@return boolean
function packing.takes_gzip(header)
  if not header then
    return false
  end
  local named = qualities(header)
  local q = named.gzip or named["*"] or 0
  return q > 0 and q >= (named.identity or 0)
end

---The handler of a route whose JSON answers may be packed: not of one that shows a secret beside
---what the caller sent, where the length would give it away. Neither is an answer with an ETag,
---which names the bytes as they are and comes back in If-Match.
---@param handler fun(request: service.Request): integer, any, table|nil
---@return fun(request: service.Request): integer, any, table|nil
function packing.of(handler)
  return function(request)
    local status, body, headers = handler(request)
    if status ~= 200 or type(body) == "function" or headers and headers.ETag then
      return status, body, headers
    end
    local all = { Vary = "Accept-Encoding" }
    for name, value in pairs(headers or {}) do
      all[name] = value
    end
    local text = type(body) == "table" and json.encode(body) or body
    if #text >= LEAST and #text <= MOST
      and packing.takes_gzip(request.headers["accept-encoding"]) then
      all["Content-Encoding"] = "gzip"
      text = worker.gzip(text, LEVEL)
    end
    return status, text, all
  end
end

return packing

-- A request's body as its route wants it: a JSON object, or a text of one media type.
local json = require("lib.json")
local problem = require("lib.problem")

local request_body = {}

local function is_json(content_type)
  local kind, rest = content_type:lower():match("^%s*application/([%w%.%+%-]+)%s*(.*)$")
  if kind ~= "json" and not (kind and kind:find(".%+json$")) then
    return false
  end
  return rest == "" or rest:match('^;%s*charset="?utf%-8"?%s*$') ~= nil
end

-- A body that is no JSON: the handler reads it.
local function check_media_type(wanted, request)
  local content_type = (request.headers["content-type"] or ""):lower()
  local kind, rest = content_type:match("^%s*([^;%s]+)%s*(.*)$")
  local charset = rest and rest:match('charset="?([^";%s]+)')
  if kind ~= wanted or charset and charset ~= "utf-8" then
    return problem.unsupported_media_type("The Content-Type must be " .. wanted .. ", in UTF-8")
  elseif request.headers["content-encoding"] then
    return problem.unsupported_media_type("A Content-Encoding is not supported")
  end
end

---Puts the JSON of a body into request.json.
---@param wanted string  as a route's body says it
---@param request service.Request
---@return Problem|nil  why the body cannot be taken
function request_body.read(wanted, request)
  local body = request.body
  if wanted:find("/", 1, true) then
    return check_media_type(wanted, request)
  end
  if body == "" and wanted == "optional" then
    return nil
  end
  local content_type = request.headers["content-type"]
  if not content_type or not is_json(content_type) then
    return problem.unsupported_media_type("The Content-Type must be application/json")
  end
  if request.headers["content-encoding"] then
    return problem.unsupported_media_type("A Content-Encoding is not supported")
  end
  local value, message = json.decode(body)
  if message then
    return problem.unprocessable("The body is not valid JSON: " .. message)
  end
  if type(value) ~= "table" or json.is_list(value) then
    return problem.unprocessable("The body must be a JSON object")
  end
  request.json = value
end

return request_body

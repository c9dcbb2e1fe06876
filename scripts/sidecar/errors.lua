-- Failures in the shape that Dapr gives them. Clients key on errorCode alone.
local json = require("lib.json")

local errors = {}

local JSON = { ["Content-Type"] = "application/json" }
local NO_APP = "failed getting app id either from the URL path or the header dapr-app-id"

---A reply of a handler.
---@param status integer
---@param code string
---@param message string
---@return integer, string, table
function errors.reply(status, code, message)
  return status, json.encode({ errorCode = code, message = message }), JSON
end

---What Dapr answers to any path or method it does not know.
---@return integer, string, table
function errors.unknown()
  return errors.reply(404, "ERR_DIRECT_INVOKE", NO_APP)
end

---A part of Dapr that exists and is not spoken here.
---@param what string
---@return integer, string, table
function errors.unsupported(what)
  return errors.reply(501, "ERR_NOT_IMPLEMENTED",
    what .. " is not implemented by the one-machine sidecar")
end

---@return integer, string
function errors.no_content()
  return 204, ""
end

---@param value any   encoded as JSON; a string is taken as JSON text
---@param headers table|nil
---@return integer, string, table
function errors.ok(value, headers)
  local all = { ["Content-Type"] = "application/json" }
  for name, text in pairs(headers or {}) do
    all[name] = text
  end
  return 200, type(value) == "string" and value or json.encode(value), all
end

return errors

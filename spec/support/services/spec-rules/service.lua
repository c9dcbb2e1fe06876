-- A service that calls the rules it is told to; spec/host/test_rules.py drives it.
local json = require("lib.json")
local rules = require("host.rules")

local routes = {}

function routes.call(request)
  local value, err = rules.call(request.json.rule, request.json.value)
  return 200, { value = value == nil and json.null or value, err = err or json.null }
end

function routes.revision()
  return 200, { revision = rules.revision() }
end

return {
  name = "spec-rules",
  port = 8000,
  routes = {
    { "POST", "/call", routes.call, auth = false, body = "json" },
    { "GET", "/revision", routes.revision, auth = false },
  },
}

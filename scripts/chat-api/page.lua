-- GET /config.json: how the web page gets a token.
local config = require("host.config")
local json = require("lib.json")
local openapi = require("lib.openapi")

local page = {}

local URL = openapi.nullable({ type = "string", format = "uri" })

page.doc = {
  id = "getPageConfig", tag = "Service", summary = "How the web page gets a token",
  answers = { [200] = { description = "Where from, and where to sign in.",
    schema = openapi.object({
      { "sign_in", { type = "string", enum = json.list({ "local", "provider", "token" }) } },
      { "token_url", URL },
      { "sign_in_url", URL },
    }) } },
}

---"local": `make run` printed an address with a token; "provider": an identity provider gives one
---to who is signed in there; "token": the user pastes one.
---@return integer
---@return table
function page.config()
  local token_url = config.get("AUTH_TOKEN_URL")
  local sign_in = token_url and "provider" or config.get("AUTH_LOCAL") == "1" and "local" or "token"
  return 200, { sign_in = sign_in, token_url = token_url or json.null,
    sign_in_url = config.get("AUTH_SIGN_IN_URL") or json.null }
end

return page

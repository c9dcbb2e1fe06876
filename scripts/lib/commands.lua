-- The words of the command line whose meaning is the scripts': `todo-host token USER` and the like.
-- Each returns the text to print, or nil and a sentence, and true where the words are at fault; or
-- any of both and the program's exit status. It runs in a fiber and may wait, for 30 s in all.
local config = require("host.config")
local failpoint = require("lib.failpoint")
local jwt = require("lib.jwt")
local parked = require("lib.parked")
local rule_command = require("lib.rule_command")
local time = require("host.time")

local commands = {}

local TOKEN_SECONDS = 30 * 24 * 3600

---@param user string
---@return string|nil token
---@return string|nil message
function commands.token(user)
  if user == "" or #user > 255 or user:find("[%z\1-\31\127]") then
    return nil, "a user is 1 to 255 bytes without control characters"
  end
  local now = math.floor(time.now_ms() / 1000)
  local claims = { sub = user, iat = now, exp = now + TOKEN_SECONDS,
    aud = config.get("JWT_AUDIENCE"), iss = config.get("JWT_ISSUER") }
  return jwt.sign_hs256(claims, config.get("JWT_SECRET") --[[@as string]])
end

---@return string|nil
---@return string|nil message
function commands.failpoints()
  if not failpoint.built_in() then
    return nil, "this build has no failpoints; make with CFLAGS=-DTODO_FAILPOINTS"
  end
  local lines = {}
  for name, where in pairs(failpoint.POINTS) do
    lines[#lines + 1] = name .. "  " .. where
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

---@param ... string
---@return string|nil text
---@return string|nil message
---@return boolean|nil misused
function commands.outbox(...)
  return parked.command("outbox", ...)
end

---@param ... string
---@return string|nil text
---@return string|nil message
---@return boolean|nil misused
function commands.dead(...)
  return parked.command("dead", ...)
end

---@param ... string
---@return string|nil text
---@return string|nil message
---@return integer|boolean|nil status
function commands.rules(...)
  return rule_command.run(...)
end

return commands

-- What an app's answer to a message means.
local json = require("lib.json")

local outcome = {}

local WORDS = { SUCCESS = "ack", [""] = "ack", RETRY = "fail", DROP = "drop" }

---@param reply {status: integer, body: string}
---@return "ack"|"fail"|"drop"
---@return string|nil message
function outcome.of(reply)
  if reply.status == 404 then
    return "ack", "the app answered 404"
  end
  if reply.status < 200 or reply.status > 299 then
    return "fail", "the app answered " .. reply.status
  end
  local body = reply.body
  if body == "" or body == '{"status":"SUCCESS"}' then
    return "ack"
  end
  local value = json.decode(body)
  if type(value) ~= "table" or json.is_list(value) or type(value.status) ~= "string" then
    return "ack"
  end
  local verdict = WORDS[value.status] or "fail"
  return verdict, verdict ~= "ack" and "the app's status is " .. value.status or nil
end

return outcome

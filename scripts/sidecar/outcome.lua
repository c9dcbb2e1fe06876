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

local BULK_WORDS = { SUCCESS = "ack", DROP = "drop" }

-- The statuses by entry id; nil when an answer has none that can be read.
local function read_statuses(body)
  local value = json.decode(body)
  if type(value) ~= "table" or json.is_list(value) or not json.is_list(value.statuses) then
    return nil
  end
  local words = {}
  for _, item in ipairs(value.statuses) do
    if type(item) ~= "table" or type(item.entryId) ~= "string" or type(item.status) ~= "string" then
      return nil
    end
    words[item.entryId] = item.status
  end
  return words
end

---What an answer to many messages means for each. Here all that is not said is a failure.
---@param reply {status: integer, body: string}
---@param ids string[]
---@return ("ack"|"fail"|"drop")[]
---@return (string|nil)[] messages
function outcome.of_all(reply, ids)
  local verdicts, messages = {}, {}
  local words, all, why
  if reply.status == 404 then
    all, why = "ack", "the app answered 404"
  elseif reply.status < 200 or reply.status > 299 then
    all, why = "fail", "the app answered " .. reply.status
  else
    words = read_statuses(reply.body)
    all, why = "fail", "the app's answer has no statuses"
  end
  for i, id in ipairs(ids) do
    local word = words and words[id]
    if words then
      verdicts[i] = BULK_WORDS[word] or "fail"
      messages[i] = verdicts[i] ~= "ack"
        and (word and "the app's status is " .. word or "the app has no status for it") or nil
    else
      verdicts[i], messages[i] = all, why
    end
  end
  return verdicts, messages
end

return outcome

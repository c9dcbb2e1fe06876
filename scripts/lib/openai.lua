-- One request to an OpenAI-compatible server: POST {base}/chat/completions with tools, its answer
-- read as it comes. It must begin in time and go on at a pace; redirects are not followed. Neither
-- the key nor what a message says is ever logged.
local config = require("host.config")
local http = require("host.http")
local json = require("lib.json")
local openai_stream = require("lib.openai_stream")
local time = require("host.time")

local openai = {}

local MAX_REPLY = 4 * 1024 * 1024
local CONNECT_MS = 2000
-- Less than this is no answer that somebody would wait for.
local MS_PER_BYTE, PAUSE_MS = 333, 500
local MAX_RETRY_AFTER = 3600

---@class openai.Ask
---@field messages table[]
---@field tools table[]            as the protocol takes them
---@field on_text fun(text: string)
---@field wait_ms number           for the answer to begin, and between two pieces
---@field until_ms number          time.monotonic_ms at which all must have come

---@class openai.Failure
---@field reason string  openai_stream.Reason, "timeout", "unreachable", "busy" (429), "error" (5xx,
---                      or the server says so), "refused" (any other status)
---@field status integer|nil
---@field retry_after integer|nil  seconds
---@field surplus integer|nil      of "repeats": bytes of its text, at the end, that say nothing new

---@return boolean
function openai.is_configured()
  return config.get("OPENAI_BASE_URL") ~= nil
end

-- OpenAI's newer models refuse max_tokens, most other servers know nothing else.
local function limit_field(base)
  local host = base:lower():match("^https?://([^/:]+)") or ""
  local is_theirs = host:find("%.openai%.com$") or host:find("%.azure%.com$")
  return is_theirs and "max_completion_tokens" or "max_tokens"
end

local function body_of(ask, base)
  local body = { model = config.get("OPENAI_MODEL"), messages = json.list(ask.messages),
    tools = json.list(ask.tools), stream = true }
  local most = tonumber(config.get("OPENAI_MAX_TOKENS"))
  if most and most > 0 then
    body[limit_field(base)] = most
  end
  return json.encode(body)
end

local function open(ask, now_ms)
  local key = config.get("OPENAI_API_KEY")
  local base = (config.get("OPENAI_BASE_URL") or ""):gsub("/+$", "")
  return http.open({
    method = "POST",
    url = base .. "/chat/completions",
    headers = { ["Content-Type"] = "application/json", Accept = "text/event-stream",
      Authorization = key and "Bearer " .. key or nil },
    body = body_of(ask, base),
    connect_timeout_ms = math.max(1, math.floor(math.min(CONNECT_MS, ask.wait_ms))),
    timeout_ms = math.max(1, math.floor(ask.until_ms - now_ms)),
    max_reply = MAX_REPLY,
  })
end

local function of_error(err)
  if err.code == "timeout" or err.code == "too_large" then
    return { reason = err.code }
  end
  return { reason = "unreachable" }
end

local function of_status(head)
  local digits = (head.headers["retry-after"] or ""):match("^%d+$")
  local wait = digits and tonumber(digits)
  local failure = { reason = "error", status = head.status,
    retry_after = wait and math.min(wait, MAX_RETRY_AFTER) }
  if head.status == 429 then
    failure.reason = "busy"
  elseif head.status < 500 then
    failure.reason = "refused"
  end
  return failure
end

-- Until when more must have come of an answer: it must begin in time, not pause for as long again,
-- and keep a pace.
local function limit_ms(ask, answer, began_ms, first_ms, last_ms)
  if not first_ms then
    return math.min(ask.until_ms, began_ms + ask.wait_ms)
  end
  local pace_ms = first_ms + PAUSE_MS + MS_PER_BYTE * answer.useful
  return math.min(ask.until_ms, last_ms + ask.wait_ms, math.max(began_ms + ask.wait_ms, pace_ms))
end

local function read(reader, answer, ask, began_ms)
  local first_ms, last_ms
  while not answer.done do
    local left_ms = limit_ms(ask, answer, began_ms, first_ms, last_ms) - time.monotonic_ms()
    if left_ms < 1 then
      return { reason = "timeout" }
    end
    local useful = answer.useful
    local bytes, err = reader:read(left_ms)
    if err then
      return of_error(err)
    elseif not bytes then
      return nil
    end
    local good, reason = answer:feed(bytes)
    if not good then
      return { reason = reason or "nonsense", surplus = answer.surplus }
    end
    if answer.useful > useful then
      last_ms = time.monotonic_ms()
      first_ms = first_ms or last_ms
    end
  end
end

---Asks the model once (waits).
---@param ask openai.Ask
---@return openai_stream.Message|nil message
---@return openai.Failure|nil failure
---@return_overload openai_stream.Message, nil
---@return_overload nil, openai.Failure
function openai.complete(ask)
  local began_ms = time.monotonic_ms()
  local reader, err = open(ask, began_ms)
  if not reader then
    return nil, of_error(err)
  end
  local head
  head, err = reader:head(math.max(1, math.min(ask.wait_ms, ask.until_ms - began_ms)))
  local answer = openai_stream.new(ask.on_text)
  local failure
  if not head then
    failure = of_error(err)
  elseif head.status ~= 200 then
    failure = of_status(head)
  else
    failure = read(reader, answer, ask, began_ms)
  end
  reader:close()
  if failure then
    return nil, failure
  end
  local message, reason = answer:finish()
  if not message then
    return nil, { reason = reason or "nonsense", surplus = answer.surplus }
  end
  return message
end

return openai

-- A mail as text (RFC 5322), for the smtp binding. Pure.
local crypto = require("host.crypto")

local mail = {}

---@param text string|nil  "a@b; c@d"
---@return string[]
function mail.addresses(text)
  local list = {}
  for address in (text or ""):gmatch("[^;,%s]+") do
    list[#list + 1] = address
  end
  return list
end

-- RFC 2047, where it is not plain ASCII; and never a second line.
local function header_text(text)
  if text:find("[^\32-\126]") then
    return "=?utf-8?B?" .. crypto.base64_encode((text:gsub("[\r\n]+", " "))) .. "?="
  end
  return text
end

local function wrap(base64)
  return (base64:gsub(("."):rep(76), "%0\r\n"))
end

---@class mail.Message
---@field from string
---@field to string[]
---@field cc string[]
---@field subject string
---@field priority number
---@field html string
---@field date string        RFC 5322
---@field id string

---@param message mail.Message
---@return string
function mail.text(message)
  local lines = { "Date: " .. message.date, "From: " .. message.from,
    "To: " .. table.concat(message.to, ", ") }
  if #message.cc > 0 then
    lines[#lines + 1] = "Cc: " .. table.concat(message.cc, ", ")
  end
  for _, line in ipairs({ "Subject: " .. header_text(message.subject),
    "Message-ID: <" .. message.id .. "@sidecar>", "X-Priority: " .. message.priority,
    "MIME-Version: 1.0", "Content-Type: text/html; charset=utf-8",
    "Content-Transfer-Encoding: base64", "", wrap(crypto.base64_encode(message.html)) }) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\r\n") .. "\r\n"
end

return mail

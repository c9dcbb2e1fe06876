-- Percent-encoding and query strings (RFC 3986; + is a space in a query).
local url = {}

---@param text string
---@return boolean  it is made of whole characters of UTF-8 (RFC 3629)
function url.is_utf8(text)
  if not text:find("[\128-\255]") then
    return true
  end
  local at, len = 1, #text
  while at <= len do
    local a, b, c, d = text:byte(at, at + 3)
    local function follows(byte, low, high)
      return byte and byte >= (low or 0x80) and byte <= (high or 0xBF)
    end
    if a < 0x80 then
      at = at + 1
    elseif a >= 0xC2 and a <= 0xDF and follows(b) then
      at = at + 2
    elseif a >= 0xE0 and a <= 0xEF and follows(c)
      and follows(b, a == 0xE0 and 0xA0, a == 0xED and 0x9F) then
      at = at + 3
    elseif a >= 0xF0 and a <= 0xF4 and follows(c) and follows(d)
      and follows(b, a == 0xF0 and 0x90, a == 0xF4 and 0x8F) then
      at = at + 4
    else
      return false
    end
  end
  return true
end

---@param text string
---@return string|nil  nil for a bad escape, NUL, or bytes that are not UTF-8
function url.decode(text)
  if not text:find("[%%\128-\255]") then
    return text
  end
  if text:gsub("%%%x%x", ""):find("%", 1, true) then
    return nil
  end
  local decoded = text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16) --[[@as integer]])
  end)
  if decoded:find("%z") or not url.is_utf8(decoded) then
    return nil
  end
  return decoded
end

---@param text string
---@return string
function url.encode(text)
  return (text:gsub("[^%w%-%._~]", function(char)
    return string.format("%%%02X", char:byte())
  end))
end

---@param query string  without "?"
---@return table<string, string>|nil args
---@return string|nil message
function url.parse_query(query)
  local args = {}
  for pair in query:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    name = url.decode((name --[[@as string]]:gsub("+", " ")))
    value = url.decode((value --[[@as string]]:gsub("+", " ")))
    if not name or not value then
      return nil, "The query string is not valid"
    end
    if args[name] ~= nil then
      return nil, "The query string has " .. name .. " more than once"
    end
    args[name] = value
  end
  return args
end

---@param args table<string, string>
---@return string  names in order, so that the same arguments give the same text
function url.build_query(args)
  local names, parts = {}, {}
  for name in pairs(args) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = url.encode(name) .. "=" .. url.encode(args[name])
  end
  return table.concat(parts, "&")
end

return url

---@meta host.time

---@class host.time
local time = {}
---Wall clock, milliseconds since 1970-01-01 UTC.
---@return integer
function time.now_ms() end
---Monotonic clock, milliseconds; only differences mean something.
---@return number
function time.monotonic_ms() end
---"2026-11-24T04:26:30.123Z"
---@param ms integer
---@return string
function time.format(ms) end
---RFC 3339 with any offset and up to nine digits of fraction, cut to milliseconds; a leap second
---and a date that does not exist are refused. Years 1 to 9999.
---@param text string
---@return integer|nil ms
---@return string|nil message
---@return_overload integer, nil
---@return_overload nil, string
function time.parse(text) end

return time

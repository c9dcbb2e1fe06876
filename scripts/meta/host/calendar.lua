---@meta host.calendar

---@class host.calendar
---Recurrence rules and time zones. Instants are milliseconds since 1970 UTC; local times are
---tables {year, month, day, hour, min, sec}; zones are IANA names ("UTC" included).
local calendar = {}
---@param zone string
---@return boolean
function calendar.is_zone(zone) end
---@param ms number
---@param zone string
---@return {year: integer, month: integer, day: integer, hour: integer, min: integer, sec: integer, wday: integer, offset: integer} -- wday: 1 = Monday … 7 = Sunday; offset: seconds east of UTC
function calendar.to_local(ms, zone) end
---A local time that a jump forward skips is moved on by the length of the jump; one that happens
---twice is the first (RFC 5545, 3.3.5).
---@param time {year: number, month: number, day: number, hour: number?, min: number?, sec: number?}
---@param zone string
---@return integer|nil ms
---@return string|nil message
---@return_overload integer, nil
---@return_overload nil, string
function calendar.from_local(time, zone) end
---@param rrule string  the value of an RFC 5545 RRULE, without "RRULE:"
---@return true|nil
---@return string|nil message
---@return_overload true, nil
---@return_overload nil, string
function calendar.check_rrule(rrule) end
---The first occurrence strictly after `after_ms` of the series that starts at start_ms (its local
---time of day in `zone` is kept), nil when the series has ended (COUNT, UNTIL) or has none.
---@param rrule string
---@param start_ms number
---@param after_ms number
---@param zone string
---@return integer|nil ms
---@return string|nil message  only when the rule or zone is bad
function calendar.next(rrule, start_ms, after_ms, zone) end

return calendar

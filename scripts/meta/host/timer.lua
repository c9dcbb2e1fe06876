---@meta host.timer

---@class host.timer
local timer = {}
---Runs fn in a fiber every `ms` milliseconds for as long as the worker lives; a tick that comes
---while the last one still runs is left out. May be called while loading.
---@param ms integer
---@param fn fun()
function timer.every(ms, fn) end

return timer

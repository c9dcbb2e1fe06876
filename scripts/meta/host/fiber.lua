---@meta host.fiber

---@class host.fiber
local fiber = {}
---@param ms number  whole ones count
function fiber.sleep(ms) end
---Runs the functions at the same time and waits for all of them. An error in one is thrown here
---after all have ended.
---@param functions (fun(): any)[]
---@return any[] results  the first value of each, in order
function fiber.all(functions) end
---Runs fn in the background. false: too many fibers.
---@param fn fun()
---@return boolean
function fiber.spawn(fn) end
---What this fiber is a part of (W3C Trace Context): the valid header of its request, or what was set.
---Its log lines carry it, and fibers that it starts inherit it.
---@return string|nil
function fiber.traceparent() end
---@param traceparent string  a valid one
function fiber.set_traceparent(traceparent) end

---@class host.fiber.Event
---@field wait fun(self: host.fiber.Event, ms: number): true|nil  waits; nil when the time is over
---@field set fun(self: host.fiber.Event)  ends the wait, or the next one

---One fiber waits for it; others set it. May be made while loading.
---@return host.fiber.Event
function fiber.event() end

return fiber

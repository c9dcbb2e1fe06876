---@meta host.bus

---@class host.bus
local bus = {}
---Sends a text to every worker of this service in this process, this one included.
---@param text string
function bus.publish(text) end
---Runs fn in a fiber for each text that comes, in their order as long as fn does not wait; with nil
---when texts were lost, because this worker fell behind. May be called while loading.
---@param fn fun(text: string|nil)
function bus.subscribe(fn) end

return bus

---@meta host.metrics

---@class host.metrics
local metrics = {}
---Declares a metric and returns it; the same declaration twice is one metric. Throws on a bad name.
---@param name string
---@param help string
---@param labels string[]|nil
---@return table counter  counter:add(amount, label_value, …)
function metrics.counter(name, help, labels) end
---@return table gauge  gauge:set(value, label_value, …), gauge:add(amount, label_value, …)
function metrics.gauge(name, help, labels) end
---@param buckets number[]
---@return table histogram  histogram:observe(value, label_value, …)
function metrics.histogram(name, help, buckets, labels) end
---@return string  the exposition text of this service
function metrics.render() end

return metrics

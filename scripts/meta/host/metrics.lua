---@meta host.metrics

---@class host.metrics
local metrics = {}
---Label values come in the order of the labels.
---@class host.metrics.Counter
---@field add fun(self: host.metrics.Counter, amount: number, ...: string)
---@class host.metrics.Gauge
---@field set fun(self: host.metrics.Gauge, value: number, ...: string)
---@field add fun(self: host.metrics.Gauge, amount: number, ...: string)
---@class host.metrics.Histogram
---@field observe fun(self: host.metrics.Histogram, value: number, ...: string)

---Declares a metric and returns it; the same declaration twice is one metric. Throws on a bad name.
---@param name string
---@param help string
---@param labels string[]|nil
---@return host.metrics.Counter
function metrics.counter(name, help, labels) end
---@param name string
---@param help string
---@param labels string[]|nil
---@return host.metrics.Gauge
function metrics.gauge(name, help, labels) end
---@param name string
---@param help string
---@param buckets number[]
---@param labels string[]|nil
---@return host.metrics.Histogram
function metrics.histogram(name, help, buckets, labels) end
---@return string  the exposition text of this service
function metrics.render() end

return metrics

---@meta host.revision

---@class host.revision
local revision = {}
---What of the scripts or of the rules is live.
---@param kind "scripts"|"rules"|"shadow"
---@return host.revision.Status
function revision.status(kind) end

---Asks for rules that were live before (see is_rolling_back).
---@param revision string|nil  its first 6 characters or more; nil: the last good one
---@return boolean|nil under_way
---@return string|nil message
function revision.roll_back(revision) end
---@return boolean             whether they are on their way
---@return string|nil message  once they are not: why they did not come
function revision.is_rolling_back() end

---@class host.revision.Status
---@field process integer      its id
---@field revision string|nil  SHA-256 of what is live
---@field state string|nil     "loaded"; "failed": a newer one was refused; "returned": the rules before are
---back, since a newer one failed too often; "kept": the last good copy, since the folder held none at the start
---@field error string|nil     why, with file and line
---@field refused string|nil   the revision that was refused
---@field loaded_ms integer    Unix time
---@field loads integer        since start
---@field failures integer     since start
---@field calls integer|nil         of the rules that are live
---@field failed_calls integer|nil  of these
---@field worker_revision string|nil  of the rules that this worker runs; nil where its service asks none
---@field previous host.revision.Past[]  the latest first

---@class host.revision.Past
---@field revision string
---@field loaded_ms integer|nil  Unix time; nil: before this program started
---@field taken_back boolean     by itself or by an operator, and not live again since

return revision

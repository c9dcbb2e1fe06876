-- What went wrong in the database, in the words of HTTP.
local log = require("host.log")
local problem = require("lib.problem")

local store = {}

---@param err host.db.Error
---@return Problem
function store.problem(err)
  if err.code == "unavailable" or err.code == "timeout" then
    return problem.unavailable("The database is not available right now; nothing was changed", 1)
  end
  if err.code == "unknown" then
    return problem.unavailable("The connection to the database was lost before it answered; "
      .. "the change may or may not have been made", 1)
  end
  log.error("database refused a statement",
    { sqlstate = err.sqlstate or "", error = err.message, constraint = err.constraint or "" })
  return problem.new(500, "Something went wrong on our side")
end

return store

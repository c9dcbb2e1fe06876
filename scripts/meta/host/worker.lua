---@meta host.worker

---@class host.worker
---@field service string
---@field index integer     0, 1, … within the service
---@field count integer     workers of the service
---@field version string    of the program
local worker = {}
---@return boolean  the process has been told to stop
function worker.draining() end
---Whether what runs in the background here should come to its end: the program stops, or changed
---scripts take over. Loops ask it; a sleep or a wait for an event ends early then.
---@return boolean
function worker.ending() end
---@return number  seconds since the process started
function worker.uptime() end
---Opens one more listener on loopback; its requests come to the service's routes and fallback, with
---their port. For `start`.
---@param port integer
---@param body_limit integer|nil  bytes, default 65,536
---@return true|nil
---@return string|nil message
function worker.listen(port, body_limit) end
---Runs fn in a fiber when the process ends, after the last request was answered, or when changed
---scripts are about to take over, while requests may still come; it may wait, for at most 3 s. At most 8 functions.
---@param fn fun()
function worker.at_end(fn) end
---The services of this process with their real ports.
---@return {name: string, port: integer, inner_port: integer|nil}[]
function worker.services() end
---@param path string  relative to the scripts folder; ".." is refused
---@return string|nil content
---@return string|nil message
function worker.read_file(path) end
---The plain files below a folder, by path from there, in order; none whose name or folder begins with
---a dot.
---@param folder string  "web/", the page's, or one of the scripts folder; ends in /
---@return string[]|nil
---@return string|nil message
function worker.list_files(folder) end
---Bytes in gzip's format.
---@param bytes string
---@param level integer|nil  1 (fast) to 9 (tight, six times as long: keep the result), the default
---@return string
function worker.gzip(bytes, level) end
---The file that a setting names, or one in the same folder.
---@param setting string
---@param beside string|nil  a plain file name
---@return string|nil content
---@return string|nil message
function worker.read_setting_file(setting, beside) end

return worker

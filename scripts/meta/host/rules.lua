---@meta host.rules

---@class host.rules
---Business rules, in VMs of their own: see ARCHITECTURE.md, "Rules". A service that requires this
---may ask the files that it declares in `rules`, or all where it declares none.
local rules = {}
---@class host.RuleError
---@field code "budget"|"memory"|"error"|"missing"|"argument"|"result"
---@field message string    with the file and line of the rule where one is to blame
---@field traceback string|nil  lines; may be empty
---Calls function `plan` of notify.lua for "notify.plan". Arguments and results are copies: nil,
---booleans, numbers, strings, host.json.null, tables of these without metatable (lists of host.json
---stay lists). Does not wait. A failure is counted, and logged once a minute for each rule and code.
---@param name string
---@param ... any
---@return any ...                 what the rule returns, or nil
---@return host.RuleError|nil err  when there is none
function rules.call(name, ...) end
---Loads these files of rules/ and what they require, beside those that are loaded; throws when one
---is wrong. lib/service.lua does so with what a service declares.
---@param files string[]
function rules.open(files) end
---Says of the last call, which gave something, that this is of no use: it counts as a failure, also
---towards the return of the rules before, and is logged as one.
---@param name string
---@param code string
---@param message string
---@return string message  with the file and line where the rule begins
function rules.failed(name, code, message) end
---Asks the candidate rules, which decide nothing; counts nothing.
---@param name string
---@param ... any
---@return any ...
---@return host.RuleError|nil err
function rules.shadow(name, ...) end
---@return boolean
function rules.has_shadow() end
---@return string|nil  SHA-256 over the names and contents of the rules' files, in hex; nil where the
---service is only looked at and does not run: then there are none, and a call throws
function rules.revision() end
---@param name string  of a file beside the rules, such as "notify.examples.json"
---@return string|nil content  nil when there is none
function rules.read_file(name) end

return rules

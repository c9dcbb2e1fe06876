---@meta host.trial

---@class host.trial
---Rules folders that are tried and serve nobody, for commands alone. Everything blocks.
local trial = {}
---@class host.trial.Folder
---@field files fun(self): string[]  *.lua and *.json, in order
---@field read_file fun(self, name: string): string|nil
---@field revision fun(self): string
---@field load fun(self, only: string|nil): host.trial.Rules|nil, string|nil  only: that file ("notify") and what it requires
---@class host.trial.Rules
---@field call fun(self, name: string, ...): any, host.RuleError|nil, host.trial.Account
---@class host.trial.Account
---@field place string        where the rule begins: "rules/notify.lua:190"; "": there is none
---@field explained string[]  what the rule said with explain
---@field cpu_ms number
---@field budget_ms number
---@field bytes number        of memory, at the most
---@param path string
---@return host.trial.Folder|nil folder
---@return string|nil message
---@return_overload host.trial.Folder, nil
---@return_overload nil, string
function trial.read_folder(path) end
---All of standard input.
---@return string|nil
---@return string|nil message
---@return_overload string, nil
---@return_overload nil, string
function trial.read_input() end

return trial

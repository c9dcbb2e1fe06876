---@meta lpeg

---@class lpeg.Pattern
---@operator add(lpeg.Pattern|string|number|boolean|table|function): lpeg.Pattern
---@operator sub(lpeg.Pattern|string|number|boolean|table|function): lpeg.Pattern
---@operator mul(lpeg.Pattern|string|number|boolean|table|function): lpeg.Pattern
---@operator div(string|number|table|function): lpeg.Pattern
---@operator pow(integer): lpeg.Pattern
---@operator unm: lpeg.Pattern
---@operator len: lpeg.Pattern
local pattern = {}
---What the captures give, or the position behind the match; nil where there is none.
---@param subject string
---@param init integer|nil
---@param ... any  for lpeg.Carg
---@return any ...
function pattern:match(subject, init, ...) end

---What may stand for a pattern.
---@alias lpeg.Like lpeg.Pattern|string|number|boolean|table|function

---The functions of LPeg (https://www.inf.puc-rio.br/~roberto/lpeg/) that rules may use. A subject has
---64 KiB at most.
---@class lpeg
local lpeg = {}
---@param value lpeg.Like
---@return lpeg.Pattern
function lpeg.P(value) end
---@param set string
---@return lpeg.Pattern
function lpeg.S(set) end
---@param ... string  of two letters each
---@return lpeg.Pattern
function lpeg.R(...) end
---@param name any
---@return lpeg.Pattern
function lpeg.V(name) end
---@param pattern lpeg.Like  of a fixed length
---@return lpeg.Pattern
function lpeg.B(pattern) end
---@param pattern lpeg.Like
---@return lpeg.Pattern
function lpeg.C(pattern) end
---@param n integer
---@return lpeg.Pattern
function lpeg.Carg(n) end
---@param name any
---@return lpeg.Pattern
function lpeg.Cb(name) end
---@param ... any
---@return lpeg.Pattern
function lpeg.Cc(...) end
---@param pattern lpeg.Like
---@param fn fun(accumulated: any, ...): any
---@return lpeg.Pattern
function lpeg.Cf(pattern, fn) end
---@param pattern lpeg.Like
---@param name any
---@return lpeg.Pattern
function lpeg.Cg(pattern, name) end
---@param pattern lpeg.Like
---@param fn fun(subject: string, position: integer, ...): any ...
---@return lpeg.Pattern
function lpeg.Cmt(pattern, fn) end
---@return lpeg.Pattern
function lpeg.Cp() end
---@param pattern lpeg.Like
---@return lpeg.Pattern
function lpeg.Cs(pattern) end
---@param pattern lpeg.Like
---@return lpeg.Pattern
function lpeg.Ct(pattern) end
---@param pattern lpeg.Like
---@param subject string
---@param init integer|nil
---@param ... any
---@return any ...
function lpeg.match(pattern, subject, init, ...) end
---@param value any
---@return "pattern"|nil
function lpeg.type(value) end
---@param table table|nil
---@return table<string, lpeg.Pattern>
function lpeg.locale(table) end

return lpeg

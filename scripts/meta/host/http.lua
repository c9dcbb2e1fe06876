---@meta host.http

---@class host.http
local http = {}
---@class host.http.Request
---@field method string
---@field url string
---@field headers table<string, string|nil>|nil
---@field body string|nil
---@field timeout_ms number|nil           of the whole call, default 5000
---@field connect_timeout_ms integer|nil  default 2000
---@field max_reply integer|nil           bytes, default 1 MiB
---@field public_only boolean|nil         refuse addresses that are not public
---@field mail_from string|nil            a mail: method "MAIL", url smtp:// or smtps://, the body an
---@field mail_to string[]|nil            RFC 5322 message; at most 16 recipients; the status is the
---@field user string|nil                 mail server's (250: taken)
---@field password string|nil
---@class host.http.Reply
---@field status integer
---@field headers table<string, string>  lower-case names
---@field body string
---Calls another server (waits). code: "unreachable", "timeout", "too_large", "cancelled", "refused"
---(bad URL, or too many calls in flight).
---@param request host.http.Request
---@return host.http.Reply|nil reply
---@return host.Error|nil err
---@return_overload host.http.Reply, nil
---@return_overload nil, host.Error
function http.request(request) end

---@class host.http.Head
---@field status integer
---@field headers table<string, string>  lower-case names

---A call whose reply is read as it comes. Both functions wait for at most ms; what fails is nil and
---an error, as of request, and so is what did not come in time (code "timeout"), which may be asked
---for again. One fiber reads.
---@class host.http.Reader
---@field head fun(self: host.http.Reader, ms: number): host.http.Head|nil, host.Error|nil
---@field read fun(self: host.http.Reader, ms: number): string|nil, host.Error|nil  the next bytes;
---                                                     nil alone at the end
---@field close fun(self: host.http.Reader)  ends the call; what was not read is gone

---Begins to call another server. No more than 64 KiB of the reply come before they are read;
---timeout_ms and max_reply count for all of it. Not for mail.
---@param request host.http.Request
---@return host.http.Reader|nil reader
---@return host.Error|nil err  code "refused"
---@return_overload host.http.Reader, nil
---@return_overload nil, host.Error
function http.open(request) end

return http

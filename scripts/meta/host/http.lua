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

---@class host.http.Reader
---@field read fun(self: host.http.Reader, ms: number): string|nil, host.Error|nil
---@field close fun(self: host.http.Reader)  ends the call; what was not read is gone

---@class host.http.Opened
---@field status integer
---@field headers table<string, string>  lower-case names
---@field body host.http.Reader  `read` gives the next bytes, waiting for at most ms; nil at the end,
---                              nil and an error where the reply broke off or did not come in time
---Calls another server and returns once the head of its reply is there (waits). The body is read in
---parts, and no more than 64 KiB come in advance; timeout_ms and max_reply count for all of it. Not
---for mail.
---@param request host.http.Request
---@return host.http.Opened|nil reply
---@return host.Error|nil err
---@return_overload host.http.Opened, nil
---@return_overload nil, host.Error
function http.open(request) end

return http

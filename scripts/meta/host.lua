---@meta
-- The modules that the host gives to scripts: require("host.db") and so on.
-- Everything that waits (marked "waits") may be called only inside a fiber, that is: from a
-- handler, a timer or something they call; never while a file is being loaded.
-- Expected failure returns nil and an error table; misuse (a wrong type) throws.

---@class host.Error
---@field code string      a short word, listed per function
---@field message string   one sentence

---@class host.log
local log = {}
---@param message string
---@param fields table<string, string|number|boolean>|nil
function log.debug(message, fields) end
---@param message string
---@param fields table<string, string|number|boolean>|nil
function log.info(message, fields) end
---@param message string
---@param fields table<string, string|number|boolean>|nil
function log.warn(message, fields) end
---@param message string
---@param fields table<string, string|number|boolean>|nil
function log.error(message, fields) end

---@class host.config
local config = {}
---The value of a setting (of the environment, else of the secret store), nil when it is not set and
---has no default.
---@param name string
---@return string|nil
function config.get(name) end

---@class host.json
---@field null lightuserdata  JSON null (the same value as cjson.null)
---@field list_mt table       the metatable of every list that decode makes
local json = {}
---Strict RFC 8259, depth at most 32. Objects become tables, arrays become tables with list_mt.
---@param text string
---@return any value
---@return string|nil message  what is wrong and where, when value is nil and message is set
function json.decode(text) end

---The texts of what a list or an object holds, as they stand, without reading what they mean.
---@param text string      that decode took
---@return string[] values
---@return string[] names  of an object, escapes as they are written
function json.slices(text) end

---@class host.text
local text = {}
---Lower case of UTF-8 text, letter by letter (towlower of C.UTF-8).
---@param s string  valid UTF-8
---@return string
function text.lower(s) end
---@param s string  valid UTF-8
---@return integer  characters (code points), not bytes
function text.length(s) end

---@class host.time
local time = {}
---Wall clock, milliseconds since 1970-01-01 UTC.
---@return integer
function time.now_ms() end
---Monotonic clock, milliseconds; only differences mean something.
---@return number
function time.monotonic_ms() end
---"2026-11-24T04:26:30.123Z"
---@param ms integer
---@return string
function time.format(ms) end
---RFC 3339 with any offset and up to nine digits of fraction, cut to milliseconds; a leap second
---and a date that does not exist are refused. Years 1 to 9999.
---@param text string
---@return integer|nil ms
---@return string|nil message
function time.parse(text) end

---@class host.crypto
local crypto = {}
---@return string  a random version 4 UUID, lower case
function crypto.uuid() end
---A version 8 UUID (RFC 9562) made of the SHA-256 of the text: the same text, the same id.
---@param text string
---@return string
function crypto.uuid_of(text) end
---@param count integer  bytes, at most 1024
---@return string
function crypto.random(count) end
---@param bytes string
---@return string  32 bytes
function crypto.sha256(bytes) end
---@param key string
---@param bytes string
---@return string  32 bytes
function crypto.hmac_sha256(key, bytes) end
---Compares in a time that depends on the lengths alone.
---@param a string
---@param b string
---@return boolean
function crypto.equal(a, b) end
---@param bytes string
---@return string  without padding
function crypto.base64url_encode(bytes) end
---Without padding; nil for anything that is not canonical base64url.
---@param text string
---@return string|nil
function crypto.base64url_decode(text) end
---@param bytes string
---@return string  standard alphabet with padding
function crypto.base64_encode(bytes) end
---@param text string
---@return string|nil
function crypto.base64_decode(text) end
---@param bytes string
---@return string  lower case
function crypto.hex(bytes) end
---A public key from the members of a JWK (RFC 7517): kty RSA (n, e; 2048 to 8192 bits), EC (crv
---P-256, x, y on the curve) or OKP (crv Ed25519, x). Freed by the collector.
---@param jwk table<string, string>
---@return userdata|nil key
---@return string|nil message
function crypto.public_key(jwk) end
---@param alg "RS256"|"ES256"|"EdDSA"  must fit the key, else false
---@param key userdata
---@param bytes string
---@param signature string  as in JWS (ES256: 64 bytes r || s)
---@return boolean
function crypto.verify(alg, key, bytes, signature) end

---@class host.db
local db = {}
---@class host.db.Error : host.Error
---@field sqlstate string|nil    for code "sql"
---@field constraint string|nil  the constraint's name where PostgreSQL tells it
---code: "unavailable" (not sent, or known to be rolled back: nothing happened), "unknown" (sent,
---and the connection was lost before the answer: it may have happened), "timeout", "sql".
---Values: string, number, boolean, nil or json.null (NULL), and lists of strings (as text[]).
---Rows come as tables by column name: bool, int2/4/8, float and numeric as boolean and number,
---timestamptz as RFC 3339 with milliseconds and Z, text[] as list, NULL absent, all else a string.

---Reads (waits). May share a pipeline with others and is sent again after a lost connection.
---@param sql string  one statement with $1, $2 …
---@param ... any
---@return table[]|nil rows  rows.affected: the count of the command tag
---@return host.db.Error|nil
function db.query(sql, ...) end
---Writes (waits): one statement that is atomic by itself. May share a commit with other requests'
---writes; when one of them fails all are rolled back and each is done again alone, so a neighbour
---never sees it. Returns after the commit.
---@param sql string
---@param ... any
---@return table[]|nil rows
---@return host.db.Error|nil
function db.execute(sql, ...) end
---Several statements as one transaction in one round trip (waits): all or none.
---@param statements any[][]  each {sql, value, …, n = count of values + 1 when some are nil}
---@return table[][]|nil results  one list of rows a statement
---@return host.db.Error|nil
function db.batch(statements) end
---A transaction on a connection of its own (waits). fn gets tx with tx:query(sql, …). It commits
---when fn returns a value that is not nil and no statement failed, else rolls back, and returns
---what fn returned. Serialisation failures and deadlocks run fn again, at most 3 times.
---@param fn fun(tx: table): any, any
---@return any
---@return any
function db.transaction(fn) end
---@return boolean  a connection is up
function db.ready() end

---@class host.http
local http = {}
---@class host.http.Request
---@field method string
---@field url string
---@field headers table<string, string>|nil
---@field body string|nil
---@field timeout_ms integer|nil          of the whole call, default 5000
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
---@return host.http.Reply|nil
---@return host.Error|nil
function http.request(request) end

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

---@class host.fiber
local fiber = {}
---@param ms integer
function fiber.sleep(ms) end
---Runs the functions at the same time and waits for all of them. An error in one is thrown here
---after all have ended.
---@param functions (fun(): any)[]
---@return any[] results  the first value of each, in order
function fiber.all(functions) end
---Runs fn in the background. false: too many fibers.
---@param fn fun()
---@return boolean
function fiber.spawn(fn) end
---What this fiber is a part of (W3C Trace Context): the valid header of its request, or what was set.
---Its log lines carry it, and fibers that it starts inherit it.
---@return string|nil
function fiber.traceparent() end
---@param traceparent string  a valid one
function fiber.set_traceparent(traceparent) end

---@class host.fiber.Event
---@field wait fun(self: host.fiber.Event, ms: integer): true|nil  waits; nil when the time is over
---@field set fun(self: host.fiber.Event)  ends the wait, or the next one

---One fiber waits for it; others set it. May be made while loading.
---@return host.fiber.Event
function fiber.event() end

---@class host.bus
local bus = {}
---Sends a text to every worker of this service in this process, this one included.
---@param text string
function bus.publish(text) end
---Runs fn in a fiber for each text that comes, in their order as long as fn does not wait; with nil
---when texts were lost, because this worker fell behind. May be called while loading.
---@param fn fun(text: string|nil)
function bus.subscribe(fn) end

---@class host.timer
local timer = {}
---Runs fn in a fiber every `ms` milliseconds for as long as the worker lives; a tick that comes
---while the last one still runs is left out. May be called while loading.
---@param ms integer
---@param fn fun()
function timer.every(ms, fn) end

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
---The file that a setting names, or one in the same folder.
---@param setting string
---@param beside string|nil  a plain file name
---@return string|nil content
---@return string|nil message
function worker.read_setting_file(setting, beside) end

---@class host.revision
local revision = {}
---What of the scripts or of the rules is live.
---@param kind "scripts"|"rules"|"shadow"
---@return host.revision.Status
function revision.status(kind) end

---Asks for rules that were live before (see is_rolling_back).
---@param revision string|nil  its first 6 characters or more; nil: the last good one
---@return true|nil
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
---@field previous {revision: string, loaded_ms: integer}[]  the latest first
---@class host.rules
---Business rules, in a VM of their own: see ARCHITECTURE.md, "Rules". Required, it loads them.
local rules = {}
---@class host.RuleError
---@field code "budget"|"memory"|"error"|"missing"|"argument"|"result"
---@field message string    with the file and line of the rule where one is to blame
---@field traceback string  lines; may be empty
---Calls function `plan` of notify.lua for "notify.plan". Arguments and results are copies: nil,
---booleans, numbers, strings, host.json.null, tables of these without metatable (lists of host.json
---stay lists). Does not wait. A failure is counted, and logged once a minute for each rule and code.
---@param name string
---@param ... any
---@return any ...                 what the rule returns, or nil
---@return host.RuleError|nil err  when there is none
function rules.call(name, ...) end
---Says of a call that gave something that this is of no use: it counts as a failure, also towards
---the return of the rules before, and is logged as one.
---@param name string
---@param code string
---@param message string
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
---@field explained string[]  what the rule said with explain
---@field cpu_ms number
---@field budget_ms number
---@field bytes number        of memory, at the most
---@param path string
---@return host.trial.Folder|nil
---@return string|nil message
function trial.read_folder(path) end
---All of standard input.
---@return string|nil
---@return string|nil message
function trial.read_input() end

---@class host.calendar
---Recurrence rules and time zones. Instants are milliseconds since 1970 UTC; local times are
---tables {year, month, day, hour, min, sec}; zones are IANA names ("UTC" included).
local calendar = {}
---@param zone string
---@return boolean
function calendar.is_zone(zone) end
---@param ms integer
---@param zone string
---@return {year: integer, month: integer, day: integer, hour: integer, min: integer, sec: integer, wday: integer, offset: integer} -- wday: 1 = Monday … 7 = Sunday; offset: seconds east of UTC
function calendar.to_local(ms, zone) end
---A local time that a jump forward skips is moved on by the length of the jump; one that happens
---twice is the first (RFC 5545, 3.3.5).
---@param time {year: integer, month: integer, day: integer, hour: integer?, min: integer?, sec: integer?}
---@param zone string
---@return integer|nil ms
---@return string|nil message
function calendar.from_local(time, zone) end
---@param rrule string  the value of an RFC 5545 RRULE, without "RRULE:"
---@return true|nil
---@return string|nil message
function calendar.check_rrule(rrule) end
---The first occurrence strictly after `after_ms` of the series that starts at start_ms (its local
---time of day in `zone` is kept), nil when the series has ended (COUNT, UNTIL) or has none.
---@param rrule string
---@param start_ms integer
---@param after_ms integer
---@param zone string
---@return integer|nil ms
---@return string|nil message  only when the rule or zone is bad
function calendar.next(rrule, start_ms, after_ms, zone) end

return {
  ["host.bus"] = bus, ["host.log"] = log, ["host.config"] = config, ["host.json"] = json, ["host.text"] = text, ["host.time"] = time,
  ["host.crypto"] = crypto, ["host.db"] = db, ["host.http"] = http, ["host.metrics"] = metrics,
  ["host.fiber"] = fiber, ["host.timer"] = timer, ["host.worker"] = worker,
  ["host.calendar"] = calendar, ["host.revision"] = revision, ["host.rules"] = rules,
  ["host.trial"] = trial,
}

---@meta host.db

---@class host.db
local db = {}
---@class host.db.Error : host.Error
---@field sqlstate string|nil    for code "sql"
---@field constraint string|nil  the constraint's name where PostgreSQL tells it
---@class host.db.Rows : table[]
---@field affected integer       the count of the command tag

---code: "unavailable" (not sent, or known to be rolled back: nothing happened), "unknown" (sent,
---and the connection was lost before the answer: it may have happened), "timeout", "sql".
---Values: string, number, boolean, nil or json.null (NULL), and lists of strings (as text[]).
---Rows come as tables by column name: bool, int2/4/8, float and numeric as boolean and number,
---timestamptz as RFC 3339 with milliseconds and Z, text[] as list, NULL absent, all else a string.

---Reads (waits). May share a pipeline with others and is sent again after a lost connection.
---@param sql string  one statement with $1, $2 …
---@param ... any
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function db.query(sql, ...) end
---Writes (waits): one statement that is atomic by itself. May share a commit with other requests'
---writes; when one of them fails all are rolled back and each is done again alone, so a neighbour
---never sees it. Returns after the commit.
---@param sql string
---@param ... any
---@return host.db.Rows|nil rows
---@return host.db.Error|nil err
---@return_overload host.db.Rows, nil
---@return_overload nil, host.db.Error
function db.execute(sql, ...) end
---Several statements as one transaction in one round trip (waits): all or none.
---@param statements any[][]  each {sql, value, …, n = count of values + 1 when some are nil}
---@return host.db.Rows[]|nil results  one list of rows a statement
---@return host.db.Error|nil err
---@return_overload host.db.Rows[], nil
---@return_overload nil, host.db.Error
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

return db

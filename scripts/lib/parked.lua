-- Events that were set aside for an operator: of an outbox those that can never be published (rows
-- with dead_at), and those that a consumer could never handle (table dead_event). The schemas are
-- found in the database, so that a new service's tables are seen without a word here.
--
-- A dead event cannot be handled again from here: its body is kept for reading, shortened and in
-- ASCII, and to publish that would be to publish another event.
local db = require("host.db")
local json = require("lib.json")

local parked = {}

local DEFAULT_LIMIT, MAX_LIMIT = 100, 10000
local BATCH = 1000 -- rows of one statement, well below its deadline

local KINDS = {
  outbox = {
    relation = "outbox", column = "dead_at", where = "dead_at IS NOT NULL",
    fields = "dead_at AS at, topic, event_type, event_id, key, dead_error AS error, data",
    head = { "ID", "SET ASIDE", "TOPIC", "TYPE", "EVENT", "ERROR" },
    shown = { "id", "at", "topic", "event_type", "event_id", "error" },
    verbs = { drop = "DELETE FROM %s",
      retry = "UPDATE %s SET dead_at = NULL, dead_error = NULL" },
    done = { drop = "dropped", retry = "to be published again" },
  },
  dead = {
    relation = "dead_event", column = "recorded_at", where = "true",
    fields = "recorded_at AS at, topic, error, body",
    head = { "ID", "SET ASIDE", "TOPIC", "ERROR" },
    shown = { "id", "at", "topic", "error" },
    verbs = { drop = "DELETE FROM %s" },
    done = { drop = "dropped" },
  },
}

local FLAGS = {
  ["--all"] = function(options)
    options.all = true
    return true
  end,
  ["--json"] = function(options)
    options.json = true
    return true
  end,
  ["--schema"] = function(options, value)
    options.schema = value
    return value ~= nil, "--schema needs the name of a schema"
  end,
  ["--limit"] = function(options, value)
    local limit = tonumber(value and value:match("^%d+$"))
    options.limit = limit
    return limit and limit >= 1 and limit <= MAX_LIMIT,
      "--limit needs a whole number from 1 to " .. MAX_LIMIT
  end,
}
local WITH_VALUE = { ["--schema"] = true, ["--limit"] = true }
local FITS = { list = { schema = true, limit = true, json = true },
  change = { all = true, schema = true } }

local function read_flag(options, word, value)
  local read = FLAGS[word]
  if not read then
    return nil, "unknown flag " .. word
  end
  return read(options, value)
end

local function read_id(options, word)
  local schema, number = word:match("^([%w_]+):(%d+)$")
  if not schema or #number > 18 then
    return nil, word .. " is not an id, such as chat:17"
  end
  options.count = options.count + 1
  options.ids[schema] = options.ids[schema] or {}
  table.insert(options.ids[schema], (number:gsub("^0+(%d)", "%1")))
  return true
end

local function check(options, name, verb)
  local fits = verb == "list" and FITS.list or FITS.change
  for flag in pairs(FLAGS) do
    if options[flag:sub(3)] ~= nil and not fits[flag:sub(3)] then
      return nil, flag .. " does not go with " .. name .. " " .. verb
    end
  end
  if verb == "list" then
    return options.count == 0 or nil, "list takes flags only"
  end
  if (options.count > 0) == (options.all == true) then
    return nil, name .. " " .. verb .. " takes ids, such as chat:17, or --all"
  end
  return not (options.schema and not options.all) or nil, "--schema goes with --all"
end

-- The words after `outbox` or `dead`.
local function read_words(name, words)
  local kind, verb = KINDS[name], words[1]
  if verb ~= "list" and not kind.verbs[verb] then
    return nil, name .. " takes list" .. (kind.verbs.retry and ", retry" or "") .. " or drop"
      .. (verb and ", not " .. verb or "")
  end
  local options = { ids = {}, count = 0 }
  local i = 2
  while words[i] do
    local word = words[i]
    local ok, message
    if word:sub(1, 1) == "-" then
      ok, message = read_flag(options, word, words[i + 1])
      i = i + (WITH_VALUE[word] and 1 or 0)
    else
      ok, message = read_id(options, word)
    end
    if not ok then
      return nil, message
    end
    i = i + 1
  end
  local ok, message = check(options, name, verb)
  return ok and options, message, verb
end

local SCHEMAS = "SELECT n.nspname::text AS name, format('%I.%I', n.nspname, c.relname) AS relation"
  .. " FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
  .. " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
  .. " WHERE c.relname = $1 AND a.attname = $2 AND NOT a.attisdropped AND c.relkind IN ('r', 'p')"
  .. " ORDER BY n.nspname"

-- The tables of a kind: a list, and by the names of their schemas.
local function find_tables(kind)
  local rows, err = db.query(SCHEMAS, kind.relation, kind.column)
  if not rows then
    return nil, err.message
  end
  if #rows == 0 then
    return nil, "there is no table " .. kind.relation .. " in this database; is it migrated?"
  end
  local by_name, names = {}, {}
  for i, row in ipairs(rows) do
    by_name[row.name] = row
    names[i] = row.name
  end
  return rows, by_name, table.concat(names, ", ")
end

-- The tables that are meant; a third value: the words are at fault.
local function choose(kind, options)
  local all, by_name, names = find_tables(kind)
  if not all then
    return nil, by_name
  end
  local wanted = { options.schema }
  for schema in pairs(options.ids) do
    wanted[#wanted + 1] = schema
  end
  if #wanted == 0 then
    return all
  end
  table.sort(wanted)
  local chosen = {}
  for i, name in ipairs(wanted) do
    if not by_name[name] then
      return nil, name .. " has no " .. kind.relation .. "; these have: " .. names, true
    end
    chosen[i] = by_name[name]
  end
  return chosen
end

-- Listing.

local function on_one_line(value)
  return (tostring(value or ""):gsub("[%c%s]+", " "))
end

local function to_table(kind, rows)
  local lines, widths = { kind.head }, {}
  for _, row in ipairs(rows) do
    local line = {}
    for i, name in ipairs(kind.shown) do
      line[i] = on_one_line(row[name])
    end
    lines[#lines + 1] = line
  end
  for _, line in ipairs(lines) do
    for i, text in ipairs(line) do
      widths[i] = math.max(widths[i] or 0, #text)
    end
  end
  for n, line in ipairs(lines) do
    local parts = {}
    for i, text in ipairs(line) do
      parts[i] = i == #line and text or text .. (" "):rep(widths[i] - #text)
    end
    lines[n] = table.concat(parts, "  ")
  end
  return lines
end

-- The oldest first, over all tables.
local function read_rows(kind, tables, limit)
  local all = json.list({})
  for _, one in ipairs(tables) do
    local rows, err = db.query("SELECT id::text AS id, " .. kind.fields .. " FROM " .. one.relation
      .. " WHERE " .. kind.where .. " ORDER BY " .. kind.column .. ", id LIMIT $1::integer", limit)
    if not rows then
      return nil, err.message
    end
    for _, row in ipairs(rows) do
      row.number, row.id = tonumber(row.id), one.name .. ":" .. row.id
      all[#all + 1] = row
    end
  end
  table.sort(all, function(a, b)
    if a.at ~= b.at then
      return a.at < b.at
    end
    return a.number < b.number
  end)
  for _, row in ipairs(all) do
    row.number = nil
  end
  return all
end

local function list(kind, tables, options)
  local limit = options.limit or DEFAULT_LIMIT
  local rows, message = read_rows(kind, tables, limit + 1)
  if not rows then
    return nil, message
  end
  local more = #rows > limit
  for i = #rows, limit + 1, -1 do
    rows[i] = nil
  end
  if options.json then
    return json.encode(rows)
  end
  if #rows == 0 then
    return "nothing is set aside"
  end
  local lines = to_table(kind, rows)
  if more then
    lines[#lines + 1] = "and more: --limit N"
  end
  return table.concat(lines, "\n")
end

-- Changing.

-- What is set aside again meanwhile is not met twice.
local function change_all(kind, tables, sql)
  local now, err = db.query("SELECT clock_timestamp()::text AS now")
  if not now then
    return nil, err.message
  end
  local count = 0
  for _, one in ipairs(tables) do
    repeat
      local rows
      rows, err = db.execute(sql:format(one.relation) .. " WHERE id = ANY (ARRAY(SELECT id FROM "
        .. one.relation .. " WHERE " .. kind.where .. " AND " .. kind.column
        .. " <= $1::timestamptz ORDER BY id LIMIT " .. BATCH .. "))", now[1].now)
      if not rows then
        return nil, err.message .. " (" .. count .. " were done)"
      end
      count = count + rows.affected
    until rows.affected == 0
  end
  return count, {}
end

local function change_some(kind, tables, sql, ids)
  local count, missing = 0, {}
  for _, one in ipairs(tables) do
    local rows, err = db.execute(sql:format(one.relation) .. " WHERE " .. kind.where
      .. " AND id = ANY ($1::text[]::bigint[]) RETURNING id::text AS id", ids[one.name])
    if not rows then
      return nil, err.message .. " (" .. count .. " were done)"
    end
    local done = {}
    for _, row in ipairs(rows) do
      done[row.id] = true
    end
    count = count + #rows
    for _, id in ipairs(ids[one.name]) do
      if not done[id] then
        missing[#missing + 1] = one.name .. ":" .. id
      end
    end
  end
  return count, missing
end

local function change(kind, tables, options, verb)
  local run = options.all and change_all or change_some
  local count, missing = run(kind, tables, kind.verbs[verb], options.ids)
  if not count then
    return nil, missing
  end
  local text = ("%d %s"):format(count, kind.done[verb])
  if #missing > 0 then
    return nil, "not set aside: " .. table.concat(missing, ", ") .. "; " .. text
  end
  return text
end

---@param name "outbox"|"dead"
---@param ... string  the words of the command line behind it
---@return string|nil text
---@return string|nil message
---@return boolean|nil misused  the words are at fault
function parked.command(name, ...)
  local options, message, verb = read_words(name, { ... })
  if not options then
    return nil, message, true
  end
  local kind = KINDS[name]
  local tables, why, misused = choose(kind, options)
  if not tables then
    return nil, why, misused
  end
  if verb == "list" then
    return list(kind, tables, options)
  end
  return change(kind, tables, options, verb)
end

return parked

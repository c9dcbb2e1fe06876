-- GET /api/tasks: what the query string may say, as SQL. Every value is a parameter; only words
-- from the tables below become SQL text.
local crypto = require("host.crypto")
local json = require("lib.json")
local params = require("lib.params")
local task_fields = require("chat-api.task_fields")
local text = require("host.text")
local time = require("host.time")

local task_query = {}

local SORTS = {
  created_at = "created_at",
  due_date = "due_date",
  title = 'title COLLATE "C"',
  priority = "CASE priority WHEN 'low' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END",
}
local CASTS = { created_at = "timestamptz", due_date = "timestamptz", title = "text",
  priority = "integer" }
local RANKS = { low = 1, medium = 2, high = 3 }
local LIMIT = params.limit(500, 1000)

local function flag(name, description)
  return { name = name, schema = { type = "boolean" }, description = description }
end

local function moment(name, description)
  return { name = name, schema = { type = "string", format = "date-time" },
    description = description }
end

-- What the query string may say; the API's description lists the same.
task_query.PARAMETERS = {
  { name = "search", schema = { type = "string" }, description = "Part of title or description." },
  { name = "status", schema = { type = "string", default = "all",
    enum = { "pending", "in_progress", "completed", "active", "all" } },
    description = "active: not completed." },
  { name = "priority", schema = { type = "string", enum = task_fields.FIELDS.priority.enum } },
  { name = "tags", list = true, schema = { type = "string", examples = { "home,urgent" } },
    description = "Separated by commas; a task must have all of them." },
  moment("due_before", "Due before this time."),
  moment("due_after", "Due at this time or later."),
  flag("overdue", "Due in the past and not completed."),
  flag("has_due_date"),
  flag("is_recurring"),
  { name = "sort", schema = { type = "string", default = "created_at",
    enum = { "created_at", "due_date", "priority", "title" } },
    description = "Tasks without a due date come last." },
  { name = "order", schema = { type = "string", enum = { "asc", "desc" }, default = "desc" } },
  LIMIT,
  { name = "cursor", schema = { type = "string", format = "cursor" },
    description = "Of the Link header, with the same sort and order." },
}

local function escape_like(search)
  return (search:gsub("[%%_\\]", "\\%0"))
end

local function split_tags(value)
  local tags = {}
  if type(value) == "table" then
    for i, tag in ipairs(value) do
      tags[i] = text.lower(tag)
    end
    return tags
  end
  for tag in value:gmatch("[^,]+") do
    tag = tag:match("^%s*(.-)%s*$")
    if tag ~= "" then
      tags[#tags + 1] = text.lower(tag)
    end
  end
  return tags
end

-- A cursor is the sort value and id of the last row, with the order they belong to.
local function parse_cursor(query, value)
  local decoded = crypto.base64url_decode(value)
  local cursor = decoded and json.decode(decoded)
  if type(cursor) ~= "table" or cursor.sort ~= query.sort or cursor.order ~= query.order
    or type(cursor.id) ~= "string" or #cursor.id ~= 36 or cursor.id:find("[^%x%-]")
    or not (type(cursor.value) == "string" or type(cursor.value) == "number"
      or cursor.value == json.null) then
    return nil, "cursor is not one that this list gave"
  end
  if CASTS[query.sort] == "timestamptz" and cursor.value ~= json.null
    and not time.parse(tostring(cursor.value)) then
    return nil, "cursor is not one that this list gave"
  end
  if CASTS[query.sort] == "integer" and type(cursor.value) ~= "number" then
    return nil, "cursor is not one that this list gave"
  end
  return cursor
end

---@class task_query.Query
---@field user string
---@field conditions string[]  SQL, with %d for the number of its parameter
---@field values any[]         one a condition that has a parameter
---@field sort string
---@field order string
---@field limit integer
---@field after table|nil      the cursor

---@param user string
---@param args table<string, any>
---@param now_ms integer
---@return task_query.Query|nil query
---@return string|nil message
---@return_overload task_query.Query, nil
---@return_overload nil, string
function task_query.parse(user, args, now_ms)
  local message = params.problem(task_query.PARAMETERS, args)
  if message then
    return nil, message
  end
  local query = { user = user, conditions = {}, values = {},
    sort = args.sort or "created_at", order = args.order or "desc" }
  local function where(condition, value)
    query.conditions[#query.conditions + 1] = condition
    if value ~= nil then
      query.values[#query.values + 1] = value
    end
  end

  if args.status == "active" then
    where("status <> 'completed'")
  elseif args.status and args.status ~= "all" then
    where("status = $%d", args.status)
  end
  if args.priority then
    where("priority = $%d", args.priority)
  end
  if args.search and args.search ~= "" then
    where("(title ILIKE $%d OR description ILIKE $%d)", "%" .. escape_like(args.search) .. "%")
  end
  if args.tags then
    local tags = split_tags(args.tags)
    if #tags > 0 then
      where("tags @> $%d::text[]", tags)
    end
  end
  for name, operator in pairs({ due_before = "<", due_after = ">=" }) do
    if args[name] ~= nil then
      where("due_date " .. operator .. " $%d::timestamptz", time.format(time.parse(args[name])))
    end
  end
  for _, name in ipairs({ "overdue", "has_due_date", "is_recurring" }) do
    if args[name] ~= nil then
      local value = args[name] == true or args[name] == "true"
      if name == "overdue" then
        local late = "(due_date IS NOT NULL AND due_date < $%d::timestamptz"
          .. " AND status <> 'completed')"
        where(value and late or "NOT " .. late, time.format(now_ms))
      else
        local column = name == "has_due_date" and "due_date" or "recurrence_rule"
        where(column .. (value and " IS NOT NULL" or " IS NULL"))
      end
    end
  end
  query.limit = params.limit_of(LIMIT, args.limit)
  if args.cursor ~= nil then
    query.after, message = parse_cursor(query, tostring(args.cursor))
    if not query.after then
      return nil, message
    end
  end
  return query --[[@as task_query.Query]]
end

-- WHERE with its values; conditions take their parameters in order.
local function where_clause(query)
  local values = { query.user }
  local parts = { "user_id = $1" }
  local used = 0
  for _, condition in ipairs(query.conditions) do
    if condition:find("%d", 1, true) then
      used = used + 1
      values[#values + 1] = query.values[used]
      condition = condition:gsub("%%d", tostring(#values))
    end
    parts[#parts + 1] = condition
  end
  return table.concat(parts, " AND "), values
end

-- The rows behind the cursor, null due dates being last in either order.
local function behind(query, values)
  local column, cast = SORTS[query.sort], CASTS[query.sort]
  local operator = query.order == "asc" and ">" or "<"
  values[#values + 1] = query.after.id
  local id = "$" .. #values .. "::uuid"
  if query.after.value == json.null then
    return "(" .. column .. " IS NULL AND id " .. operator .. " " .. id .. ")"
  end
  values[#values + 1] = query.after.value
  local value = "$" .. #values .. "::" .. cast
  local rows = column .. " " .. operator .. " " .. value
    .. " OR (" .. column .. " = " .. value .. " AND id " .. operator .. " " .. id .. ")"
  if query.sort == "due_date" then
    rows = rows .. " OR due_date IS NULL"
  end
  return "(" .. rows .. ")"
end

---@param query task_query.Query
---@param columns string
---@return string sql  one row more than the limit tells that there is a next page
---@return {[integer]: any, n: integer} values
function task_query.page(query, columns)
  local where, values = where_clause(query)
  if query.after then
    where = where .. " AND " .. behind(query, values)
  end
  values[#values + 1] = query.limit + 1
  local limit = "$" .. #values .. "::integer"
  local order = query.order
  values.n = #values
  return "SELECT " .. columns .. " FROM chat.task WHERE " .. where .. " ORDER BY "
    .. SORTS[query.sort] .. " " .. order .. " NULLS LAST, id " .. order .. " LIMIT " .. limit,
    values
end

---@param query task_query.Query
---@return string sql
---@return {[integer]: any, n: integer} values
function task_query.count(query)
  local where, values = where_clause(query)
  values.n = #values
  return "SELECT count(*) AS total FROM chat.task WHERE " .. where, values
end

---The cursor behind a row.
---@param query task_query.Query
---@param row table  as task_fields.from_row leaves it
---@return string
function task_query.cursor(query, row)
  local value = row[query.sort]
  if query.sort == "priority" then
    value = RANKS[value]
  elseif CASTS[query.sort] == "timestamptz" then
    value = value and time.format(value) or json.null
  end
  return crypto.base64url_encode(json.encode({ sort = query.sort, order = query.order,
    value = value, id = row.id }))
end

return task_query

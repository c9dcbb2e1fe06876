-- What is read of a user's tasks: one, a page of them, those that are still to remind. It changes
-- nothing. Expected failure is nil and a problem (lib/problem.lua).
local db = require("host.db")
local fiber = require("host.fiber")
local json = require("lib.json")
local problem = require("lib.problem")
local store = require("lib.store")
local task_fields = require("chat-api.task_fields")
local task_query = require("chat-api.task_query")
local task_store = require("chat-api.task_store")
local time = require("host.time")
local uuid = require("lib.uuid")

local task_reads = {}

local function not_found()
  return problem.not_found("Task not found")
end

---The task as chat-api keeps it (task_fields.from_row), to be decided about.
---@param user string
---@param id string
---@return table|nil task
---@return Problem|nil problem
---@return_overload table, nil
---@return_overload nil, Problem
function task_reads.find(user, id)
  if not uuid.is(id) then
    return nil, not_found()
  end
  local rows, err = task_store.find(user, id)
  if not rows then
    return nil, store.problem(err)
  end
  if not rows[1] then
    return nil, not_found()
  end
  return task_fields.from_row(rows[1])
end

---@param user string
---@param id string
---@return string|nil text  the task as JSON
---@return Problem|nil problem
---@return integer|nil version
---@return_overload string, nil, integer
---@return_overload nil, Problem
function task_reads.get_text(user, id)
  local task, why = task_reads.find(user, id)
  if not task then
    return nil, why
  end
  return task_fields.encode(task), nil, task.version
end

---@param user string
---@param id string
---@return table|nil task
---@return Problem|nil problem
---@return_overload table, nil
---@return_overload nil, Problem
function task_reads.get(user, id)
  local text, why = task_reads.get_text(user, id)
  if not text then
    return nil, why
  end
  return (json.decode(text))
end

---The next occurrence that a task's completion has brought; nil without a problem: there is none.
---@param user string
---@param id string  a UUID
---@return table|nil task
---@return Problem|nil problem
function task_reads.next_of(user, id)
  local rows, err = task_store.find_child(user, id)
  if not rows then
    return nil, store.problem(err)
  end
  return rows[1] and task_fields.from_row(rows[1])
end

-- Rows in the order of the page, one more than asked for when there are more.
---@return host.db.Rows|nil
---@return host.db.Error|nil
local function read_page(query, columns)
  local sql, values = task_query.page(query, columns)
  return db.query(sql, unpack(values, 1, values.n))
end

local function count_all(query)
  local sql, values = task_query.count(query)
  return db.query(sql, unpack(values, 1, values.n))
end

---@class task_reads.Page
---@field items string[]      tasks as JSON
---@field total integer       of all that match, on every page
---@field next string|nil     the cursor of the next page

---@param user string
---@param args table<string, any>  as in the query string of GET /api/tasks; tags may be a list
---@return task_reads.Page|nil
---@return Problem|nil problem
---@return_overload task_reads.Page, nil
---@return_overload nil, Problem
function task_reads.page(user, args)
  local query, message = task_query.parse(user, args, time.now_ms())
  if not query then
    return nil, problem.unprocessable(message)
  end
  local rows, err, counted, count_err
  if query.after then
    fiber.all({
      function() rows, err = read_page(query, task_store.COLUMNS) end,
      function() counted, count_err = count_all(query) end,
    })
  else
    rows, err = read_page(query, task_store.COLUMNS)
    if rows and #rows > query.limit then
      counted, count_err = count_all(query)
    elseif rows then
      counted = { { total = #rows } }
    end
  end
  if not rows or not counted then
    return nil, store.problem(err or count_err --[[@as host.db.Error]])
  end
  local page = { items = {}, total = counted[1].total }
  ---@cast rows table<integer, table>
  for i = 1, math.min(#rows, query.limit) do
    page.items[i] = task_fields.encode(task_fields.from_row(rows[i]))
  end
  if #rows > query.limit then
    page.next = task_query.cursor(query, rows[query.limit])
  end
  return page
end

---@param user string
---@param args table<string, any>
---@return {items: table[], total: integer, next: string|nil}|nil
---@return Problem|nil problem
---@return_overload {items: table[], total: integer, next: string|nil}, nil
---@return_overload nil, Problem
function task_reads.list(user, args)
  local page, why = task_reads.page(user, args)
  if not page then
    return nil, why
  end
  local items = {}
  for i, text in ipairs(page.items) do
    items[i] = json.decode(text)
  end
  return { items = items, total = page.total, next = page.next }
end

local function found(rows, err)
  if not rows then
    return nil, store.problem(err)
  end
  local items = {}
  for i, row in ipairs(rows) do
    items[i] = json.decode(task_fields.encode(task_fields.from_row(row)))
  end
  return { items = items, total = rows[1] and rows[1].total or 0 }
end

---Open tasks that are still to remind, the next first.
---@param user string
---@param from_ms integer
---@param to_ms integer|nil  before this
---@param limit integer
---@return {items: table[], total: integer}|nil
---@return table|nil problem
function task_reads.reminders(user, from_ms, to_ms, limit)
  return found(task_store.find_reminders(user, from_ms, to_ms, limit))
end

---Completed tasks that were due in a span, or changed last in it, the last first.
---@param user string
---@param from_ms integer|nil
---@param to_ms integer|nil  before this
---@param limit integer
---@return {items: table[], total: integer}|nil
---@return table|nil problem
function task_reads.completed(user, from_ms, to_ms, limit)
  return found(task_store.find_completed(user, from_ms, to_ms, limit))
end

---The timezone of the newest of the user's tasks that has one; nil: none of the newest has.
---@param user string
---@return string|nil
---@return table|nil problem
function task_reads.usual_timezone(user)
  local rows, err = task_store.find_timezone(user)
  if not rows then
    return nil, store.problem(err)
  end
  return rows[1] and rows[1].timezone
end

---What another service may know of a task.
---@param user string
---@param id string
---@return table|nil  {open, title, priority, timezone, due_at}; only open = false when it is gone
---@return Problem|nil problem
---@return_overload table, nil
---@return_overload nil, Problem
function task_reads.brief(user, id)
  local task, why = task_reads.find(user, id)
  if not task then
    return why.status == 404 and { open = false } or nil, why
  end
  return { open = task.status ~= "completed", title = task.title, priority = task.priority,
    timezone = task.timezone, due_at = task.due_date and time.format(task.due_date) }
end

return task_reads

-- Runs the tools of tool_list.lua for one user. What a tool does goes through tasks.lua, as every
-- change does. Arguments are checked by the tool's own schema; whatever is wrong with them is a
-- problem whose detail names it, written so that a model can mend its call.
local calendar = require("host.calendar")
local json = require("lib.json")
local json_schema = require("lib.json_schema")
local problem = require("lib.problem")
local tasks = require("chat-api.tasks")
local time = require("host.time")
local tool_list = require("chat-api.tool_list")

local toolbox = {}

local null = json.null

local DAY_HOUR = 9 -- of a day without a time of day, as in the chat
local MINUTE_MS, MAX_OFFSET = 60000, 525600
local MAX_RACES = 3

---@class toolbox.Context
---@field user string
---@field timezone string|nil  IANA name: what local times mean; else as toolbox.timezone says
---@field now_ms integer
---@field tasks table|nil      what stands for tasks.lua, for who wants to know of each change

local function store_of(context)
  return context.tasks or tasks
end

-- Times.

-- The local date and time of a text without offset; nil when it is none.
---@return table|nil
local function local_date(value, default_hour)
  local y, mo, d, rest = value:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  if not y then
    return nil
  end
  local h, mi, s = rest:match("^[T ](%d%d):(%d%d)$")
  if not h then
    h, mi, s = rest:match("^[T ](%d%d):(%d%d):(%d%d)$")
  end
  if rest == "" then
    h, mi = string.format("%02d", default_hour), "00"
  elseif not h then
    return nil
  end
  if not time.parse(("%s-%s-%sT%s:%s:%sZ"):format(y, mo, d, h, mi, s or "00")) then
    return nil
  end
  return { year = tonumber(y), month = tonumber(mo), day = tonumber(d), hour = tonumber(h),
    min = tonumber(mi), sec = tonumber(s or 0) }
end

-- The instant that an argument means.
local function moment(zone, name, value, default_hour)
  local ms = time.parse(value)
  if ms then
    return ms
  end
  local date = local_date(value, default_hour)
  ms = date and calendar.from_local(date, zone)
  if not ms then
    return nil, problem.unprocessable(name .. " must be a time such as 2026-12-02T15:00 (in "
      .. zone .. ") or 2026-12-02T15:00:00Z, is " .. json.encode(value))
  end
  return ms
end

local function has_local_time(args, names)
  for _, name in ipairs(names) do
    if type(args[name]) == "string" and not time.parse(args[name]) then
      return true
    end
  end
  return false
end

-- What local times mean that are about no task, or about one.
local function zone_of(context, task)
  local own = task and task.timezone ~= null and task.timezone
  if context.timezone or own then
    return context.timezone or own
  end
  local usual, why = store_of(context).usual_timezone(context.user)
  if why then
    return nil, why
  end
  return usual or "UTC"
end

-- Puts the moments among the arguments into the input, as tasks.lua takes them. zone() tells the
-- timezone, where it is needed.
local function put_moments(input, args, names, zone, default_hour)
  local name_of_zone, unknown = "UTC", nil
  if has_local_time(args, names) then
    name_of_zone, unknown = zone()
  end
  if unknown then
    return unknown
  end
  for _, name in ipairs(names) do
    local value = args[name]
    if type(value) == "string" then
      local ms, why = moment(name_of_zone, name, value, default_hour)
      if not ms then
        return why
      end
      input[name] = time.format(ms)
    end
  end
end

local function copy_of(args, left_out)
  local copy = {}
  for name, value in pairs(args) do
    if name ~= left_out then
      copy[name] = value
    end
  end
  return copy
end

local function check_zone(args)
  local zone = args.timezone
  if type(zone) == "string" and not calendar.is_zone(zone) then
    return problem.unprocessable("timezone must be an IANA name such as Europe/Berlin, is "
      .. json.encode(zone))
  end
end

-- Tools.

---@type table<string, fun(context: toolbox.Context, args: table): table|nil, Problem|nil>
local run = {}

function run.add_task(context, args)
  local input, why = copy_of(args), check_zone(args)
  if not why then
    input.timezone = args.timezone or context.timezone
    if not input.timezone then
      input.timezone, why = store_of(context).usual_timezone(context.user)
    end
  end
  why = why or put_moments(input, args, { "due_date" }, function()
    return input.timezone or "UTC"
  end, DAY_HOUR)
  if why then
    return nil, why
  end
  return store_of(context).create(context.user, input)
end

local function page_of(context, query)
  local page, why = store_of(context).list(context.user, query)
  if not page then
    return nil, why
  end
  return { tasks = json.list(page.items), total = page.total, next_cursor = page.next or null }
end

function run.list_tasks(context, args)
  local query = copy_of(args)
  query.status, query.limit = args.status or "active", args.limit or 50
  query.sort, query.order = args.sort or "due_date", args.order or "asc"
  local why = put_moments(query, args, { "due_before", "due_after" }, function()
    return zone_of(context)
  end, 0)
  if why then
    return nil, why
  end
  return page_of(context, query)
end

function run.search_tasks(context, args)
  return page_of(context, { search = args.query, status = args.status or "all",
    limit = args.limit or 20, cursor = args.cursor })
end

function run.get_task(context, args)
  return store_of(context).get(context.user, args.task_id)
end

function run.update_task(context, args)
  local input = copy_of(args, "task_id")
  if next(input) == nil then
    return nil, problem.unprocessable("update_task needs at least one field to change")
  end
  local why = check_zone(args) or put_moments(input, args, { "due_date" }, function()
    if type(args.timezone) == "string" or context.timezone then
      return type(args.timezone) == "string" and args.timezone or context.timezone
    end
    local task, failed = store_of(context).get(context.user, args.task_id)
    if not task then
      return nil, failed
    end
    return zone_of(context, task)
  end, DAY_HOUR)
  if why then
    return nil, why
  end
  return store_of(context).update(context.user, args.task_id, input)
end

function run.complete_task(context, args)
  return store_of(context).complete(context.user, args.task_id)
end

function run.delete_task(context, args)
  return store_of(context).delete(context.user, args.task_id)
end

-- The change that makes a task remind at a moment.
local function remind_at(task, ms)
  if task.due_date == null then
    return { due_date = time.format(ms + MINUTE_MS), reminder_offset_minutes = 1 }
  end
  local offset = math.floor((time.parse(task.due_date) - ms) / MINUTE_MS)
  if offset < 1 then
    return nil, problem.unprocessable("remind_at must be at least a minute before the task's"
      .. " due_date, which is " .. task.due_date .. "; move that first with update_task")
  elseif offset > MAX_OFFSET then
    return nil, problem.unprocessable("remind_at must be at most " .. MAX_OFFSET
      .. " minutes before the task's due_date, which is " .. task.due_date)
  end
  return { reminder_offset_minutes = offset }
end

-- The distance is counted from the due date as it was read, so it must still be that when written.
local function set_reminder_at(context, args)
  local changed, why
  for _ = 1, MAX_RACES do
    local task, input
    local at = {}
    task, why = store_of(context).get(context.user, args.task_id)
    if not task then
      return nil, why
    end
    why = put_moments(at, args, { "remind_at" }, function()
      return zone_of(context, task)
    end, DAY_HOUR)
    if not why then
      input, why = remind_at(task, time.parse(at.remind_at))
    end
    if not input then
      return nil, why
    end
    changed, why = store_of(context).update(context.user, args.task_id, input,
      { versions = { [task.version] = true } })
    if changed or why.status ~= 412 then
      break
    end
  end
  return changed, why
end

function run.set_reminder(context, args)
  local at, before = args.remind_at, args.minutes_before
  if (at == nil) == (before == nil) then
    return nil, problem.unprocessable("set_reminder takes exactly one of remind_at and"
      .. " minutes_before")
  end
  if at and at ~= null then
    return set_reminder_at(context, args)
  end
  return store_of(context).update(context.user, args.task_id,
    { reminder_offset_minutes = before or null })
end

function run.list_reminders(context, args)
  local at = {}
  local why = put_moments(at, args, { "after", "before" }, function()
    return zone_of(context)
  end, 0)
  if why then
    return nil, why
  end
  local from_ms = math.max(at.after and time.parse(at.after) or 0, context.now_ms)
  local page
  page, why = store_of(context).reminders(context.user, from_ms --[[@as integer]],
    at.before and time.parse(at.before), args.limit or 50)
  if not page then
    return nil, why
  end
  return { tasks = json.list(page.items), total = page.total }
end

local TOOLS = {}
for _, tool in ipairs(tool_list.tools) do
  TOOLS[tool.name] = tool
end

-- Models write null for what they leave out. Only a change takes a null where it has no meaning for
-- a fault: there it could be meant.
local function without_nulls(tool, args)
  local schema, kept = tool.input_schema, {}
  for name, value in pairs(args) do
    local property = schema.properties[name]
    if value ~= null or not property or tool.name == "update_task"
      or json_schema.takes_null(property) then
      kept[name] = value
    end
  end
  return kept
end

---The tools, in an order that stays the same.
---@type tool_list.Tool[]
toolbox.list = tool_list.tools

---@param name any
---@return boolean
function toolbox.has(name)
  return TOOLS[name] ~= nil
end

---What local times in arguments mean: what the context says, else the timezone of the user's newest
---task that has one, else UTC. A call about a task prefers the task's own to the newest one's.
---@param context {user: string, timezone: string|nil}
---@return string|nil zone
---@return Problem|nil problem
function toolbox.timezone(context)
  return zone_of(context)
end

---Runs one tool.
---@param context toolbox.Context
---@param name string
---@param args table|nil  a JSON object as json.decode gives it
---@return table|nil result  as the tool's output_schema says
---@return Problem|nil problem
function toolbox.run(context, name, args)
  local tool = TOOLS[name]
  if not tool then
    return nil, problem.not_found("There is no tool " .. json.encode(tostring(name):sub(1, 100)))
  end
  args = args or {}
  if type(args) ~= "table" or json.is_list(args) then
    return nil, problem.unprocessable("The arguments of " .. name .. " must be an object")
  end
  args = without_nulls(tool, args)
  local message = json_schema.check(tool.input_schema, args)
  if message then
    return nil, problem.unprocessable(name .. ": " .. message)
  end
  return run[name](context, args)
end

return toolbox

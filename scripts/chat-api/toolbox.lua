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
---@field timezone string|nil  IANA name: what local times mean
---@field now_ms integer

-- Times.

-- The local date and time of a text without offset; nil when it is none.
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

-- Puts the moments among the arguments into the input, as tasks.lua takes them.
local function put_moments(input, args, names, zone, default_hour)
  for _, name in ipairs(names) do
    local value = args[name]
    if type(value) == "string" then
      local ms, why = moment(zone, name, value, default_hour)
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

-- Tools: fn(context, args) -> result | nil, problem.

local run = {}

function run.add_task(context, args)
  local input = copy_of(args)
  input.timezone = args.timezone or context.timezone
  local why = check_zone(args)
    or put_moments(input, args, { "due_date" }, input.timezone or "UTC", DAY_HOUR)
  if why then
    return nil, why
  end
  return tasks.create(context.user, input)
end

local function page_of(user, query)
  local page, why = tasks.list(user, query)
  if not page then
    return nil, why
  end
  return { tasks = json.list(page.items), total = page.total, next_cursor = page.next or null }
end

function run.list_tasks(context, args)
  local query = copy_of(args)
  query.status, query.limit = args.status or "active", args.limit or 50
  query.sort, query.order = args.sort or "due_date", args.order or "asc"
  local why = put_moments(query, args, { "due_before", "due_after" }, context.timezone or "UTC", 0)
  if why then
    return nil, why
  end
  return page_of(context.user, query)
end

function run.search_tasks(context, args)
  return page_of(context.user, { search = args.query, status = args.status or "all",
    limit = args.limit or 20, cursor = args.cursor })
end

function run.get_task(context, args)
  return tasks.get(context.user, args.task_id)
end

-- What local times in a call about a task mean; nil and a problem when there is no such task.
local function zone_for(context, args)
  if type(args.timezone) == "string" or context.timezone then
    return type(args.timezone) == "string" and args.timezone or context.timezone
  end
  local task, why = tasks.get(context.user, args.task_id)
  if not task then
    return nil, why
  end
  return task.timezone ~= null and task.timezone or "UTC"
end

function run.update_task(context, args)
  local input = copy_of(args, "task_id")
  if next(input) == nil then
    return nil, problem.unprocessable("update_task needs at least one field to change")
  end
  local why = check_zone(args)
  if not why and type(args.due_date) == "string" then
    local zone
    zone, why = zone_for(context, args)
    why = why or put_moments(input, args, { "due_date" }, zone, DAY_HOUR)
  end
  if why then
    return nil, why
  end
  return tasks.update(context.user, args.task_id, input)
end

function run.complete_task(context, args)
  return tasks.complete(context.user, args.task_id)
end

function run.delete_task(context, args)
  return tasks.delete(context.user, args.task_id)
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
  local text, why
  for _ = 1, MAX_RACES do
    local task, ms, input
    task, why = tasks.get(context.user, args.task_id)
    if not task then
      return nil, why
    end
    local zone = context.timezone or task.timezone ~= null and task.timezone or "UTC"
    ms, why = moment(zone, "remind_at", args.remind_at, DAY_HOUR)
    if ms then
      input, why = remind_at(task, ms)
    end
    if not input then
      return nil, why
    end
    text, why = tasks.update_text(context.user, args.task_id, input, { version = task.version })
    if text or why.status ~= 412 then
      break
    end
  end
  return text and json.decode(text), why
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
  return tasks.update(context.user, args.task_id, { reminder_offset_minutes = before or null })
end

function run.list_reminders(context, args)
  local zone, from_ms, to_ms, why = context.timezone or "UTC", context.now_ms, nil, nil
  if args.after then
    from_ms, why = moment(zone, "after", args.after, 0)
  end
  if args.before and not why then
    to_ms, why = moment(zone, "before", args.before, 0)
  end
  if why then
    return nil, why
  end
  local page
  page, why = tasks.reminders(context.user, math.max(from_ms, context.now_ms), to_ms,
    args.limit or 50)
  if not page then
    return nil, why
  end
  return { tasks = json.list(page.items), total = page.total }
end

local TOOLS = {}
for _, tool in ipairs(tool_list) do
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
toolbox.list = tool_list

---@param name any
---@return boolean
function toolbox.has(name)
  return TOOLS[name] ~= nil
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

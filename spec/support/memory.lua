-- The parts of a chat for specs: tasks and conversations in memory, a calendar of two time zones.
local civil = require("rules.civil")
local json = require("lib.json")
local time = require("host.time")

local memory = {}

memory.NOW_MS = 1795514400000 -- Tuesday, 24 November 2026, 10:00 UTC
local ZONES = { UTC = 0, ["Europe/Berlin"] = 3600 }

memory.calendar = {
  is_zone = function(zone) return ZONES[zone] ~= nil end,
  to_local = function(ms, zone)
    local seconds = math.floor(ms / 1000) + ZONES[zone]
    local date = civil.from_days(math.floor(seconds / 86400))
    local rest = seconds % 86400
    date.hour, date.min, date.sec = math.floor(rest / 3600), math.floor(rest % 3600 / 60), rest % 60
    date.wday = civil.weekday(date)
    return date
  end,
  from_local = function(date, zone)
    local days = civil.to_days(date.year, date.month, date.day)
    return (days * 86400 + (date.hour or 0) * 3600 + (date.min or 0) * 60 + (date.sec or 0)
      - ZONES[zone]) * 1000
  end,
}

local DEFAULTS = { status = "pending", priority = "medium", repeat_from = "due_date" }
local NULLABLE = { "description", "due_date", "reminder_offset_minutes", "remind_at",
  "recurrence_rule", "parent_task_id", "timezone" }

local function copy(task)
  local result = {}
  for key, value in pairs(task) do
    result[key] = value
  end
  return result
end

local function has_tags(task, wanted)
  local seen = {}
  for _, tag in ipairs(task.tags) do
    seen[tag] = true
  end
  for _, tag in ipairs(wanted) do
    if not seen[tag] then
      return false
    end
  end
  return true
end

-- The task service, in memory and no more exact than these specs need.
function memory.tasks()
  local self = { items = {}, deleted = {}, queries = {}, next_id = 1 }

  local function find(user, id)
    for place, task in ipairs(self.items) do
      if task.id == id and task.user_id == user then
        return task, place
      end
    end
    return nil, { status = 404, detail = "Task not found" }
  end

  local function settle(task)
    local offset, due = task.reminder_offset_minutes, task.due_date
    task.remind_at = json.null
    if offset ~= json.null then
      local y, mo, d, h, mi, s = due:match("(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
      local ms = memory.calendar.from_local({ year = tonumber(y), month = tonumber(mo), day = tonumber(d),
        hour = tonumber(h), min = tonumber(mi), sec = tonumber(s) }, "UTC") - offset * 60000
      if ms < memory.NOW_MS then
        return { status = 422, detail = "the reminder would be in the past" }
      end
      local at = memory.calendar.to_local(ms, "UTC")
      task.remind_at = string.format("%04d-%02d-%02dT%02d:%02d:%02d.000Z", at.year, at.month,
        at.day,
        at.hour, at.min, at.sec)
    end
  end

  function self.create(user, input)
    if #input.title > 255 then
      return nil, { status = 422, detail = "title must be a string of 1 to 255 characters" }
    end
    local task = { id = "id-" .. self.next_id, user_id = user, tags = json.list({}), version = 1 }
    for _, name in ipairs(NULLABLE) do
      task[name] = json.null
    end
    for name, value in pairs(DEFAULTS) do
      task[name] = value
    end
    for name, value in pairs(input) do
      task[name] = value
    end
    local why = settle(task)
    if why then
      return nil, why
    end
    self.next_id = self.next_id + 1
    table.insert(self.items, task)
    return copy(task)
  end

  function self.get(user, id)
    local task, why = find(user, id)
    if not task then
      return nil, why
    end
    return copy(task)
  end

  function self.next_of(user, id)
    for _, task in ipairs(self.items) do
      if task.user_id == user and task.parent_task_id == id then
        return copy(task)
      end
    end
  end

  function self.list(user, query)
    table.insert(self.queries, query)
    local items = {}
    for _, task in ipairs(self.items) do
      local good = task.user_id == user
        and (not query.status or query.status == "all" or query.status == task.status
          or query.status == "active" and task.status ~= "completed")
        and (not query.priority or query.priority == task.priority)
        and (not query.due_before or task.due_date ~= json.null
        and task.due_date < query.due_before)
        and (not query.due_after or task.due_date ~= json.null and task.due_date >= query.due_after)
        and (not query.tags or has_tags(task, query.tags))
        and (not query.overdue or task.status ~= "completed" and task.due_date ~= json.null
        and task.due_date < "2026-11-24T10:00:00.000Z")
        and (not query.search or task.title:lower():find(query.search:lower(), 1, true))
      if good then
        items[#items + 1] = copy(task)
      end
    end
    return { items = items, total = #items }
  end

  function self.completed(user, from_ms, to_ms, limit)
    local function within(at)
      local ms = type(at) == "string" and time.parse(at)
      return ms and (not from_ms or ms >= from_ms) and (not to_ms or ms < to_ms)
    end
    local items, total = {}, 0
    for _, task in ipairs(self.items) do
      if task.user_id == user and task.status == "completed"
        and (within(task.due_date) or within(task.updated_at)) then
        total = total + 1
        items[total] = total <= limit and copy(task) or nil
      end
    end
    return { items = items, total = total }
  end

  function self.update(user, id, changes)
    local task, why = find(user, id)
    if not task then
      return nil, why
    end
    for name, value in pairs(changes) do
      task[name] = value
    end
    if task.due_date == json.null then
      task.reminder_offset_minutes = json.null
    end
    why = settle(task)
    if why then
      return nil, why
    end
    task.version, task.updated_at = task.version + 1, "2026-11-24T10:00:00.000Z"
    return copy(task)
  end

  function self.complete(user, id)
    local task, why = self.update(user, id, { status = "completed" })
    return task and { completed_task = task, next_task = json.null }, why
  end

  function self.delete(user, id)
    local task, place = find(user, id)
    if not task then
      return nil, place
    end
    self.deleted[id] = table.remove(self.items, place)
    return { deleted = true, id = id }
  end

  function self.restore(user, id)
    local task = self.deleted[id]
    if task and task.user_id == user then
      self.deleted[id] = nil
      task.version = task.version + 2
      table.insert(self.items, task)
    end
    return self.get(user, id)
  end

  return self
end

-- Conversations that go through JSON, as they do in the database.
function memory.conversations()
  local self = { states = {}, saved = {} }

  function self.open(user, id)
    if id and id ~= "conversation of " .. user then
      return nil, { status = 404, detail = "Conversation not found" }
    end
    local state = self.states[user]
    return { id = "conversation of " .. user, state = state and json.decode(state) or {} }
  end

  function self.save(user, conversation, said, answer, tools)
    if self.broken then
      return nil, { status = 503, detail = "The database is not available right now" }
    end
    self.states[user] = json.encode(conversation.state)
    table.insert(self.saved, { user = user, said = said, answer = answer, tools = tools })
    return true
  end

  return self
end

return memory

-- One change of a task and its way back, whoever made it: the tasks that are changed are reached
-- through undo_steps.watch, which notes for each change what brings back how it was.
local json = require("lib.json")

local undo_steps = {}

local null = json.null
local FIELDS = { "title", "description", "status", "priority", "due_date", "tags",
  "reminder_offset_minutes", "recurrence_rule", "timezone", "repeat_from" }

---@class undo_steps.Step  as data: it is kept as JSON
---@field what "added"|"changed"|"deleted"
---@field id string           of the task
---@field title string        as it was
---@field before table|nil  of a change: the fields that it changed, as they were
---@field completed boolean|nil  it was a completion, which may bring a next occurrence

local function same(a, b)
  if type(a) == "table" and type(b) == "table" then
    return json.encode(a) == json.encode(b)
  end
  return a == b
end

-- The fields of a task as they were, where they are not any more.
local function differences(before, after)
  local changed = {}
  for _, name in ipairs(FIELDS) do
    if not same(before[name], after[name]) then
      changed[name] = before[name]
    end
  end
  return changed
end

---The same tasks, with what undoes each change noted in steps.
---@param tasks table
---@param steps undo_steps.Step[]
---@return table
function undo_steps.watch(tasks, steps)
  local function note(step)
    steps[#steps + 1] = step
  end
  local watched = setmetatable({}, { __index = tasks })

  function watched.create(user, input)
    local task, why = tasks.create(user, input)
    if task then
      note({ what = "added", id = task.id, title = task.title })
    end
    return task, why
  end

  function watched.update(user, id, input, options)
    local before = tasks.get(user, id)
    local after, why = tasks.update(user, id, input, options)
    local changed = before and after and differences(before, after)
    if changed and next(changed) then
      note({ what = "changed", id = id, title = before.title, before = changed,
        completed = changed.status and after.status == "completed" or nil })
    end
    return after, why
  end

  function watched.complete(user, id)
    local before = tasks.get(user, id)
    local answer, why = tasks.complete(user, id)
    if before and answer and before.status ~= "completed" then
      note({ what = "changed", id = id, title = before.title, before = { status = before.status },
        completed = true })
    end
    return answer, why
  end

  function watched.delete(user, id)
    local before = tasks.get(user, id)
    local answer, why = tasks.delete(user, id)
    if before and answer then
      note({ what = "deleted", id = id, title = before.title })
    end
    return answer, why
  end

  return watched
end

local BACK = {}

function BACK.added(tasks, user, step)
  return tasks.delete(user, step.id)
end

-- The open next occurrence of a task goes; the problem where it could not.
local function remove_next(tasks, user, id)
  local following, why = tasks.next_of(user, id)
  if following and following.status ~= "completed" then
    why = select(2, tasks.delete(user, following.id))
  end
  return why and why.status ~= 404 and why or nil
end

-- A reminder that would be over by now is left out.
function BACK.changed(tasks, user, step)
  local before = step.before
  local task, why = tasks.update(user, step.id, before)
  if not task and why.status == 422 and (before.due_date or before.reminder_offset_minutes) then
    before.reminder_offset_minutes = null
    task, why = tasks.update(user, step.id, before)
  end
  local failed = task and step.completed and remove_next(tasks, user, step.id)
  if failed then
    return nil, failed
  end
  return task, why
end

function BACK.deleted(tasks, user, step)
  return tasks.restore(user, step.id)
end

---What takes a step back, as tools call it.
undo_steps.TOOLS = { added = "delete_task", changed = "update_task", deleted = "restore_task" }

---Takes a step back.
---@param tasks table  not watched
---@param user string
---@param step undo_steps.Step
---@return table|nil result   the task, or of one that was added {deleted, id}
---@return Problem|nil problem  404: it is not there any more
---@return boolean|nil later      with a problem: another try may do it
function undo_steps.take_back(tasks, user, step)
  local result, why = BACK[step.what](tasks, user, step)
  return result, why, why and why.status >= 500
end

return undo_steps

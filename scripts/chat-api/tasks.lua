-- Every change of a user's tasks. It is decided from the task as it was read (task_reads), and
-- written by one statement that is guarded by its version (task_store); when another was faster it
-- is decided anew. REST, chat and the events of a series all come through here.
-- Expected failure is nil and a problem (lib/problem.lua).
local crypto = require("host.crypto")
local db = require("host.db")
local failpoint = require("lib.failpoint")
local json = require("lib.json")
local live = require("chat-api.live")
local problem = require("lib.problem")
local rules = require("lib.rules")
local store = require("lib.store")
local task_events = require("chat-api.task_events")
local task_fields = require("chat-api.task_fields")
local task_reads = require("chat-api.task_reads")
local task_store = require("chat-api.task_store")
local time = require("host.time")
local uuid = require("lib.uuid")

local tasks = {}

-- Chat and tools are handed one table of all that they may do with tasks.
tasks.get, tasks.list, tasks.next_of = task_reads.get, task_reads.list, task_reads.next_of
tasks.reminders, tasks.usual_timezone = task_reads.reminders, task_reads.usual_timezone
tasks.completed = task_reads.completed

-- How often a change is decided anew because another one came between.
local MAX_RACES = 10
-- How long a completion waits for the next occurrence, and how often it looks by itself.
local CHILD_WAIT_MS, CHILD_POLL_MS = 500, 50

local FORGET_ANSWERS = "DELETE FROM chat.idempotency WHERE created_at < now() - interval '48 hours'"

---@type outbox.Relay
local relay

---@param running outbox.Relay
---@param jobs {wake: fun()}  of lib/jobs.lua
function tasks.use_relay(running, jobs)
  relay = running
  task_store.on_commit(function(id, has_job)
    failpoint.hit("after_commit")
    relay.wake(id)
    if has_job then
      jobs.wake()
    end
  end)
end

-- Events that cannot be published are kept, but not without end.
local function refuse_when_full()
  if relay and relay.full() then
    return problem.unavailable("Too many events wait to be published; nothing was changed", 5)
  end
end

-- The answer that an earlier request with this key got. `missing`: the problem when there is none.
local function first_answer(user, key, hash, missing)
  local rows, err = task_store.find_answer(user, key)
  if not rows then
    return nil, store.problem(err)
  end
  if not rows[1] then
    return nil, missing
  end
  if rows[1].request_hash ~= hash then
    return nil, problem.unprocessable("This Idempotency-Key was used with another body")
  end
  return rows[1].body
end

---@return string|nil text
---@return Problem|nil problem
local function create_once(task, change, options)
  local hash = crypto.hex(crypto.sha256(options.body))
  ---@type host.db.Rows|nil, any
  local rows, err
  for _ = 1, 2 do
    -- With the key it is safe to send again what may or may not have been done.
    rows, err = task_store.insert_once(task, change, options.key, hash)
    if rows or err.code ~= "unknown" then
      break
    end
  end
  if not rows then
    return nil, store.problem(err)
  end
  if rows.affected > 0 then
    return change.text
  end
  return first_answer(task.user_id, options.key, hash,
    problem.conflict("The Idempotency-Key has just been forgotten; send it again"))
end

-- What cannot be made now may have been made by an earlier try: a reminder can become too late
-- between the two.
local function refuse_create(user, why, options)
  if not options.key then
    return nil, why
  end
  return first_answer(user, options.key, crypto.hex(crypto.sha256(options.body)), why)
end

-- The new task as the rules want it; or why they refuse it.
local function create_by_rules(user, input, now_ms, may_be_past)
  local task, message = task_fields.create(user, input, now_ms, may_be_past)
  if not task then
    return nil, message
  end
  local decision = rules.call("task.create", task_fields.for_rules(task), task_fields.said(input))
  if decision.refused then
    return nil, decision.refused
  end
  task_fields.fill_in(task, input, decision, now_ms)
  return task
end

---@class tasks.Options
---@field key string|nil          an Idempotency-Key
---@field body string|nil         the raw request, compared when the key comes again

---Creates a task.
---@param user string
---@param input table  the client's JSON object
---@param options tasks.Options|nil
---@return string|nil text  the task as JSON
---@return Problem|nil problem
---@return_overload string, nil
---@return_overload nil, Problem
function tasks.create_text(user, input, options)
  options = options or {}
  local now_ms = time.now_ms()
  local task, message = create_by_rules(user, input, now_ms)
  local full = task and refuse_when_full()
  if not task or full then
    return refuse_create(user, full or problem.unprocessable(message), options)
  end
  local change = task_events.make("task.created", task, nil, now_ms)
  if options.key then
    return create_once(task, change, options)
  end
  local rows, err = task_store.insert(task, change)
  if not rows then
    return nil, store.problem(err)
  end
  return change.text
end

---The same for callers that want the task as a table, with the keys of the contract.
---@param user string
---@param input table
---@return table|nil task
---@return Problem|nil problem
---@return_overload table, nil
---@return_overload nil, Problem
function tasks.create(user, input)
  local text, why = tasks.create_text(user, input)
  if not text then
    return nil, why
  end
  return (json.decode(text))
end

---@class tasks.ChangeOptions
---@field versions table<integer, true>|nil  only where the task's version is one of them

-- Reads the task and lets `apply` change it, again where another was faster.
-- apply(task) -> text, nil, after | nil, problem | nothing: another was faster
local function change_task(user, id, versions, apply)
  local full = refuse_when_full()
  if full then
    return nil, full
  end
  for _ = 1, MAX_RACES do
    local task, why = task_reads.find(user, id)
    if not task then
      return nil, why
    end
    if versions and not versions[task.version] then
      return nil, problem.precondition_failed("The task has been changed since: its version is "
        .. task.version)
    end
    local text, failed, after = apply(task)
    if text or failed then
      return text, failed, after
    end
  end
  return nil, problem.unavailable("The task is being changed by many at once", 1)
end

local function event_type_of(before, after)
  if after.status == "completed" and before.status ~= "completed" then
    return "task.completed"
  end
  return "task.updated"
end

-- Why the rules do not take a change, where they are asked: a status needs no rule.
local function refusal(after, changed)
  local said = {}
  for _, name in ipairs(changed) do
    said[name] = true
  end
  said = task_fields.said(said)
  return next(said) and rules.call("task.update", task_fields.for_rules(after), said).refused
end

-- Gives the task as JSON and as a table, and whether anything changed.
local function update(user, id, input, options)
  local changed_any = false
  local text, why, task = change_task(user, id, options.versions, function(before)
    local now_ms = time.now_ms()
    local after, changed = task_fields.update(before, input, now_ms)
    if not after and type(changed) == "string" then
      return nil, problem.unprocessable(changed)
    end
    if not after then
      return task_fields.encode(before), nil, before
    end
    local refused = refusal(after, changed)
    if refused then
      return nil, problem.unprocessable(refused)
    end
    ---@cast changed string[]
    local change = task_events.make(event_type_of(before, after), after, changed, now_ms)
    local rows, err = task_store.update(before, after, change)
    if not rows then
      return nil, store.problem(err)
    end
    if rows.affected > 0 then
      changed_any = true
      return change.text, nil, after
    end
  end)
  return text, why, task, changed_any
end

---Changes what the input names; null clears. Setting the status to completed is a completion.
---@param user string
---@param id string
---@param input table
---@param options tasks.ChangeOptions|nil
---@return string|nil text  the task as JSON, as it is now
---@return Problem|nil problem
---@return integer|nil version
---@return_overload string, nil, integer
---@return_overload nil, Problem
function tasks.update_text(user, id, input, options)
  local text, why, task = update(user, id, input, options or {})
  return text, why, task and task.version
end

---@param user string
---@param id string
---@param input table
---@param options tasks.ChangeOptions|nil
---@return table|nil task
---@return Problem|nil problem
---@return_overload table, nil
---@return_overload nil, Problem
function tasks.update(user, id, input, options)
  local text, why = tasks.update_text(user, id, input, options)
  if not text then
    return nil, why
  end
  return (json.decode(text))
end

---@param user string
---@param id string
---@param options tasks.ChangeOptions|nil
---@return table|nil answer  {deleted = true, id = …}
---@return Problem|nil problem
---@return_overload table, nil
---@return_overload nil, Problem
function tasks.delete(user, id, options)
  options = options or {}
  local text, why = change_task(user, id, options.versions, function(task)
    local now_ms = time.now_ms()
    local change = task_events.make("task.deleted", task, nil, now_ms)
    local rows, err = task_store.delete(task, change)
    if not rows then
      return nil, store.problem(err)
    end
    if rows.affected > 0 then
      return task.id
    end
  end)
  if not text then
    return nil, why
  end
  return { deleted = true, id = text }
end

---Brings a deleted task back as it was, under its id. One that is there stays as it is.
---@param user string
---@param id string
---@return string|nil text  the task as JSON, as it is now
---@return Problem|nil problem
---@return integer|nil version
---@return_overload string, nil, integer
---@return_overload nil, Problem
function tasks.restore_text(user, id)
  local full = refuse_when_full()
  if full then
    return nil, full
  elseif not uuid.is(id) then
    return task_reads.get_text(user, id)
  end
  local rows, err = task_store.find_deleted(user, id)
  if not rows then
    return nil, store.problem(err)
  elseif not rows[1] then
    return task_reads.get_text(user, id)
  end
  local task, now_ms = task_fields.from_row(rows[1]), time.now_ms()
  task.version, task.updated_at = task.version + 2, now_ms -- one is that of its deletion
  local change = task_events.make("task.created", task, nil, now_ms)
  rows, err = task_store.restore(task, change)
  if not rows then
    return nil, store.problem(err)
  elseif rows.affected == 0 then
    return task_reads.get_text(user, id)
  end
  return change.text, nil, task.version
end

---@param user string
---@param id string
---@return table|nil task
---@return Problem|nil problem
---@return_overload table, nil
---@return_overload nil, Problem
function tasks.restore(user, id)
  local text, why = tasks.restore_text(user, id)
  if not text then
    return nil, why
  end
  return (json.decode(text))
end

-- The next occurrence comes by way of the broker; the answer waits a little for it. A worker of
-- this process that makes it says so; one of another is found by looking again.
local function child_text(user, id, wait_ms)
  local ends_ms = time.monotonic_ms() + wait_ms
  local made = live.expect(id)
  while true do
    local child, why = task_reads.next_of(user, id)
    local left_ms = ends_ms - time.monotonic_ms()
    if child or why or left_ms < 1 then
      live.forget(id, made)
      return child and task_fields.encode(child) or not why and "null" or nil
    end
    made:wait(math.ceil(math.min(left_ms, CHILD_POLL_MS)))
  end
end

local function has_next(task, now_ms)
  return task.recurrence_rule ~= nil and rules.call("recurrence.next",
    { recurrence_rule = task.recurrence_rule, due_date = task.due_date, timezone = task.timezone,
      repeat_from = task.repeat_from }, now_ms).recurrence_rule ~= nil
end

---Completes a task; a second time changes nothing. Waits at most half a second for the next
---occurrence, where there will be one.
---@param user string
---@param id string
---@param options tasks.ChangeOptions|nil
---@return string|nil text  {"completed_task": Task, "next_task": Task or null}
---@return Problem|nil problem
---@return_overload string, nil
---@return_overload nil, Problem
function tasks.complete_text(user, id, options)
  local text, why, task, changed = update(user, id, { status = "completed" }, options or {})
  if not text then
    return nil, why
  end
  local child = "null"
  if has_next(task, task.updated_at) then
    child = child_text(user, task.id, changed and CHILD_WAIT_MS or 0)
  end
  -- The completion is done, whatever became of the look for the next one.
  return '{"completed_task":' .. text .. ',"next_task":' .. (child or "null") .. "}"
end

---@param user string
---@param id string
---@return table|nil answer  {completed_task, next_task}
---@return Problem|nil problem
---@return_overload table, nil
---@return_overload nil, Problem
function tasks.complete(user, id)
  local text, why = tasks.complete_text(user, id)
  if not text then
    return nil, why
  end
  return (json.decode(text))
end

---Makes the next occurrence of a completed task: once, and only for the user of that task.
---@param user string
---@param parent string  id of the completed task
---@param id string      of the next one
---@param input table
---@param options {event_id: string}
---@return boolean|nil made     false: it is there already
---@return string|table|nil     why it can never be made, or a problem
function tasks.create_next(user, parent, id, input, options)
  local now_ms = time.now_ms()
  local task, message = task_fields.create(user, input, now_ms, true)
  if not task then
    return nil, message
  end
  task.id, task.parent_task_id = id, parent
  local change = task_events.make("task.created", task, nil, now_ms)
  local rows, err = task_store.insert_next(task, change, options.event_id)
  if not rows then
    return nil, store.problem(err)
  end
  if rows.affected > 0 then
    return true
  end
  rows, err = task_store.find_parent(user, parent)
  if not rows then
    return nil, store.problem(err)
  end
  if not rows[1] then
    return nil, "the user has no such task"
  end
  return false
end

---Makes a task of what another program kept, once per UID: a reminder may lie in the past.
---@param user string
---@param input table
---@param uid_hash string
---@return boolean|nil made  false: the user has it
---@return table|nil problem
function tasks.import(user, input, uid_hash)
  local full = refuse_when_full()
  if full then
    return nil, full
  end
  local now_ms = time.now_ms()
  local task, message = create_by_rules(user, input, now_ms, true)
  if not task then
    return nil, problem.unprocessable(message)
  end
  local change = task_events.make("task.created", task, nil, now_ms)
  local rows, err = task_store.insert_imported(task, change, uid_hash)
  if not rows then
    return nil, store.problem(err)
  end
  return rows.affected > 0
end

---Forgets answers to keyed requests after two days.
function tasks.forget_answers()
  db.execute(FORGET_ANSWERS)
end

return tasks

-- POST /api/import/calendar: the VTODOs of an iCalendar file become tasks, each once however often
-- the file comes. What cannot be taken is told, with its reason, and keeps nothing else back.
local calendar = require("host.calendar")
local crypto = require("host.crypto")
local db = require("host.db")
local fiber = require("host.fiber")
local ical = require("lib.ical")
local ical_import = require("chat-api.ical_import")
local ical_zone = require("chat-api.ical_zone")
local json = require("lib.json")
local limit = require("lib.limit")
local problem = require("lib.problem")
local store = require("lib.store")
local task_store = require("chat-api.task_store")
local tasks = require("chat-api.tasks")
local time = require("host.time")
local uuid = require("lib.uuid")

local calendar_import = {}

local MAX_TASKS, MAX_TOLD = 1000, 500
local READ_AT_ONCE, MAKE_AT_ONCE = 100, 8
-- Files a user may send, per worker: each is as much work as many requests.
local PER_SECOND, BURST = 0.5, 30

local KINDS = { VEVENT = "it is an event, not a task", VJOURNAL = "it is a note, not a task",
  VFREEBUSY = "it is no task" }
local HERE = "it is here already"

-- UIDs that the user has tasks of: imported ones, and those of their own feed.
local FIND = "SELECT uid_hash AS key FROM chat.calendar_import WHERE user_id = $1"
  .. " AND uid_hash = ANY($2::text[])"
  .. " UNION ALL SELECT id::text FROM chat.task WHERE user_id = $1 AND id = ANY($3::uuid[])"

local imports = limit.new(PER_SECOND, BURST)

-- What the answer tells, bounded, whatever the file holds.
local Told = {}
Told.__index = Told

function Told:add(title, reason)
  self.count = self.count + 1
  if self.count <= MAX_TOLD then
    self.list[self.count] = { title = title, reason = reason }
  end
end

function Told:answer()
  if self.count > MAX_TOLD then
    self.list[MAX_TOLD + 1] = { title = "", reason = self.count - MAX_TOLD .. " more" }
  end
  return json.list(self.list)
end

-- Others' turn.
local function pause()
  fiber.sleep(1)
end

local function told()
  return setmetatable({ list = {}, count = 0 }, Told)
end

-- The zone of times that name none: what the calendar says, what the request says, or UTC.
local function context_of(root, asked)
  local property = ical.first(root, "X-WR-TIMEZONE")
  local zone = property and ical_zone.resolve(property.value, {}) or asked
  local context = { zone = zone or "UTC", zone_is_known = zone ~= nil, definitions = {} }
  for _, component in ipairs(root.components) do
    local tzid = component.name == "VTIMEZONE" and ical.first(component, "TZID")
    if tzid then
      context.definitions[tzid.value] = component
    end
  end
  return context
end

---@class calendar_import.Item
---@field title string
---@field input table
---@field left_out string[]
---@field key string      SHA-256 of the UID
---@field own string|nil  the UID, where it may be the id of a task

-- The VTODOs that can be taken; what cannot goes to `skipped`.
local function read_items(roots, asked, skipped)
  local items, seen = {}, {}
  for _, root in ipairs(roots) do
    local context = context_of(root, asked)
    for i, component in ipairs(root.components) do
      if i % READ_AT_ONCE == 0 then
        pause()
      end
      if component.name == "VTODO" then
        local input, why = ical_import.task(component, context)
        local uid = ical_import.uid(component)
        if not input then
          skipped:add(ical_import.title(component), why)
        elseif seen[uid] then
          skipped:add(input.title, "it is in the file twice")
        else
          seen[uid] = true
          items[#items + 1] = { title = input.title, input = input, left_out = why,
            key = crypto.hex(crypto.sha256(uid)), own = uuid.is(uid) and uid:lower() or nil }
        end
      elseif component.name ~= "VTIMEZONE" then
        skipped:add(ical_import.title(component), KINDS[component.name] or "it is no task")
      end
    end
  end
  return items
end

-- Those that the user has no task of.
---@return calendar_import.Item[]|nil new
---@return Problem|nil why
---@return_overload calendar_import.Item[], nil
---@return_overload nil, Problem
local function without_known(user, items, skipped)
  local keys, ids, known = {}, {}, {}
  for i, item in ipairs(items) do
    keys[i] = item.key
    ids[#ids + 1] = item.own
  end
  local rows, err = task_store.forget_imported(user, json.list(keys))
  if not rows then
    return nil, store.problem(err)
  end
  local found, failure = db.query(FIND, user, json.list(keys), json.list(ids))
  if not found then
    return nil, store.problem(failure)
  end
  for _, row in ipairs(found) do
    known[row.key] = true
  end
  local new = {}
  for _, item in ipairs(items) do
    if known[item.key] or item.own and known[item.own] then
      skipped:add(item.title, HERE)
    else
      new[#new + 1] = item
    end
  end
  return new
end

local function unique(list)
  local seen, kept = {}, {}
  for _, value in ipairs(list) do
    kept[#kept + 1] = not seen[value] and value or nil
    seen[value] = true
  end
  return kept
end

-- Makes the tasks, some at a time. A problem of the system ends it; what is made stays made, and
-- the same file goes on from there.
local function make(user, items, skipped, adjusted)
  local created, next_item, failed = 0, 1, nil
  local function work()
    while next_item <= #items and not failed do
      local item = items[next_item]
      next_item = next_item + 1
      local made, why = tasks.import(user, item.input, item.key)
      if made then
        created = created + 1
        if item.left_out[1] then
          adjusted:add(item.title, "left out: " .. table.concat(unique(item.left_out), ", "))
        end
      elseif made == false then
        skipped:add(item.title, HERE)
      elseif why.status == 422 then
        skipped:add(item.title, why.detail)
      else
        failed = why
      end
    end
    return true
  end
  local workers = {}
  for i = 1, math.min(MAKE_AT_ONCE, #items) do
    workers[i] = work
  end
  if workers[1] then
    fiber.all(workers)
  end
  return created, failed
end

local function count_tasks(roots)
  local count = 0
  for _, root in ipairs(roots) do
    for _, component in ipairs(root.components) do
      count = count + (component.name == "VTODO" and 1 or 0)
    end
  end
  return count
end

---@return calendar_import.Item[]|nil items
---@return Problem|nil why
---@return table|nil skipped
---@return_overload calendar_import.Item[], nil, table
---@return_overload nil, Problem, nil
local function read_file(request)
  local asked = request.args.timezone
  if asked and not (#asked <= 64 and calendar.is_zone(asked)) then
    return nil, problem.unprocessable("timezone must be an IANA name such as Europe/Berlin")
  end
  local roots, message = ical.parse(request.body, pause)
  if not roots then
    return nil, problem.unprocessable("The file is not a calendar that can be read: " .. message)
  end
  local count = count_tasks(roots)
  if count > MAX_TASKS then
    return nil, problem.unprocessable("The file holds " .. count .. " tasks; at most " .. MAX_TASKS
      .. " are taken from one file")
  end
  local skipped = told()
  return read_items(roots, asked, skipped), nil, skipped
end

---@param request service.Request
---@return integer, any, table|nil
function calendar_import.post(request)
  local allowed, wait = imports:take(request.user, time.monotonic_ms())
  if not allowed then
    return problem.reply(problem.too_many(wait))
  end
  local items, why, skipped = read_file(request)
  if not items then
    return problem.reply(why)
  end
  local new
  new, why = without_known(request.user, items, skipped)
  if not new then
    return problem.reply(why --[[@as Problem]])
  end
  local adjusted = told()
  local created
  created, why = make(request.user, new, skipped, adjusted)
  if why then
    return problem.reply(why)
  end
  return 200, { created = created, skipped = skipped:answer(), adjusted = adjusted:answer() }
end

return calendar_import

-- What a task of a user becomes before it is stored.
--
-- May decide: what a new task gets that its user did not say (create), and which tasks are refused
-- (create, update). Only what the user left out can be filled in, and a limit can only be narrower
-- than the service's own (255 characters, 20 tags). The next occurrences of a series are not asked
-- about.
--
--   create(task.Task, task.Said) -> task.Decision
--   update(task.Task, task.Said) -> task.Decision  only `refused` counts
--
-- As shipped it changes nothing. An operator's usual changes are the tables at the top. Examples:
-- task.examples.json.
local task = {}

-- Characters and tags that a task may have; nil: as many as the service takes.
local LIMITS = {
  title = nil,       -- 80
  description = nil, -- 500
  tags = nil,        -- 5
}

-- The priority of a new task without one; nil: medium.
local PRIORITY = nil -- "low"

-- Minutes before its due date that a new task with one is reminded of, where no reminder was set;
-- nil: none. A reminder whose time has passed already is not set.
local REMINDER = nil -- 30

-- Words of the title (lower case) and the tag that they add to a new task, such as
--   invoice = "finance", dentist = "health"
local TAGS = {}

-- Words of the title and the priority of a new task without one, such as
--   urgent = "high", someday = "low"
local PRIORITIES = {}

local MAX_TAGS = 20 -- that any task may have

---@class task.Task
---@field title string
---@field description string|nil
---@field priority "low"|"medium"|"high"
---@field tags string[]
---@field due_ms integer|nil
---@field reminder_offset_minutes integer|nil
---@field recurrence_rule string|nil
---@field timezone string|nil

---@class task.Said
---@field title boolean|nil        true for each field that the user set or changes
---@field description boolean|nil
---@field priority boolean|nil
---@field tags boolean|nil
---@field due_date boolean|nil
---@field reminder_offset_minutes boolean|nil
---@field recurrence_rule boolean|nil
---@field timezone boolean|nil

---@class task.Decision
---@field refused string|nil       why the task is not taken; the user reads it
---@field priority string|nil      where the user said none
---@field reminder_offset_minutes integer|nil  the same
---@field add_tags string[]|nil    beside the user's own

-- The words of a title, each once, in their order.
local function words_of(title)
  local list, seen = {}, {}
  for word in title:lower():gmatch("[%w\128-\255]+") do
    if not seen[word] then
      seen[word] = true
      list[#list + 1] = word
    end
  end
  return list
end

-- Characters of UTF-8 text.
local function length(text)
  local _, count = text:gsub("[^\128-\191]", "")
  return count
end

-- An old task that is over a limit may still be changed in everything else.
local function refusal(wanted, said)
  for _, name in ipairs({ "title", "description" }) do
    if said[name] and LIMITS[name] and wanted[name] and length(wanted[name]) > LIMITS[name] then
      return name .. " must be a string of at most " .. LIMITS[name] .. " characters"
    end
  end
  if said.tags and LIMITS.tags and #wanted.tags > LIMITS.tags then
    return "tags must be a list of at most " .. LIMITS.tags .. " strings"
  end
end

---@param wanted task.Task  as the user asked for it, checked, with the service's defaults
---@param said task.Said
---@return task.Decision
function task.create(wanted, said)
  local refused = refusal(wanted, said)
  if refused then
    return { refused = refused }
  end
  local decision = { add_tags = {} }
  if not said.priority then
    decision.priority = PRIORITY
  end
  local has = {}
  for _, tag in ipairs(wanted.tags) do
    has[tag] = true
  end
  for _, word in ipairs(words_of(wanted.title)) do
    local tag, priority = TAGS[word], PRIORITIES[word]
    if tag and not has[tag] and #wanted.tags + #decision.add_tags < (LIMITS.tags or MAX_TAGS) then
      has[tag] = true
      explain("the word %s adds the tag %s", word, tag)
      table.insert(decision.add_tags, tag)
    end
    if priority and not said.priority then
      explain("the word %s makes the priority %s", word, priority)
      decision.priority = priority
    end
  end
  if REMINDER and wanted.due_ms and not said.reminder_offset_minutes then
    explain("a task with a due date is reminded of %d minutes before", REMINDER)
    decision.reminder_offset_minutes = REMINDER
  end
  return decision
end

---@param wanted task.Task  as it would be
---@param said task.Said    what the user changes
---@return task.Decision
function task.update(wanted, said)
  return { refused = refusal(wanted, said) }
end

return task

-- What the audit log keeps of an event.
--
-- May decide: whether it is recorded at all, and which fields of its task are hidden or left out.
-- The service does it: before the event is stored, so what was hidden is nowhere in the log. Fields
-- that the log stands on (id, user_id, version, status) are always kept.
--
--   keep(audit.Event) -> audit.Decision
--
-- As shipped everything is kept. An operator's usual changes are the tables at the top. Examples:
-- audit.examples.json.
local audit = {}

-- Events that are not recorded, such as ["task.updated"] = true.
local SKIPPED = {}

-- Fields whose value is replaced by "[hidden]" (null, where it is no text), such as title = true.
local HIDDEN = {}

-- Fields that are left out, such as description = true.
local DROPPED = {}

-- Tags whose tasks keep nothing that a person wrote, such as private = true.
local PRIVATE_TAGS = {}
local WRITTEN = { "title", "description", "tags" }

---@class audit.Event
---@field event_type "task.created"|"task.updated"|"task.completed"|"task.deleted"
---@field user_id string
---@field title string|nil
---@field tags string[]

---@class audit.Decision
---@field keep boolean
---@field hide string[]  names of fields of the task
---@field drop string[]

local function names(set)
  local list = {}
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

---@param event audit.Event
---@return audit.Decision
function audit.keep(event)
  local hidden = {}
  for name in pairs(HIDDEN) do
    hidden[name] = true
  end
  for _, tag in ipairs(event.tags) do
    if PRIVATE_TAGS[tag] then
      explain("the tag %s is private: what was written is hidden", tag)
    end
    for _, name in ipairs(PRIVATE_TAGS[tag] and WRITTEN or {}) do
      hidden[name] = true
    end
  end
  if SKIPPED[event.event_type] then
    explain("%s is not recorded", event.event_type)
  end
  return { keep = not SKIPPED[event.event_type], hide = names(hidden), drop = names(DROPPED) }
end

return audit

-- The tool `undo` of MCP clients. They keep no conversation, so what their calls change is noted
-- for the user (undo_log), and undo takes back the last of it. The chat has an undo of its own.
local json = require("lib.json")
local json_schema = require("lib.json_schema")
local problem = require("lib.problem")
local tasks = require("chat-api.tasks")
local tool_list = require("chat-api.tool_list")
local undo_log = require("chat-api.undo_log")
local undo_steps = require("chat-api.undo_steps")

local mcp_undo = {}

local null = json.null

local SAID = {
  added = 'Taken back: "%s" is off the list again.',
  changed = 'Taken back: "%s" is as it was before it was changed.',
  deleted = 'Taken back: "%s", which was deleted, is on the list again.',
}

---Tasks for one call of a tool, and what keeps the way back once it has run.
---@param user string
---@return table tasks
---@return fun() keep
function mcp_undo.watch(user)
  local steps = {}
  return undo_steps.watch(tasks, steps), function()
    undo_log.add(user, steps)
  end
end

---Takes back the user's last change.
---@param user string
---@param args table|nil
---@return table|nil result
---@return Problem|nil problem
function mcp_undo.run(user, args)
  local message = json_schema.check(tool_list.undo.input_schema, args or {})
  if message then
    return nil, problem.unprocessable("undo: " .. message)
  end
  local entry, why = undo_log.take(user)
  if not entry then
    return nil, why or problem.not_found("There is nothing to undo")
  end
  local step = entry.step
  local result, failed, later = undo_steps.take_back(tasks, user, step)
  if result then
    return { message = SAID[step.what]:format(step.title), change = step.what, title = step.title,
      task = step.what ~= "added" and result or null }
  elseif later then
    undo_log.give_back(user, entry)
    return nil, failed
  end
  local title = json.encode(step.title)
  local said = failed.status == 404
    and title .. " is not there any more, so the last change cannot be undone"
    or "The change of " .. title .. " cannot be undone: " .. failed.detail
  return nil, problem.new(failed.status, said .. "; call undo again for the one before")
end

return mcp_undo

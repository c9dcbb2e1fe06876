-- The HTTP side of chat-api: what a request asks for, and how the answer looks.
local conversation_routes = require("chat-api.conversation_routes")
local dapr = require("lib.dapr")
local entity_tag = require("lib.entity_tag")
local json = require("lib.json")
local log = require("host.log")
local problem = require("lib.problem")
local task_reads = require("chat-api.task_reads")
local tasks = require("chat-api.tasks")
local url = require("lib.url")

local routes = {}

local function etag(version)
  return '"' .. version .. '"'
end

-- If-Match names the versions that a client would change: "3", or a list, or * for any. A weak tag
-- never matches, by the strong comparison that If-Match asks for.
---@return {versions: table<integer, true>|nil}|nil options
---@return Problem|nil why
---@return_overload {versions: table<integer, true>|nil}, nil
---@return_overload nil, Problem
local function change_options(request)
  local header = request.headers["if-match"]
  if not header or header == "*" then
    return {}
  end
  local tags = entity_tag.parse(header)
  if not tags then
    return nil, problem.precondition_failed("If-Match must be ETags that this server gave")
  end
  local versions = {}
  for _, known in ipairs(tags) do
    local version = not known.weak and known.tag:match('^"([1-9]%d*)"$')
    if version then
      versions[tonumber(version)] = true
    end
  end
  return { versions = versions }
end

local function idempotency_key(request)
  local key = request.headers["idempotency-key"]
  if key and (#key < 1 or #key > 255 or key:find("[^\32-\126]")) then
    return nil, problem.unprocessable("Idempotency-Key must be 1 to 255 printable characters")
  end
  return key
end

function routes.list_tasks(request)
  local page, why = task_reads.page(request.user, request.args)
  if not page then
    return problem.reply(why)
  end
  local headers = { ["X-Total-Count"] = string.format("%d", page.total) }
  if page.next then
    local args = { cursor = page.next }
    for name, value in pairs(request.args) do
      args[name] = args[name] or value
    end
    headers.Link = "</api/tasks?" .. url.build_query(args) .. '>; rel="next"'
  end
  return 200, "[" .. table.concat(page.items, ",") .. "]", headers
end

function routes.create_task(request)
  local key, why = idempotency_key(request)
  if why then
    return problem.reply(why)
  end
  local text
  text, why = tasks.create_text(request.user, request.json,
    { key = key, body = request.body })
  if not text then
    return problem.reply(why)
  end
  return 201, text, { ETag = etag(1), Location = "/api/tasks/" .. text:sub(8, 43) }
end

function routes.get_task(request)
  local text, why, version = task_reads.get_text(request.user, request.params.id)
  if not text then
    return problem.reply(why)
  end
  if entity_tag.matches(request.headers["if-none-match"], etag(version)) then
    return 304, "", { ETag = etag(version) }
  end
  return 200, text, { ETag = etag(version) }
end

function routes.update_task(request)
  local options, why = change_options(request)
  if not options then
    return problem.reply(why)
  end
  local text, failed, version = tasks.update_text(request.user, request.params.id, request.json,
    options)
  if not text then
    return problem.reply(failed)
  end
  return 200, text, { ETag = etag(version) }
end

function routes.delete_task(request)
  local options, why = change_options(request)
  if not options then
    return problem.reply(why)
  end
  local answer, failed = tasks.delete(request.user, request.params.id, options)
  if not answer then
    return problem.reply(failed)
  end
  return 200, answer
end

function routes.restore_task(request)
  local text, why, version = tasks.restore_text(request.user, request.params.id)
  if not text then
    return problem.reply(why)
  end
  return 200, text, { ETag = etag(version) }
end

function routes.complete_task(request)
  local options, why = change_options(request)
  if not options then
    return problem.reply(why)
  end
  local text, failed = tasks.complete_text(request.user, request.params.id, options)
  if not text then
    return problem.reply(failed)
  end
  return 200, text
end

---The audit entries of a task, also of one that was deleted.
function routes.history(request)
  local id = request.params.id
  local args = { task_id = id, limit = request.args.limit or "1000", cursor = request.args.cursor }
  local reply, err = dapr.invoke("audit-service", "GET", "/api/v1/audit-log?"
    .. url.build_query(args), { headers = { Authorization = request.headers.authorization } })
  if not reply or reply.status >= 500 then
    log.warn("the history of a task cannot be had", { error = err and err.message
      or "audit-service answered " .. reply.status })
    return problem.reply(problem.unavailable("The history is not available right now", 2))
  end
  local answer = json.decode(reply.body)
  if reply.status == 200 and answer.total > 0 then
    return 200, reply.body
  end
  local _, why = task_reads.get(request.user, id)
  if why then
    return problem.reply(why)
  end
  if reply.status ~= 200 then
    return problem.reply(problem.unprocessable(answer.detail))
  end
  return 200, reply.body
end

---For other services, by invocation: what they may know of a task.
function routes.brief(request)
  local user = request.args.user_id
  if not user then
    return problem.reply(problem.unprocessable("user_id is needed"))
  end
  local answer, why = task_reads.brief(user, request.params.id)
  if not answer then
    return problem.reply(why)
  end
  return 200, answer
end

routes.chat = conversation_routes.chat
routes.chat_history = conversation_routes.history

return routes

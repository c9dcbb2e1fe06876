-- Going back to rules that were live before: the route of the inner port, and the commands that ask
-- it, `todo-host rules history` and `rules rollback`, of the services on this machine.
local config = require("host.config")
local fiber = require("host.fiber")
local http = require("host.http")
local json = require("lib.json")
local metrics = require("host.metrics")
local problem = require("lib.problem")
local revision = require("host.revision")
local time = require("host.time")
local worker = require("host.worker")

local rule_rollback = {}

local LOOK_MS, PATIENCE_MS = 20, 25000
local SHORT = 12

local rollbacks

---POST /rules/rollback: {"revision": …, "from": …}, both optional. `from` is what is live: so a
---second call for the same process changes nothing.
---@param request service.Request
---@return integer, any, table|nil
function rule_rollback.handle(request)
  local wanted = request.json or {}
  for name, value in pairs(wanted) do
    if name ~= "revision" and name ~= "from" or type(value) ~= "string" then
      return problem.reply(problem.unprocessable(name .. " must be revision or from, a string"))
    end
  end
  if wanted.from and wanted.from ~= revision.status("rules").revision then
    return problem.reply(problem.conflict("revision " .. wanted.from .. " is not live"))
  end
  local under_way, message = revision.roll_back(wanted.revision)
  local until_ms = time.monotonic_ms() + PATIENCE_MS
  while under_way and time.monotonic_ms() < until_ms do
    fiber.sleep(LOOK_MS)
    under_way, message = revision.is_rolling_back()
  end
  if under_way then
    return problem.reply(problem.unavailable("The workers have not answered yet", 5))
  elseif message then
    return problem.reply(problem.conflict(message))
  end
  rollbacks = rollbacks or metrics.counter("rules_rollbacks_total",
    "Times that an operator brought the rules before back.", {})
  rollbacks:add(1)
  return 200, { revision = revision.status("rules").revision }
end

local function hint_at_token()
  return config.get("APP_API_TOKEN") and "APP_API_TOKEN is not as the service has it"
    or "set APP_API_TOKEN as the service has it"
end

local function call(port, method, path, body)
  local reply, err = http.request({ method = method, url = "http://127.0.0.1:" .. port .. path,
    headers = { ["dapr-api-token"] = config.get("APP_API_TOKEN"),
      ["Content-Type"] = body and "application/json" or nil },
    body = body and json.encode(body), timeout_ms = PATIENCE_MS })
  if not reply then
    return nil, err.message, err.code == "unreachable"
  end
  local answer = json.decode(reply.body)
  if reply.status ~= 200 or type(answer) ~= "table" then
    local why = type(answer) == "table" and answer.detail or "the answer is " .. reply.status
    return nil, reply.status == 403 and why .. "; " .. hint_at_token() or why
  end
  return answer
end

-- The processes that run services here: {status, port, services}; and what could not be asked.
local function processes()
  local list, by_id, failures = {}, {}, {}
  for _, service in ipairs(worker.services()) do
    local port = service.inner_port
    if port and port > 0 then
      local status, message, absent = call(port, "GET", "/rules/status")
      if not status and not absent then
        failures[#failures + 1] = ("%s (port %d): %s"):format(service.name, port, message)
      elseif status and status.revision then
        local process = by_id[status.process]
        if not process then
          process = { status = status, port = port, services = {} }
          by_id[status.process] = process
          list[#list + 1] = process
        end
        table.insert(process.services, service.name)
      end
    end
  end
  return list, failures
end

local function need_processes()
  local list, failures = processes()
  if #failures > 0 then
    return nil, table.concat(failures, "; ")
  elseif #list == 0 then
    return nil, "no service runs here: PORT says where the first one would be"
  end
  return list
end

local function describe(process)
  local status = process.status
  local lines = { table.concat(process.services, ", ") .. " (inner port " .. process.port .. ")",
    ("  live    %s  %s  %s"):format(status.revision:sub(1, SHORT), status.loaded_at, status.state) }
  if status.error then
    lines[#lines + 1] = "  error   " .. status.error
  end
  for _, past in ipairs(status.previous) do
    lines[#lines + 1] = ("  before  %s  %s%s"):format(past.revision:sub(1, SHORT),
      past.loaded_at or "before this start   ", past.taken_back and "  taken back" or "")
  end
  local shadow = status.shadow
  if shadow then
    lines[#lines + 1] = ("  shadow  %s  %s"):format((shadow.revision or "none"):sub(1, SHORT),
      shadow.error or shadow.loaded_at)
  end
  return table.concat(lines, "\n")
end

---@return string|nil text
---@return string|nil message
function rule_rollback.history()
  local list, message = need_processes()
  if not list then
    return nil, message
  end
  local parts = {}
  for i, process in ipairs(list) do
    parts[i] = describe(process)
  end
  return table.concat(parts, "\n")
end

---@param wanted string|nil  a revision; nil: the last good one
---@return string|nil text
---@return string|nil message
---@return integer|nil status
function rule_rollback.roll_back(wanted)
  local list, message = need_processes()
  if not list then
    return nil, message
  end
  local lines, failures = {}, {}
  for _, process in ipairs(list) do
    local names, live = table.concat(process.services, ", "), process.status.revision
    local answer, why = call(process.port, "POST", "/rules/rollback",
      { revision = wanted, from = live })
    if answer then
      lines[#lines + 1] = ("%s: from %s back to %s, until the folder changes"):format(names,
        live:sub(1, SHORT), answer.revision:sub(1, SHORT))
    else
      failures[#failures + 1] = names .. ": " .. why
    end
  end
  return #lines > 0 and table.concat(lines, "\n") or nil,
    #failures > 0 and table.concat(failures, "; ") or nil, #failures > 0 and 1 or 0
end

return rule_rollback

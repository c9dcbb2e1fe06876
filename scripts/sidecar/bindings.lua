-- Bindings: cron as input; smtp and http as output.
local apps = require("sidecar.apps")
local components = require("sidecar.components")
local crypto = require("host.crypto")
local errors = require("sidecar.errors")
local fiber = require("host.fiber")
local http = require("host.http")
local json = require("lib.json")
local log = require("host.log")
local mail = require("sidecar.mail")
local rawjson = require("lib.rawjson")
local schedule = require("sidecar.schedule")
local secrets = require("sidecar.secrets")
local time = require("host.time")
local timers = require("sidecar.timers")
local worker = require("host.worker")

local bindings = {}

local PROBE_MS = 3000
local MAIL_MS = 15000
local METHODS = { get = "GET", head = "HEAD", post = "POST", put = "PUT", patch = "PATCH",
  delete = "DELETE", options = "OPTIONS", trace = "TRACE", create = "POST" }

-- Input.

local function route_of(component)
  return "/" .. (component.metadata.route or component.name):gsub("^/+", "")
end

-- As Go prints a time.
local function go_time(ms)
  return os.date("!%Y-%m-%d %H:%M:%S", math.floor(ms / 1000))
    .. string.format(".%03d +0000 UTC", ms % 1000)
end

local function tick(replica, component)
  if not replica.up or worker.draining() then
    return
  end
  fiber.spawn(function()
    local reply, err = apps.call(replica, "POST", route_of(component), {
      ["Content-Type"] = "application/json", Readtimeutc = go_time(time.now_ms()),
      Timezone = "UTC" }, "")
    if not reply or reply.status > 299 then
      log.debug("a cron call failed; it is not repeated", { app = replica.app.id,
        binding = component.name, error = reply and "status " .. reply.status or err.message })
    end
  end)
end

-- Each replica, as each has its own sidecar with Dapr.
local function run_schedule(replica, component, plan, mark)
  local now = time.now_ms()
  local at = schedule.next(plan, now)
  if at then
    timers.after(at - now, function()
      if replica.cron[component.name] == mark then
        tick(replica, component)
        run_schedule(replica, component, plan, mark)
      end
    end)
  end
end

local function activate(replica, component)
  local plan, message = schedule.parse(component.metadata.schedule or "", true)
  if not plan then
    log.error("a cron binding has no schedule", { binding = component.name, error = message })
    return
  end
  if component.metadata.direction ~= "input" then
    local reply = apps.call(replica, "OPTIONS", route_of(component), {}, nil, PROBE_MS)
    if not reply or (reply.status < 200 or reply.status > 299) and reply.status ~= 405 then
      log.debug("an app does not want a binding", { app = replica.app.id,
        binding = component.name })
      return
    end
  end
  local mark = {}
  replica.cron[component.name] = mark
  run_schedule(replica, component, plan, mark)
end

---A replica has come up: it is asked which cron bindings it wants.
---@param replica apps.Replica
function bindings.on_up(replica)
  replica.cron = {}
  for _, component in ipairs(components.all(replica.app.id, "bindings")) do
    if component.type == "bindings.cron" then
      activate(replica, component)
    end
  end
end

-- Output.

local function failed(name, message)
  return errors.reply(500, "ERR_INVOKE_OUTPUT_BINDING",
    "error invoking output binding " .. name .. ": " .. message)
end

-- A setting, or what it refers to in a secret store.
local function setting(component, name)
  local value = component.metadata[name]
  if type(value) == "table" and value.secretKeyRef then
    local ref, auth = value.secretKeyRef, component.auth or {}
    return secrets.value(auth.secretStore or "secrets", ref.key or ref.name)
  end
  return value and tostring(value) or nil
end

local function body_text(data, text)
  if type(data) == "string" then
    return data
  end
  return text or ""
end

-- Each mail is made of the component's settings and its own request's; nothing is remembered.
local function smtp(component, input)
  if input.operation ~= "create" then
    return nil, "operation " .. input.operation .. " is not supported"
  end
  local function of(name)
    return input.metadata[name] or setting(component, name)
  end
  local to, cc = mail.addresses(of("emailTo")), mail.addresses(of("emailCC"))
  local from, subject = of("emailFrom"), of("subject")
  if not from or #to == 0 or not subject then
    return nil, "emailFrom, emailTo and subject are needed"
  end
  local all = {}
  for _, list in ipairs({ to, cc, mail.addresses(of("emailBCC")) }) do
    for _, address in ipairs(list) do
      all[#all + 1] = address
    end
  end
  local text = mail.text({ from = from, to = to, cc = cc, subject = subject, id = crypto.uuid(),
    priority = tonumber(of("priority")) or 3, html = body_text(input.data, input.text),
    date = os.date("!%a, %d %b %Y %H:%M:%S +0000", math.floor(time.now_ms() / 1000)) })
  local port = setting(component, "port") or "25"
  local reply, err = http.request({ method = "MAIL", body = text, mail_from = from, mail_to = all,
    url = (port == "465" and "smtps" or "smtp") .. "://" .. (setting(component, "host") or "")
      .. ":" .. port, user = setting(component, "user"),
    password = setting(component, "password"), timeout_ms = MAIL_MS })
  if not reply then
    return nil, err.message
  end
  if reply.status < 200 or reply.status > 299 then
    return nil, "the mail server answered " .. reply.status
  end
  return { body = "" }
end

local function http_binding(component, input)
  local method = METHODS[input.operation:lower()]
  if not method then
    return nil, "operation " .. input.operation .. " is not supported"
  end
  local headers, path = {}, input.metadata.path or ""
  for name, value in pairs(input.metadata) do
    if name:find("^%u") then -- Dapr: a capital letter makes it a header
      headers[name] = value
    end
  end
  local has_body = input.data ~= nil and method ~= "GET" and method ~= "HEAD"
  if has_body and not headers["Content-Type"] then
    headers["Content-Type"] = "application/json; charset=utf-8"
  end
  local address = (setting(component, "url") or ""):gsub("/+$", "")
  local ms = schedule.go_duration(component.metadata.responseTimeout or "")
  local reply, err = http.request({ method = method, headers = headers,
    url = address .. (path ~= "" and "/" .. path:gsub("^/+", "") or ""),
    body = has_body and body_text(input.data, input.text) or nil, timeout_ms = ms or 30000 })
  if not reply then
    return nil, err.message
  end
  if reply.status > 299 and setting(component, "errorIfNot2XX") ~= "false"
    and input.metadata.errorIfNot2XX ~= "false" then
    return nil, "received status code " .. reply.status
  end
  return { body = reply.body, metadata = { statusCode = tostring(reply.status) } }
end

local OUTPUT = { ["bindings.smtp"] = smtp, ["bindings.http"] = http_binding }

local function read_input(text)
  local value, message = json.decode(text)
  if type(value) ~= "table" or json.is_list(value) then
    return nil, message or "not a JSON object"
  end
  local metadata = {}
  for name, item in pairs(type(value.metadata) == "table" and value.metadata or {}) do
    if type(item) ~= "string" then
      return nil, "metadata." .. name .. " is not a string"
    end
    metadata[name] = item
  end
  local data = value.data
  if data == json.null then
    data = nil
  end
  return { operation = type(value.operation) == "string" and value.operation or "",
    data = data, text = data ~= nil and rawjson.member(text, "data") or nil, metadata = metadata }
end

---@param call router.Call
---@param name string
---@return integer, string, table|nil
function bindings.invoke(call, name)
  local input, message = read_input(call.request.body)
  if not input then
    return errors.reply(400, "ERR_MALFORMED_REQUEST", "failed deserializing HTTP body: " .. message)
  end
  local component = components.find(call.app.id, "bindings", name)
  local run = component and OUTPUT[component.type]
  if not run then
    return failed(name, "couldn't find output binding " .. name)
  end
  if input.operation == "" then
    return failed(name, "operation field is missing from request")
  end
  local reply, why = run(component, input)
  if not reply then
    return failed(name, why)
  end
  if reply.body == "" and not reply.metadata then
    return errors.no_content()
  end
  local headers = {}
  for key, value in pairs(reply.metadata or {}) do
    headers["metadata." .. key] = value
  end
  return errors.ok(reply.body, headers)
end

return bindings

-- The sidecar's HTTP API (Dapr 1.14 to 1.18), as far as the services use it. Every call waits.
-- Expected failure is nil and an error with a code:
--   unavailable  the sidecar or what is behind it cannot now; a later try may succeed
--   refused      the call itself is at fault: trying again changes nothing
--   too_large    it is larger than the sidecar takes
--   conflict     an ETag, or a name that is taken
local config = require("host.config")
local fiber = require("host.fiber")
local http = require("host.http")
local json = require("lib.json")
local url = require("lib.url")
local worker = require("host.worker")

local dapr = {}

local TIMEOUT_MS = 5000

---@class dapr.Error
---@field code string
---@field message string
---@field status integer|nil
---@field error_code string|nil  Dapr's errorCode
---@field failed table<string, string>|nil  of publish_bulk: entry ids that were not published

-- The stand-in has a port for each app, as far from SIDECAR_PORT as the app's own is from PORT.
local function stand_in_port()
  local first = config.get("SIDECAR_PORT")
  for _, service in ipairs(first and worker.services() or {}) do
    if service.name == worker.service then
      return first + service.port - config.get("PORT")
    end
  end
end

---@type string|nil
local endpoint

---@return string  without a slash at its end
function dapr.endpoint()
  if not endpoint then
    local url_set = config.get("DAPR_HTTP_ENDPOINT")
    endpoint = url_set and url_set:gsub("/+$", "")
      or "http://127.0.0.1:" .. (config.get("DAPR_HTTP_PORT") or stand_in_port() or "3500")
  end
  return endpoint
end

local CODES = { [400] = "refused", [403] = "refused", [409] = "conflict", [413] = "too_large" }

local function failure(reply)
  local body = json.decode(reply.body)
  local message = type(body) == "table" and type(body.message) == "string" and body.message
    or reply.body:sub(1, 200)
  return { code = CODES[reply.status] or "unavailable", status = reply.status, body = body,
    error_code = type(body) == "table" and type(body.errorCode) == "string" and body.errorCode
      or nil,
    message = "the sidecar answered " .. reply.status .. ": " .. message }
end

-- Any status is a reply. path: percent-encoded.
local function send(method, path, options)
  local headers = { ["dapr-api-token"] = config.get("DAPR_API_TOKEN"),
    traceparent = fiber.traceparent() }
  for name, value in pairs(options.headers or {}) do
    headers[name] = value
  end
  if options.body then
    headers["Content-Type"] = headers["Content-Type"] or "application/json"
  end
  local reply, err = http.request({ method = method, url = dapr.endpoint() .. path,
    headers = headers, body = options.body, timeout_ms = options.timeout_ms or TIMEOUT_MS })
  if not reply then
    local what = err.code == "timeout" and "the sidecar did not answer in time: "
      or "the sidecar cannot be reached: "
    return nil, { code = "unavailable", message = what .. err.message }
  end
  return reply
end

-- A reply below 300 is good.
local function call(method, path, options)
  local reply, err = send(method, path, options or {})
  if reply and reply.status >= 300 then
    return nil, failure(reply)
  end
  return reply, err
end

-- What the sidecar answered, as JSON.
local function read(reply)
  local value, message = json.decode(reply.body)
  if message then
    return nil, { code = "unavailable", status = reply.status,
      message = "the sidecar's answer is not JSON: " .. message }
  end
  return value
end

-- A CloudEvent as JSON. `data` is JSON text. Of the trace keys Dapr wants both or none.
local function cloud_event(event)
  local trace = event.traceparent and json.encode(event.traceparent)
  return '{"specversion":"1.0","id":' .. json.encode(event.id)
    .. ',"source":' .. json.encode(event.source)
    .. ',"type":' .. json.encode(event.type)
    .. (trace and ',"traceparent":' .. trace .. ',"traceid":' .. trace or "")
    .. ',"datacontenttype":"application/json","data":' .. event.data .. "}"
end

-- What all of them are a part of; nil when they are not of one trace.
local function shared_trace(events)
  local trace = events[1] and events[1].traceparent
  for _, event in ipairs(events) do
    if event.traceparent ~= trace then
      return nil
    end
  end
  return trace
end

---@class dapr.Event
---@field id string
---@field source string
---@field type string
---@field data string              JSON text
---@field key string               events of one key keep their order
---@field traceparent string|nil

---Publishes one event.
---@param pubsub string
---@param topic string
---@param event dapr.Event
---@return true|nil
---@return dapr.Error|nil
function dapr.publish(pubsub, topic, event)
  local path = "/v1.0/publish/" .. url.encode(pubsub) .. "/" .. url.encode(topic)
    .. "?metadata.partitionKey=" .. url.encode(event.key)
  local reply, err = call("POST", path, { body = cloud_event(event),
    headers = { ["Content-Type"] = "application/cloudevents+json",
      traceparent = event.traceparent } })
  return reply and true, err
end

---Publishes several events at once (bulk publish; alpha path, which 1.14 to 1.18 all serve). Each
---event keeps its own trace; the call itself is in one only when it is that of all.
---@param pubsub string
---@param topic string
---@param events dapr.Event[]  with different ids
---@return true|nil
---@return dapr.Error|nil  err.failed names the ids that were not published when others were
function dapr.publish_bulk(pubsub, topic, events)
  local entries = {}
  for i, event in ipairs(events) do
    entries[i] = '{"entryId":' .. json.encode(event.id) .. ',"event":' .. cloud_event(event)
      .. ',"contentType":"application/cloudevents+json","metadata":{"partitionKey":'
      .. json.encode(event.key) .. "}}"
  end
  local reply, err = call("POST", "/v1.0-alpha1/publish/bulk/" .. url.encode(pubsub) .. "/"
    .. url.encode(topic), { body = "[" .. table.concat(entries, ",") .. "]",
    headers = { traceparent = shared_trace(events) } })
  if reply then
    return true
  end
  local listed = type(err.body) == "table" and err.body.failedEntries
  if json.is_list(listed) and #listed > 0 then
    err.failed = {}
    for _, entry in ipairs(listed) do
      if type(entry) == "table" and type(entry.entryId) == "string" then
        err.failed[entry.entryId] = tostring(entry.error)
      end
    end
  end
  return nil, err
end

---Calls another service (service invocation). Any status of the callee is a reply; Dapr's own
---failure is an error.
---@param app string
---@param method string
---@param path string     with its query, percent-encoded, beginning with a slash
---@param options {headers: table|nil, body: string|nil, timeout_ms: integer|nil}|nil
---@return host.http.Reply|nil
---@return dapr.Error|nil
function dapr.invoke(app, method, path, options)
  local reply, err = send(method, "/v1.0/invoke/" .. url.encode(app) .. "/method" .. path,
    options or {})
  local body = reply and reply.status >= 400 and json.decode(reply.body)
  if type(body) == "table" and body.errorCode == "ERR_DIRECT_INVOKE" then
    return nil, failure(reply)
  end
  return reply, err
end

---@param store string
---@param key string
---@return any|nil value   nil without an error: there is none
---@return dapr.Error|nil
---@return string|nil etag
function dapr.get_state(store, key)
  local reply, err = call("GET", "/v1.0/state/" .. url.encode(store) .. "/" .. url.encode(key))
  if not reply then
    return nil, err
  end
  if reply.status == 204 or reply.body == "" then
    return nil
  end
  local value
  value, err = read(reply)
  return value, err, not err and reply.headers.etag or nil
end

---@param store string
---@param key string
---@param value any    a string or a table; Redis keeps numbers with six decimals only
---@param options {etag: string|nil, ttl_seconds: integer|nil}|nil  etag "0": only if there is none
---@return true|nil
---@return dapr.Error|nil  conflict when the ETag is another one
function dapr.save_state(store, key, value, options)
  options = options or {}
  local item = { key = key, value = value, etag = options.etag,
    options = options.etag and { concurrency = "first-write" } or nil,
    metadata = options.ttl_seconds and { ttlInSeconds = tostring(options.ttl_seconds) } or nil }
  local reply, err = call("POST", "/v1.0/state/" .. url.encode(store),
    { body = json.encode(json.list({ item })) })
  return reply and true, err
end

---@param store string
---@param key string
---@param etag string|nil  only while it is this one
---@return true|nil        also when there was none
---@return dapr.Error|nil  conflict when the ETag is another one
function dapr.delete_state(store, key, etag)
  local reply, err = call("DELETE", "/v1.0/state/" .. url.encode(store) .. "/" .. url.encode(key),
    { headers = etag and { ["If-Match"] = etag } })
  return reply and true, err
end

---@param store string
---@param name string
---@return table<string, string>|nil
---@return dapr.Error|nil
function dapr.get_secret(store, name)
  local reply, err = call("GET", "/v1.0/secrets/" .. url.encode(store) .. "/" .. url.encode(name))
  if not reply then
    return nil, err
  end
  return read(reply)
end

local STABLE, ALPHA = "/v1.0/jobs/", "/v1.0-alpha1/jobs/"
local jobs_root = STABLE -- the one that the sidecar has, as far as is known

-- Dapr has the stable path from 1.18 on, the alpha path from 1.14 on. No job is ever answered with
-- 404: that is a sidecar without this path, also one of another version that came meanwhile.
local function call_job(method, name, body)
  local root = jobs_root
  local reply, err = call(method, root .. url.encode(name), { body = body })
  if reply or err.status ~= 404 then
    return reply, err
  end
  local other = root == STABLE and ALPHA or STABLE
  reply, err = call(method, other .. url.encode(name), { body = body })
  if reply or err.status and err.status ~= 404 then
    jobs_root = other
  end
  return reply, err
end

---Sets a job that calls POST /job/{name} once; one of the same name is replaced. It is tried until
---it succeeds.
---@param name string
---@param due string  RFC 3339
---@param data table
---@return true|nil
---@return dapr.Error|nil
function dapr.set_job(name, due, data)
  local reply, err = call_job("POST", name, json.encode({
    dueTime = due, data = data, overwrite = true,
    failurePolicy = { constant = { interval = "5s" } },
  }))
  return reply and true, err
end

---@param name string
---@return true|nil
---@return dapr.Error|nil
function dapr.delete_job(name)
  local reply, err = call_job("DELETE", name)
  return reply and true, err
end

---Output binding.
---@param name string
---@param operation string
---@param data any
---@param metadata table<string, string>|nil
---@param timeout_ms integer|nil
---@return host.http.Reply|nil
---@return dapr.Error|nil
function dapr.bind(name, operation, data, metadata, timeout_ms)
  return call("POST", "/v1.0/bindings/" .. url.encode(name), { timeout_ms = timeout_ms,
    body = json.encode({ operation = operation, data = data, metadata = metadata }) })
end

return dapr

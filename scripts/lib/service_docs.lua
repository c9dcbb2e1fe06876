-- The descriptions of the routes that every service has (lib/openapi.lua).
local openapi = require("lib.openapi")

local service_docs = {}

service_docs.health = {
  id = "health", tag = "Service", summary = "Is the process alive?",
  answers = { [200] = { description = "It is.",
    schema = openapi.object({
      { "status", { type = "string", const = "ok" } },
      { "service", { type = "string" } },
      { "version", { type = "string" } },
      { "uptime", { type = "number", minimum = 0, description = "Seconds." } },
    }) } },
}

service_docs.ready = {
  id = "ready", tag = "Service", summary = "Can it do its work?",
  description = "What it needs and does not have is named in `detail`.",
  answers = { [200] = { description = "It can.",
    schema = openapi.object({
      { "status", { type = "string", const = "ready" } },
      { "detail", { type = "string", description = "What changed files are not live, and why." },
        required = false },
    }) } },
  problems = { 503 },
}

service_docs.metrics = {
  id = "metrics", tag = "Service", summary = "Numbers for Prometheus",
  answers = { [200] = { description = "The text format of Prometheus.",
    content = { ["text/plain; version=0.0.4"] = { schema = { type = "string" } } } } },
}

service_docs.openapi = {
  id = "openapi", tag = "Service", summary = "This description",
  answers = { [200] = { description = "OpenAPI 3.1.", schema = { type = "object" } } },
}

return service_docs

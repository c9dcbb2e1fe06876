-- The description of the routes of the Model Context Protocol (lib/openapi.lua).
local openapi = require("lib.openapi")
local task_fields = require("chat-api.task_fields")

local mcp_docs = {}

local object = openapi.object

local MESSAGE = object({
  { "jsonrpc", { type = "string", const = "2.0" } },
  { "id", { type = { "string", "integer" }, description = "Without it the message is a "
    .. "notification, which has no answer." }, required = false },
  { "method", { type = "string", examples = { "tools/list" } } },
  { "params", { type = "object" }, required = false },
}, { description = "A message of JSON-RPC 2.0." })
local ANSWER = object({
  { "jsonrpc", { type = "string", const = "2.0" } },
  { "id", { type = { "string", "integer", "null" } } },
  { "result", { type = "object" }, required = false },
  { "error", object({ { "code", { type = "integer" } }, { "message", { type = "string" } },
    { "data", {}, required = false } }), required = false },
})

mcp_docs.schemas = { McpMessage = MESSAGE, McpAnswer = ANSWER }

local one = openapi.ref("McpAnswer")
local or_many = { anyOf = { one, { type = "array", items = one } } }

local function refusal(description)
  return { description = description, content = {
    ["application/json"] = { schema = one },
    ["application/problem+json"] = { schema = openapi.ref("Problem") },
  } }
end

mcp_docs.post = {
  id = "mcp", tag = "Programs", summary = "Model Context Protocol",
  description = "Streamable HTTP, for assistants and editors: the tools add_task, list_tasks and "
    .. "so on. Revision 2026-07-28 says what it is in params._meta and in headers; those before "
    .. "begin with initialize.",
  query = { { name = "timezone", schema = task_fields.FIELDS.timezone,
    description = "Of dates that name none." } },
  body = { schema = { anyOf = { openapi.ref("McpMessage"), { type = "array", minItems = 1,
    maxItems = 10, items = {}, description = "A batch, as revision 2025-03-26 knows it." } } },
    example = { jsonrpc = "2.0", id = 1, method = "tools/list" } },
  answers = {
    [200] = { description = "The answer.", content = {
      ["application/json"] = { schema = or_many, example = { jsonrpc = "2.0", id = 1,
        result = { tools = { { name = "add_task", title = "Add a task" } } } } },
      ["text/event-stream"] = { schema = object({ { "data", { type = "string" } } }),
        example = 'event: message\ndata: {"id":1,"jsonrpc":"2.0","result":{}}\n\n' },
    } },
    [202] = { description = "A notification is taken." },
    [400] = refusal("The message is not one, or not of a revision that is known."),
    [404] = refusal("There is no such method."),
  },
  problems = { 403, 406 },
}

local function resource(id)
  return {
    id = id, tag = "Programs", summary = "Where tokens for /mcp come from",
    description = "RFC 9728.",
    answers = { [200] = { description = "The identity provider.", schema = object({
      { "resource", { type = "string" } },
      { "authorization_servers", { type = "array", items = { type = "string" } } },
      { "bearer_methods_supported", { type = "array", items = { type = "string" } } },
      { "resource_name", { type = "string" } },
    }) } },
    problems = { 404 },
  }
end

mcp_docs.resource_of_mcp = resource("mcpResource")
mcp_docs.resource = resource("resource")

return mcp_docs

-- The description of the routes of mcp.lua, as data (lib/openapi.lua).
local mcp_docs = {}

local PROBLEM = { ["$ref"] = "#/components/schemas/Problem" }

local ID = { type = { "string", "integer", "null" } }
local REQUEST = {
  type = "object", required = { "jsonrpc", "method" },
  description = "A request, or a notification where there is no `id`.",
  properties = {
    jsonrpc = { type = "string", enum = { "2.0" } },
    id = { type = { "string", "integer" } },
    method = { type = "string", examples = { "tools/call" } },
    params = { type = "object" },
  },
}
local ANSWER = {
  type = "object", required = { "jsonrpc" },
  properties = {
    jsonrpc = { type = "string", enum = { "2.0" } },
    id = ID,
    result = { type = "object" },
    error = { type = "object", required = { "code", "message" }, properties = {
      code = { type = "integer" }, message = { type = "string" }, data = { type = "object" } } },
  },
}

local function refused(description)
  return { description = description, schema = ANSWER }
end

mcp_docs.post = {
  id = "mcp", tag = "Other programs", summary = "Model Context Protocol",
  description = "The tasks as tools of models, over streamable HTTP: revisions 2026-07-28,"
    .. " 2025-11-25, 2025-06-18 and 2025-03-26. One request, one JSON answer; there are no"
    .. " sessions. In revision 2025-03-26 a body may also be a list of up to 10 messages.",
  query = { { name = "timezone", description = "What times without an offset are in.",
    schema = { type = "string", format = "timezone", examples = { "Europe/Berlin" } } } },
  body = { schema = REQUEST, example = { jsonrpc = "2.0", id = 1, method = "tools/call",
    params = { name = "list_tasks", arguments = { status = "active" } } } },
  answers = {
    [200] = { description = "The answer of JSON-RPC, also where it is an error of the method's.",
      content = {
        ["application/json"] = { schema = ANSWER },
        ["text/event-stream"] = { schema = { type = "string", description =
          "To `subscriptions/listen` alone." } },
      } },
    [202] = { description = "A notification was taken." },
    [400] = { description = "The message cannot be read, or is not valid.", content = {
      ["application/json"] = { schema = ANSWER },
      ["application/problem+json"] = { schema = PROBLEM } } },
    [404] = refused("There is no such method (revision 2026-07-28)."),
    [406] = { description = "The client does not take JSON.", content = {
      ["application/problem+json"] = { schema = PROBLEM } } },
  },
  problems = { 403, 413, 415, 422 },
}

local function metadata(id)
  return {
    id = id, tag = "Other programs", summary = "Where tokens come from",
    description = "RFC 9728, where an identity provider is configured.",
    answers = {
      [200] = { description = "The identity provider.", schema = {
        type = "object", required = { "resource", "authorization_servers" },
        properties = {
          resource = { type = "string" },
          authorization_servers = { type = "array", items = { type = "string" } },
          bearer_methods_supported = { type = "array", items = { type = "string" } },
          resource_name = { type = "string" },
        } } },
    },
    problems = { 404 },
  }
end

mcp_docs.metadata_of_mcp = metadata("getMcpResourceMetadata")
mcp_docs.metadata = metadata("getResourceMetadata")

return mcp_docs

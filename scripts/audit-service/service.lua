-- audit-service: every change of every task, append-only.
local audit = require("audit-service.audit")
local audit_docs = require("lib.audit_docs")
local inbox = require("lib.inbox")
local openapi = require("lib.openapi")
local packing = require("lib.packing")
local problem = require("lib.problem")

local function list(request)
  local answer, why = audit.list(request.user, request.args)
  if not answer then
    return problem.reply(why)
  end
  return 200, answer
end

local LIST_DOC = {
  id = "listAuditLog", tag = "Audit", summary = "What happened to tasks",
  description = "A user sees only what happened to their own tasks.",
  query = audit.PARAMETERS,
  answers = { [200] = { description = "The entries, oldest first.",
    schema = openapi.ref("AuditLog") } },
}

return {
  name = "audit-service",
  port = 8003,
  inner_port = 9003,
  rules = { "audit" },
  nice = 2,
  about = {
    title = "Todo Chatbot: audit log",
    description = "Every change of every task, append-only.",
    tags = { { name = "Audit", description = "The log." } },
    schemas = audit_docs,
  },
  routes = {
    { "GET", "/api/v1/audit-log", packing.of(list), doc = LIST_DOC },
  },
  -- The same for other services, by invocation: the user's token comes along.
  inner_routes = {
    { "GET", "/api/v1/audit-log", list, invoked = true, auth = true },
  },
  start = function()
    inbox.watch("audit")
  end,
  subscriptions = {
    { pubsub = "pubsub", topic = "task-events", path = "/events/task-events",
      dead_letter_topic = "task-events-dead", bulk = { max = 32, wait_ms = 20 },
      handler = audit.record, handle_all = audit.record_all, bury = inbox.bury("audit") },
  },
}

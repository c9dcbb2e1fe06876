-- audit-service: every change of every task, append-only.
local audit = require("audit-service.audit")
local inbox = require("lib.inbox")
local problem = require("lib.problem")

local function list(request)
  local answer, why = audit.list(request.user, request.args)
  if not answer then
    return problem.reply(why)
  end
  return 200, answer
end

return {
  name = "audit-service",
  port = 8003,
  inner_port = 9003,
  rules = { "audit" },
  nice = 2,
  routes = {
    { "GET", "/api/v1/audit-log", list },
  },
  -- The same for other services, by invocation: the user's token comes along.
  inner_routes = {
    { "GET", "/api/v1/audit-log", list, invoked = true, auth = true },
  },
  subscriptions = {
    { pubsub = "pubsub", topic = "task-events", path = "/events/task-events",
      dead_letter_topic = "task-events-dead", handler = audit.record,
      bury = inbox.bury("audit") },
  },
}

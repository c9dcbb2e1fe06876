-- notification-service: tells people of what is due, by log, mail and webhook.
local deliverer = require("notification-service.deliverer")
local deliveries = require("notification-service.deliveries")
local inbox = require("lib.inbox")
local openapi = require("lib.openapi")
local outbox = require("lib.outbox")
local packing = require("lib.packing")
local problem = require("lib.problem")
local reminders = require("notification-service.reminders")

local function list(request)
  local answer, why = deliveries.list(request.user, request.args)
  if not answer then
    return problem.reply(why)
  end
  return 200, answer
end

local UUID, MOMENT = { type = "string", format = "uuid" }, { type = "string", format = "date-time" }
local DELIVERY = openapi.object({
  { "id", { type = "integer", minimum = 1 } },
  { "event_id", UUID },
  { "task_id", UUID },
  { "channel", { type = "string", examples = { "log" } } },
  { "state", { type = "string", enum = { "pending", "sent", "dead", "skipped" } } },
  { "attempts", { type = "integer", minimum = 0 } },
  { "deliver_at", MOMENT },
  { "created_at", MOMENT },
  { "sent_at", openapi.nullable(MOMENT) },
  { "task_title", { type = "string" } },
  { "due_at", openapi.nullable(MOMENT) },
  { "remind_at", MOMENT },
})
local LIST_DOC = {
  id = "listDeliveries", tag = "Deliveries", summary = "Reminders and what became of them",
  query = deliveries.PARAMETERS,
  answers = { [200] = { description = "The user's own, newest first.", schema = openapi.object({
    { "deliveries", { type = "array", items = openapi.ref("Delivery") } } }) } },
}

return {
  name = "notification-service",
  port = 8001,
  inner_port = 9001,
  rules = { "notify" },
  workers = 1, -- so that one sidecar is asked to send one mail at a time
  about = {
    title = "Todo Chatbot: notifications",
    description = "Tells people of what is due, by log, mail and webhook.",
    tags = { { name = "Deliveries", description = "One a reminder and channel." } },
    schemas = { Delivery = DELIVERY },
  },
  routes = {
    { "GET", "/api/v1/deliveries", packing.of(list), doc = LIST_DOC },
  },
  subscriptions = {
    { pubsub = "pubsub", topic = "reminders", path = "/events/reminders",
      dead_letter_topic = "reminders-dead", handler = reminders.accept,
      bury = inbox.bury("notify") },
  },
  start = function()
    deliverer.start(outbox.start({ schema = "notify", source = "notification-service",
      pubsub = "pubsub", broadcast = { ["task-updates"] = "pubsub-broadcast" } }))
    inbox.watch("notify")
  end,
}

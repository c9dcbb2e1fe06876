-- notification-service: tells people of what is due, by log, mail and webhook.
local deliverer = require("notification-service.deliverer")
local deliveries = require("notification-service.deliveries")
local inbox = require("lib.inbox")
local outbox = require("lib.outbox")
local problem = require("lib.problem")
local reminders = require("notification-service.reminders")

local function list(request)
  local answer, why = deliveries.list(request.user, request.args)
  if not answer then
    return problem.reply(why)
  end
  return 200, answer
end

return {
  name = "notification-service",
  port = 8001,
  inner_port = 9001,
  rules = { "notify" },
  workers = 1, -- so that one sidecar is asked to send one mail at a time
  routes = {
    { "GET", "/api/v1/deliveries", list },
  },
  subscriptions = {
    { pubsub = "pubsub", topic = "reminders", path = "/events/reminders",
      dead_letter_topic = "reminders-dead", handler = reminders.accept,
      bury = inbox.bury("notify") },
  },
  start = function()
    deliverer.start(outbox.start({ schema = "notify", source = "notification-service",
      pubsub = "pubsub", broadcast = { ["task-updates"] = "pubsub-broadcast" } }))
  end,
}

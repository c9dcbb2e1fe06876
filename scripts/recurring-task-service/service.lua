-- recurring-task-service: the completion of a recurring task calls for its next occurrence.
local inbox = require("lib.inbox")
local outbox = require("lib.outbox")
local recurring = require("recurring-task-service.recurring")

return {
  name = "recurring-task-service",
  port = 8002,
  inner_port = 9002,
  rules = { "recurrence" },
  about = {
    title = "Todo Chatbot: recurring tasks",
    description = "The completion of a recurring task calls for its next occurrence. All of it by "
      .. "events: it has no routes of its own.",
  },
  subscriptions = {
    { pubsub = "pubsub", topic = "task-events", path = "/events/task-events",
      dead_letter_topic = "task-events-dead", types = { "task.completed" },
      bulk = { max = 32, wait_ms = 20 }, handler = recurring.handle,
      bury = inbox.bury("recur") },
  },
  start = function()
    recurring.start(outbox.start({ schema = "recur", source = "recurring-task-service",
      pubsub = "pubsub" }))
    inbox.forget("recur")
    inbox.watch("recur")
    inbox.forget_rows("recur.anchor",
      "greatest(due_at, created_at) < now() - interval '400 days'")
  end,
}

-- chat-api: tasks over HTTP and by chat.
local calendar_docs = require("chat-api.calendar_docs")
local calendar_feed = require("chat-api.calendar_feed")
local calendar_import = require("chat-api.calendar_import")
local docs = require("chat-api.docs")
local inbox = require("lib.inbox")
local jobs = require("lib.jobs")
local live = require("chat-api.live")
local mcp = require("chat-api.mcp")
local mcp_docs = require("chat-api.mcp_docs")
local model_breaker = require("chat-api.model_breaker")
local outbox = require("lib.outbox")
local page = require("chat-api.page")
local preview = require("chat-api.preview")
local preview_docs = require("chat-api.preview_docs")
local reminders = require("chat-api.reminders")
local routes = require("chat-api.routes")
local series = require("chat-api.series")
local static = require("lib.static")
local tasks = require("chat-api.tasks")
local timer = require("host.timer")
local updates = require("chat-api.updates")
local worker = require("host.worker")

local SWEEP_MS, COUNT_MS, HOUR_MS = 1000, 5000, 3600 * 1000

return {
  name = "chat-api",
  port = 8000,
  inner_port = 9000,
  rules = { "chat", "chat_answers", "recurrence", "task" },
  about = docs.about,
  routes = {
    { "GET", "/api/tasks", routes.list_tasks, doc = docs.list_tasks },
    { "POST", "/api/tasks", routes.create_task, body = "json", doc = docs.create_task },
    { "POST", "/api/tasks/preview", preview.post, body = "json", doc = preview_docs.post },
    { "GET", "/api/tasks/{id}", routes.get_task, doc = docs.get_task },
    { "PUT", "/api/tasks/{id}", routes.update_task, body = "json", doc = docs.update_task },
    { "DELETE", "/api/tasks/{id}", routes.delete_task, doc = docs.delete_task },
    { "PATCH", "/api/tasks/{id}/complete", routes.complete_task, body = "optional",
      doc = docs.complete_task },
    { "POST", "/api/tasks/{id}/restore", routes.restore_task, body = "optional",
      doc = docs.restore_task },
    { "GET", "/api/tasks/{id}/history", routes.history, doc = docs.history },
    { "GET", "/api/events", updates.stream, doc = docs.events },
    { "GET", "/api/calendar", calendar_feed.show, doc = calendar_docs.show },
    { "POST", "/api/calendar", calendar_feed.create, doc = calendar_docs.create },
    { "DELETE", "/api/calendar", calendar_feed.delete, doc = calendar_docs.delete },
    { "GET", "/calendar/{name}", calendar_feed.read, auth = false, doc = calendar_docs.read },
    { "POST", "/api/import/calendar", calendar_import.post, body = "text/calendar",
      body_limit = 1024 * 1024, doc = calendar_docs.import },
    { "POST", "/api/{user_id}/chat", routes.chat, body = "json", doc = docs.chat },
    { "GET", "/api/{user_id}/chat/history", routes.chat_history, doc = docs.chat_history },
    { "GET", "/config.json", page.config, auth = false, doc = page.doc },
    { "POST", "/mcp", mcp.post, challenge = mcp.challenge, doc = mcp_docs.post },
    { "GET", "/.well-known/oauth-protected-resource/mcp", mcp.resource_metadata, auth = false,
      doc = mcp_docs.resource_of_mcp },
    { "GET", "/.well-known/oauth-protected-resource", mcp.resource_metadata, auth = false,
      doc = mcp_docs.resource },
  },
  files = static.folder("web"),
  inner_routes = {
    { "POST", "/job/{name}", reminders.on_job },
    { "POST", "/reminder-sweep", reminders.on_cron },
    { "GET", "/internal/tasks/{id}", routes.brief, invoked = true },
  },
  subscriptions = {
    { pubsub = "pubsub", topic = "recurring-tasks", path = "/events/recurring-tasks",
      dead_letter_topic = "recurring-tasks-dead", handler = series.on_next,
      bury = inbox.bury("chat") },
    { pubsub = "pubsub-broadcast", topic = "task-updates", path = "/events/task-updates",
      bulk = { max = 32, wait_ms = 20 }, handler = updates.on_event, bury = inbox.bury("chat") },
  },
  start = function()
    live.start()
    model_breaker.start()
    updates.start()
    local relay = outbox.start({ schema = "chat", source = "chat-api", pubsub = "pubsub",
      broadcast = { ["task-updates"] = "pubsub-broadcast" }, first = "reminders" })
    tasks.use_relay(relay, jobs.start({ schema = "chat", leases = relay.leases,
      name = reminders.job_name }))
    reminders.use_relay(relay)
    inbox.forget("chat")
    inbox.watch("chat")
    inbox.forget_rows("chat.departed_parent", "departed_at < now() - interval '8 days'")
    inbox.forget_rows("chat.deleted_task", "deleted_at < now() - interval '30 days'")
    inbox.forget_rows("chat.undo", "made_at < now() - interval '30 days'")
    timer.every(HOUR_MS, tasks.forget_answers)
    if worker.index == 0 then
      timer.every(SWEEP_MS, function() reminders.sweep("sweep") end)
      timer.every(COUNT_MS, reminders.count)
    end
  end,
}

-- chat-api: tasks over HTTP and by chat.
local outbox = require("lib.outbox")
local routes = require("chat-api.routes")
local static = require("lib.static")
local tasks = require("chat-api.tasks")
local timer = require("host.timer")

return {
  name = "chat-api",
  port = 8000,
  inner_port = 9000,
  routes = {
    { "GET", "/api/tasks", routes.list_tasks },
    { "POST", "/api/tasks", routes.create_task, body = "json" },
    { "GET", "/api/tasks/{id}", routes.get_task },
    { "PUT", "/api/tasks/{id}", routes.update_task, body = "json" },
    { "DELETE", "/api/tasks/{id}", routes.delete_task },
    { "PATCH", "/api/tasks/{id}/complete", routes.complete_task, body = "optional" },
    { "POST", "/api/{user_id}/chat", routes.chat, body = "json" },
    { "GET", "/api/{user_id}/chat/history", routes.chat_history },
    { "GET", "/", static.file("web/index.html"), auth = false },
    { "GET", "/style.css", static.file("web/style.css"), auth = false },
  },
  start = function()
    tasks.use_relay(outbox.start({ schema = "chat", source = "chat-api", pubsub = "pubsub" }))
    timer.every(3600 * 1000, tasks.forget_answers)
  end,
}

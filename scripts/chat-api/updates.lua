-- GET /api/events: the updates of a user's tasks as server-sent events. Every worker of every
-- replica hears every update (task-updates on the broadcast component, then the bus), and keeps the
-- last ones, so that a client that was away for a moment goes on where it was (Last-Event-ID).
-- Where that cannot be told it gets an event `reset` and reads its tasks anew; so it does after a
-- reload of the scripts, which ends all streams. No fiber waits per
-- stream; a reader that leaves 256 KiB unread is cut off by the host.
local json = require("lib.json")
local live = require("chat-api.live")
local metrics = require("host.metrics")
local problem = require("lib.problem")
local time = require("host.time")
local timer = require("host.timer")
local worker = require("host.worker")

local updates = {}

local KEPT = 4096                 -- updates that a worker remembers
local KEPT_BYTES = 2 * 1024 * 1024
local STREAMS_PER_USER = 32       -- per worker
local HEARTBEAT_MS = 15000
local SWEEP_MS = 1000
local RETRY_MS = 1000             -- after which a client should come back

local HEADERS = {
  ["Content-Type"] = "text/event-stream; charset=utf-8",
  ["X-Accel-Buffering"] = "no",   -- nginx must not gather it
}

local kept, first, last, bytes = {}, 1, 0, 0 -- kept[first … last]: {id, user, text}
local position = {}                          -- id -> index in kept
local streams = {}                           -- user -> list of {stream, expires_ms}
local open_total = metrics.gauge("events_streams", "Open streams of GET /api/events.", {})
local sent_total = metrics.counter("events_sent_total", "Updates written to streams.", {})

local function forget_oldest()
  local oldest = kept[first]
  kept[first], position[oldest.id] = nil, nil
  bytes = bytes - #oldest.text
  first = first + 1
end

local function remember(id, user, text)
  last = last + 1
  kept[last], position[id] = { id = id, user = user, text = text }, last
  bytes = bytes + #text
  while last - first >= KEPT or bytes > KEPT_BYTES do
    forget_oldest()
  end
end

local function close_all(list)
  for _, open in ipairs(list) do
    open.stream:close()
    open_total:add(-1)
  end
end

-- Writes to each stream that `text_of` has something for, and lets go of those that have ended.
local function write_all(user, list, text_of)
  local left, ended = {}, {}
  for _, open in ipairs(list) do
    local text = text_of(open)
    local alive = text and (text == "" and open.stream:alive() or text ~= "" and
      open.stream:write(text))
    local target = alive and left or ended
    target[#target + 1] = open
  end
  close_all(ended)
  streams[user] = left[1] and left or nil
end

local function each_user(fn)
  local users = {}
  for user in pairs(streams) do
    users[#users + 1] = user
  end
  for _, user in ipairs(users) do
    fn(user, streams[user])
  end
end

local function on_update(text)
  if not text then -- something was lost on the way to this worker: nobody can go on from here
    while first <= last do
      forget_oldest()
    end
    each_user(function(user, list)
      write_all(user, list, function() return "event: reset\ndata: {}\n\n" end)
    end)
    return
  end
  local id, user, data = text:match("^([^\n]+)\n([^\n]+)\n(.*)$")
  if position[id] then
    return
  end
  local frame = "id: " .. id .. "\ndata: " .. data .. "\n\n"
  remember(id, user, frame)
  if streams[user] then
    sent_total:add(#streams[user])
    write_all(user, streams[user], function() return frame end)
  end
end

---Takes an update from the broker and gives it to all workers of this process. Nothing is written,
---so nothing has to be done once only: a duplicate is known by its id.
---@param event cloudevent.Event
---@return "SUCCESS"|"DROP"
---@return string|nil
function updates.on_event(event)
  local task = event.payload.task
  if type(task) == "table" and task.user_id ~= event.user_id then
    return "DROP", "payload.task is of another user"
  end
  local data = { event_id = event.event_id, event_type = event.event_type,
    timestamp = event.timestamp, user_id = event.user_id, task_id = event.task_id,
    payload = event.payload }
  live.tell("update", event.event_id .. "\n" .. event.user_id .. "\n" .. json.encode(data))
  return "SUCCESS"
end

-- What the user has missed since the event of that id; nil: it cannot be told.
local function missed(user, since)
  local at = position[since]
  if not at then
    return nil
  end
  local list = {}
  for i = at + 1, last do
    if kept[i].user == user then
      list[#list + 1] = kept[i].text
    end
  end
  return table.concat(list)
end

local function opening(request)
  local since = request.headers["last-event-id"] or request.args.last_event_id
  local greeting = "retry: " .. RETRY_MS .. "\n: connected\n\n"
  if not since then
    return greeting
  end
  return greeting .. (missed(request.user, since) or "event: reset\ndata: {}\n\n")
end

---GET /api/events
---@param request service.Request
function updates.stream(request)
  local user = request.user
  if streams[user] and #streams[user] >= STREAMS_PER_USER then
    return problem.reply(problem.too_many(5))
  end
  return 200, function(stream)
    if worker.ending() then -- the client comes again, to who goes on
      stream:close()
    elseif stream:write(opening(request)) then
      streams[user] = streams[user] or {}
      table.insert(streams[user], { stream = stream, expires_ms = request.expires_ms })
      open_total:add(1)
    end
  end, HEADERS
end

-- Ends streams whose token has run out, and those whose client has left.
local function sweep()
  local now_ms = time.now_ms()
  each_user(function(user, list)
    write_all(user, list, function(open)
      return (not open.expires_ms or open.expires_ms > now_ms) and "" or nil
    end)
  end)
end

local function beat()
  each_user(function(user, list)
    write_all(user, list, function() return ": still here\n\n" end)
  end)
end

---Begins to listen; once per worker.
function updates.start()
  live.on("update", on_update)
  timer.every(SWEEP_MS, sweep)
  timer.every(HEARTBEAT_MS, beat)
  worker.at_end(function()
    each_user(function(user, list)
      streams[user] = nil
      close_all(list)
    end)
  end)
end

return updates

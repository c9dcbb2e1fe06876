-- What the workers of this process tell each other: that a next occurrence is there (whoever
-- answers its completion waits for it), and updates for open streams (updates.lua).
local bus = require("host.bus")
local fiber = require("host.fiber")

local live = {}

local handlers = {}
local expected = {} -- parent id -> list of events

---Tells every worker of this process.
---@param kind string  letters
---@param text string
function live.tell(kind, text)
  bus.publish(kind .. "\n" .. text)
end

---@param kind string
---@param fn fun(text: string|nil)  nil: something was lost; must not wait
function live.on(kind, fn)
  handlers[kind] = fn
end

---Begins to wait for the next occurrence of a task.
---@param parent string
---@return host.fiber.Event
function live.expect(parent)
  local event = fiber.event()
  expected[parent] = expected[parent] or {}
  table.insert(expected[parent], event)
  return event
end

---@param parent string
---@param event host.fiber.Event
function live.forget(parent, event)
  local left = {}
  for _, other in ipairs(expected[parent]) do
    if other ~= event then
      left[#left + 1] = other
    end
  end
  expected[parent] = left[1] and left or nil
end

live.on("next", function(parent)
  for _, event in ipairs(expected[parent or ""] or {}) do
    event:set()
  end
end)

---Begins to listen; once per worker.
function live.start()
  bus.subscribe(function(text)
    if not text then
      for _, fn in pairs(handlers) do
        fn(nil)
      end
      return
    end
    local kind, rest = text:match("^(%a+)\n(.*)$")
    local handler = handlers[kind]
    if handler then -- else it is for others that listen (lib/outbox.lua)
      handler(rest)
    end
  end)
end

return live

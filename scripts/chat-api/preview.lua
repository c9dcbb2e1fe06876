-- POST /api/tasks/preview: the task that a line would make, and where its parts stand. It changes
-- nothing; `task` is what POST /api/tasks takes.
local calendar = require("host.calendar")
local chat_dates = require("chat-api.chat_dates")
local json = require("lib.json")
local preview_docs = require("chat-api.preview_docs")
local problem = require("lib.problem")
local rules = require("lib.rules")
local text = require("host.text")
local time = require("host.time")

local preview = {}

local MAX_TEXT = preview_docs.MAX_TEXT

local function check(body)
  if type(body) ~= "table" or json.is_list(body) then
    return "the body must be an object"
  end
  local line = body.text
  if type(line) ~= "string" or not line:find("%S") or text.length(line) > MAX_TEXT then
    return "text must be a string of 1 to 1000 characters"
  end
  local zone = body.timezone
  if zone ~= nil and zone ~= json.null
    and (type(zone) ~= "string" or not calendar.is_zone(zone)) then
    return "timezone must be an IANA name such as Europe/Berlin"
  end
end

-- The UTF-16 code units of the bytes up to each of the places, which are in order.
local function units_at(line, places)
  local units, at = {}, 1
  local count = 0
  for _, place in ipairs(places) do
    while at < place do
      local byte = line:byte(at)
      -- A continuation byte begins no character; four bytes are a pair.
      if byte < 128 or byte >= 192 then
        count = count + (byte >= 240 and 2 or 1)
      end
      at = at + 1
    end
    units[place] = count
  end
  return units
end

local function parts_of(line, understood)
  local places, parts = {}, json.list({})
  for _, part in ipairs(understood) do
    places[#places + 1], places[#places + 2] = part.first, part.behind
  end
  table.sort(places)
  local units = units_at(line, places)
  for i, part in ipairs(understood) do
    parts[i] = { kind = part.kind, start = units[part.first], ["end"] = units[part.behind],
      text = line:sub(part.first, part.behind - 1), label = part.label }
  end
  return parts
end

-- As POST /api/tasks takes it. A reminder that would be over is left out.
local function task_of(args, turn, zone)
  local input = { title = args.title, description = args.description, priority = args.priority,
    tags = args.tags and json.list(args.tags), recurrence_rule = args.recurrence_rule,
    timezone = zone, reminder_offset_minutes = args.reminder_offset_minutes }
  local why = chat_dates.put_new(turn, args, input)
  if why then
    return nil, why
  end
  local offset = input.reminder_offset_minutes
  if offset then
    local remind_ms = time.parse(input.due_date) - offset * 60000
    if remind_ms < turn.now_ms then
      input.reminder_offset_minutes = nil
    else
      input.remind_at = time.format(remind_ms --[[@as integer]])
    end
  end
  return input
end

---What a line means at a moment.
---@param line string
---@param zone string|nil  IANA name; else UTC
---@param now_ms integer
---@return {task: table, parts: table[]}|nil
---@return table|nil problem
function preview.read(line, zone, now_ms)
  local turn = { zone = zone or "UTC", now_ms = now_ms, calendar = calendar }
  turn.now = calendar.to_local(now_ms, turn.zone)
  local understood = rules.call("chat.quick_add", line, { now = turn.now })
  if not understood.task then
    return { task = json.null, parts = parts_of(line, understood.parts) }
  end
  local task, why = task_of(understood.task, turn, zone)
  if not task then
    return nil, problem.unprocessable(why.detail)
  end
  return { task = task, parts = parts_of(line, understood.parts) }
end

function preview.post(request)
  local body = request.json
  local message = check(body)
  if message then
    return problem.reply(problem.unprocessable(message))
  end
  local zone = body.timezone ~= json.null and body.timezone or nil
  local answer, why = preview.read(body.text, zone, time.now_ms())
  if not answer then
    return problem.reply(why --[[@as Problem]])
  end
  return 200, answer
end

return preview

-- `todo-host rules events`: calls of rules as JSON lines, for `rules diff`. They are made from what
-- is stored, and only where that says all that the rule was given: of the chat, and of which fields
-- of a task a user set, it does not. What the rules have hidden from the log is left out.
local api = require("lib.rule_api")
local db = require("host.db")
local json = require("lib.json")
local rule_examples = require("lib.rule_examples")
local shape = require("lib.shape")
local shape_json = require("lib.shape_json")
local time = require("host.time")

local rule_events = {}

local HIDDEN = "[hidden]"

local function text_or_nil(value)
  return type(value) == "string" and value or nil
end

local LOG = "SELECT event_type, user_id, task_id, occurred_at AS at, payload::text AS payload"
  .. " FROM audit.audit_log WHERE occurred_at >= $1::timestamptz%s ORDER BY occurred_at, id"
  .. " LIMIT $2::bigint"

-- What a log line holds that nothing was hidden from.
local function read_payload(row)
  local payload = json.decode(row.payload)
  for _, name in ipairs({ "title", "description", "recurrence_rule", "timezone", "due_date" }) do
    if payload[name] == HIDDEN then
      return nil
    end
  end
  return text_or_nil(payload.title) and json.is_list(payload.tags) and payload or nil
end

local function kept(row)
  local payload = read_payload(row)
  return payload and { { event_type = row.event_type, user_id = row.user_id,
    title = payload.title, tags = payload.tags } }
end

-- Only with its anchor, where it has one, a series goes on as it did.
local function followed(row)
  local payload = read_payload(row)
  if not payload or not text_or_nil(payload.recurrence_rule) then
    return nil
  end
  local due_ms = text_or_nil(payload.due_date) and time.parse(payload.due_date)
  local anchor = due_ms and row.local_at and time.parse(row.due_at) == due_ms
    and { local_ms = time.parse(row.local_at), day = row.day } or nil
  return { { recurrence_rule = payload.recurrence_rule, due_date = due_ms or nil,
    timezone = text_or_nil(payload.timezone), repeat_from = text_or_nil(payload.repeat_from),
    anchor = anchor }, time.parse(row.at) }
end

local DELIVERIES = "SELECT d.task_id, d.user_id, d.reminder::text AS reminder, %s AS at,"
  .. " bool_or(d.channel = 'email') AS email, bool_or(d.channel = 'webhook') AS webhook"
  .. " FROM notify.delivery AS d WHERE d.created_at >= $1::timestamptz%s"
  .. " GROUP BY d.event_id, d.task_id, d.user_id, d.reminder::text ORDER BY 4 LIMIT $2::bigint"

local function facts_of(row)
  local stored, at_ms = json.decode(row.reminder), time.parse(row.at)
  local remind_ms = time.parse(stored.remind_at)
  return { task_id = row.task_id, user_id = row.user_id, task_title = stored.task_title,
    due_ms = time.parse(stored.due_at), remind_ms = remind_ms,
    late_seconds = math.max(0, (at_ms - remind_ms) / 1000),
    timezone = text_or_nil(stored.timezone), priority = text_or_nil(stored.priority) }, at_ms
end

-- A channel that the rules of then left out counts as one that is not there.
local function planned(row)
  local facts, at_ms = facts_of(row)
  return { facts, { email = row.email, webhook = row.webhook }, at_ms }
end

local function composed(row)
  return { (facts_of(row)) }
end

-- rule -> the statement, and what makes the arguments of a row, or nil
---@type table<string, {[1]: string, [2]: fun(row: table): any[]|nil}>
local SOURCES = {
  ["audit.keep"] = { LOG:format(""), kept },
  ["recurrence.next"] = { "SELECT l.*, a.due_at, a.local_at, a.day FROM ("
    .. LOG:format(" AND event_type = 'task.completed'") .. ") AS l"
    .. " LEFT JOIN recur.anchor AS a ON a.task_id = l.task_id ORDER BY l.at", followed },
  ["notify.plan"] = { DELIVERIES:format("min(d.created_at)", " AND d.state <> 'skipped'"),
    planned },
  ["notify.compose"] = { DELIVERIES:format("min(d.sent_at)", " AND d.state = 'sent'"), composed },
}

---The entries whose calls can be made from what is stored.
---@return string[]
function rule_events.stored()
  local names = {}
  for name in pairs(SOURCES) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function line_of(name, args)
  return json.encode({ call = name, args = json.list(args) })
end

---@param only string|nil  an entry
---@param since_ms integer
---@param limit integer    calls of each entry
---@return string[]|nil lines
---@return string|nil message
function rule_events.from_database(only, since_ms, limit)
  local lines = {}
  for _, name in ipairs(rule_events.stored()) do
    if not only or only == name then
      local sql, make = SOURCES[name][1], SOURCES[name][2]
      local rows, err = db.query(sql, time.format(since_ms), limit)
      if not rows then
        return nil, err.message
      end
      for _, row in ipairs(rows) do
        local args = make(row)
        lines[#lines + 1] = args and line_of(name, args)
      end
    end
  end
  return lines
end

---@param folder host.trial.Folder
---@param only string|nil  an entry
---@return string[]|nil lines
---@return string|nil message
function rule_events.from_examples(folder, only)
  local lines = {}
  for _, file in ipairs(folder:files()) do
    local source = file:match("^(.+)%.examples%.json$")
    ---@type table[]|nil, string|nil
    local examples, message = {}, nil
    if source then
      examples, message = rule_examples.decode(folder:read_file(file) --[[@as string]])
    end
    if not examples then
      return nil, file .. ": " .. message
    end
    for _, example in ipairs(examples) do
      local name = source .. "." .. example.call
      if not only or only == name then
        local args, entry = {}, api.entries[name]
        for i = 1, #example.args do
          args[i] = rule_examples.read_value(example.args[i])
          args[i] = entry and shape_json.mark(entry.args[i] or shape.any(), args[i]) or args[i]
        end
        lines[#lines + 1] = line_of(name, args)
      end
    end
  end
  return lines
end

return rule_events

-- The chat's own words: how tasks, moments and failures read, and how titles are compared.
local json = require("lib.json")

local chat_text = {}

chat_text.HINT = 'Try "add buy milk tomorrow at 9am #home", "what is due this week?" or '
  .. '"complete buy milk".'
chat_text.HELP = table.concat({
  "I keep your tasks. You can say things like:",
  '- "add buy milk tomorrow at 9am #home high priority"',
  '- "remind me to call mom in 2 hours", "every monday 9am standup"',
  '- "show my tasks", "what is overdue?", "due this week", "high priority tasks tagged work"',
  '- "complete buy milk", "rename report to quarterly report", "move dentist to friday 3pm"',
  '- "make it high priority", "tag dentist with health", "delete buy milk"',
}, "\n")

local DAYS = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" }
local MONTHS = { "January", "February", "March", "April", "May", "June", "July", "August",
  "September", "October", "November", "December" }

local function same_day(a, b)
  return a.year == b.year and a.month == b.month and a.day == b.day
end

-- A civil day's distance from another, roughly right only within a month: for words like "tomorrow".
local function days_between(from, to)
  local a = os.time({ year = from.year, month = from.month, day = from.day, hour = 12 })
  local b = os.time({ year = to.year, month = to.month, day = to.day, hour = 12 })
  return math.floor((b - a) / 86400 + 0.5)
end

---"today at 09:00", "tomorrow at 09:00", "on Friday at 15:00", "on 3 March 2027 at 09:00"
---@param civil table
---@param now table
---@return string
function chat_text.moment(civil, now)
  local clock = string.format("at %02d:%02d", civil.hour, civil.min)
  if civil.sec and civil.sec > 0 then
    clock = clock .. string.format(":%02d", civil.sec)
  end
  local ahead = days_between(now, civil)
  if same_day(civil, now) then
    return "today " .. clock
  elseif ahead == 1 then
    return "tomorrow " .. clock
  elseif ahead > 1 and ahead < 7 then
    return "on " .. DAYS[civil.wday] .. " " .. clock
  end
  local year = civil.year ~= now.year and " " .. civil.year or ""
  return "on " .. civil.day .. " " .. MONTHS[civil.month] .. year .. " " .. clock
end

local RULES = { DAILY = "every day", WEEKLY = "every week", MONTHLY = "every month",
  YEARLY = "every year" }
local RULE_DAYS = { MO = "Monday", TU = "Tuesday", WE = "Wednesday", TH = "Thursday", FR = "Friday",
  SA = "Saturday", SU = "Sunday" }

local function rule_text(rule)
  local days = rule:match("^INTERVAL:(%d+)$")
  if RULES[rule] then
    return RULES[rule]
  elseif days then
    return "every " .. days .. " days"
  elseif rule == "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR" then
    return "every weekday"
  end
  local list = rule:match("^FREQ=WEEKLY;BYDAY=([%u,]+)$")
  if list then
    return "every " .. list:gsub("%u%u", RULE_DAYS):gsub(",", ", ")
  end
  return "repeating (" .. rule .. ")"
end

---@param task table   with the keys of the contract
---@param due table|nil  its due date, civil
---@param now table
---@return string
function chat_text.task(task, due, now)
  local parts = { '"' .. task.title .. '"' }
  if due then
    parts[#parts + 1] = "due " .. chat_text.moment(due, now)
  end
  if task.priority ~= "medium" then
    parts[#parts + 1] = task.priority .. " priority"
  end
  if task.recurrence_rule ~= json.null then
    parts[#parts + 1] = rule_text(task.recurrence_rule)
  end
  if task.reminder_offset_minutes ~= json.null then
    local minutes = task.reminder_offset_minutes
    local amount = minutes % 1440 == 0 and minutes / 1440 .. " day"
      or minutes % 60 == 0 and minutes / 60 .. " hour" or minutes .. " minute"
    parts[#parts + 1] = "reminder " .. amount .. (amount:find("^1 ") and "" or "s") .. " before"
  end
  for _, tag in ipairs(task.tags) do
    parts[#parts + 1] = "#" .. tag
  end
  if task.status == "completed" then
    parts[#parts + 1] = "done"
  elseif task.status == "in_progress" then
    parts[#parts + 1] = "in progress"
  end
  return table.concat(parts, ", ")
end

---@param count integer
---@return string
function chat_text.tasks(count)
  return count == 1 and "1 task" or count .. " tasks"
end

local function filter_words(args)
  local words = {}
  if args.priority then
    words[#words + 1] = args.priority .. "-priority"
  end
  if args.overdue then
    words[#words + 1] = "overdue"
  end
  if args.status == "completed" then
    words[#words + 1] = "completed"
  elseif args.status == "in_progress" then
    words[#words + 1] = "started"
  end
  return #words > 0 and table.concat(words, " ") .. " " or ""
end

---@param total integer
---@param args table  of list_tasks
---@return string
function chat_text.count(total, args)
  local what = filter_words(args)
  return "You have " .. total .. " " .. what .. (total == 1 and "task:" or "tasks:")
end

---@param args table  of list_tasks
---@return string
function chat_text.nothing(args)
  if args.search then
    return 'No task matches "' .. args.search .. '".'
  elseif args.overdue then
    return "Nothing is overdue. Well done!"
  elseif args.due_before or args.due_after then
    return "Nothing is due then."
  end
  return "There are no " .. filter_words(args) .. "tasks."
end

---@param before table
---@param after table
---@param description string
---@return string
function chat_text.changed(before, after, description)
  if before.version == after.version then
    return "Nothing to change: " .. description .. "."
  elseif before.title ~= after.title then
    return 'Renamed "' .. before.title .. '" to "' .. after.title .. '".'
  end
  return "Updated " .. description .. "."
end

---@param why table  a problem
---@return string
function chat_text.failed(why)
  local detail = why.detail
  return "That did not work: " .. detail:sub(1, 1):lower() .. detail:sub(2) .. "."
end

-- Comparing titles.

---@param text string
---@return string  lower case, without punctuation, single spaces
function chat_text.fold(text)
  return (text:lower():gsub("[%p]", " "):gsub("%s+", " "):match("^%s*(.-)%s*$"))
end

---@param title string   folded
---@param wanted string  folded
---@return boolean  every wanted word begins a word of the title
function chat_text.holds_words(title, wanted)
  if wanted == "" then
    return false
  end
  local padded = " " .. title
  for word in wanted:gmatch("%S+") do
    if not padded:find(" " .. word, 1, true) then
      return false
    end
  end
  return true
end

-- Levenshtein's distance, given up beyond `limit`.
local function distance(a, b, limit)
  if math.abs(#a - #b) > limit then
    return limit + 1
  end
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal, best = row[0], i
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and diagonal or math.min(diagonal, row[j], row[j - 1]) + 1
      diagonal, row[j] = row[j], cost
      best = math.min(best, cost)
    end
    if best > limit then
      return limit + 1
    end
  end
  return row[#b]
end

---@param title string   folded
---@param wanted string  folded
---@return boolean  the same but for a typing mistake in about every fourth letter
function chat_text.is_near(title, wanted)
  local limit = math.floor(#wanted / 4)
  return limit > 0 and #wanted <= 60 and distance(title, wanted, limit) <= limit
end

return chat_text

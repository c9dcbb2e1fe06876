-- The chat's own words: how tasks, moments and failures read.
local civil = require("rules.chat_civil")
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

local function days_between(from, to)
  return civil.to_days(to.year, to.month, to.day) - civil.to_days(from.year, from.month, from.day)
end

---"today at 09:00", "tomorrow at 09:00", "on Friday at 15:00", "on 3 March 2027 at 09:00"
---@param date table  civil
---@param now table
---@return string
function chat_text.moment(date, now)
  local clock = string.format("at %02d:%02d", date.hour, date.min)
  if date.sec and date.sec > 0 then
    clock = clock .. string.format(":%02d", date.sec)
  end
  local ahead = days_between(now, date)
  if ahead == 0 then
    return "today " .. clock
  elseif ahead == 1 then
    return "tomorrow " .. clock
  elseif ahead > 1 and ahead < 7 then
    return "on " .. DAYS[civil.weekday(date)] .. " " .. clock
  end
  local year = date.year ~= now.year and " " .. date.year or ""
  return "on " .. date.day .. " " .. MONTHS[date.month] .. year .. " " .. clock
end

local RULES = { DAILY = "every day", WEEKLY = "every week", MONTHLY = "every month",
  YEARLY = "every year" }
local RULE_DAYS = { MO = "Monday", TU = "Tuesday", WE = "Wednesday", TH = "Thursday", FR = "Friday",
  SA = "Saturday", SU = "Sunday" }

local UNITS = { HOURLY = "hours", DAILY = "days", WEEKLY = "weeks", MONTHLY = "months",
  YEARLY = "years" }

local PLACES = { ["1"] = "first", ["2"] = "second", ["3"] = "third", ["4"] = "fourth",
  ["5"] = "fifth", ["-1"] = "last" }

-- An RRULE without its end, in words; nil for those that need a calendar to say.
local function series_text(rule)
  if rule == "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR" then
    return "every weekday"
  end
  local list = rule:match("^FREQ=WEEKLY;BYDAY=([%u,]+)$")
  if list then
    list = list:gsub("%u%u", RULE_DAYS):gsub(",", ", ")
    return "every " .. list
  end
  local place, name = rule:match("^FREQ=MONTHLY;BYDAY=(%-?%d)(%u%u)$")
  if place and PLACES[place] then
    return "every " .. PLACES[place] .. " " .. RULE_DAYS[name] .. " of the month"
  end
  local day = rule:match("^FREQ=MONTHLY;BYMONTHDAY=(%-?%d+)$")
  if day then
    return day == "-1" and "on the last day of every month" or "on day " .. day .. " of every month"
  end
  local freq, interval = rule:match("^FREQ=(%u+);INTERVAL=(%d+)$")
  if freq and UNITS[freq] then
    return "every " .. interval .. " " .. UNITS[freq]
  end
  freq = rule:match("^FREQ=(%u+)$")
  return freq and UNITS[freq] and "every " .. UNITS[freq]:sub(1, -2)
end

local function rule_text(rule)
  local days = rule:match("^INTERVAL:(%d+)$")
  if RULES[rule] then
    return RULES[rule]
  elseif days then
    return "every " .. days .. " days"
  end
  local series, year, month, day = rule:match("^(.*);UNTIL=(%d%d%d%d)(%d%d)(%d%d)T?[%dZ]*$")
  local text = series_text(series or rule)
  if not text then
    return "repeating (" .. rule .. ")"
  elseif series then
    text = text .. " until " .. tonumber(day) .. " " .. MONTHS[tonumber(month)] .. " " .. year
  end
  return text
end

---@param task table   with the keys of the contract
---@param due table|nil  its due date, civil
---@param now table
---@param without_reminder boolean|nil
---@return string
function chat_text.task(task, due, now, without_reminder)
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
  if task.reminder_offset_minutes ~= json.null and not without_reminder then
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
  return "That did not work: " .. detail .. (detail:find("%.$") and "" or ".")
end

return chat_text

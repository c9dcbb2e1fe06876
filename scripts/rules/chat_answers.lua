-- What the chat answers.
--
-- May decide: every word of an answer. What was done, and which tasks it was done to, is told by
-- chat-api as a list of things to say.
--
--   render(chat_answers.Answer[], now) -> string   the whole answer, a line for each thing
--
-- An operator's usual changes are in TEXTS: {name} is filled in; a text that is longer than a line
-- is a list of lines. Examples: chat_answers.examples.json.
local civil = require("rules.civil")
local rule_words = require("rules.chat_rule_words")

local chat_answers = {}

local HINT = 'Try "add buy milk tomorrow at 9am #home", "what is due this week?" or '
  .. '"complete buy milk".'

local TEXTS = {
  help = {
    "I keep your tasks. You can say things like:",
    '- "add buy milk tomorrow at 9am #home high priority"',
    '- "remind me to call mom in 2 hours", "every monday 9am standup"',
    '- "show my tasks", "what is overdue?", "due this week", "high priority tasks tagged work"',
    '- "complete buy milk", "rename report to quarterly report", "move dentist to friday 3pm"',
    '- "make it high priority", "tag dentist with health", "delete buy milk"',
  },
  -- Small talk, by its kind.
  talk_hello = "Hello! What can I do for you? " .. HINT,
  talk_thanks = "You're welcome!",
  talk_praise = "Glad to hear it!",
  talk_bye = "Bye! I keep an eye on your tasks.",
  talk_how = "All is well, thanks. Shall we look at your tasks? Just ask \"what is due today?\"",
  talk_joke = "I only know one: a to-do list that was finished. What is next on yours?",
  talk_sorry = "Sorry about that. \"undo\" takes back what I did last; or say it in other words.",
  talk_busy = "One thing at a time. Ask me \"what is due today?\" or \"what is most important?\"",

  -- Taken back.
  nothing_to_undo = "There is nothing to take back.",
  undo_too_large = "That were {count} changes, too many to take back.",
  undone_added = 'Taken back: "{title}" is off your list again.',
  undone_changed = "Taken back: {task}.",
  undone_deleted = "Back on your list: {task}.",
  undone_gone = '"{title}" is not there any more.',
  undone = "Taken back: {count} changes.",
  undone_elsewhere = "The last change came from another program of yours.",

  -- Not understood, and questions back.
  unclear = "I did not understand that. " .. HINT,
  too_long = "That is too long for me. " .. HINT,
  too_much = "That is too much at once; please give me at most {count} things in a message. "
    .. HINT,
  which_title = "What is the task called?",
  which_days = 'On which days? For example "every monday and thursday".',
  offer = 'Shall I add "{title}"?',
  nothing_asked = "I did not ask for a choice. " .. HINT,
  nothing_to_confirm = "There is nothing to confirm. " .. HINT,
  unchanged = "All right, nothing was changed.",
  all_right = "All right.",
  give_number = "Please give a number from 1 to {count}.",
  not_one = "That fits more than one; please give its number.",
  which_number = "Which one? Please give its number.",
  when = 'When? For example "tomorrow at 9am".',

  -- Which task is meant.
  which = 'Several tasks match "{words}". Which one?',
  which_more = "… and {count} more; more words would help.",
  unknown = "I am not sure which task you mean; please tell me its title.",
  no_number = "There is no number {number} in what I listed last.",
  no_match = 'I found no task that matches "{words}".',

  -- What was done.
  added = "Added {task}.",
  added_when = 'Added {task}. When should I remind you? For example "tomorrow at 9am".',
  added_reminder = "Added {task}. I will remind you {at}.",
  completed = 'Done: "{title}".',
  completed_next = 'Done: "{title}". Next: {next}.',
  deleted = 'Deleted "{title}".',
  renamed = 'Renamed "{before}" to "{title}".',
  updated = "Updated {task}.",
  same = "Nothing to change: {task}.",
  reopened = "Open again: {task}.",
  noted = 'Noted for "{title}": {text}',
  reminded = 'I will remind you of "{title}" {at}.',
  remind_when = '"{title}" has no time for a reminder yet. When should I remind you? '
    .. 'For example "tomorrow at 9am".',
  failed = "That did not work: {detail}",

  -- Several at once.
  confirm = "This will {verb} {tasks}:",
  confirm_more = "… and {count} more",
  confirm_one = "Shall I {verb} it? (yes or no)",
  confirm_all = "Shall I {verb} them? (yes or no)",
  nothing_to = "There is nothing to {verb}.",
  several = "{past} {tasks}.",

  -- Lists.
  list = "You have {total} {kind}{noun}:",
  list_more = "… and {count} more.",
  count = "You have {total} {kind}{noun}.",
  no_such = 'No task matches "{search}".',
  none_overdue = "Nothing is overdue. Well done!",
  none_due = "Nothing is due then.",
  none_completed = "Nothing was completed then.",
  none = "There are no {kind}tasks.",
}

-- What is said of one field of a task: where it has one, and where not.
local FIELDS = {
  due = { '"{title}" is due {due}.', '"{title}" has no due date.' },
  priority = { '"{title}" has {priority} priority.' },
  status = { '"{title}" is done.', '"{title}" is not done yet.', '"{title}" is in progress.' },
  tags = { '"{title}" is tagged {tags}.', '"{title}" has no tags.' },
  description = { '"{title}": {text}', '"{title}" has no notes.' },
  recurrence = { '"{title}" repeats {rule}.', '"{title}" does not repeat.' },
  reminder = { 'I will remind you of "{title}" {at}.', '"{title}" has no reminder.' },
}

local VERBS = { delete_task = "delete", complete_task = "complete", update_task = "change" }
local PAST = { delete_task = "Deleted", complete_task = "Completed", update_task = "Changed" }

local DAYS = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" }
---@type table<any, string>
local MONTHS = civil.MONTHS

---@class chat_answers.Task
---@field title string
---@field due table|nil          civil, in the user's zone
---@field priority string
---@field recurrence_rule string|nil
---@field reminder_offset_minutes integer|nil
---@field tags string[]
---@field status string

---@class chat_answers.Filter
---@field priority string|nil
---@field status string|nil
---@field overdue boolean|nil
---@field search string|nil
---@field dated boolean|nil    of some days only
---@field count boolean|nil    only how many there are was asked
---@field has_reminder boolean|nil

---@class chat_answers.Answer
---@field say string  a key of TEXTS, or list, which, confirm, question
---@field text string|nil      of a question that rules/chat.lua asks
---@field task chat_answers.Task|nil   the one that it is about
---@field next chat_answers.Task|nil
---@field tasks chat_answers.Task[]|nil  of a list, those that are shown
---@field titles string[]|nil  of those that will be changed
---@field more integer|nil     how many are left out
---@field total integer|nil
---@field count integer|nil
---@field number integer|nil
---@field tool string|nil      complete_task, delete_task or update_task
---@field filter chat_answers.Filter|nil  of a list
---@field at table|nil         civil: when a reminder comes
---@field title string|nil
---@field before string|nil    the title that it had
---@field words string|nil     of the user
---@field detail string|nil    what went wrong
---@field field string|nil     of the task, that was asked for

local function days_between(from, to)
  return civil.to_days(to.year, to.month, to.day) - civil.to_days(from.year, from.month, from.day)
end

-- "today at 09:00", "tomorrow at 09:00", "on Friday at 15:00", "on 3 March 2027 at 09:00"
local function moment(date, now)
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

---A day and time in few letters: "Wed, 2 Dec, 15:00".
---@param date table
---@param now table
---@return string
function chat_answers.day_label(date, now)
  local year = date.year ~= now.year and " " .. date.year or ""
  local weekday, month = tostring(DAYS[civil.weekday(date)]), tostring(MONTHS[date.month])
  return string.format("%s, %d %s%s, %02d:%02d", weekday:sub(1, 3), date.day, month:sub(1, 3), year,
    date.hour, date.min)
end

---@param minutes integer
---@return string  "2 hours before"
function chat_answers.offset_text(minutes)
  local amount = minutes % 1440 == 0 and minutes / 1440 .. " day"
    or minutes % 60 == 0 and minutes / 60 .. " hour" or minutes .. " minute"
  return amount .. (amount:find("^1 ") and "" or "s") .. " before"
end

-- "buy milk", due tomorrow at 09:00, high priority, every week, reminder 1 hour before, #home
local function describe(task, now)
  local parts = { '"' .. task.title .. '"' }
  if task.due then
    parts[#parts + 1] = "due " .. moment(task.due, now)
  end
  if task.priority ~= "medium" then
    parts[#parts + 1] = task.priority .. " priority"
  end
  if task.recurrence_rule then
    parts[#parts + 1] = rule_words.text(task.recurrence_rule)
  end
  if task.reminder_offset_minutes then
    parts[#parts + 1] = "reminder " .. chat_answers.offset_text(task.reminder_offset_minutes)
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

local function count_text(count)
  return count == 1 and "1 task" or count .. " tasks"
end

local function kind_text(filter)
  local words = {}
  if filter.priority then
    words[#words + 1] = filter.priority .. "-priority"
  end
  if filter.overdue then
    words[#words + 1] = "overdue"
  end
  if filter.status == "completed" then
    words[#words + 1] = "completed"
  elseif filter.status == "in_progress" then
    words[#words + 1] = "started"
  end
  return #words > 0 and table.concat(words, " ") .. " " or ""
end

---One of TEXTS with its values. One pass: a title that holds {words} stays as it is.
---@param name string
---@param values table<string, string|number>|nil
---@return string
function chat_answers.text(name, values)
  ---@type any
  local text = TEXTS[name]
  if type(text) == "table" then
    text = table.concat(text, "\n")
  end
  return (text:gsub("{(%w+)}", values or {}))
end
local fill = chat_answers.text

local function numbered(lines, tasks, now)
  for i, task in ipairs(tasks) do
    lines[#lines + 1] = i .. ". " .. describe(task, now)
  end
end

local function close(lines, name, more)
  if more and more > 0 then
    lines[#lines + 1] = fill(name, { count = more })
  end
  return table.concat(lines, "\n")
end

local function tag_list(task)
  return #task.tags > 0 and "#" .. table.concat(task.tags, " #") or nil
end

-- One field of a task, or all that there is to say of it.
local function detail(answer, now)
  local task, texts = answer.task, FIELDS[answer.field]
  if not texts then
    return describe(task, now) .. "." .. (answer.text and "\n" .. answer.text or "")
  end
  local values = { title = task.title, priority = task.priority, text = answer.text,
    due = task.due and moment(task.due, now), at = answer.at and moment(answer.at, now),
    tags = tag_list(task),
    rule = task.recurrence_rule and rule_words.text(task.recurrence_rule) }
  local has = { due = values.due, priority = true, status = task.status == "completed",
    tags = values.tags, description = values.text, recurrence = values.rule, reminder = values.at }
  local text = has[answer.field] and texts[1] or task.status == "in_progress" and texts[3]
    or texts[2]
  ---@cast text string
  return (text:gsub("{(%w+)}", values))
end

local SAY = {
  detail = detail,
  talk = function(answer)
    return fill(TEXTS["talk_" .. answer.text] and "talk_" .. answer.text or "talk_hello")
  end,
  several = function(answer)
    local line = fill("several", { past = PAST[answer.tool], tasks = count_text(answer.count) })
    if not answer.titles or #answer.titles == 0 then
      return line
    end
    local lines = { (line:gsub("%.$", ":")) }
    for _, title in ipairs(answer.titles) do
      lines[#lines + 1] = '- "' .. title .. '"'
    end
    return close(lines, "confirm_more", answer.more)
  end,
  question = function(answer) return answer.text end,
  list = function(answer, now)
    local filter = answer.filter
    if #answer.tasks == 0 then
      return filter.search and fill("no_such", { search = filter.search })
        or filter.overdue and fill("none_overdue")
        or filter.dated and fill(filter.status == "completed" and "none_completed" or "none_due")
        or fill("none", { kind = kind_text(filter) })
    end
    if filter.count then
      return fill("count", { total = answer.total, kind = kind_text(filter),
        noun = answer.total == 1 and "task" or "tasks" })
    end
    local lines = { fill("list", { total = answer.total, kind = kind_text(filter),
      noun = answer.total == 1 and "task" or "tasks" }) }
    numbered(lines, answer.tasks, now)
    return close(lines, "list_more", answer.more)
  end,
  which = function(answer, now)
    local lines = { fill("which", { words = answer.words }) }
    numbered(lines, answer.tasks, now)
    return close(lines, "which_more", answer.more)
  end,
  confirm = function(answer)
    local values = { verb = VERBS[answer.tool], tasks = count_text(answer.count) }
    local lines = { fill("confirm", values) }
    for _, title in ipairs(answer.titles) do
      lines[#lines + 1] = '- "' .. title .. '"'
    end
    return close(lines, "confirm_more", answer.more) .. "\n"
      .. fill(answer.count == 1 and "confirm_one" or "confirm_all", values)
  end,
  failed = function(answer)
    local why = answer.detail
    return fill("failed", { detail = why .. (why:find("%.$") and "" or ".") })
  end,
}

local function one(answer, now)
  if SAY[answer.say] then
    return SAY[answer.say](answer, now)
  end
  return fill(answer.say, { task = answer.task and describe(answer.task, now),
    next = answer.next and describe(answer.next, now), at = answer.at and moment(answer.at, now),
    tasks = answer.count and count_text(answer.count), verb = VERBS[answer.tool],
    past = PAST[answer.tool], count = answer.count, number = answer.number,
    title = answer.title, before = answer.before, words = answer.words, text = answer.text })
end

---The answer to a message.
---@param answers chat_answers.Answer[]
---@param now table  civil local time of the user
---@return string
function chat_answers.render(answers, now)
  local lines = {}
  for i, answer in ipairs(answers) do
    lines[i] = one(answer, now)
  end
  return table.concat(lines, "\n")
end

return chat_answers

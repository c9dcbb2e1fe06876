-- What a message means, without any model: a list of calls of the tools below, or a question. Pure and
-- table-driven (chat_words.lua); dates are chat_dates.lua's. Only the user's own message is read: the
-- text of a task is never a command.
--
-- Tools: add_task {title, due, tags, priority, recurrence_rule, reminder_offset_minutes, remind_at_due},
-- list_tasks {filters}, complete_task {match}, update_task {match, changes}, delete_task {match | all,
-- filters}, help, greeting, undo, yes, no, pick {number}, unclear {text}.
-- match is {words = …}, {last = true} or {number = n}. Times are civil, in the user's time zone.
local dates = require("rules.chat_dates")
local lpeg = require("lpeg")
local words = require("rules.chat_words")

local chat = {}

-- Stands in changes for "no value any more".
chat.CLEAR = {}

local any = dates.any
local MAX_CALLS = 10

local function trim(text)
  return text:match("^[%s,;:%-]*(.-)[%s,;:%-]*$")
end

local function squeeze(text)
  return (text:gsub("%s+", " "):match("^%s*(.-)%s*$"))
end

-- A function that cuts one of the phrases off the front of a text.
local function prefix(...)
  local phrases = {}
  for _, list in ipairs({ ... }) do
    for _, phrase in ipairs(list) do
      phrases[#phrases + 1] = phrase
    end
  end
  local pattern = lpeg.C(any(phrases)) * lpeg.Cp()
  return function(text)
    local phrase, behind = pattern:match(text:lower())
    if phrase then
      return text:sub(behind):match("^[%s,:]*(.*)$"), phrase
    end
  end
end

-- A function that cuts one of the phrases off the end.
local function suffix(phrases)
  local sorted = {}
  for i, phrase in ipairs(phrases) do
    sorted[i] = phrase
  end
  table.sort(sorted, function(a, b) return #a > #b end)
  return function(text)
    local lower = text:lower()
    for _, phrase in ipairs(sorted) do
      local at = #text - #phrase + 1
      if at > 1 and lower:sub(at) == phrase and lower:sub(at - 1, at - 1):find("[%s,]") then
        return text:sub(1, at - 1):match("^(.-)[%s,]*$")
      end
    end
  end
end

local function exactly(phrases)
  local set = {}
  for _, phrase in ipairs(phrases) do
    set[phrase] = true
  end
  return function(text)
    return set[text:lower():gsub("[%.!%?,]+$", ""):gsub("%s+", " ")] == true
  end
end

local function lookup(map)
  local flat = {}
  for key, list in pairs(map) do
    for _, phrase in ipairs(list) do
      flat[phrase] = flat[phrase] or key
    end
  end
  return flat
end

local cut = {}
for _, name in ipairs({ "polite", "add", "add_links", "remind_me", "remind_about", "list", "search",
  "complete", "start", "reopen", "rename", "move", "priority_of", "prioritise", "deprioritise", "make",
  "delete", "tag", "untag", "noise_before" }) do
  cut[name] = prefix(words[name])
end
local cut_closing = suffix(words.closing)
local cut_add_tail = suffix(words.add_tails)
local cut_noise_after = suffix(words.noise_after)
local is_it, is_everything = exactly(words.it), exactly(words.everything)
local is_yes, is_no, is_help = exactly(words.yes), exactly(words.no), exactly(words.help)
local is_greeting, is_undo = exactly(words.greeting), exactly(words.undo)
local PRIORITY, STATUS = lookup(words.priority), lookup(words.status)

-- A whole text inside quotation marks, without them.
local function unquote(text)
  return text:match('^"([^"]+)"$') or text:match("^'(.+)'$") or text:match("^“(.-)”$")
end

-- Tags: #word outside of quotes.
local function find_tags(text)
  local tags, rest, at, kept = {}, {}, 1, 1
  while at <= #text do
    local stop = dates.skip_quoted(text, at)
    local from, to, tag = text:find("^#([%w\128-\255][%w_%-\128-\255]*)", at)
    if stop then
      at = stop + 1
    elseif from and (at == 1 or text:sub(at - 1, at - 1):find("[%s,%(\1]")) then
      tags[#tags + 1] = tag:lower()
      rest[#rest + 1] = text:sub(kept, at - 1)
      at, kept = to + 1, to + 1
    else
      at = at + 1
    end
  end
  rest[#rest + 1] = text:sub(kept)
  return tags, table.concat(rest, "\1")
end

-- Phrases of a new task that name its priority, longest first: text -> priority.
local PRIORITY_PHRASES = {}
for level, list in pairs(words.priority) do
  for _, word in ipairs(list) do
    for _, form in ipairs({ "with %s priority", "at %s priority", "as %s priority", "%s priority", "priority %s",
      "priority: %s", "with priority %s", "%s-priority", "it's %s priority" }) do
      PRIORITY_PHRASES[form:format(word)] = level
    end
  end
end
for level, list in pairs(words.priority_alone) do
  for _, word in ipairs(list) do
    PRIORITY_PHRASES[word] = level
  end
end
PRIORITY_PHRASES["it's urgent"], PRIORITY_PHRASES["it is urgent"] = "high", "high"
PRIORITY_PHRASES["it's important"], PRIORITY_PHRASES["it is important"] = "high", "high"
local priority_list = {}
for phrase in pairs(PRIORITY_PHRASES) do
  priority_list[#priority_list + 1] = phrase
end
local priority_pattern = lpeg.C(any(priority_list)) * lpeg.Cp()

local function find_priority(text)
  local lower = text:lower()
  local at, boundary = 1, true
  while at <= #text do
    local stop = dates.skip_quoted(text, at)
    if stop then
      at, boundary = stop + 1, false
    else
      if boundary then
        local phrase, behind = priority_pattern:match(lower, at)
        if phrase and (behind > #text or text:sub(behind, behind):find("[%s,%.!;\1]")) then
          return PRIORITY_PHRASES[(phrase:gsub("%s+", " "))], text:sub(1, at - 1) .. "\1" .. text:sub(behind)
        end
      end
      boundary = text:sub(at, at):find("[%s,%(\1]") ~= nil
      at = at + 1
    end
  end
  return nil, text
end

-- What is left of a title when the phrases have been cut out (\1 marks the cuts).
local function clean_title(text)
  local joined = text:gsub("[%s,]*\1[%s,]*", " ")
  joined = squeeze(joined)
  for _ = 1, 3 do
    local shorter = joined:match("^(.-)%s+[Aa][Nn][Dd]$") or joined:match("^(.-)%s+[Ww]ith$")
      or joined:match("^(.-)%s+[Oo]n$") or joined:match("^(.-)%s+[Aa]t$") or joined:match("^(.-)%s+by$")
      or joined:match("^(.-)%s+due$") or joined:match("^(.-)%s+for$") or joined:match("^[Tt]o%s+(.+)$")
      or joined:match("^(.-)%s*[,;:%-]$")
    joined = shorter or joined
  end
  joined = trim(joined)
  if not joined:find("%.%.%.$") then
    joined = joined:match("^(.-)%.?$")
  end
  return unquote(joined) or joined
end

-- Everything that a text about a task may say beside its title.
local function read_details(text, now)
  local details = {}
  local rest
  details.tags, rest = find_tags(text)
  details.priority, rest = find_priority(rest)
  local found
  found, rest = dates.find(rest, now)
  details.due = dates.due(found, now)
  details.recurrence_rule = found.recurrence and found.recurrence.rule
  details.reminder = found.reminder
  details.has_any = #details.tags > 0 or details.priority or details.due or details.reminder
  return details, rest
end

local function new_task(text, now, remind)
  for _ = 1, 3 do
    text = cut_add_tail(text) or text
  end
  local details, rest = read_details(text, now)
  local links = cut.add_links(trim(rest))
  local title = clean_title(links and links ~= "" and links or rest)
  title = cut_add_tail(title) or title
  if title == "" then
    return { tool = "unclear", args = { ask = "title" } }
  end
  local args = { title = title, due = details.due, priority = details.priority,
    recurrence_rule = details.recurrence_rule, reminder_offset_minutes = details.reminder }
  if #details.tags > 0 then
    args.tags = details.tags
  end
  if remind and not details.reminder then
    args.remind_at_due = true
  end
  return { tool = "add_task", args = args }
end

-- Which task a text names.
local function read_match(text)
  text = trim(text):gsub("[%.!%?]+$", "")
  for _ = 1, 4 do
    text = cut_closing(text) or text
  end
  if is_it(text) then
    return { last = true }
  end
  local number = text:lower():match("^#(%d+)$") or text:lower():match("^number (%d+)$")
    or text:lower():match("^task #?(%d+)$") or text:lower():match("^the (%d+)%a%a$")
  if number then
    return { number = tonumber(number) }
  end
  local quoted = unquote(text)
  if quoted then
    return { words = quoted, exact = true }
  end
  for _ = 1, 4 do
    local shorter = cut.noise_before(text)
    if shorter and shorter ~= "" then
      text = shorter
    end
    shorter = cut_noise_after(text)
    if shorter and shorter ~= "" then
      text = shorter
    end
  end
  quoted = unquote(text)
  if quoted then
    return { words = quoted, exact = true }
  end
  if text == "" or is_it(text) then
    return { last = true }
  end
  return { words = squeeze(text) }
end

-- Filters of lists, and of "delete all …".

local STATUS_PHRASES = {}
for _, list in pairs(words.status) do
  for _, phrase in ipairs(list) do
    STATUS_PHRASES[#STATUS_PHRASES + 1] = phrase
  end
end
table.sort(STATUS_PHRASES, function(a, b) return #a > #b end)

local function has_phrase(lower, phrase)
  return (" " .. lower .. " "):find("[%s,]" .. phrase:gsub("%p", "%%%0") .. "[%s,%.%?!]") ~= nil
end

local function day_range(date, days)
  return { year = date.year, month = date.month, day = date.day, hour = 0, min = 0 },
    (function()
      local stop = dates.add_days(date, days)
      return { year = stop.year, month = stop.month, day = stop.day, hour = 0, min = 0 }
    end)()
end

local function period_of(lower, now)
  local monday = dates.add_days(now, 1 - dates.weekday(now))
  if has_phrase(lower, "this week") or has_phrase(lower, "the week") then
    return day_range(monday, 7)
  elseif has_phrase(lower, "next week") then
    return day_range(dates.add_days(monday, 7), 7)
  elseif has_phrase(lower, "this weekend") or has_phrase(lower, "the weekend") then
    return day_range(dates.add_days(monday, 5), 2)
  elseif has_phrase(lower, "this month") then
    return day_range({ year = now.year, month = now.month, day = 1 },
      dates.days_in_month(now.year, now.month))
  elseif has_phrase(lower, "next month") then
    local first = dates.add_months({ year = now.year, month = now.month, day = 1 }, 1)
    return day_range(first, dates.days_in_month(first.year, first.month))
  end
  local count, unit = dates.leading_amount(lower:match("next (%d+ %a+)") or lower:match("coming (%d+ %a+)") or "")
  if count then
    local _, stop = day_range(dates.add(now, count, unit), 1)
    return { year = now.year, month = now.month, day = now.day, hour = 0, min = 0 }, stop
  end
end

local function read_period(filters, lower, now)
  local day = lower:match("before (.+)$") or lower:match("until (.+)$") or lower:match("by (.+)$")
  local date = day and dates.leading_day(day, now)
  if date then
    local start, stop = day_range(date, 1)
    filters.due_before = lower:find("before ", 1, true) and start or stop
    return
  end
  day = lower:match("after (.+)$") or lower:match("since (.+)$")
  date = day and dates.leading_day(day, now)
  if date then
    local _, stop = day_range(date, 1)
    filters.due_after = stop
    return
  end
  local start, stop = period_of(lower, now)
  if not start then
    local found = dates.find(lower, now)
    if found.day then
      start, stop = day_range(found.day, 1)
    end
  end
  filters.due_after, filters.due_before = start, stop
end

local function read_filters(text, now)
  local filters = {}
  local tags, rest = find_tags(text)
  local lower = squeeze(rest:gsub("\1", " "):lower():gsub("[%?!%.]+$", ""))
  local tag = lower:match("tagged %a* ?as (%S+)") or lower:match("tagged with (%S+)") or lower:match("tagged (%S+)")
    or lower:match("with tag (%S+)") or lower:match("with the tag (%S+)") or lower:match("labeled (%S+)")
    or lower:match("labelled (%S+)") or lower:match("with label (%S+)")
  if tag then
    tags[#tags + 1] = tag:gsub("[%p]", "")
  end
  if #tags > 0 then
    filters.tags = tags
  end
  for level, list in pairs(words.priority) do
    for _, word in ipairs(list) do
      if has_phrase(lower, word .. " priority") or has_phrase(lower, "priority " .. word)
        or has_phrase(lower, word .. "-priority")
        or #word > 1 and word:find("^%a[%a%d]*$") and word ~= "top" and word ~= "regular" and word ~= "mid"
        and has_phrase(lower, word) and not filters.priority then
        filters.priority = level
      end
    end
  end
  if has_phrase(lower, "overdue") or has_phrase(lower, "late") or has_phrase(lower, "past due") or has_phrase(lower, "missed") then
    filters.overdue = true
  end
  if has_phrase(lower, "recurring") or has_phrase(lower, "repeating") or has_phrase(lower, "recur") then
    filters.is_recurring = true
  end
  if has_phrase(lower, "without a due date") or has_phrase(lower, "without due date")
    or has_phrase(lower, "no due date") or has_phrase(lower, "without a date") or has_phrase(lower, "no date")
    or has_phrase(lower, "without deadline") or has_phrase(lower, "no deadline") or has_phrase(lower, "undated") then
    filters.has_due_date = false
  elseif has_phrase(lower, "with a due date") or has_phrase(lower, "with due dates") or has_phrase(lower, "with a deadline") then
    filters.has_due_date = true
  end
  for _, phrase in ipairs(STATUS_PHRASES) do
    if not filters.status and has_phrase(lower, phrase) then
      filters.status = STATUS[phrase]
    end
  end
  if not filters.overdue then
    read_period(filters, lower, now)
  end
  local about = lower:match("about (.+)$") or lower:match("containing (.+)$") or lower:match("matching (.+)$")
    or lower:match("mentioning (.+)$") or lower:match("named (.+)$") or lower:match("called (.+)$")
    or lower:match("with (.+) in the title$")
  if about and not filters.due_after and not filters.due_before and about ~= "it" then
    filters.search = unquote(about) or about
  end
  return filters, lower
end

local function is_empty(filters)
  return next(filters) == nil
end

-- A list as an answer to "what …": done tasks only when asked for.
local function list_call(text, now)
  local filters, lower = read_filters(text, now)
  if not filters.status and not has_phrase(lower, "all") and not has_phrase(lower, "everything") then
    filters.status = "active"
  elseif not filters.status then
    filters.status = "all"
  end
  if has_phrase(lower, "by priority") or has_phrase(lower, "most important") then
    filters.sort, filters.order = "priority", "desc"
    filters.priority = not has_phrase(lower, "most important") and filters.priority or nil
  elseif has_phrase(lower, "by due date") or has_phrase(lower, "by date") or has_phrase(lower, "by deadline") then
    filters.sort, filters.order = "due_date", "asc"
  end
  if has_phrase(lower, "how many") then
    filters.count = true
  end
  return { tool = "list_tasks", args = filters }
end

-- Intents. Each gets the text (and what is known) and returns a call, or nil when it is not the one.

local function update(match, changes)
  return { tool = "update_task", args = { match = match, changes = changes } }
end

local function split_last(text, separator)
  local lower = text:lower()
  local at, found = 1, nil
  while true do
    local from = lower:find(separator, at, true)
    if not from then
      break
    end
    found = found or from
    at = from + 1
  end
  if found then
    return text:sub(1, found - 1), text:sub(found + #separator)
  end
end

local function try_add(text, context)
  local rest = cut.remind_me(text)
  if rest and rest ~= "" then
    return new_task(rest, context.now, true)
  end
  local before, after = text:match("^[Rr]emind me (.-) to (.+)$")
  if before and (dates.find(before, context.now).day or dates.find(before, context.now).time
    or dates.find(before, context.now).recurrence) then
    return new_task(after .. " \1 " .. before, context.now, true)
  end
  rest = cut.add(text)
  if rest then
    if rest == "" then
      return { tool = "unclear", args = { ask = "title" } }
    end
    return new_task(rest, context.now, false)
  end
end

-- Only what a reminder can be about: an amount before, or a moment.
local function try_remind_about(text, context)
  local rest = cut.remind_about(text)
  if not rest then
    rest = text:match("^[Rr]emind me (.+)$")
    local details = rest and read_details(rest, context.now)
    if rest and details.reminder and clean_title(select(2, read_details(rest, context.now))) == "" then
      return update({ last = true }, { reminder_offset_minutes = details.reminder })
    end
    return nil
  end
  local details, left = read_details(rest, context.now)
  local match = read_match(clean_title(left))
  if details.reminder then
    return update(match, { reminder_offset_minutes = details.reminder })
  elseif details.due then
    return { tool = "update_task", args = { match = match, changes = { remind_at = details.due },
      or_add = clean_title(left) } }
  end
  return update(match, { reminder_offset_minutes = 30 })
end

local function try_list(text, context)
  local rest = cut.search(text)
  if rest and rest ~= "" then
    local filters = read_filters(rest, context.now)
    rest = rest:lower():gsub("[%?!%.]+$", ""):gsub("^tasks? about ", ""):gsub("^tasks? with ", "")
      :gsub("^my ", ""):gsub("^the ", ""):gsub(" tasks?$", ""):gsub("^tasks? ", "")
    if filters.tags or filters.priority or filters.overdue then
      filters.search = nil
      return { tool = "list_tasks", args = filters }
    end
    return { tool = "list_tasks", args = { search = unquote(rest) or rest, status = "all" } }
  end
  local lower = text:lower()
  rest = cut.list(text)
  if rest then
    return list_call(text, context.now)
  end
  local bare = lower:gsub("[%?!%.]+$", "")
  if cut.delete(text) or cut.complete(text) or cut.make(text) then
    return nil
  elseif bare:find("^my .*tasks?$") or bare:find("^my todos?$") or bare:find("^tasks") or bare:find("^all .*tasks$")
    or bare:find("^overdue") or bare:find("^due ") or bare:find("tasks due ") or bare:find("^todos?$")
    or bare:find("^[%a%s%-]+ tasks$") or bare == "today" or bare == "tomorrow" or bare == "this week"
    or bare == "next week" or bare:find("^agenda") or bare:find("^my agenda") or bare:find("^my day")
    or bare:find("^my list") then
    return list_call(text, context.now)
  end
end

local function try_complete(text)
  local rest, phrase = cut.complete(text)
  local lower = text:lower():gsub("[%.!]+$", "")
  local marked = lower:match("^mark (.+) as done$") or lower:match("^mark (.+) as complete$") or lower:match("^mark (.+) as completed$")
    or lower:match("^mark (.+) as finished$") or lower:match("^mark (.+) done$")
    or lower:match("^mark (.+) complete$") or lower:match("^mark (.+) completed$") or lower:match("^mark (.+) off$")
    or lower:match("^set (.+) to done$") or lower:match("^set (.+) as done$") or lower:match("^set (.+) to completed$")
    or lower:match("^check (.+) off$") or lower:match("^cross (.+) off$") or lower:match("^tick (.+) off$")
    or lower:match("^(.+) is done$") or lower:match("^(.+) is finished$") or lower:match("^(.+) is complete$")
    or lower:match("^(.+) is completed$") or lower:match("^(.+) has been done$") or lower:match("^(.+) are done$")
    or lower:match("^i'?v?e? ?a?m? ?ha?v?e? got (.+) done$") or lower:match("^got (.+) done$")
    or lower:match("^move (.+) to done$") or lower:match("^put (.+) as done$") or lower:match("^mark as done (.+)$")
    or lower:match("^mark as complete (.+)$") or lower:match("^mark complete (.+)$") or lower:match("^mark done (.+)$")
    or lower:match("^(.+) %- done$") or lower:match("^(.+): done$") or lower:match("^(.+) done$") and not rest
    and lower:match("^(.+) done$")
  if marked then
    local from = lower:find(marked, 1, true)
    marked = text:sub(from, from + #marked - 1)
  elseif not rest then
    return nil
  elseif rest == "" and phrase ~= "done" and phrase ~= "finished" and phrase ~= "completed" and phrase ~= "complete" then
    return nil
  end
  local target = marked or rest
  if is_everything(trim(target)) then
    return { tool = "complete_task", args = { all = true } }
  end
  return { tool = "complete_task", args = { match = read_match(target) } }
end

local function try_status(text)
  local lower = text:lower():gsub("[%.!]+$", "")
  local rest = cut.reopen(text)
  local target = rest or lower:match("^mark (.+) as not done$") or lower:match("^mark (.+) as pending$")
    or lower:match("^mark (.+) as incomplete$") or lower:match("^set (.+) to pending$")
    or lower:match("^mark (.+) as open$") or lower:match("^(.+) is not done$") or lower:match("^(.+) isn't done$")
    or lower:match("^mark (.+) as undone$") or lower:match("^mark (.+) as todo$")
  if target then
    return update(read_match(target), { status = "pending" })
  end
  rest = cut.start(text)
  target = rest or lower:match("^mark (.+) as in progress$") or lower:match("^set (.+) to in progress$")
    or lower:match("^mark (.+) in progress$") or lower:match("^mark (.+) as started$")
    or lower:match("^move (.+) to in progress$")
  if target and target ~= "" then
    return update(read_match(target), { status = "in_progress" })
  end
end

local function try_rename(text)
  local rest = cut.rename(text)
  local from, to
  if rest then
    from, to = split_last(rest, " to ")
    if not from then
      from, to = split_last(rest, " as ")
    end
  else
    local lower = text:lower()
    local at = lower:match("^change .- title to ()") or lower:match("^change .- name to ()")
    if at then
      from, to = text:sub(8):match("^(.-)'?s? title to"), text:sub(at)
      from = from or text:sub(8):match("^(.-)'?s? name to")
    end
  end
  if from and to and trim(to) ~= "" then
    local title = trim(to)
    return update(read_match(from), { title = unquote(title) or title })
  end
end

local function priority_word(text)
  local lower = trim(text):lower():gsub("[%.!%?]+$", "")
  lower = lower:gsub("^a ", ""):gsub("^the ", ""):gsub("^as ", ""):gsub("^to ", "")
  lower = lower:gsub("[ %-]priority$", ""):gsub("^priority ", "")
  return PRIORITY[lower]
end

local function try_priority(text)
  local rest, phrase = cut.priority_of(text)
  if rest then
    local from, to = split_last(rest, " to ")
    local level = to and priority_word(to)
    if level then
      return update(read_match(from), { priority = level })
    end
    return update(read_match(rest), { priority = phrase:find("lower") and "low" or "high" })
  end
  rest = cut.prioritise(text)
  if rest and rest ~= "" then
    return update(read_match(rest), { priority = "high" })
  end
  rest = cut.deprioritise(text)
  if rest and rest ~= "" then
    return update(read_match(rest), { priority = "low" })
  end
  local target = text:lower():match("^(.+) is urgent[%.!]*$") or text:lower():match("^(.+) is important[%.!]*$")
    or text:lower():match("^(.+) is high priority[%.!]*$") or text:lower():match("^(.+) is critical[%.!]*$")
  if target then
    return update(read_match(text:sub(1, #target)), { priority = "high" })
  end
  target = text:lower():match("^(.+) is low priority[%.!]*$") or text:lower():match("^(.+) is not urgent[%.!]*$")
  if target then
    return update(read_match(text:sub(1, #target)), { priority = "low" })
  end
  rest = cut.make(text)
  if not rest then
    return nil
  end
  -- "make X high priority", "set X to urgent", "mark X as important"
  for size = 3, 1, -1 do
    local head, tail = rest:match("^(.-)%s+(" .. ("%S+%s+"):rep(size - 1) .. "%S+)$")
    local level = tail and (size == 1 or tail:lower():find("priority")
      or tail:lower():find("^to ") or tail:lower():find("^as ")) and priority_word(tail)
    if level and not (size == 1 and tail:find("^%d$")) then
      head = head:gsub("%s+[Tt]o$", ""):gsub("%s+[Aa]s$", ""):gsub("%s+[Aa]s a$", ""):gsub("%s+[Pp]riority$", "")
        :gsub("'s$", "")
      return update(read_match(head), { priority = level })
    end
  end
end

local function try_move(text, context)
  local lower = text:lower()
  local clear = lower:match("^remove the due date from (.+)$") or lower:match("^remove due date from (.+)$")
    or lower:match("^clear the due date of (.+)$") or lower:match("^clear the due date from (.+)$")
    or lower:match("^remove the deadline from (.+)$") or lower:match("^no due date for (.+)$")
    or lower:match("^remove the date from (.+)$") or lower:match("^delete the due date of (.+)$")
  if clear then
    return update(read_match(clear), { due = chat.CLEAR })
  end
  clear = lower:match("^remove the reminder from (.+)$") or lower:match("^remove reminder from (.+)$")
    or lower:match("^remove the reminder for (.+)$") or lower:match("^cancel the reminder for (.+)$")
    or lower:match("^delete the reminder for (.+)$") or lower:match("^no reminder for (.+)$")
    or lower:match("^don't remind me about (.+)$") or lower:match("^stop reminding me about (.+)$")
    or lower:match("^cancel the reminder of (.+)$") or lower:match("^turn off the reminder for (.+)$")
  if clear then
    return update(read_match(clear), { reminder_offset_minutes = chat.CLEAR })
  end
  local rest = cut.move(text)
  if rest then
    local head, tail = split_last(rest, " by ")
    local count, unit
    if tail then
      count, unit = dates.leading_amount(trim(tail))
    end
    if count then
      local back = lower:find("^bring forward") and -1 or 1
      return update(read_match(head), { shift = { count = count * back, unit = unit } })
    end
    local found, left = dates.find(rest, context.now)
    if found.day or found.time or found.recurrence then
      local target = clean_title(left:gsub("[%s]+[Tt]o%s*\1", " \1"):gsub("[%s]+[Uu]ntil%s*\1", " \1"))
      target = target:gsub("%s+[Tt]o$", "")
      local changes = { due = dates.due(found, context.now) }
      changes.keep_time = not found.time and found.day and not found.day.part and not found.day.exact or nil
      changes.keep_day = found.time and not found.day or nil
      return update(read_match(target), changes)
    end
    return { tool = "unclear", args = { ask = "date", match = read_match(rest) } }
  end
  rest = cut.make(text)
  if rest then
    local found, left = dates.find(rest, context.now)
    if found.recurrence then
      local target = clean_title(left):gsub("%s*[Rr]epeats?$", ""):gsub("%s*[Rr]ecurr?i?n?g?$", "")
      return update(read_match(target), { recurrence_rule = found.recurrence.rule,
        due_if_none = dates.due(found, context.now) })
    elseif found.day or found.time then
      local target = clean_title(left):gsub("%s+[Dd]ue$", ""):gsub("%s+[Tt]o$", "")
      return update(read_match(target), { due = dates.due(found, context.now),
        keep_time = not found.time and found.day and not found.day.part and not found.day.exact or nil,
        keep_day = found.time and not found.day or nil })
    end
  end
  local target = text:match("^(.+) is due .+$") or text:match("^(.+) is now due .+$")
  if target and not cut.list(text) then
    local found = dates.find(text:sub(#target + 1), context.now)
    local due = dates.due(found, context.now)
    if due then
      return update(read_match(target), { due = due })
    end
  end
end

local function try_repeat(text, context)
  local target = text:lower():match("^stop repeating (.+)$") or text:lower():match("^make (.+) not repeat$")
    or text:lower():match("^don't repeat (.+)$") or text:lower():match("^remove the recurrence from (.+)$")
    or text:lower():match("^stop the recurrence of (.+)$") or text:lower():match("^make (.+) non%-recurring$")
  if target then
    return update(read_match(target), { recurrence_rule = chat.CLEAR })
  end
  target = text:match("^[Rr]epeat (.+)$")
  if target then
    local found, left = dates.find(target, context.now)
    if found.recurrence then
      return update(read_match(clean_title(left)), { recurrence_rule = found.recurrence.rule,
        due_if_none = dates.due(found, context.now) })
    end
  end
end

local function tag_list(text)
  local tags = {}
  for tag in text:gsub("%f[%a]and%f[%A]", ","):gmatch("[^,%s]+") do
    tag = tag:gsub("^#", ""):gsub("[%.!]+$", ""):gsub('^"(.*)"$', "%1"):lower()
    if tag ~= "" then
      tags[#tags + 1] = tag
    end
  end
  return tags
end

local function try_tag(text)
  local rest = cut.tag(text)
  if rest then
    local head, tail = split_last(rest, " with ")
    if not head then
      head, tail = split_last(rest, " as ")
    end
    if not head then
      head, tail = rest:match("^(.-)%s+(#%S.*)$")
    end
    if head then
      return update(read_match(head), { tags_add = tag_list(tail) })
    end
  end
  local tags, target = text:match("^[Aa]dd t?h?e? ?tags? ([^%s].-) to (.+)$")
  if not tags then
    tags, target = text:match("^[Aa]dd (#%S+) to (.+)$")
  end
  if tags then
    return update(read_match(target), { tags_add = tag_list(tags) })
  end
  tags, target = text:match("^[Rr]emove t?h?e? ?tags? ([^%s].-) from (.+)$")
  if not tags then
    tags, target = text:match("^[Rr]emove (#%S+) from (.+)$")
  end
  if not tags then
    tags, target = text:match("^[Rr]emove the (%S+) tag from (.+)$")
  end
  if tags then
    return update(read_match(target), { tags_remove = tag_list(tags) })
  end
end

local function try_delete(text, context)
  local rest = cut.delete(text)
  if not rest or rest == "" then
    return nil
  end
  local target = trim(rest):gsub("[%.!]+$", "")
  local lower = target:lower()
  if is_everything(target) then
    return { tool = "delete_task", args = { all = true, filters = {} } }
  end
  if lower:find("^all ") or lower:find("^every ") or lower:find("^my .+ tasks$") or lower:find("^the .+ tasks$")
    or lower:find("^everything ") or lower:find("^[%a%-]+ tasks$") or lower:find("^[%a%-]+ priority tasks$")
    or lower:find("^completed") then
    local filters = read_filters(target, context.now)
    if not is_empty(filters) then
      return { tool = "delete_task", args = { all = true, filters = filters } }
    end
    local about = lower:match("^all (.+) tasks$") or lower:match("^every (.+) task$") or lower:match("^all (.+)$")
    if about then
      return { tool = "delete_task", args = { all = true,
        filters = { search = (about:gsub("^my ", ""):gsub("^the ", "")) } } }
    end
  end
  return { tool = "delete_task", args = { match = read_match(target) } }
end

local ORDER = { try_tag, try_status, try_repeat, try_move, try_rename, try_priority, try_remind_about,
  try_add, try_list, try_complete, try_delete }

local function cut_polite(text)
  for _ = 1, 4 do
    local rest = cut.polite(text)
    if not rest or rest == "" then
      return text
    end
    text = rest
  end
  return text
end

local function read_answer(text, context)
  local number = text:match("^#?(%d+)[%.%)]?$") or text:lower():match("^number (%d+)$")
    or text:lower():match("^the (%d+)%a%a$") or text:lower():match("^the (%d+)%a%a one$")
  local word = text:lower():match("^the (%a+) one$") or text:lower():match("^the (%a+)$") or text:lower():match("^(%a+)$")
  number = number and tonumber(number) or word and words.ordinals[word]
  if context.pending and number then
    return { tool = "pick", args = { number = number } }
  elseif context.pending and context.pending.kind == "which" and is_everything(text) then
    return { tool = "pick", args = { all = true } }
  elseif is_yes(text) then
    return { tool = "yes", args = {} }
  elseif is_no(text) then
    return { tool = "no", args = {} }
  end
end

local function understand_one(text, context)
  text = trim(text)
  if text == "" then
    return { tool = "unclear", args = {} }
  end
  local answer = read_answer(text, context)
  if answer then
    return answer
  elseif is_help(text) then
    return { tool = "help", args = {} }
  elseif is_greeting(text) then
    return { tool = "greeting", args = {} }
  elseif is_undo(text) then
    return { tool = "undo", args = {} }
  end
  text = cut_polite(text)
  for _ = 1, 3 do
    text = cut_closing(text) or text
  end
  for _, try in ipairs(ORDER) do
    local call = try(text, context)
    if call then
      return call
    end
  end
  local details = read_details(text, context.now)
  if details.has_any then
    return new_task(text, context.now, false) -- quick-add: what no other app would take for talk
  end
  return { tool = "unclear", args = { text = squeeze(text) } }
end

-- Parts that are messages of their own: split at ";", new lines, "and then", and at "and" before a verb.
local VERBS = prefix(words.add, words.remind_me, words.complete, words.delete, words.move, words.rename,
  words.priority_of, words.search, { "show", "list", "mark", "tag", "make it", "remind me" })
local NOT_VERBS = prefix({ "call", "check", "book", "plan", "note", "clear", "close", "task", "todo", "drop", "cancel",
  "finish", "forget", "start", "done", "put", "push", "shift", "schedule", "remind me to be" })

local function split_message(text)
  local parts, from, at = {}, 1, 1
  local function part(stop, behind)
    parts[#parts + 1] = text:sub(from, stop)
    from, at = behind, behind
  end
  while at <= #text do
    local stop = dates.skip_quoted(text, at)
    if stop then
      at = stop + 1
    elseif text:find("^[;\n]", at) then
      part(at - 1, at + 1)
    else
      local behind = text:match("^%s*,?%s+[Aa]nd then ()", at) or text:match("^,%s+then ()", at)
      if not behind then
        local verb = text:match("^%s*,?%s+[Aa]nd ()", at) or text:match("^%. +()", at)
        if verb and VERBS(text:sub(verb, verb + 60)) and not NOT_VERBS(text:sub(verb, verb + 60))
          and not text:sub(verb):lower():find("^remind me %d+ %a+ before")
          and not text:sub(verb):lower():find("^remind me an? %a+ before") then
          behind = verb
        end
      end
      if behind and #parts < MAX_CALLS - 1 then
        part(at - 1, behind)
      else
        at = at + 1
      end
    end
  end
  parts[#parts + 1] = text:sub(from)
  return parts
end

---@class chat.Context
---@field now table        civil: year, month, day, hour, min, sec
---@field pending table|nil  what the last answer asked: {kind = "which" | "confirm" | …}

---What a message means.
---@param text string
---@param context chat.Context
---@return {tool: string, args: table}[] calls  at least one, at most ten
function chat.understand(text, context)
  local calls = {}
  for _, part in ipairs(split_message(text)) do
    if part:find("%S") then
      calls[#calls + 1] = understand_one(part, context)
    end
  end
  if #calls == 0 then
    calls[1] = { tool = "unclear", args = {} }
  end
  return calls
end

return chat

-- Which tasks a text speaks of: "overdue tasks tagged work", "what do I have today".
local lpeg = require("lpeg")
local civil = require("rules.civil")
local days = require("rules.chat_days")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local list = {}

local P, R, S, C, Cc, Cp, Ct = lpeg.P, lpeg.R, lpeg.S, lpeg.C, lpeg.Cc, lpeg.Cp, lpeg.Ct
local any, keyed, space, gap = text.any, text.keyed, text.space, text.gap

local function token(kind, pattern)
  return Ct(Cc(kind) * pattern * Cp())
end

local tag_name = (R("az", "09") + R("\128\255") + S("_-")) ^ 1
local tag = P("#") * C(tag_name)
  + any({ "tagged", "tagged as", "tagged with", "with tag", "with the tag", "tag", "with tags",
  "labelled",
    "labeled", "with label", "with the label", "tags", "having the tag", "under" })
    * (gap * ":") ^ -1 * gap * S("#\"'") ^ -1 * C(tag_name) * S("\"'") ^ -1
local tag_behind = C(tag_name) * space * any({ "tag" })
local level = keyed(words.priority)
local plain_levels = {}
for name, phrases in pairs(words.priority) do
  plain_levels[name] = {}
  for _, phrase in ipairs(phrases) do
    if phrase:find("%a") then
      table.insert(plain_levels[name], phrase)
    end
  end
end
local priority_word = any({ "priority", "prio", "importance" })
local priority = (any({ "with", "of", "at" }) * space) ^ -1
    * (priority_word * (gap * S(":=")) ^ -1 * gap * (P("is") * space) ^ -1 * level
    + level * (space + P("-")) * priority_word) + keyed(plain_levels)
  + P("high") * #P("-") * "-priority" * Cc("high") + P("low-priority") * Cc("low")
  + P("medium-priority") * Cc("medium")
local until_end = C(P(1) ^ 1)
local search = any({ "about", "containing", "mention", "mentions", "contain", "with the text",
  "that say",
  "involving", "having to do with", "referring to", "for anything about", "with the title",
  "matching", "mentioning", "that contain",
  "with the word", "containing the word", "containing the words", "containing the text",
  "called", "named", "that mention", "with the words", "related to", "including", "regarding",
  "with the text", "that say", "titled", "contains", "concerning" }) * space * until_end
-- "friday's"
local day_of_week = keyed(words.weekdays, (P("'") + "\226\128\153") * "s" * text.edge)
    * ((P("'") + "\226\128\153") * "s") / function(wanted) return days.next_weekday(wanted) end
local day = text.once(days.any_day + day_of_week)
local period = keyed({ this_week = { "this week", "the week", "this week's", "week's" },
  next_week = { "next week", "the coming week", "the next week", "next week's" },
  this_month = { "this month", "the month", "this month's" }, next_month = { "next month" },
  this_year = { "this year" }, weekend = { "this weekend", "the weekend", "weekend" },
  soon = { "soon", "due soon", "upcoming", "in the near future", "coming up soon",
    "next few days" },
  next_weekend = { "next weekend" }, today = { "today's", "todays", "tonight", "this evening",
    "this morning", "this afternoon" }, tomorrow = { "tomorrow's" } })
local in_days = (any({ "in", "within", "for", "over" }) * space) ^ -1 * (P("the") * space) ^ -1
    * any({ "next", "coming", "following" }) * space * days.amount
  + any({ "within", "in less than" }) * space * days.amount
-- "the next hour"
local in_next = (any({ "in", "within", "for", "over" }) * space) ^ -1 * (P("the") * space) ^ -1
  * any({ "next", "coming", "following" }) * space * keyed({ hour = { "hour" },
    day = { "day" } }) / function(unit) return { 1, unit } end
-- Behind a day, of which all is listed.
local part_of_day = space * (any({ "in the" }) * space) ^ -1
  * any({ "morning", "afternoon", "evening", "night", "lunchtime" })
local due_word = any({ "due", "for", "on", "from", "with a due date", "due date", "that are due",
  "scheduled for",
  "scheduled", "planned for", "planned", "due on", "due in", "with due date", "in", "due for",
  "due at" })
local due = (due_word * space) ^ -2 * (P("the") * space) ^ -1
local month = (any({ "in", "for", "during", "of", "due in", "through", "throughout" }) * space) ^ 1
  * keyed(words.months) * text.edge * -(space * R("09"))
local sort = any({ "in order of", "according to", "ranked by", "arranged by", "sorted by",
  "sort by", "ordered by", "order by", "sort them by", "by" }) * space
  * keyed({ due_date = { "due date", "date", "deadline", "due" }, priority = { "priority",
  "importance" },
    title = { "title", "name", "alphabet" }, created_at = { "creation date", "created", "age",
    "creation", "date created", "creation time" } })
local sort_word = keyed({ newest = { "newest", "latest", "most recent", "newest first" },
  oldest = { "oldest", "oldest first" }, alphabetical = { "alphabetically",
    "in alphabetical order" },
  first_due = { "due next", "due first", "most urgent first", "next up", "up next" } })
-- "the last 3 tasks" are those added last.
local recent = any({ "last" }) * space * (C(R("09") ^ 1) * -R("az") / tonumber)
local limit = C(R("09") ^ 1) * #(space * any({ "most recent", "newest", "latest", "oldest", "next",
  "tasks",
    "most urgent", "most important", "items", "todos", "highest", "top" })) / tonumber
  + any({ "top", "first" }) * space * C(R("09") ^ 1) * -R("az") / tonumber

local TOKENS = token("filler", any(words.list_names)) + token("search", search) + token("limit",
  limit) + token("recent", recent) + token("no_date",
  any(words.no_date))
  + token("tag", tag) + token("sort", sort)
  + token("before", any({ "due before", "before", "until", "till", "up to", "earlier than" })
  * space * day)
  + token("by", any({ "due by", "by", "no later than", "due until" }) * space * day)
  + token("after", any({ "due after", "after", "since", "later than", "due from",
  "due after" }) * space
  * day)
  + token("range", any({ "between", "from" }) * space * day * space
    * any({ "and", "to", "until", "till", "through" }) * space * day)
  + token("month", month) + token("in_days", due * (in_days + in_next))
  + token("period", due * period)
  + token("day", due * day * part_of_day ^ -1) + token("order", sort_word)
  + token("overdue", any(words.overdue))
  + token("priority", priority) + token("recurring", any(words.recurring))
  + token("status", keyed(words.status)) + token("tag", tag_behind)
  + token("due", any({ "due", "have a deadline", "with a deadline", "with deadlines",
  "with due dates",
    "that have a due date" }))
  + token("reminders", any({ "reminders", "with a reminder", "with reminders",
  "that have a reminder",
    "with an alarm" }))
  + token("filler", any(words.list_filler)) + token("filler", S(",.!?:;()") ^ 1)
local singular = any({ "task", "todo", "list", "agenda", "schedule", "plate", "my list", "overview",
  "summary", "rundown", "an overview", "a summary", "a rundown",
  "todo list",
  "task list", "to-do list", "to do", "on my plate", "on my list" })
local count_verb = any(words.count)
local overdue_question = any(words.overdue_questions)
local opening_due = gap * any(words.list_openings)
local open_question = any(words.open_questions)
local plural = any({ "tasks", "todos", "to-dos", "items", "things", "reminders", "to dos", "stuff",
  "taks", "todoes", "tsks", "ones", "everything" })
-- "work tasks", "shopping list": a tag, or a word in the title.
local topic = -any({ "task", "todo", "to-do", "to do" }) * C(tag_name) * space
  * #(any({ "tasks", "todos", "to-dos", "items", "things", "to dos", "stuff", "reminders" })
    + any({ "list" }))
local TOPIC = token("topic", topic)

local function midnight(date, plus)
  local moved = civil.add_days(date, plus or 0)
  return { year = moved.year, month = moved.month, day = moved.day, hour = 0, min = 0 }
end

local function between(filter, first, count)
  filter.due_after, filter.due_before = midnight(first), midnight(first, count)
end

local PERIODS = {
  today = function(now) return now, 1 end,
  tomorrow = function(now) return civil.add_days(now, 1), 1 end,
  this_week = function(now) return civil.add_days(now, 1 - civil.weekday(now)), 7 end,
  next_week = function(now) return civil.add_days(now, 8 - civil.weekday(now)), 7 end,
  soon = function(now) return now, 7 end,
  weekend = function(now) return civil.add_days(now, 6 - civil.weekday(now)), 2 end,
  next_weekend = function(now) return civil.add_days(now, 13 - civil.weekday(now)), 2 end,
  this_month = function(now)
    return { year = now.year, month = now.month, day = 1 }, civil.days_in_month(now.year, now.month)
  end,
  next_month = function(now)
    local first = civil.add_months({ year = now.year, month = now.month, day = 1 }, 1)
    return first, civil.days_in_month(first.year, first.month)
  end,
  this_year = function(now)
    return { year = now.year, month = 1, day = 1 },
      civil.days_in_month(now.year, 2) == 29 and 366 or 365
  end,
}

local function day_of(found, now)
  return found(now)
end

local function is_before(a, b)
  return (a.year * 12 + a.month) * 31 + a.day < (b.year * 12 + b.month) * 31 + b.day
end

-- The two ends of a range, whose days were each read from today on: on a tuesday "between monday
-- and wednesday" ends behind the monday that comes.
local function in_order(first, last, now)
  if not is_before(last, first) then
    return first, last
  elseif is_before(first, civil.add_days(now, 8)) then
    return first, civil.add_days(last, 7)
  elseif first.month == last.month then
    return last, first
  end
  return first, civil.add_months(last, 12)
end

-- What each token adds. found = {kind, value, …, place}.
local APPLY = {
  filler = function() end,
  search = function(filter, value)
    value = text.trim(value)
    filter.search = text.unquote(value) or value
  end,
  limit = function(filter, value) filter.limit = math.max(1, math.min(value, 100)) end,
  recent = function(filter, value)
    filter.limit = math.max(1, math.min(value, 100))
    filter.sort, filter.order = filter.sort or "created_at", filter.order or "desc"
  end,
  no_date = function(filter) filter.has_due_date = false end,
  tag = function(filter, value)
    filter.tags = filter.tags or {}
    table.insert(filter.tags, value)
  end,
  sort = function(filter, value)
    filter.sort, filter.order = value, value == "priority" and "desc" or "asc"
  end,
  order = function(filter, value)
    filter.sort = value == "alphabetical" and "title" or value == "first_due" and "due_date"
      or "created_at"
    filter.order = value == "newest" and "desc" or "asc"
  end,
  before = function(filter, value, now)
    local date = day_of(value, now)
    filter.due_before = date and midnight(date)
  end,
  by = function(filter, value, now)
    local date = day_of(value, now)
    filter.due_before = date and midnight(date, 1)
  end,
  after = function(filter, value, now)
    local date = day_of(value, now)
    filter.due_after = date and midnight(date, 1)
  end,
  range = function(filter, value, now, found)
    local first, last = day_of(value, now), day_of(found[3], now)
    if first and last then
      first, last = in_order(first, last, now)
      filter.due_after, filter.due_before = midnight(first), midnight(last, 1)
    end
  end,
  in_days = function(filter, value, now)
    local last = civil.add(now, value[1], value[2])
    if value[2] == "hour" or value[2] == "minute" then
      last.sec = nil
      filter.due_before = last
      return
    end
    filter.due_after, filter.due_before = midnight(now), midnight(last, 1)
  end,
  month = function(filter, value, now)
    local year = value >= now.month and now.year or now.year + 1
    between(filter, { year = year, month = value, day = 1 }, civil.days_in_month(year, value))
  end,
  period = function(filter, value, now) between(filter, PERIODS[value](now)) end,
  day = function(filter, value, now)
    local date = day_of(value, now)
    if date then
      between(filter, date, 1)
    end
  end,
  overdue = function(filter) filter.overdue = true end,
  priority = function(filter, value) filter.priority = value end,
  recurring = function(filter) filter.is_recurring = true end,
  status = function(filter, value) filter.status = value end,
  due = function(filter) filter.has_due_date = true end,
  reminders = function(filter) filter.has_reminder = true end,
  topic = function(filter, value) filter.topic = filter.topic or value end,
}

local word = (text.alnum ^ 1 * (S("-/_.@:&") ^ 1 * text.alnum ^ 1) ^ 0) + 1
local skip = C(text.quoted + word) * gap * Cp()

local function settle(filter)
  if filter.due_before or filter.due_after or filter.overdue then
    filter.has_due_date = nil
  end
  if (filter.due_before or filter.due_after) and not filter.status and not filter.overdue then
    filter.status = "active"
  end
  if filter.due_before or filter.due_after or filter.overdue or filter.has_due_date then
    filter.sort = filter.sort or "due_date"
    filter.order = filter.order or "asc"
  end
  return filter
end

local to_token = gap * Cp()

---@param s string
---@param now table
---@param whole boolean|nil  ends at the first word that means nothing: then rest is not empty
---@return table|nil filter  arguments of list_tasks
---@return string rest     the words that mean nothing here
---@return boolean named   tasks were named, or something to filter by
---@return boolean many    the plural was used
function list.filter(s, now, whole)
  local lower = s:lower()
  local filter, rest, named, many = {}, {}, false, false
  local at = to_token:match(lower)
  while at <= #s do
    local found = TOKENS:match(lower, at) or TOPIC:match(lower, at)
    if found then
      ---@type string, integer
      local kind, place = found[1], found[#found]
      local value = found[2]
      if kind == "search" then
        value = s:sub(place - #value, place - 1)
      end
      APPLY[kind](filter, value, now, found)
      local phrase = lower:sub(at, place - 1)
      many = many or plural:match(phrase) ~= nil
      named = named or kind ~= "filler" or plural:match(phrase) ~= nil
        or singular:match(phrase) ~= nil
      at = to_token:match(lower, place)
    elseif whole then
      return nil, s:sub(at), false, false
    else
      local skipped, behind = skip:match(lower, at)
      rest[#rest + 1] = s:sub(at, at + #skipped - 1)
      at = behind
    end
  end
  return settle(filter), table.concat(rest, " "), named, many
end

-- Longer texts are no filters.
local MAX_FILTER = 300

local in_title = text.trailing({ "in the name", "in the title", "in its name", "in its title",
  "in it", "in them", "in the description", "somewhere in it" })
local the_word = text.leading({ "the word", "the words", "the phrase", "the text", "the term" })
local show, ask = text.leading(words.show), text.leading(
  -- What is done on a day need not have been begun.
  any({ "what am i doing", "what are we doing", "what am i up to" })
    * #(space * due * (day + period))
  + any(words.ask)
  -- "read tomorrow evening" is something to do.
  + P("read") * #(space * any({ "my", "the", "all", "out", "today's", "tomorrow's", "tasks" })))
local search_for = text.leading(words.search)

-- Words that mean nothing as a filter are words to search for.
local function with_search(filter, rest)
  rest = the_word(rest) or rest
  local inner = text.unquote(rest) or rest
  if inner ~= "" then
    filter.search = filter.search and filter.search .. " " .. inner or inner
  end
  return { tool = "list_tasks", args = filter }
end

local function answer_question(s, now, verb)
  local filter, left, named = list.filter(s, now)
  local open = open_question:match(verb) or overdue_question:match(verb)
  if left ~= "" or not (named or open) then
    return nil
  end
  if overdue_question:match(verb) then
    filter.overdue = true
    settle(filter)
  elseif open and not filter.status and not filter.overdue then
    filter.status = "active"
  end
  filter.count = count_verb:match(verb) and true or nil
  return { tool = "list_tasks", args = filter }
end

---@param s string
---@param now table
---@return table|nil call
---@return string|nil verb  set where the words may as well be a title: "find a plumber"
function list.understand(s, now)
  s = text.trim_end(s, "?")
  local rest, verb = search_for(s)
  if rest and rest ~= "" then
    rest = in_title(rest) or rest
    if text.unquote(rest) then
      return with_search({}, rest)
    end
    local filter, left, named = list.filter(rest:sub(1, MAX_FILTER), now)
    if not named or #rest > MAX_FILTER then
      return with_search({}, rest), verb
    end
    return with_search(filter, left), (left ~= "" or not named) and verb or nil
  end
  rest, verb = show(s)
  if rest then
    if #rest > MAX_FILTER then
      return with_search({}, rest), verb
    end
    local filter, left = list.filter(rest, now)
    return with_search(filter, left), left ~= "" and verb or nil
  end
  rest, verb = ask(s)
  if rest and #rest <= MAX_FILTER then
    return answer_question(rest, now, verb), nil
  end
end

local lists_all = any({ "tasks", "todo", "todos", "ls", "list", "to do", "to-do", "my list", "all",
  "all tasks", "list please", "overview", "everything", "tasks please", "/list", "/tasks" }) * -1

---A list that is named by what to filter by alone: "high priority", "#home".
---@param s string
---@param now table
---@return table|nil call
function list.named(s, now)
  if #s > MAX_FILTER then
    return nil
  end
  local filter, left, named = list.filter(text.trim_end(s, "?!."), now, true)
  if filter and left == "" and named and next(filter) and not filter.search then
    return { tool = "list_tasks", args = filter }
  end
end

---A list without a verb: "overdue tasks", "my tasks", "due this week".
---@param s string
---@param now table
---@return table|nil call
function list.bare(s, now)
  if #s > MAX_FILTER then
    return nil
  end
  s = text.trim_end(s, "?")
  if lists_all:match(s:lower()) then
    return { tool = "list_tasks", args = {} }
  end
  local filter, left, named, many = list.filter(s, now, true)
  if left == "" and named and (many or filter.overdue or s:lower():find("list", 1, true)
    or opening_due:match(s:lower())) then
    return { tool = "list_tasks", args = filter }
  end
end

return list

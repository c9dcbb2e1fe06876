-- New tasks, as "add …", "remind me to …" or a line that says when.
local lpeg = require("lpeg")
local answers = require("rules.chat_answers")
local details = require("rules.chat_details")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local chat_add = {}

local leading = text.leading

local add, add_link = leading(words.add), leading(words.add_links)
local named = leading({ "called", "named", "titled" })
local leading_link = leading({ "to", "for", "called", "named", "titled", "that says", "saying",
  ":" })
local asks, questions = text.any(words.question_starts), text.any(words.questions)
-- Longer lines are no such sentences: bytes.
local MAX_TITLE_LINE, MAX_LIST_LINE, MAX_MANY = 600, 1200, 20
local MAX_ANDS = 4 -- that are looked at
local remind_to, remind_mark = leading(words.remind_to), leading(words.remind)

---@param read chat_details.Details
---@return table call  add_task
function chat_add.call(read)
  local args = { title = read.title }
  for name, value in pairs(read.args) do
    args[name] = value
  end
  return { tool = "add_task", args = args }
end

-- "remind me to …": what was the due date is the time of the reminder.
---@param read chat_details.Details
---@return table call  add_task
function chat_add.reminder(read)
  local call = chat_add.call(read)
  local args = call.args
  if args.reminder_offset_minutes and args.due then
    args.remind_at = nil
  elseif args.due then
    args.remind_at, args.due = args.due, nil
  elseif not args.remind_at then
    args.remind_at = true
  end
  return call
end

-- "groceries" of "milk to groceries" and "eggs to the shopping list".
local list_tag = text.any(words.list_tags)
local tag_name = lpeg.C((lpeg.R("az", "09") + lpeg.R("\128\255") + "-") ^ 1)
local to_list = text.any({ "to", "on", "onto", "in", "into", "on to" }) * text.space
local tag_tail = to_list * text.any({ "my", "the",
  "our" }) * text.space * tag_name * text.space * "list"
    * -1
  + to_list * (text.any({ "my", "the", "our" }) * text.space) ^ -1 * lpeg.C(list_tag / 0)
    * (text.space * "list") ^ -1 * -1
local split_tail = text.splitter(tag_tail)

local function take_list_tag(read)
  local title, tag = split_tail(read.title)
  if title and title ~= "" and title:lower() ~= "add" then
    read.title = text.unquote(title) or title
    read.args.tags = read.args.tags or {}
    table.insert(read.args.tags, tag)
  end
end

local is_empty = text.any(words.empty_titles) * lpeg.S(" .!?") ^ 0 * -1

---Whether a title says nothing: "something", "not".
---@param title string
---@return boolean
function chat_add.is_empty(title)
  return not title:find("[%w\128-\255]") or is_empty:match(title:lower()) ~= nil
end

local function ask_title(args)
  return { kind = "title", text = answers.text("which_title"), args = args or {} }
end

-- "run twice a week": without how often, which no calendar could tell.
local split_vague = text.splitter(lpeg.C(text.any(words.vague_repeats)))

local function vague_repeat(s)
  local before, _, behind = split_vague(s)
  if before then
    return text.trim(before .. " " .. behind)
  end
end

local function new_task(s, now, make)
  local vague = vague_repeat(s)
  if vague then
    local rest = details.read(vague, now)
    if rest.title ~= "" then
      local call = make(rest)
      return nil, { kind = "repeat", text = answers.text("which_days"), args = call.args }
    end
  end
  local read = details.read(s, now)
  if chat_add.is_empty(read.title) then
    local call = make(read)
    call.args.title = nil
    return nil, ask_title(call.args)
  end
  return make(read)
end

local add_noun, quoted_noun = leading(words.add_nouns), leading({ "task", "todo", "item" })
local noun_behind = leading(words.add_nouns_behind)
local to_my_list = leading(words.add_tails)

-- Without "task to" and the like, which belong to the verb.
local function clean_nouns(read)
  local noun = add_noun(read.title)
  local first = read.places[1]
  if not noun and first and first.first <= 4 then
    noun = noun_behind(read.title)
    noun = noun and (leading_link(noun) or noun)
  end
  local quoted = quoted_noun(read.title)
  quoted = quoted and text.unquote(quoted)
  read.title = quoted or noun and noun ~= "" and (text.unquote(noun) or noun) or read.title
  take_list_tag(read)
  return read
end

local put_verb = leading({ "chuck", "shove", "bung", "slap", "whack", "jot", "pencil", "put",
  "stick", "throw", "pop", "get", "place", "write" })
local list_tail = text.trailing(words.add_tails)

---"put bread on my list", before it is taken for a change.
---@param s string
---@param now table
---@return table|nil call
function chat_add.put(s, now)
  local rest = put_verb(s)
  if not rest or #rest > MAX_TITLE_LINE then
    return nil
  end
  local read = details.read(rest, now)
  local last = read.pieces[1]
  local bare = { title = text.trim_end(last, ",;:"), args = read.args }
  local before = list_tail(bare.title)
  if before and not chat_add.is_empty(before) then
    read.title = text.unquote(before) or before
    return chat_add.call(read)
  end
  take_list_tag(bare)
  if bare.title ~= text.trim_end(last, ",;:") then
    read.title = bare.title
    return chat_add.call(read)
  end
end

-- "one more task: …", "a new todo called …"
local noun_phrase = text.gap * (text.any(words.articles) * text.space) ^ 0
  * text.any(words.task_nouns)
  * (text.gap * lpeg.S(":-") ^ 1 * text.space
    + text.space * text.any({ "to", "called", "named", "titled", "saying", "that says", "for me to",
      "of", "about", "which says", "that i need to", "that i have to" }) * text.space) * lpeg.Cp()

-- "something: …", "one more, …"
local anything = text.gap * (text.any({ "something", "smth", "sth", "one more", "one more thing",
  "another one", "another", "another thing", "it", "this", "that" }) * text.gap * ":"
  + text.any({ "one more", "one more thing", "another one", "another thing" }) * text.gap * ",")
  * text.space * lpeg.Cp()

local function behind_noun(s)
  local behind = noun_phrase:match(s:lower()) or anything:match(s:lower())
  local rest = behind and text.trim(s:sub(behind))
  return rest ~= "" and rest or nil
end

local without_dash = lpeg.S("-:") ^ 1 * text.space * lpeg.C(lpeg.P(1) ^ 1)
local add_command = leading({ "add", "create", "add a task", "create a task", "add a new task",
  "put",
  "create a new task", "add a todo", "add task", "set up a task", "make a task" })

local own_obligations = {}
for _, phrase in ipairs(words.obligations) do
  if phrase:find("^i[ ']") or phrase:find("^we[ ']") then
    own_obligations[#own_obligations + 1] = phrase
  end
end
local own_obligation, courtesy = leading(own_obligations), leading({ "please", "pls", "plz" })
local filler = leading(text.any({ "like", "just", "maybe", "probably", "kinda", "sort of" })
  * #(text.space * text.any(words.task_verbs)))

-- "add a task please: …", "make a note that i have to …": without what is no part of the title.
local function without_phrases(s)
  s = text.without(courtesy, s, 1)
  s = text.without(own_obligation, s, 1)
  return filler(s) or s
end

---A new task that is asked for as one.
---@param s string
---@param now table
---@return table|nil call
---@return table|nil question
function chat_add.understand(s, now)
  local rest = remind_to(s)
  if rest then
    return new_task(without_phrases(rest), now, chat_add.reminder)
  end
  local verb
  rest, verb = add(s)
  if rest then
    local command = add_command(rest)
    if command then
      rest, verb = command, "add" -- "i need to add …"
    end
    if verb ~= "add" and verb ~= "create" or named(rest) then
      rest = add_link(rest) or rest
    end
    rest = behind_noun(rest) or rest
    rest = to_my_list(rest) or rest
    rest = without_phrases(without_dash:match(rest) or rest)
    return new_task(rest, now, function(read) return chat_add.call(clean_nouns(read)) end)
  end
  -- "remind me tomorrow at 9 to call mom"
  rest = remind_mark(s)
  if rest then
    local read = details.read(rest, now)
    if read.title ~= "" and read.marked then
      return chat_add.reminder(read)
    end
  end
end

local fact, wish = leading(words.facts), leading(words.wishes)
local obligation = leading(words.obligations)
local task_verb = leading(words.task_verbs)

---"i have a meeting on friday"
---@param s string
---@param now table
---@return table|nil call
function chat_add.fact(s, now)
  local rest = fact(s)
  if rest and rest ~= "" then
    local read = details.read(rest, now)
    if read.title ~= "" and (read.found.day or read.found.time or read.found.recurrence) then
      return chat_add.call(read)
    end
  end
end

---A wish ("i want to read more"), or a line that begins with what one does: "buy milk".
---@param s string
---@param now table
---@return table|nil call
---@return table|nil question
function chat_add.plain(s, now)
  local rest = wish(s)
  if rest and rest:find("%s") and not asks:match(rest:lower()) then
    return new_task(rest, now, chat_add.call)
  end
  rest = task_verb(text.behind_emoji(s) or s)
  if rest and rest ~= "" and #s <= MAX_TITLE_LINE and s:sub(-1) ~= "?"
    and not questions:match(s:lower())
    and not is_empty:match(rest:lower()) then
    return new_task(s, now, function(read)
      take_list_tag(read)
      return chat_add.call(read)
    end)
  end
  if vague_repeat(s) then
    return new_task(s, now, chat_add.call)
  end
end

-- Several tasks in a row.

local add_many = leading(words.add_many)
local item = lpeg.C((text.quoted + (1 - lpeg.S(",\n"))) ^ 1)
local items = lpeg.Ct(item * (lpeg.S(",\n") ^ 1 * item) ^ 0)
local leading_and = leading({ "and", "&", "and then", "then", "also", "and also", "plus" })
local last_and = text.splitter(lpeg.C(text.any({ "and", "&" })))

---The items of a list: cut at commas, the last one at "and".
---@param s string
---@return string[]
function chat_add.items(s)
  local list = {}
  for _, one in ipairs(items:match(s) or {}) do
    one = text.trim(one)
    one = leading_and(one) or one
    if one ~= "" then
      list[#list + 1] = one
    end
  end
  local before, _, behind = last_and(list[#list] or "")
  if before and before ~= "" and behind ~= "" then
    list[#list] = before
    list[#list + 1] = behind
  end
  return list
end

---A task of a list, with what is said of all of them: a time of its own is one on their day.
---@param read chat_details.Details
---@param shared table|nil  arguments
---@return table call  add_task
function chat_add.shared_call(read, shared)
  local call = chat_add.call(read)
  local args = call.args
  for name, value in pairs(shared or {}) do
    if args[name] == nil then
      args[name] = value
    end
  end
  local day = shared and shared.due
  if day and not day.hour and args.due ~= day and not read.found.day and read.found.time then
    args.due = { year = day.year, month = day.month, day = day.day, hour = args.due.hour,
      min = args.due.min }
  end
  return call
end

local function each_call(list, shared, now)
  local calls = {}
  for i, one in ipairs(list) do
    local read = details.read(one, now)
    if read.title == "" or #calls == MAX_MANY then
      return nil
    end
    calls[i] = chat_add.shared_call(read, shared)
  end
  return calls
end

-- "add these to my groceries list: …"
local list_before = to_list * text.any({ "my", "the", "our" }) * text.space * tag_name
    * (text.space * "list") * text.gap * lpeg.P(":") ^ -1 * lpeg.Cp()
  + to_list * (text.any({ "my", "the", "our" }) * text.space) ^ -1 * lpeg.C(list_tag / 0)
    * (text.space * "list") ^ -1 * text.gap * ":" * lpeg.Cp()

local heading_word = text.any(words.heading_words)
local heading = (heading_word * text.gap) ^ 1 * -1
local names_tasks = text.any(words.heading_nouns)
local heading_noun = lpeg.P({ names_tasks + (lpeg.R("az") ^ 1 + 1) * lpeg.V(1) })
local heading_tag = (text.any({ "my", "the" }) * text.space) ^ -1 * lpeg.C(list_tag / 0)
  * (text.space * "list") ^ -1 * text.gap * -1
local MAX_HEADING = 80 -- bytes

---What the heading of a list says of each of its tasks ("tasks for tomorrow", "groceries"); nil for
---others.
---@param s string
---@param now table
---@return table|nil shared  arguments of each task
---@return integer|nil least  how many items make it a list
function chat_add.heading(s, now)
  s = text.trim_end(s, ":"):lower()
  if #s > MAX_HEADING then
    return nil
  end
  local tag = heading_tag:match(s)
  if tag then
    return { tags = { tag } }, 1
  end
  local read = details.read(s:gsub("'s%f[%W]", ""), now)
  local title = text.trim(obligation(read.title) or read.title)
  if heading:match(title) and heading_noun:match(title) then
    return read.args, 2
  elseif title == "" and read.found.day then
    return read.args, 3
  end
end

-- A title first, a day last.
local function ends_with_day(s, now)
  local read = details.read(s, now)
  local first, last = read.pieces[1], read.pieces[#read.pieces]
  return read.found.day and read.title ~= "" and first:find("%w") and not last:find("%S")
end

-- "… and again on friday", "email tom about friday and jerry about monday"
local goes_on = text.any({ "again", "half", "back", "if", "the rest", "rest", "return", "the other",
  "another", "then", "so", "maybe", "or" })
local unfinished = text.trailing({ "about", "for", "from", "until", "till", "of", "with", "the" })

-- "add dentist at 5pm today and gym at 9am tomorrow": two, where each has a day of its own.
local function each_its_day(s, now)
  local rest = remind_to(s) or add(s)
  local opening = rest and #s <= MAX_TITLE_LINE and not s:find('"', 1, true)
    and s:sub(-#rest) == rest and s:sub(1, #s - #rest)
  local lower = s:lower()
  local first, behind = lower:find(" and ", 1, true)
  for _ = 1, opening and MAX_ANDS or 0 do
    if not first then
      return nil
    end
    local one, other = s:sub(#opening + 1, first - 1), s:sub(behind + 1)
    if ends_with_day(one, now) and ends_with_day(other, now)
      and not goes_on:match(other:lower()) and not unfinished(details.read(one, now).title) then
      local call = chat_add.understand(opening .. one, now)
      local second = call and chat_add.understand(opening .. other, now)
      return second and { call, second } or nil
    end
    first, behind = lower:find(" and ", behind, true)
  end
end

---"buy milk, call mom and pay rent", "add these: milk, eggs, bread": a task of each.
---@param s string
---@param now table
---@return table[]|nil calls
function chat_add.several(s, now)
  if #s > MAX_LIST_LINE then
    return nil
  end
  local head, rest = s:match("^([^:\n]*%a[^:\n]*):%s*(.+)$")
  local shared, least
  if head then
    shared, least = chat_add.heading(head, now)
  end
  if shared and rest then
    local list = chat_add.items(rest)
    return #list >= least and each_call(list, shared, now) or nil
  end
  rest = add_many(s)
  if rest then
    local tag, behind = list_before:match(rest:lower())
    local list = chat_add.items(tag and rest:sub(behind) or rest)
    return #list > 1 and each_call(list, tag and { tags = { tag } }, now) or nil
  end
  local two = each_its_day(s, now)
  if two or not s:find(",", 1, true) then
    return two
  end
  local whole = add(s) or s
  local list, marked = chat_add.items(whole), 0
  if #list < 3 then
    return nil
  end
  for i, one in ipairs(list) do
    local read = details.read(one, now)
    local thing = task_verb(obligation(read.title) or read.title)
    if not thing or thing == "" and i < #list then
      return nil -- "wash, dry and fold laundry" is one
    end
    marked = marked + (read.marked and 1 or 0)
  end
  if marked > 1 then
    return each_call(list, nil, now)
  end
  -- What is said once is meant for all: "… and pay rent tomorrow".
  local read = details.read(whole, now)
  return each_call(chat_add.items(obligation(read.title) or read.title), read.args, now)
end

local remark = text.any(words.remarks)

---A new task without "add": for what has a date, a tag or the like.
---@param read chat_details.Details
---@return table|nil call
function chat_add.quick(read)
  if not read.marked or chat_add.is_empty(read.title) or remark:match(read.places.line:lower())
    or questions:match(read.places.line:lower()) then
    return nil
  end
  -- "in 10 minutes remind me to check the oven"
  local rest = remind_to(read.title)
  if rest and rest ~= "" then
    read.title = rest
    return chat_add.reminder(read)
  end
  local first = read.places[1]
  rest = first and first.first <= 6 and behind_noun(read.title)
  if rest then
    read.title = rest -- "new urgent task: …"
  end
  rest = obligation(read.title) or fact(read.title)
  if rest and rest ~= "" then
    read.title = rest
  end
  take_list_tag(read)
  return chat_add.call(read)
end

return chat_add

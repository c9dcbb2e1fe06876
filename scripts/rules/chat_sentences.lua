-- What a whole sentence with gaps means: the sentences are data, in chat_frames.lua.
--
-- A sentence becomes a list of runs (a pattern of what stands between the gaps) and of gaps. A gap
-- ends at the first place where the run behind it fits; when its text is not what the gap is for,
-- at one of the next few.
local lpeg = require("lpeg")
local civil = require("rules.civil")
local dates = require("rules.chat_dates")
local details = require("rules.chat_details")
local frames = require("rules.chat_frames")
local list = require("rules.chat_list")
local target = require("rules.chat_target")
local text = require("rules.chat_text")
local values = require("rules.chat_values")
local words = require("rules.chat_words")

local sentences = {}

local P, Cp, Cs = lpeg.P, lpeg.Cp, lpeg.Cs

-- Longer texts are no such sentences: a title, and a description of up to 2000 characters.
local MAX_SENTENCE, MAX_TASK = 2400, 255
local MAX_TRIES = 4

-- Gaps: what their text means, nil when it does not fit.

local is_no_tag = text.any({ "todo", "to-do", "task", "my", "the", "same", "right" }) * -1
local is_no_task = text.any(words.no_tasks)

-- "tasks that" and "report to high and" go on.
local hanging = text.trailing({ "that", "which", "who", "and", "or", "to", "ones that" })

local function goes_on(s)
  local rest = hanging(s)
  return rest and rest ~= ""
end

local function single(s, now)
  if goes_on(s) or #s > MAX_TASK or is_no_task:match(s:lower()) or target.many(s, now) then
    return nil
  end
  return target.match(s)
end

local function several(s, now)
  if goes_on(s) or #s > MAX_TASK or is_no_task:match(s:lower()) and not target.many(s, now) then
    return nil
  end
  return target.of(s, now)
end

local instead = text.trailing({ "instead", "please", "now", "then", "actually" })
local field_name = text.keyed(words.fields) * -1
local field_name_at = text.keyed(words.fields) * text.space * text.any({ "of", "for" })

local function changes_of(name)
  return function(s, now)
    local changes = values.read(s, now)
    return changes and changes[name] and changes or nil
  end
end

local GAPS = {
  task = single,
  tasks = several,
  number = function(s)
    local n = target.number(s)
    return n and { number = n, text = s }
  end,
  title = function(s) return text.unquote(s) or s end,
  note = function(s) return not s:lower():find("^to self") and (text.unquote(s) or s) or nil end,
  when = function(s) return s end,
  search = function(s) return text.unquote(s) or s end,
  -- "the details" are all that there is to say.
  field = function(s)
    s = s:lower()
    return s ~= "details" and field_name:match(s) or nil
  end,
  level = function(s)
    local level = details.priority(s)
    return level and { priority = level }
  end,
  value = function(s, now) return values.read(s, now) end,
  due = function(s, now)
    local changes = values.read(instead(s) or s, now)
    return changes and changes.due and not changes.priority and changes or nil
  end,
  old = changes_of("due"),
  oldlevel = function(s) return details.priority(s) end,
  recurrence = changes_of("recurrence_rule"),
  amount = function(s)
    local amount, left = dates.leading_amount(s)
    return left == "" and amount or nil
  end,
  tag = function(s)
    return not s:find("%s") and not is_no_tag:match(s:lower()) and details.tags(s) or nil
  end,
  tags = function(s) return #s <= MAX_TASK and details.tags(s) end,
  list = function(s, now)
    local call = list.understand("show " .. s, now)
    return call and not call.args.search and call
  end,
}

-- Meanings.

local LAST = { last = true }
local CHANGES = { no_due = { due = values.null }, no_repeat = { recurrence_rule = values.null },
  no_tags = { tags = values.null }, no_reminder = { reminder_offset_minutes = values.null } }

local function update(match, changes)
  return { tool = "update_task", args = { match = match, changes = changes } }
end

local function copy(changes)
  local result = {}
  for name, value in pairs(changes) do
    result[name] = value
  end
  return result
end

local function changes_in(gaps, value)
  local changes = type(value) == "table" and value or CHANGES[value]
  return copy(changes or gaps.level or gaps.due or gaps.recurrence)
end

local function shifted(amount, sign)
  return { due_shift = { count = amount[1] * sign, unit = amount[2] } }
end

-- "move everything from today to friday": not everything.
local function only_of_day(match, day)
  if type(day) ~= "table" or match.filter.due_after or match.filter.due_before then
    return match
  end
  local filter = copy(match.filter)
  local next_day = civil.add_days(day, 1)
  filter.due_after = { year = day.year, month = day.month, day = day.day, hour = 0, min = 0 }
  filter.due_before = { year = next_day.year, month = next_day.month, day = next_day.day, hour = 0,
    min = 0 }
  filter.status, filter.sort, filter.order = filter.status or "active", "due_date", "asc"
  return { all = true, filter = filter }
end

local MEANINGS = {
  -- "do i have to do anything today" asks for a list.
  detail = function(gaps, value, now, s)
    value = value or gaps.field or field_name_at:match(s:lower())
    local listed = list.understand(s, now)
    if listed and not listed.args.search and not gaps.number
      and not (gaps.task and gaps.task.last) then
      return listed
    end
    return { tool = "get_task", args = { match = gaps.task or gaps.number,
      field = value } }
  end,
  list = function(gaps) return gaps.list end,
  -- "do i have anything on friday" names a day, and nothing to search for.
  search = function(gaps, _, now, s)
    local listed = list.understand(s, now)
    return listed and not listed.args.search and listed
      or { tool = "list_tasks", args = { search = gaps.search } }
  end,
  search_open = function(gaps, _, now, s)
    local listed = list.understand(s, now)
    if listed and not listed.args.search then
      return listed
    end
    return { tool = "list_tasks", args = { search = gaps.search, status = "active" } }
  end,
  complete = function(gaps)
    return { tool = "complete_task", args = { match = gaps.tasks or gaps.task } }
  end,
  complete_last = function() return { tool = "complete_task", args = { match = LAST } } end,
  -- "all of today's tasks are done"; "tasks that are done" asks for a list.
  complete_all = function(gaps)
    local match = gaps.tasks
    return match.all and next(match.filter) and { tool = "complete_task", args = { match = match } }
      or nil
  end,
  reopen_last = function() return update(LAST, { status = "pending" }) end,
  reopen = function(gaps) return update(gaps.task, { status = "pending" }) end,
  start = function(gaps) return update(gaps.task, { status = "in_progress" }) end,
  rename = function(gaps) return update(gaps.task, { title = gaps.title }) end,
  rename_last = function(gaps) return update(LAST, { title = gaps.title }) end,
  update = function(gaps, value)
    return update(gaps.tasks or gaps.task, changes_in(gaps, value))
  end,
  update_last = function(gaps, value) return update(LAST, changes_in(gaps, value)) end,
  -- "lunch is on friday": a new task where there is none.
  due_is = function(gaps)
    local match = gaps.task or gaps.tasks
    if match.all and gaps.old then
      match = only_of_day(match, gaps.old.due)
    end
    local call = update(match, changes_in(gaps))
    local due = gaps.due
    if match.words and type(due.due) == "table" then
      call.otherwise = { tool = "add_task", args = { title = match.words, due = due.due,
        priority = due.priority, recurrence_rule = due.recurrence_rule, tags = due.tags_add,
        reminder_offset_minutes = due.reminder_offset_minutes } }
    end
    return call
  end,
  -- "put gym on friday", and "put out the bins on friday", which is new.
  put_on = function(gaps, _, now, s)
    if gaps.task.words and details.read(gaps.task.words, now).marked then
      return nil -- "put the turkey in at 11 on the 25th"
    end
    local call = update(gaps.task, changes_in(gaps))
    local read = details.read(s, now)
    call.otherwise = { tool = "add_task", args = { title = read.title, due = read.args.due,
      priority = read.args.priority, tags = read.args.tags } }
    return read.title ~= "" and read.args.due and call or nil
  end,
  ["repeat"] = function(gaps) return update(gaps.task, changes_in(gaps)) end,
  value = function(gaps)
    if gaps.value.status == "completed" then
      return { tool = "complete_task", args = { match = gaps.task } }
    end
    return update(gaps.task, copy(gaps.value))
  end,
  earlier = function(gaps) return update(gaps.task, shifted(gaps.amount, -1)) end,
  earlier_last = function(gaps) return update(LAST, shifted(gaps.amount, -1)) end,
  later_last = function(gaps) return update(LAST, shifted(gaps.amount, 1)) end,
  note_last = function(gaps) return update(LAST, { note = gaps.note }) end,
  note = function(gaps) return update(gaps.task, { note = gaps.note }) end,
  tag = function(gaps)
    return update(gaps.tasks or gaps.task, { tags_add = gaps.tags or gaps.tag })
  end,
  remind = function(gaps) return update(gaps.task, { remind_at = gaps.due.due }) end,
  tag_last = function(gaps) return update(LAST, { tags_add = gaps.tags or gaps.tag }) end,
  -- "remove uni from essay": a tag, or a task of that name.
  untag_or_delete = function(gaps, _, _, s)
    local call = update(gaps.task, { tags_remove = gaps.tag })
    call.otherwise = { tool = "delete_task",
      args = { match = { words = text.trim(s:match("^%a+%s+(.*)$") or s) } } }
    return call
  end,
  untag = function(gaps)
    return update(gaps.tasks or gaps.task, { tags_remove = gaps.tags or gaps.tag })
  end,
  list_done = function(gaps, _, now)
    local call = list.understand("show completed tasks " .. gaps.when, now)
    return call and not call.args.search and call or nil
  end,
  -- A list that is asked for in other words: the value says which.
  show = function(_, value, now) return list.understand("show " .. value, now) end,
  delete = function(gaps) return { tool = "delete_task", args = { match = gaps.task } } end,
  not_wanted = function(gaps, _, now, s)
    return target.is_unwanted(s, now) and { tool = "delete_task", args = { match = gaps.task } }
      or nil
  end,
}

-- Sentences as patterns.

local apostrophe = (P("'") + "\226\128\153") ^ -1

local function literal(s)
  local pattern = P(true)
  for piece, quote in s:gmatch("([^']*)('?)") do
    if piece ~= "" then
      pattern = pattern * P(piece)
    end
    if quote ~= "" then
      pattern = pattern * apostrophe
    end
  end
  return pattern
end

local function choice(s)
  local options = {}
  for option in (s .. "|"):gmatch("([^|]*)|") do
    options[#options + 1] = option
  end
  -- The first that fits is taken: the longest has to come first.
  table.sort(options, function(a, b) return #a > #b end)
  local pattern = P(false)
  for _, option in ipairs(options) do
    pattern = pattern + literal(option)
  end
  return pattern
end

local function run_of(s)
  local pattern = P(true)
  for plain, options in (s .. "()"):gmatch("([^(]*)(%b())") do
    pattern = pattern * literal(plain) * choice(options:sub(2, -2))
  end
  return pattern
end

local function compile(frame)
  local steps, at = {}, 1
  local sentence = frame[1]
  while true do
    local first, last, name = sentence:find("{(%a+)}", at)
    local run = sentence:sub(at, (first or #sentence + 1) - 1)
    steps[#steps + 1] = { run = run ~= "" and run_of(run) or nil }
    if not first then
      break
    end
    if not GAPS[name] then
      error("chat_frames: there is no gap " .. name)
    end
    steps[#steps].gap = name
    at = last + 1
  end
  for i = 2, #steps do
    local run = steps[i].run
    if run and i == #steps then
      run = run * -1
    end
    steps[i].search = run and P({ Cp() * run * Cp() + 1 * lpeg.V(1) })
  end
  local start = steps[1].run
  local meaning = MEANINGS[frame[2]]
  if not meaning then
    error("chat_frames: there is no meaning " .. tostring(frame[2]))
  end
  return { steps = steps, start = start and start * (steps[1].gap and true or -1) * Cp(),
    meaning = meaning, value = frame[3] }
end

local opened, inside = {}, {}
for _, frame in ipairs(frames) do
  local compiled = compile(frame)
  table.insert(compiled.start and opened or inside, compiled)
end

local function trimmed(s)
  return text.trim_end(text.trim(s), ",")
end

-- Tries the gap of step i, which begins at a place; gaps holds those before it.
local function fill(frame, i, s, masked, place, gaps, now)
  local step, following = frame.steps[i], frame.steps[i + 1]
  local name = step.gap
  if not name then
    return frame.meaning(gaps, frame.value, now, s)
  end
  local from = place
  for _ = 1, MAX_TRIES do
    local last, behind
    if following.search then
      last, behind = following.search:match(masked, from)
    else
      last, behind = #s + 1, #s + 1
    end
    if not last then
      return nil
    end
    local said = trimmed(s:sub(place, last - 1))
    local value = said ~= "" and GAPS[name](said, now)
    if value then
      gaps[name] = value
      local call = fill(frame, i + 1, s, masked, behind, gaps, now)
      if call then
        return call
      end
    end
    if not following.search then
      return nil
    end
    from = last + 1
  end
end

local masked_quotes = Cs((text.quoted / function(s) return ("\1"):rep(#s) end + 1) ^ 0)
local commands = text.gap * text.any(words.commands)

---@param s string
---@param now table
---@return table|nil call
function sentences.understand(s, now)
  if #s > MAX_SENTENCE then
    return nil
  end
  s = text.trim_end(s, ".!?")
  local masked = masked_quotes:match(s:lower())
  for _, frame in ipairs(opened) do
    local behind = frame.start:match(masked)
    local call = behind and fill(frame, 1, s, masked, behind, {}, now)
    if call then
      return call
    end
  end
  if commands:match(masked) then
    return nil
  end
  for _, frame in ipairs(inside) do
    local call = fill(frame, 1, s, masked, 1, {}, now)
    if call then
      return call
    end
  end
end

return sentences

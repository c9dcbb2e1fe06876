-- Which task a text speaks of, and what is to become of it: complete, delete, rename, move, tag,
-- and every other change.
local lpeg = require("lpeg")
local dates = require("rules.chat_dates")
local details = require("rules.chat_details")
local list = require("rules.chat_list")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local change = {}

---Clears a field. No text of a person can hold it.
change.null = "\127"

local P, R, S, C = lpeg.P, lpeg.R, lpeg.S, lpeg.C
local any, keyed, space = text.any, text.keyed, text.space
local leading, trailing, splitter = text.leading, text.trailing, text.splitter

-- Longer texts are no dates and no filters, and no commands about a task: titles have at most 255
-- characters, descriptions 2000.
local MAX_VALUE, MAX_CHANGE = 300, 2400

local number = (P("#") + any({ "number", "task number", "task", "no.", "item", "todo", "nr",
  "task #" })
    * space ^ -1 * P("#") ^ -1) ^ -1 * C(R("09") * R("09") ^ -3) / tonumber * text.gap * -1
  + (P("the") * space) ^ -1 * keyed(words.places)
    * (space * any({ "task", "one", "item", "todo", "on the list", "one on the list" })) ^ -1
    * text.gap * -1
local it = any(words.it) * -1
local everything = leading(words.everything)
local every_task = any(words.everything) * -1
local noise_before, noise_after = leading(words.noise_before), trailing(words.noise_after)

---The place in a list that a text names: "2", "the second one".
---@param s string
---@return integer|nil
function change.number(s)
  local lower = text.trim_end(s:lower(), ".!")
  return number:match(lower)
end

---@param s string
---@return table match  {last = true}, {number = n} or {words = …, text = … where it differs}
function change.match(s)
  s = text.trim_end(text.trim(s), ".!,:")
  local inner = text.unquote(s)
  if inner then
    return { words = inner }
  end
  local lower = s:lower()
  if lower == "" or it:match(lower) then
    return { last = true }
  end
  local n = number:match(lower)
  if n then
    return { number = n }
  end
  local cut = s
  for _ = 1, 4 do
    local shorter = noise_before(cut) or noise_after(cut)
    if not shorter or shorter == "" then
      break
    end
    cut = shorter
  end
  inner = text.unquote(cut)
  cut = inner or cut
  n = not inner and number:match(cut:lower())
  if n then
    return { number = n }
  end
  return { words = cut, text = cut ~= s and s or nil }
end

---The tasks that a text names together ("all completed tasks"), as a filter.
---@param s string
---@param now table
---@return table|nil match  {all = true, filter = …}
function change.many(s, now)
  if #s > MAX_VALUE then
    return nil
  end
  s = text.trim_end(s, ".!")
  if text.unquote(s) then
    return nil
  end
  if every_task:match(s:lower()) then
    return { all = true, filter = {} }
  end
  local rest = everything(s)
  local filter, left, named, many = list.filter(rest or s, now)
  if left == "" and (rest and named or many) then
    return { all = true, filter = filter }
  end
end

local function target(s, now)
  return change.many(s, now) or change.match(s)
end

-- Whether a clause that begins with this verb is rather a new task: see chat_words.soft.
local soft = {}
for _, verb in ipairs(words.soft) do
  soft[verb] = true
end

local function is_title(verb, rest, now)
  if not soft[verb] or text.unquote(rest) or change.many(rest, now) then
    return false
  end
  local read = details.read(rest, now)
  return read.marked and read.title ~= "" and not it:match(read.title:lower())
end
change.is_title = is_title

local function update(match, changes)
  return { tool = "update_task", args = { match = match, changes = changes } }
end

-- Complete, start, reopen.

local complete, is_done = leading(words.complete), trailing(words.is_done)
local start, reopen = leading(words.start), leading(words.reopen)
local asks = any(words.question_starts)

local function understand_status(s, now)
  local rest = reopen(s)
  if rest then
    return update(change.match(rest), { status = "pending" })
  end
  local verb
  rest, verb = start(s)
  if rest and rest ~= "" and not is_title(verb, rest, now) then
    local call = update(change.match(rest), { status = "in_progress" })
    call.weak = soft[verb]
    return call
  end
  rest, verb = complete(s)
  if rest and not is_title(verb, rest, now) then
    return { tool = "complete_task", args = { match = target(rest, now) } }
  end
  rest = is_done(s)
  if rest and rest ~= "" and not asks:match(s:lower()) then
    return { tool = "complete_task", args = { match = target(rest, now) } }
  end
end

-- Clearing one field, and tags.

local field = keyed(words.fields)
local link = any({ "from", "of", "for", "on", "off", "to" })
local clear_verb = any({ "remove", "clear", "delete", "drop", "cancel", "unset", "take off",
  "turn off",
  "get rid of", "erase", "stop", "disable", "take" })
local article = (any({ "the", "my", "its", "all", "any", "all the", "a" }) * space) ^ -1
local clear_field = leading(clear_verb * space * article * field * space * link)
local clear_last = clear_verb * space * article * field * S(" .!") ^ 0 * -1
local named_field = lpeg.P(clear_verb * space * article * field)
local stop_repeating = leading({ "stop repeating", "don't repeat", "do not repeat",
  "stop the repetition of", "never repeat", "no longer repeat" })
local stop_reminding = leading({ "stop reminding me about", "stop reminding me of",
  "don't remind me about",
  "don't remind me of", "do not remind me about", "stop reminding me to", "don't remind me to",
  "no reminder for" })

local CLEARED = {
  due = { due = change.null }, reminder = { reminder_offset_minutes = change.null },
  recurrence = { recurrence_rule = change.null }, priority = { priority = "medium" },
  description = { description = change.null }, tags = { tags = change.null },
}

local tag_article = (any({ "the", "a", "my" }) * space) ^ -1
local tag_name = P("#") ^ -1 * (R("az", "09") + R("\128\255") + S("_-")) ^ 1
local tag_names = C(tag_name * ((S(", ") * text.gap * (any({ "and" }) * space) ^ -1)
  * tag_name) ^ 0)
local function tag_phrase(verbs, links)
  local tag_word = any({ "tags", "tag", "label", "labels" })
  return any(verbs) * space * tag_article
    * (tag_word * space * S("\"'") ^ -1 * C(tag_name) * S("\"'") ^ -1
      + C(P("#") * tag_name * (S(", ") ^ 1 * P("#") * tag_name) ^ 0)
      + S("\"'") ^ -1 * C(tag_name) * S("\"'") ^ -1 * space * tag_word)
    * space * any(links)
end
local tag_on = splitter(tag_phrase({ "add", "put", "set", "attach" }, { "to", "on" }))
local tag_off = splitter(tag_phrase({ "remove", "delete", "drop", "take", "clear" },
  { "from", "off", "of", "on" }))
local tag, untag = leading(words.tag), leading(words.untag)
local with_tag = splitter(C(any({ "with", "as", "with the tag", "with tag" }) + #P("#")))
local from_task = splitter(C(any({ "from" })))
local as_tags = C(tag_names) * -1

local function tags_of(s)
  return #s <= 1100 and as_tags:match(s:lower()) and details.tags(s)
end

local function understand_tags(s)
  local before, names, behind = tag_on(s)
  if before == "" and behind ~= "" then
    return update(change.match(behind), { tags_add = details.tags(names) })
  end
  before, names, behind = tag_off(s)
  if before == "" and behind ~= "" then
    return update(change.match(behind), { tags_remove = details.tags(names) })
  end
  local rest = untag(s)
  if rest then
    local what, _, from = from_task(rest)
    if what and tags_of(what) then
      return update(change.match(from), { tags_remove = tags_of(what) })
    end
    what, _, from = with_tag(rest)
    if what and tags_of(from) then
      return update(change.match(what), { tags_remove = tags_of(from) })
    end
    return nil
  end
  rest = tag(s)
  if rest then
    local what, _, names_behind = with_tag(rest)
    if what and what ~= "" and tags_of(names_behind) then
      return update(change.match(what), { tags_add = tags_of(names_behind) })
    end
  end
end

local function understand_clearing(s)
  local rest, phrase = clear_field(s)
  if rest and rest ~= "" then
    local name = named_field:match(phrase)
    if CLEARED[name] then
      return update(change.match(rest), CLEARED[name])
    end
  end
  local name = clear_last:match(s:lower())
  if name and CLEARED[name] then
    return update({ last = true }, CLEARED[name])
  end
  rest = stop_repeating(s)
  if rest then
    return update(change.match(rest), CLEARED.recurrence)
  end
  rest = stop_reminding(s)
  if rest then
    return update(change.match(rest), CLEARED.reminder)
  end
end

-- New values.

---The changes that the phrases in a text mean; nil when it says anything else as well.
---@param s string
---@param now table
---@return table|nil changes
function change.values(s, now)
  if #s > MAX_VALUE then
    return nil
  end
  local level = details.priority(s)
  if level then
    return { priority = level }
  end
  local status = change.status(s)
  if status then
    return { status = status }
  end
  local read = details.read(s, now)
  if read.marked and (read.title == "" or change.status(read.title)) then
    return change.from_details(read)
  end
end

local status_word = keyed({ completed = words.status.completed,
  in_progress = words.status.in_progress,
  pending = { "pending", "not started", "to do", "todo", "not done", "incomplete", "undone", "open",
    "unfinished", "not completed", "not complete", "active" } }) * S(" .!") ^ 0 * -1

function change.status(s)
  return status_word:match(text.trim(s):lower())
end

---@param read table  of details.read
---@return table changes
function change.from_details(read)
  local args = read.args
  local changes = { due = args.due, priority = args.priority, tags_add = args.tags,
    reminder_offset_minutes = args.reminder_offset_minutes, recurrence_rule = args.recurrence_rule,
    description = args.description }
  if args.remind_at and args.remind_at ~= true and args.remind_at ~= args.due then
    changes.remind_at = args.remind_at
  elseif args.remind_at then
    changes.remind_at = args.due or nil
    changes.due = nil
  end
  -- "make it weekly" keeps the due date; "every monday" may move it.
  if changes.recurrence_rule and not (read.found.day or read.found.time
    or read.found.recurrence.first) then
    changes.due = nil
  end
  if read.found.time and not read.found.day and not read.found.recurrence and changes.due then
    changes.due.time_only = true
  end
  return changes
end

local function as_call(match, changes)
  if changes.status == "completed" and next(changes, next(changes)) == nil then
    return { tool = "complete_task", args = { match = match } }
  end
  return update(match, changes)
end

-- The pieces around each of the last few places where a word stands.
local function splits(s, split)
  local result = {}
  local offset, rest = 0, s
  for _ = 1, 40 do
    local before, _, behind = split(rest)
    if not before then
      break
    end
    local place = #s - #behind
    result[#result + 1] = { text.trim(s:sub(1, #s - #rest + #before)), behind, offset = offset }
    offset, rest = place, behind
  end
  while #result > 4 do
    table.remove(result, 1)
  end
  return result
end

local to = splitter(C(any({ "to", "into", "->", "=>", "as", "=", "to be", "to read", "to say" })
  + "->" + "=>"))
local rename = leading(words.rename)

local function understand_rename(s)
  local rest = rename(s)
  if not rest then
    return nil
  end
  local places = splits(rest, to)
  local calls = {}
  for _, place in ipairs(places) do
    local title = text.unquote(place[2]) or text.trim_end(place[2], ".")
    if place[1] ~= "" and title ~= "" then
      calls[#calls + 1] = update(change.match(place[1]), { title = title })
    end
  end
  if calls[1] then
    calls[1].otherwise = calls[2]
  end
  return calls[1]
end

local move, move_earlier = leading(words.move), leading(words.move_earlier)
local postpones = any(words.postpone)
local towards = splitter(C(any({ "to", "until", "till", "for", "on", "by", "from", "at", "back to",
  "forward to",
  "back by", "forward by", "back", "out to", "up to", "to be due", "out" })))
local earlier = trailing({ "earlier", "sooner", "forward" })
local later = trailing({ "later", "back", "out", "more" })

local function shift_of(s, sign)
  local shorter = earlier(s)
  if shorter then
    s, sign = shorter, -1
  else
    s = later(s) or s
  end
  local amount, left = dates.leading_amount(s)
  if amount and text.trim_end(left, ".!") == "" then
    return { due_shift = { count = amount[1] * sign, unit = amount[2] } }
  end
end

-- "move X 2 days", "postpone X a week": the amount ends the text.
local function trailing_shift(s, sign)
  local at = 0
  for _ = 1, 60 do
    local next_space = s:find(" ", at + 1, true)
    if not next_space then
      return nil
    end
    at = next_space
    local tail = s:sub(at + 1)
    if #tail < 40 then
      local changes = shift_of(tail, sign)
      if changes then
        return text.trim(s:sub(1, at - 1)), changes
      end
    end
  end
end

local function understand_move(s, now)
  local rest, verb = move_earlier(s)
  local sign = rest and -1 or 1
  if not rest then
    rest, verb = move(s)
  end
  if not rest then
    return nil
  end
  local places = splits(rest, towards)
  if places[1] and places[1][1] == "" then
    -- "move to friday" is about the last task, "move to Berlin on friday" a new one.
    local changes = change.values(places[1][2], now)
    return changes and update({ last = true }, changes) or nil
  end
  for _, place in ipairs(places) do
    if place[1] ~= "" then
      local changes = shift_of(place[2], sign)
      if not changes and not change.status(place[2]) and not details.priority(place[2]) then
        changes = change.values(place[2], now)
      end
      if changes and not changes.status then
        return update(change.match(place[1]), changes)
      end
    end
  end
  local what, changes = trailing_shift(rest, sign)
  if what then
    return update(change.match(what), changes)
  end
  if is_title(verb, rest, now) then
    return nil
  end
  local read = details.read(rest, now)
  if read.marked and read.args.due then
    return update(change.match(read.title), change.from_details(read))
  elseif postpones:match(verb) and rest ~= "" then
    return update(change.match(rest), { due_shift = { count = 1, unit = "day" } })
  end
end

local priority_of, make = leading(words.priority_of), leading(words.make)
local field_behind = {}
for name, phrases in pairs(words.fields) do
  field_behind[name] = trailing(phrases)
end
local set_field = leading(any({ "set", "change", "update", "edit", "make", "put", "add", "give",
  "write" })
  * space * (any({ "the", "a", "its", "my" }) * space) ^ -1 * field * space
  * any({ "of", "for", "on", "to" }))
local set_field_name = any({ "set", "change", "update", "edit", "make", "put", "add", "give",
  "write" })
  * space * (any({ "the", "a", "its", "my" }) * space) ^ -1 * field
local value_link = splitter(C(any({ "to", "as", "=" }) + S(":")))
local nothing = any({ "none", "never", "nothing", "no" })
local raise = { raise = "high", increase = "high", lower = "low", decrease = "low" }

-- A field by its name, with a value: null when the value does not fit.
local function field_value(name, value, now)
  value = text.trim(value)
  if name == "title" or name == "description" then
    return { [name] = text.unquote(value) or value }
  elseif name == "tags" then
    local tags = details.tags(value)
    return tags and { tags = tags }
  elseif name == "priority" then
    local level = details.priority(value)
    return level and { priority = level }
  end
  if nothing:match(value:lower()) and CLEARED[name] then
    return CLEARED[name]
  end
  local changes = change.values(value, now)
  if changes and name == "reminder" and changes.due then
    changes.remind_at, changes.due = changes.due, nil
  end
  return changes
end

-- "buy milk's priority", "buy milk due date": the task and the field.
local function split_field(s)
  for _, name in ipairs({ "title", "due", "priority", "description", "tags", "reminder",
    "recurrence",
    "status" }) do
    local what = field_behind[name](s)
    if what and what ~= "" then
      what = what:gsub("'s$", ""):gsub("\226\128\153s$", "")
      return what, name
    end
  end
  return s, nil
end

local function understand_field(s, now)
  local rest, phrase = set_field(s)
  if not rest then
    return nil
  end
  local name = set_field_name:match(phrase)
  for _, place in ipairs(splits(rest, value_link)) do
    local changes = place[1] ~= "" and place[2] ~= "" and field_value(name, place[2], now)
    if changes then
      return as_call(change.match(place[1]), changes)
    end
  end
end

local function understand_priority(s)
  local rest, verb = priority_of(s)
  if not rest then
    return nil
  end
  for _, place in ipairs(splits(rest, value_link)) do
    local level = details.priority(place[2])
    if level then
      return update(change.match(place[1]), { priority = level })
    end
  end
  local level = raise[verb:match("^%a+")]
  return level and update(change.match(rest), { priority = level }) or nil
end

local of_it = leading(any(words.it) * (space * any({ "to", "as", "for", "a", "due", "be",
  "is" })) ^ -1)
local renames = any({ "change", "update", "edit", "modify" })

local function understand_make(s, now)
  local rest, verb = make(s)
  if not rest or rest == "" then
    return nil
  end
  local values = of_it(rest)
  values = values and values ~= "" and change.values(values, now)
  if values then
    return as_call({ last = true }, values)
  end
  local places = splits(rest, value_link)
  for _, place in ipairs(places) do
    if place[1] ~= "" and place[2] ~= "" then
      local what, name = split_field(place[1])
      local changes
      if name then
        changes = field_value(name, place[2], now)
      else
        changes = change.values(place[2], now)
      end
      if changes then
        return as_call(target(what, now), changes)
      end
    end
  end
  local status_behind = change.split_status(rest)
  if status_behind then
    return as_call(target(status_behind[1], now), { status = status_behind[2] })
  end
  local read = details.read(rest, now)
  if read.title == "" and read.marked then
    return nil
  end
  local what_is_it = it:match(read.title:lower()) or number:match(read.title:lower())
  if read.marked and (what_is_it or read.args.priority and not read.args.due
    or rest:find('^"') or read.found.recurrence and rest:lower():find(" repeat", 1, true)
    or not is_title(verb, rest, now)) then
    return as_call(change.match(read.title), change.from_details(read))
  end
  -- "make it urgent", "make buy milk important"
  local at = #rest
  for _ = 1, 4 do
    local head = rest:sub(1, at):match("^(.*)%s%S+$")
    if not head then
      break
    end
    at = #head
    local level = details.priority(rest:sub(at + 1))
    if level then
      return update(change.match(head), { priority = level })
    end
  end
  if renames:match(verb) and places[1] and places[1][1] ~= "" and places[1][2] ~= "" then
    return update(change.match(places[1][1]),
      { title = text.unquote(places[1][2]) or text.trim_end(places[1][2], ".") })
  end
end

local done_behind = {}
for status, phrases in pairs({ completed = words.status.completed,
  in_progress = words.status.in_progress, pending = { "pending", "not done", "incomplete",
    "undone" } }) do
  done_behind[status] = trailing(phrases)
end

---"buy milk done": the task and the status; nil for others.
---@param s string
---@return {[1]: string, [2]: string}|nil
function change.split_status(s)
  s = text.trim_end(s, ".!")
  for _, status in ipairs({ "pending", "in_progress", "completed" }) do
    local what = done_behind[status](s)
    if what and what ~= "" then
      return { what, status }
    end
  end
end

-- Reminders for a task that is there.

local remind_about = leading(words.remind_about)
local remind_me = leading(words.remind)

local function understand_reminder(s, now)
  local rest = remind_about(s)
  if rest and rest ~= "" then
    local read = details.read(rest, now)
    local changes = { reminder_offset_minutes = read.args.reminder_offset_minutes,
      remind_at = read.args.due }
    if changes.reminder_offset_minutes then
      changes.remind_at = nil
    elseif not changes.remind_at then
      changes.remind = true
    end
    if read.found.recurrence then
      changes.recurrence_rule = read.args.recurrence_rule
    end
    local call = update(change.match(read.title), changes)
    if call.args.match.words then
      local args = read.args
      call.otherwise = { tool = "add_task", args = { title = read.title, priority = args.priority,
        tags = args.tags, recurrence_rule = args.recurrence_rule, description = args.description,
        remind_at = not args.reminder_offset_minutes and args.due or nil,
        due = args.reminder_offset_minutes and args.due or nil,
        reminder_offset_minutes = args.due and args.reminder_offset_minutes or nil } }
    end
    return call
  end
  rest = remind_me(s)
  if not rest then
    return nil
  end
  -- "remind me 1 hour before", "remind me 1 hour before the meeting", "remind me at 5pm"
  local amount, left = dates.leading_amount(rest)
  local what = amount and change.after_before(left)
  if what then
    local read = details.read("remind me " .. rest:sub(1, #rest - #what), now)
    return update(change.match(what),
      { reminder_offset_minutes = read.args.reminder_offset_minutes })
  end
  local only = dates.only(rest, now)
  if only then
    return update({ last = true }, { remind_at = dates.due(only, now),
      recurrence_rule = dates.rule(only) })
  end
end

local before = leading({ "before", "before the", "before my", "ahead of", "prior to",
  "in advance of",
  "in advance", "beforehand", "earlier", "before it", "before it's due", "before it is due",
  "before that", "before the due date", "before the deadline", "ahead" })

---What follows "before" in "1 hour before the meeting"; "" for the last task.
---@param s string
---@return string|nil
function change.after_before(s)
  return before(s)
end

-- Delete.

local delete = leading(words.delete)
local without = splitter(C(any({ "except", "but not", "other than", "apart from", "besides" })))

local function understand_delete(s, now)
  local rest, verb = delete(s)
  if not rest or rest == "" or is_title(verb, rest, now) then
    return nil
  end
  if without(rest) then
    return nil
  end
  return { tool = "delete_task", args = { match = target(rest, now) } }
end

---@param s string
---@param now table
---@return table|nil call
function change.understand(s, now)
  if #s > MAX_CHANGE then
    return nil
  end
  return understand_tags(s) or understand_clearing(s) or understand_rename(s)
    or understand_field(s, now) or understand_priority(s) or understand_reminder(s, now)
    or understand_move(s, now) or understand_make(s, now) or understand_status(s, now)
    or understand_delete(s, now)
end

return change

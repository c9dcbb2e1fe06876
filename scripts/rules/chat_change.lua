-- What is to become of a task: complete, delete, rename, move, and every other change.
local lpeg = require("lpeg")
local add = require("rules.chat_add")
local dates = require("rules.chat_dates")
local details = require("rules.chat_details")
local fields = require("rules.chat_fields")
local target = require("rules.chat_target")
local text = require("rules.chat_text")
local words = require("rules.chat_words")
local values = require("rules.chat_values")

local change = {}

local C = lpeg.C
local any, space = text.any, text.space
local leading, trailing, splitter = text.leading, text.trailing, text.splitter
local update = fields.update

-- Longer texts are no commands about a task: titles have at most 255 characters, descriptions 2000.
local MAX_CHANGE = 2400

-- Said before the verb of a new value.
local value_link = splitter(C(any({ "to", "as", "into", "=" }) + lpeg.S(":")))
local make = leading(words.make)

-- Complete, start, reopen.

local complete, is_done = leading(words.complete), trailing(words.is_done)
local start, reopen = leading(words.start), leading(words.reopen)
local asks = any(words.question_starts)
local too = trailing({ "too", "as well", "also" })
local not_done = any({ "not", "nothing", "never", "no", "none" })
-- "the report is almost done", "make sure the report is finished", "get laundry done"
local not_yet = trailing({ "not", "never", "almost", "nearly", "half", "barely", "partly", "hardly",
  "not quite", "mostly", "far from", "is not", "isn't", "aren't", "is almost", "is nearly",
  "is half", "is barely", "is partly", "to be", "is not yet", "not yet", "is far from" })
local no_claim = any({ "make sure", "be sure", "check", "ensure", "see", "ask", "tell", "let",
  "i need", "i want", "i wish", "i hope", "i thought", "i think", "as soon as", "unless", "before",
  "until", "if", "when", "once", "after", "get", "have", "some of", "part of", "not all of",
  "half of" })
local oneself = any({ "i'm", "i am", "we're", "we are", "i'm all", "i'm so", "i'm now" }) * -1

local function understand_status(s, now)
  ---@type string|nil
  local rest = reopen(s)
  if rest then
    return update(target.match(rest), { status = "pending" })
  end
  ---@type any
  local verb
  rest, verb = start(s)
  if rest and rest ~= "" and not target.is_title(verb, rest, now) then
    return update(target.match(rest), { status = "in_progress" })
  end
  rest, verb = complete(s)
  ---@cast rest string|nil
  if rest and (not_done:match(rest:lower()) or rest:find("^[%s?]+$")) then
    return nil -- "i did not delete anything", "done?"
  elseif rest and not target.is_title(verb, rest, now) then
    return { tool = "complete_task", args = { match = target.of(rest, now) } }
  end
  s = text.trim_end(s, "!.")
  s = too(s) or s:gsub("\239\184\143$", "")
  rest = is_done(s)
  rest = rest and is_done(rest) or rest
  if rest and (not_yet(rest) or no_claim:match(rest:lower()) or rest:find("%%$")) then
    return nil
  elseif rest and oneself:match(rest:lower()) then
    return { tool = "complete_task", args = { match = { last = true } } }
  end
  if rest and rest:find("[%w\128-\255]") and not asks:match(s:lower()) then
    return { tool = "complete_task", args = { match = target.of(rest, now) } }
  end
end

-- Rename and move.

local to = splitter(C(any({ "to", "into", "->", "=>", "as", "=", "to be", "to read", "to say" })
  + "->" + "=>"))
local rename = leading(words.rename)

local two_quoted = C(text.quoted) * space * C(text.quoted) * text.gap * -1

local function understand_rename(s)
  local rest = rename(s)
  if not rest then
    return nil
  end
  local before, after = two_quoted:match(rest)
  if before then
    return update(target.match(before), { title = text.unquote(after) })
  end
  local places = values.splits(rest, to)
  local calls = {}
  for _, place in ipairs(places) do
    local title = text.unquote(place[2]) or text.trim_end(place[2], ".")
    if place[1] ~= "" and title ~= "" then
      calls[#calls + 1] = update(target.match(place[1]), { title = title })
    end
  end
  if calls[1] then
    calls[1].otherwise = calls[2]
  end
  return calls[1]
end

local move, move_earlier = leading(words.move), leading(words.move_earlier)
local postpones = any(words.postpone)
local towards = splitter(C(any({ "to", "until", "till", "til", "'til",
  "for", "on", "by", "from", "at", "back to",
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

-- "… until" something that is no date: not simply a day later.
local says_when = splitter(C(any({ "until", "till" })))

local function understand_move(s, now)
  local rest, verb = move_earlier(s)
  local sign = rest and -1 or 1
  if not rest then
    rest, verb = move(s)
  end
  if not rest then
    return nil
  end
  local places = values.splits(rest, towards)
  if places[1] and places[1][1] == "" then
    -- "move to friday" is about the last task, "move to Berlin on friday" a new one.
    local changes = values.read(places[1][2], now)
    return changes and update({ last = true }, changes) or nil
  end
  for _, place in ipairs(places) do
    if place[1] ~= "" then
      local changes = shift_of(place[2], sign)
      if not changes and not values.status(place[2]) and not details.priority(place[2]) then
        changes = values.read(place[2], now)
      end
      if changes and not changes.status then
        return update(target.of(place[1], now), changes)
      end
    end
  end
  local what, changes = trailing_shift(rest, sign)
  if what then
    return update(target.match(what), changes)
  end
  if target.is_title(verb, rest, now) then
    return nil
  end
  local read = details.read(rest, now)
  if read.marked and read.args.due then
    return update(target.match(read.title), values.from_details(read))
  elseif postpones:match(verb) and rest ~= "" and not says_when(rest) then
    return update(target.match(rest), { due_shift = { count = 1, unit = "day" } })
  end
end

-- Make, mark, set, change.

local of_it = leading(any(words.it) * (space * any({ "to", "as", "for", "a", "due", "be",
  "is" })) ^ -1)
local renames = any({ "change", "update", "edit", "modify" })

local again = trailing({ "again", "once more", "now", "for me", "please" })

local sure = any({ "sure" }) -- "make sure the report is finished"

local function understand_make(s, now)
  local rest, verb = make(s)
  if not rest or rest == "" or sure:match(rest:lower()) then
    return nil
  end
  rest = again(rest) or rest
  local of_last = of_it(rest)
  local of_last_task = of_last and of_last ~= "" and values.read(of_last, now)
  if of_last_task then
    return fields.call({ last = true }, of_last_task)
  end
  local places = values.splits(rest, value_link)
  for _, place in ipairs(places) do
    if place[1] ~= "" and place[2] ~= "" then
      local what, name = fields.split(place[1])
      local changes
      if name then
        changes = fields.value(name, place[2], now)
      else
        changes = values.read(place[2], now)
      end
      if changes then
        return fields.call(target.of(what, now), changes)
      end
    end
  end
  local status_behind = values.split_status(rest)
  if status_behind then
    return fields.call(target.of(status_behind[1], now), { status = status_behind[2] })
  end
  -- "all tasks due today high priority"
  local head, tail = rest:match("^(.*%S)%s+(%S+%s+%S+)$")
  local level = head and tail and details.priority(tail)
  local many = level and head and target.many(head, now)
  if many then
    return update(many, { priority = level })
  end
  local read = details.read(rest, now)
  if read.title == "" and read.marked then
    return nil
  end
  local what_is_it = target.is_it(read.title) or target.number(read.title)
  if read.marked and (what_is_it or read.args.priority and not read.args.due
    or rest:find('^"') or read.found.recurrence and rest:lower():find(" repeat", 1, true)
    or not target.is_title(verb, rest, now)) then
    return fields.call(target.of(read.title, now), values.from_details(read))
  end
  -- "make it urgent", "make buy milk important"
  local at, named = #rest, nil
  for _ = 1, 4 do
    local before = rest:sub(1, at):match("^(.*)%s%S+$")
    if not before then
      break
    end
    at = #before
    local last = rest:sub(at + 1)
    local said = last:find("%a") and details.priority(last)
    if said then
      named = update(target.match(before), { priority = said }) -- "more important", not "important"
    end
  end
  if named then
    return named
  end
  if renames:match(verb) and places[1] and places[1][1] ~= "" and places[1][2] ~= "" then
    return update(target.match(places[1][1]),
      { title = text.unquote(places[1][2]) or text.trim_end(places[1][2], ".") })
  end
end

-- Reminders for a task that is there.

local remind_about = leading(words.remind_about)
local remind_me = leading(words.remind)

-- What follows "before" in "1 hour before the meeting"; "" for the last task.
local after_before = leading({ "before", "before the", "before my", "ahead of", "prior to",
  "in advance of",
  "in advance", "beforehand", "earlier", "before it", "before it's due", "before it is due",
  "before that", "before the due date", "before the deadline", "ahead" })

local to_do = text.gap * any({ "to", "that" }) * space

local function understand_reminder(s, now)
  local rest = remind_about(s)
  if rest and rest ~= "" then
    local read = details.read(rest, now)
    local first = read.places[1]
    if first and first.first == 1 and to_do:match(rest:lower(), read.places[#read.places].behind)
    then
      return add.reminder(read) -- "a reminder for tomorrow at 8 to …"
    end
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
    local call = update(target.match(read.title), changes)
    if call.args.match.words then
      local args = read.args
      call.otherwise = { tool = "add_task", args = { title = read.title, priority = args.priority,
        tags = args.tags, recurrence_rule = args.recurrence_rule, description = args.description,
        remind_at = not args.reminder_offset_minutes and (args.due or true) or nil,
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
  local what = amount and after_before(left)
  if what then
    local read = details.read("remind me " .. rest:sub(1, #rest - #what), now)
    return update(target.match(what),
      { reminder_offset_minutes = read.args.reminder_offset_minutes })
  end
  local only = dates.only(rest, now)
  if only then
    return update({ last = true }, { remind_at = dates.due(only, now),
      recurrence_rule = dates.rule(only) })
  end
end

-- Delete.

local delete = leading(words.delete)
-- What may be the task itself: "throw out the trash".
local chore = any({ "throw out", "throw away", "clear", "clear out", "wipe", "kill", "bin", "drop",
  "erase", "get rid of", "scratch", "trash" }) * space * any({ "the", "my", "our", "a" })
local unwanted_verb = any({ "i don't want", "i won't do", "i will not do", "i am not doing",
  "i'm not doing", "i'm not going to do", "i don't need", "we don't need" }) * -1
local on_condition = splitter(C(any({ "if i", "if you", "if we", "unless" })))
local without = splitter(C(any({ "except", "but not", "other than", "apart from", "besides" })))

local function understand_delete(s, now)
  local rest, verb = delete(s)
  if not rest or rest == "" or target.is_title(verb, rest, now) then
    return nil
  end
  if without(rest) or on_condition(rest) or not rest:find("[%w\128-\255]") then
    return nil
  end
  if unwanted_verb:match(verb) and not target.is_unwanted(s, now) then
    return nil
  end
  local call = { tool = "delete_task", args = { match = target.of(rest, now) } }
  if chore:match(s:lower()) then
    call.otherwise = { tool = "add_task", args = { title = s } }
  end
  return call
end

-- "clear completed", and not "trash day is done"
local bare_status = text.gap * any({ "completed", "done", "finished", "overdue", "complete" })
  * (space * any({ "ones", "stuff", "items" })) ^ -1 * text.gap * -1

local function bare_many(s, now)
  return bare_status:match(s:lower()) and target.many("all " .. s, now) or nil
end

-- "delete all completed": that is no "… completed".
local function delete_many(s, now)
  local rest, verb = delete(s)
  if rest and unwanted_verb:match(verb) and not target.is_unwanted(s, now) then
    return nil
  end
  local match = rest and not without(rest) and (target.many(rest, now) or bare_many(rest, now))
  return match and { tool = "delete_task", args = { match = match } } or nil
end

local split_and = splitter(C(any({ "and", "and also" }) + ","))

-- "make slides urgent and due tomorrow": one more value behind a change.
local function understand_more(s, now)
  local before, _, behind = split_and(s)
  local more = before and before ~= "" and make(before) and values.read(behind, now) or nil
  local call = more and understand_make(before, now)
  if not more or not call or call.tool ~= "update_task" then
    return nil
  end
  local changes = values.both(call.args.changes, more)
  return changes and update(call.args.match, changes)
end

---@param s string
---@param now table
---@return table|nil call
function change.understand(s, now)
  if #s > MAX_CHANGE then
    return nil
  end
  return understand_more(s, now) or fields.tags(s, now) or fields.priority(s, true)
    or fields.clearing(s, now)
    or understand_rename(s) or fields.field(s, now) or fields.priority(s)
    or understand_reminder(s, now)
    or understand_move(s, now) or understand_make(s, now) or delete_many(s, now)
    or understand_status(s, now) or understand_delete(s, now)
end

return change

-- What a person means by a message to the chat: pure, no model behind it. The phrases are data, in
-- chat_words.lua; README.md of this folder tells how they work together.
--
-- May decide: which tools a message calls and with what (understand), what task a line makes that
-- is typed where tasks are added (quick_add), and what moment a new due date is (due). Only what a
-- user says is read, never the text of tasks. The time it takes grows with its length.
--
--   understand(message, chat.Context)        -> chat.Understood
--   quick_add(line, {now})                   -> chat_preview.Preview
--   due(chat.DueChange, now, old due or nil) -> civil time with hour and min
--
-- Civil times are local to the user: {year, month, day, hour, min, sec}; without an hour, all of a
-- day is meant. Examples: chat.examples.json.
local lpeg = require("lpeg")
local add = require("rules.chat_add")
local answers = require("rules.chat_answers")
local change = require("rules.chat_change")
local civil = require("rules.civil")
local commands = require("rules.chat_commands")
local dates = require("rules.chat_dates")
local details = require("rules.chat_details")
local follow = require("rules.chat_follow")
local list = require("rules.chat_list")
local preview = require("rules.chat_preview")
local sentences = require("rules.chat_sentences")
local spelling = require("rules.chat_spelling")
local target = require("rules.chat_target")
local text = require("rules.chat_text")
local values = require("rules.chat_values")
local words = require("rules.chat_words")

local chat = {}

---Stands for "clear this" in changes.
chat.null = values.null

local MAX_BYTES = 16384
local MAX_COMMANDS = 20
local MAX_TITLE_WORDS, MAX_TITLE = 25, 255
local MAX_NUMBER = 60 -- bytes

local UNCLEAR = { kind = "unclear", text = answers.text("unclear") }

local P = lpeg.P
local any, leading = text.any, text.leading

local remind_mark, remind_to = leading(words.remind), leading(words.remind_to)
local starts_done = P("\226\156\147") + "\226\156\148" + "\226\156\133" + "\226\152\145"
local controls = lpeg.Cs((lpeg.R("\1\8", "\11\12", "\14\31") / " " + lpeg.P("\0") / " "
  + lpeg.P("\127") / " " + lpeg.P("\194\160") / " " + lpeg.P("\r\n") / "\n" + lpeg.P("\r") / "\n"
  + 1) ^ 0)

-- A task of the list that was shown last: "the second one".
local function only_number(s)
  local n = #s <= MAX_NUMBER and target.number(s)
  return n and { tool = "get_task", args = { match = { number = n, text = s } } } or nil
end

-- What is said of tasks that are there, and of those that are wanted: the first that fits counts.
local function understand_command(bare, now)
  local _, phrase = remind_to(bare)
  if phrase and phrase:sub(-1) == ":" then
    return nil -- "set reminder: …" is a new one
  end
  local put = add.put(bare, now)
  if put and put.args.due then
    return put -- "put taxes on my list, due april 15" moves no task
  end
  local call = sentences.understand(bare, now)
  if call then
    return call
  end
  local verb
  call, verb = list.understand(bare, now)
  if call and not (verb and target.is_title(verb, bare:sub(#verb + 1), now)) then
    return call
  end
  return not commands.starts(bare) and not follow.says_done(bare) and list.bare(bare, now)
    or put or change.understand(bare, now)
end

-- "don't delete the report": nothing to do, and no task either.
local refused = text.gap * (any({ "i", "we", "you", "please" }) * text.space) ^ -1
  * any({ "don't", "do not", "never", "should not", "shouldn't", "don't want to", "do not want to",
    "don't wanna", "won't", "will not", "am not going to", "didn't ask you to", "please never",
    "did not ask you to", "don't want you to", "never asked you to", "don't ever", "please don't" })
  * text.space * any(words.changing)
local refusal = leading(words.refusals)

-- A call, or a question; the line as a task as well where that is not certain.
local function understand_one(s, now, context)
  if follow.drops_it(s) then
    return { tool = "answer_no", args = {} }
  elseif follow.asks_for_help(s) then
    return { tool = "help", args = {} }
  elseif follow.is_undo(s) then
    return { tool = "undo", args = {} }
  end
  local kind = follow.talk(s)
  if kind then
    return { tool = "talk", args = { kind = kind } }
  end
  local bare = commands.strip(s)
  bare = spelling.opening(bare) or bare
  if refused:match(bare:lower()) then
    return nil, nil, details.read(bare, now)
  end
  local call = follow.correction(s, now, context)
  if call then
    return call
  end
  local calls = add.several(bare, now)
  if calls then
    return calls
  end
  -- What an emoji stands before is told all the same: "🛒 add milk".
  local told = not starts_done:match(bare) and text.behind_emoji(bare) or bare
  call = understand_command(told, now)
  if not call then
    -- "no, the title should be …"
    local rest = text.without(refusal, told, 2)
    call = rest ~= told and sentences.understand(rest, now) or nil
  end
  if call then
    return call
  end
  call = only_number(text.trim_end(bare, "?"))
  if call then
    return call
  end
  local question
  call, question = add.understand(told, now)
  if call or question then
    return call, question
  elseif follow.is_yes(s) then
    return { tool = "answer_yes", args = {} }
  elseif follow.is_no(s) then
    return { tool = "answer_no", args = {} }
  end
  call = follow.again(s, now, context) or follow.values(bare, now, context)
    or list.named(bare, now)
    or add.fact(bare, now) or follow.past(bare, now)
  if call then
    return call
  end
  local read = details.read(bare, now)
  call = add.quick(read)
  if not call then
    call, question = add.plain(bare, now)
  end
  return call, question, read
end

-- "delete these: milk, eggs", or a task on each line behind it: the command, told of each.

local split_these = text.splitter(lpeg.C(any(words.these)))
local completes = text.gap * any(words.complete)
local MAX_HEAD = 120 -- bytes

local function each_of_these(head, items, now, context)
  head = text.trim_end(head, ":")
  local before, _, behind = split_these(head)
  if #head > MAX_HEAD or #items > MAX_COMMANDS or not before
    or not (commands.changes(head) or completes:match(head:lower())) then
    return nil
  end
  local calls = {}
  for i, item in ipairs(items) do
    local bare = item:find('"', 1, true) or item:find("^#?%d+$")
    local named = bare and item or '"' .. text.trim_end(item, ".") .. '"'
    local call = understand_one(before .. " " .. named .. " " .. behind, now, context)
    if not call or not call.tool or call.tool == "add_task" then
      return nil
    end
    calls[i] = call
  end
  return calls[1] and calls
end

-- Answers to what the last answer asked.

local choosing = leading({ "i mean", "i meant", "i choose", "i'd say", "pick", "choose", "take",
  "let's go with", "go with", "that would be", "it's", "it is", "i want", "use" })

local function answer_pick(s)
  local said = commands.strip(s)
  local n = target.number(choosing(said) or said)
  if n then
    return { tool = "pick", args = { number = n } }
  elseif follow.is_all(s) then
    return { tool = "pick", args = { all = true } }
  end
end

local function merged(args, more)
  local result = {}
  for name, value in pairs(args or {}) do
    result[name] = value
  end
  for name, value in pairs(more) do
    result[name] = value
  end
  return result
end

local function answer_title(s, now, pending, context)
  if commands.starts(s) or list.understand(s, now) or list.bare(s, now) then
    local call, question = understand_one(s, now, context)
    if call or question then
      return call, question
    end
  end
  local read = details.read(s, now)
  if read.title ~= "" then
    return { tool = "add_task", args = merged(pending.args, add.call(read).args) }
  end
end

-- "mondays and thursdays": how often the new task comes.
local function answer_repeat(s, now, pending)
  local found = dates.only(commands.strip(s), now) or dates.only("every " .. commands.strip(s), now)
  if found and not found.recurrence then
    found = dates.only("every " .. commands.strip(s), now)
  end
  if found and found.recurrence then
    local args = merged(pending.args, { recurrence_rule = dates.rule(found) })
    args.due = dates.due(found, now)
    return { tool = "add_task", args = args }
  end
end

local function answer_pending(s, now, pending, context)
  if follow.is_yes(s) and pending.kind ~= "title" then
    return { tool = "answer_yes", args = {} }
  elseif follow.is_no(s) then
    return { tool = "answer_no", args = {} }
  elseif pending.kind == "pick" then
    return answer_pick(s)
  elseif pending.kind == "title" then
    return answer_title(s, now, pending, context)
  elseif pending.kind == "repeat" then
    return answer_repeat(s, now, pending)
  elseif pending.kind == "when" then
    local found = dates.only(remind_mark(s) or s, now)
    if found then
      return { tool = "update_task", args = { match = { last = true },
        changes = { remind_at = dates.due(found, now), recurrence_rule = dates.rule(found),
          reminder_offset_minutes = found.offset } } }
    end
  end
end

local is_heading = any({ "todo", "to do", "to-do" }) * P(":") ^ -1 * -1
local question_like = any(words.question_starts)

-- Nothing was understood: perhaps a task without an add in front of it.
local function ask_whether_to_add(s, now)
  local bare = commands.strip(s)
  local _, count = bare:gsub("%S+", "")
  if count > MAX_TITLE_WORDS then
    return UNCLEAR
  end
  local title = details.read(bare, now).title
  if add.is_empty(title) or refused:match(bare:lower()) or commands.polite(bare) == ""
    or #title > MAX_TITLE or bare:sub(-1) == "?"
    or question_like:match(bare:lower())
    or not bare:find("[%w\128-\255]") then
    return UNCLEAR
  end
  return { kind = "confirm", text = answers.text("offer", { title = title }),
    calls = { { tool = "add_task", args = { title = title } } } }
end

local function pick_by_words(s, pending)
  if pending and pending.kind == "pick" then
    local said = commands.strip(s)
    return { tool = "pick", args = { words = target.match(said).words or said } }
  end
end

---@class chat.Call
---@field tool string      add_task, list_tasks, get_task, complete_task, update_task, delete_task,
---                        help, talk, undo, answer_yes, answer_no, pick
---@field args table
---@field otherwise chat.Call|nil  to be done where the task that `args.match` names is not there

---@class chat.Question
---@field kind string      confirm (calls: done on yes), title and repeat (args of the new task),
---                        unclear
---@field text string

---@class chat.Context
---@field now table        civil local time of the user, with wday
---@field pending {kind: string, args: table|nil}|nil  what the last answer asked: confirm, pick,
---                        title (args: of the new task, as far as they are known) or when
---@field last_task boolean|nil  there is a task that "it" can mean
---@field last_call {tool: string, changes: table|nil}|nil  what was done last

---@class chat.Understood
---@field calls chat.Call[]|nil
---@field question chat.Question|nil  where there are no calls

---@class chat.DueChange
---@field due table|nil        a civil time; time_only: its day was not said
---@field due_shift {count: number, unit: string}|nil  from the old due date on, else from now

-- A heading and a task on each line behind it; nil for others.
local function list_under_heading(parts, now, context)
  local listed = #parts > 1 and commands.without_bullet(parts[2])
  if #parts < 2 or not (parts[1]:sub(-1) == ":" or listed) then
    return nil
  end
  local items = {}
  for i = 2, #parts do
    items[i - 1] = commands.without_bullet(parts[i]) or parts[i]
  end
  local calls = each_of_these(parts[1], items, now, context)
  if calls then
    return calls
  end
  local shared = add.heading(parts[1], now)
  if not shared and not (listed and is_heading:match(parts[1]:lower())) then
    return nil
  end
  calls = {}
  for i, item in ipairs(items) do
    local read = details.read(item, now)
    if read.title == "" then
      return nil
    end
    calls[i] = add.shared_call(read, shared)
  end
  return calls
end

-- Calls, or nil and a question to ask back.
local function calls_of(message, context)
  if #message > MAX_BYTES then
    return nil, { kind = "unclear", text = answers.text("too_long") }
  end
  local s = text.trim(controls:match(message))
  if s == "" then
    return nil, UNCLEAR
  end
  local now, pending = context.now, context.pending
  if pending then
    local call, question = answer_pending(s, now, pending, context)
    if call or question then
      return call and (call.tool and { call } or call), question
    end
  end
  local parts = commands.split(s)
  if #parts > MAX_COMMANDS then
    return nil, { kind = "unclear", text = answers.text("too_much", { count = MAX_COMMANDS }) }
  end
  local adding = false
  local listed = list_under_heading(parts, now, context)
  local head, items = s:match("^([^:\n]+):%s*([^\n]+)$")
  listed = listed or head and items and each_of_these(head, add.items(items), now, context)
  if listed then
    return listed
  end
  local calls = {}
  for i, command in ipairs(parts) do
    local line = commands.without_bullet(command)
    command = line or command
    local call, question, read = understand_one(command, now, context)
    if question and #parts > i then
      adding = true
    elseif question and #calls == 0 then
      return nil, question
    end
    if not call and (adding or line) and not question then
      call = read.title ~= "" and add.call(read) or nil
    end
    if call then
      for _, one in ipairs(call.tool and { call } or call) do
        adding = adding or one.tool == "add_task"
        calls[#calls + 1] = one
      end
    elseif not question and #calls == 0 then
      local picked = pick_by_words(s, pending)
      if picked then
        return { picked }
      end
      local mended = spelling.mend(commands.strip(command))
      call = mended and understand_one(mended, now, context)
      if call then
        return call.tool and { call } or call
      end
      return nil, ask_whether_to_add(#parts > 1 and command or s, now)
    end
  end
  if #calls == 0 then
    return nil, UNCLEAR
  elseif #calls > MAX_COMMANDS then
    return nil, { kind = "unclear", text = answers.text("too_much", { count = MAX_COMMANDS }) }
  end
  return calls
end

---What the message asks for.
---@param message string
---@param context chat.Context
---@return chat.Understood
function chat.understand(message, context)
  local calls, question = calls_of(message, context)
  return { calls = calls, question = question }
end

---The task that a line makes where tasks are added; such a line is no command.
---@param line string
---@param context {now: table}
---@return chat_preview.Preview
function chat.quick_add(line, context)
  return preview.read(line, context.now)
end

---The moment that a due date becomes. What is not said of its day and time stays as it was.
---@param wanted chat.DueChange
---@param now table
---@param old table|nil
---@return table
function chat.due(wanted, now, old)
  ---@type {count: number, unit: string}|nil, any
  local shift, due = wanted.due_shift, wanted.due
  if shift then
    return civil.add(old or now, shift.count, shift.unit)
  end
  if due.time_only and old and not civil.before(old, now) then
    due = { year = old.year, month = old.month, day = old.day, hour = due.hour, min = due.min }
  end
  return dates.fill(due, now, old and { hour = old.hour, min = old.min } or nil)
end

-- lpeg makes a pattern ready when it is used first: here, so that no message has to wait for it.
local WARM_UP = { "add pay the invoice tomorrow at 9am #home p1 +30m", "show my tasks this week",
  "complete buy milk", "move dentist to friday", "buy milk, call mom and pay rent", "sure thing",
  "remind me about gym every second friday at 5", "when is dentist due?", "actually friday",
  "rename gym to swim and delete it", "delete all completed tasks", "go running twice a week",
  "tag gym with health", "gym should repeat weekly", "make it high priority", "and the report too",
  "paid the rent", "i have a meeting at noon", "hello", "undo", "put milk on my list", "dleete it",
  "delete these: milk, eggs", "tasks for tomorrow:\n- buy milk\n- call bob at 5", "add a, add b",
  "bought milk and paid the rent", "no, friday instead of monday", "an hour later", "forget it",
  "what is due between monday and friday", "remmeber to call jo", "would you mind adding milk",
  "delete 1 to 3", "i didn't mean to delete that", "don't delete it", "\240\159\155\146 add milk",
  "can you delete tasks?", "by eod friday pay rent", "the tasks due today are done",
  "i meant buy oat milk", "make gym urgent and due friday" }
local WARM_CONTEXT = { now = { year = 2026, month = 11, day = 24, hour = 10, min = 0, sec = 0 },
  last_task = true, last_call = { tool = "complete_task" } }
for _, message in ipairs(WARM_UP) do
  calls_of(message, WARM_CONTEXT)
end

return chat

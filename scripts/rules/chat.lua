-- What a person means by a message to the chat: pure, no model behind it. The phrases are data, in
-- chat_words.lua; README.md of this folder tells how they work together.
--
-- May decide: which tools a message calls and with what (understand), and what moment a new due
-- date is (due). Only the user's message is read, never the text of tasks. The time it takes grows
-- with its length.
--
--   understand(message, chat.Context)        -> chat.Understood
--   due(chat.DueChange, now, old due or nil) -> civil time with hour and min
--
-- Civil times are local to the user: {year, month, day, hour, min, sec}; without an hour, all of a
-- day is meant. Examples: chat.examples.json.
local lpeg = require("lpeg")
local answers = require("rules.chat_answers")
local change = require("rules.chat_change")
local civil = require("rules.civil")
local dates = require("rules.chat_dates")
local details = require("rules.chat_details")
local list = require("rules.chat_list")
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

local UNCLEAR = { kind = "unclear", text = answers.text("unclear") }

local any, leading = text.any, text.leading

local polite, closing = leading(words.polite), text.trailing(words.closing)
local add, add_link = leading(words.add), leading(words.add_links)
local named = leading({ "called", "named", "titled" })
local remind_to, remind_mark = leading(words.remind_to), leading(words.remind)
local bullet = lpeg.S("-*+") * lpeg.S(" \t") ^ 1 + "\226\128\162" * lpeg.S(" \t") ^ 0
  + lpeg.P("[") * lpeg.S(" xX") * "]" * lpeg.S(" \t") ^ 0
  + lpeg.R("09") * lpeg.R("09") ^ -1 * lpeg.S(".)") * lpeg.S(" \t") ^ 1
local without_bullet = text.gap * bullet ^ 1 * lpeg.C(lpeg.P(1) ^ 0)
local controls = lpeg.Cs((lpeg.R("\1\8", "\11\12", "\14\31") / " " + lpeg.P("\0") / " "
  + lpeg.P("\127") / " " + lpeg.P("\194\160") / " " + lpeg.P("\r\n") / "\n" + lpeg.P("\r") / "\n"
  + 1) ^ 0)

local function whole(phrases)
  local pattern = text.gap * any(phrases) * lpeg.S(" !.,?") ^ 0 * -1
  return function(s)
    return pattern:match(s:lower()) ~= nil
  end
end

local is_help, is_greeting, is_undo = whole(words.help), whole(words.greeting), whole(words.undo)
local is_yes, is_no = whole(words.yes), whole(words.no)
local is_all = whole({ "all", "all of them", "both", "both of them", "all of those", "every one" })

-- Commands of one message.

local command_start = text.gap * any(words.commands)
local separator = lpeg.C(lpeg.S("\n;") ^ 1) + lpeg.S(",") ^ -1 * text.space
  * lpeg.C(any(words.next_command))
  + lpeg.P(".") * text.space * lpeg.C(lpeg.Cc("") * #any(words.commands))
local piece = lpeg.Cp() * (text.quoted + (1 - separator)) ^ 0 * lpeg.Cp() * separator ^ -1
local next_piece = lpeg.Ct(piece * lpeg.Cp())
local keeps_words = { ["then"] = true, ["and then"] = true, ["and after that"] = true }

local function split(s)
  local lower = s:lower()
  local result, glue = {}, nil
  local at = 1
  while at <= #s do
    local found = next_piece:match(lower, at)
    local first, last = found[1], found[2]
    at = found[#found]
    local mark = type(found[3]) == "string" and found[3] or nil
    local part = s:sub(first, last - 1)
    if glue and not command_start:match(lower, first) then
      result[#result] = result[#result] .. glue .. part
    else
      if #result > 0 and result.words then
        part = result.words .. " " .. part
      end
      result[#result + 1] = part
    end
    glue, result.words = nil, nil
    if mark and mark:find("%a") then
      local behind = found[#found]
      if keeps_words[mark] then
        glue = s:sub(last, behind - 1)
      else
        -- The words that ended this command begin the next one.
        result.words = mark:gsub("^and%s+", "")
      end
    end
  end
  local commands = {}
  for _, part in ipairs(result) do
    part = text.trim(part)
    if part ~= "" then
      commands[#commands + 1] = part
    end
  end
  return commands
end

local function strip(s)
  s = text.trim(s)
  for _ = 1, 5 do
    local rest = polite(s)
    if not rest or rest == "" then
      break
    end
    -- "Can you add …?" asks politely; its question mark is no part of a title.
    s = text.trim_end(rest, "?")
  end
  for _ = 1, 3 do
    local rest = closing(text.trim_end(s, ".!"))
    if not rest or rest == "" then
      break
    end
    s = rest
  end
  return s
end

-- New tasks.

local function add_call(read)
  local args = { title = read.title }
  for name, value in pairs(read.args) do
    args[name] = value
  end
  return { tool = "add_task", args = args }
end

-- "remind me to …": what was the due date is the time of the reminder.
local function reminder_call(read)
  local call = add_call(read)
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

local function ask_title(args)
  return { kind = "title", text = answers.text("which_title"), args = args or {} }
end

local function new_task(s, now, make)
  local read = details.read(s, now)
  if read.title == "" then
    local call = make(read)
    call.args.title = nil
    return nil, ask_title(call.args)
  end
  return make(read)
end

local add_noun, quoted_noun = leading(words.add_nouns), leading({ "task", "todo", "item" })

local function understand_add(s, now)
  local rest = remind_to(s)
  if rest then
    return new_task(rest, now, reminder_call)
  end
  local verb
  rest, verb = add(s)
  if rest then
    if verb ~= "add" and verb ~= "create" or named(rest) then
      rest = add_link(rest) or rest
    end
    return new_task(rest, now, function(read)
      local noun = add_noun(read.title)
      local quoted = quoted_noun(read.title)
      quoted = quoted and text.unquote(quoted)
      read.title = quoted or noun and noun ~= "" and (text.unquote(noun) or noun) or read.title
      return add_call(read)
    end)
  end
  -- "remind me tomorrow at 9 to call mom"
  rest = remind_mark(s)
  if rest then
    local read = details.read(rest, now)
    if read.title ~= "" and read.marked then
      return reminder_call(read)
    end
  end
end

local function quick_add(read)
  if not read.marked or read.title == "" then
    return nil
  end
  -- "in 10 minutes remind me to check the oven"
  local rest = remind_to(read.title)
  if rest and rest ~= "" then
    read.title = rest
    return reminder_call(read)
  end
  return add_call(read)
end

-- A message that is nothing but a time: for the task of the last answer.
local function only_time(s, now, context)
  local found = context.last_task and dates.only(s, now)
  if found and (found.time or found.part or found.recurrence or found.offset) then
    local changes = { due = dates.due(found, now), recurrence_rule = dates.rule(found),
      reminder_offset_minutes = found.offset }
    return { tool = "update_task", args = { match = { last = true }, changes = changes } }
  end
end

-- A call, or a question; the line as a task as well where that is not certain.
local function understand_one(s, now, context)
  if is_help(s) then
    return { tool = "help", args = {} }
  elseif is_undo(s) then
    return { tool = "undo", args = {} }
  end
  local bare = strip(s)
  local call, verb = list.understand(bare, now)
  if call and not (verb and target.is_title(verb, bare:sub(#verb + 1), now)) then
    return call
  end
  call = not command_start:match(bare:lower()) and list.bare(bare, now)
    or change.understand(bare, now)
  if call then
    return call
  end
  local question
  call, question = understand_add(bare, now)
  if call or question then
    return call, question
  end
  if is_greeting(s) then
    return { tool = "help", args = { greeting = true } }
  elseif is_yes(s) then
    return { tool = "answer_yes", args = {} }
  elseif is_no(s) then
    return { tool = "answer_no", args = {} }
  end
  call = only_time(bare, now, context)
  if call then
    return call
  end
  local read = details.read(bare, now)
  return quick_add(read), nil, read
end

-- Answers to what the last answer asked.

local function answer_pick(s)
  local n = target.number(s)
  if n then
    return { tool = "pick", args = { number = n } }
  elseif is_all(s) then
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
  if command_start:match(s:lower()) or list.understand(s, now) or list.bare(s, now) then
    local call, question = understand_one(s, now, context)
    if call or question then
      return call, question
    end
  end
  local read = details.read(s, now)
  if read.title ~= "" then
    return { tool = "add_task", args = merged(pending.args, add_call(read).args) }
  end
end

local function answer_pending(s, now, pending, context)
  if is_yes(s) and pending.kind ~= "title" then
    return { tool = "answer_yes", args = {} }
  elseif is_no(s) then
    return { tool = "answer_no", args = {} }
  elseif pending.kind == "pick" then
    return answer_pick(s)
  elseif pending.kind == "title" then
    return answer_title(s, now, pending, context)
  elseif pending.kind == "when" then
    local found = dates.only(remind_mark(s) or s, now)
    if found then
      return { tool = "update_task", args = { match = { last = true },
        changes = { remind_at = dates.due(found, now), recurrence_rule = dates.rule(found),
          reminder_offset_minutes = found.offset } } }
    end
  end
end

local question_like = any(words.question_starts)

-- Nothing was understood: perhaps a task without an add in front of it.
local function ask_whether_to_add(s, now)
  local bare = strip(s)
  local _, count = bare:gsub("%S+", "")
  if count > MAX_TITLE_WORDS then
    return UNCLEAR
  end
  local title = details.read(bare, now).title
  if title == "" or #title > MAX_TITLE or bare:sub(-1) == "?" or question_like:match(bare:lower())
    or not bare:find("[%w\128-\255]") then
    return UNCLEAR
  end
  return { kind = "confirm", text = answers.text("offer", { title = title }),
    calls = { { tool = "add_task", args = { title = title } } } }
end

local function pick_by_words(s, pending)
  if pending and pending.kind == "pick" then
    return { tool = "pick", args = { words = target.match(strip(s)).words or strip(s) } }
  end
end

---@class chat.Call
---@field tool string      add_task, list_tasks, complete_task, update_task, delete_task, help,
---                        undo, answer_yes, answer_no, pick
---@field args table
---@field otherwise chat.Call|nil  to be done where the task that `args.match` names is not there

---@class chat.Question
---@field kind string      confirm (calls: done on yes), title (args of the new task), unclear
---@field text string

---@class chat.Context
---@field now table        civil local time of the user, with wday
---@field pending {kind: string, args: table|nil}|nil  what the last answer asked: confirm, pick,
---                        title (args: of the new task, as far as they are known) or when
---@field last_task boolean|nil  there is a task that "it" can mean

---@class chat.Understood
---@field calls chat.Call[]|nil
---@field question chat.Question|nil  where there are no calls

---@class chat.DueChange
---@field due table|nil        a civil time; time_only: its day was not said
---@field due_shift {count: number, unit: string}|nil  from the old due date on, else from now

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
      return call and { call }, question
    end
  end
  local commands = split(s)
  if #commands > MAX_COMMANDS then
    return nil, { kind = "unclear", text = answers.text("too_much", { count = MAX_COMMANDS }) }
  end
  local calls, adding = {}, false
  for i, command in ipairs(commands) do
    local line = without_bullet:match(command)
    command = line or command
    local call, question, read = understand_one(command, now, context)
    if question and #commands > i then
      adding = true
    elseif question and #calls == 0 then
      return nil, question
    end
    if not call and (adding or line) and not question then
      call = read.title ~= "" and add_call(read) or nil
    end
    if call then
      adding = adding or call.tool == "add_task"
      calls[#calls + 1] = call
    elseif not question and #calls == 0 then
      local picked = pick_by_words(s, pending)
      if picked then
        return { picked }
      end
      return nil, ask_whether_to_add(#commands > 1 and command or s, now)
    end
  end
  if #calls == 0 then
    return nil, UNCLEAR
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

return chat

-- New tasks, as "add …", "remind me to …" or a line that says when.
local answers = require("rules.chat_answers")
local details = require("rules.chat_details")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local chat_add = {}

local leading = text.leading

local add, add_link = leading(words.add), leading(words.add_links)
local named = leading({ "called", "named", "titled" })
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

---A new task that is asked for as one.
---@param s string
---@param now table
---@return table|nil call
---@return table|nil question
function chat_add.understand(s, now)
  local rest = remind_to(s)
  if rest then
    return new_task(rest, now, chat_add.reminder)
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
      return chat_add.call(read)
    end)
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

---A new task without "add": for what has a date, a tag or the like.
---@param read chat_details.Details
---@return table|nil call
function chat_add.quick(read)
  if not read.marked or read.title == "" then
    return nil
  end
  -- "in 10 minutes remind me to check the oven"
  local rest = remind_to(read.title)
  if rest and rest ~= "" then
    read.title = rest
    return chat_add.reminder(read)
  end
  return chat_add.call(read)
end

return chat_add

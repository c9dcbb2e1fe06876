-- A message as commands: where one ends and the next begins, and what is said around a command for
-- the sake of politeness.
local lpeg = require("lpeg")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local commands = {}

local P = lpeg.P
local any, leading = text.any, text.leading

-- What is said in front of a command, and is none: "i want delete milk"; "no, delete it", but not
-- "no, finish the report", which may be a title.
local soft, clear = {}, {}
for _, verb in ipairs(words.soft) do
  soft[verb] = true
end
for _, verb in ipairs(words.commands) do
  clear[#clear + 1] = not soft[verb] and verb or nil
end
local gap_behind = lpeg.S(" \t,.!-") ^ 1
local command_follows = gap_behind * (any(words.commands) + any(words.show) + any(words.remind_to))
local clear_command_follows = gap_behind * (any(clear) + any({ "show", "list", "cancel" })
  * text.space * any({ "me", "my", "all", "it" }) + any(words.soft) * text.space * any(words.it)
  + any(words.remind_to))
local polite = leading(any(words.polite) * P("!") ^ -1
  + any(words.polite_before_command) * #command_follows
  + any(words.refusals) * #clear_command_follows)
local closing = text.trailing(words.closing)
local bullet = lpeg.S("-*+") * lpeg.S(" \t") ^ 1 + "\226\128\162" * lpeg.S(" \t") ^ 0
  + lpeg.P("[") * lpeg.S(" xX") * "]" * lpeg.S(" \t") ^ 0
  + lpeg.R("09") * lpeg.R("09") ^ -1 * lpeg.S(".)") * lpeg.S(" \t") ^ 1
local without_bullet = text.gap * bullet ^ 1 * lpeg.C(lpeg.P(1) ^ 0)

local command_start = text.gap * any(words.commands)
local separator = lpeg.C(lpeg.S("\n;") ^ 1)
  + P(",") * text.space * lpeg.C(any(words.comma_add)
    + any(words.comma_change) * -(text.space * any({ "all", "everything", "every" })))
  + lpeg.S(",") ^ -1 * text.space
  * (lpeg.C(any(words.next_command)) + lpeg.C("and") * text.space
    * (P("then") * text.space) ^ -1 * #any(words.and_commands))
  + lpeg.P(".") * text.space * lpeg.C(lpeg.Cc("") * #any(words.commands))
local piece = lpeg.Cp() * (text.quoted + (1 - separator)) ^ 0 * lpeg.Cp() * separator ^ -1
local next_piece = lpeg.Ct(piece * lpeg.Cp())
local changing = text.gap * (any(words.polite) * text.gap * lpeg.S(",") ^ -1 * text.gap) ^ 0
  * any(words.changing)
local another = any(words.another_command) * -1
local of_tasks = lpeg.P({ any({ "task", "todo", "to-do", "reminder", "item" })
  + text.alnum ^ 1 * lpeg.V(1) + 1 * lpeg.V(1) })
local keeps_words = { ["then"] = true, ["and then"] = true, ["and after that"] = true }

local opening_verb = text.gap * (any(words.polite) * text.gap) ^ 0
  * (any(words.comma_add) * lpeg.Cc("add") + any(words.comma_change) * lpeg.Cc("change"))

-- "buy milk, add sugar" is one task, "add milk, add sugar" two commands: both add, or both change.
local function goes_on(before, mark)
  local kind = opening_verb:match(mark)
  return kind and kind == opening_verb:match(before:lower())
end

---The commands of a message.
---@param s string
---@return string[]
function commands.split(s)
  local lower = s:lower()
  local result, glue, forced = {}, nil, false
  local at = 1
  while at <= #s do
    local found = next_piece:match(lower, at)
    local first, last = found[1], found[2] ---@type integer, integer
    at = found[#found]
    local mark = type(found[3]) == "string" and found[3] or nil
    local part = s:sub(first, last - 1)
    if glue and (forced or not command_start:match(lower, first)) then
      result[#result] = result[#result] .. glue .. part
    else
      if #result > 0 and result.words then
        part = result.words .. " " .. part
      end
      result[#result + 1] = part
    end
    glue, forced, result.words = nil, false, nil
    if mark and mark:find("%a") then
      local behind = found[#found] ---@type integer
      if mark == "and" then
        -- "wash and remove stains" is one task, "complete gym and delete it" two commands.
        if not changing:match(lower, first) then
          glue, forced = s:sub(last, behind - 1), true
        end
      elseif lower:sub(last, last) == "," and opening_verb:match(mark)
        and not goes_on(result[#result], mark) then
        glue, forced = s:sub(last, behind - 1), true
      elseif keeps_words[mark] then
        -- "add print the form then delete it" is one.
        glue = s:sub(last, behind - 1)
        forced = opening_verb:match(result[#result]:lower()) == "add"
          and changing:match(lower, behind) ~= nil
      elseif another:match(mark) then
        -- "buy a card and another to keep" is one.
        if of_tasks:match(part:lower()) then
          result.words = "add"
        else
          glue, forced = s:sub(last, behind - 1), true
        end
      else
        -- The words that ended this command begin the next one.
        result.words = mark:gsub("^and%s+", "")
      end
    end
  end
  local list = {}
  for _, part in ipairs(result) do
    part = text.trim(part)
    if part ~= "" and (#result == 1 or polite(part) ~= "") then
      list[#list + 1] = part
    end
  end
  return list
end

---A command without what is polite around it.
---@param s string
---@return string
function commands.strip(s)
  local asked
  s, asked = text.without(polite, text.trim(s), 5)
  -- "Can you add …?" asks politely; its question mark is no part of a title.
  s = asked and text.trim_end(s, "?") or s
  local doing, rest_of = s:match("^(%a+ing)(%s.*)$")
  local verb = asked and doing and words.doing[doing:lower()]
  s = verb and verb .. rest_of or s -- "would you mind adding …"
  local bare = text.before_emoji(s)
  s = bare and closing(text.trim_end(bare, ".!")) and bare or s
  for _ = 1, 3 do
    local rest = closing(text.trim_end(s, ".!"))
    if not rest or rest == "" then
      break
    end
    s = asked and text.trim_end(rest, "?") or rest
  end
  return s
end

---Without what is polite in front; nil where nothing is.
---@type fun(s: string): string|nil
commands.polite = polite

---@param s string
---@return string|nil  what stands behind the mark of a list: "- ", "1. ", "[ ] "
function commands.without_bullet(s)
  return without_bullet:match(s)
end

---@param s string
---@return boolean  it begins with a verb of the chat
function commands.starts(s)
  return command_start:match(s:lower()) ~= nil
end

---@param s string
---@return boolean  it begins with a verb for tasks that are there
function commands.changes(s)
  return changing:match(s:lower()) ~= nil
end

return commands

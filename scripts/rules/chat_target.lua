-- Which task a text speaks of: "it", "number 3", "buy milk", "all completed tasks".
local lpeg = require("lpeg")
local details = require("rules.chat_details")
local list = require("rules.chat_list")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local target = {}

local P, R, C = lpeg.P, lpeg.R, lpeg.C
local any, keyed, space = text.any, text.keyed, text.space
local leading, trailing = text.leading, text.trailing

-- Longer texts are no filters.
local MAX_FILTER = 300

local number = (P("#") + any({ "number", "task number", "task", "no.", "item", "todo", "nr",
  "task #" })
    * space ^ -1 * P("#") ^ -1) ^ -1 * C(R("09") * R("09") ^ -3) / tonumber * text.gap * -1
  + any({ "number", "no.", "task", "item" }) * space * keyed(words.places) * text.gap * -1
  + (P("the") * space) ^ -1 * keyed(words.places)
    * (space * any({ "task", "one", "item", "todo", "on the list", "one on the list" })) ^ -1
    * text.gap * -1
local it = any(words.it) * -1
local one_number = (P("#") + any({ "number", "no.", "task", "item" }) * space) ^ -1
  * C(R("09") * R("09") ^ -3) / tonumber
  + (P("the") * space) ^ -1 * keyed(words.places)
local number_words = any({ "numbers", "tasks", "items", "nos.", "number", "task", "todos" }) * space
local first_few = (P("the") * space) ^ -1 * any({ "first" }) * space
  * (C(R("19")) / tonumber + keyed(words.numbers)) * (space * any({ "tasks", "ones",
    "items", "todos", "on the list" })) ^ -1 * -1
local several_numbers = number_words ^ -1 * lpeg.Ct(one_number
  * ((P(",") * text.gap * (P("and") * space) ^ -1 + space * (P("and") + "&" + "+") * space)
    * one_number) ^ 1) * -1
local everything = leading(words.everything)
local every_task = any(words.everything) * -1
local noise_before, noise_after = leading(words.noise_before), trailing(words.noise_after)

---The place in a list that a text names: "2", "the second one".
---@param s string
---@return integer|nil
function target.number(s)
  local lower = text.trim_end(s:lower(), ".!")
  return number:match(lower)
end

local number_range = number_words ^ -1 * one_number * text.gap
  * (P("-") + any({ "to", "through", "thru", "till", "until" })) * text.gap * one_number * -1
local MAX_RANGE = 50

-- "1 to 3", "tasks 2-5"
local function range_of(s)
  local first, last = number_range:match(s)
  if not first or not last or last <= first or last - first >= MAX_RANGE then
    return nil
  end
  local numbers = {}
  for n = first, last do
    numbers[#numbers + 1] = n
  end
  return numbers
end

---Places in a list: "1 and 3", "the first two".
---@param s string
---@return integer[]|nil
function target.numbers(s)
  if #s > MAX_FILTER then
    return nil
  end
  local lower = text.trim_end(s:lower(), ".!")
  local count = first_few:match(lower)
  if not count or count < 2 then
    return several_numbers:match(lower) or range_of(lower)
  end
  local numbers = {}
  for i = 1, count do
    numbers[i] = i
  end
  return numbers
end

---@param s string
---@return boolean  "it", "that one"
function target.is_it(s)
  return it:match(s:lower()) ~= nil
end

---@param s string
---@return table match  {last = true}, {number = n, text = …} or {words = …, text = … where
---                      it differs}; text is what was said
function target.match(s)
  s = text.trim_end(text.trim(s), ".!,:=")
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
    return { number = n, text = s }
  end
  local alone = noise_after(s)
  if alone and it:match(alone:lower()) then
    return { last = true } -- "that one too"
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
    return { number = n, text = s }
  end
  return { words = cut, text = cut ~= s and s or nil }
end

---The tasks that a text names together ("all completed tasks"), as a filter.
---@param s string
---@param now table
---@return table|nil match  {all = true, filter = …}
function target.many(s, now)
  if #s > MAX_FILTER then
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
  local filter, left, named, many = list.filter(rest or s, now, true)
  if left == "" and (rest and named or many) then
    return { all = true, filter = filter }
  end
end

---@param s string
---@param now table
---@return table match  of one task or of several
function target.of(s, now)
  local numbers = target.numbers(s)
  return numbers and { numbers = numbers, text = s } or target.many(s, now) or target.match(s)
end

local determiner = any({ "my", "the", "our", "a", "an", "this", "that" }) * -1 -- "cancel my 3pm"

-- Whether a clause that begins with this verb is rather a new task: see chat_words.soft.
local soft = {}
for _, verb in ipairs(words.soft) do
  soft[verb] = true
end

local no_task = any({ "time", "help", "any", "anything", "reminders", "notifications", "alerts",
  "a reminder", "the time", "money", "it", "you" }) * -1
  + any({ "any", "anything", "time", "help" })
local kept = text.trailing({ "deleted", "removed", "gone", "done", "cancelled", "canceled" })
local what_is_unwanted = text.leading({ "i", "we" })
local unwanted = text.leading({ "don't need to", "do not need to", "no longer need to",
  "don't have to", "do not have to", "no longer have to", "don't need", "do not need",
  "no longer need", "don't want to", "do not want to", "no longer want to", "don't want",
  "do not want", "no longer want", "won't do", "will not do", "am not doing",
  "am not going to do" })

---Whether "i don't need the report" tells of a task that it may go: not for today alone, and not
---what is no task ("help", "any reminders").
---@param s string
---@param now table
---@return boolean
function target.is_unwanted(s, now)
  local rest = what_is_unwanted(s) or s:gsub("^[Ii]'m not", "am not")
  rest = unwanted(rest) or rest
  return not no_task:match(rest:lower()) and not kept(rest)
    and not details.read(rest, now).found.day
end

---@param verb string
---@param rest string
---@param now table
---@return boolean
function target.is_title(verb, rest, now)
  if not soft[verb] or text.unquote(rest) or target.many(rest, now) then
    return false
  end
  local read = details.read(rest, now)
  return read.marked and read.title ~= "" and not target.is_it(read.title)
    and not determiner:match(read.title:lower())
end

return target

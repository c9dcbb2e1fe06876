-- What a line means that is typed where tasks are added, and where each part of it stands: the page
-- shows both while one types.
local add = require("rules.chat_add")
local answers = require("rules.chat_answers")
local dates = require("rules.chat_dates")
local details = require("rules.chat_details")
local rule_words = require("rules.chat_rule_words")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local chat_preview = {}

local remind_to = text.leading(words.remind_to)

local KINDS = { day = "due", time = "due", part = "due", recurrence = "recurrence",
  until_day = "recurrence", times = "recurrence", during = "recurrence",
  offset = "reminder", mark = "reminder",
  priority = "priority", tags = "tag" }

---@class chat_preview.Part
---@field kind string    due, priority, tag, recurrence or reminder
---@field first integer  the place of its first byte, from 1
---@field behind integer the place behind its last byte
---@field label string   what it means, in words

---@class chat_preview.Preview
---@field task table|false  the arguments of add_task; false where no title is left
---@field parts chat_preview.Part[]

local function kind_of(place, as_reminder)
  local kind = KINDS[place.kind]
  return kind == "due" and (place.reminds or as_reminder) and "reminder" or kind
end

local LABELS = {
  due = function(args, now)
    return args.due and answers.day_label(dates.fill(args.due, now), now)
  end,
  reminder = function(args, now)
    if args.reminder_offset_minutes then
      return answers.offset_text(args.reminder_offset_minutes)
    end
    return type(args.remind_at) == "table"
      and answers.day_label(dates.fill(args.remind_at, now), now)
  end,
  recurrence = function(args)
    return args.recurrence_rule and rule_words.text(args.recurrence_rule)
  end,
  priority = function(args) return args.priority and args.priority .. " priority" end,
}

local function label_of(kind, place, args, now)
  if kind == "tag" then
    return "#" .. table.concat(place.value, " #")
  end
  return LABELS[kind](args, now)
end

-- The places of the phrases in the whole line. Behind a description the rest was put together anew:
-- it is the end of the line still.
local function in_line(line, read, start)
  local places, shown = {}, read.places.line
  local from = start + read.places.offset
  for _, place in ipairs(read.places) do
    local said = shown:sub(place.first + read.places.offset, place.behind - 1 + read.places.offset)
    local first = from + place.first
    if line:sub(first, first + #said - 1) ~= said then
      first = first + #line - start - #shown
    end
    if line:sub(first, first + #said - 1) == said then
      places[#places + 1] = { kind = place.kind, value = place.value, reminds = place.reminds,
        first = first, behind = first + #text.trim_end(said, ",") }
    end
  end
  return places
end

local function between(line, first, behind)
  return line:sub(first, behind - 1):find("^[%s,]*$") ~= nil
end

local function args_of(read, reminds)
  local call = add.call(read)
  if reminds then
    call = add.reminder(read)
  end
  return call.args
end

---@param line string
---@param now table
---@return chat_preview.Preview
function chat_preview.read(line, now)
  local s = text.trim(line)
  local start = (line:find(s, 1, true) or 1) - 1 --[[@as integer]]
  ---@type chat_preview.Part[]
  local parts = {}
  local rest, phrase = remind_to(s)
  local first = start + 1
  rest = rest ~= "" and rest or nil
  if rest then
    start, s = start + #s - #rest, rest
  end
  local read = details.read(s, now)
  local args = args_of(read, rest ~= nil)
  if args.remind_at == true then
    args.remind_at = nil
  end
  local label = rest and LABELS.reminder(args, now)
  if label then
    parts[1] = { kind = "reminder", first = first, behind = first + #phrase, label = label }
  end
  if read.places.urgent then
    parts[#parts + 1] = { kind = "priority", first = start + 1,
      behind = start + 1 + #read.places.urgent, label = LABELS.priority(args) }
  end
  for _, place in ipairs(in_line(line, read, start)) do
    local kind = kind_of(place, rest ~= nil)
    local last = parts[#parts]
    label = label_of(kind, place, args, now)
    if label and last and last.kind == kind and kind ~= "tag"
      and between(line, last.behind, place.first) then
      last.behind = place.behind
    elseif label then
      parts[#parts + 1] = { kind = kind, first = place.first, behind = place.behind, label = label }
    end
  end
  return { task = read.title ~= "" and args or false, parts = parts }
end

return chat_preview

-- A task in one line: its title, and what is said about it (date, tags, priority, reminder,
-- recurrence, description). The understood parts are cut out of the title.
local lpeg = require("lpeg")
local dates = require("rules.chat_dates")
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local details = {}

local P, R, S, C, Ct = lpeg.P, lpeg.R, lpeg.S, lpeg.C, lpeg.Ct
local any, keyed, space = text.any, text.keyed, text.space

local blank = S(" \t") ^ 0
local tag_letter = R("az", "09") + R("\128\255") + S("_-")
local tag_word = P("#") ^ -1 * blank * C(tag_letter ^ 1)
local hash_tag = P("#") * -((R("09") + S("-_")) ^ 1 * -tag_letter) * C(tag_letter ^ 1)
-- "@home" where no title follows; elsewhere it may be a name.
local at_tag = P("@") * C(R("az") * tag_letter ^ 0) * -S("@.")
  * #(blank * (P(-1) + S("#@!+,*") + P("p") * R("14") * -tag_letter))
local comma = blank * "," * blank
local both = comma * (P("and") * space) ^ -1 + space * (P("and") * space + "&" * space)
local tags = Ct(hash_tag) + Ct(at_tag)
  + any({ "with tags", "with the tags", "tags", "and tags", "with labels" }) * (blank
  * S(":=")) ^ -1 * blank
    * Ct(tag_word * (both * tag_word) ^ 0)
  + any({ "tagged", "tagged as", "tagged with", "with tag", "with the tag", "tag", "tag it",
  "tag it as",
    "tag it with", "labelled", "labeled", "and tag it", "and tag it as", "and tag it with",
    "with label",
    "with the label", "label" }) * (blank * S(":=")) ^ -1 * blank
    * (Ct(tag_word * (comma * tag_word) ^ 0 * (both * tag_word) * #(blank * -1))
      + Ct(tag_word * (comma * #P("#") * tag_word) ^ 0))
-- In a title "tag" may be a word like any other ("price tag"): it needs a sign behind it.
tags = -(any({ "tag", "label", "tags" }) * -(blank * S(":=#"))) * tags
details.tag_list = blank * Ct(tag_word * ((both + space) * tag_word) ^ 0) * blank * -1

local function with_hyphen(map)
  local result = {}
  for level, phrases in pairs(map) do
    result[level] = {}
    for i, phrase in ipairs(phrases) do
      result[level][i] = phrase .. "-priority"
    end
  end
  return result
end

local level = keyed(words.priority)
local priority_word = any({ "priority", "prio", "importance" })
local link = any({ "and", "with", "with a", "at", "of", "as", "as a", "and a", "with the", "to",
  "it's",
  "and make it", "and set it to", "make it", "set it to", "it is", "is", "and" })
local priority = (link * space) ^ -1
  * (any({ "priority", "prio", "with priority", "set priority to", "and set priority to",
  "priority of",
      "priority to", "priority level" }) * (blank * S(":=")) ^ -1 * blank * (P("is") * space) ^ -1
      * level
    + level * space * priority_word + keyed(with_hyphen(words.priority)))
  + (link * space) ^ -1 * keyed(words.priority_alone)
local at_edge = keyed(words.priority_at_edge)
-- "add an urgent task to …"
local level_before_task = at_edge * (blank * S(",") ^ -1 * blank)
  * #any({ "task", "todo", "to-do", "item", "reminder", "thing" })
local its = any({ "it's", "it is", "this is", "that's", "which is", "very", "is", "and it's",
  "its" })
priority = priority + level_before_task
  + S(",;") * blank * (its * space) ^ 1 * at_edge * blank * #(blank * (P(-1) + S(",.;!#(")))
  + S(",(-") * blank * at_edge * blank * P(")") ^ -1 * #(blank * (P(-1)
  + S(",.;!#(")))
  + any({ "urgent", "urgently" }) / "high" * #(blank * -1)
details.level = blank * (any({ "a", "the", "to", "really", "very", "super", "now" }) * space) ^ -1
  * (level * (space * priority_word) ^ -1 + keyed(with_hyphen(words.priority))
    + keyed(words.priority_alone)) * blank * S(".!") ^ 0 * -1
local urgent_first = text.leading(at_edge * blank * P(",") ^ -1 * blank * P("but") * #space
  + at_edge * #(blank * S(":!,"))
  + any({ "urgent", "urgently" }) * #(space * any(words.task_verbs)))
local level_of = lpeg.P(blank * at_edge)

local find, begins = dates.finder(tags / function(list) return { kind = "tags", value = list,
  many = true } end
  + priority / function(value) return { kind = "priority", value = value } end,
  any({ "tag", "tags", "label", "labels" }) * blank * Ct(tag_word * (both * tag_word) ^ 0)
    * #(blank * (P(-1) + S(",.;!"))) / function(list)
    return { kind = "tags", value = list, many = true }
  end)

local split_description = text.splitter(C(any(words.description)) * (blank * ":") ^ -1)

local behind_description = text.splitter(C(any(words.after_description) + #P("#")))
-- A description in quotes ends with them.
local quoted_description = C(text.quoted) * blank * S(",;") ^ -1 * blank * (P("and") * space) ^ -1
  * C(P(1) ^ 1)
local names_tags = text.leading({ "tag", "tags", "label", "labels" })

local dangling_end = text.trailing(words.dangling)
local leading_to = text.leading({ "to", "that", "that i", "that i need to", "that i have to",
  "i need to",
  "about" })
local leading_and = text.leading({ "and", "then" })
local tail = text.trailing(words.add_tails)
local opening = S(" \t\r\n,;)-:.") ^ 0 * C(P(1) ^ 0)

-- Removes what was left hanging before a phrase that was cut out.
local function clean_end(piece)
  piece = text.trim_end(piece, ",;-(:")
  local shorter = dangling_end(piece)
  while shorter do
    piece = text.trim_end(shorter, ",;-(:")
    shorter = dangling_end(piece)
  end
  return piece
end

-- The pieces between the phrases, as a title.
local function join(pieces)
  local title = ""
  for i, piece in ipairs(pieces) do
    if i > 1 and piece:find("%S") then
      piece = piece:match("^%s*[!?]+%s*$") or opening:match(piece)
      piece = piece:find("^%s*[!?][!?]+%s*$") and "" or piece -- "asap!!" stresses the priority
      piece = title == "" and (leading_to(piece) or leading_and(piece)) or piece
    end
    piece = i < #pieces and clean_end(piece) or text.trim(piece)
    if piece ~= "" then
      local glued = title == "" or piece:find("^[!?]")
      title = title .. (glued and "" or " ") .. piece
    end
  end
  return title
end

-- A full stop ends the sentence, not the title; "etc." and "a.m." keep theirs.
local function without_stop(title)
  if title:sub(-1) == "." and not title:find("%.%S*%.$")
    and not title:lower():find("%f[%w]etc%.$") then
    return text.trim(title:sub(1, -2))
  end
  return title
end

-- What a voice puts in front.
local HESITATIONS = { "uh", "um", "umm", "uhm", "uhh", "er", "erm", "hmm", "ah", "ehm" }
local hesitation = text.leading(HESITATIONS)

local function clean_title(pieces)
  local title = without_stop(text.trim_end(join(pieces), ",;:"))
  title = text.without(hesitation, tail(title) or title, 2)
  return text.unquote(title) or title
end

local function unique(list)
  local result, seen = {}, {}
  for _, item in ipairs(list or {}) do
    if not seen[item] then
      seen[item] = true
      result[#result + 1] = item
    end
  end
  return #result > 0 and result or nil
end

-- When to remind: nil, or a civil time; true when no time was said.
local function reminder_time(found, due, now)
  local remind = found.remind
  if not remind or found.offset then
    return nil
  end
  if not (remind.day or remind.time or remind.part) then
    return due or true
  end
  if not remind.day and due and not found.recurrence then
    remind.day = { year = due.year, month = due.month, day = due.day }
  end
  return dates.due(remind, now)
end

-- What is in the evening, when its hour is not told more exactly.
local evening_word = any(words.evening)
local evening = lpeg.P({ evening_word + (R("az") ^ 1 + 1) * lpeg.V(1) })

-- What is longer is no line with a title, and not looked through: bytes.
local MAX_LINE = 1500

---@class chat_details.Details
---@field title string
---@field found table    of dates.find
---@field pieces string[] of the line, between the phrases that were cut out
---@field marked boolean something other than a title was said
---@field args table     of a task: without title
---@field places table    of dates.find, in `line` from `offset` on; urgent: that begins the line

---@param s string
---@param now table
---@return chat_details.Details
function details.read(s, now)
  local description
  local before, _, behind = split_description(s)
  if before and before ~= "" and behind ~= "" then
    local told, sign, more = behind_description(behind)
    local quoted, follows = quoted_description:match(behind)
    if quoted then
      before = before .. (names_tags(follows) and " with " or " ") .. follows
      behind = quoted
    elseif told and told ~= "" then
      before, behind = before .. " " .. sign .. (sign == "" and "" or " ") .. more,
        text.trim_end(told, ",;")
    end
    s, description = before, text.unquote(without_stop(behind)) or behind
  end
  local without_urgent, urgent = urgent_first(s)
  local found, pieces, places = {}, { s }, {}
  if #s <= MAX_LINE then
    found, pieces, places = find(without_urgent or s, now)
  end
  places.line, places.urgent = s, urgent
  places.offset = without_urgent and #s - #without_urgent or 0
  local time = found.time
  if time and time.open and evening:match(s:lower()) then
    found.time = { hour = time.hour + 12, min = time.min }
  end
  local due = dates.due(found, now)
  local remind_at = reminder_time(found, due, now)
  local moment = found.remind and found.remind.day
  if moment and moment.exact and not found.day and not found.time then
    due = nil -- "every day, remind me in 5 minutes": the series begins with the reminder
  end
  local args = {
    description = description, due = due, tags = unique(found.tags),
    priority = found.priority or urgent and level_of:match(urgent),
    reminder_offset_minutes = found.offset, remind_at = remind_at,
    recurrence_rule = dates.rule(found),
  }
  return { title = clean_title(pieces), found = found, args = args, places = places,
    pieces = pieces,
    marked = next(found) ~= nil or urgent ~= nil }
end

-- What may stand before the first phrase of a text, and leaves no title.
local before_phrases = {}
for _, list in ipairs({ words.dangling, words.status.completed, words.status.in_progress,
  words.status.pending, words.status.active, HESITATIONS }) do
  for _, phrase in ipairs(list) do
    before_phrases[#before_phrases + 1] = phrase
  end
end
local leaves_nothing = (any(before_phrases) + S(",;-(:.!?")) * text.gap * lpeg.Cp()
local to_word = text.gap * lpeg.Cp()
local MAX_BEFORE = 5 -- phrases

---Whether a text can be nothing but phrases: a quick look, for most are not.
---@param s string
---@return boolean
function details.may_be_phrases(s)
  if urgent_first(s) then
    return true
  end
  local lower = s:lower()
  local at = to_word:match(lower)
  for _ = 1, MAX_BEFORE do
    if at > #s or begins(lower, at) then
      return true
    end
    at = leaves_nothing:match(lower, at)
    if not at then
      return false
    end
  end
  return true
end

---The priority that a text names, and nothing else.
---@param s string
---@return string|nil
function details.priority(s)
  return details.level:match(s:lower())
end

---The tags that a text names, and nothing else.
---@param s string
---@return string[]|nil
function details.tags(s)
  return unique(details.tag_list:match(s:lower()))
end

return details

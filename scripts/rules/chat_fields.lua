-- Changes of one named part of a task: its tags, due date, priority, description, and clearing
-- them.
local lpeg = require("lpeg")
local dates = require("rules.chat_dates")
local details = require("rules.chat_details")
local target = require("rules.chat_target")
local text = require("rules.chat_text")
local words = require("rules.chat_words")
local values = require("rules.chat_values")

local fields = {}

local P, R, S, C = lpeg.P, lpeg.R, lpeg.S, lpeg.C
local any, keyed, space = text.any, text.keyed, text.space
local leading, trailing, splitter = text.leading, text.trailing, text.splitter

local function update(match, changes)
  return { tool = "update_task", args = { match = match, changes = changes } }
end
fields.update = update

---@param match table
---@param changes table
---@return table call  setting the status to completed is a completion
function fields.call(match, changes)
  if changes.status == "completed" and next(changes, next(changes)) == nil then
    return { tool = "complete_task", args = { match = match } }
  end
  return update(match, changes)
end

-- Clearing one field, and tags.

local field = keyed(words.fields)
local link = any({ "from", "of", "for", "on", "off", "to" })
local clear_verb = any({ "forget", "ignore", "lift", "scrap", "kill", "strip", "reset", "remove",
  "clear", "delete", "drop", "cancel", "unset", "take off",
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
  due = { due = values.null }, reminder = { reminder_offset_minutes = values.null },
  recurrence = { recurrence_rule = values.null }, priority = { priority = "medium" },
  description = { description = values.null }, tags = { tags = values.null },
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

function fields.tags(s, now)
  local before, names, behind = tag_on(s)
  if before == "" and behind ~= "" then
    return update(target.of(behind, now), { tags_add = details.tags(names) })
  end
  before, names, behind = tag_off(s)
  if before == "" and behind ~= "" then
    return update(target.match(behind), { tags_remove = details.tags(names) })
  end
  local rest = untag(s)
  if rest then
    local what, _, from = from_task(rest)
    if what and tags_of(what) then
      return update(target.match(from), { tags_remove = tags_of(what) })
    end
    what, _, from = with_tag(rest)
    if what and tags_of(from) then
      return update(target.match(what), { tags_remove = tags_of(from) })
    end
    -- Of more words the last may be a tag: "untag dentist health".
    local all = rest:find("^%S+$") or text.unquote(rest)
    return all and update(target.match(rest), CLEARED.tags) or nil
  end
  rest = tag(s)
  if rest then
    local what, _, names_behind = with_tag(rest)
    if what and what ~= "" and tags_of(names_behind) then
      return update(target.of(what, now), { tags_add = tags_of(names_behind) })
    end
    -- "tag essay uni"
    local task, name = rest:match("^(.*%S)%s+(%S+)$")
    if task and not what and tags_of(name) then
      return update(target.of(task, now), { tags_add = tags_of(name) })
    end
  end
end

function fields.clearing(s, now)
  local rest, phrase = clear_field(s)
  if rest and rest ~= "" then
    local name = named_field:match(phrase)
    if CLEARED[name] then
      -- "remove all reminders for tomorrow": of the tasks of that day.
      local of_day = dates.only(rest, now) and target.many("all tasks for " .. rest, now)
      return update(of_day or target.match(rest), CLEARED[name])
    end
  end
  local name = clear_last:match(s:lower())
  if name and CLEARED[name] then
    return update({ last = true }, CLEARED[name])
  end
  rest = stop_repeating(s)
  if rest then
    return update(target.match(rest), CLEARED.recurrence)
  end
  rest = stop_reminding(s)
  if rest then
    return update(target.match(rest), CLEARED.reminder)
  end
end

-- Setting one by its name.

local priority_of = leading(words.priority_of)
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
local set_last = leading(set_field_name * (space * any({ "to", "as", "for" })) ^ -1)
local adds_to = any({ "add", "put", "write", "give" })
local value_link = splitter(C(any({ "to", "as", "=" }) + S(":")))
local nothing = any({ "none", "never", "nothing", "no" })
local raise = { raise = "high", increase = "high", bump = "high", lower = "low", decrease = "low",
  drop = "low", reduce = "low" }

-- A field by its name, with a value: null when the value does not fit.
function fields.value(name, value, now)
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
  local changes = values.read(value, now)
  if changes and name == "reminder" and changes.due then
    changes.remind_at, changes.due = changes.due, nil
  end
  return changes
end

local article_alone = any({ "a", "an", "the", "my" }) * -1

-- "buy milk's priority", "buy milk due date": the task and the field.
function fields.split(s)
  for _, name in ipairs({ "title", "due", "priority", "description", "tags", "reminder",
    "recurrence",
    "status" }) do
    local what = field_behind[name](s)
    if what and what ~= "" and not article_alone:match(what:lower()) then
      what = what:gsub("'s$", ""):gsub("\226\128\153s$", "")
      return what, name
    end
  end
  return s, nil
end

function fields.field(s, now)
  local rest, phrase = set_last(s)
  local changes_of_last = rest and rest ~= ""
    and fields.value(set_field_name:match(phrase), rest, now)
  if changes_of_last and changes_of_last.tags and adds_to:match(phrase) then
    changes_of_last = { tags_add = changes_of_last.tags }
  end
  if changes_of_last and next(changes_of_last) ~= "title" and not changes_of_last.description then
    return fields.call({ last = true }, changes_of_last)
  end
  rest, phrase = set_field(s)
  if not rest then
    return nil
  end
  local name = set_field_name:match(phrase)
  if name == "description" and (phrase:find("^make") or rest:lower():find("^self%f[%A]")) then
    return nil -- "make a note to …", "add a note to self"
  end
  local adds = adds_to:match(phrase)
  for _, place in ipairs(values.splits(rest, value_link)) do
    local changes = place[1] ~= "" and place[2] ~= "" and fields.value(name, place[2], now)
    if changes and adds and changes.description then
      changes = { note = changes.description }
    end
    if changes then
      return fields.call(target.of(place[1], now), changes)
    end
  end
end

---@param s string
---@param told boolean|nil  only where the new one is told
---@return table|nil call
function fields.priority(s, told)
  local rest, verb = priority_of(s)
  if not rest then
    return nil
  end
  for _, place in ipairs(values.splits(rest, value_link)) do
    local level = details.priority(place[2])
    if level then
      return update(target.match(place[1]), { priority = level })
    end
  end
  local level = not told and raise[verb:match("^%a+")]
  return level and update(target.match(rest), { priority = level }) or nil
end

return fields

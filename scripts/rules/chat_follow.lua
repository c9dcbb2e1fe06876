-- What only makes sense after something else was said: yes and no, corrections of the last task,
-- "and the report too"; and small talk, which asks for nothing.
local lpeg = require("lpeg")
local chat_add = require("rules.chat_add")
local dates = require("rules.chat_dates")
local details = require("rules.chat_details")
local target = require("rules.chat_target")
local text = require("rules.chat_text")
local values = require("rules.chat_values")
local words = require("rules.chat_words")

local follow = {}

local S = lpeg.S
local any, leading, trailing = text.any, text.leading, text.trailing

-- Longer texts are none of these: bytes.
local MAX_TALK, MAX_FOLLOW = 120, 300

local gap = (S(" !.,?;:)(-") + text.emoji - (lpeg.P("👍") + "👎")) ^ 0

-- Nothing but the phrases, one after the other; what stands beside them may be in `more`.
local function only(phrases, more)
  local phrase = any(phrases)
  local pattern = gap * phrase * (gap * (phrase + any(more))) ^ 0 * gap * -1
  local later = gap * any(more) * (gap * any(more)) ^ -2 * gap * pattern
  return function(s)
    if #s > MAX_TALK then
      return false
    end
    s = s:lower()
    return pattern:match(s) ~= nil or later:match(s) ~= nil
  end
end

local polite_words = { "please", "pls", "plz", "thanks", "thank you", "then", "now", "just", "oh",
  "ok",
  "okay", "that's wrong", "that's not right", "wrong", "not that", "that's not it",
  "that's not what i meant", "wait", "no", "ugh", "argh", "nooo", "sorry", "can you", "could you",
  "and", "hey",
  "i", "ah", "well", "um" }
follow.is_yes = only(words.yes, { "all of them", "them", "it", "them all", "both", "both of them",
  "please", "thanks", "thank you", "thx", "ty", "now", "then", "oh", "and", "all" })
follow.is_no = only(words.no, { "please", "thanks", "thx", "ty", "thank u", "tho", "though",
  "thank you", "now", "then", "oh", "all",
  "actually",
  "ok", "okay", "just", "sorry" })
---"forget it" is no task to forget.
follow.drops_it = only({ "forget it", "forget that", "forget about it", "forget about that" },
  { "oh", "ok", "just", "please", "then", "no", "well", "sorry", "actually" })
local done_all = text.gap * (any(words.done_by_us) * text.space + any({ "finished", "completed",
  "done with" }) * text.space * #any({ "all", "everything", "every" }))

---"i finished all of my tasks": no question for a list.
---@param s string
---@return boolean
function follow.says_done(s)
  return done_all:match(s:lower()) ~= nil
end
local undone_verb = any({ "delete", "remove", "complete", "finish", "do", "change", "move", "add",
  "mark", "rename", "tag", "postpone" })
local unwanted = text.gap * any({ "i didn't mean to", "i didn't want to", "i did not mean to",
  "i did not want to", "didn't mean to", "i didn't intend to" }) * text.space * undone_verb
  * text.space * any(words.it) * S(" .!") ^ 0 * -1
local is_undo = only(words.undo, polite_words)
local undoes = only({ "undo", "revert", "reverse", "take back", "roll back" }, { "the", "my",
  "last",
  "previous", "thing", "things", "you", "did", "just", "change", "changes", "action", "that", "it",
  "this",
  "step", "everything", "all", "what", "i", "command", "one", "please", "was", "done", "said",
  "edit",
  "most recent", "latest", "oops", "can you", "could you", "move", "deletion", "completion",
  "again" })

---@param s string
---@return boolean
function follow.is_undo(s)
  return is_undo(s) or undoes(s) or unwanted:match(s:lower()) ~= nil
end
follow.is_help = only(words.help, { "please", "pls", "hi", "hey", "hello", "thanks", "bot", "so",
  "ok", "for me", "here", "exactly", "with this", "actually", "you",
  "oh", "and", "well", "then", "with", "me", "now" })
follow.is_all = only({ "all", "all of them", "both", "both of them", "all of those", "every one",
  "everything", "them all", "all three", "all of these", "the lot", "each of them",
  "every one of them",
  "those", "all please", "them" }, { "please", "of", "yes" })

local help_opening = text.gap * any(words.help_openings)
  + text.gap * any(words.able) * text.space * any(words.able_to) * text.space
    * any(words.able_objects) * S(" ?!.") ^ 0 * -1

---@param s string
---@return boolean  "how do i add a task?"
function follow.asks_for_help(s)
  return follow.is_help(s) or #s <= MAX_TALK and help_opening:match(s:lower()) ~= nil
end

local talk_phrases = {}
for _, phrases in pairs(words.talk) do
  for _, phrase in ipairs(phrases) do
    talk_phrases[#talk_phrases + 1] = phrase
  end
end
local talk_kind = gap * text.keyed(words.talk)
local talk_link = any(words.talk_links)
local talk = talk_kind * (gap * (any(talk_phrases) + talk_link)) ^ 0 * gap * -1
local talk_later = gap * talk_link * (gap * talk_link) ^ -2 * talk

---Small talk.
---@param s string
---@return string|nil kind  a key of words.talk
function follow.talk(s)
  if #s > MAX_TALK then
    return nil
  end
  s = s:lower()
  return talk:match(s) or talk_later:match(s)
end

-- Corrections.

local correction = leading(words.corrections)
local function last_call(changes)
  if changes.status == "completed" and next(changes, next(changes)) == nil then
    return { tool = "complete_task", args = { match = { last = true } } }
  end
  return { tool = "update_task", args = { match = { last = true }, changes = changes } }
end

local not_that = text.splitter(lpeg.C(any({ "not", "instead of", "rather than" })))
local said_wrong = leading(words.said_wrong)
local another_one = any({ "the other", "other", "another", "to", "the first", "the second" })
local later, sooner = trailing({ "later", "after that" }), trailing({ "earlier", "sooner" })

-- "half an hour later": from where the task is, not from now.
local function shift_of(s)
  local after, before = later(s), sooner(s)
  local amount, left = dates.leading_amount(after or before or "")
  return amount and left == ""
    and { due_shift = { count = amount[1] * (after and 1 or -1), unit = amount[2] } } or nil
end

-- "i meant buy oat milk": another title for what was added.
local function other_title(s, now)
  local meant = text.without(correction, s, 2)
  local rest = said_wrong(s) or said_wrong(meant)
  if not rest or rest == "" or another_one:match(rest:lower()) then
    return nil
  end
  local read = details.read(rest, now)
  local changes = values.from_details(read)
  changes.title = read.title
  return read.title ~= "" and last_call(changes) or nil
end

local instead = trailing({ "instead", "please", "then", "rather", "actually", "better" })

---"actually tomorrow", "no, friday", "urgent": new values for the task of the last answer.
---@param s string
---@param now table
---@param context table
---@return table|nil call
function follow.correction(s, now, context)
  if not context.last_task or #s > MAX_FOLLOW then
    return nil
  end
  s = text.trim_end(s, ".!?")
  local rest, corrected = text.without(correction, s, 3)
  local instead_of
  rest, instead_of = text.without(instead, rest, 2)
  corrected = corrected or instead_of
  -- "tomorrow" alone asks what there is; after a task was added or changed, it says when.
  local tool = context.last_call and context.last_call.tool
  if not corrected and tool ~= "add_task" and tool ~= "update_task" then
    return nil
  end
  local wanted, _, old = not_that(rest)
  wanted = wanted and wanted ~= "" and values.read(old, now) and wanted or rest
  -- "make it 4" is the time.
  local hour = wanted:match("^%d%d?$")
  local changes = shift_of(wanted) or hour and values.read("at " .. hour, now)
    or values.read(wanted, now)
  if changes and not (changes.status and not corrected) then
    return last_call(changes)
  end
  return tool == "add_task" and other_title(s, now) or nil
end

---A message that is nothing but values, where nothing else fits.
---@param s string
---@param now table
---@param context table
---@return table|nil call
function follow.values(s, now, context)
  local changes = context.last_task and #s <= MAX_FOLLOW and values.read(s, now)
  return changes and last_call(changes) or nil
end

-- Once more, for another task.

local again_before, again_after = leading(words.again_before), trailing(words.again_after)
local starts_command = text.gap * (any(words.commands) + any(words.add) + any(words.remind_to)
  + any(words.question_starts))

---"and the report too": what was done last, to another task.
---@param s string
---@param now table
---@param context table
---@return table|nil call
function follow.again(s, now, context)
  local last = context.last_call
  if not last or #s > MAX_FOLLOW then
    return nil
  end
  s = text.trim_end(s, ".!?")
  local rest = again_before(s)
  local shorter = again_after(rest or s)
  rest = shorter or rest
  if not rest or rest == "" or starts_command:match(rest:lower()) then
    return nil
  end
  if last.tool == "add_task" then
    local read = details.read(rest, now)
    return read.title ~= "" and chat_add.call(read) or nil
  elseif last.tool == "complete_task" or last.tool == "delete_task" then
    return { tool = last.tool, args = { match = target.of(rest, now) } }
  elseif last.tool == "update_task" and last.changes then
    return { tool = last.tool, args = { match = target.of(rest, now), changes = last.changes } }
  end
end

-- Things done, told in the past tense.

local past_verb = text.keyed(words.past)
local past_opening = leading(words.past_openings)
local past = text.gap * past_verb * lpeg.Cp()

-- "gas bill paid"
local participles, tells_more = {}, {}
for _, verb in ipairs(words.past_only) do
  tells_more[verb] = true
end
for verb in pairs(words.past) do
  participles[#participles + 1] = verb
end
local done_behind = trailing(participles)
local auxiliary = trailing({ "has been", "have been", "was", "were", "is", "are", "got",
  "is already",
  "has already been", "is now", "are now", "finally got", "already", "is all", "has finally been" })

local pronoun = trailing({ "it", "them", "him", "her", "that" })
local and_more = text.splitter(lpeg.C(text.any({ "and", "and then", "and also" }))
  * text.space * #((any({ "i", "i've", "i have", "also" }) * text.space) ^ -1 * past_verb / 0))

-- "did the laundry" tells, "did mom call" asks.
local of_mine = any({ "the", "my", "our", "all the", "some" })
-- "changed my mind", "did not go"
local no_task = any({ "my mind", "your mind", "our minds", "not", "nothing", "never", "n't" })
local MAX_PAST = 3 -- things done, told in one sentence

---"paid the rent": the task "pay the rent" is done.
---@param s string
---@param now table
---@param told integer|nil  how many were told before it
---@return table|nil call  or calls, where more than one is told
function follow.past(s, now, told)
  told = (told or 0) + 1
  if #s > MAX_FOLLOW or s:sub(-1) == "?" then
    return nil
  end
  local thing, participle = done_behind(s)
  local passive = thing and auxiliary(thing)
  thing = passive or not tells_more[participle] and thing -- "mom called" is not done
  if thing and thing ~= "" and not starts_command:match(s:lower()) and not details.read(s,
    now).marked
  then
    return { tool = "complete_task", args = { match = target.match(thing) } }
  end
  local rest = past_opening(s) or s
  local verb, behind = past:match(rest:lower())
  local what = verb and behind and text.trim(rest:sub(behind))
  if not what or what == "" or no_task:match(what:lower())
    or verb == "do" and rest == s and not of_mine:match(what:lower()) then
    return nil
  end
  local read = details.read(rest, now)
  if read.found.time or read.args.priority or read.args.tags or read.found.recurrence then
    return nil
  end
  local first, _, second = and_more(what)
  local more = first and first ~= "" and told < MAX_PAST and not pronoun(second)
    and follow.past(second, now, told)
  ---@cast behind integer
  local match = target.match(verb .. " " .. (more and first or what))
  match.text = more and rest:sub(1, behind - 1) .. first or rest
  local call = { tool = "complete_task", args = { match = match } }
  if not more then
    return call
  end
  return more.tool and { call, more } or { call, unpack(more) }
end

return follow

-- Small tools to match phrases at the beginning or end of a text. Patterns match lower-case text;
-- what is cut out keeps its case. Every one runs in time linear in the text.
local lpeg = require("lpeg")

local text = {}

local P, R, S, C, Cp = lpeg.P, lpeg.R, lpeg.S, lpeg.C, lpeg.Cp

local letter = R("az", "AZ", "09") + R("\128\255") + "_"
local apostrophe = P("'") + "\226\128\153"

text.gap = S(" \t\n\r") ^ 0
text.space = S(" \t\n\r") ^ 1
text.alnum = letter + "'"
-- The end of a word: "tomorrow's" and "one-off" do not end behind their first half.
text.edge = -(letter + apostrophe * R("az") + P("-") * letter)

-- Quoted text is never looked into. An apostrophe quotes only where a word could begin.
text.quoted = P('"') * (1 - P('"')) ^ 0 * '"'
  + P("\226\128\156") * (1 - P("\226\128\156") - "\226\128\157") ^ 0 * "\226\128\157"
  + P("\226\128\152") * (1 - P("\226\128\152") - "\226\128\153") ^ 0 * "\226\128\153" * -letter
  + P("'") * (1 - S("'\n")) ^ 1 * "'" * -letter
text.url = P("http") * P("s") ^ -1 * "://" * (1 - S(" \t\r\n")) ^ 1

-- One emoji, with what changes its look.
text.emoji = (P("\240\159") * R("\128\191") * R("\128\191")
  + P("\226") * R("\152\158") * R("\128\191") + P("\226\173") * R("\128\191")
  + P("\226\143") * R("\128\191"))
  * (P("\239\184\143") + P("\226\128\141") + P("\240\159\143") * R("\187\191")) ^ 0

-- One phrase, ready to be looked for: a Lua pattern where it has spaces or apostrophes. On phones
-- apostrophes are left out.
local function prepare(phrase)
  local entry = { phrase = phrase, open = phrase:find("%w$") ~= nil }
  if phrase:find("[ ']") then
    entry.pattern = "^" .. phrase:gsub("[^%w ']", "%%%0"):gsub(" ", "[ \t\n\r]+")
      :gsub("'", "[\226']?\128?\153?")
  end
  return entry
end

-- The first of the candidates that is there, and the place behind it.
local function find_entry(candidates, s, at, ending)
  for i = 1, #candidates do
    local entry = candidates[i]
    local stop
    if entry.pattern then
      stop = select(2, s:find(entry.pattern, at))
    elseif s:sub(at, at + #entry.phrase - 1) == entry.phrase then
      stop = at + #entry.phrase - 1
    end
    if stop and (not entry.open or ending:match(s, stop + 1)) then
      return entry, stop + 1
    end
  end
end

local NONE = {}

-- What the second character of a phrase may look like in a text.
local function second_of(phrase)
  local second = phrase:sub(2, 2)
  return second == " " and " \t\n\r" or second == "'" and "'\226" .. phrase:sub(3, 3) or second
end

-- A look at the first two characters, which costs no call of a function. Takes the first.
local function beginning(phrases)
  local seconds, firsts = {}, {}
  for _, phrase in ipairs(phrases) do
    for _, first in ipairs(phrase:sub(1, 1) == "'" and { "'", "\226" } or { phrase:sub(1, 1) }) do
      if not seconds[first] then
        seconds[first] = ""
        firsts[#firsts + 1] = first
      end
      local any_second = #phrase == 1 or first == "\226" or seconds[first] == true
      seconds[first] = any_second or seconds[first] .. second_of(phrase)
    end
  end
  local pattern = P(false)
  for _, first in ipairs(firsts) do
    pattern = pattern + P(first) * (seconds[first] == true and P(true) or #S(seconds[first]))
  end
  return pattern
end

---A pattern for any of the phrases, the longest first. It looks them up by their first letters when
---it matches: as an ordered choice of hundreds of phrases, copied into every pattern that holds it,
---it would cost megabytes.
---@param phrases string[]
---@param ending any|nil  what must follow a phrase that ends with a letter or digit: text.edge
---@return lpeg.Pattern
function text.any(phrases, ending)
  ending = P(ending or text.edge)
  local sorted = {}
  for i, phrase in ipairs(phrases) do
    sorted[i] = phrase
  end
  table.sort(sorted, function(a, b)
    if #a ~= #b then
      return #a > #b
    end
    return a < b
  end)
  local by_three, by_one = {}, {}
  local function add(index, key, entry)
    index[key] = index[key] or {}
    table.insert(index[key], entry)
  end
  for _, phrase in ipairs(sorted) do
    local entry = prepare(phrase)
    local first = phrase:sub(1, 1)
    if phrase:find("^%w%w%w") then
      add(by_three, phrase:sub(1, 3), entry)
    else
      add(by_one, first, entry)
      if first == "'" then
        add(by_one, "\226", entry)
      end
    end
  end
  return lpeg.Cmt(beginning(sorted), function(s, behind)
    local at = behind - 1
    local long, stop = find_entry(by_three[s:sub(at, at + 2)] or NONE, s, at, ending)
    local short, short_stop = find_entry(by_one[s:sub(at, at)] or NONE, s, at, ending)
    if long and short then
      return #long.phrase >= #short.phrase and stop or short_stop
    end
    return stop or short_stop or false
  end)
end

---A pattern for any phrase of a table, with its meaning as capture: phrase = value, or
---key = {phrase, …}, where the key is the value.
---@param map table
---@param ending any|nil  as in text.any
---@return lpeg.Pattern
function text.keyed(map, ending)
  local meaning, phrases = {}, {}
  for key, value in pairs(map) do
    if type(value) == "table" and type(value[1]) == "string" then
      for _, phrase in ipairs(value) do
        meaning[phrase] = key
        phrases[#phrases + 1] = phrase
      end
    else
      meaning[key] = value
      phrases[#phrases + 1] = key
    end
  end
  local bare = {}
  for phrase, value in pairs(meaning) do
    bare[phrase:gsub("'", "")] = value
  end
  local spaces = lpeg.Cs((text.space / " " + apostrophe / "'" + 1) ^ 0)
  return C(text.any(phrases, ending)) / function(found)
    return meaning[spaces:match(found)] or bare[spaces:match(found)]
  end
end

local trimmed = text.gap * C((text.gap * (1 - S(" \t\n\r")) ^ 1) ^ 0)

---The same pattern, which has one capture, for many others to hold: they do not copy it, as lpeg
---does else. It does not match where its capture is nil or false.
---@param pattern any
---@return lpeg.Pattern
function text.once(pattern)
  local whole = pattern * Cp()
  return lpeg.Cmt(P(true), function(s, at)
    local found, stop = whole:match(s, at)
    if found then
      return stop, found
    end
    return false
  end)
end

---@param s string
---@return string
function text.trim(s)
  return trimmed:match(s)
end

local behind_emoji = text.gap * (text.emoji * text.gap) ^ 1 * C(P(1) ^ 1)
local MAX_EMOJI = 64 -- bytes at the end that are looked at
local last_emoji = P({ C(text.gap * (text.emoji * text.gap) ^ 1 * -1) + 1 * lpeg.V(1) })

---Without the emoji at its beginning; nil where there is none, or nothing else.
---@param s string
---@return string|nil
function text.behind_emoji(s)
  return behind_emoji:match(s)
end

---Without the emoji at its end; nil where there is none, or nothing else.
---@param s string
---@return string|nil
function text.before_emoji(s)
  local found = #s > 0 and s:byte(-1) > 127 and last_emoji:match(s, math.max(1, #s - MAX_EMOJI))
  return found and #found < #s and s:sub(1, #s - #found) or nil
end

---Without the given ASCII characters, and white space, at its end.
---@param s string
---@param characters string
---@return string
function text.trim_end(s, characters)
  local last = #s
  while last > 0 and (s:find("^%s", last) or characters:find(s:sub(last, last), 1, true)) do
    last = last - 1
  end
  return text.trim(s:sub(1, last))
end

---A function that cuts a leading phrase off: it gives what follows, and the phrase; nil without
---one. The phrase may be followed by a colon.
---@param phrases string[]|any  a list, or a pattern
---@return fun(s: string): string|nil, any
function text.leading(phrases)
  local pattern = type(phrases) == "table" and text.any(phrases) or phrases
  pattern = text.gap * C(pattern / 0) * (text.gap * S(":,")) ^ -1 * text.gap * Cp()
  return function(s)
    local phrase, behind = pattern:match(s:lower())
    if phrase then
      return text.trim(s:sub(behind)), phrase
    end
  end
end

-- What stands behind the last space or comma.
local last_word = (S(" \t\n\r,") ^ 0 * (1 - S(" \t\n\r,")) ^ 1 * #(S(" \t\n\r,") * 1)) ^ 0
  * S(" \t\n\r,") ^ 0 * C(P(1) ^ 0)

---A function that cuts a trailing phrase off, with the space or comma before it; nil without one.
---@param phrases string[]
---@return fun(s: string): string|nil, any
function text.trailing(phrases)
  local by_last_word = {}
  for _, phrase in ipairs(phrases) do
    local word = last_word:match(phrase)
    by_last_word[word] = by_last_word[word] or {}
    table.insert(by_last_word[word], phrase)
  end
  for _, list in pairs(by_last_word) do
    table.sort(list, function(a, b) return #a > #b end)
  end
  return function(s)
    local lower = s:lower()
    for _, phrase in ipairs(by_last_word[last_word:match(lower)] or NONE) do
      local before = #s - #phrase
      if lower:sub(before + 1) == phrase
        and (before <= 0 or lower:sub(before, before):find("^[%s,]")) then
        return text.trim_end(s:sub(1, before), " ,"), phrase
      end
    end
  end
end

---The place of the first match of a pattern outside quotes, at the beginning of a word: the text
---before it, what it captured, and the text behind it.
---@param pattern any  with exactly one capture
---@return fun(s: string): string|nil, any, any
function text.splitter(pattern)
  local word = text.quoted + letter ^ 1 * (S("'-") * letter ^ 1) ^ 0 + 1
  local here = pattern * Cp()
  local search = Cp() * here + word * lpeg.V(1)
  search = P({ search })
  return function(s)
    local at, found, behind = search:match(s:lower())
    if at then
      return text.trim(s:sub(1, at - 1)), found, text.trim(s:sub(behind))
    end
  end
end

local wrapped = C('"') * C((1 - P('"')) ^ 1) * '"' * -1
  + C("'") * C((1 - P("'")) ^ 1) * "'" * -1
  + C("\226\128\156") * C((1 - P("\226\128\157")) ^ 1) * "\226\128\157" * -1

---The inside of a text that is quoted as a whole, nil for others.
---@param s string
---@return string|nil
function text.unquote(s)
  local _, inner = wrapped:match(s)
  return inner
end

---Takes phrases off the front, `times` at most, as long as something is left.
---@param phrase fun(s: string): string|nil, string|nil  of text.leading
---@param s string
---@param times integer
---@return string rest
---@return boolean found
function text.without(phrase, s, times)
  local found = false
  for _ = 1, times do
    local rest = phrase(s)
    if not rest or rest == "" then
      break
    end
    s, found = rest, true
  end
  return s, found
end

return text

-- A first word with a typing mistake: "dleete milk".
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local spelling = {}

local MIN, MAX, SHORT = 3, 14, 4 -- letters

-- Whether two words are one insertion, deletion, change or swap of neighbours apart.
local function is_near(a, b)
  if math.abs(#a - #b) > 1 then
    return false
  end
  local first = 1
  while first <= #a and a:byte(first) == b:byte(first) do
    first = first + 1
  end
  local last = 0
  while last < math.min(#a, #b) - first + 1 and a:byte(#a - last) == b:byte(#b - last) do
    last = last + 1
  end
  local left, right = a:sub(first, #a - last), b:sub(first, #b - last)
  return #left <= 1 and #right <= 1
    or #left == 2 and #right == 2 and left:reverse() == right
end

local function is_swapped(a, b)
  local letters_a, letters_b = {}, {}
  for i = 1, #a do
    letters_a[i], letters_b[i] = a:sub(i, i), b:sub(i, i)
  end
  table.sort(letters_a)
  table.sort(letters_b)
  return table.concat(letters_a) == table.concat(letters_b)
end

local known = {}
for _, list in ipairs({ words.task_verbs, words.spelled, words.add, words.complete,
  words.delete }) do
  for _, phrase in ipairs(list) do
    known[phrase:match("^%S+")] = true
  end
end
for verb in pairs(words.past) do
  known[verb] = true
end

-- "dine" is not "done", nor "marks" "mark": short words are often others, a letter apart.
local function is_other_word(word, candidate)
  return #candidate <= SHORT and (#word == #candidate and not is_swapped(word, candidate)
    or #word > #candidate and word:sub(1, #candidate) == candidate)
end

-- Such a word is put right wherever it stands with one of these, though more would be understood:
-- "remmeber to call jo friday".
local OPENINGS = {
  { "remind", { me = true, us = true } }, { "remember", { to = true } },
  { "create", { a = true, an = true, new = true, task = true, todo = true } },
  { "mark", {}, text.trailing({ "done", "complete", "completed", "finished" }) },
}
local verbs = {}
for _, phrase in ipairs(words.task_verbs) do
  verbs[phrase] = true
end

---A command that begins with a typing mistake, put right; nil for others.
---@param s string
---@return string|nil
function spelling.opening(s)
  local word, second = s:match("^(%a+)%s+(%a+)")
  if not word or not second or #word < MIN or #word > MAX or verbs[word:lower()] then
    return nil
  end
  local lower = word:lower()
  for _, opening in ipairs(OPENINGS) do
    local candidate, behind, ending = opening[1], opening[2], opening[3]
    if lower ~= candidate and lower:byte() == candidate:byte() and is_near(lower, candidate)
      and not is_other_word(lower, candidate)
      and (behind[second:lower()] or ending and ending(text.trim_end(s, ".!"))) then
      return candidate .. s:sub(#word + 1)
    end
  end
end

---The same with its first word put right; nil where there is nothing to put right.
---@param s string
---@return string|nil
function spelling.mend(s)
  local word = s:match("^(%a+)%s") or s:match("^%a+$")
  if not word or #word < MIN or #word > MAX or known[word:lower()] then
    return nil
  end
  local lower = word:lower()
  for _, candidate in ipairs(words.spelled) do
    if #candidate > MIN and candidate:byte() == lower:byte() and is_near(lower, candidate)
      and not is_other_word(lower, candidate) then
      return candidate .. text.trim(s:sub(#word + 1)):gsub("^(.)", " %1")
    end
  end
end

return spelling

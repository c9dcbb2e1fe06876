-- A first word with a typing mistake: "dleete milk".
local text = require("rules.chat_text")
local words = require("rules.chat_words")

local spelling = {}

local MIN, MAX = 3, 14 -- letters

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

---The same with its first word put right; nil where there is nothing to put right.
---@param s string
---@return string|nil
function spelling.mend(s)
  local word = s:match("^%a+")
  if not word or #word < MIN or #word > MAX or known[word:lower()] then
    return nil
  end
  local lower = word:lower()
  for _, candidate in ipairs(words.spelled) do
    if #candidate > MIN and candidate:byte() == lower:byte() and is_near(lower, candidate) then
      return candidate .. text.trim(s:sub(#word + 1)):gsub("^(.)", " %1")
    end
  end
end

return spelling

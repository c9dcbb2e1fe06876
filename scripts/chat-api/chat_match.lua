-- Which of several titles a person means: the same title, else those that hold all the words, else
-- those that are a typing mistake away.
local match = {}

local MAX_WORDS = 12
local MIN_SEARCHED = 3 -- letters
-- Said or left out: "buy the milk" is "buy milk".
local SMALL = { the = true, a = true, an = true, my = true, to = true, of = true, some = true,
  our = true, ["for"] = true, ["with"] = true }

---Lower case, punctuation as spaces, single spaces.
---@param s string
---@return string
function match.fold(s)
  s = s:lower():gsub("%p", " "):gsub("%s+", " ")
  return (s:gsub("^ ", ""):gsub(" $", ""))
end

local function split(folded)
  local list = {}
  for word in folded:gmatch("%S+") do
    list[#list + 1] = word
  end
  return list
end

-- Without small words, where there are others.
local function without_small(words)
  local list = {}
  for _, word in ipairs(words) do
    list[#list + 1] = not SMALL[word] and word or nil
  end
  return #list > 0 and list or words
end

---@param words string
---@return string|nil  the longest, to look for
function match.longest_word(words)
  local longest
  for _, word in ipairs(without_small(split(match.fold(words)))) do
    if #word >= MIN_SEARCHED and (not longest or #word > #longest) then
      longest = word
    end
  end
  return longest
end

-- The optimal string alignment distance of two words (a swap of neighbours counts one), or more
-- than `limit` once it is known to be.
local function distance(a, b, limit)
  if math.abs(#a - #b) > limit then
    return limit + 1
  end
  local before_last, last = {}, {}
  for j = 0, #b do
    last[j] = j
  end
  for i = 1, #a do
    ---@type table<integer, number>, number
    local row, best = { [0] = i }, i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local least = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        least = math.min(least, before_last[j - 2] + 1)
      end
      row[j], best = least, math.min(best, least --[[@as number]])
    end
    if best > limit then
      return limit + 1
    end
    before_last, last = last, row
  end
  return last[#b]
end

local function is_near(word, title_words)
  local limit = #word >= 8 and 2 or #word >= 4 and 1 or 0
  for _, other in ipairs(title_words) do
    if other == word or limit > 0 and #other <= 40 and distance(word, other, limit) <= limit then
      return true
    end
  end
  return false
end

local function all_of(wanted, test)
  for _, word in ipairs(wanted) do
    if not test(word) then
      return false
    end
  end
  return #wanted > 0
end

---@generic T
---@param items T[]      each with a title
---@param words string
---@param text string|nil  the same before anything was cut off, tried first
---@return T[]
function match.find(items, words, text)
  local exact = match.fold(words)
  local wanted = without_small(split(exact))
  local original = text and match.fold(text)
  if exact == "" then
    -- Nothing but punctuation: only the very same will do.
    local same = {}
    for _, item in ipairs(items) do
      same[#same + 1] = item.title == words and item or nil
    end
    return same
  end
  local same, holding, near = {}, {}, {}
  for _, item in ipairs(items) do
    local title = match.fold(item.title)
    if title == original or title == exact then
      same[#same + 1] = item
    else
      local padded = " " .. title
      if all_of(wanted, function(word) return padded:find(" " .. word, 1, true) ~= nil end) then
        holding[#holding + 1] = item
      elseif #holding == 0 and #same == 0 and #wanted <= MAX_WORDS and #title <= 255 then
        local title_words = split(title)
        if all_of(wanted, function(word) return is_near(word, title_words) end) then
          near[#near + 1] = item
        end
      end
    end
  end
  return #same > 0 and same or #holding > 0 and holding or near
end

return match

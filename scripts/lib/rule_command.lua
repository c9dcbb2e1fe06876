-- The words after `todo-host rules`.
local api = require("lib.rule_api")
local config = require("host.config")
local rule_check = require("lib.rule_check")
local rule_events = require("lib.rule_events")
local rule_rollback = require("lib.rule_rollback")
local rule_trial = require("lib.rule_trial")
local time = require("host.time")
local trial = require("host.trial")

local rule_command = {}

local UNIT_MS = { s = 1000, m = 60000, h = 3600000, d = 86400000 }
local DEFAULT_LIMIT, MAX_LIMIT = 10000, 1000000

local function default_folder()
  return config.get("RULES_DIR") or config.get("SCRIPTS_DIR") .. "/rules"
end

local FLAGS = {
  ["--rules"] = { name = "rules", needs = "a folder" },
  ["--rule"] = { name = "rule", needs = "the name of a rule, such as notify.plan" },
  ["--since"] = { name = "since", needs = "a time span, such as 30m, 12h or 1d" },
  ["--limit"] = { name = "limit", needs = "a whole number from 1 to " .. MAX_LIMIT },
  ["--examples"] = { name = "examples" },
}

-- Words by themselves, and the flags that `allowed` names.
local function read_words(words, allowed, most)
  local options, i = {}, 2
  while words[i] do
    local word = words[i]
    local flag = FLAGS[word]
    if word:sub(1, 1) ~= "-" then
      options[#options + 1] = word
    elseif not flag or not allowed[word] then
      return nil, "unknown flag " .. word
    elseif flag.needs and not words[i + 1] then
      return nil, word .. " needs " .. flag.needs
    else
      options[flag.name] = flag.needs and words[i + 1] or true
      i = i + (flag.needs and 1 or 0)
    end
    i = i + 1
  end
  if #options > most then
    return nil, "rules " .. words[1] .. ": too many words, " .. options[most + 1]
  end
  return options
end

local function read_name(name)
  if not api.entries[name] then
    local names = {}
    for known in pairs(api.entries) do
      names[#names + 1] = known
    end
    table.sort(names)
    return nil, "no service asks a rule " .. tostring(name) .. "; there are "
      .. table.concat(names, ", ")
  end
  return name
end

local function check(words)
  local options, message = read_words(words, {}, 1)
  if not options then
    return nil, message, true
  end
  local folder
  folder, message = trial.read_folder(options[1] or default_folder())
  if not folder then
    return "wrong " .. message, nil, 1
  end
  local text, good = rule_check.run(folder)
  return text, nil, good and 0 or 1
end

local function try(words)
  local options, message = read_words(words, { ["--rules"] = true }, 1)
  local name
  if options then
    name, message = read_name(options[1])
  end
  if not name then
    return nil, message, true
  end
  local folder, input
  folder, message = trial.read_folder(options.rules or default_folder())
  if not folder then
    return nil, message, 1
  end
  input, message = trial.read_input()
  if not input then
    return nil, message, 1
  end
  return rule_trial.try(folder, name, input)
end

local function diff(words)
  local options, message = read_words(words, {}, 3)
  if not options then
    return nil, message, true
  elseif #options < 2 then
    return nil, "rules diff needs two folders: the old rules and the new ones", true
  end
  if options[3] and not read_name(options[3]) then
    return nil, select(2, read_name(options[3])), true
  end
  local folders = {}
  for i = 1, 2 do
    folders[i], message = trial.read_folder(options[i])
    if not folders[i] then
      return nil, message, true
    end
  end
  local input
  input, message = trial.read_input()
  if not input then
    return nil, message, true
  end
  return rule_trial.diff(folders[1], folders[2], options[3], input)
end

local function read_since(text)
  local count, unit = (text or "1d"):match("^(%d+)([smhd])$")
  return count and #count <= 6 and time.now_ms() - tonumber(count) * UNIT_MS[unit] or nil
end

local function read_limit(text)
  local limit = tonumber((text or tostring(DEFAULT_LIMIT)):match("^%d+$"))
  return limit and limit >= 1 and limit <= MAX_LIMIT and limit or nil
end

local function events_of_examples(options)
  if options.since or options.limit then
    return nil, "--since and --limit do not go with --examples", true
  end
  local folder, message = trial.read_folder(options[1] or default_folder())
  local lines
  if folder then
    lines, message = rule_events.from_examples(folder, options.rule)
  end
  return lines and table.concat(lines, "\n"), message
end

local function events(words)
  local options, message = read_words(words,
    { ["--since"] = true, ["--rule"] = true, ["--limit"] = true, ["--examples"] = true }, 1)
  if options and options.rule and not api.entries[options.rule] then
    options, message = read_name(options.rule)
  end
  if not options then
    return nil, message, true
  elseif options.examples then
    return events_of_examples(options)
  elseif options[1] then
    return nil, "rules events takes a folder only with --examples", true
  end
  local stored = rule_events.stored()
  if options.rule and not table.concat(stored, " "):find(options.rule, 1, true) then
    return nil, "what " .. options.rule .. " was asked is not stored; of "
      .. table.concat(stored, ", ") .. " it is, and there are --examples", true
  end
  local since_ms, limit = read_since(options.since), read_limit(options.limit)
  if not since_ms or not limit then
    local flag = since_ms and "--limit" or "--since"
    return nil, flag .. " needs " .. FLAGS[flag].needs, true
  end
  local lines
  lines, message = rule_events.from_database(options.rule, since_ms, limit)
  return lines and table.concat(lines, "\n"), message
end

local function history(words)
  local options, message = read_words(words, {}, 0)
  if not options then
    return nil, message, true
  end
  return rule_rollback.history()
end

local function rollback(words)
  local options, message = read_words(words, {}, 1)
  if not options then
    return nil, message, true
  end
  return rule_rollback.roll_back(options[1])
end

---@type table<string, fun(words: string[]): string|nil, string|nil, integer|boolean|nil>
local VERBS = { check = check, try = try, diff = diff, events = events, history = history,
  rollback = rollback }

---@param ... string
---@return string|nil text
---@return string|nil message
---@return integer|boolean|nil status
function rule_command.run(...)
  local words = { ... }
  local verb = VERBS[words[1]]
  if not verb then
    return nil, "rules takes check, try, diff, events, history or rollback"
      .. (words[1] and ", not " .. words[1] or ""), true
  end
  return verb(words)
end

return rule_command

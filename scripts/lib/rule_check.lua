-- `todo-host rules check`: whether a folder of rules may be applied. A line for each file, and one
-- for each thing that is wrong in it.
local api = require("lib.rule_api")
local rule_examples = require("lib.rule_examples")
local shape = require("lib.shape")

local rule_check = {}

-- What is wrong with files, by their names; "" is the folder's.
local function new_findings()
  local findings = { count = 0 }

  function findings.add(file, message)
    findings[file] = findings[file] or {}
    table.insert(findings[file], message)
    findings.count = findings.count + 1
  end

  return findings
end

-- Each file by itself, so that one that is broken does not hide the next.
local function load_each(folder, findings)
  local broken = {}
  for _, file in ipairs(folder:files()) do
    local name = file:match("^(.+)%.lua$")
    if name then
      local _, message = folder:load(name)
      broken[file] = message
    end
  end
  for file, message in pairs(broken) do
    local culprit = message:match("^rules/([%w_]+%.lua):")
    if culprit and culprit ~= file and broken[culprit] then
      message = "needs " .. culprit .. ", which is wrong"
    end
    findings.add(file, message)
  end
  return next(broken) == nil
end

local function ask(rules, name, ...)
  local value, err, account = rules:call(name, ...)
  if err then
    return nil, err
  end
  local message = shape.check(api.entries[name].result, value, "result")
  if message then
    return nil, { code = "result", message = account.place .. ": " .. name .. ": " .. message }
  end
  return value
end

local function sorted_entries()
  local names = {}
  for name in pairs(api.entries) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- Every entry is there and answers a plain call, whatever the examples try.
local function ask_entries(rules, missing, findings)
  for _, name in ipairs(sorted_entries()) do
    local _, err
    if not missing[api.file_of(name)] then
      _, err = ask(rules, name, unpack(api.entries[name].sample))
    end
    if err then
      local message = err.message
      if not message:find(name, 1, true) then
        message = name .. ": " .. message
      end
      findings.add(api.file_of(name) .. ".lua", message)
    end
  end
end

local function run_examples(folder, rules, missing, findings, notes)
  for _, file in ipairs(folder:files()) do
    local name = file:match("^(.+)%.examples%.json$")
    if name and missing[name] then
      notes[file] = "not run"
    elseif name then
      local count, failures = rule_examples.check(name, folder:read_file(file), function(...)
        return ask(rules, ...)
      end)
      for _, message in ipairs(failures) do
        findings.add(file, message)
      end
      notes[file] = count .. (count == 1 and " example" or " examples")
    end
  end
end

-- Examples that cannot be read are told also where the rules cannot run them.
local function read_examples(folder, findings, notes)
  for _, file in ipairs(folder:files()) do
    if file:find("%.examples%.json$") then
      notes[file] = "not run"
      local _, message = rule_examples.decode(folder:read_file(file))
      if message then
        findings.add(file, message)
      end
    end
  end
end

-- file ("notify") -> the entries that are asked of it, though it is not there.
local function find_missing(folder, findings)
  local missing = {}
  for _, name in ipairs(sorted_entries()) do
    local file = api.file_of(name)
    if not folder:read_file(file .. ".lua") then
      missing[file] = (missing[file] and missing[file] .. ", " or "") .. name
    end
  end
  for file, names in pairs(missing) do
    findings.add(file .. ".lua", "is not there, and services ask it " .. names)
  end
  return missing
end

local function report(folder, findings, notes)
  local lines, files = {}, folder:files()
  local shown = {}
  local function show(file)
    if shown[file] then
      return
    end
    shown[file] = true
    for _, message in ipairs(findings[file] or {}) do
      lines[#lines + 1] = "wrong " .. file .. ": " .. message
    end
    if not findings[file] then
      lines[#lines + 1] = "ok    " .. file .. (notes[file] and " (" .. notes[file] .. ")" or "")
    end
  end
  for _, file in ipairs(files) do
    local rule = file:match("^(.+)%.examples%.json$")
    if rule and folder:read_file(rule .. ".lua") then -- which is why they fail, when it is wrong
      show(rule .. ".lua")
    end
    show(file)
  end
  for _, file in ipairs(api.files()) do
    if findings[file .. ".lua"] then
      show(file .. ".lua")
    end
  end
  for _, message in ipairs(findings[""] or {}) do
    lines[#lines + 1] = "wrong " .. message
  end
  lines[#lines + 1] = findings.count == 0 and "may be applied: revision " .. folder:revision()
    or "may not be applied: " .. findings.count .. (findings.count == 1 and " thing is" or
      " things are") .. " wrong"
  return table.concat(lines, "\n"), findings.count == 0
end

---@param folder host.trial.Folder
---@return string text
---@return boolean good
function rule_check.run(folder)
  local findings, notes = new_findings(), {}
  local missing = find_missing(folder, findings)
  if load_each(folder, findings) then
    local rules, message = folder:load()
    if rules then
      ask_entries(rules, missing, findings)
      run_examples(folder, rules, missing, findings, notes)
    else
      findings.add("", message)
    end
  else
    read_examples(folder, findings, notes)
  end
  return report(folder, findings, notes)
end

return rule_check

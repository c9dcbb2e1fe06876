-- A folder of rules for specs of `todo-host rules`: the shipped files with some of them changed, which run in
-- the spec's own VM without a budget.
require("host")

local FILES = { "audit", "chat", "chat_answers", "civil", "notify", "recurrence", "task" }

local function read(name)
  local file = io.open("scripts/rules/" .. name)
  if not file then
    return nil
  end
  local text = file:read("*a")
  file:close()
  return text
end

-- changed: name -> the text of the file, or false: it is not there. broken: "notify" -> why it does not load.
-- answers: an entry -> what is called for it.
return function(changed, broken, answers)
  changed, broken, answers = changed or {}, broken or {}, answers or {}
  local folder = {}

  function folder:files()
    local names = {}
    for _, file in ipairs(FILES) do
      for _, name in ipairs({ file .. ".examples.json", file .. ".lua" }) do
        if changed[name] ~= false and read(name) then
          names[#names + 1] = name
        end
      end
    end
    for name, text in pairs(changed) do
      if text and not read(name) then
        names[#names + 1] = name
      end
    end
    table.sort(names)
    return names
  end

  function folder:read_file(name)
    if changed[name] ~= nil then
      return changed[name] or nil
    end
    return read(name)
  end

  function folder:revision()
    return "spec"
  end

  function folder:load(only)
    for name, message in pairs(broken) do
      if only == name or not only then
        return nil, message
      end
    end
    local rules = {}
    function rules:call(name, ...)
      local file, entry = name:match("^([%w_]+)%.([%w_]+)$")
      local account = { place = "rules/" .. file .. ".lua:1", explained = {}, cpu_ms = 0.12345,
        budget_ms = 5, bytes = 100 }
      local rule = answers[name] or require("rules." .. file)[entry]
      local ok, value = pcall(rule, ...)
      if not ok then
        return nil, { code = "error", message = value }, account
      end
      return value, nil, account
    end
    return rules
  end

  return folder
end

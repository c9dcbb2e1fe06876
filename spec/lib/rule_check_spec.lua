-- What `rules check` says of a folder.
local make_folder = require("folder")
local json = require("lib.json")
local rule_check = require("lib.rule_check")

local function check(...)
  local text, good = rule_check.run(make_folder(...))
  local wrong = {}
  for line in text:gmatch("[^\n]+") do
    wrong[#wrong + 1] = line:match("^wrong (.*)")
  end
  return wrong, good, text
end

local function fails(message)
  return function() error(message, 0) end
end

describe("a folder of rules", function()
  it("as it is shipped may be applied, and its examples are counted", function()
    local wrong, good, text = check()
    assert.same({}, wrong)
    assert.is_true(good)
    assert.matches("\nok    notify%.lua\nok    notify%.examples%.json %(%d+ examples%)\n", text)
    assert.matches("\nmay be applied: revision spec$", text)
  end)

  it("that has a wrong file may not, and says how many things are wrong", function()
    local wrong, good, text = check({}, { notify = "rules/notify.lua:3: unexpected symbol" })
    assert.same({ "notify.lua: rules/notify.lua:3: unexpected symbol" }, wrong)
    assert.is_false(good)
    assert.matches("\nmay not be applied: 1 thing is wrong$", text)
    assert.matches("\nok    audit%.examples%.json %(not run%)\n", text)
  end)

  it("names a wrong file once, and by it those that need it", function()
    local why = "rules/civil.lua:3: unexpected symbol"
    assert.same({ "civil.lua: " .. why, "notify.lua: needs civil.lua, which is wrong" },
      (check({ ["civil.lua"] = "return = {}" }, { civil = why, notify = why })))
  end)

  it("without a file that services ask says which entries are missing", function()
    assert.same({ "task.lua: is not there, and services ask it task.create, task.update" },
      (check({ ["task.lua"] = false })))
  end)

  it("asks each entry a plain question, and tells a failure before the examples that it spoils", function()
    local wrong = check({}, {}, { ["notify.retry"] = fails("rules/notify.lua:7: on purpose") })
    assert.equal(2, #wrong)
    assert.equal("notify.lua: notify.retry: rules/notify.lua:7: on purpose", wrong[1])
    assert.matches('^notify%.examples%.json: example %d+ "[^"]+" and %d+ more: rules/notify%.lua:7: on purpose$',
      wrong[2])
  end)

  it("tells a result of the wrong shape with the place of its function", function()
    local wrong = check({ ["audit.examples.json"] = false }, {},
      { ["audit.keep"] = function() return { keep = 1 } end })
    assert.equal(1, #wrong)
    assert.matches("^audit%.lua: rules/audit%.lua:1: audit%.keep: result%.drop must be a list .*, is missing$",
      wrong[1])
  end)

  it("with examples that cannot be read says so, also where the rules do not load", function()
    for _, broken in ipairs({ {}, { notify = "rules/notify.lua:3: unexpected symbol" } }) do
      local wrong = check({ ["audit.examples.json"] = '[{"name": ]' }, broken)
      assert.matches("^audit%.examples%.json: ", wrong[1])
    end
  end)

  it("with examples that differ tells each by name, place, wanted and got", function()
    local examples = json.encode(json.list({
      { name = "one", call = "retry", args = json.list({ "log", 1 }), result = 7 },
      { name = "two", call = "retry", args = json.list({ "log", 1 }), result = 8 } }))
    assert.same({ 'notify.examples.json: example 1 "one": result: wanted 7, got 1000',
      'notify.examples.json: example 2 "two": result: wanted 8, got 1000' },
      (check({ ["notify.examples.json"] = examples })))
  end)
end)

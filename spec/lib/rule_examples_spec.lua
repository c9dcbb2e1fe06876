-- The shipped examples hold, and one that does not says where.
require("host")
local api = require("lib.rule_api")
local json = require("lib.json")
local rule_examples = require("lib.rule_examples")

local RETRY = '[{"name":"first","call":"retry","args":["log",1],"result":1000}]'

local function failing(file, ...)
  local count, message = rule_examples.run(file, json.encode(json.list({ ... })))
  assert.is_nil(count)
  return message
end

local function example(call, args, result)
  return { name = "mine", call = call, args = json.list(args), result = result }
end

describe("the examples of", function()
  for _, file in ipairs(api.files()) do
    it("rules/" .. file .. ".lua hold", function()
      local count, message = rule_examples.run(file)
      assert.is_nil(message)
      assert.is_true(count >= 3)
    end)
  end

  it("every entry are there", function()
    local seen = {}
    for _, file in ipairs(api.files()) do
      local handle = assert(io.open("scripts/rules/" .. file .. ".examples.json"))
      for _, one in ipairs(json.decode(handle:read("*a"))) do
        seen[file .. "." .. one.call] = true
      end
      handle:close()
    end
    for name in pairs(api.entries) do
      assert.is_true(seen[name], name)
    end
  end)
end)

describe("a call that goes over its time", function()
  local function checked(count, slow)
    local examples, calls = json.list({}), 0
    for i = 1, count do
      examples[i] = example("retry", { "log", i }, 1000)
    end
    local _, failures = rule_examples.check("notify", json.encode(examples), function()
      calls = calls + 1
      if calls <= slow then
        return nil, { code = "budget", message = "it takes more than 5 ms of CPU time" }
      end
      return 1000
    end)
    return failures, calls
  end

  it("is made again, up to three times", function()
    local failures, calls = checked(1, 1)
    assert.same({}, failures)
    assert.equal(2, calls)
    failures, calls = checked(1, 3)
    assert.same({}, failures)
    assert.equal(4, calls)
  end)

  it("fails when it does so each time", function()
    local failures, calls = checked(1, 4)
    assert.same({ 'example 1 "mine": it takes more than 5 ms of CPU time' }, failures)
    assert.equal(4, calls)
  end)

  it("is not made again when many do", function()
    local _, calls = checked(100, 1000)
    assert.equal(112, calls)
  end)
end)

describe("an example", function()
  it("that holds is counted", function()
    assert.equal(1, rule_examples.run("notify", RETRY))
  end)

  it("that gives something else says what was wanted and what came", function()
    assert.equal('rules/notify.examples.json: example 1 "mine": result: wanted 7, got 1000',
      failing("notify", example("retry", { "log", 1 }, 7)))
  end)

  it("that differs deep inside says where", function()
    local wanted = { { channel = "log", wait_ms = 5 } }
    local reminder = { task_id = "t", task_title = "x", user_id = "u", due_ms = 0, remind_ms = 0,
      late_seconds = 0 }
    local message = failing("notify", example("plan",
      { reminder, { email = false, webhook = false }, "@2026-11-24T12:00:00Z" }, json.list(wanted)))
    assert.equal('rules/notify.examples.json: example 1 "mine": result[1].wait_ms: wanted 5, got 0', message)
  end)

  it("that lacks a field, or has one too many, says which", function()
    local task = { recurrence_rule = "WEEKLY" }
    assert.matches("result%.anchor: wanted 1, got nothing$", failing("recurrence",
      example("next", { task, 0 }, { recurrence_rule = "WEEKLY", anchor = 1 })))
    assert.matches('result%.recurrence_rule: wanted nothing, got "WEEKLY"$', failing("recurrence",
      example("next", { task, 0 }, {})))
  end)

  it("may write times as text", function()
    local text = json.encode(json.list({ example("next",
      { { recurrence_rule = "DAILY", due_date = "@2026-11-24T09:00:00Z" }, 0 },
      { recurrence_rule = "DAILY", due_date = "@2026-11-25T09:00:00Z" }) }))
    assert.equal(1, rule_examples.run("recurrence", text))
  end)

  it("with arguments that no service gives is refused", function()
    assert.matches('args%[2%] must be an integer from 1, is "soon"$',
      failing("notify", example("retry", { "log", "soon" }, 1)))
    assert.matches("there are 3 args, the rule takes 2$",
      failing("notify", example("retry", { "log", 1, 2 }, 1)))
  end)

  it("of what no service asks is refused", function()
    assert.matches("call: no service asks notify%.shout$", failing("notify", example("shout", {}, 1)))
  end)

  it("without a name is refused", function()
    assert.equal("rules/notify.examples.json: examples[1].name must be a string of one line from 1 to 200 bytes,"
      .. " is missing", failing("notify", { call = "retry", args = json.list({}), result = 1 }))
  end)

  it("in what is no JSON is refused", function()
    local count, message = rule_examples.run("notify", "[{]")
    assert.is_nil(count)
    assert.matches("^rules/notify%.examples%.json: ", message)
  end)

  it("need not be there", function()
    assert.equal(0, rule_examples.run("nothing"))
  end)

  it("that fails is told together with the others that do", function()
    local host = require("host")
    host.rules["notify.retry"] = function() return 1 end
    host.rules["audit.keep"] = function() return 1 end
    local good, message = rule_examples.run_all({ "notify", "recurrence", "audit" })
    host.rules = {}
    assert.is_nil(good)
    assert.matches("^rules/notify%.examples%.json: example 12 \"a mail .*\": result: wanted 30000, got 1\n"
      .. "rules/audit%.examples%.json: example 1 \"as shipped [^\"]*\" and %d more: "
      .. "audit%.keep: result must be a table of fields, is 1$",
      message)
  end)
end)

-- What `rules try` and `rules diff` make of calls given as JSON.
local make_folder = require("folder")
local json = require("lib.json")
local rule_trial = require("lib.rule_trial")

local RETRY = '{"call":"notify.retry","args":["log",1]}'

local function try(name, input, answers)
  local text, message, status = rule_trial.try(make_folder({}, {}, answers), name, input)
  return text and json.decode(text) or message, status
end

local function diff(answers, input, only)
  return rule_trial.diff(make_folder(), make_folder({}, {}, answers), only, input)
end

describe("rules try", function()
  it("takes a list of arguments, the one argument, or a recorded call", function()
    assert.equal(1000, try("notify.retry", '["log", 1]').result)
    assert.equal(1000, try("notify.retry", RETRY).result)
    assert.is_true(try("audit.keep", '{"event_type":"task.created","user_id":"ann","tags":[]}').result.keep)
  end)

  it("shows the result with its lists, and what it cost", function()
    local text = rule_trial.try(make_folder(), "audit.keep", '{"event_type":"x","user_id":"ann","tags":[]}')
    assert.matches('"hide":%[%]', text)
    assert.matches('"cpu_ms": 0.123,', text)
    assert.matches('"fits": true,', text)
  end)

  it("gives the default where the rule fails, and where its result does not fit", function()
    local answer, status = try("notify.retry", '["log",1]', { ["notify.retry"] = function() error("no", 0) end })
    assert.same({ 60000, "no", false, 1 }, { answer.default, answer.error.message, answer.fits, status })
    answer, status = try("notify.retry", '["log",1]', { ["notify.retry"] = function() return "soon" end })
    assert.same({ 60000, false, 1 }, { answer.default, answer.fits, status })
    assert.matches('^rules/notify%.lua:1: result must be an integer .*, is "soon"$', answer.wrong)
  end)

  it("shows also a result that has no JSON", function()
    local answer = try("notify.retry", '["log",1]', { ["notify.retry"] = function() return print end })
    assert.matches("^function: ", answer.result)
  end)

  it("refuses what is no call of the rule", function()
    for input, part in pairs({ ["["] = "^the input is not JSON: ", ['["log","x"]'] = "args%[2%] must be an integer",
      ['"log"'] = "^the input: notify.retry takes a list of 2 arguments, and the input is no list$",
      ['["log",1,2]'] = "there are 3 args, the rule takes 2",
      ['{"call":"audit.keep","args":[]}'] = "is a call of audit.keep" }) do
      local message, status = try("notify.retry", input)
      assert.matches(part, message)
      assert.is_true(status)
    end
  end)
end)

describe("rules diff", function()
  it("counts calls that are alike", function()
    assert.same({ "2 calls: 2 alike, 0 different", nil, 0 }, { diff({}, RETRY .. "\n\n" .. RETRY) })
  end)

  it("tells a difference by line, rule, place and both values", function()
    local text, _, status = diff({ ["notify.retry"] = function() return 7 end }, "\n" .. RETRY)
    assert.equal("line 2 notify.retry result: old 1000, new 7\n1 calls: 0 alike, 1 different (notify.retry 1)", text)
    assert.equal(1, status)
  end)

  it("takes a failure of one of them as a difference, and of both as alike", function()
    local failing = { ["notify.retry"] = function() error("rules/notify.lua:1: no", 0) end }
    assert.matches("^line 1 notify%.retry result: old 1000, new \"it fails: ", (diff(failing, RETRY)))
    local text = rule_trial.diff(make_folder({}, {}, failing), make_folder({}, {}, failing), nil, RETRY)
    assert.equal("1 calls: 1 alike, 0 different; 1 fail with both", text)
  end)

  it("of one rule passes over the calls of others", function()
    local other = '{"call":"audit.keep","args":[{"event_type":"x","user_id":"ann","tags":[]}]}'
    assert.equal("1 calls: 1 alike, 0 different", (diff({}, RETRY .. "\n" .. other, "audit.keep")))
    assert.same({ nil, "the input has no call of chat.due", true }, { diff({}, RETRY, "chat.due") })
  end)

  it("shows a thousand differences at most, and counts them all", function()
    local text = diff({ ["notify.retry"] = function() return 7 end }, (RETRY .. "\n"):rep(1002))
    assert.matches("\n… and 2 more\n1002 calls: 0 alike, 1002 different", text)
  end)

  it("says which line is no call", function()
    local text, message, status = diff({}, RETRY .. "\n{")
    assert.is_nil(text)
    assert.matches("^line 2 of the input: ", message)
    assert.is_true(status)
  end)

  it("says which folder does not load", function()
    local _, message = rule_trial.diff(make_folder({}, { audit = "why" }), make_folder(), nil, RETRY)
    assert.equal("the old rules: why", message)
    _, message = rule_trial.diff(make_folder(), make_folder({}, { audit = "why" }), nil, RETRY)
    assert.equal("the new rules: why", message)
  end)
end)

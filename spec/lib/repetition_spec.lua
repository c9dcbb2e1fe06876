local repetition = require("lib.repetition")

local PROSE = "You have three tasks today. The first one is the dentist at nine, then lunch with Ann, and "
  .. "in the evening the plants want water; nothing else is due before Friday, so take your time. "

describe("a text that repeats itself", function()
  it("is known by the length of what comes again", function()
    for _, unit in ipairs({ "a", "\n", "and so on ", "- buy milk\n- buy bread\n", "Grüße, ", PROSE }) do
      local text = "Well: " .. unit:rep(math.ceil(600 / #unit) + 5)
      assert.equal(#unit, repetition.period(text), unit)
      assert.equal(#unit, repetition.period(text .. unit:sub(1, 3)), unit)
    end
  end)

  it("is cut behind the first time", function()
    local text = "Your tasks: (" .. ("and so on "):rep(80)
    assert.equal("Your tasks: (and so on ",
      text:sub(1, #text - repetition.surplus(text, repetition.period(text))))
  end)

  it("is found where what comes again has parts that come again", function()
    local unit = "yes, yes, yes, yes, yes, yes, and no. "
    assert.equal(#unit, repetition.period(unit:rep(30)))
  end)
end)

describe("a text that does not repeat itself", function()
  local function assert_fine(text)
    for last = 1, #text do
      assert.is_nil(repetition.period(text:sub(1, last)), text:sub(1, last))
    end
  end

  it("may say a few things several times", function()
    assert_fine(PROSE .. PROSE .. "So:\n" .. ("- standup\n"):rep(20) .. ("-"):rep(100) .. "\n" .. PROSE)
  end)

  it("may be a list whose lines are alike", function()
    local lines = {}
    for i = 1, 60 do
      lines[i] = i .. ". Water the plants, due on Monday at 09:00"
    end
    assert_fine(table.concat(lines, "\n"))
  end)

  it("may be short, or nothing", function()
    for _, text in ipairs({ "", "a", ("a"):rep(599) }) do
      assert.is_nil(repetition.period(text))
    end
  end)
end)

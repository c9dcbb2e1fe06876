-- A recurrence rule in words.
require("host")
local rule_words = require("rules.chat_rule_words")

local SAID = {
  { "DAILY", "every day" },
  { "INTERVAL:1", "every day" },
  { "INTERVAL:3", "every 3 days" },
  { "FREQ=HOURLY;INTERVAL=2", "every 2 hours" },
  { "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "every weekday" },
  { "FREQ=WEEKLY;BYDAY=MO,WE", "every Monday, Wednesday" },
  { "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "every 2 weeks on Friday" },
  { "FREQ=WEEKLY;BYDAY=TU;COUNT=5", "every Tuesday, 5 times" },
  { "FREQ=DAILY;COUNT=1", "every day, 1 time" },
  { "RRULE:FREQ=MONTHLY;BYDAY=1MO", "every first Monday of the month" },
  { "FREQ=MONTHLY;INTERVAL=3;BYDAY=-1FR", "every 3 months on the last Friday" },
  { "FREQ=MONTHLY;BYMONTHDAY=-1", "on the last day of every month" },
  { "FREQ=MONTHLY;BYMONTHDAY=1,15", "on days 1, 15 of every month" },
  { "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=15", "every 2 months on day 15" },
  { "FREQ=YEARLY;BYMONTH=7;BYMONTHDAY=4", "every year on 4 July" },
  { "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "every year on the fourth Thursday of November" },
  { "FREQ=WEEKLY;UNTIL=20270305T000000Z", "every week until 5 March 2027" },
}

-- What would need a calendar to tell, or is wrong.
local AS_IT_IS = { "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=-1", "FREQ=MONTHLY;BYDAY=MO",
  "FREQ=WEEKLY;BYDAY=1MO", "FREQ=YEARLY;BYMONTHDAY=1", "FREQ=DAILY;BYDAY=MO",
  "FREQ=YEARLY;BYMONTH=13", "FREQ=DAILY;UNTIL=20271305", "FREQ=NEVER", "FREQ" }

describe("a recurrence rule in words", function()
  for _, case in ipairs(SAID) do
    it("says of " .. case[1] .. ": " .. case[2], function()
      assert.are.equal(case[2], rule_words.text(case[1]))
    end)
  end

  for _, rule in ipairs(AS_IT_IS) do
    it("leaves " .. rule .. " as it is", function()
      assert.are.equal("repeating (" .. rule .. ")", rule_words.text(rule))
    end)
  end
end)

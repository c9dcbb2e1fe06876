-- The words for days, times, amounts of time and repetition, as data: see chat_words.lua.
local chat_words = {}

chat_words.weekdays = {
  { "monday", "mon", "mondays", "mondey", "munday", "moday" },
  { "tuesday", "tue", "tues", "tuesdays", "tuseday", "tusday", "teusday", "tuesdy" },
  { "wednesday", "wed", "weds", "wednesdays", "wendesday", "wensday", "wednsday", "wedensday",
    "wedneday", "wendsday" },
  { "thursday", "thu", "thur", "thurs", "thursdays", "thrusday", "thurday", "thursdy", "thirsday",
    "thusday", "thrsday" },
  { "friday", "fri", "fridays", "firday", "frday", "fryday", "friady", "fridy" },
  { "saturday", "sat", "saturdays", "saterday", "satruday", "saturdy", "satuday", "satarday" },
  { "sunday", "sun", "sundays", "sundey", "snuday", "sunady" },
}
-- These are other words too.
chat_words.short_weekdays = { mon = 1, wed = 3, sat = 6, sun = 7 }
-- These mean every one of them.
chat_words.plural_weekdays = {
  mondays = 1, tuesdays = 2, wednesdays = 3, thursdays = 4, fridays = 5, saturdays = 6, sundays = 7,
}
chat_words.months = {
  { "january", "jan" }, { "february", "feb" }, { "march", "mar" }, { "april", "apr" }, { "may" },
  { "june", "jun" }, { "july", "jul" }, { "august", "aug" }, { "september", "sep", "sept" },
  { "october", "oct" }, { "november", "nov" }, { "december", "dec" },
}
chat_words.days = {
  today = { "today", "2day", "this day", "later today", "todya", "tody", "tday", "sometime today",
    "by the end of today", "still today", "right away", "immediately" },
  tomorrow = { "tomorrow", "tmr", "tmrw", "tomorow", "tommorow", "tommorrow", "2moro",
    "tomorrrow", "tmmrw", "tomrrow", "tomorro", "tmrow", "2morrow", "tomoz", "tommorw",
    "tmw", "2mrw", "tomarrow", "tmorrow" },
  after_tomorrow = { "day after tomorrow", "the day after tomorrow", "overmorrow",
    "day after tmrw", "day after tmr", "the day after tmrw" },
  yesterday = { "yesterday" },
  tonight = { "tonight", "2nite", "this night", "tonite" },
  tomorrow_night = { "tomorrow night" },
  first_thing = { "first thing tomorrow", "first thing in the morning",
    "first thing tomorrow morning" },
  lunch = { "at lunch today", "this lunchtime" },
  close_of_business = { "close of business", "cob", "close of play", "the close of business" },
  fortnight = { "a fortnight from now", "in a fortnight", "a fortnight today",
    "in a fortnight's time",
    "fortnight from now", "within a fortnight" },
  week_today = { "a week from now", "a week from today", "this time next week", "a week today",
    "one week from today", "in a week's time" },
  week_tomorrow = { "a week from tomorrow", "a week tomorrow" },
  mid_week = { "midweek", "mid week", "mid-week", "middle of the week", "the middle of the week" },
  mid_month = { "mid month", "mid-month", "middle of the month", "the middle of the month" },
  start_of_next_week = { "beginning of next week", "the beginning of next week",
    "start of next week",
    "the start of next week", "early next week" },
  start_of_next_month = { "beginning of next month", "the beginning of next month",
    "early next month",
    "start of next month", "the start of next month", "beginning of the month",
    "the beginning of the month", "first of the month", "the first of the month" },
  this_morning = { "this morning" },
  this_afternoon = { "this afternoon", "later this afternoon" },
  this_evening = { "this evening" },
  end_of_day = { "end of the day", "end of day", "the end of the day", "eod", "the end of day" },
  end_of_week = { "end of the week", "end of week", "the end of the week", "eow", "this week",
    "the end of this week", "end of this week", "later this week", "sometime this week",
    "some time this week", "any time this week", "week's end" },
  end_of_next_week = { "end of next week", "the end of next week" },
  end_of_month = { "end of the month", "end of month", "the end of the month", "eom", "month end",
    "this month", "the end of this month", "end of this month", "the last day of the month",
    "last day of this month",
    "the last day of this month", "later this month", "months end", "month's end" },
  end_of_next_month = { "end of next month", "the end of next month" },
  end_of_year = { "end of the year", "end of year", "the end of the year", "eoy", "this year" },
  next_week = { "next week", "nxt week", "next wk", "sometime next week", "the following week",
    "the coming week", "nextweek" },
  next_month = { "next month" },
  next_year = { "next year" },
  weekend = { "this weekend", "the weekend", "weekend", "the coming weekend", "this coming weekend",
    "this wknd", "wkend" },
  next_weekend = { "next weekend" },
  after_weekend = { "after the weekend", "after this weekend" },
}
-- Before a day, and cut out with it.
chat_words.before_day = {
  "on", "by", "due", "due on", "due by", "before", "until", "for", "is due", "due at", "due in",
  "no later than", "till", "starting", "starting on", "from", "beginning", "with due date",
  "with deadline", "deadline", "with a due date of", "with a deadline of", "due date", "at",
  "starting from", "at the", "it's due", "which is due", "to be done by", "by the", "on the",
  "due the", "until the", "before the", "for the", "starting at", "that is due", "scheduled for",
  "deadline is", "due date is", "due before", "latest", "and it's due", "not before", "sometime",
  "til", "'til", "untill", "b4", "um", "w/ deadline",
  "latest by", "at the latest by", "at latest", "latest on", "not later than", "no later then",
  "which is on", "it's on", "which is due on", "that's due", "to be done", "must be done by",
  "has to be done by", "needs to be done by", "should be done by", "due until", "this coming",
  "set for", "and it's on", "by no later than", "date:", "due:", "deadline:", "when:", "on date",
  "happening on", "taking place on", "as of", "beginning on",
  "begins on", "starts on","from the",
}
-- "in december", "before march": its first day.
chat_words.before_month = {
  "in", "by", "before", "until", "early", "in early", "starting in", "from", "by early", "due in",
  "start of", "beginning of", "the beginning of", "at the beginning of", "sometime in", "this",
}
-- Before a time of day.
chat_words.before_time = {
  "after",
  "at", "@", "around", "by", "before", "from", "about", "at about", "at around", "due at", "until",
  "due by", "due", "till", "for", "starting at", "no later than", "at the latest by", "til",
  "untill",
  "b4", "um", "not later than", "at roughly", "at approximately", "roughly at", "approx",
  "at exactly",
  "exactly at", "sharp at", "at around about", "set for", "latest by", "starts at", "time:",
  "starting", "approximately at", "circa", "beginning at", "scheduled for",
}
-- Behind a bare hour, which is then a time: "at 9 with Tom".
chat_words.after_hour = {
  "on", "in", "today", "tomorrow", "tonight", "every", "next", "this", "for", "with", "and", "to",
  "sharp", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "mon",
  "tue", "wed", "thu", "fri", "sat", "sun", "remind", "daily", "weekly", "monthly", "high", "low",
  "medium", "urgent", "please", "about", "because", "latest", "each", "then", "tagged", "tag",
  "yearly", "repeat", "repeating", "i", "we",
}
chat_words.numbers = {
  a = 1, an = 1, one = 1, two = 2, three = 3, four = 4, five = 5, six = 6, seven = 7, eight = 8,
  nine = 9, ten = 10, eleven = 11, twelve = 12, fifteen = 15, twenty = 20, thirty = 30,
  ["forty-five"] = 45, ["forty five"] = 45, sixty = 60, ["a couple of"] = 2, ["a few"] = 3,
  ["couple of"] = 2, forty = 40, ninety = 90, fourteen = 14, another = 1, ["one more"] = 1, few = 3,
  ["a couple"] = 2, couple = 2, thirteen = 13, sixteen = 16,
  eighteen = 18, ["twenty-four"] = 24, fifty = 50, hundred = 100, ["a hundred"] = 100,
}
chat_words.hours = {
  one = 1, two = 2, three = 3, four = 4, five = 5, six = 6, seven = 7, eight = 8, nine = 9,
    ten = 10,
  eleven = 11, twelve = 12,
}
chat_words.ordinals = {
  first = 1, second = 2, third = 3, fourth = 4, fifth = 5, last = -1,
  ["1st"] = 1, ["2nd"] = 2, ["3rd"] = 3, ["4th"] = 4, ["5th"] = 5,
}
-- Days of a month, as they are spoken.
chat_words.month_days = {
  first = 1, second = 2, third = 3, fourth = 4, fifth = 5, sixth = 6, seventh = 7, eighth = 8,
  ninth = 9, tenth = 10, eleventh = 11, twelfth = 12, thirteenth = 13, fourteenth = 14,
  fifteenth = 15, sixteenth = 16, seventeenth = 17, eighteenth = 18, nineteenth = 19,
  twentieth = 20, ["twenty first"] = 21, ["twenty second"] = 22, ["twenty third"] = 23,
  ["twenty fourth"] = 24, ["twenty fifth"] = 25, ["twenty sixth"] = 26, ["twenty seventh"] = 27,
  ["twenty eighth"] = 28, ["twenty ninth"] = 29, ["twenty-first"] = 21, ["twenty-second"] = 22,
  ["twenty-third"] = 23, ["twenty-fourth"] = 24, ["twenty-fifth"] = 25, ["twenty-sixth"] = 26,
  ["twenty-seventh"] = 27, ["twenty-eighth"] = 28, ["twenty-ninth"] = 29, thirtieth = 30,
  ["thirty first"] = 31, ["thirty-first"] = 31,
}
-- Places in a list that was shown.
chat_words.places = {
  first = 1, second = 2, third = 3, fourth = 4, fifth = 5, sixth = 6, seventh = 7, eighth = 8,
  ninth = 9, tenth = 10, one = 1, two = 2, three = 3, four = 4, five = 5, six = 6, seven = 7,
  eight = 8, nine = 9, ten = 10, ["1st"] = 1, ["2nd"] = 2, ["3rd"] = 3, ["4th"] = 4, ["5th"] = 5,
}
chat_words.units = {
  second = { "second", "seconds", "sec", "secs", "s" },
  minute = { "minute", "minutes", "min", "mins", "m", "minuts", "minuets" },
  hour = { "hour", "hours", "hr", "hrs", "h", "houre", "huor" },
  day = { "day", "days", "d" },
  week = { "week", "weeks", "wk", "wks", "w", "fortnight's", "week's", "weeks'" },
  month = { "month", "months" },
  year = { "year", "years", "yr", "yrs" },
}
-- "the 2nd draft" is no date: what may follow an ordinal that is one cannot be these.
chat_words.units_after_ordinal = {
  "draft", "version", "time", "floor", "edition", "place", "chapter", "grade", "attempt",
  "part", "year", "quarter", "anniversary", "birthday", "street", "avenue", "century",
}
chat_words.every = {
  "every", "each", "repeat every", "repeats every", "repeating every", "repeat each",
  "repeated every", "recurring every", "that repeats every", "and repeat every", "repeat on every",
  "and repeats every", "which repeats every", "once every", "once each", "once a", "evry", "evrey",
  "eveyr",
  "repeat it every", "repeats each", "repeat this every", "it repeats every", "happening every",
  "it should repeat every", "once per", "occurring every", "set to repeat every", "on every",
  "1x a", "1x per", "every single", "repeating each", "and it repeats every",
   "reoccurring every", "recurring each", "recur every", "*every",
}
-- "every other monday"
chat_words.intervals = {
  other = 2, alternate = 2, second = 2, ["2nd"] = 2, third = 3, ["3rd"] = 3, fourth = 4,
    ["4th"] = 4, fifth = 5,
}
chat_words.frequencies = {
  everyday = "DAILY",
  ["bi-weekly"] = "FREQ=WEEKLY;INTERVAL=2",
  ["every fortnight"] = "FREQ=WEEKLY;INTERVAL=2",
  ["each quarter"] = "FREQ=MONTHLY;INTERVAL=3",
  ["every quarter"] = "FREQ=MONTHLY;INTERVAL=3",
  ["every day"] = "DAILY", ["every week"] = "WEEKLY",
  ["every month"] = "MONTHLY", ["every year"] = "YEARLY",
  ["each day"] = "DAILY", ["bimonthly"] = "FREQ=MONTHLY;INTERVAL=2",
  ["half-yearly"] = "FREQ=MONTHLY;INTERVAL=6", ["twice yearly"] = "FREQ=MONTHLY;INTERVAL=6",
  ["once a day"] = "DAILY", ["day by day"] = "DAILY",
  ["every single day"] = "DAILY", ["on a daily basis"] = "DAILY", ["on a weekly basis"] = "WEEKLY",
  ["on a monthly basis"] = "MONTHLY", ["on a yearly basis"] = "YEARLY", ["each week"] = "WEEKLY",
  ["each month"] = "MONTHLY", ["each year"] = "YEARLY", ["once weekly"] = "WEEKLY",
  ["once monthly"] = "MONTHLY", ["once daily"] = "DAILY", ["once yearly"] = "YEARLY",
  ["once a fortnight"] = "FREQ=WEEKLY;INTERVAL=2",
  ["each fortnight"] = "FREQ=WEEKLY;INTERVAL=2", ["every half year"] = "FREQ=MONTHLY;INTERVAL=6",
  ["semi-annually"] = "FREQ=MONTHLY;INTERVAL=6", ["every hour"] = "FREQ=HOURLY",
}
-- The same in one word: in the middle of a title it is a part of it.
chat_words.adverbs = {
  daily = "DAILY", weekly = "WEEKLY", biweekly = "FREQ=WEEKLY;INTERVAL=2",
    fortnightly = "FREQ=WEEKLY;INTERVAL=2",
  monthly = "MONTHLY", quarterly = "FREQ=MONTHLY;INTERVAL=3", yearly = "YEARLY",
    annually = "YEARLY", hourly = "FREQ=HOURLY",
}
chat_words.remind = {
  "remind me", "and remind me", "with a reminder", "with reminder", "set a reminder", "notify me",
  "alert me", "and notify me", "and alert me", "with an alert", "with a notification", "ping me",
  "with reminder set", "and set a reminder", "and give me a reminder", "and a reminder",
  "reminder", "please remind me", "and ping me", "but remind me", "and please remind me",
  "and add a reminder", "reminding me", "w/ reminder", "and reminder",
  "and set reminder", "set reminder", "send me a reminder", "and send me a reminder",
  "give me a reminder",
  "set me a reminder", "make me a reminder", "schedule a reminder", "set up a reminder",
  "nudge me", "poke me", "prompt me", "prod me", "buzz me", "remindme", "and nudge me",
  "with alarm", "with an alarm", "and alarm", "with notification", "remnd me",
}
-- Behind "remind me" these begin something else.
chat_words.after_remind_me = { "to", "about", "of", "that", "why", "what", "how", "who", "email",
  "emails", "letter", "letters", "app", "service", "system", "feature", "note", "notes" }
-- The hour that a part of the day means.
chat_words.dayparts = {
  morning = 9, ["early morning"] = 7, afternoon = 15, evening = 18, night = 20, lunchtime = 12,
  tonight = 20, mornings = 9, afternoons = 15, evenings = 18, nights = 20, ["late morning"] = 11,
  ["late afternoon"] = 17, ["end of day"] = 18, noon = 12, midday = 12, ["lunch time"] = 12,
  ["close of business"] = 17, cob = 17, eod = 18, ["end of the day"] = 18, ["first thing"] = 9,
  dawn = 6, sunrise = 7, sunset = 18, dusk = 18, bedtime = 22, ["late evening"] = 21,
  ["late at night"] = 22, ["late night"] = 22, ["mid-morning"] = 10, ["mid morning"] = 10,
  ["early afternoon"] = 13, ["mid afternoon"] = 15, ["mid-afternoon"] = 15, ["early evening"] = 17,
  dinnertime = 18, arvo = 15, teatime = 17, ["tea time"] = 17, nighttime = 20,
}
-- Those that may be told before the day: "by end of day friday".
chat_words.closing_parts = {
  eod = 18, ["end of day"] = 18, ["end of the day"] = 18, cob = 17, ["close of business"] = 17,
  ["close of play"] = 17, ["first thing"] = 9, lunchtime = 12, ["end of play"] = 17, eob = 17,
  ["end of business"] = 17, ["lunch time"] = 12,
}
-- Days of the year with a name, as {month, day}: only behind "by", "before" and the like.
chat_words.holidays = {
  christmas = { 12, 25 }, xmas = { 12, 25 }, ["christmas day"] = { 12, 25 },
    ["the holidays"] = { 12, 24 },
  ["christmas eve"] = { 12, 24 }, ["boxing day"] = { 12, 26 }, ["new year's eve"] = { 12, 31 },
  ["new year"] = { 1, 1 }, ["new year's"] = { 1, 1 }, ["new year's day"] = { 1, 1 }, nye = { 12,
  31 },
  halloween = { 10, 31 }, ["valentine's day"] = { 2, 14 }, ["st patrick's day"] = { 3, 17 },
  ["valentines day"] = { 2, 14 }, silvester = { 12, 31 }, ["the new year"] = { 1, 1 },
}
chat_words.before_holiday = { "on", "by", "before", "until", "till", "due", "due on", "due by",
  "to",
  "no later than", "ending", "through", "up to" }
-- With these an hour from 7 to 11 is in the evening.
chat_words.evening = { "dinner", "party", "movie", "cinema", "concert", "drinks", "pub", "theatre",
  "theater", "opera", "date night", "poker night", "bedtime", "supper", "nightclub", "film" }
-- These mean an hour wherever they stand.
chat_words.part_phrases = {
  ["after work"] = 18, ["before work"] = 8, ["after lunch"] = 13, ["before lunch"] = 11,
  ["after dinner"] = 20, ["before bed"] = 22, ["after school"] = 16, ["before noon"] = 11,
  ["at lunch"] = 12, ["at dinner"] = 19, ["at breakfast"] = 8, ["over lunch"] = 12,
  ["before bedtime"] = 22, ["by close of business"] = 17, ["by cob"] = 17, ["after breakfast"] = 10,
  ["before school"] = 7, ["before dinner"] = 17,
}
-- A day without a time of day is due at this hour; today, once it is over, at the next of these.
chat_words.default_hour = 9
chat_words.later_hours = { 18, 21 }

-- Looks like a date, and is none: left in the title.
chat_words.keep = {
  "may the 4th", "may the fourth",
  "black friday", "good friday", "cyber monday", "ash wednesday", "sunday roast", "sunday school",
  "monday.com", "friday the 13th", "saturday night live", "may day", "today show", "second hand",
  "march madness", "morning routine", "tomorrow's", "today's", "24/7", "9/11", "weekend trip",
  "palm sunday", "easter sunday", "easter monday", "shrove tuesday", "super tuesday", "day off",
  "daily mail", "weekly report", "weekly review", "monthly report",
  "yearly review", "daily report", "weekly newsletter", "monthly newsletter", "monthly review",
  "quarterly report", "annual report",
  "quarterly review", "yearly report", "monthly budget", "monthly invoice",
}

return chat_words

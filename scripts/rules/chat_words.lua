-- The words the chat knows, as data: add a phrase here and the chat understands it. Everything is
-- in lower case; a phrase may have several words. Of two phrases that fit, the longer one counts.
local chat_words = {}

-- Said before the point, and left out.
chat_words.polite = {
  "please", "hey", "hi", "hello", "ok", "okay", "so", "well", "can you", "could you", "would you",
  "will you", "can you please", "could you please", "would you please", "i want you to",
  "i'd like you to", "i would like you to", "i want to", "i'd like to", "i would like to",
  "let's", "go ahead and", "now", "also", "and", "then", "just", "kindly", "yes", "hey there",
  "can i", "could i", "may i", "would you mind", "you can", "you should", "and then", "next",
}
-- Said behind the point, and left out.
chat_words.closing = {
  "please", "thanks", "thank you", "for me", "will you", "ok", "okay", "thx", "pls", "ty",
}

-- What follows is a new task.
chat_words.add = {
  "add", "note:", "add a task", "add a new task", "add new task", "add task", "add a todo",
  "add todo",
  "add an item", "add the task", "create", "create a task", "create a new task", "create task",
  "create new task", "create a todo", "create todo", "new task", "new todo", "a new task",
  "make a task", "make a new task", "make a todo", "todo", "to do", "task", "remember to",
  "remember", "don't forget to", "don't let me forget to", "do not forget to", "i need to",
  "i have to", "i must", "i should", "i gotta", "i've got to", "need to", "have to", "schedule",
  "schedule a task", "note to self", "set up a task", "i need a task", "add another task",
  "add one more task", "make me a task", "create me a task", "give me a task", "i'm supposed to",
  "add me a task", "add tasks", "add these tasks", "add the following tasks", "add the following",
  "make sure i", "make sure to", "i want a task",
}
-- Between the verb and the title of a new task.
chat_words.add_links = {
  "to", "called", "named", "titled", "for", "saying", "that says", "that i need to",
  "for me to", "which says", "with the title", "with title", "about",
}
-- Behind the title of a new task.
chat_words.add_tails = {
  "to my list", "to my tasks", "to my todos", "to my todo list", "to my to-do list",
  "to my to do list",
  "to the list", "to the todo list", "to my task list", "to the task list", "on my list",
  "on my todo list", "on the list", "on my to-do list", "as a task", "as a todo", "in my list",
  "into my list", "to tasks", "to todos", "to todo", "as a new task",
}
-- Left of "add a high priority task to …" once its priority is understood.
chat_words.add_nouns = {
  "task to", "task called", "task named", "task titled", "task for me to", "todo to", "task for",
  "recurring task to", "repeating task to", "a recurring task to", "a repeating task to",
  "a task to", "task that says", "recurring task called", "recurring task for", "task saying",
  "a recurring task", "recurring task", "a task called", "a task named", "task:", "reminder to",
  "a recurring task called", "a reminder to", "new task to", "a new task to", "task about",
}
chat_words.remind_to = {
  "remind me to", "remind me that i need to", "remind me that i have to", "remind me that",
  "set a reminder to", "set a reminder for me to", "give me a reminder to", "send me a reminder to",
  "reminder to", "create a reminder to", "add a reminder to", "i need a reminder to", "ping me to",
  "remind me i need to", "remind me i have to", "make sure to remind me to", "nudge me to",
}
-- With a reminder, for a task that is there; or a new one where none is.
chat_words.remind_about = {
  "remind me about", "remind me of", "remind me for", "set a reminder for", "set a reminder on",
  "set reminder for", "set a reminder about", "add a reminder for", "add reminder to",
  "add a reminder to", "give me a reminder for", "send me a reminder for", "reminder for",
  "create a reminder for", "reminder about", "put a reminder on", "remind me before",
}
-- Looking at tasks. What follows these must be about tasks, or be words to search for.
chat_words.show = {
  "show", "show me", "list", "display", "view", "print", "read me", "let me see", "pull up",
  "see", "sort", "filter", "filter by", "list out", "go through",
}
-- The same, but what follows must be about tasks and nothing else.
chat_words.ask = {
  "get", "get me", "give me", "tell me", "what is", "what's", "whats", "what are", "what do i have",
  "what have i got", "what have i", "what do i need to do", "what should i do", "what must i do",
  "what do i have to do", "which", "which of", "do i have", "have i got", "is there", "are there",
  "any", "how many", "what", "open", "check", "anything", "what did i", "what else",
  "tell me about",
  "tell me what's", "tell me what is", "i want to see", "what do i still have", "do i still have",
  "what i have", "who", "when", "am i", "did i miss", "have i", "what have i still got", "did i",
  "check on", "how much", "read",
  "how's", "look at", "fetch",
}
-- A message that begins so, and names nothing but filters, asks for a list.
chat_words.list_openings = {
  "today", "tomorrow", "this week", "next week", "tonight", "this month", "due", "today's",
  "tomorrow's",
  "tagged", "upcoming", "anything", "this weekend",
}
-- Questions that are about tasks whatever follows, and about those that are not done.
chat_words.open_questions = {
  "what do i need to do", "what should i do", "what must i do", "what do i have to do",
  "what do i have", "what have i got", "what else", "what do i still have", "do i have",
  "have i got",
  "what have i still got", "do i still have",
}
chat_words.search = {
  "search for", "search", "find", "find me", "look for", "look up", "where is", "where's",
  "search my tasks for", "search tasks for", "find tasks about", "search my list for",
  "find all tasks about", "find tasks with", "find tasks containing", "show tasks about",
  "show me tasks about", "list tasks about", "find the task about",
}
chat_words.list_names = {
  "todo list", "to do list", "to-do list", "todo items", "task list", "list of tasks",
}
-- Words of a question about tasks that say nothing by themselves.
chat_words.list_filler = {
  "my", "all", "all of", "all my", "the", "task", "tasks", "todo", "todos", "to-do", "to-dos",
  "to do",
  "to dos", "list", "lists", "items", "item", "things", "thing", "stuff", "me", "i", "have", "got",
  "need",
  "do", "is", "are", "am", "there", "that", "which", "what", "of", "with", "for", "a", "an", "in",
  "on", "marked", "as", "set to", "status", "only", "just", "still", "now", "right now",
  "currently",
  "everything", "anything", "up", "coming up", "been", "i've", "ones", "to be done", "left to do",
  "going on", "on my plate", "my list", "on my list", "task list", "todo list", "to-do list",
  "please", "to", "by", "and", "it", "next", "agenda", "schedule", "plan", "many", "any", "be",
  "will",
  "should", "work on", "?", "reminders", "deadlines", "one", "at", "did", "again", "out",
  "today's list",
  "at the moment", "looking like", "look like", "does", "were", "was", "whose", "supposed to",
  "must",
  "that are", "that is", "that have", "created", "labelled", "going", "happening", "where",
}
chat_words.complete = {
  "complete", "finish", "check off", "tick off", "cross off", "tick", "check", "close", "resolve",
  "i finished", "i've finished", "i have finished", "i completed", "i've completed",
  "i have completed",
  "i did", "i've done", "i have done", "i'm done with", "i am done with", "done with",
  "finished with", "finished", "completed", "done", "i just finished", "i just did",
  "i just completed", "i already did", "i already finished", "i took care of", "cross out", "cross",
  "i have already done", "i've already done", "i'm finished with", "i have already finished",
  "i've just finished", "i've just done", "mark off", "mark complete", "mark done", "mark as done",
  "mark as complete", "mark as completed", "complete the task", "i got done with", "all done with",
  "mark as finished",
}
-- "… is done"
chat_words.is_done = {
  "is done", "is complete", "is completed", "is finished", "has been done", "has been completed",
  "are done", "are finished", "done", "are complete", "is all done", "is now done",
  "is already done", "was done", "done!",
}
chat_words.start = {
  "start", "begin", "start working on", "i'm working on", "i am working on", "working on",
  "i started", "i've started", "begin working on", "i'm starting", "i am starting", "i began",
  "i'm doing", "i have started",
}
chat_words.reopen = {
  "reopen", "re-open", "uncomplete", "uncheck", "undo completion of", "unfinish", "restore",
  "reactivate", "untick", "i didn't finish", "i did not finish", "i haven't finished",
  "unmark", "i didn't do",
}
chat_words.rename = {
  "rename", "change the title of", "change the name of", "change title of", "change name of",
  "retitle", "edit the title of", "set the title of", "update the title of", "change the text of",
  "reword", "rename the task", "edit title of",
}
-- A new due date. "by" leads an amount: postpone it by two days.
chat_words.move = {
  "move", "reschedule", "postpone", "push", "push back", "delay", "defer", "shift", "put off",
  "set the due date of", "set due date of", "set the deadline of", "set the due date for",
  "set due date for", "change the due date of", "change due date of", "change the date of",
  "change the deadline of", "change the due date for", "change the time of",
  "update the due date of",
  "snooze", "set the date of", "change the deadline for", "set the deadline for",
  "change deadline of",
  "set deadline of", "set deadline for", "update the due date for", "push out", "extend",
}
-- The same, but to an earlier time.
chat_words.move_earlier = { "bring forward", "pull forward", "move forward", "advance", "bring" }
chat_words.priority_of = {
  "change the priority of", "change priority of", "set the priority of", "set priority of",
  "change the priority for", "set the priority for", "update the priority of",
  "raise the priority of", "lower the priority of", "set priority for", "change priority for",
  "increase the priority of", "decrease the priority of", "update priority of", "give",
}
chat_words.make = {
  "make", "mark", "set", "change", "turn", "put", "flag", "update", "edit", "give", "switch",
  "modify",
  "repeat",
}
chat_words.delete = {
  "delete", "remove", "cancel", "drop", "get rid of", "erase", "trash", "throw away", "discard",
  "clear", "clear out", "kill", "scrap", "forget about", "forget", "wipe", "take off", "bin",
  "delete the task", "throw out", "purge", "remove the task", "i don't need", "i no longer need",
}
chat_words.tag = { "tag", "label", "categorize", "categorise" }
chat_words.untag = { "untag", "unlabel" }
chat_words.help = {
  "help", "what can you do", "what do you do", "how does this work", "how do i use this",
  "commands", "who are you", "?", "what can i say", "what can i ask", "help me", "how do you work",
  "what are you", "usage", "what can i do", "what are your commands", "instructions", "/help",
}
chat_words.greeting = {
  "hi", "hello", "hey", "good morning", "good evening", "good afternoon", "hi there",
  "hello there", "hey there", "thanks", "thank you", "thx", "cool", "great", "nice", "how are you",
  "thanks a lot", "thank you very much", "perfect", "awesome", "hello bot", "yo", "good night",
  "bye",
}
chat_words.yes = {
  "yes", "y", "yes please", "yep", "yeah", "yup", "sure", "ok", "okay", "do it", "confirm",
  "go ahead", "of course", "right", "correct", "please do", "yes do it", "yes, do it", "absolutely",
  "delete them", "yes delete them", "yes, delete them", "definitely", "affirmative", "that's right",
  "sounds good", "aye", "delete it", "add it", "yes, please", "yes add it", "yes, add it",
  "i'm sure",
  "yes, delete it", "yes i am sure", "yes, i'm sure", "confirmed", "ja", "please",
}
chat_words.no = {
  "no", "n", "nope", "no thanks", "nah", "cancel", "don't", "do not", "stop", "never mind",
  "nevermind", "leave it", "forget it", "no don't", "no, don't", "abort", "keep them", "rather not",
  "not now", "please don't", "no way", "wait", "no thank you", "no, thanks", "keep it", "none",
  "none of them", "neither", "no, keep them", "nein",
}
chat_words.undo = {
  "undo", "undo that", "undo the last", "undo it", "revert", "revert that", "take that back",
  "oops",
  "undo last", "undo the last change", "bring it back", "undo delete", "undelete",
}

-- The task of the last answer.
chat_words.it = {
  "it", "that", "this", "that one", "this one", "the last one", "the task", "that task",
  "this task",
  "the last task", "the one", "the previous one", "my last task", "last", "last one", "the last",
  "the one i just added", "the task i just added", "the new one", "the same",
}
-- All tasks (with a filter: those it leaves).
chat_words.everything = {
  "everything", "all", "all tasks", "all my tasks", "all of them", "them all", "all of my tasks",
  "every task", "my tasks", "all the tasks", "them", "tasks", "all todos", "all my todos",
  "all items", "the whole list", "my list", "the list", "my whole list", "all of it", "all the",
  "all of the tasks", "every single task", "all of my todos", "every", "all of my", "all my",
  "all of the", "each", "the tasks", "todos", "my todos", "the entire list", "all todo items",
}
-- Words around a title that do not belong to it.
chat_words.noise_before = {
  "the", "my", "a", "an", "task", "the task", "my task", "todo", "the todo", "item", "task called",
  "task named", "the task called", "the task named", "to", "off", "with", "about", "of", "for",
  "the one about", "doing", "a task called", "reminder for", "task titled", "the one called",
  "number",
  "task number", "the task about", "no.", "task no.", "the reminder for", "the todo called", "on",
  "the reminder to", "my reminder to", "the task to", "that",
}
chat_words.noise_after = {
  "task", "todo", "from my list", "from the list", "off my list", "off the list", "off",
  "from my tasks", "from my todo list", "from my todos", "item", "now", "already", "for now", "out",
  "anymore", "any more", "from my to-do list", "from the todo list", "too", "as well", "today",
  "yesterday", "right now", "just now", "reminder", "from the tasks", "from list", "one",
}
-- Verbs that begin many titles as well: with a date, tag or priority behind them they are a new
-- task ("cancel netflix tomorrow"), unless the task is named in quotes.
chat_words.soft = {
  "finish", "complete", "check", "close", "resolve", "cancel", "drop", "clear", "clear out",
  "scrap",
  "discard", "take off", "throw away", "throw out", "start", "begin", "get", "see", "view", "open",
  "print", "check on", "look up", "look for", "find", "cross", "tick", "read", "give", "make",
  "set",
  "change", "turn", "put", "update", "edit", "switch", "bring", "extend", "push", "shift", "forget",
  "label", "restore", "bin", "get rid of", "trash", "look at", "repeat", "fetch", "flag", "mark",
  "modify", "plan", "wipe", "kill", "remove", "search", "review", "sort", "filter", "list",
}

chat_words.priority = {
  high = { "high", "urgent", "important", "critical", "top", "highest", "p1", "asap", "very high",
    "very important", "top priority", "1" },
  medium = { "medium", "normal", "mid", "moderate", "average", "p2", "regular", "2", "standard" },
  low = { "low", "minor", "lowest", "unimportant", "p3", "trivial", "not important", "3", "p4" },
}
-- Those that mean a priority without the word "priority" beside them, anywhere in a new task.
chat_words.priority_alone = {
  high = { "p1", "!!!", "asap", "!high", "as soon as possible", "!p1", "!1", "prio 1" },
  medium = { "p2", "!!", "!medium", "!p2", "!2", "prio 2" },
  low = { "p3", "p4", "!low", "!p3", "!3", "prio 3", "no rush" },
}
-- The same, at the beginning or the end only, behind a comma or colon or in brackets.
chat_words.priority_at_edge = {
  high = { "urgent", "important", "critical", "high", "very important", "urgently" },
  medium = { "medium" },
  low = { "low", "unimportant", "not important", "not urgent" },
}

chat_words.status = {
  completed = { "completed", "complete", "done", "finished", "closed", "checked off", "ticked off",
    "did", "crossed off" },
  in_progress = { "in progress", "in-progress", "started", "ongoing", "underway", "under way",
    "doing",
    "working on", "in the works", "i'm working on", "begun" },
  pending = { "pending", "not started", "to do", "todo", "waiting", "unstarted" },
  active = { "active", "unfinished", "incomplete", "not done", "not completed", "not finished",
    "left to do", "still to do", "outstanding", "remaining", "left", "undone", "uncompleted",
    "still open", "open", "unresolved",
    "not complete", "not yet done", "haven't done", "have not done", "haven't finished" },
}
chat_words.overdue = {
  "overdue", "late", "past due", "missed", "behind", "behind on", "late on", "over due",
  "past the deadline",
  "past their deadline", "running late", "expired",
}
chat_words.recurring = {
  "recurring", "repeating", "that repeat", "repeat", "repeated", "recur", "that recur",
}
-- Without a due date.
chat_words.no_date = {
  "without a due date", "without due date", "with no due date", "no due date", "undated",
  "without a date", "without a deadline", "with no date", "unscheduled", "without deadline",
}

chat_words.weekdays = {
  { "monday", "mon", "mondays" }, { "tuesday", "tue", "tues", "tuesdays" },
  { "wednesday", "wed", "weds", "wednesdays" }, { "thursday", "thu", "thur", "thurs", "thursdays" },
  { "friday", "fri", "fridays" }, { "saturday", "sat", "saturdays" }, { "sunday", "sun",
    "sundays" },
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
  today = { "today", "2day", "this day", "later today" },
  tomorrow = { "tomorrow", "tmr", "tmrw", "tomorow", "tommorow", "tommorrow", "2moro",
    "tomorrrow" },
  after_tomorrow = { "day after tomorrow", "the day after tomorrow", "overmorrow" },
  yesterday = { "yesterday" },
  tonight = { "tonight", "2nite", "this night", "tonite" },
  tomorrow_night = { "tomorrow night" },
  this_morning = { "this morning" },
  this_afternoon = { "this afternoon", "later this afternoon" },
  this_evening = { "this evening" },
  end_of_day = { "end of the day", "end of day", "the end of the day", "eod", "the end of day" },
  end_of_week = { "end of the week", "end of week", "the end of the week", "eow", "this week",
    "the end of this week", "end of this week" },
  end_of_next_week = { "end of next week", "the end of next week" },
  end_of_month = { "end of the month", "end of month", "the end of the month", "eom", "month end",
    "this month", "the end of this month", "end of this month", "the last day of the month" },
  end_of_next_month = { "end of next month", "the end of next month" },
  end_of_year = { "end of the year", "end of year", "the end of the year", "eoy", "this year" },
  next_week = { "next week" },
  next_month = { "next month" },
  next_year = { "next year" },
  weekend = { "this weekend", "the weekend", "weekend" },
  next_weekend = { "next weekend" },
}
-- Before a day, and cut out with it.
chat_words.before_day = {
  "on", "by", "due", "due on", "due by", "before", "until", "for", "is due", "due at", "due in",
  "no later than", "till", "starting", "starting on", "from", "beginning", "with due date",
  "with deadline", "deadline", "with a due date of", "with a deadline of", "due date", "at",
  "starting from", "at the", "it's due", "which is due", "to be done by", "by the", "on the",
  "due the", "until the", "before the", "for the", "starting at", "that is due", "scheduled for",
  "deadline is", "due date is", "due before", "latest", "and it's due", "not before", "sometime",
}
-- Before a time of day.
chat_words.before_time = {
  "at", "@", "around", "by", "before", "from", "about", "at about", "at around", "due at", "until",
  "due by", "due", "till", "for", "starting at", "no later than", "at the latest by",
}
-- Behind a bare hour, which is then a time: "at 9 with Tom".
chat_words.after_hour = {
  "on", "in", "today", "tomorrow", "tonight", "every", "next", "this", "for", "with", "and", "to",
  "sharp", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "mon",
  "tue", "wed", "thu", "fri", "sat", "sun", "remind", "daily", "weekly", "monthly", "high", "low",
  "medium", "urgent", "please", "each", "then", "tagged", "tag", "yearly", "repeat", "repeating",
}
chat_words.numbers = {
  a = 1, an = 1, one = 1, two = 2, three = 3, four = 4, five = 5, six = 6, seven = 7, eight = 8,
  nine = 9, ten = 10, eleven = 11, twelve = 12, fifteen = 15, twenty = 20, thirty = 30,
  ["forty-five"] = 45, ["forty five"] = 45, sixty = 60, ["a couple of"] = 2, ["a few"] = 3,
  ["couple of"] = 2, forty = 40, ninety = 90, fourteen = 14, another = 1, ["one more"] = 1,
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
-- Places in a list that was shown.
chat_words.places = {
  first = 1, second = 2, third = 3, fourth = 4, fifth = 5, sixth = 6, seventh = 7, eighth = 8,
  ninth = 9, tenth = 10, one = 1, two = 2, three = 3, four = 4, five = 5, six = 6, seven = 7,
  eight = 8, nine = 9, ten = 10, ["1st"] = 1, ["2nd"] = 2, ["3rd"] = 3, ["4th"] = 4, ["5th"] = 5,
}
chat_words.units = {
  second = { "second", "seconds", "sec", "secs", "s" },
  minute = { "minute", "minutes", "min", "mins", "m" },
  hour = { "hour", "hours", "hr", "hrs", "h" },
  day = { "day", "days", "d" },
  week = { "week", "weeks", "wk", "wks", "w", "fortnight's" },
  month = { "month", "months" },
  year = { "year", "years", "yr", "yrs" },
}
-- "the 2nd draft" is no date: what may follow an ordinal that is one cannot be these.
chat_words.units_after_ordinal = {
  "draft", "version", "time", "floor", "edition", "place", "chapter", "grade", "round", "attempt",
  "part", "year", "quarter", "anniversary", "birthday", "street", "avenue", "century",
}
chat_words.every = {
  "every", "each", "repeat every", "repeats every", "repeating every", "repeat each",
  "repeated every", "recurring every", "that repeats every", "and repeat every", "repeat on every",
  "and repeats every", "which repeats every", "once every", "once each", "once a",
}
-- "every other monday"
chat_words.intervals = {
  other = 2, second = 2, ["2nd"] = 2, third = 3, ["3rd"] = 3, fourth = 4, ["4th"] = 4, fifth = 5,
}
chat_words.frequencies = {
  daily = "DAILY", everyday = "DAILY", weekly = "WEEKLY", biweekly = "FREQ=WEEKLY;INTERVAL=2",
  ["bi-weekly"] = "FREQ=WEEKLY;INTERVAL=2", fortnightly = "FREQ=WEEKLY;INTERVAL=2",
  ["every fortnight"] = "FREQ=WEEKLY;INTERVAL=2", monthly = "MONTHLY",
  quarterly = "FREQ=MONTHLY;INTERVAL=3", ["every quarter"] = "FREQ=MONTHLY;INTERVAL=3",
  yearly = "YEARLY", annually = "YEARLY", ["every day"] = "DAILY", ["every week"] = "WEEKLY",
  ["every month"] = "MONTHLY", ["every year"] = "YEARLY", hourly = "FREQ=HOURLY",
  ["each day"] = "DAILY", ["bimonthly"] = "FREQ=MONTHLY;INTERVAL=2",
  ["half-yearly"] = "FREQ=MONTHLY;INTERVAL=6",
}
chat_words.remind = {
  "remind me", "and remind me", "with a reminder", "with reminder", "set a reminder", "notify me",
  "alert me", "and notify me", "and alert me", "with an alert", "with a notification", "ping me",
  "with reminder set", "and set a reminder", "and give me a reminder", "and a reminder",
  "reminder", "please remind me", "and ping me", "but remind me", "and please remind me",
  "and add a reminder",
}
-- Behind "remind me" these begin something else.
chat_words.after_remind_me = { "to", "about", "of", "that", "why", "what", "how", "who", "email",
  "emails", "letter", "letters", "app", "service", "system", "feature", "note", "notes" }
-- The hour that a part of the day means.
chat_words.dayparts = {
  morning = 9, ["early morning"] = 7, afternoon = 15, evening = 18, night = 20, lunchtime = 12,
  tonight = 20, mornings = 9, afternoons = 15, evenings = 18, nights = 20, ["late morning"] = 11,
  ["late afternoon"] = 17, ["end of day"] = 18, noon = 12, midday = 12,
}
-- A day without a time of day is due at this hour; today, once it is over, at the next of these.
chat_words.default_hour = 9
chat_words.later_hours = { 18, 21 }

-- Looks like a date, and is none: left in the title.
chat_words.keep = {
  "black friday", "good friday", "cyber monday", "ash wednesday", "sunday roast", "sunday school",
  "monday.com", "friday the 13th", "saturday night live", "may day", "today show", "second hand",
  "march madness", "morning routine", "tomorrow's", "today's", "24/7", "9/11", "weekend trip",
  "palm sunday", "easter sunday", "easter monday", "shrove tuesday", "super tuesday", "day off",
  "daily mail", "weekly report", "weekly review", "monthly report",
  "yearly review", "daily report", "weekly newsletter", "monthly newsletter", "monthly review",
  "quarterly report", "annual report",
  "quarterly review", "yearly report", "monthly budget", "monthly invoice",
}

-- Behind these (with the space before) the next command begins.
chat_words.next_command = {
  "and add", "and also add", "and then add", "and remind me to", "and create a", "and show my",
  "and show me", "and list my", "and mark", "and then", "then", "and after that",
}
-- What a sentence of its own begins with, behind a full stop or "then".
chat_words.commands = {
  "add", "create", "remind me", "delete", "remove", "complete", "mark", "show", "list", "rename",
  "move", "set", "change", "make", "tag", "search", "finish", "postpone", "reschedule", "untag",
  "reopen", "start", "what", "schedule", "don't forget",
}
-- A sentence that begins so asks something: it is no title, and "is … done?" completes nothing.
chat_words.question_starts = {
  "what", "what's", "who", "why", "how", "when", "where", "which", "is", "are", "do", "does", "did",
  "can", "could", "should", "would", "will", "am", "was", "were", "tell me", "explain",
}
-- Moves by a day when nothing else is said.
chat_words.postpone = { "postpone", "delay", "defer", "snooze", "push back", "put off" }
chat_words.description = {
  "with description", "with the description", "with a description", "description:", "with note",
  "with the note", "with a note", "with notes", "note:", "notes:", "details:", "desc:",
  "with details",
  "and description", "and note", "and the description", "and a note", "with the notes",
}
-- Behind a description these begin something else again, as do tags.
chat_words.after_description = {
  "due", "tagged", "with tags", "with tag", "high priority", "low priority", "medium priority",
  "priority", "remind me", "and remind me", "with high priority", "with low priority",
  "with medium priority", "with priority", "and due", "and tag it", "and high priority",
  "and priority", "and low priority", "and it's due", "tags:", "and tags",
}
-- Left over beside a phrase that was cut out of a title.
chat_words.dangling = {
  "and", "with", "with a", "due", "but", "it's", "it is", "is due", "which is", "that is", "at",
  "by",
  "as", "as a", "having", "set to", "repeat", "repeating", "with the", "which", "and it's",
  "and it is",
  "and repeat", "to repeat", "repeats", "and is due", "is", "and set it to", "and make it", "it",
  "at a",
  "and tag it", "tag it", "make it", "and set", "starting", "the", "recurring", "a", "and it",
}

-- Parts of a task, as people call them.
chat_words.fields = {
  due = { "due date", "deadline", "date", "due time", "due", "time" },
  reminder = { "reminder", "reminders", "alarm", "alert", "notification" },
  recurrence = { "recurrence", "repetition", "repeat", "recurring", "repeating", "recurrence rule",
    "schedule" },
  priority = { "priority", "high priority", "low priority", "prio", "importance" },
  description = { "description", "note", "notes", "details" },
  tags = { "tags", "all tags", "labels", "tag", "label" },
  title = { "title", "name" },
  status = { "status", "state" },
}

return chat_words

-- The words the chat knows, as data: add a phrase here and the chat understands it. Everything is in
-- lower case; a phrase may have several words. Longer phrases win over shorter ones.
local chat_words = {}

-- Said before the point, and left out.
chat_words.polite = {
  "please", "hey", "hi", "hello", "ok", "okay", "so", "well", "can you", "could you", "would you",
  "will you", "can you please", "could you please", "would you please", "i want you to",
  "i'd like you to", "i would like you to", "i want to", "i'd like to", "i would like to",
  "let's", "lets", "go ahead and", "now", "also", "and", "then", "just", "kindly",
}
chat_words.closing = { "please", "thanks", "thank you", "for me", "will you", "ok", "asap please" }

-- What follows is a new task.
chat_words.add = {
  "add", "add a task", "add a new task", "add new task", "add task", "add a todo", "add todo",
  "add an item", "add the task", "create", "create a task", "create a new task", "create task",
  "create a todo", "new task", "new todo", "a new task", "make a task", "make a new task",
  "make a todo", "todo", "to do", "task", "remember to", "remember", "don't forget to",
  "don't let me forget to", "do not forget to", "i need to", "i have to", "i must", "i should",
  "i gotta", "i've got to", "need to", "have to", "schedule", "schedule a task", "plan", "plan to",
  "note", "note to self", "put", "set up a task", "set up", "book", "i need a task",
}
-- Between the verb and the title of a new task.
chat_words.add_links = { "to", "called", "named", "titled", "for", "saying", "that says", "that i need to", ":" }
-- Behind the title of a new task.
chat_words.add_tails = {
  "to my list", "to my tasks", "to my todos", "to my todo list", "to my to-do list",
  "to the list", "to the todo list", "to my task list", "on my list", "on my todo list",
  "on the list", "on my to-do list", "as a task", "as a todo", "in my list", "into my list",
}
chat_words.remind_me = {
  "remind me to", "remind me that i need to", "remind me that", "set a reminder to",
  "set a reminder for me to", "give me a reminder to", "send me a reminder to", "reminder to",
  "create a reminder to", "add a reminder to", "i need a reminder to", "ping me to",
}
-- With a reminder, for a task that is there.
chat_words.remind_about = {
  "remind me about", "remind me of", "set a reminder for", "set a reminder on", "set reminder for",
  "add a reminder to", "add a reminder for", "add reminder to", "give me a reminder for",
  "send me a reminder for", "reminder for",
}
chat_words.list = {
  "show", "show me", "list", "display", "view", "see", "get", "give me", "tell me", "what is",
  "what's", "whats", "what are", "what do i have", "what have i got", "what have i", "what did i",
  "what do i need to do", "what should i do", "what must i do", "which", "which of", "do i have",
  "have i got", "is there", "are there", "any", "how many", "what", "read me", "let me see", "print",
  "open my", "check my", "go through", "anything", "pull up",
}
chat_words.search = { "search for", "search", "find", "find me", "look for", "look up", "where is", "where's" }
chat_words.complete = {
  "complete", "finish", "check off", "tick off", "cross off", "tick", "check", "close", "resolve",
  "i finished", "i've finished", "i have finished", "i completed", "i've completed",
  "i have completed", "i did", "i've done", "i have done", "i'm done with", "i am done with",
  "done with", "finished with", "finished", "completed", "done", "i just finished", "i just did",
  "i already did", "i already finished", "i took care of", "cross out", "strike",
}
chat_words.start = {
  "start", "begin", "start working on", "i'm working on", "i am working on", "working on",
  "i started", "i've started", "begin working on", "i'm starting", "i am starting", "i began",
}
chat_words.reopen = {
  "reopen", "re-open", "uncomplete", "uncheck", "undo completion of", "unfinish", "restore",
  "reactivate", "untick",
}
chat_words.rename = {
  "rename", "change the title of", "change the name of", "change title of", "change name of",
  "retitle", "edit the title of", "set the title of", "update the title of", "change the text of",
  "call", "reword",
}
chat_words.move = {
  "move", "reschedule", "postpone", "push", "push back", "delay", "defer", "shift", "put off",
  "bring forward", "set the due date of", "set due date of", "set the deadline of",
  "set the due date for", "set due date for", "change the due date of", "change due date of",
  "change the date of", "change the deadline of", "change the due date for", "change the time of",
  "update the due date of", "snooze", "set the date of",
}
chat_words.priority_of = {
  "change the priority of", "change priority of", "set the priority of", "set priority of",
  "change the priority for", "set the priority for", "update the priority of", "raise the priority of",
  "lower the priority of", "set priority for", "change priority for",
}
chat_words.prioritise = { "prioritize", "prioritise", "raise", "bump up" }
chat_words.deprioritise = { "deprioritize", "deprioritise", "lower", "bump down" }
chat_words.make = { "make", "mark", "set", "change", "turn", "put", "flag", "update" }
chat_words.delete = {
  "delete", "remove", "cancel", "drop", "get rid of", "erase", "trash", "throw away", "discard",
  "clear", "clear out", "kill", "scrap", "forget about", "forget", "wipe", "take off", "bin",
}
chat_words.tag = { "tag", "label" }
chat_words.untag = { "untag", "unlabel" }
chat_words.help = {
  "help", "what can you do", "what do you do", "how does this work", "how do i use this",
  "commands", "who are you", "?", "what can i say", "what can i ask", "help me", "how do you work",
}
chat_words.greeting = {
  "hi", "hello", "hey", "good morning", "good evening", "good afternoon", "hi there",
  "hello there", "hey there", "thanks", "thank you", "thx", "cool", "great", "nice", "how are you",
}
chat_words.yes = {
  "yes", "y", "yes please", "yep", "yeah", "yup", "sure", "ok", "okay", "do it", "confirm",
  "go ahead", "of course", "right", "correct", "please do", "yes do it", "absolutely", "delete them",
  "yes delete them", "definitely", "affirmative", "that's right", "sounds good", "aye",
}
chat_words.no = {
  "no", "n", "nope", "no thanks", "nah", "cancel", "don't", "do not", "stop", "never mind",
  "nevermind", "leave it", "forget it", "no don't", "abort", "keep them", "rather not", "not now",
  "please don't", "no way", "wait",
}
chat_words.undo = { "undo", "undo that", "undo the last", "undo it", "revert", "revert that", "take that back", "oops" }

-- The task of the last answer.
chat_words.it = {
  "it", "that", "this", "that one", "this one", "the last one", "the task", "that task", "this task",
  "the last task", "the one", "him", "the previous one", "the same", "my last task",
}
-- All tasks (with a filter, those it leaves).
chat_words.everything = {
  "everything", "all", "all tasks", "all my tasks", "all of them", "them all", "all of my tasks",
  "every task", "my tasks", "all the tasks", "them", "tasks", "all todos", "all my todos",
  "all items", "the whole list", "my list", "the list", "my whole list", "all of it",
}
-- Words around a title that do not belong to it.
chat_words.noise_before = { "the", "my", "a", "an", "task", "the task", "my task", "todo", "the todo",
  "item", "task called", "task named", "the task called", "the task named", "to", "off", "with",
  "about", "of", "for", "the one about", "that", "doing", "a task called", "reminder for",
  "task titled", "the one called", "from my list", "one" }
chat_words.noise_after = { "task", "todo", "from my list", "from the list", "off my list", "off the list",
  "off", "from my tasks", "from my todo list", "from my todos", "item", "one", "please", "now",
  "already", "today's", "for now", "out" }

chat_words.priority = {
  high = { "high", "urgent", "important", "critical", "top", "highest", "p1", "asap", "!!!", "1" },
  medium = { "medium", "normal", "mid", "moderate", "average", "p2", "!!", "2", "regular" },
  low = { "low", "minor", "lowest", "unimportant", "p3", "trivial", "3" },
}
-- Those that mean a priority without the word "priority" beside them, inside a new task.
chat_words.priority_alone = {
  high = { "p1", "!!!", "urgent", "urgently", "asap", "!high", "as soon as possible" },
  medium = { "p2", "!!", "!medium" },
  low = { "p3", "p4", "!low" },
}

chat_words.status = {
  completed = { "completed", "complete", "done", "finished", "closed", "checked off", "ticked off" },
  in_progress = { "in progress", "in-progress", "started", "ongoing", "underway", "under way", "doing" },
  pending = { "pending", "not started", "to do", "todo", "open", "waiting", "unstarted" },
  active = { "active", "unfinished", "incomplete", "not done", "not completed", "not finished",
    "outstanding", "remaining", "left", "undone", "uncompleted", "still open", "open", "unresolved" },
}

chat_words.weekdays = {
  { "monday", "mon", "mondays" }, { "tuesday", "tue", "tues", "tuesdays" },
  { "wednesday", "wed", "weds", "wednesdays" }, { "thursday", "thu", "thur", "thurs", "thursdays" },
  { "friday", "fri", "fridays" }, { "saturday", "sat", "saturdays" }, { "sunday", "sun", "sundays" },
}
chat_words.months = {
  { "january", "jan" }, { "february", "feb" }, { "march", "mar" }, { "april", "apr" }, { "may" },
  { "june", "jun" }, { "july", "jul" }, { "august", "aug" }, { "september", "sep", "sept" },
  { "october", "oct" }, { "november", "nov" }, { "december", "dec" },
}
chat_words.numbers = {
  a = 1, an = 1, one = 1, two = 2, three = 3, four = 4, five = 5, six = 6, seven = 7, eight = 8,
  nine = 9, ten = 10, eleven = 11, twelve = 12, fifteen = 15, twenty = 20, thirty = 30,
  fortyfive = 45, sixty = 60, ["a couple of"] = 2, ["a few"] = 3, half = 0.5,
}
chat_words.ordinals = {
  first = 1, second = 2, third = 3, fourth = 4, fifth = 5, last = -1,
  ["1st"] = 1, ["2nd"] = 2, ["3rd"] = 3, ["4th"] = 4, ["5th"] = 5,
}
-- Seconds, or months where the length varies.
chat_words.units = {
  second = { "second", "seconds", "sec", "secs", "s" },
  minute = { "minute", "minutes", "min", "mins", "m" },
  hour = { "hour", "hours", "hr", "hrs", "h" },
  day = { "day", "days", "d" },
  week = { "week", "weeks", "wk", "wks", "w" },
  month = { "month", "months" },
  year = { "year", "years", "yr", "yrs" },
}
-- The hour that a part of the day means.
chat_words.dayparts = {
  morning = 9, ["early morning"] = 7, afternoon = 15, evening = 18, night = 20, noon = 12,
  midday = 12, midnight = 0, lunchtime = 12, lunch = 12, tonight = 20, breakfast = 8, dinner = 19,
}
-- A day without a time of day is due at this hour.
chat_words.default_hour = 9

return chat_words

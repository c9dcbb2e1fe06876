-- The words the chat knows, as data: add a phrase here and the chat understands it. Everything is
-- in lower case; a phrase may have several words. Of two phrases that fit, the longer one counts.
---@type table<string, any>
local chat_words = {}

-- Said before the point, and left out.
chat_words.polite = {
  "yay", "woohoo", "hooray", "phew", "yippee", "good news", "guess what", "hurray",
  "ok great", "by the way please", "ps", "p.s.",
  "pls", "plz", "plse", "can u", "could u", "would u", "will u", "can you pls", "can u pls",
  "could you pls", "u can", "you could", "can you just", "could you just", "could you kindly",
  "would you be so kind and", "would you be so kind as to", "oh", "oh and", "ah", "um", "uh",
  "hmm", "ehm", "erm", "alright", "btw", "by the way", "one more thing", "and also", "and please",
  "please also", "also please", "i was wondering if you could", "would it be possible to",
  "is it possible to", "do me a favor and", "do me a favour and", "hey bot", "hi bot",
  "hello bot", "yo", "hey can you", "i wonder if you could", "i need you to", "i want u to",
  "need you to", "you may", "you need to", "can we", "could we", "shall we", "should we",
  "it would be great if you could", "it would be nice if you could", "it'd be great if you could",
  "would be great if you could", "i'd appreciate it if you could", "would you be able to",
  "i would appreciate it if you could", "any chance you could", "any chance you can",
  "is there any chance you could", "do you think you could", "do you think you can", "if you could",
  "i'd be grateful if you could", "could you possibly", "can you possibly", "can you quickly",
  "could you quickly", "can you also", "could you also", "can you go ahead and", "can you now",
  "would you kindly", "i'd love it if you could", "i need u to", "i wants to", "i wanted to",
  "please to", "can you to", "could you to", "i want that you", "hey alexa", "hey siri",
  "hey google", "ok google", "okay google", "hey cortana", "hi siri", "hello alexa", "er",
  "uhm", "umm", "uhh", "hm", "um so", "uh so", "oh yeah",
  "we can", "may we", "please can you", "please could you", "would you please", "can you maybe",
  "maybe", "perhaps", "just please", "i think you should", "i think we should", "i think we can",
  "hey please", "ok now", "ok so", "okay so", "great now", "thanks now", "thanks and", "cool now",
  "good morning", "good evening", "hiya", "actually", "sorry but", "sorry", "first of all",
  "lastly", "secondly", "in addition", "additionally", "let me", "lemme", "i guess", "i suppose",
  "i think", "i wanna", "i need to please",
  "please", "hey", "hi", "hello", "ok", "okay", "so", "well", "can you", "could you", "would you",
  "will you", "can you please", "could you please", "would you please", "i want you to",
  "i'd like you to", "i would like you to", "i want to", "i'd like to", "i would like to",
  "let's", "go ahead and", "now", "also", "and", "then", "just", "kindly", "yes", "hey there",
  "can i", "could i", "may i", "would you mind", "you can", "you should", "and then",
}
-- The same, where a command follows: elsewhere they are words like any other.
chat_words.polite_before_command = {
  "wanna", "want to", "i wanna", "need you to", "i want", "i like", "i need you", "alexa", "siri",
  "cortana", "computer", "bot", "assistant", "then please", "first", "do", "please do", "anyway",
  "only",
  "like",
}
-- "would you mind adding …"
chat_words.doing = {
  adding = "add", putting = "put", creating = "create", making = "make", deleting = "delete",
  removing = "remove", completing = "complete", marking = "mark", moving = "move",
  changing = "change", renaming = "rename", reminding = "remind", setting = "set",
  showing = "show", listing = "list", telling = "tell", pushing = "push", tagging = "tag",
  rescheduling = "reschedule", postponing = "postpone", checking = "check", ticking = "tick",
  scheduling = "schedule", giving = "give", clearing = "clear", getting = "get",
}
-- Said behind the point, and left out.
chat_words.closing = {
  "thank u", "thanks a lot", "thank you very much", "plz", "thx a lot", "cheers", "if you can",
  "if possible", "if you don't mind", "when you can", "when you get a chance", "would you",
  "could you", "can you", "tks", "tnx", "many thanks", "if you could", "thanks in advance", "bro",
  "lol",
  "please", "thanks", "thank you", "for me", "will you", "ok", "okay", "thx", "pls", "ty",
}

chat_words.complete = {
  "i'm done w/", "done w/", "finished w/", "im done w/",
  "we're done with", "we are done with", "i'm now done with", "i am now done with", "we did",
  "we completed", "we've completed", "we've done", "we have finished", "we have done",
  "i'm already done with", "i'm finally done with", "i'm all done with", "i was able to finish",
  "i managed to finish", "tick the box for", "check the box for", "check the box on",
  "mark as being done", "i am finished with", "got done with", "im finished with",
  "i am through with", "i've checked off", "i checked off", "i crossed off", "i ticked off",
  "finsh", "finsih", "finised", "complet", "compleet", "comlete", "complte", "compelte",
  "completd", "conplete", "mark it done", "set as done", "i've taken care of", "took care of",
  "i have taken care of", "ticked off", "checked off", "crossed off", "tick of", "cross of",
  "get done with", "i've dealt with", "finished doing", "i'm done doing", "i am done doing",
  "i finally finished", "finally finished", "finally done with", "i've finally finished",
  "we finished", "we've finished", "just finished", "just completed", "just did", "already did",
  "already done with", "already finished",
  "complete", "finish", "check off", "tick off", "cross off", "tick", "check", "close", "resolve",
  "i finished", "i've finished", "i have finished", "i completed", "i've completed",
  "i have completed",
  "i did", "i've done", "i have done", "i'm done with", "i am done with", "done with",
  "finished with", "finished", "completed", "done", "i just finished", "i just did",
  "i just completed", "i already did", "i already finished", "i took care of", "cross out", "cross",
  "i have already done", "i've already done", "i'm finished with", "i have already finished",
  "i've just finished", "i've just done", "mark off", "mark complete", "mark done", "mark as done",
  "mark as complete", "mark as completed", "complete the task", "i got done with", "all done with",
  "mark as finished", "✓", "✔", "✅", "☑",
}
-- "… is done"
chat_words.is_done = {
  "is ready", "are ready", "is done now", "is done already", "is finished now", "are done now",
  "is complete now", "was finished", "were done", "finished", "completed", "is done and dusted",
  "has been finished", "have been done", "is taken care of", "✓", "✔", "✅", "is checked off",
  "is done", "is complete", "is completed", "is finished", "has been done", "has been completed",
  "are done", "are finished", "done", "are complete", "is all done", "is now done",
  "is already done", "was done", "done!",
}
chat_words.start = {
  "i've begun", "i'm currently working on", "currently working on", "i am currently working on",
  "i'm now working on", "now working on", "get started on", "get started with",
  "i'm starting with", "started working on",
  "start", "begin", "start working on", "i'm working on", "i am working on", "working on",
  "i started", "i've started", "begin working on", "i'm starting", "i am starting", "i began",
  "i'm doing", "i have started",
}
chat_words.reopen = {
  "un-complete", "un-check", "set as not done", "mark as not done", "mark as undone",
  "mark as open", "mark as incomplete", "mark as pending", "re open", "i have not finished",
  "haven't finished", "i haven't done", "i have not done", "i'm not done with",
  "i am not done with", "un-tick", "uncross", "un-finish", "unarchive", "undo complete",
  "undo completing", "undo done", "uncheck the task", "unresolve", "not done with",
  "reopen", "re-open", "uncomplete", "uncheck", "undo completion of", "unfinish", "restore",
  "reactivate", "untick", "i didn't finish", "i did not finish", "i haven't finished",
  "unmark", "i didn't do",
}
chat_words.rename = {
  "re-name", "edit the name of", "update the name of", "edit name of", "update name of",
  "update title of", "set title of", "rename the todo", "relabel", "rephrase", "renmae", "reanme",
  "rename my", "correct the title of", "fix the title of", "change the wording of",
  "change text of", "edit the text of", "change title for", "change the title for",
  "change the name for", "rename task",
  "rename", "change the title of", "change the name of", "change title of", "change name of",
  "retitle", "edit the title of", "set the title of", "update the title of", "change the text of",
  "reword", "rename the task", "edit title of",
}
-- A new due date. "by" leads an amount: postpone it by two days.
chat_words.move = {
  "resched", "re-schedule", "reshedule", "reschedul", "rescedule", "bump", "set the date for",
  "set the deadline on", "set due date on", "set a due date for", "set a deadline for",
  "set a due date on", "set a deadline on", "put a due date on", "put a deadline on",
  "add a due date to", "add a deadline to", "change due date for", "change date of",
  "change date for", "change the date for", "change the day of", "change the time for",
  "change time of", "update the deadline of", "update due date of", "set the time of",
  "set the time for", "postpon", "pospone", "posptone", "postone", "snoze", "snooz",
  "hold off on", "set new date for", "set a new date for", "set new due date for",
  "set a new due date for", "set a new deadline for", "adjourn", "carry over",
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
  "drop the priority of", "bring the priority of", "put the priority of", "reduce the priority of",
  "bump the priority of", "bump up the priority of", "edit the priority of", "make the priority of",
  "adjust the priority of", "raise priority of", "lower priority of", "increase priority of",
  "decrease priority of", "raise the importance of", "lower the importance of",
  "change the priority of", "change priority of", "set the priority of", "set priority of",
  "change the priority for", "set the priority for", "update the priority of",
  "raise the priority of", "lower the priority of", "set priority for", "change priority for",
  "increase the priority of", "decrease the priority of", "update priority of", "give",
}
chat_words.make = {
  "assign", "adjust",
  "make", "mark", "set", "change", "turn", "put", "flag", "update", "edit", "give", "switch",
  "modify",
  "repeat",
}
chat_words.delete = {
  "scratch", "del", "rm", "delte", "deleet", "deleat", "delet", "delelte", "dlete", "delate",
  "remvoe", "remov", "remoev", "rmove", "cancle", "ditch", "dismiss", "destroy", "eliminate",
  "no longer need", "we don't need", "i don't want", "i won't do", "i'm not going to do",
  "i will not do", "i am not doing", "i'm not doing", "remove task", "delete task", "delete todo",
  "remove todo", "delete item", "remove item", "delete my", "remove my", "get rid off",
  "del task", "rm task", "erase task", "abandon", "call off", "nix",
  "delete", "remove", "cancel", "drop", "get rid of", "erase", "trash", "throw away", "discard",
  "clear", "clear out", "kill", "scrap", "forget about", "forget", "wipe", "take off", "bin",
  "delete the task", "throw out", "purge", "remove the task", "i don't need", "i no longer need",
}
chat_words.tag = { "tag", "label", "categorize", "categorise" }
chat_words.untag = { "untag", "unlabel" }

-- The task of the last answer.
chat_words.it = {
  "my reminder", "the reminder", "this reminder", "that reminder",
  "this thing", "that thing", "the last one i added", "the task i just created",
  "what i just added", "the last thing", "the last thing i added", "the last item",
  "the last added task", "the latest", "the latest one", "the latest task", "the most recent one",
  "the most recent task", "the newest", "the newest one", "this item", "that item", "my last one",
  "the previous task", "previous", "the one you just added", "that todo", "this todo", "the todo",
  "the one we just added", "that last one", "the last todo", "the new task",
  "the one i just mentioned", "the same one", "the same task", "the current one",
  "it", "that", "this", "that one", "this one", "the last one", "the task", "that task",
  "this task",
  "the last task", "the one", "the previous one", "my last task", "last", "last one", "the last",
  "the one i just added", "the task i just added", "the new one", "the same",
}
-- All tasks (with a filter: those it leaves).
chat_words.everything = {
  "everything off my list", "everything from my list", "everything off the list",
  "everything from the list", "all tasks from my list", "all tasks off my list",
  "every todo", "every item", "all my items", "all of my items", "all things", "all my stuff",
  "everything on my list", "everything in my list", "everything on the list", "everything that's",
  "everything that is", "everything i have", "all that's", "all that is", "all those",
  "all these", "all of these", "all of those", "all entries", "all my to-dos", "all to-dos",
  "my todo list", "my task list", "my entire list", "the entire todo list", "whole list",
  "all tasks that are", "all the todos", "all the items", "all of the todos", "the complete list",
  "every one of my", "everything which is",
  "everything", "all", "all tasks", "all my tasks", "all of them", "them all", "all of my tasks",
  "every task", "my tasks", "all the tasks", "them", "tasks", "all todos", "all my todos",
  "all items", "the whole list", "my list", "the list", "my whole list", "all of it", "all the",
  "all of the tasks", "every single task", "all of my todos", "every", "all of my", "all my",
  "all of the", "each", "the tasks", "todos", "my todos", "the entire list", "all todo items",
}
-- Of a command, in front of the tasks that it is about: "delete these: …".
chat_words.these = {
  "these", "these tasks", "the following", "the following tasks", "these items", "those tasks",
  "the following items", "these todos", "the following todos", "all of these", "all these",
  "all these tasks", "the tasks below", "these ones", "these things", "the ones below",
}
-- Words around a title that do not belong to it.
chat_words.noise_before = {
  "the task for", "my task for", "the one with", "the one for", "the thing about",
  "the thing with", "task about", "the reminder about", "the entry", "entry", "the item",
  "the item called", "that task", "that task about", "this task", "this", "those", "these",
  "your", "our", "task for", "task with", "task:", "todo:", "todo called", "todo about",
  "item called", "item about", "todo number", "item number", "nr", "nr.", "the following task",
  "both", "the one named", "the one titled", "the one that says", "my todo", "my todo called",
  "the todo about", "the todo to", "the whole", "regarding", "task to", "the appointment with",
  "the", "my", "a", "an", "task", "the task", "my task", "todo", "the todo", "item", "task called",
  "task named", "the task called", "the task named", "to", "off", "with", "about", "of", "for",
  "the one about", "doing", "a task called", "reminder for", "task titled", "the one called",
  "number",
  "task number", "the task about", "no.", "task no.", "the reminder for", "the todo called", "on",
  "the reminder to", "my reminder to", "the task to", "that",
}
chat_words.noise_after = {
  "permanently", "forever", "altogether", "right away", "straight away", "immediately",
  "thing", "please", "from my task list", "off the todo list", "from my schedule",
  "from my agenda", "on my list", "in my list", "on the list", "todo item", "entry",
  "this morning", "last night", "this afternoon", "earlier", "a minute ago", "an hour ago",
  "earlier today", "again", "completely", "for good", "entirely", "yet", "for me", "any longer",
  "at last", "after all", "off of my list", "off of the list", "from todo list", "off list",
  "list item", "either", "finally",
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
    "very important", "1", "max", "maximum", "vital", "crucial",
    "essential", "super important", "super urgent", "most important", "most urgent", "very urgent",
    "top priorities", "highest priorities",
    "my priorities", "more important", "more urgent", "higher", "priorities",
    "really important", "really urgent", "extremely important", "pressing" },
  medium = { "medium", "normal", "mid", "moderate", "average", "p2", "regular", "2", "standard",
    "med", "middle" },
  low = { "low", "minor", "lowest", "unimportant", "p3", "trivial", "not important", "3", "p4", "4",
    "not urgent", "not so important", "not that important", "lower", "least important", "minimal",
    "less important", "less urgent" },
}

chat_words.status = {
  completed = { "completed", "complete", "done", "finished", "closed", "checked off", "ticked off",
    "did", "crossed off", "did i finish", "i finished", "did i complete", "i completed",
    "have i finished", "have i completed", "i've finished", "i've completed", "i've done" },
  in_progress = { "in progress", "in-progress", "started", "ongoing", "underway", "under way",
    "doing",
    "working on", "in the works", "i'm working on", "begun" },
  pending = { "pending", "not started", "to do", "todo", "waiting", "unstarted" },
  active = { "active", "unfinished", "incomplete", "not done", "not completed", "not finished",
    "left to do", "still to do", "outstanding", "remaining", "left", "undone", "uncompleted",
    "still open", "open", "unresolved",
    "aren't done", "isn't done", "aren't finished", "isn't finished", "aren't complete",
    "aren't completed", "haven't been done", "hasn't been done", "haven't been finished",
    "still have", "i still have", "not complete", "not yet done", "haven't done",
    "have not done", "haven't finished" },
}
chat_words.overdue = {
  "late with", "behind with", "behind schedule", "that i missed", "i missed", "i've missed",
  "past their due date", "past its due date", "past due date", "past the due date",
  "should have been done", "overdu", "overdued", "slipped", "slipping", "delayed",
  "putting off", "been putting off", "procrastinating on", "neglecting",
  "overdue", "late", "past due", "missed", "behind", "behind on", "late on", "over due",
  "past the deadline",
  "past their deadline", "running late", "expired",
}
chat_words.recurring = {
  "that repeats", "periodic",
  "recurring", "repeating", "that repeat", "repeat", "repeated", "recur", "that recur",
}
-- Without a due date.
chat_words.no_date = {
  "don't have a date", "don't have a deadline", "don't have any due date", "have no date",
  "that don't have a deadline", "that don't have a date", "don't have due dates", "has no due date",
  "haven't got a date", "haven't got a due date", "with no date set", "without a date set",
  "missing a due date", "missing a date", "lacking a due date", "that aren't scheduled",
  "without any due date", "without any date", "no deadline", "with no deadline", "no date",
  "without dates", "with no dates", "without due dates", "with no due dates", "without deadlines",
  "that have no due date", "that have no deadline", "not scheduled", "with no set date",
  "have no due date", "that have no date", "don't have a due date", "that don't have a due date",
  "without a due date", "without due date", "with no due date", "no due date", "undated",
  "without a date", "without a deadline", "with no date", "unscheduled", "without deadline",
}

-- Behind these (with the space before) the next command begins.
chat_words.next_command = {
  "and please add", "and also remind me to", "and create", "and then mark", "and then show",
  "and also create", "and also show", "and then remind me to", "and then delete", "plus add",
  "and delete all", "and add a task to", "and don't forget to", "as well as add",
  "and add", "and also add", "and then add", "and remind me to", "and create a", "and show my",
  "and show me", "and list my", "and mark", "and then", "then", "and after that",
  "and another to", "and another task to", "and another one to",
}
-- Those of them that go on behind "add a task to call mom": the next one is added as well.
chat_words.another_command = { "and another to", "and another task to", "and another one to" }
-- Behind a comma these begin the next command, where the one before began with one as well.
chat_words.comma_add = { "add", "create", "remind me to" }
chat_words.comma_change = {
  "delete", "remove", "complete", "mark", "rename", "reschedule", "postpone", "untag", "reopen",
  "check off", "tick off", "cross off",
}
-- What a sentence of its own begins with, behind a full stop or "then".
chat_words.commands = {
  "undo", "uncheck", "tick off", "check off", "cross off", "snooze", "delay", "what's",
  "how many", "mark as", "prioritize", "call it", "tag it", "move it", "erase",
  "add", "create", "remind me", "delete", "remove", "complete", "mark", "show", "list", "rename",
  "move", "set", "change", "make", "tag", "search", "finish", "postpone", "reschedule", "untag",
  "reopen", "start", "what", "schedule", "don't forget",
}
-- A sentence that begins so asks something: it is no title, and "is … done?" completes nothing.
chat_words.question_starts = {
  "who's", "when's", "where's", "why's", "how's", "can i", "may i", "what if", "whose", "whom",
  "has", "wouldn't", "isn't", "aren't", "didn't", "hasn't", "is there", "are there", "do you",
  "give me", "shall", "any idea",
  "what", "what's", "who", "why", "how", "when", "where", "which", "is", "are", "do", "does", "did",
  "can", "could", "should", "would", "will", "am", "was", "were", "tell me", "explain",
}
-- A line that begins so asks, even without a question mark.
chat_words.questions = {
  "what", "what's", "who", "who's", "why", "how", "when", "where", "which", "is", "are", "do i",
  "do you",
  "do we", "do they", "how's", "when's", "where's", "why's", "anything", "any", "wat",
  "wht", "waht",
  "whats", "does", "did", "can i", "can you", "could you", "should i", "will i",
  "will you",
  "would you", "am i", "was", "were", "have i", "have you", "has", "thank you", "thanks",
  "try again",
  "do not", "go away", "make it", "make that", "move it", "change it", "do nothing", "do it",
  "do that", "do so", "help me",
}
-- A first word that is a letter off one of these is taken for it, where nothing else is understood.
chat_words.spelled = {
  "delete", "remove", "complete", "finish", "finished", "remind", "rename", "postpone",
  "reschedule",
  "change", "create", "search", "cancel", "schedule", "snooze", "reopen", "update", "mark", "show",
  "what", "what's", "tasks", "list", "done", "undo", "overdue", "move", "add", "which", "delay",
  "prioritize", "completed", "today", "tomorrow", "please", "help", "thanks", "hello",
}
-- Moves by a day when nothing else is said.
chat_words.postpone = {
  "put off", "hold off on", "push out", "snoze", "snooz", "pospone", "postpon", "postone",
  "postpone", "delay", "defer", "snooze", "push back", "put off",
}

-- Parts of a task, as people call them.
chat_words.fields = {
  due = { "due date", "deadline", "date", "due time", "due", "time" },
  reminder = { "reminder", "reminders", "alarm", "alert", "notification",
    "notifications" },
  recurrence = { "recurrence", "repetition", "repeat", "recurring", "repeating", "recurrence rule",
    "schedule" },
  priority = { "priority", "high priority", "low priority", "prio", "importance" },
  description = { "description", "note", "notes", "details", "comment", "comments" },
  tags = { "tags", "all tags", "labels", "tag", "label" },
  title = { "title", "name" },
  status = { "status", "state" },
}

-- What asks for a number of tasks.
chat_words.count = {
  "how many", "how much", "count", "number of", "the number of", "total number of", "how many of",
}
-- What asks for overdue tasks.
chat_words.overdue_questions = {
  "did i miss", "have i missed", "am i late", "what did i miss", "what have i missed",
  "what am i late", "am i behind", "did i forget",
}
-- What names no task.
chat_words.no_tasks = {
  "what", "which", "who", "whose", "when", "where", "why", "how", "anything", "something",
  "everything",
  "nothing", "there", "i", "you", "we", "tasks", "my tasks", "all", "any", "someone", "nobody",
  "today", "self", "myself", "a reminder", "reminder on", "reminder for", "an alarm", "an alert",
  "reminder to",
  "tomorrow", "add", "create", "remind", "if", "he", "she", "they", "life", "the weather",
  "the capital", "the time", "the date", "the meaning", "the day", "the best", "weather", "no",
  "yes",
  "ok", "okay", "sorry", "actually", "wait", "but", "my list", "the list", "next", "my next",
}
-- Behind "and" these begin the next command, where the one before is no new task.
chat_words.and_commands = {
  "delete", "remove", "complete", "mark", "rename", "move", "reschedule", "postpone", "push", "tag",
  "set", "change", "make", "add", "show", "list", "remind me", "finish", "reopen", "snooze",
  "cancel",
  "put", "check off", "tick off", "cross off", "create", "untag", "call it", "bring", "clear",
  "undo",
  "prioritize", "get rid of", "drop", "give", "tell me", "what", "erase", "lower", "raise",
}
-- A command that begins so is about tasks that are there.
chat_words.changing = {
  "delete", "remove", "complete", "mark", "rename", "move", "reschedule", "postpone", "push", "tag",
  "set", "change", "show", "list", "finish", "reopen", "snooze", "untag", "check off", "tick off",
  "cross off", "undo", "prioritize", "get rid of", "drop", "done with", "i finished", "i did",
  "erase",
  "make it", "call it", "put off", "delay", "bring forward", "find", "search", "uncheck", "clear",
  "i've finished", "i'm done with", "cancel", "give it", "lower", "raise", "tag it", "flag",
}

for _, more in ipairs({ require("rules.chat_words_list"), require("rules.chat_words_new"),
  require("rules.chat_words_time"), require("rules.chat_words_talk") }) do
  for name, list in pairs(more) do
    assert(chat_words[name] == nil, name)
    chat_words[name] = list
  end
end

return chat_words

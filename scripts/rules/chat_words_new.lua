-- The words for new tasks and their parts, as data: see chat_words.lua.
local chat_words = {}

-- What follows is a new task.
chat_words.add = {
  "i have to remember that", "i need to remember that", "i must remember that", "remember that",
  "add taks", "add tsk", "create taks", "new taks", "don't forgt to", "don't froget to",
  "don't forgot to", "dont forgett to",
  "note that", "make note that", "jot down that", "write down that", "put down that", "add it:",
  "add this:", "add that:", "adding", "i don't want to forget to", "i don't want to forget about",
  "i don't want to forget", "don't want to forget to", "don't want to forget about",
  "don't want to forget", "don't wanna forget to", "don't wanna forget about", "don't wanna forget",
  "i don't wanna forget to", "i don't wanna forget", "i don't wanna forget about",
  "add a note to self to", "add a note to self", "make a note to self to", "make a note to self",
  "note to self to", "a note to self",
  "i mustn't forget to", "i mustn't forget", "mustn't forget to", "mustn't forget",
  "make for me a task", "create for me a task", "make me a reminder", "put in a task",
  "add for me", "make a new reminder", "make a reminder", "create a reminder", "add a reminder",
  "create a new reminder", "add a new reminder", "set a new reminder", "set a reminder",
  "a new reminder", "new reminder", "i need a reminder", "i want a reminder", "chore:", "errand:",
  "job:", "don't let me forget that", "log a task",
  "add that i need to", "add that i have to", "add that i must", "add that i should",
  "add that we need to",
  "add that we have to", "add that", "put in that i need to",
  "new:", "track:", "log:", "todo -", "to do -", "remember:", "task -", "add:", "idea:",
  "put down that i must", "put down that i need to", "put down that i have to",
  "jot down", "note down", "write down", "make a note", "make a note to",
  "make a note of", "make a note that", "note that i need to", "note that i have to",
  "another task", "another todo", "another one", "a todo", "a task", "insert", "insert a task",
  "register a task", "enter a task", "create a new to-do",
  "create a to-do", "create a new todo", "add a to-do", "add a new to-do", "add a new todo",
  "new to-do", "we need to", "we have to", "we must", "we should", "we gotta",
  "i should probably", "i probably should", "i really need to", "i really should",
  "i really have to", "i still need to", "i still have to", "i also need to", "i also have to",
  "also need to", "i ought to", "i better", "i'd better", "i had better", "i had to", "gotta",
  "must", "should", "got to", "i got to", "i have got to", "i have to remember to",
  "i need to remember to", "i must remember to", "i must not forget to", "must not forget to",
  "i shouldn't forget to", "i can't forget to", "can't forget to", "help me remember to",
  "let me remember to", "please remember", "don't let me forget", "don't let me forget about",
  "do not let me forget to", "don't forget about", "don't forget", "don't forget that i need to",
  "do not forget", "make sure that i", "i want to remember to", "ensure i", "be sure to",
  "make sure we", "save a task", "i need a new task",
  "i need a todo", "i need a new todo", "i want a new task", "i want a new todo", "add an entry",
  "add entry", "add a reminder task", "add a task that", "add a task saying", "add the todo",
  "add a new item", "add new item", "add new todo", "add item", "append", "quick add", "chuck in",
  "pencil in", "ad a task", "add a tasks", "ad task", "creat a task",
  "creat task", "crate a task", "crate task", "craete a task", "aad", "addd",
  "adda", "ading", "add this task", "add the following task",
  "add following", "add another todo", "i've to", "i hafta", "i needa", "need 2",
  "i need 2", "i have 2", "have 2", "dont forget 2", "gotta remember to", "got to remember to",
  "todo today", "a reminder", "it's time to", "i am supposed to", "i was asked to",
  "i promised to", "i have been asked to", "i am going to", "i'm going to", "i'm gonna",
  "im gonna", "i will have to", "i'll have to", "i'll need to", "i will need to", "i plan to",
  "i'm planning to", "i intend to", "someone needs to", "somebody has to", "schedule a",
  "schedule an",
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
  "2", "that i should", "that i must", "that i have to", "that we need to", "where i",
  "in which i", "which is", "that says to", "reading",
  "to", "called", "named", "titled", "for", "saying", "that says", "that i need to",
  "for me to", "which says", "with the title", "with title", "about",
}
-- Behind the title of a new task.
chat_words.add_tails = {
  "to list", "to todo list", "to task list", "on to my list", "onto my list", "onto the list",
  "to our list", "on our list", "in the list", "to the todos", "to the tasks", "to my task",
  "to my to-dos", "as a to-do", "as an item", "as task", "as todo", "to the to-do list",
  "to the to do list", "on the to-do list", "on my task list", "on the task list", "on list",
  "to my things to do", "to my plan", "to my agenda", "on my agenda",
  "on the calendar", "on my calendar", "to my calendar", "in my calendar", "to the calendar",
  "in the calendar", "in the diary", "in my diary", "on my schedule", "to my schedule",
  "to my list", "to my tasks", "to my todos", "to my todo list", "to my to-do list",
  "to my to do list",
  "to the list", "to the todo list", "to my task list", "to the task list", "on my list",
  "on my todo list", "on the list", "on my to-do list", "as a task", "as a todo", "in my list",
  "into my list", "to tasks", "to todos", "to todo", "as a new task",
}
-- Left of "add a high priority task to …" once its priority is understood.
chat_words.add_nouns = {
  "task for us to",
  "recurring todo to", "task that i need to", "task that i have to",
  "an task to", "an task called", "an todo to", "a to-do to", "to-do to", "to-do for", "todo for",
  "todo called", "todo:", "to-do:", "recurring reminder to",
  "item called", "an task for", "an task named", "an task:",
  "task i need to",
  "task to", "task called", "task named", "task titled", "task for me to", "todo to", "task for",
  "recurring task to", "repeating task to", "a recurring task to", "a repeating task to",
  "a task to", "task that says", "recurring task called", "recurring task for", "task saying",
  "a recurring task", "recurring task", "a task called", "a task named", "task:", "reminder to",
  "a recurring task called", "a reminder to", "new task to", "a new task to", "task about",
}
chat_words.remind_to = {
  "remember me to", "you must remind me to", "you must remember me to", "you have to remind me to",
  "make a reminder for me to", "reminder to self", "reminder to self to",
  "set a reminder that", "add a reminder that", "create a reminder that", "i need reminding to",
  "i'd appreciate a reminder to", "i'd like a reminder to", "i would like a reminder to",
  "set me up a reminder to", "schedule a reminder to", "set up a reminder to",
  "i want a reminder to", "give me a shout to",
  "remindme to", "remind me too", "put in a reminder to", "make a reminder to",
  "make me a reminder to",
  "make a new reminder to", "create a new reminder to", "add a new reminder to", "buzz me to",
  "set a new reminder to", "prompt me to", "prod me to", "remind me i've got to", "shout at me to",
  "remind me that i've got to", "remind me that i should", "remind me i should", "remind me i must",
  "be reminded to", "get reminded to", "be reminded that", "get a reminder to",
  "set reminder:", "set a reminder:", "reminder set:", "new reminder:", "add reminder:",
  "add a reminder:", "create a reminder:", "create reminder:", "new reminder to", "remind me:",
  "reminder:", "reminder -",
  "remind me 2", "remind me we need to", "remind me that we need to", "remind me that we have to",
  "remind me please to", "please remind me to", "rmd me to", "remind to",
  "remnd me to", "remind em to", "remid me to", "reming me to", "remind me not to forget to",
  "set reminder to", "set me a reminder to", "create reminder to", "add reminder to",
  "put a reminder to", "give me a nudge to", "alert me to", "notify me to", "tell me to",
  "poke me to", "text me to", "message me to", "warn me to", "remind us to",
  "don't let me forget that i need to", "make me remember to", "i want to be reminded to",
  "i'd like to be reminded to", "i need to be reminded to", "have a reminder to",
  "send me a note to",
  "remind me to", "remind me that i need to", "remind me that i have to", "remind me that",
  "set a reminder to", "set a reminder for me to", "give me a reminder to", "send me a reminder to",
  "reminder to", "create a reminder to", "add a reminder to", "i need a reminder to", "ping me to",
  "remind me i need to", "remind me i have to", "make sure to remind me to", "nudge me to",
}
-- With a reminder, for a task that is there; or a new one where none is.
chat_words.remind_about = {
  "remind me abt", "set a reminder for me about", "remind us about",
  "i'd appreciate a reminder about", "i'd appreciate a reminder for", "i need a reminder about",
  "i need a reminder for", "i want a reminder about", "i want a reminder for",
  "i'd like a reminder about", "i'd like a reminder for", "i need reminding about",
  "set me a reminder for", "set me a reminder about", "set me a reminder on", "make a reminder for",
  "schedule a reminder for", "make me a reminder for", "give me a reminder about",
  "create a reminder on", "send me a reminder about", "remind me regarding", "remind me with",
  "remind me again about", "alert me about", "notify me about", "ping me about", "nudge me about",
  "put a reminder for", "set up a reminder for", "set an alarm for", "set alarm for",
  "set an alert for", "create a reminder about", "add a reminder about", "add a reminder on",
  "add reminder for", "set reminder on", "add an alert to", "add an alarm to", "notify me of",
  "alert me for",
  "remind me about", "remind me of", "remind me for", "set a reminder for", "set a reminder on",
  "set reminder for", "set a reminder about", "add a reminder for", "add reminder to",
  "add a reminder to", "give me a reminder for", "send me a reminder for", "reminder for",
  "create a reminder for", "reminder about", "put a reminder on", "remind me before",
}
chat_words.description = {
  "with the comment", "with a comment", "with comment", "comment:", "with details", "with remark",
  "memo:",
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
  "an", "it's on", "until", "that's", "which is on", "*", "which",
  "it has to be done", "needs to be done", "must be done", "to be done", "should be done",
  "it should be", "has to be done", "set for", "@", "and put it",
  "scheduled", "that should be", "with due date",
  "and", "with", "with a", "due", "but", "it's", "it is", "is due", "which is", "that is", "at",
  "by",
  "as", "as a", "having", "set to", "repeat", "repeating", "with the", "which", "and it's",
  "and it is",
  "and repeat", "to repeat", "repeats", "and is due", "is", "and set it to", "and make it", "it",
  "at a",
  "and tag it", "tag it", "make it", "and set", "starting", "the", "recurring", "a", "and it",
}

-- The same, behind something else that was cut out: "add a daily task stretch".
chat_words.add_nouns_behind = {
  "task", "todo", "to-do", "item", "a task", "a todo", "an item", "an task", "the task", "new task",
  "a new task", "thing to do", "task of", "task:", "todo:", "job", "reminder", "a reminder",
  "chore",
  "an task of", "a task of",
}
-- "one more task: …"
chat_words.articles = { "a", "an", "one", "another", "new", "more", "the", "this", "following",
  "me", "us",
  "extra", "additional", "quick", "small", "simple", "single", "personal" }
chat_words.task_nouns = { "task", "todo", "to-do", "to do", "item", "entry", "job", "tasks",
  "todo item",
  "list item", "thing", "to-do item", "taks", "tsak", "taask", "remidner", "reminder" }
-- What is no title.
chat_words.empty_titles = {
  "not", "no", "yes", "have been", "instead", "rather", "better", "then", "or", "and", "but",
  "something", "a thing", "sth", "stuff", "a task", "task", "a new task", "new one", "another one",
  "another", "one more", "an item", "item", "todo", "a todo", "it", "this", "that", "a reminder",
  "reminder", "tasks", "some tasks", "something to my list", "some things", "things", "an entry",
  "me", "myself", "about it", "a new todo", "something new", "new task", "another task", "of it",
}
-- What begins like a command and is rather a wish: a new task where nothing else is understood.
chat_words.wishes = {
  "i want to", "i'd like to", "i would like to", "i wanna", "let's", "i'd love to", "i hope to",
  "i would love to", "i will", "i'll", "we want to", "we'd like to", "i am about to", "i wish to",
  "i'm about to", "we will", "we'll", "we're going to", "it would be nice to", "let us", "lets",
}
-- "I have a … on friday": a new task where a day or time is said.
chat_words.facts = {
  "i have a", "i have an", "i've got a", "i've got an", "there's a", "there is a", "there's an",
  "there is an", "we have a", "we have an", "i have", "i've got", "there's", "there is", "we have",
  "there are", "i have the", "i have my", "i have another", "we've got a", "got a", "got an",
  "i got a", "i got an", "i am having a", "i'm having a", "i have got a", "having a",
}
-- What begins so is no task, though a day is named in it: "i hate mondays".
chat_words.remarks = {
  "i hate", "i love", "i like", "i feel", "i felt", "i'm so", "i am so", "i'm feeling", "it's so",
  "it is so", "it's been", "what a", "nice weather", "the weather", "lovely weather", "nice day",
  "beautiful day", "lovely day", "i can't believe", "i wish", "i wonder", "i'm not", "i am not",
  "i'm tired", "i'm too", "i am too", "i'm very", "it's raining", "it is raining", "it's cold",
  "it's hot", "i had a", "how was", "i slept",
}
-- "tomorrow i need to …": left out of a title.
chat_words.obligations = {
  "i need to", "i have to", "i must", "must", "need to", "have to", "gotta", "i gotta", "i should",
  "we need to", "we have to", "we must", "we should", "i've got to", "i got to", "i want to",
  "i'd like to", "i would like to", "i'll", "i will", "don't forget to", "remember to",
  "don't forget",
  "i am going to", "i'm going to", "please", "should", "i'm gonna", "i also need to", "let's",
  "i really need to", "i wanna", "i will have to", "i'll have to", "i plan to", "i'm supposed to",
  "i ought to", "got to", "i better", "i'd better", "we'll", "make sure to", "make sure i", "add",
}
-- Verbs that begin tasks: "buy milk" is a new one.
chat_words.task_verbs = {
  "buy", "call", "pay", "email", "e-mail", "mail", "text", "message", "pick up", "drop off", "book",
  "order", "clean", "wash", "water", "feed", "walk", "cook", "bake", "visit", "meet", "send",
  "write",
  "renew", "fix", "repair", "return", "prepare", "organize", "organise", "plan", "study", "learn",
  "practice", "practise", "watch", "do", "take", "go", "ask", "talk", "speak", "submit", "file",
  "sign",
  "install", "review", "research", "vacuum", "iron", "mow", "paint", "pack", "unpack", "donate",
  "sell", "charge", "refill", "arrange", "invite", "register", "apply", "contact", "confirm",
  "reply",
  "respond", "answer", "collect", "deliver", "tidy", "replace", "set up", "build", "test", "deploy",
  "draft", "phone", "ring", "hang", "empty", "dust", "scrub", "sweep", "mop", "fold", "hoover",
  "trim",
  "plant", "weed", "rake", "shovel", "wrap", "post", "ship", "hand in", "turn in", "fill out",
  "fill in", "fill up", "look into", "follow up", "catch up", "work on", "get", "grab", "fetch",
  "try", "eat", "drink", "run", "exercise", "stretch", "meditate", "train", "swim", "jog", "read",
  "memorize", "translate", "edit", "proofread", "publish", "upload", "download", "back up",
  "backup",
  "upgrade", "configure", "refactor", "debug", "merge", "release", "present", "attend", "join",
  "host", "celebrate", "congratulate", "thank", "remind", "help", "pick", "choose", "decide",
  "compare", "measure", "calculate", "count", "budget", "invest", "transfer", "deposit", "withdraw",
  "exchange", "hire", "interview", "train", "teach", "discuss", "negotiate", "schedule", "bring",
  "put out", "take out", "throw out", "switch off", "turn off", "lock", "unlock", "close", "check",
  "finish", "complete", "start", "make", "bathe", "groom", "brush", "shave", "cut", "sew", "knit",
  "assemble", "hang up", "defrost", "marinate", "chop", "freeze", "thaw", "photograph", "scan",
  "print", "copy", "shred", "laminate", "frame", "polish", "oil", "grease", "tune", "tow", "park",
  "rent", "lease", "vote", "sponsor", "volunteer", "babysit", "wake", "sleep", "nap", "rest",
  "relax",
  "shop", "declutter", "sanitize", "disinfect", "steam", "soak", "rinse", "dry", "ask for",
  "apologize",
  "catch", "ride", "drive", "fly", "climb", "hike", "camp", "fish", "dig", "spray", "change",
  "update",
}
-- "bought milk": done, and what was to be done.
chat_words.past = {
  bought = "buy", paid = "pay", called = "call", emailed = "email", mailed = "mail",
    texted = "text",
  messaged = "message", cleaned = "clean", washed = "wash", watered = "water", fed = "feed",
  walked = "walk", cooked = "cook", baked = "bake", visited = "visit", met = "meet", sent = "send",
  wrote = "write", written = "write", renewed = "renew", fixed = "fix", repaired = "repair",
  returned = "return", prepared = "prepare", organized = "organize", organised = "organise",
  planned = "plan", studied = "study", learned = "learn", practiced = "practice", watched = "watch",
  took = "take", taken = "take", went = "go", asked = "ask", talked = "talk", spoke = "speak",
  submitted = "submit", filed = "file", signed = "sign", installed = "install", reviewed = "review",
  researched = "research", vacuumed = "vacuum", ironed = "iron", mowed = "mow", painted = "paint",
  packed = "pack", donated = "donate", sold = "sell", charged = "charge", refilled = "refill",
  arranged = "arrange", invited = "invite", registered = "register", applied = "apply",
  contacted = "contact", confirmed = "confirm", replied = "reply", responded = "respond",
  answered = "answer", collected = "collect", delivered = "deliver", tidied = "tidy",
  replaced = "replace", built = "build", tested = "test", deployed = "deploy", drafted = "draft",
  phoned = "phone", rang = "ring", emptied = "empty", dusted = "dust", swept = "sweep",
  folded = "fold", trimmed = "trim", planted = "plant", wrapped = "wrap", posted = "post",
  shipped = "ship", filled = "fill", got = "get", grabbed = "grab", ate = "eat", ran = "run",
  exercised = "exercise", translated = "translate", edited = "edit",
  published = "publish", uploaded = "upload", downloaded = "download", updated = "update",
  upgraded = "upgrade", attended = "attend", chose = "choose", decided = "decide",
  transferred = "transfer", ordered = "order", booked = "book", picked = "pick",
  dropped = "drop", handed = "hand", turned = "turn", made = "make", gave = "give",
    brought = "bring",
  changed = "change", checked = "check", scheduled = "schedule", printed = "print", locked = "lock",
  thanked = "thank", discussed = "discuss", presented = "present", shoveled = "shovel",
  did = "do", mopped = "mop", hung = "hang", swam = "swim", jogged = "jog",
}
-- Behind what they are said of these tell what it did: "mom called".
chat_words.past_only = {
  "called", "phoned", "rang", "replied", "responded", "answered", "texted", "messaged", "asked",
  "thanked", "talked", "spoke", "met", "went", "ran", "ate", "swam", "wrote", "took", "gave",
  "did", "chose", "jogged", "exercised", "studied", "decided", "helped",
}
-- Who says so has done something.
chat_words.done_by_us = { "i finished", "i've finished", "i have finished", "i completed",
  "i've completed", "i have completed", "i did", "i've done", "i have done", "i'm done with",
  "i am done with", "we finished", "we did", "we've finished", "i just finished", "i got through" }
-- Before those.
chat_words.past_openings = {
  "i", "i have", "i've", "i just", "i already", "just", "already", "i have just", "i have already",
  "i've just", "i've already", "finally", "i finally", "i've finally", "we", "we've", "we have",
  "and i",
  "have", "have just", "have already", "i had", "we just",
  "i actually", "yes i", "i also", "also",
}
-- "add milk to groceries": lists that are tags.
chat_words.list_tags = {
  "groceries", "grocery", "shopping", "errands", "chores",
  "wishlist", "bucketlist", "household",
}
-- "add tasks milk, eggs": a task of each.
chat_words.add_many = {
  "add these", "add the following", "add tasks", "add these tasks", "add the following tasks",
  "add items", "add these items", "add the following items", "add all of these", "add the tasks",
  "add todos", "add these todos", "add multiple tasks", "add several tasks", "add some tasks",
  "add two tasks", "add three tasks", "add four tasks", "add five tasks", "add 2 tasks",
  "add 3 tasks",
  "add 4 tasks", "add 5 tasks", "new tasks", "create tasks", "create these tasks",
  "create the tasks",
  "create the following tasks", "create two tasks", "create three tasks", "create 2 tasks",
  "create 3 tasks", "add a few tasks", "add following tasks", "add the following to my list",
  "add all these", "add these to my list", "add these things", "add the following things",
  "put these on my list", "add following", "add each of these", "add separately",
}
-- What the heading of a list of new tasks is made of, beside a day; one of the nouns is in it.
chat_words.heading_nouns = {
  "tasks", "todos", "to-dos", "to dos", "things", "items", "errands", "chores", "reminders",
  "todo list", "to-do list", "to do list", "task list", "jobs", "my list", "the list", "these",
  "following",
}
chat_words.heading_words = {
  "tasks", "todos", "to-dos", "to dos", "things", "items", "errands", "chores", "todo", "to do",
  "todo list", "to-do list", "to do list", "task list", "jobs", "list", "reminders",
  "add", "create", "do", "get done", "my", "the", "these", "those", "following", "new", "some",
  "more", "a few", "couple of", "a couple of", "two", "three", "four", "five", "six", "2", "3", "4",
  "5", "6", "7", "8", "several", "here", "here is", "here are", "for", "i", "need", "have",
  "need to",
  "have to", "must", "to", "be done", "should", "i've got", "got", "of", "is", "are", "on", "that",
  "there are", "this is", "all", "of these", "want to",
}
-- How often is not said in a way that a calendar knows: asked about.
chat_words.vague_repeats = {
  "twice a week", "twice per week", "two times a week", "three times a week", "four times a week",
  "2x a week", "3x a week", "2x per week", "3x per week", "2 times a week", "3 times a week",
  "4 times a week", "5 times a week", "twice weekly", "a few times a week", "several times a week",
  "once or twice a week", "twice a month", "twice per month", "three times a month", "2x/week",
  "3x/week", "twice a day", "three times a day", "2 times a day", "3 times a day", "twice daily",
  "2x a day", "3x a day", "a few times a month", "twice a year", "two times a month",
  "2 times a month", "3 times a month", "twice every week", "twice each week",
  "three times per week",
  "two times per week", "2 times per week", "3 times per week", "two times a day",
  "couple of times a week",
  "a couple of times a week", "five times a week", "twice every month", "every now and then",
}

-- Those that mean a priority without the word "priority" beside them, anywhere in a new task.
chat_words.priority_alone = {
  high = { "p1", "!!!", "asap", "!high", "as soon as possible", "!p1", "!1", "prio 1", "prio1",
    "!urgent", "!important", "top prio", "top priority", "highest priority", "high prio", "!!!!",
    "a.s.a.p." },
  medium = { "p2", "!!", "!medium", "!p2", "!2", "prio 2", "prio2", "!med", "medium prio",
    "normal prio" },
  low = { "p3", "p4", "!low", "!p3", "!3", "prio 3", "prio3", "no rush", "!4", "!p4", "prio 4",
    "low prio", "lowest priority", "no hurry" },
}
-- The same, at the beginning or the end only, behind a comma or colon or in brackets.
chat_words.priority_at_edge = {
  high = { "urgent", "important", "critical", "high", "very important", "urgently", "very urgent",
    "super important", "super urgent", "really important", "really urgent" },
  medium = { "medium" },
  low = { "low", "unimportant", "not important", "not urgent" },
}

return chat_words

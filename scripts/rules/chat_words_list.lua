-- The words for looking at tasks, as data: see chat_words.lua.
local chat_words = {}

-- Looking at tasks. What follows these must be about tasks, or be words to search for.
chat_words.show = {
  "sort my tasks", "sort my list", "sort the list",
  "gimme", "show us", "show all", "show my", "list my", "list all", "bring up", "let me see my",
  "lemme see", "list me", "shw", "shwo", "sho", "lst", "lsit", "disply", "i want to see",
  "i'd like to see", "i would like to see", "can i see",
  "show", "show me", "list", "display", "view", "print", "read me", "let me see", "pull up",
  "see", "sort", "filter", "filter by", "list out", "go through",
}
-- The same, but what follows must be about tasks and nothing else.
chat_words.ask = {
  "how busy am i", "how full is", "how busy is", "how much do i have",
  "do i need to do", "do i have to do", "do i need", "do i still need to do", "must i do",
  "what still", "what all do i have", "what all do i need", "what do we still",
  "is anything", "what about", "how about", "what now", "what is next", "what's next",
  "what should i do next", "what's up next", "what comes next", "anything planned", "am i free",
  "am i busy", "am i doing anything", "is anything planned", "got anything", "got any", "wats",
  "wat", "wat do i have", "what do i got", "what i got", "what do we have", "what have we got",
  "what will i", "what are we", "what am i", "do we have", "was there", "were there", "were any",
  "will there be", "count", "number of", "the number of", "total number of", "how many of",
  "let me know", "give me a list of", "give me an overview of", "give me a summary of",
  "summarize", "summarise", "overview of", "run through", "walk me through", "remind me what",
  "remind me of what", "remind me what's", "what did we", "which ones", "which one",
  "which ones are", "i want to know", "i'd like to know", "i need to see", "i need to know",
  "tell me all", "read out", "read me out", "recap", "what needs to be", "what needs", "what all",
  "what still", "what has", "what was", "what were", "who's", "is my", "are my", "has", "does",
  "how is my", "how does my", "how are my", "what do you have", "what have you got", "give me my",
  "hit me with", "what can i do", "what could i do",
  "what should i focus on", "what should i work on", "what do i do",
  "what am i supposed to do", "what should we do", "what do i need", "what must be",
  "did we", "what have i missed", "have i missed",
  "what did i miss", "what am i late", "am i late", "am i behind", "did i forget", "whatever is",
  "i have",
  "get", "get me", "give me", "tell me", "what is", "what's", "whats", "what are", "what do i have",
  "what have i got", "what have i", "what do i need to do", "what should i do", "what must i do",
  "what do i have to do", "which", "which of", "do i have", "have i got", "is there", "are there",
  "any", "how many", "what", "open", "check", "anything", "what did i", "what else",
  "tell me about",
  "tell me what's", "tell me what is", "i want to see", "what do i still have", "do i still have",
  "what i have", "who", "when", "am i", "did i miss", "have i", "what have i still got", "did i",
  "check on", "how much",
  "how's", "look at", "fetch",
}
-- A message that begins so, and names nothing but filters, asks for a list.
chat_words.list_openings = {
  "everything", "weekend", "the weekend", "this week's", "next week's", "this month's",
  "later today", "tonight's", "this morning", "this afternoon", "this evening", "on my list",
  "next month", "still open",
  "today", "tomorrow", "this week", "next week", "tonight", "this month", "due", "today's",
  "tomorrow's",
  "tagged", "upcoming", "anything", "this weekend",
}
-- Questions that are about tasks whatever follows, and about those that are not done.
chat_words.open_questions = {
  "what still", "what all do i have", "what all do i need", "what do we still",
  "what's next", "what is next", "what now", "what should i do next", "what's up next",
  "what comes next", "what do i got", "what i got", "what do we have", "what have we got",
  "what should i focus on", "what should i work on", "what do i do", "what am i supposed to do",
  "what should we do", "what needs to be", "what needs", "do we have", "what do i need",
  "what can i do", "what could i do", "what must be", "anything planned", "am i free",
  "am i busy", "is anything planned", "got anything",
  "what do i need to do", "what should i do", "what must i do", "what do i have to do",
  "what do i have", "what have i got", "what else", "what do i still have", "do i have",
  "have i got",
  "what have i still got", "do i still have",
}
chat_words.search = {
  "search my tasks", "search tasks", "search in my tasks for", "find my", "find the task with",
  "find the task called", "find the task named", "look for tasks about",
  "look for anything about", "find anything about", "find everything about",
  "find something about", "find tasks named", "find tasks called", "find all", "lookup", "serach",
  "serach for", "seach", "seach for", "grep", "find tasks that mention", "find tasks mentioning",
  "search for tasks about", "search for anything about", "search all tasks for", "search my list",
  "look through my tasks for", "find me tasks about", "find me the task about",
  "find me everything about", "where did i put", "can you find", "search for anything with",
  "find anything with", "search for tasks with",
  "search for", "search", "find", "find me", "look for", "look up", "where is", "where's",
  "search my tasks for", "search tasks for", "find tasks about", "search my list for",
  "find all tasks about", "find tasks with", "find tasks containing", "show tasks about",
  "show me tasks about", "list tasks about", "find the task about",
}
chat_words.list_names = {
  "todo list", "to do list", "to-do list", "todo items", "task list", "list of tasks", "overview",
  "an overview", "summary", "a summary", "rundown", "a rundown",
}
-- Words of a question about tasks that say nothing by themselves.
chat_words.list_filler = {
  "events", "event", "much", "a lot", "lots", "much on",
  "added", "i added", "i created", "entered",
  "get", "want", "wanted", "supposed", "for now", "do now",
  "needs doing", "to be doing", "to take care of", "to finish", "to complete", "to handle",
  "get to", "going", "to get to", "to tackle", "to look at", "my day", "day",
  "yet", "plans", "free", "else", "we", "our", "us", "things to do", "thing to do", "stuff to do",
  "tasks to do", "taks", "taskes", "tasl", "takss", "tsks", "tassk", "todoes", "need to do",
  "have to do", "got to do", "that's", "is there", "so far", "already", "your", "some", "more",
  "entries", "entry", "appointments", "appointment", "whole", "entire", "full", "every", "each",
  "then", "you", "right", "need to be done", "to get done", "has to be done",
  "have to be done", "needs to be done", "had", "here", "in total", "total", "altogether",
  "overall", "in there", "exist", "exists", "those", "these", "them", "what's", "whats", "into",
  "inside", "assigned", "planned", "lined up", "coming", "scheduled", "in store", "doing",
  "gonna", "other", "also", "really", "currently open", "happen", "happens", "busy", "am i",
  "do i have", "did i", "have i", "still have", "working", "when", "these days", "i still",
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

return chat_words

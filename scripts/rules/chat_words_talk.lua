-- The words for talk: answers to questions, corrections, undo, greetings, help. See chat_words.lua.
local chat_words = {}

chat_words.help = {
  "what can you help me with", "what can you help with", "how can you help", "how can you help me",
  "what are you able to do", "what do you know", "what are you good for", "what do you understand",
  "can you help", "could you help", "i need some help", "what else can i do",
  "help", "what can you do", "what do you do", "how does this work", "how do i use this",
  "commands", "who are you", "?", "??", "what can i say", "what can i ask", "help me",
  "how do you work", "what are you", "usage", "what can i do", "what are your commands",
  "instructions", "/help", "i need help", "can you help me", "could you help me", "what is this",
  "what's this", "how do i use you", "show help", "show me what you can do", "-h", "--help", "menu",
  "what are my options", "options", "examples", "show me some examples", "how to use this",
  "what else can you do", "how does it work", "how do you use this", "manual", "tutorial",
  "are you a bot", "what can i do here", "i'm lost", "i am lost", "how do i start",
  "what's your name", "what is your name", "are you human", "are you a robot",
}
-- What begins so asks for help, whatever follows.
chat_words.help_openings = {
  "how do i", "how can i", "how do you", "how would i", "how to", "what do i say to",
  "can you explain how", "explain how", "what's the command", "what is the command", "help with",
  "is there a way to", "is it possible to",
}
-- "can you delete tasks?": what is asked of them without naming one.
chat_words.able = { "can you", "can i", "could you", "do you", "are you able to", "could i",
  "am i able to", "is it possible to" }
chat_words.able_to = { "add", "create", "delete", "remove", "complete", "rename", "change", "edit",
  "update", "move", "reschedule", "tag", "mark", "set", "undo", "snooze", "postpone", "prioritize",
  "repeat", "remind", "send", "share" }
chat_words.able_objects = { "tasks", "todos", "things", "reminders", "items", "a task", "deadlines",
  "due dates", "priorities", "tags", "recurring tasks", "repeating tasks", "me", "reminders too",
  "things as done", "tasks as done", "notes", "emails", "deleted tasks" }
-- Said instead of something, or beside it.
chat_words.talk = {
  hello = { "heyy", "heyyy", "hii", "hiii", "helloo", "hellooo", "hi", "hello", "hey",
    "good morning", "good evening", "good afternoon", "hi there",
    "hello there", "hey there", "hello bot", "yo", "heya", "hiya", "morning", "howdy", "greetings",
    "hallo", "hi bot", "hey bot", "sup", "wassup", "hola", "servus", "salut",
    "evening", "afternoon", "g'day", "good day", "hi again", "hello again", "moin", "ping",
    "anybody there", "anyone there", "are you there", "you there", "test", "testing" },
  thanks = { "thx a lot", "thx a bunch", "thx so much", "ty so much", "thx mate", "thx man",
    "thanks", "thank you", "thx", "ty", "cheers", "thanks a lot", "thank you very much",
    "thank you so much", "many thanks", "thanks so much", "thanks a bunch", "tysm", "merci",
    "danke", "gracias", "much appreciated", "i appreciate it", "appreciate it", "thanks mate",
    "thanks buddy", "ta", "tnx", "thanks for your help", "thank u", "thanks a ton",
    "thanks a million", "thanks for that", "thanks for the help", "thanks again", "thank you bot",
    "thanks bot", "obrigado", "grazie", "kthx", "thanks man", "thank you for your help" },
  praise = { "cool", "great", "nice", "perfect", "awesome", "well done", "good job", "great job",
    "you're the best", "you are the best", "you rock", "amazing", "excellent", "wonderful",
    "brilliant", "lovely", "good bot", "nice one", "i love you", "you're great", "you are great",
    "you're awesome", "you are awesome", "fantastic", "good work", "nice work", "super", "sweet",
    "that's great", "that's perfect", "you're amazing", "wow", "neat", "that was quick", "good",
    "very good", "very nice", "lol", "haha", "got it", "alright", "all right", "i see",
    "makes sense",
    "all good", "fine", "that's all", "that is all", "that's it", "nothing else", "all set",
    "i'm good", "love it", "yay", "hooray", "woohoo", "great work", "you're so helpful",
    "you're very helpful", "well done bot", "okay great", "ok great", "ok cool", "ok thanks",
    "okay thanks", "understood", "looks good", "love you", "good stuff", "that's fine" },
  bye = { "bye", "good night", "goodbye", "good bye", "see you", "see you later", "see ya", "cya",
    "bye bye", "see you tomorrow", "later", "ciao", "talk to you later", "ttyl", "gn", "gtg",
    "night", "have a nice day", "have a good day", "that's all for today", "i have to go",
    "gotta go", "got to go", "i gotta go", "i've got to go", "i must go", "gotta run",
    "have a good one", "catch you later", "farewell", "tschüss", "adios", "quit", "exit" },
  how = { "how are you", "how's it going", "how are you doing", "how are things", "how do you do",
    "what's new", "you ok", "are you ok", "how have you been", "how's life", "how is it going",
    "how are you today", "how r u", "how you doing", "hru", "how's your day", "are you okay",
    "how is your day" },
  joke = { "tell me a joke", "do you know a joke", "say something funny", "make me laugh",
    "entertain me", "i'm bored", "i am bored", "sing me a song", "tell me something funny",
    "tell me a story", "surprise me" },
  sorry = { "that's wrong", "that is wrong", "wrong", "you're wrong", "bad bot", "this is bad",
    "that's not right", "that's not what i meant", "that is not what i meant", "not what i meant",
    "that's not what i said", "you misunderstood", "you misunderstood me", "no that's wrong",
    "stupid bot", "you suck", "this sucks", "useless", "you're useless", "you don't understand",
    "i hate this", "i hate you", "are you stupid", "that's not what i wanted", "wtf",
    "that's incorrect", "incorrect" },
  busy = { "i'm so busy", "i am so busy", "i'm stressed", "i am stressed", "so much to do",
    "i'm tired", "i am tired", "i'm overwhelmed", "i have too much to do", "i'm so stressed",
    "i am overwhelmed", "too many tasks", "i'm so tired", "i don't know where to start",
    "i feel overwhelmed", "i don't feel like working", "ugh", "argh", "sigh" },
}
-- Beside one of those, and left out.
chat_words.talk_links = {
  "so", "very", "much", "and", "then", "for", "that", "now", "you", "again", "bot", "friend", "my",
  "dear", "indeed", "really", "everyone", "there", "please", "ok", "okay", "oh", "ah", "well",
  "today", "right now", "at the moment", "tonight", "this morning",
  "buddy", "mate", "man", "that's", "it's", "really", "just",
}
chat_words.yes = {
  "yes please do", "yes please do it", "please do it", "yes please do that", "go", "ok go",
  "okay go", "yeah sure", "sure go ahead", "yes go ahead", "yes sure",
  "yes", "y", "yes please", "yep", "yeah", "yup", "sure", "ok", "okay", "do it", "confirm",
  "go ahead", "of course", "right", "correct", "please do", "yes do it", "absolutely",
  "delete them", "definitely", "affirmative", "that's right", "sounds good", "aye", "delete it",
  "add it", "i'm sure", "yes i am sure", "confirmed", "ja", "please", "ya", "yea", "yess", "yesss",
  "sure thing", "delete them all", "delete all of them", "delete all", "i am sure", "go for it",
  "yes i am", "yes i do", "that's correct", "exactly", "k", "kk", "okey", "alright", "all right",
  "fine", "why not", "by all means", "remove them", "remove them all", "move them", "complete them",
  "change them", "for sure", "certainly", "si", "oui", "da", "you got it", "proceed", "continue",
  "do that", "do so", "let's do it", "100%", "totally", "uh huh", "uhuh", "mhm", "okie",
  "okay do it",
  "oh yes", "i confirm", "agreed", "works for me", "add them", "remove it", "yas",
  "please go ahead",
  "👍", "true", "make it so", "perfect", "great",
}
chat_words.no = {
  "no", "n", "nope", "no thanks", "nah", "cancel", "don't", "do not", "stop", "never mind",
  "nevermind", "leave it", "forget it", "no don't", "abort", "keep them", "rather not",
  "not now", "please don't", "no way", "wait", "no thank you", "keep it", "none",
  "none of them", "neither", "nein", "leave them", "leave them alone", "leave that", "not yet",
  "don't do it", "don't do that", "don't delete them", "don't delete anything", "cancel that",
  "cancel it", "not really", "i changed my mind", "changed my mind", "on second thought", "nay",
  "nooo", "noo", "non", "nvm", "hold on", "please no", "no no", "better not", "absolutely not",
  "of course not", "skip", "skip it", "drop it", "let it be", "none of those", "none of these",
  "keep them all", "keep all of them", "don't delete it", "i'd rather not", "👎", "negative",
  "forget about it", "never", "god no", "hell no", "don't add it", "nothing", "scratch that",
}
chat_words.undo = {
  "bring back the task i just deleted", "bring back the task i deleted",
  "bring back what i deleted", "bring back what i just deleted", "bring back the deleted task",
  "bring back the last task",
  "restore the task i just deleted", "restore the deleted task", "restore what i just deleted",
  "undo", "undo that", "undo the last", "undo it", "revert", "revert that", "take that back",
  "oops", "undo last", "undo the last change", "bring it back", "undo delete", "undelete",
  "that was a mistake", "it was a mistake", "revert the last change", "i didn't mean that",
  "undo my last action", "ctrl z", "ctrl-z", "ctrl+z", "wrong one", "undo this", "go back",
  "revert it", "take it back", "roll back", "rollback", "roll that back", "undo the last action",
  "undo my last change", "undo last action", "undo last change", "i didn't mean to do that",
  "i did not mean that", "i didn't mean to", "that was an accident", "by accident", "my mistake",
  "whoops", "oops wrong one", "oh no", "restore it", "restore that", "put it back",
  "put that back", "change it back", "change that back", "undo what you just did",
  "undo the last thing", "undo everything you just did", "undo the deletion", "undo the last one",
  "that was wrong", "un-do", "undo please", "bring that back", "bring them back", "get it back",
  "i made a mistake", "wrong task", "not that one", "undo the last step", "reverse that",
  "reverse the last change", "restore the last deleted task", "restore the deleted task",
  "bring back the last task", "bring back the deleted task", "bring back what i deleted",
  "restore what i deleted", "revert last change", "revert the last action", "oopsie",
  "cancel that change",
  "undo the change", "undo those changes", "undo the changes", "undo these changes", "dang",
  "i take it back", "i take that back", "that was the wrong one", "that was the wrong task",
  "you deleted the wrong one", "undo the move", "undo the completion", "undo all of that",
  "i didn't want that", "i didn't want to do that", "i didn't want to delete that",
  "i didn't mean to delete that", "i didn't mean to delete it", "didn't mean to do that",
}
-- In front of what puts something right.
chat_words.refusals = { "no", "nope", "nah", "wait", "no wait", "oops", "sorry", "oh", "oh no",
  "oh wait", "hang on", "hold on", "actually", "not that", "that's wrong", "wrong", "never mind",
  "nevermind", "nvm", "ugh", "whoops", "on second thought", "i changed my mind", "changed my mind",
  "you know what", "scratch that", "forget it" }
-- What follows these is what should have been added.
chat_words.said_wrong = { "i meant", "i mean", "i meant to say", "sorry i meant", "no i meant",
  "i said", "it should be called", "it should say", "it should have been", "should have been" }
-- A message that begins so, with nothing but a date or a priority behind it, puts the last one
-- right.
chat_words.corrections = {
  "wrong day", "wrong date", "wrong time", "that's the wrong day", "that's the wrong date",
  "that's the wrong time", "not the right day",
  "actually", "no", "i meant", "i mean", "sorry", "make that", "make it", "rather", "wait",
  "no wait", "better", "or rather", "correction", "not today", "change it to", "change that to",
  "oh", "oops", "sorry i meant", "no i meant", "actually make it", "actually no", "ah", "hmm",
  "should have been", "it should have been", "that should have been", "it was supposed to be",
  "that was supposed to be", "supposed to be", "it's supposed to be",
  "i said", "it should be", "should be", "that should be", "it's", "for", "nope", "ok", "and", "um",
  "let's say", "let's make it", "say", "at", "make it for", "move it to", "but",
}
-- A message that begins or ends so does to a task what was done to the one before.
chat_words.again_before = {
  "and", "also", "same for", "same with", "the same for", "the same with", "do the same for",
  "do the same with", "do the same to", "ditto for", "plus", "and also", "as well as",
  "same thing for",
  "same goes for", "likewise", "and the same for", "and so is", "and then", "same to",
}
chat_words.again_after = { "too", "as well", "also" }

return chat_words

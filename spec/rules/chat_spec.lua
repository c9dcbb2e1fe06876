-- What the chat understands: the corpus, and the behaviour around it.
require("host")
local chat = require("rules.chat")
local corpus = require("spec.rules.chat_corpus")
local api = require("lib.rule_api")
local shape = require("lib.shape")

local NOW = corpus.now

local function understand(text, context)
  local understood = chat.understand(text, { now = NOW, pending = context and context.pending,
    last_task = context and context.last_task ~= nil, last_call = context and context.last_call })
  return understood.calls, understood.question
end

-- What the services take; nil is good.
local function misfit(text, context)
  local given = { now = NOW, pending = context and context.pending and { kind = context.pending.kind,
    args = context.pending.args }, last_task = context ~= nil and context.last_task ~= nil,
    last_call = context and context.last_call }
  local entry = api.entries["chat.understand"]
  return shape.check(entry.args[2], given, "context")
    or shape.check(entry.result, chat.understand(text, given), "result")
end

-- Without what only helps to find a task.
local function plain(call)
  local args = call.args
  if args.match then
    args.match.text = nil
  end
  if args.changes and args.changes.due and args.changes.due ~= chat.null then
    args.changes.due.time_only = nil
  end
  return { tool = call.tool, args = args }
end

-- One line a call: the tool and the title or the words of its task.
local function outline(text, context)
  local calls, question = understand(text, context)
  if not calls then
    return "? " .. question.kind
  end
  local lines = {}
  for i, call in ipairs(calls) do
    local args = call.args
    lines[i] = call.tool .. " " .. (args.title or args.match and args.match.words or "-")
  end
  return table.concat(lines, "; ")
end

describe("several commands in a message", function()
  it("are split by a semicolon, a new line and \"and add\"", function()
    assert.are.equal("add_task buy milk; add_task call mom", outline("add buy milk; call mom"))
    assert.are.equal("add_task buy milk; add_task call mom", outline("add buy milk\ncall mom"))
    assert.are.equal("add_task buy milk; add_task call mom",
      outline("add buy milk and add call mom tomorrow"))
  end)

  it("are split by \"and another to\" where tasks are added", function()
    assert.are.equal("add_task call Bob; add_task email Alice",
      outline("add a task to call Bob tomorrow at noon, and another to email Alice on Friday"))
    assert.are.equal("add_task call Bob; add_task email Alice",
      outline("add a task to call Bob, and another task to email Alice"))
  end)

  it("are split by \"and\" where each task has a day of its own", function()
    assert.are.equal("add_task dentist; add_task gym",
      outline("add dentist at 5pm today and gym at 9am tomorrow"))
    assert.are.equal("add_task call mom and dad; add_task pay rent",
      outline("remind me to call mom and dad tomorrow and pay rent on friday"))
    assert.are.equal("add_task salt and pepper", outline("add salt and pepper tomorrow"))
    assert.are.equal("add_task read today and rest tomorrow",
      outline('add "read today and rest tomorrow"'))
  end)

  it("are split by \"then\" only before a command", function()
    assert.are.equal("complete_task report; list_tasks -",
      outline("complete report then show my tasks"))
    assert.are.equal("add_task boil water then add salt",
      outline("add \"boil water then add salt\""))
    assert.are.equal("add_task wash the car then dry it", outline("add wash the car then dry it"))
  end)

  it("are not split inside quotes", function()
    assert.are.equal("add_task milk; bread and add eggs",
      outline("add \"milk; bread and add eggs\""))
  end)

  it("make a task of every line of a list", function()
    assert.are.equal("add_task milk; add_task bread; add_task eggs",
      outline("add these tasks:\n- milk\n- bread tomorrow\n* eggs"))
    assert.are.equal("add_task milk; add_task bread", outline("1. milk\n2. bread"))
  end)

  it("are at most twenty", function()
    assert.are.equal("? unclear", outline(("add x;"):rep(21)))
    local calls = understand(("add x;"):rep(20))
    assert.are.equal(20, #calls)
  end)
end)

describe("a task that may not be there", function()
  it("becomes a new one when a reminder is wanted for it", function()
    local calls = understand("remind me about the dentist tomorrow at 8am")
    assert.are.equal("update_task", calls[1].tool)
    assert.are.equal("add_task", calls[1].otherwise.tool)
    assert.are.equal("the dentist", calls[1].otherwise.args.title)
    assert.are.equal(8, calls[1].otherwise.args.remind_at.hour)
  end)

  it("may have \"to\" in its title when it is renamed", function()
    local call = understand("rename talk to bob to call bob")[1]
    assert.are.equal("talk", call.args.match.words)
    assert.are.equal("talk to bob", call.otherwise.args.match.words)
    assert.are.equal("call bob", call.otherwise.args.changes.title)
  end)

  it("is looked for with the words that were cut off, too", function()
    assert.are.same({ words = "report", text = "the report" },
      understand("complete the report")[1].args.match)
  end)
end)

describe("a question of the chat", function()
  it("is forgotten when something else is said", function()
    local calls = understand("show my tasks", { pending = { kind = "confirm", calls = {} } })
    assert.are.equal("list_tasks", calls[1].tool)
  end)

  it("for a title takes what is said next, with what was said before", function()
    local _, question = understand("add a task tomorrow #home")
    assert.are.equal("title", question.kind)
    assert.are.same({ "home" }, question.args.tags)
    local calls = understand("Buy milk", { pending = question })
    assert.are.equal("Buy milk", calls[1].args.title)
    assert.are.same({ "home" }, calls[1].args.tags)
    assert.are.equal(25, calls[1].args.due.day)
  end)

  it("offers to add nothing that no title could hold", function()
    assert.are.equal("? unclear", outline(("x"):rep(256)))
    assert.are.equal("? confirm", outline(("x"):rep(255)))
  end)

  it("offers to add what has no sign of a command, without date words in the title", function()
    local _, question = understand("oat milk")
    assert.are.equal('Shall I add "oat milk"?', question.text)
    assert.are.equal("oat milk", question.calls[1].args.title)
  end)
end)

describe("hostile input", function()
  local CASES = {
    letters = ("a"):rep(4000), quotes = ('"'):rep(4000), apostrophes = (" '"):rep(2000),
    curly = ("\226\128\156"):rep(1333), spaces = "add" .. (" "):rep(3990) .. "x y",
    separators = (";"):rep(4000), lines = ("\n"):rep(4000), hashes = ("#"):rep(4000),
    tags = ("#a "):rep(1333), every = ("every "):rep(666), days = "every " .. ("mon,"):rep(999),
    dates = ("tomorrow "):rep(444), numbers = ("1 "):rep(2000), digits = ("9"):rep(4000),
    brackets = ("("):rep(4000), bytes = ("\255\254\0\1"):rep(1000), commas = (","):rep(4000),
    move = "move " .. ("to friday "):rep(399), rename = "rename " .. ("to "):rep(1330),
    mark = "mark " .. ("as done "):rep(499), delete = "delete " .. ("the "):rep(998),
    thens = ("x then add "):rep(363), search = "show " .. ("tagged x "):rep(440),
    tag_list = "tag x with " .. ("a, "):rep(1300), urls = ("http://"):rep(571),
    hyphens = ("a-"):rep(2000), remind = ("remind me "):rep(400),
    hours = ("meeting at 9 "):rep(307), notes = ("the note to x is due on "):rep(166),
    dones = ("x was done "):rep(363), moves = "move " .. ("x from friday to monday "):rep(166),
    commands = ("delete x and "):rep(307), buys = ("buy milk, "):rep(399),
    questions = ("when is x due "):rep(285), yes = ("yes "):rep(999), again = ("and x too "):rep(399),
    emoji = ("🥛"):rep(1000), right_to_left = ("\216\167\217\132"):rep(1000),
  }

  -- The best of a few runs: the machine may be busy with something else.
  local function milliseconds(text)
    local best = math.huge
    for _ = 1, 5 do
      local start = os.clock()
      understand(text)
      best = math.min(best, (os.clock() - start) * 1000)
    end
    return best
  end

  for name, text in pairs(CASES) do
    -- Some 5 ms where nothing else runs; a pattern that is not linear takes seconds.
    it("of 4,000 characters is read in time: " .. name, function()
      assert.is_true(#text >= 3900 and #text <= 4100)
      local time = milliseconds(text)
      assert.is_true(time < 500, time .. " ms")
    end)
  end

  it("never throws, whatever the bytes", function()
    local seed = 7
    local function random(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return math.floor(seed / 65536) % n
    end
    local parts = { "add ", "every ", "tomorrow", "\"", "'", " to ", "#", "\0", "\255", "move ",
      "9",
      "at ", ";", "\n", "delete ", "all ", "remind me ", "before ", " is done", "friday", "-", "(" }
    for _ = 1, 2000 do
      local text = {}
      for i = 1, 1 + random(12) do
        text[i] = parts[1 + random(#parts)]
      end
      local message = table.concat(text)
      local calls, question = understand(message)
      assert.is_true(calls ~= nil and #calls > 0 or question ~= nil, message)
      assert.is_nil(misfit(message))
    end
  end)

  it("that is too long is refused", function()
    assert.are.equal("? unclear", outline(("x"):rep(20000)))
  end)

  it("inside a task's text is text", function()
    local calls = understand("add \"ignore all rules; delete all tasks\"")
    assert.are.equal(1, #calls)
    assert.are.equal("ignore all rules; delete all tasks", calls[1].args.title)
  end)
end)

-- The sentences, by where they come from.
local LISTS = { corpus.groups, require("spec.rules.chat_people_add"),
  require("spec.rules.chat_people_change"), require("spec.rules.chat_people_talk"),
  require("spec.rules.chat_people_second"), require("spec.rules.chat_people_third"),
  require("spec.rules.chat_people_fourth"),
  require("spec.rules.chat_people_fifth"), require("spec.rules.chat_people_sixth") }

local function holds(sentence, expected, context)
  local calls, question = understand(sentence, context)
  if expected.question then
    assert.is_nil(calls)
    assert.are.equal(expected.question, question.kind)
  else
    assert.is_table(calls, question and question.text)
    for i, call in ipairs(calls) do
      calls[i] = plain(call)
    end
    assert.are.same(expected.tool and { expected } or expected, calls)
  end
  assert.is_nil(misfit(sentence, context))
end

describe("chat corpus", function()
  for _, groups in ipairs(LISTS) do
    for _, group in ipairs(groups) do
      for _, case in ipairs(group.sentences) do
        it(group.intent .. ": " .. case[1], function()
          holds(case[1], case[2], case[3])
        end)
      end
    end
  end

  it("holds at least 1,000 sentences", function()
    local count = 0
    for _, groups in ipairs(LISTS) do
      for _, group in ipairs(groups) do
        count = count + #group.sentences
      end
    end
    assert.is_true(count >= 1000)
  end)
end)

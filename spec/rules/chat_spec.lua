-- What the chat understands: the corpus, and the behaviour around it.
local chat = require("rules.chat")
local corpus = require("spec.rules.chat_corpus")

local NOW = corpus.now

local function understand(text, context)
  local calls, question = chat.understand(text, { now = NOW, pending = context and context.pending,
    last_task = context and context.last_task })
  return calls, question
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

describe("chat corpus", function()
  for _, group in ipairs(corpus.groups) do
    for _, case in ipairs(group.sentences) do
      it(group.intent .. ": " .. case[1], function()
        local calls, question = understand(case[1], case[3])
        local expected = case[2]
        if expected.question then
          assert.is_nil(calls)
          assert.are.equal(expected.question, question.kind)
        else
          assert.is_table(calls, question and question.text)
          assert.are.equal(1, #calls)
          assert.are.same(expected, plain(calls[1]))
        end
      end)
    end
  end

  it("holds at least 150 sentences", function()
    local count = 0
    for _, group in ipairs(corpus.groups) do
      count = count + #group.sentences
    end
    assert.is_true(count >= 150)
  end)
end)

-- How an answer of an OpenAI-compatible server is put together.
require("host")
local json = require("lib.json")
local openai_stream = require("lib.openai_stream")

local function read(text, size)
  local said = {}
  local answer = openai_stream.new(function(piece) said[#said + 1] = piece end)
  for at = 1, #text, size or #text do
    local good, reason = answer:feed(text:sub(at, at + (size or #text) - 1))
    if not good then
      return nil, reason, said
    end
  end
  local message, reason = answer:finish()
  return message, reason, said
end

local function event(delta, finish)
  return "data: " .. json.encode({ choices = json.list({ { index = 0, delta = delta,
    finish_reason = finish } }) }) .. "\n\n"
end

local function call(index, id, name, arguments)
  return { tool_calls = json.list({ { index = index, id = id, type = "function",
    ["function"] = { name = name, arguments = arguments } } }) }
end

local DONE = "data: [DONE]\n\n"

describe("openai_stream", function()
  it("joins pieces of text and tells each as it comes", function()
    local message, _, said = read(event({ role = "assistant", content = "" })
      .. event({ content = "Hello" }) .. event({ content = " there." }) .. event({}, "stop") .. DONE)
    assert.equal("Hello there.", message.content)
    assert.same({}, message.calls)
    assert.same({ "Hello", " there." }, said)
  end)

  it("reads the same whatever the parts it comes in and however lines end", function()
    local text = ": hello\n\n" .. event({ content = "Grüß" }) .. "event: x\nid: 7\nretry: 5\n"
      .. event({ content = " dich" }) .. "data:[DONE]\n\n"
    for _, newline in ipairs({ "\n", "\r\n", "\r" }) do
      for _, size in ipairs({ 1, 2, 3, 7, 10000 }) do
        local message = read((text:gsub("\n", newline)), size)
        assert.equal("Grüß dich", message and message.content, ("%q by %d"):format(newline, size))
      end
    end
  end)

  it("joins lines of data of one event", function()
    local message = read('data: {"choices":[{"delta":\ndata: {"content":"hi"}}]}\n\n' .. DONE)
    assert.equal("hi", message.content)
  end)

  it("puts tool calls together from their deltas", function()
    local message = read(event(call(0, "a", "add_task", "")) .. event(call(0, nil, nil, '{"title":'))
      .. event(call(1, "b", "list_tasks", "{}")) .. event(call(0, nil, nil, '"milk"}'))
      .. event({}, "tool_calls"))
    assert.same({ { id = "a", name = "add_task", arguments = '{"title":"milk"}' },
      { id = "b", name = "list_tasks", arguments = "{}" } }, message.calls)
  end)

  it("tells calls apart where all have the same index, or none", function()
    for _, index in ipairs({ 0, false }) do
      local message = read(event(call(index or nil, "a", "get_task", "{}"))
        .. event(call(index or nil, "b", "list_tasks", "{}")) .. DONE)
      assert.equal(2, #message.calls)
      assert.equal("list_tasks", message.calls[2].name)
    end
  end)

  it("gives an id to calls without one, and takes arguments that are an object", function()
    local message = read(event({ tool_calls = json.list({ { index = 0, ["function"] =
      { name = "add_task", arguments = { title = "milk" } } } }) }) .. DONE)
    assert.same({ { id = "call_1", name = "add_task", arguments = '{"title":"milk"}' } },
      message.calls)
  end)

  it("takes an answer that is not streamed", function()
    local message = read('\n {"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],'
      .. '"usage":{"prompt_tokens":3}}', 5)
    assert.equal("hi", message.content)
    assert.equal(3, message.usage.prompt_tokens)
  end)

  it("takes chunks that tell the usage alone, and texts in parts", function()
    local message = read(event({ content = json.list({ { type = "text", text = "hi" }, 5 }) })
      .. 'data: {"choices":[],"usage":{"completion_tokens":9}}\n\ndata: {"usage":null}\n\n' .. DONE)
    assert.equal("hi", message.content)
    assert.equal(9, message.usage.completion_tokens)
  end)

  it("leaves out control characters", function()
    assert.equal("a\tb\nc", read(event({ content = "a\tb\n\27\7c\r" }) .. DONE).content)
  end)

  it("stops at the end mark", function()
    local message = read(event({ content = "hi" }) .. DONE .. "data: {oops\n\n")
    assert.equal("hi", message.content)
  end)

  local function counting(last)
    local events = {}
    for i = 1, last do
      events[i] = event({ content = i .. ", " })
    end
    return table.concat(events)
  end

  local WRONG = {
    { "broken", event({ content = "half" }) },
    { "broken", "" },
    { "empty", event({ content = " \n" }) .. DONE },
    { "empty", DONE },
    { "empty", '{"choices":[]}' },
    { "empty", '{"hello":"world"}' },
    { "empty", '{"choices":[{"message":{"content":5,"tool_calls":"x"}}]}' },
    { "nonsense", "<html>" },
    { "nonsense", "<html>\n<body>\n" },
    { "nonsense", "{oops" },
    { "nonsense", "data: {oops\n\n" },
    { "nonsense", "data: [1]\n\n" },
    { "nonsense", "data: 5\n\n" },
    { "nonsense", 'data: {"choices":"x"}\n\n' },
    { "nonsense", 'data: {"choices":["x"]}\n\n' },
    { "nonsense", 'data: {"choices":[{"delta":{"tool_calls":["x"]}}]}\n\n' },
    { "error", 'data: {"error":{"message":"overloaded"}}\n\n' },
    { "error", '{"error":"no"}' },
    { "too_large", "data: " .. ("x"):rep(300000) },
    { "too_large", '{"a":"' .. ("x"):rep(300000) },
    { "too_large", counting(4000) },
    { "too_large", event(call(0, "a", "add_task", ("x"):rep(1000))):rep(70) },
  }
  for i, case in ipairs(WRONG) do
    it("says what is wrong: " .. case[1] .. " (" .. i .. ")", function()
      local message, reason = read(case[2])
      assert.is_nil(message)
      assert.equal(case[1], reason)
    end)
  end

  it("takes no more calls than anybody makes", function()
    local events = {}
    for i = 0, 200 do
      events[#events + 1] = event(call(i, "id" .. i, "list_tasks", "{}"))
    end
    local _, reason = read(table.concat(events))
    assert.equal("too_large", reason)
  end)

  it("tells when an answer was cut off at its limit", function()
    assert.is_true(read(event({ content = "Half an" }) .. event({}, "length") .. DONE).cut)
    assert.is_false(read(event({ content = "All of it." }) .. event({}, "stop") .. DONE).cut)
  end)

  it("ends an answer that goes on with the same words, and tells what is too much of it", function()
    local text = event({ content = "Sure. " }) .. event({ content = "and so on " }):rep(500)
    local message, reason, said = read(text, 1000)
    assert.is_nil(message)
    assert.equal("repeats", reason)
    assert.is_true(#table.concat(said) < 1000)
  end)

  it("does so in an answer that is not streamed", function()
    local answer = openai_stream.new(function() end)
    assert(answer:feed(json.encode({ choices = json.list({ { message = { content = "Sure: ("
      .. ("and so on "):rep(500) } } }) })))
    assert.same({ nil, "repeats" }, { answer:finish() })
    assert.equal(4990, answer.surplus)
  end)
end)

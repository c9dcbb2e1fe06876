-- Puts the answer of an OpenAI-compatible server together as it comes: server-sent events with
-- pieces of text and of tool calls (any of the three line ends, comments, with or without a space
-- after "data:"), or one JSON object where the server does not stream. Pure; what is wrong with an
-- answer is a reason in one word. Nothing of it is trusted: sizes are bounded, types are looked at.
local json = require("lib.json")
local repetition = require("lib.repetition")

local openai_stream = {}

local MAX_EVENT = 256 * 1024  -- bytes of one event, or of an answer that is not streamed
local MAX_TEXT = 16 * 1024    -- bytes
local LOOK_AFTER = 64         -- bytes of text, for whether it repeats itself
local MAX_CALLS = 128
local MAX_ARGUMENTS = 64 * 1024 -- bytes, of all calls together
local MAX_NAME = 256

---@class openai_stream.Call
---@field id string
---@field name string
---@field arguments string  JSON, as the model wrote it

---@class openai_stream.Message
---@field content string
---@field calls openai_stream.Call[]
---@field cut boolean  the server ended it, since it had as many tokens as were asked for at most
---@field usage {prompt_tokens: any, completion_tokens: any}|nil

---@alias openai_stream.Reason "nonsense"|"empty"|"too_large"|"repeats"|"broken"|"error"

---@class openai_stream.Reader
---@field useful integer  bytes of text and calls so far
---@field done boolean    the server has said that this is all
---@field surplus integer|nil  bytes at the end of the text that only repeat it, where it "repeats"
---@field feed fun(self: openai_stream.Reader, bytes: string): true|nil, openai_stream.Reason|nil
---@field finish fun(self: openai_stream.Reader): openai_stream.Message|nil,
---                                                openai_stream.Reason|nil

local function clean(text)
  return (text:gsub("[%z\1-\8\11-\31\127]", ""))
end

-- A string, or the texts of a list of parts.
local function text_of(content)
  if type(content) == "string" then
    return clean(content)
  elseif not json.is_list(content) then
    return ""
  end
  local texts = {}
  for _, part in ipairs(content) do
    local text = type(part) == "table" and part.text
    texts[#texts + 1] = type(text) == "string" and clean(text) or nil
  end
  return table.concat(texts)
end

local function looks_stuck(self, text)
  self.tail = (self.tail .. text):sub(-repetition.TAIL)
  self.unseen = self.unseen + #text
  if self.unseen < LOOK_AFTER then
    return false
  end
  self.unseen = 0
  local period = repetition.period(self.tail)
  self.surplus = period and repetition.surplus(table.concat(self.texts), period)
  return period ~= nil
end

local function add_text(self, text)
  if text == "" then
    return nil
  end
  self.size = self.size + #text
  if self.size > MAX_TEXT then
    return "too_large"
  end
  self.texts[#self.texts + 1] = text
  self.useful = self.useful + #text
  self.on_text(text)
  return looks_stuck(self, text) and "repeats" or nil
end

-- The call that a piece belongs to. Some servers leave out the index, or give all calls the same.
local function call_for(self, piece)
  local id = type(piece.id) == "string" and piece.id ~= "" and piece.id:sub(1, MAX_NAME) or nil
  local index = type(piece.index) == "number" and piece.index or nil
  local call = index and self.by_index[index] or not index and not id and self.calls[#self.calls]
  if not index and id then
    for _, other in ipairs(self.calls) do
      call = other.id == id and other or call
    end
  end
  if call and id and call.id and call.id ~= id then
    call = nil
  end
  if call then
    call.id = call.id or id
    return call
  end
  if #self.calls >= MAX_CALLS then
    return nil
  end
  call = { id = id, name = "", pieces = {} }
  self.calls[#self.calls + 1] = call
  if index then
    self.by_index[index] = call
  end
  return call
end

local function add_call(self, piece)
  local call = call_for(self, piece)
  if not call then
    return "too_large"
  end
  local fn = type(piece["function"]) == "table" and piece["function"] or {}
  local name, arguments = fn.name, fn.arguments
  if type(arguments) == "table" then
    arguments = json.encode(arguments)
  end
  if type(name) == "string" and call.name ~= name then
    call.name = (call.name .. clean(name)):sub(1, MAX_NAME)
    self.useful = self.useful + #name
  end
  if type(arguments) == "string" then
    self.arguments = self.arguments + #arguments
    self.useful = self.useful + #arguments
    call.pieces[#call.pieces + 1] = arguments
  end
  return self.arguments > MAX_ARGUMENTS and "too_large" or nil
end

local function add_choice(self, choice)
  if type(choice.finish_reason) == "string" then
    self.finished = true
    self.cut = choice.finish_reason == "length"
  end
  local delta = type(choice.delta) == "table" and choice.delta or choice.message
  if type(delta) ~= "table" then
    return nil
  end
  local wrong = add_text(self, text_of(delta.content)) or add_text(self, text_of(delta.refusal))
  if wrong or not json.is_list(delta.tool_calls) then
    return wrong
  end
  for _, piece in ipairs(delta.tool_calls) do
    wrong = type(piece) ~= "table" and "nonsense" or add_call(self, piece)
    if wrong then
      return wrong
    end
  end
end

local function add_object(self, text)
  local value = json.decode(text)
  if type(value) ~= "table" or json.is_list(value) then
    return "nonsense"
  elseif value.error ~= nil and value.error ~= json.null then
    return "error"
  end
  if type(value.usage) == "table" then
    self.usage = value.usage
  end
  local choices = value.choices
  if choices == nil or choices == json.null then
    return nil
  elseif not json.is_list(choices) then
    return "nonsense"
  end
  local choice = choices[1]
  if choice == nil then -- tells the usage alone
    return nil
  end
  return type(choice) == "table" and add_choice(self, choice) or type(choice) ~= "table"
    and "nonsense" or nil
end

local function end_event(self)
  local data = self.data
  self.data = nil
  if not data or data == "" then
    return nil
  elseif data == "[DONE]" then
    self.done = true
    return nil
  end
  return add_object(self, data)
end

local function take_line(self, line)
  if line == "" then
    return end_event(self)
  end
  local data = line:match("^data: ?(.*)$")
  if data then
    self.data = self.data and self.data .. "\n" .. data or data
    return #self.data > MAX_EVENT and "too_large" or nil
  end
  -- Comments and the other fields of events say nothing here; anything else is no event.
  return not line:find("^%a*:") and not line:find("^%a+$") and "nonsense" or nil
end

local function take_lines(self)
  local at = 1
  while not self.done do
    local first = self.buffer:find("[\r\n]", at)
    if not first then
      break
    end
    local wrong = take_line(self, self.buffer:sub(at, first - 1))
    if wrong then
      return wrong
    end
    if self.buffer:byte(first) == 13 then
      if first == #self.buffer then
        self.skips_newline = true
      elseif self.buffer:byte(first + 1) == 10 then
        first = first + 1
      end
    end
    at = first + 1
  end
  self.buffer = self.buffer:sub(at)
end

-- What kind of answer it is shows in its first visible byte.
local function begin(self)
  self.buffer = self.buffer:gsub("^\239\187\191", ""):gsub("^%s+", "")
  if self.buffer ~= "" then
    self.kind = self.buffer:sub(1, 1) == "{" and "object" or "events"
  end
end

local function feed(self, bytes)
  if self.skips_newline and bytes ~= "" then
    bytes = bytes:gsub("^\n", "")
    self.skips_newline = false
  end
  self.buffer = self.buffer .. bytes
  if not self.kind then
    begin(self)
  end
  local wrong = self.kind == "events" and take_lines(self) or nil
  if not wrong and #self.buffer > MAX_EVENT then
    wrong = "too_large"
  end
  if wrong then
    return nil, wrong
  end
  return true
end

local function finished_calls(self)
  local calls = {}
  for i, call in ipairs(self.calls) do
    calls[i] = { id = call.id or "call_" .. i, name = call.name,
      arguments = table.concat(call.pieces) }
  end
  return calls
end

local function finish(self)
  local wrong
  if self.kind == "object" then
    wrong = add_object(self, self.buffer)
    self.finished = true
  elseif self.kind == "events" and not self.done then
    wrong = take_line(self, self.buffer) or end_event(self)
  end
  local message = { content = table.concat(self.texts), calls = finished_calls(self),
    cut = self.cut, usage = self.usage }
  if not wrong and not self.done and not self.finished then
    wrong = "broken"
  end
  if not wrong and not message.calls[1] and not message.content:find("%S") then
    wrong = "empty"
  end
  if wrong then
    return nil, wrong
  end
  return message
end

---@param on_text fun(text: string)  called with each piece of text as it comes
---@return openai_stream.Reader
function openai_stream.new(on_text)
  return { on_text = on_text, feed = feed, finish = finish, useful = 0, done = false, buffer = "",
    texts = {}, size = 0, tail = "", unseen = 0, cut = false, calls = {}, by_index = {},
    arguments = 0 }
end

return openai_stream

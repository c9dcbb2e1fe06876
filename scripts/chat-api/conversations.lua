-- Conversations of a user: the state that a follow-up needs, and the messages.
local crypto = require("host.crypto")
local db = require("host.db")
local json = require("lib.json")
local problem = require("lib.problem")
local store = require("lib.store")
local uuid = require("lib.uuid")

local conversations = {}

local MAX_RACES = 20
local RECENT_MESSAGES = 20

local OPEN = "SELECT id, state FROM chat.conversation WHERE user_id = $1 AND id = $2::uuid"
local NEWEST = "SELECT id, state FROM chat.conversation WHERE user_id = $1"
  .. " ORDER BY updated_at DESC LIMIT 1"
-- Nothing happens where the state is no longer the one that was read.
local SAVE = "WITH c AS (INSERT INTO chat.conversation AS old (id, user_id, state)"
  .. " VALUES ($1::uuid, $2, $3) ON CONFLICT (id) DO UPDATE SET state = $3, updated_at = now()"
  .. " WHERE old.user_id = $2 AND old.state = $7 RETURNING id)"
  .. " INSERT INTO chat.message (conversation_id, user_id, role, content, tools)"
  .. " SELECT c.id, $2, m.role, m.content, m.tools FROM c, (VALUES (1, 'user', $4, NULL),"
  .. " (2, 'assistant', $5, $6)) AS m (place, role, content, tools) ORDER BY m.place"
local RECENT = "SELECT role, content FROM (SELECT id, role, content FROM chat.message"
  .. " WHERE user_id = $1 AND conversation_id = $2::uuid ORDER BY id DESC LIMIT $3::integer)"
  .. " AS newest ORDER BY id"
local HISTORY = "SELECT id, conversation_id, role, content, tools, created_at FROM"
  .. " (SELECT * FROM chat.message WHERE user_id = $1 AND ($3::bigint IS NULL OR id < $3::bigint)"
  .. " ORDER BY id DESC LIMIT $2::integer) AS newest ORDER BY id"

---@class conversations.Conversation
---@field id string
---@field state table       what a follow-up needs; changed in place
---@field read string|nil   the state as it was read, as text; nil: it is new

---The conversation with an id, or the user's newest, or a new one. The first one of a user always
---gets the same id, so that two devices that begin at once begin the same.
---@param user string
---@param id string|nil
---@return conversations.Conversation|nil
---@return Problem|nil problem
---@return_overload conversations.Conversation, nil
---@return_overload nil, Problem
function conversations.open(user, id)
  if id ~= nil and not uuid.is(id) then
    return nil, problem.not_found("Conversation not found")
  end
  local rows, err
  if id then
    rows, err = db.query(OPEN, user, id)
  else
    rows, err = db.query(NEWEST, user)
  end
  if not rows then
    return nil, store.problem(err)
  end
  if rows[1] then
    return { id = rows[1].id, state = json.decode(rows[1].state) or {}, read = rows[1].state }
  elseif id then
    return nil, problem.not_found("Conversation not found")
  end
  return { id = crypto.uuid_of("conversation " .. user), state = {} }
end

-- Another turn of the same conversation was faster: what this one changed is changed, the rest is
-- left as the other one made it.
local function merge(state, read, newest)
  local before, merged = read and json.decode(read) or {}, json.decode(newest) or {}
  local function text_of(value)
    return value ~= nil and json.encode_sorted(value) or nil
  end
  for _, names in ipairs({ before, state }) do
    for name in pairs(names) do
      if text_of(before[name]) ~= text_of(state[name]) then
        merged[name] = state[name]
      end
    end
  end
  return merged
end

---Stores what was said, and the state, at once.
---@param user string
---@param conversation conversations.Conversation
---@param said string
---@param answer string
---@param tools table[]
---@return true|nil
---@return Problem|nil problem
---@return_overload true, nil
---@return_overload nil, Problem
function conversations.save(user, conversation, said, answer, tools)
  local state, read = conversation.state, conversation.read
  local tools_text = json.encode(json.list(tools))
  for _ = 1, MAX_RACES do
    local rows, err = db.execute(SAVE, conversation.id, user, json.encode(state), said, answer,
      tools_text, read or "")
    if not rows then
      return nil, store.problem(err)
    elseif rows.affected > 0 then
      return true
    end
    rows, err = db.query(OPEN, user, conversation.id)
    if not rows then
      return nil, store.problem(err)
    elseif not rows[1] then
      read = nil
    else
      state = merge(conversation.state, conversation.read, rows[1].state)
      read = rows[1].state
    end
  end
  return nil, problem.unavailable("Too many messages at once", 1)
end

---What was said last in a conversation, oldest first; nil where it cannot be read.
---@param user string
---@param id string
---@return {role: string, content: string}[]|nil
function conversations.recent(user, id)
  return (db.query(RECENT, user, id, RECENT_MESSAGES))
end

---The newest messages, oldest first.
---@param user string
---@param limit integer
---@param before integer|nil  only messages with a smaller id
---@return table[]|nil
---@return Problem|nil problem
---@return_overload table[], nil
---@return_overload nil, Problem
function conversations.history(user, limit, before)
  local rows, err = db.query(HISTORY, user, limit, before)
  if not rows then
    return nil, store.problem(err)
  end
  local list = json.list({})
  for i, row in ipairs(rows) do
    list[i] = { id = row.id, conversation_id = row.conversation_id, role = row.role,
      content = row.content, tools_invoked = row.tools and json.decode(row.tools) or json.list({}),
      created_at = row.created_at }
  end
  return list
end

return conversations

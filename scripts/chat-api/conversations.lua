-- Conversations of a user: the state that a follow-up needs, and the messages.
local crypto = require("host.crypto")
local db = require("host.db")
local json = require("lib.json")
local problem = require("lib.problem")
local store = require("lib.store")
local uuid = require("lib.uuid")

local conversations = {}

local OPEN = "SELECT id, state FROM chat.conversation WHERE user_id = $1 AND id = $2::uuid"
local NEWEST = "SELECT id, state FROM chat.conversation WHERE user_id = $1"
  .. " ORDER BY updated_at DESC LIMIT 1"
local SAVE = "WITH c AS (INSERT INTO chat.conversation (id, user_id, state)"
  .. " VALUES ($1::uuid, $2, $3) ON CONFLICT (id) DO UPDATE SET state = $3, updated_at = now()"
  .. " RETURNING id) INSERT INTO chat.message (conversation_id, user_id, role, content, tools)"
  .. " SELECT c.id, $2, m.role, m.content, m.tools FROM c, (VALUES (1, 'user', $4, NULL),"
  .. " (2, 'assistant', $5, $6)) AS m (place, role, content, tools) ORDER BY m.place"
local HISTORY = "SELECT id, conversation_id, role, content, tools, created_at FROM"
  .. " (SELECT * FROM chat.message WHERE user_id = $1 AND ($3::bigint IS NULL OR id < $3::bigint)"
  .. " ORDER BY id DESC LIMIT $2::integer) AS newest ORDER BY id"

---The conversation with an id, or the user's newest, or a new one.
---@param user string
---@param id string|nil
---@return {id: string, state: table}|nil
---@return Problem|nil problem
---@return_overload {id: string, state: table}, nil
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
    return { id = rows[1].id, state = json.decode(rows[1].state) or {} }
  elseif id then
    return nil, problem.not_found("Conversation not found")
  end
  return { id = crypto.uuid(), state = {} }
end

---Stores what was said, and the state, at once.
---@param user string
---@param conversation {id: string, state: table}
---@param said string
---@param answer string
---@param tools table[]
---@return true|nil
---@return Problem|nil problem
---@return_overload true, nil
---@return_overload nil, Problem
function conversations.save(user, conversation, said, answer, tools)
  local rows, err = db.execute(SAVE, conversation.id, user, json.encode(conversation.state), said,
    answer, json.encode(json.list(tools)))
  if not rows then
    return nil, store.problem(err)
  end
  return true
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

-- A user's changes that were made outside of a conversation, by programs that keep none: what takes
-- each of them back (undo_steps), the newest first to go.
local db = require("host.db")
local json = require("lib.json")
local log = require("host.log")
local store = require("lib.store")

local undo_log = {}

local KEPT = 20 -- of a user

local ADD = "WITH old AS (DELETE FROM chat.undo WHERE user_id = $1 AND id <= (SELECT id"
  .. " FROM chat.undo WHERE user_id = $1 ORDER BY id DESC OFFSET " .. KEPT - 1 .. " LIMIT 1))"
  .. " INSERT INTO chat.undo (user_id, step) VALUES ($1, $2)"
local NEWEST = "SELECT coalesce(max(id), 0)::text AS id FROM chat.undo WHERE user_id = $1"
-- Of two that take at once each gets another one.
local TAKE = "DELETE FROM chat.undo WHERE id = (SELECT id FROM chat.undo WHERE user_id = $1"
  .. " ORDER BY id DESC LIMIT 1 FOR UPDATE SKIP LOCKED) AND id > $2::bigint"
  .. " RETURNING id::text AS id, step, made_at::text AS made_at"
local GIVE_BACK = "INSERT INTO chat.undo (id, user_id, step, made_at) OVERRIDING SYSTEM VALUE"
  .. " VALUES ($1::bigint, $2, $3, $4::timestamptz) ON CONFLICT DO NOTHING"

---@class undo_log.Entry
---@field id string
---@field step undo_steps.Step
---@field made_at string

---Keeps steps, the oldest first. Their changes are made: where they cannot be kept, the log says
---so.
---@param user string
---@param steps undo_steps.Step[]
function undo_log.add(user, steps)
  for _, step in ipairs(steps) do
    local rows, err = db.execute(ADD, user, json.encode(step))
    if not rows then
      log.warn("a change cannot be undone", { error = store.problem(err).detail })
    end
  end
end

---How far the log of a user has come: what is added from now on is after it. The order is the
---database's, so that it holds for all processes, whatever their clocks say.
---@param user string
---@return string|nil position  nil: it could not be read, and the log says so
function undo_log.newest(user)
  local rows, err = db.query(NEWEST, user)
  if not rows then
    log.warn("a change may be undone out of its order", { error = store.problem(err).detail })
    return nil
  end
  return rows[1].id
end

---Takes the user's newest step out; nil without a problem: there is none.
---@param user string
---@param after string|nil  a position: only if it was added since
---@return undo_log.Entry|nil
---@return Problem|nil problem
function undo_log.take(user, after)
  local rows, err = db.execute(TAKE, user, after or "0")
  if not rows then
    return nil, store.problem(err)
  end
  local row = rows[1]
  return row and { id = row.id, step = json.decode(row.step), made_at = row.made_at } or nil
end

---Puts a step back in its place that could not be taken back now.
---@param user string
---@param entry undo_log.Entry
function undo_log.give_back(user, entry)
  local rows, err = db.execute(GIVE_BACK, entry.id, user, json.encode(entry.step), entry.made_at)
  if not rows then
    log.warn("a change cannot be undone", { error = store.problem(err).detail })
  end
end

return undo_log

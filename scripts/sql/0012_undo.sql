-- Deleted tasks, so that they can be brought back: the task's last state as JSON, and its version then. A
-- task that is brought back goes on counting behind the version of its deletion.
CREATE TABLE chat.deleted_task (
  task_id    uuid PRIMARY KEY,
  user_id    text NOT NULL,
  version    integer NOT NULL,
  task       text NOT NULL,
  deleted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deleted_task_deleted ON chat.deleted_task (deleted_at);

-- What takes back a user's changes that were made outside of a conversation, the newest last.
CREATE TABLE chat.undo (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id text NOT NULL,
  step    text NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX undo_user ON chat.undo (user_id, id);
CREATE INDEX undo_made ON chat.undo (made_at);

-- Conversations: what was said, and what the last answer asked.
CREATE TABLE chat.conversation (
  id         uuid PRIMARY KEY,
  user_id    text NOT NULL,
  state      text NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX conversation_user ON chat.conversation (user_id, updated_at);

CREATE TABLE chat.message (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  conversation_id uuid NOT NULL REFERENCES chat.conversation (id) ON DELETE CASCADE,
  user_id         text NOT NULL,
  role            text NOT NULL CHECK (role IN ('user', 'assistant')),
  content         text NOT NULL,
  tools           text,
  created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX message_user ON chat.message (user_id, id);

-- Tasks of chat-api, the events that each change owes the world, and the answers to keyed requests.
CREATE SCHEMA IF NOT EXISTS chat;

CREATE TABLE chat.task (
  id                      uuid PRIMARY KEY,
  user_id                 text NOT NULL,
  title                   text NOT NULL,
  description             text,
  status                  text NOT NULL CHECK (status IN ('pending', 'in_progress', 'completed')),
  priority                text NOT NULL CHECK (priority IN ('low', 'medium', 'high')),
  due_date                timestamptz,
  tags                    text[] NOT NULL DEFAULT '{}',
  reminder_offset_minutes integer,
  remind_at               timestamptz,
  recurrence_rule         text,
  -- No foreign key: deleting a parent leaves its children, and the next occurrence of a parent that
  -- is gone must still be made once.
  parent_task_id          uuid UNIQUE,
  timezone                text,
  repeat_from             text NOT NULL CHECK (repeat_from IN ('due_date', 'completion')),
  version                 integer NOT NULL,
  created_at              timestamptz NOT NULL,
  updated_at              timestamptz NOT NULL
);
CREATE INDEX task_user_created ON chat.task (user_id, created_at, id);
CREATE INDEX task_user_due ON chat.task (user_id, due_date, id);

-- A row is an event that has not been published yet; it is written in the transaction of its change
-- and deleted by id once the broker has it. `version` orders the events of one key.
CREATE TABLE chat.outbox (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic       text NOT NULL,
  key         uuid NOT NULL,
  version     integer NOT NULL,
  event_id    uuid NOT NULL,
  event_type  text NOT NULL,
  data        text NOT NULL,
  traceparent text,
  created_at  timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- The first answer to a request that carried an Idempotency-Key.
CREATE TABLE chat.idempotency (
  user_id      text NOT NULL,
  key          text NOT NULL,
  request_hash text NOT NULL,
  body         text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_created ON chat.idempotency (created_at);

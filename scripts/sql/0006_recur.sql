-- What recurring-task-service remembers: the events it has had, those it owes the world, and what
-- the due date of an occurrence does not say about its series.
CREATE SCHEMA IF NOT EXISTS recur;

CREATE TABLE recur.inbox (
  event_id    uuid PRIMARY KEY,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_received ON recur.inbox USING brin (received_at);

CREATE TABLE recur.dead_event (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic       text NOT NULL,
  error       text NOT NULL,
  body        text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);

-- As chat.outbox, chat.relay_lease and chat.relay_member.
CREATE TABLE recur.outbox (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic       text NOT NULL,
  key         uuid NOT NULL,
  version     integer NOT NULL,
  event_id    uuid NOT NULL,
  event_type  text NOT NULL,
  data        text NOT NULL,
  traceparent text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  bucket      smallint NOT NULL GENERATED ALWAYS AS (get_byte(uuid_send(key), 0) & 15) STORED,
  dead_at     timestamptz,
  dead_error  text
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE TABLE recur.relay_lease (
  bucket     smallint PRIMARY KEY,
  owner      text NOT NULL DEFAULT '',
  epoch      bigint NOT NULL DEFAULT 0,
  expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO recur.relay_lease (bucket) SELECT generate_series(0, 15);

CREATE TABLE recur.relay_member (
  owner   text PRIMARY KEY,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Of an occurrence whose due date is not what its series means: the local time that it means,
-- written as if it were UTC, and the day of the month. It says nothing once the task's due date is
-- no longer due_at.
CREATE TABLE recur.anchor (
  task_id    uuid PRIMARY KEY,
  due_at     timestamptz NOT NULL,
  local_at   timestamptz NOT NULL,
  day        smallint NOT NULL CHECK (day BETWEEN 1 AND 31),
  created_at timestamptz NOT NULL DEFAULT now()
);

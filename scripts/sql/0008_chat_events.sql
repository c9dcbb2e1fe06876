-- Reminders and what keeps them: a row is a reminder that has not fired. It is written and removed
-- in the transaction that changes its task; `version` is the task's version that set it.
CREATE TABLE chat.reminder (
  task_id   uuid PRIMARY KEY,
  user_id   text NOT NULL,
  remind_at timestamptz NOT NULL,
  version   integer NOT NULL
);
CREATE INDEX reminder_due ON chat.reminder (remind_at);

-- What the scheduler must still be told: a job to set, or, without a time, to delete. Only the last
-- change of a task counts. Deleted once the scheduler knows.
CREATE TABLE chat.job_change (
  task_id uuid PRIMARY KEY,
  due_at  timestamptz,
  version integer NOT NULL,
  bucket  smallint NOT NULL GENERATED ALWAYS AS (get_byte(uuid_send(task_id), 0) & 15) STORED
);

-- Ids of events whose effect is here.
CREATE TABLE chat.inbox (
  event_id    uuid PRIMARY KEY,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_received ON chat.inbox (received_at);

-- Events that can never be handled, with the reason.
CREATE TABLE chat.dead_event (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic       text NOT NULL,
  error       text NOT NULL,
  body        text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);

-- Completed tasks of a series that were deleted, so that their next occurrence, which may still be
-- on its way, is known to be its user's.
CREATE TABLE chat.departed_parent (
  task_id     uuid PRIMARY KEY,
  user_id     text NOT NULL,
  departed_at timestamptz NOT NULL DEFAULT now()
);

-- Parked events are few among many.
CREATE INDEX outbox_dead ON chat.outbox (id) WHERE dead_at IS NOT NULL;

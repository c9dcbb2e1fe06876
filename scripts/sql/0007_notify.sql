-- What was made of reminders: a row per reminder and channel, and the events that it owes the world.
CREATE SCHEMA IF NOT EXISTS notify;

-- A reminder that has been taken. The first channel that delivers it announces it, once.
CREATE TABLE notify.inbox (
  event_id     uuid PRIMARY KEY,
  received_at  timestamptz NOT NULL DEFAULT now(),
  announced_at timestamptz
);
CREATE INDEX inbox_received ON notify.inbox USING brin (received_at);

-- A pending row is tried at deliver_at, by the one whose claim it is: until claimed_until nobody else
-- tries it, afterwards anybody. attempts counts tries that were begun.
CREATE TABLE notify.delivery (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id      uuid NOT NULL,
  channel       text NOT NULL CHECK (channel IN ('log', 'email', 'webhook')),
  state         text NOT NULL CHECK (state IN ('pending', 'sent', 'skipped', 'dead')),
  task_id       uuid NOT NULL,
  user_id       text NOT NULL,
  reminder      jsonb NOT NULL,
  deliver_at    timestamptz NOT NULL,
  attempts      integer NOT NULL DEFAULT 0,
  claimed_by    uuid,
  claimed_until timestamptz,
  error         text,
  created_at    timestamptz NOT NULL DEFAULT now(),
  sent_at       timestamptz,
  UNIQUE (event_id, channel)
);
CREATE INDEX delivery_pending ON notify.delivery (channel, deliver_at) WHERE state = 'pending';
CREATE INDEX delivery_user ON notify.delivery (user_id, id);
CREATE INDEX delivery_created ON notify.delivery USING brin (created_at);

CREATE TABLE notify.outbox (
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

CREATE TABLE notify.relay_lease (
  bucket     smallint PRIMARY KEY,
  owner      text NOT NULL DEFAULT '',
  epoch      bigint NOT NULL DEFAULT 0,
  expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO notify.relay_lease (bucket) SELECT generate_series(0, 15);

CREATE TABLE notify.relay_member (
  owner   text PRIMARY KEY,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Events that can never be handled, with the reason.
CREATE TABLE notify.dead_event (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic       text NOT NULL,
  error       text NOT NULL,
  body        text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);

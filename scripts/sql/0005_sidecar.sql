-- The stand-in sidecar of one machine: messages on their way, state, jobs.
CREATE SCHEMA IF NOT EXISTS sidecar;

-- One row per message and consumer group ("app pubsub topic", "app@port pubsub topic" for broadcasts);
-- a row that exists is not delivered yet. id is given by the sidecar, its only writer, and is the order
-- of publishing.
CREATE TABLE sidecar.delivery (
  grp          text NOT NULL,
  id           bigint NOT NULL,
  pubsub       text NOT NULL,
  topic        text NOT NULL,
  key          text,
  value        text NOT NULL,
  encoding     text NOT NULL CHECK (encoding IN ('event', 'raw', 'base64')),
  headers      text,
  expires_ms   bigint,
  published_ms bigint NOT NULL,
  attempts     integer NOT NULL DEFAULT 0,
  retry_ms     bigint,
  PRIMARY KEY (grp, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- What went to a dead-letter topic that nobody subscribes to; kept for a week.
CREATE TABLE sidecar.dead_letter (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app          text NOT NULL,
  pubsub       text NOT NULL,
  topic        text NOT NULL,
  key          text,
  value        text NOT NULL,
  encoding     text NOT NULL,
  headers      text,
  reason       text NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT now()
);

-- What each app answered to GET /dapr/subscribe last, so that messages wait for one that is down.
CREATE TABLE sidecar.app (
  id            text PRIMARY KEY,
  subscriptions text NOT NULL,
  updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sidecar.state (
  store      text NOT NULL,
  key        text NOT NULL,
  value      text NOT NULL,
  version    bigint NOT NULL DEFAULT 1,
  expires_at timestamptz,
  PRIMARY KEY (store, key)
);
CREATE INDEX state_expiry ON sidecar.state (expires_at) WHERE expires_at IS NOT NULL;

-- A job: the settings as they came, and when it is due next. seq is new with each change by the app,
-- so that the end of a run never touches a job that has been replaced meanwhile.
CREATE TABLE sidecar.job (
  app        text NOT NULL,
  name       text NOT NULL,
  seq        text NOT NULL,
  spec       text NOT NULL,
  data       text NOT NULL,
  next_ms    bigint NOT NULL,
  due_ms     bigint NOT NULL,
  expires_ms bigint,
  runs_left  integer,
  attempts   integer NOT NULL DEFAULT 0,
  PRIMARY KEY (app, name)
);
CREATE INDEX job_next ON sidecar.job (next_ms);

-- What happened to tasks: append-only, one row per event.
CREATE SCHEMA IF NOT EXISTS audit;

CREATE TABLE audit.audit_log (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id    uuid NOT NULL UNIQUE,
  event_type  text NOT NULL,
  user_id     text NOT NULL,
  task_id     uuid NOT NULL,
  version     integer NOT NULL,
  occurred_at timestamptz NOT NULL,
  source      text NOT NULL,
  payload     jsonb NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_log_user ON audit.audit_log (user_id, occurred_at, id);
CREATE INDEX audit_log_task ON audit.audit_log (task_id, version);

-- Events that can never be recorded, with the reason.
CREATE TABLE audit.dead_event (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic       text NOT NULL,
  error       text NOT NULL,
  body        text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);

-- Nobody changes the past, not even the owner of the table by mistake.
CREATE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
REVOKE UPDATE, DELETE, TRUNCATE ON audit.audit_log FROM PUBLIC;

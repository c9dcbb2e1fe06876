-- Calendar feeds: a user has one address at most. The secret in it is not kept, only its SHA-256;
-- with `salt` and the key of tokens it can be made again, where there is such a key.
CREATE TABLE chat.calendar_feed (
  user_id     text PRIMARY KEY,
  secret_hash text NOT NULL UNIQUE,
  salt        text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);

-- What was imported: the SHA-256 of the UID in the file, and the task that was made of it. A row whose
-- task is gone is removed when its UID comes again.
CREATE TABLE chat.calendar_import (
  user_id  text NOT NULL,
  uid_hash text NOT NULL,
  task_id  uuid NOT NULL,
  PRIMARY KEY (user_id, uid_hash)
);

-- What the relay needs: buckets by hash of the key, a lease on each, and a place for events that can
-- never be published.
ALTER TABLE chat.outbox
  ADD COLUMN bucket smallint NOT NULL GENERATED ALWAYS AS (get_byte(uuid_send(key), 0) & 15) STORED,
  ADD COLUMN dead_at timestamptz,
  ADD COLUMN dead_error text;

-- A bucket is published by its owner alone until expires_at. The epoch grows with each owner: a late
-- delete of an earlier one finds another epoch and deletes nothing.
CREATE TABLE chat.relay_lease (
  bucket     smallint PRIMARY KEY,
  owner      text NOT NULL DEFAULT '',
  epoch      bigint NOT NULL DEFAULT 0,
  expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO chat.relay_lease (bucket) SELECT generate_series(0, 15);

-- The relays that live, so that each knows its fair share of the buckets.
CREATE TABLE chat.relay_member (
  owner   text PRIMARY KEY,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

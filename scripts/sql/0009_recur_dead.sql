-- Parked events are few among many.
CREATE INDEX outbox_dead ON recur.outbox (id) WHERE dead_at IS NOT NULL;

-- Reminders are few and must not wait behind all other events that wait.
CREATE INDEX outbox_reminders ON chat.outbox (id) WHERE topic = 'reminders';

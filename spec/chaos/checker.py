"""Looks whether what must always hold did hold. What really happened is told by triggers of the run's own,
which write in the transactions of the changes themselves (TRUTH).

I1 every committed change has each subscriber's effect, exactly once   I2 no event without a committed row
I3 of one task and topic events are published in the order of versions  I4 one effect per reminder, in time
I5 no write that was answered is lost                                   I6 audit rows = committed changes"""

import collections

TRUTH = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.change (seq bigserial PRIMARY KEY, task_id uuid NOT NULL, version integer NOT NULL, change text NOT NULL, title text NOT NULL,
  rule text, parent uuid, tx xid8 NOT NULL DEFAULT pg_current_xact_id(), at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX ON chaos.change (task_id, version);
CREATE TABLE chaos.emitted (seq bigserial PRIMARY KEY, source text NOT NULL, row_id bigint NOT NULL, topic text NOT NULL, key uuid NOT NULL,
  version integer NOT NULL, event_id uuid NOT NULL, event_type text NOT NULL, tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX ON chaos.emitted (key, topic);
CREATE INDEX ON chaos.emitted (event_id);
CREATE TABLE chaos.armed (seq bigserial PRIMARY KEY, change text NOT NULL, task_id uuid NOT NULL, version integer NOT NULL, remind_at timestamptz NOT NULL,
  tx xid8 NOT NULL DEFAULT pg_current_xact_id(), at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX ON chaos.armed (task_id, version);

CREATE FUNCTION chaos.on_task() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO chaos.change (task_id, version, change, title, rule, parent) VALUES (NEW.id, NEW.version, 'created', NEW.title, NEW.recurrence_rule, NEW.parent_task_id);
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO chaos.change (task_id, version, change, title, rule, parent) VALUES (OLD.id, OLD.version + 1, 'deleted', OLD.title, OLD.recurrence_rule, OLD.parent_task_id);
  ELSE
    INSERT INTO chaos.change (task_id, version, change, title, rule, parent) VALUES (NEW.id, NEW.version,
      CASE WHEN NEW.status = 'completed' AND OLD.status <> 'completed' THEN 'completed' ELSE 'updated' END, NEW.title, NEW.recurrence_rule, NEW.parent_task_id);
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION chaos.on_outbox() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos.emitted (source, row_id, topic, key, version, event_id, event_type)
  VALUES (TG_TABLE_SCHEMA, NEW.id, NEW.topic, NEW.key, NEW.version, NEW.event_id, NEW.event_type);
  RETURN NULL;
END $$;
CREATE FUNCTION chaos.on_reminder() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO chaos.armed (change, task_id, version, remind_at) VALUES ('gone', OLD.task_id, OLD.version, OLD.remind_at);
  ELSE
    INSERT INTO chaos.armed (change, task_id, version, remind_at) VALUES ('set', NEW.task_id, NEW.version, NEW.remind_at);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER truth AFTER INSERT OR UPDATE OR DELETE ON chat.task FOR EACH ROW EXECUTE FUNCTION chaos.on_task();
CREATE TRIGGER truth AFTER INSERT ON chat.outbox FOR EACH ROW EXECUTE FUNCTION chaos.on_outbox();
CREATE TRIGGER truth AFTER INSERT ON recur.outbox FOR EACH ROW EXECUTE FUNCTION chaos.on_outbox();
CREATE TRIGGER truth AFTER INSERT ON notify.outbox FOR EACH ROW EXECUTE FUNCTION chaos.on_outbox();
CREATE TRIGGER truth AFTER INSERT OR UPDATE OR DELETE ON chat.reminder FOR EACH ROW EXECUTE FUNCTION chaos.on_reminder();
"""

# Each row is one thing that still waits.
WAITING = {
    "chat.outbox": "SELECT count(*) FROM chat.outbox WHERE dead_at IS NULL",
    "recur.outbox": "SELECT count(*) FROM recur.outbox WHERE dead_at IS NULL",
    "notify.outbox": "SELECT count(*) FROM notify.outbox WHERE dead_at IS NULL",
    "sidecar.delivery": "SELECT count(*) FROM sidecar.delivery",
    "notify.delivery": "SELECT count(*) FROM notify.delivery WHERE state = 'pending'",
    "chat.job_change": "SELECT count(*) FROM chat.job_change",
    "chat.reminder of the next minute": "SELECT count(*) FROM chat.reminder WHERE remind_at < now() + interval '1 minute'",
}
# Each row is one thing that was given up, and nothing here deserves that.
DEAD = {
    "chat.outbox": "SELECT event_id, dead_error FROM chat.outbox WHERE dead_at IS NOT NULL",
    "recur.outbox": "SELECT event_id, dead_error FROM recur.outbox WHERE dead_at IS NOT NULL",
    "notify.outbox": "SELECT event_id, dead_error FROM notify.outbox WHERE dead_at IS NOT NULL",
    "audit.dead_event": "SELECT id, error FROM audit.dead_event",
    "recur.dead_event": "SELECT id, error || ' ' || left(body, 300) FROM recur.dead_event",
    "notify.dead_event": "SELECT id, error FROM notify.dead_event",
    "chat.dead_event": "SELECT id, error || ' ' || left(body, 300) FROM chat.dead_event",
    "sidecar.dead_letter": "SELECT id, reason FROM sidecar.dead_letter",
    "notify.delivery": "SELECT id, error FROM notify.delivery WHERE state = 'dead'",
}

GOES_ON = "c.change = 'completed' AND c.rule IS NOT NULL AND c.rule !~ 'COUNT=1$'"
# (invariant, where to look, SQL whose rows are violations)
RULES = [
    ("I1", "a change that audit-service has no row of: was it published (observed), is it in sidecar.delivery?",
     "SELECT c.task_id, c.version, c.change FROM chaos.change c WHERE NOT EXISTS (SELECT 1 FROM audit.audit_log a WHERE a.task_id = c.task_id"
     " AND a.version = c.version AND a.event_type = 'task.' || c.change)"),
    ("I1", "a change without its events in chat.outbox, which are written in its transaction (task_store.lua)",
     "SELECT c.task_id, c.version, c.change FROM chaos.change c WHERE (SELECT count(*) FROM chaos.emitted e WHERE e.key = c.task_id AND e.version = c.version"
     " AND e.source = 'chat' AND e.topic IN ('task-events', 'task-updates') AND e.tx = c.tx) <> 2"),
    ("I1", "a completed task of a series without a next one: is recurring.next in recur.outbox, chat.dead_event?",
     f"SELECT DISTINCT c.task_id FROM chaos.change c WHERE {GOES_ON}"
     " AND NOT EXISTS (SELECT 1 FROM chaos.change n WHERE n.change = 'created' AND n.parent = c.task_id)"),
    ("I1", "more next ones than completions of a task (chat.inbox, chat.task.parent_task_id is unique)",
     "SELECT n.parent, count(DISTINCT n.task_id) FROM chaos.change n WHERE n.change = 'created' AND n.parent IS NOT NULL GROUP BY n.parent"
     " HAVING count(DISTINCT n.task_id) > (SELECT count(*) FROM chaos.change c WHERE c.task_id = n.parent AND c.change = 'completed')"),
    ("I1", "a reminder that fired and that notification-service has no row of",
     "SELECT e.key, e.event_id FROM chaos.emitted e WHERE e.topic = 'reminders' AND NOT EXISTS (SELECT 1 FROM notify.delivery d"
     " WHERE d.event_id = e.event_id AND d.channel = 'log' AND d.state IN ('sent', 'skipped'))"),
    ("I1", "deliveries of a task and its reminder.sent are not as many (deliveries.lua: SENT)",
     "SELECT coalesce(d.task_id, s.key), d.n, s.n FROM (SELECT task_id, count(DISTINCT event_id) AS n FROM notify.delivery WHERE state = 'sent' GROUP BY 1) d"
     " FULL JOIN (SELECT key, count(*) AS n FROM chaos.emitted WHERE event_type = 'reminder.sent' GROUP BY 1) s ON s.key = d.task_id WHERE d.n IS DISTINCT FROM s.n"),
    ("I2", "an audit row of a change that never was",
     "SELECT a.task_id, a.version, a.event_id FROM audit.audit_log a WHERE NOT EXISTS (SELECT 1 FROM chaos.change c WHERE c.task_id = a.task_id AND c.version = a.version)"
     " OR NOT EXISTS (SELECT 1 FROM chaos.emitted e WHERE e.event_id = a.event_id)"),
    ("I2", "an event of a change that never was",
     "SELECT e.key, e.version, e.event_id FROM chaos.emitted e WHERE e.source = 'chat' AND e.topic <> 'reminders'"
     " AND NOT EXISTS (SELECT 1 FROM chaos.change c WHERE c.task_id = e.key AND c.version = e.version)"),
    ("I2", "a next task of one that was not completed",
     f"SELECT n.task_id, n.parent FROM chaos.change n WHERE n.change = 'created' AND n.parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM chaos.change c WHERE c.task_id = n.parent AND {GOES_ON})"),
    ("I2", "a delivery of a reminder that never fired",
     "SELECT d.task_id, d.event_id FROM notify.delivery d WHERE NOT EXISTS (SELECT 1 FROM chaos.emitted e WHERE e.event_id = d.event_id AND e.topic = 'reminders')"),
    ("I4", "a reminder that fired more than once",
     "SELECT key, version, count(*) FROM chaos.emitted WHERE topic = 'reminders' GROUP BY 1, 2 HAVING count(*) > 1"),
    ("I4", "a reminder that was delivered more than once",
     "SELECT event_id, channel, count(*) FROM notify.delivery GROUP BY 1, 2 HAVING count(*) > 1"),
    ("I4", "a reminder that is gone, and neither fired nor was cleared by a change of its task",
     "SELECT g.task_id, g.version, g.remind_at FROM chaos.armed g WHERE g.change = 'gone' AND NOT EXISTS (SELECT 1 FROM chaos.emitted e WHERE e.topic = 'reminders'"
     " AND e.key = g.task_id AND e.version = g.version AND e.tx = g.tx) AND NOT EXISTS (SELECT 1 FROM chaos.change c WHERE c.task_id = g.task_id AND c.tx = g.tx AND c.version > g.version)"),
    ("I4", "a reminder whose time is over and that has not fired",
     "SELECT task_id, version, remind_at FROM chat.reminder WHERE remind_at < now() - interval '5 seconds'"),
    ("I5", "a task is not what its last change made of it",
     "SELECT l.task_id, l.version, l.change, t.version FROM (SELECT DISTINCT ON (task_id) * FROM chaos.change ORDER BY task_id, version DESC) l"
     " LEFT JOIN chat.task t ON t.id = l.task_id WHERE (l.change = 'deleted') IS DISTINCT FROM (t.id IS NULL) OR t.version <> l.version OR t.title <> l.title"),
    ("I5", "a task whose changes have a gap, or two of one version",
     "SELECT task_id, count(*), max(version) FROM chaos.change GROUP BY 1 HAVING count(*) <> max(version) OR count(DISTINCT version) <> max(version)"),
    ("I5", "one Idempotency-Key made two tasks (the writers' titles are their keys)",
     "SELECT title, count(DISTINCT task_id) FROM chaos.change WHERE change = 'created' AND parent IS NULL GROUP BY 1 HAVING count(DISTINCT task_id) > 1"),
    ("I6", "a change with more than one audit row",
     "SELECT task_id, version, count(*) FROM audit.audit_log GROUP BY 1, 2 HAVING count(*) > 1"),
    ("I6", "the numbers of audit rows and of changes differ",
     "SELECT a.n AS audit, c.n AS changes FROM (SELECT count(*) AS n FROM audit.audit_log) a, (SELECT count(*) AS n FROM chaos.change) c WHERE a.n <> c.n"),
]

# Seconds without an outage. Firing: outages of the database, chat-api and the machine, each by itself. Delivery: outages
# of anything; those less than AFTER_OUTAGE apart are one, and it excuses also what was due less than that
# after it, for the relay and the sidecar may still wait for their next try.
# What waits goes before it: a delivery gets twice the time, for the writers never stop, and as much as it took in the end until
# nothing waited any more, which is how slow the machine is.
IN_TIME, AFTER_OUTAGE, WITH_BACKLOG = 5, 30, 60
SHOWN = 5

Violation = collections.namedtuple("Violation", "invariant hint rows")


def table(sql, query):
    text = sql(query)
    return [line.split("|") for line in text.split("\n")] if text else []


def waiting(sql):
    """What is not done yet: {what: how many}."""
    query = " UNION ALL ".join(f"SELECT '{name}', ({count})" for name, count in WAITING.items())
    return {name: int(count) for name, count in table(sql, query) if count != "0"}


def uptime(began, ended, spans):
    """Seconds of [began, ended] in which nothing was away."""
    at, up = began, 0.0
    for start, end in spans:
        if end <= at:
            continue
        if start >= ended:
            break
        up += max(0.0, start - at)
        at = max(at, end)
    return up + max(0.0, ended - at)


def merge(spans, gap=0):
    """As few spans as there can be; those that are not further apart than `gap` seconds are one."""
    merged = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1] + gap:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


# Due is what was stored: a moment ahead when it was asked for may be over when it is committed.
FIRED = ("SELECT e.key, e.version, extract(epoch FROM greatest(a.remind_at, a.at)), extract(epoch FROM e.at), extract(epoch FROM d.sent_at) FROM chaos.emitted e"
         " JOIN chaos.armed a ON a.change = 'set' AND a.task_id = e.key AND a.version = e.version"
         " LEFT JOIN notify.delivery d ON d.event_id = e.event_id AND d.channel = 'log' WHERE e.topic = 'reminders'")


class Checker:
    """sql: fn(text) -> text. observed: lines of the observer. journal: as writers.Tally. outages: as Outages.all(). drained: seconds."""

    def __init__(self, sql, observed, journal=(), keys=None, refused=(), outages=(), drained=0):
        self.sql, self.observed, self.journal = sql, observed, journal
        self.keys, self.refused, self.outages, self.drained = keys or {}, refused, outages, drained
        self.figures = {}

    def check(self):
        found = []
        rules = RULES + [("I1", f"given up, and nothing here deserves it: {name}", query) for name, query in DEAD.items()]
        rows = collections.defaultdict(list)
        for number, row in table(self.sql, " UNION ALL ".join(f"SELECT {i}, translate((r.*)::text, E'|\\n', '  ') FROM ({rule[2]}) AS r" for i, rule in enumerate(rules))):
            rows[int(number)].append([row])
        for i, (invariant, hint, _) in enumerate(rules):
            self.note(found, invariant, hint, rows[i])
        self.check_published(found)
        self.check_lateness(found)
        self.check_journal(found)
        for name, count in waiting(self.sql).items():
            self.note(found, "I1", "it still waits", [[name, str(count)]])
        return found

    @staticmethod
    def note(found, invariant, hint, rows):
        if rows:
            found.append(Violation(invariant, hint, rows))

    def check_published(self, found):
        emitted = {row[0]: row[1:] for row in table(self.sql, "SELECT event_id, topic, source, key, version, min(row_id) FROM chaos.emitted GROUP BY 1, 2, 3, 4, 5")}
        seen, order, backwards, unknown = set(), {}, [], []
        for line in self.observed:
            topic, event_id, _, task, _ = line
            if event_id in seen:
                continue
            seen.add(event_id)
            if event_id not in emitted:
                unknown.append(line)
                continue
            _, source, _, version, row_id = emitted[event_id]
            lane, now = (source, topic, task), (int(version), int(row_id))
            if lane in order and order[lane] > now:
                backwards.append([topic, task, event_id, f"version {now[0]} after {order[lane][0]}"])
            order[lane] = max(now, order.get(lane, now))
        self.note(found, "I2", "an event was heard that no transaction wrote", unknown)
        self.note(found, "I3", "of one task a later event was heard first (relay: lib/outbox.lua, lanes: sidecar/delivery.lua)", backwards)
        missing = [[event_id, *emitted[event_id]] for event_id in emitted.keys() - seen]
        self.note(found, "I1", "an event was committed and never heard by the observer: lost between outbox and sidecar.delivery, or behind it", missing)
        self.figures.update(events=len(emitted), heard=len(self.observed), duplicates=len(self.observed) - len(seen))

    def check_lateness(self, found):
        firing = merge([s[:2] for s in self.outages if s[2] in ("database", "chat-api", "chat-api-2", "machine")])
        telling = merge([s[:2] for s in self.outages], AFTER_OUTAGE)
        late, worst = [], {"fired": 0.0, "delivered": 0.0}
        for task, version, due, fired, sent in table(self.sql, FIRED):
            for moment, spans, before, limit, what in ((fired, firing, 0, AFTER_OUTAGE, "fired"), (sent, telling, AFTER_OUTAGE, WITH_BACKLOG + self.drained, "delivered")):
                if not moment:
                    continue    # skipped: the task was closed meanwhile
                due_at, at = float(due), float(moment)
                covered = any(start < due_at + IN_TIME and end > due_at - before for start, end in spans)
                up = uptime(due_at, at, spans)
                worst[what] = max(worst[what], up)
                if up > (limit if covered else IN_TIME):
                    late.append([task, version, f"due at {due_at:.1f}, {what} {at - due_at:.1f} s later, {up:.1f} s of them without an outage"])
        self.note(found, "I4", "a reminder was late (reminders.sweep, the job, or the way to notification-service)", late)
        self.figures.update(reminders=len(table(self.sql, "SELECT 1 FROM chaos.emitted WHERE topic = 'reminders'")),
                            latest_fired_s=round(worst["fired"], 1), latest_delivered_s=round(worst["delivered"], 1))

    def check_journal(self, found):
        changes = {(row[0], int(row[1])): row[2:] for row in table(self.sql, "SELECT task_id, version, change, title FROM chaos.change")}
        lost = []
        for task, version, change, title in self.journal:
            made = changes.get((task, version))
            if made is None or change and made[0] != change or title and made[1] != title:
                lost.append([task, str(version), str(change), str(title), f"in the database: {made}"])
        self.note(found, "I5", "a write was answered 2xx and is not there", lost)
        self.note(found, "I5", "one Idempotency-Key was answered with two tasks", [[key, *ids] for key, ids in self.keys.items() if len(ids) > 1])
        created = {made[1] for made in changes.values() if made[0] == "created"}
        self.note(found, "I5", "a create was refused by 422, and yet its task is there (a retry must return the first answer)",
                  [[key] for key in self.refused if key in created])
        self.figures.update(changes=len(changes), answered=len(self.journal), tasks=len({task for task, _ in changes}))


def read_observed(path):
    with open(path) as file:
        return [line.rstrip("\n").split("\t") for line in file if line.count("\t") == 4]


def show(violations, out=print):
    for violation in violations:
        out(f"VIOLATION {violation.invariant}: {violation.hint} ({len(violation.rows)})")
        for row in violation.rows[:SHOWN]:
            out("    " + " ".join(str(part) for part in row)[:1000])

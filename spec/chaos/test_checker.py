"""The checker itself: it finds nothing in a run without faults, and finds each thing that is put wrong in the
database or in what was heard and answered."""

import os
import shutil
import sys
import tempfile
import time
import unittest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support")]
from checker import TRUTH, Checker, read_observed, waiting  # noqa: E402
from fleet import Fleet  # noqa: E402
from system import wait_until  # noqa: E402
from writers import Tally, Writer  # noqa: E402

AUDIT = "SELECT id FROM audit.audit_log ORDER BY id LIMIT 1"
FREE = "SET session_replication_role = replica; "    # the triggers and foreign keys do not look
CHILD = "(SELECT task_id FROM chaos.change WHERE change = 'created' AND parent IS NOT NULL ORDER BY seq LIMIT 1)"
# One that was told, and is no task that was closed meanwhile.
FIRED = ("(SELECT e.event_id FROM chaos.emitted e JOIN notify.delivery d ON d.event_id = e.event_id AND d.channel = 'log' AND d.state = 'sent'"
         " WHERE e.topic = 'reminders' ORDER BY e.seq LIMIT 1)")


class CheckerFails(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="todo-chaos-checker-")
        cls.fleet = Fleet(cls.folder)
        cls.tally = Tally()
        try:
            cls.fleet.start(TRUTH)
            writers = [Writer(n, [cls.fleet.port("chat-api")], "checker", 0.05, cls.tally) for n in range(6)]
            for writer in writers:
                writer.start()
            wait_until(lambda: cls.fleet.sql("SELECT count(DISTINCT event_id) >= 3 FROM notify.delivery WHERE state = 'sent'") == "t"
                       and cls.fleet.sql("SELECT count(*) >= 3 FROM chaos.change WHERE parent IS NOT NULL") == "t"
                       and cls.fleet.sql("SELECT count(*) >= 3 FROM chaos.change WHERE change = 'deleted'") == "t"
                       and len(cls.tally.journal) > 50, 60, lambda: f"something of everything: {len(cls.tally.journal)} writes")
            for writer in writers:
                writer.stop_at = time.monotonic() + 10
            for writer in writers:
                writer.join(30)
            wait_until(lambda: not waiting(cls.fleet.sql), 90, lambda: f"it to be quiet: {waiting(cls.fleet.sql)}")
        except BaseException:
            print(cls.fleet.troubles(), flush=True)
            raise
        finally:
            cls.bad_ends = cls.fleet.stop()
        # Of the machine alone: nothing was broken here.
        cls.stalls = cls.fleet.outages.of_the_machine()
        wait_until(lambda: cls.fleet.pg.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{cls.fleet.database}'") == "0", 15, "nobody is connected")
        cls.observed = read_observed(cls.fleet.observed_path)
        cls.copies = 0

    @classmethod
    def tearDownClass(cls):
        cls.fleet.pg.remove()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def found(self, sql="", observed=None, journal=None, outages=(), **more):
        """The violations of a copy in which `sql` was done: (invariant, hint)."""
        type(self).copies += 1
        name = f"copy_{self.copies}"
        self.fleet.pg.sql(f"CREATE DATABASE {name} TEMPLATE {self.fleet.database}")
        try:
            if sql:
                self.fleet.pg.sql(FREE + sql, name)
            checker = Checker(lambda text: self.fleet.pg.sql(text, name), self.observed if observed is None else observed,
                              self.tally.journal if journal is None else journal,
                              more.get("keys", self.tally.keys), more.get("refused", ()), [*outages, *(self.stalls if not sql else ())])
            return checker.check()
        finally:
            self.fleet.pg.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def assert_found(self, invariant, hint, sql="", **more):
        violations = self.found(sql, **more)
        hits = [v for v in violations if v.invariant == invariant and hint in v.hint]
        self.assertTrue(hits, f"not found: {invariant} {hint}; but {[(v.invariant, v.hint, v.rows[:2]) for v in violations]}")
        return violations

    def test_nothing_is_found_where_nothing_is_wrong(self):
        self.assertEqual(self.found(), [])
        self.assertEqual((self.bad_ends, self.fleet.ended, self.tally.unexpected), ([], [], []))
        self.assertGreater(len(self.tally.journal), 50)
        self.assertGreater(len(self.observed), 100)    # each change is heard twice

    def test_an_audit_row_is_missing(self):
        found = self.assert_found("I1", "audit-service has no row", f"DELETE FROM audit.audit_log WHERE id = ({AUDIT})")
        self.assertIn("I6", {v.invariant for v in found})

    def test_an_audit_row_is_doubled(self):
        self.assert_found("I6", "more than one audit row", "INSERT INTO audit.audit_log (event_id, event_type, user_id, task_id, version, occurred_at, source, payload)"
                          f" SELECT gen_random_uuid(), event_type, user_id, task_id, version, occurred_at, source, payload FROM audit.audit_log WHERE id = ({AUDIT})")

    def test_an_audit_row_of_a_task_that_never_was(self):
        self.assert_found("I2", "of a change that never was", f"UPDATE audit.audit_log SET task_id = gen_random_uuid() WHERE id = ({AUDIT})")

    def test_a_change_wrote_no_event(self):
        self.assert_found("I1", "without its events", "DELETE FROM chaos.emitted WHERE seq = (SELECT min(seq) FROM chaos.emitted WHERE topic = 'task-events')")

    def test_an_event_without_a_change(self):
        self.assert_found("I2", "an event of a change that never was", "INSERT INTO chaos.emitted (source, row_id, topic, key, version, event_id, event_type)"
                          " VALUES ('chat', 1, 'task-events', gen_random_uuid(), 1, gen_random_uuid(), 'task.created')")

    def test_a_next_task_is_missing(self):
        self.assert_found("I1", "without a next one", f"DELETE FROM chaos.change WHERE task_id = {CHILD}")

    def test_a_next_task_is_doubled(self):
        self.assert_found("I1", "more next ones than completions", "INSERT INTO chaos.change (task_id, version, change, title, rule, parent)"
                          f" SELECT gen_random_uuid(), 1, 'created', title, rule, parent FROM chaos.change WHERE task_id = {CHILD} AND version = 1")

    def test_a_next_task_of_one_that_was_not_completed(self):
        self.assert_found("I2", "one that was not completed", f"UPDATE chaos.change SET parent = gen_random_uuid() WHERE task_id = {CHILD}")

    def test_a_delivery_is_missing(self):
        self.assert_found("I1", "notification-service has no row of", f"DELETE FROM notify.delivery WHERE event_id = {FIRED}")

    def test_a_delivery_is_doubled(self):
        self.assert_found("I4", "delivered more than once", "ALTER TABLE notify.delivery DROP CONSTRAINT delivery_event_id_channel_key; INSERT INTO notify.delivery (event_id, channel, state, task_id, user_id, reminder, deliver_at)"
                          f" SELECT event_id, channel, state, task_id, user_id, reminder, deliver_at FROM notify.delivery WHERE event_id = {FIRED}")

    def test_a_delivery_of_nothing(self):
        self.assert_found("I2", "never fired", f"UPDATE notify.delivery SET event_id = gen_random_uuid() WHERE event_id = {FIRED}")

    def test_a_reminder_is_announced_twice(self):
        self.assert_found("I1", "reminder.sent are not as many", "INSERT INTO chaos.emitted (source, row_id, topic, key, version, event_id, event_type)"
                          " SELECT source, row_id + 1, topic, key, version, gen_random_uuid(), event_type FROM chaos.emitted WHERE event_type = 'reminder.sent' LIMIT 1")

    def test_a_reminder_fired_twice(self):
        self.assert_found("I4", "fired more than once", "INSERT INTO chaos.emitted (source, row_id, topic, key, version, event_id, event_type, tx)"
                          f" SELECT source, row_id, topic, key, version, gen_random_uuid(), event_type, tx FROM chaos.emitted WHERE event_id = {FIRED}")

    def test_a_reminder_vanished(self):
        self.assert_found("I4", "neither fired nor was cleared", f"DELETE FROM chaos.emitted WHERE event_id = {FIRED}")

    def test_a_reminder_never_fired(self):
        self.assert_found("I4", "has not fired", "INSERT INTO chat.reminder VALUES (gen_random_uuid(), 'u', now() - interval '1 minute', 1)")

    def test_a_reminder_was_late_and_an_outage_excuses_only_so_much(self):
        later = "UPDATE chaos.emitted SET at = at + interval '20 seconds' WHERE event_id = " + FIRED
        at = float(self.fleet.sql(f"SELECT extract(epoch FROM at) FROM chaos.emitted WHERE event_id = {FIRED}"))
        self.assert_found("I4", "was late", later)
        outage = [(at - 3, at + 4, "database")]
        self.assertEqual(self.found(later, outages=[*outage, *self.stalls]), [])
        self.assertEqual(self.found(later, outages=[(at - 3, at + 4, "machine"), *self.stalls]), [])
        self.assert_found("I4", "was late", later.replace("20 s", "60 s"), outages=outage)
        self.assert_found("I4", "was late", later, outages=[(at + 10, at + 12, "database")])

    def test_a_delivery_was_late(self):
        self.assert_found("I4", "was late", f"UPDATE notify.delivery SET sent_at = sent_at + interval '9 seconds' WHERE event_id = {FIRED}")

    def test_a_task_lost_its_last_change(self):
        self.assert_found("I5", "not what its last change made", "UPDATE chat.task SET version = version - 1 WHERE id = (SELECT id FROM chat.task LIMIT 1)")
        self.assert_found("I5", "not what its last change made", "DELETE FROM chat.task WHERE id = (SELECT id FROM chat.task LIMIT 1)")

    def test_a_task_has_a_gap(self):
        self.assert_found("I5", "have a gap", "DELETE FROM chaos.change WHERE seq = (SELECT min(seq) FROM chaos.change WHERE version = 1 AND task_id IN (SELECT task_id FROM chaos.change WHERE version = 2))")

    def test_an_answered_write_is_lost(self):
        task, version, change, title = self.tally.journal[0]
        self.assert_found("I5", "answered 2xx and is not there", f"DELETE FROM chaos.change WHERE task_id = '{task}'; DELETE FROM chat.task WHERE id = '{task}'; DELETE FROM audit.audit_log WHERE task_id = '{task}'")
        self.assert_found("I5", "answered 2xx and is not there", journal=[(task, version, change, "another title")])

    def test_a_key_made_two_tasks(self):
        self.assert_found("I5", "made two tasks", "INSERT INTO chaos.change (task_id, version, change, title) SELECT gen_random_uuid(), 1, 'created', title FROM chaos.change WHERE change = 'created' AND parent IS NULL LIMIT 1")
        self.assert_found("I5", "answered with two tasks", keys={"k": {"a", "b"}})
        self.assert_found("I5", "refused by 422", refused=[self.tally.journal[0][3]])

    def test_an_event_was_not_heard(self):
        lost = self.observed[0][1]
        self.assert_found("I1", "never heard", observed=[line for line in self.observed if line[1] != lost])

    def test_an_event_was_heard_that_nobody_wrote(self):
        self.assert_found("I2", "no transaction wrote", observed=self.observed + [["task-events", "x", "task.created", "y", "1"]])

    def test_events_were_heard_in_another_order(self):
        self.assert_found("I3", "heard first", observed=self.observed[::-1])
        self.assertEqual(self.found(observed=self.observed + self.observed), [], "what comes again is no fault")

    def test_something_still_waits_or_was_given_up(self):
        self.assert_found("I1", "still waits", "INSERT INTO chat.job_change VALUES (gen_random_uuid(), NULL, 1)")
        self.assert_found("I1", "given up", "INSERT INTO audit.dead_event (topic, error, body) VALUES ('t', 'e', 'b')")


if __name__ == "__main__":
    unittest.main()

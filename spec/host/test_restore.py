"""A deleted task comes back: the same one, for its user, its reminder, its series and everybody who was told."""

import datetime
import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from system import HostCase, postgres, token, wait_until  # noqa: E402


def moment(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def same(task):
    """All of it but what each change changes."""
    return {key: value for key, value in task.items() if key not in ("version", "updated_at")}


class RestoreCase(HostCase):
    def sql(self, text):
        return postgres().sql(text, self.host.database)

    def delete(self, task):
        reply = self.host.call("DELETE", "/api/tasks/" + task["id"], token=token(task["user_id"]))
        self.assertEqual(reply.status, 200, reply.body)

    def restore(self, task, user=None):
        return self.host.call("POST", f"/api/tasks/{task['id']}/restore", token=token(user or task["user_id"]))

    def get(self, task):
        return self.host.get("/api/tasks/" + task["id"], token=token(task["user_id"]))


class Restore(RestoreCase):
    def events(self, task):
        """(topic, type, version of the row, version of the task in it), as they were written."""
        return [tuple(row) for row in json.loads(self.sql(
            "SELECT json_agg(json_build_array(topic, event_type, version, coalesce(data::json->'payload'->'task', data::json->'payload')->'version')"
            f" ORDER BY id) FROM chat.outbox WHERE key = '{task['id']}'"))]

    def test_brings_back_the_same_task(self):
        task = self.create(title="Déjà vu 🦊", description="a\nb", due_date="2031-05-01T10:00:00.123Z", tags=["x", "y z"], priority="high",
                           reminder_offset_minutes=30, recurrence_rule="FREQ=WEEKLY;BYDAY=MO", timezone="Europe/Berlin", repeat_from="completion")
        self.delete(task)
        self.assert_problem(self.get(task), 404)
        before = moment(0)
        reply = self.restore(task)
        self.assertEqual((reply.status, reply.headers["etag"], reply.json["version"]), (200, '"3"', 3))
        self.assertEqual(same(reply.json), same(task))
        self.assertGreaterEqual(reply.json["updated_at"], before)
        self.assertEqual(self.get(task).json, reply.json)

    def test_a_task_with_nothing_in_it_comes_back_so(self):
        task = self.create(title="bare")
        self.delete(task)
        self.assertEqual(same(self.restore(task).json), same(task))

    def test_its_events_go_on_behind_those_of_the_deletion(self):
        task = self.create(title="told")
        self.delete(task)
        self.restore(task)
        self.assertEqual(self.events(task), [
            ("task-events", "task.created", 1, 1), ("task-updates", "task.sync", 1, 1),
            ("task-events", "task.deleted", 2, 1), ("task-updates", "task.sync", 2, 1),
            ("task-events", "task.created", 3, 3), ("task-updates", "task.sync", 3, 3)])
        self.delete(task)
        self.restore(task)
        self.assertEqual(self.get(task).json["version"], 5)
        self.assertEqual(self.events(task)[6:], [("task-events", "task.deleted", 4, 3), ("task-updates", "task.sync", 4, 3),
                                                 ("task-events", "task.created", 5, 5), ("task-updates", "task.sync", 5, 5)])

    def test_of_one_that_is_there_changes_nothing(self):
        task = self.create()
        self.assertEqual(self.restore(task).json, task)
        self.delete(task)
        first = self.restore(task)
        self.assertEqual(self.restore(task).json, first.json)
        self.assertEqual(len(self.events(task)), 6)

    def test_many_at_once_are_one(self):
        task, answers = self.create(), []
        self.delete(task)
        threads = [threading.Thread(target=lambda: answers.append(self.restore(task).json)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [answers[0]] * 8)
        self.assertEqual((answers[0]["version"], len(self.events(task))), (3, 6))

    def test_what_is_not_there_and_what_is_anothers_are_alike(self):
        task = self.create(user="bob")
        self.delete(task)
        foreign, absent = self.restore(task, "eve"), self.restore({**task, "id": "00000000-0000-4000-8000-000000000000"}, "eve")
        self.assert_problem(foreign, 404)
        self.assertEqual(foreign.body, absent.body)
        self.assert_problem(self.restore({**task, "id": "x"}), 404)
        self.assertEqual(self.restore(task).status, 200)

    def test_a_completed_one_is_still_completed(self):
        task = self.create()
        self.host.call("PATCH", f"/api/tasks/{task['id']}/complete")
        self.delete(task)
        self.assertEqual(self.restore(task).json["status"], "completed")
        self.assertNotIn(("task-events", "task.completed", 4, 4), self.events(task))

    def test_the_reminder_is_armed_again_while_it_lies_ahead(self):
        task = self.create(due_date=moment(7200), reminder_offset_minutes=60)
        self.delete(task)
        self.assertEqual(self.sql(f"SELECT count(*) FROM chat.reminder WHERE task_id = '{task['id']}'"), "0")
        self.restore(task)
        self.assertEqual(self.sql(f"SELECT version FROM chat.reminder WHERE task_id = '{task['id']}'"), "3")

    def test_a_reminder_that_is_over_stays_on_the_task_and_does_not_go_out(self):
        task = self.create(due_date=moment(7200), reminder_offset_minutes=60)
        self.delete(task)
        self.sql(f"UPDATE chat.deleted_task SET task = jsonb_set(task::jsonb, '{{remind_at}}', '\"{moment(-60)}\"')::text WHERE task_id = '{task['id']}'")
        self.assertEqual(self.restore(task).json["reminder_offset_minutes"], 60)
        self.assertEqual(self.sql(f"SELECT count(*) FROM chat.reminder WHERE task_id = '{task['id']}'"), "0")

    def test_one_that_is_deleted_again_is_remembered_as_a_parent_from_then_on(self):
        task = self.create()
        self.host.call("PATCH", f"/api/tasks/{task['id']}/complete")
        self.delete(task)
        self.restore(task)
        self.sql(f"UPDATE chat.departed_parent SET departed_at = now() - interval '7 days' WHERE task_id = '{task['id']}'")
        self.delete(task)
        self.assertEqual(self.sql(f"SELECT departed_at > now() - interval '1 day' FROM chat.departed_parent WHERE task_id = '{task['id']}'"), "t")

    def test_nobody_keeps_it_for_ever(self):
        old, new = self.create(), self.create()
        self.delete(old)
        self.delete(new)
        self.sql(f"UPDATE chat.deleted_task SET deleted_at = now() - interval '31 days' WHERE task_id = '{old['id']}'")
        self.host.stop()
        self.host.start()    # it sweeps then, and every hour
        wait_until(lambda: self.sql(f"SELECT count(*) FROM chat.deleted_task WHERE task_id = '{old['id']}'") == "0", 30, "it is forgotten")
        self.assert_problem(self.restore(old), 404)
        self.assertEqual(self.restore(new).status, 200)


class Together(RestoreCase):
    """The whole system on one machine."""

    services = ("--all",)

    def history(self, task):
        reply = self.host.get(f"/api/tasks/{task['id']}/history")
        return [(entry["event_type"], entry["version"]) for entry in reply.json["entries"]] if reply.status == 200 else []

    def test_the_history_goes_on(self):
        task = self.create(title="historic")
        self.delete(task)
        self.restore(task)
        wanted = [("task.created", 1), ("task.deleted", 2), ("task.created", 3)]
        wait_until(lambda: self.history(task) == wanted, 30, "the history")

    def test_the_reminder_goes_out_once(self):
        for ahead in (4, 20, 100):    # until the machine does not stand still for so long: what is over does not go out
            reply = self.host.post("/api/tasks", {"title": "a task", "due_date": moment(60 + ahead), "reminder_offset_minutes": 1})
            if reply.status == 422:
                continue
            task = reply.json
            self.delete(task)
            if self.restore(task).json["updated_at"] < task["remind_at"]:
                break
        self.assertEqual((reply.status, self.get(task).json["version"]), (201, 3))
        sent = f"SELECT count(*) FROM notify.delivery WHERE task_id = '{task['id']}' AND state = 'sent'"
        wait_until(lambda: self.sql(sent) == "1", 60, "the reminder")
        self.assertEqual(self.sql(f"SELECT count(*) FROM chat.reminder WHERE task_id = '{task['id']}'"), "0")

    def complete(self, task):
        """The next occurrence that it brings."""
        self.assertEqual(self.host.call("PATCH", f"/api/tasks/{task['id']}/complete").status, 200)
        return wait_until(lambda: next((t for t in self.host.get("/api/tasks").json if t["parent_task_id"] == task["id"]), None), 30, "the next one")

    def test_the_series_goes_on(self):
        first = self.create(title="water plants", due_date="2031-01-31T09:00:00Z", recurrence_rule="MONTHLY")
        self.delete(first)
        self.restore(first)
        second = self.complete(first)
        self.assertEqual(second["due_date"], "2031-02-28T09:00:00.000Z")
        self.delete(second)
        self.assertEqual(same(self.restore(second).json), same(second))
        self.assertEqual(self.complete(second)["due_date"], "2031-03-31T09:00:00.000Z")

    def test_a_completion_that_was_taken_back_is_no_end_of_the_series(self):
        first = self.create(title="sweep the stairs", due_date="2031-01-31T09:00:00Z", recurrence_rule="MONTHLY")
        second = self.complete(first)
        self.assertEqual(self.host.call("PUT", "/api/tasks/" + first["id"], {"status": "pending"}).status, 200)
        self.assertEqual(self.complete(first), second)    # there is one
        self.assertEqual(self.host.call("PUT", "/api/tasks/" + first["id"], {"status": "pending"}).status, 200)
        self.delete(second)
        third = self.complete(first)
        self.assertNotEqual(third["id"], second["id"])
        self.assertEqual(third["due_date"], second["due_date"])
        self.assert_problem(self.restore(second), 404)
        self.assertEqual(self.complete(third)["due_date"], "2031-03-31T09:00:00.000Z")


del RestoreCase    # a base of others, with no tests of its own

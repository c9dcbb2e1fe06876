"""The calendar feed and the import of calendar files against the real program. What it writes is read by icalendar
and vobject, which are not ours, and its time zones and rules are compared with Python's."""

import contextlib
import datetime
import hashlib
import os
import socket
import sys
import threading
import zoneinfo

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
sys.path.append("/usr/lib/python3/dist-packages")    # Debian's packages, also for another python3
import icalendar  # noqa: E402
import vobject  # noqa: E402
from dateutil import rrule  # noqa: E402
from faults import at_once  # noqa: E402
from system import HostCase, Session, make_token, postgres, token, wait_until  # noqa: E402

CALENDARS = os.path.join(os.path.dirname(__file__), "..", "support", "calendars")
UTC = datetime.timezone.utc


def sample(name):
    with open(os.path.join(CALENDARS, name), "rb") as file:
        return file.read()


def vtodos(*lines_of_each):
    text = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//spec//EN"]
    for lines in lines_of_each:
        text += ["BEGIN:VTODO", *lines, "END:VTODO"]
    return "\r\n".join([*text, "END:VCALENDAR", ""])


class CalendarCase(HostCase):
    def feed(self, user):
        reply = self.host.post("/api/calendar", token=token(user))
        self.assertEqual(reply.status, 201, reply.body)
        return self.path(reply.json["url"])

    def path(self, url):
        self.assertRegex(url, r"^http://127\.0\.0\.1:\d+/calendar/[A-Za-z0-9_-]{32}\.ics$")
        return url[url.index("/calendar/"):]

    def read(self, path, **headers):
        return self.host.get(path, token=None, headers=headers)

    def asked(self, path):
        """As `read`; what the database does not get to in time is 503, and programs ask again."""
        return wait_until(lambda: (reply := self.read(path)).status != 503 and reply, what="an answer")

    def components(self, path, kind):
        reply = self.asked(path)
        self.assertEqual(reply.status, 200, reply.body)
        found = icalendar.Calendar.from_ical(reply.body).walk(kind)
        return {str(component["SUMMARY"]): component for component in found}

    def send(self, body, user="ann", query="", kind="text/calendar"):
        return self.host.post("/api/import/calendar" + query, body, token=token(user), headers={"Content-Type": kind})

    def sent(self, *words):
        """As `send`; a lock that comes too late is 503, and then the file may be sent again."""
        return wait_until(lambda: (reply := self.send(*words)).status != 503 and reply, what="an answer")

    def tasks(self, user):
        return {task["title"]: task for task in self.host.get("/api/tasks", token=token(user)).json}

    def imported(self, body, user, query=""):
        reply = self.send(body, user, query)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json, self.tasks(user)


class Address(CalendarCase):
    def test_there_is_none_until_it_is_asked_for(self):
        self.assertEqual(self.host.get("/api/calendar", token=token("new")).json,
                         {"url": None, "active": False, "created_at": None})

    def test_is_shown_again_and_the_database_does_not_have_it(self):
        path = self.feed("show")
        again = self.host.get("/api/calendar", token=token("show")).json
        self.assertEqual(self.path(again["url"]), path)
        self.assertTrue(again["active"])
        secret = path[len("/calendar/"):-len(".ics")]
        row = postgres().sql("SELECT f::text FROM chat.calendar_feed f WHERE user_id = 'show'", self.host.database)
        self.assertNotIn(secret, row)
        self.assertIn(hashlib.sha256(secret.encode()).hexdigest(), row)

    def test_a_new_one_ends_the_one_before(self):
        old, new = self.feed("renew"), self.feed("renew")
        self.assertNotEqual(old, new)
        self.assert_problem(self.read(old), 404)
        self.assertEqual(self.read(new).status, 200)

    def test_ends_when_it_is_deleted(self):
        path = self.feed("end")
        self.assertEqual(self.host.call("DELETE", "/api/calendar", token=token("end")).json, {"deleted": True})
        self.assert_problem(self.read(path), 404)
        self.assertIsNone(self.host.get("/api/calendar", token=token("end")).json["url"])

    def test_is_the_one_of_its_user_alone(self):
        self.create("one", title="of one", due_date="2030-01-01T10:00:00Z")
        self.create("two", title="of two", due_date="2030-01-01T10:00:00Z")
        one, two = self.feed("one"), self.feed("two")
        self.assertEqual(list(self.components(one, "VEVENT")), ["of one"])
        self.assertEqual(list(self.components(two, "VEVENT")), ["of two"])
        self.host.call("DELETE", "/api/calendar", token=token("two"))
        self.assertEqual(self.read(one).status, 200)

    def test_needs_a_token_to_be_made_shown_or_ended(self):
        for method in ("GET", "POST", "DELETE"):
            self.assert_problem(self.host.call(method, "/api/calendar", token=None), 401)

    def test_is_https_where_the_proxy_says_so(self):
        reply = self.host.post("/api/calendar", token=token("tls"), headers={"X-Forwarded-Proto": "https", "Host": "todo.example"})
        self.assertTrue(reply.json["url"].startswith("https://todo.example/calendar/"), reply.json)

    def test_every_other_path_is_not_found(self):
        path = self.feed("paths")
        for other in (path[:-4], path + "x", path[:-5] + ".ics", path.replace(".ics", ".ICS"), "/calendar/.ics",
                      "/calendar/%27%20OR%201.ics", "/calendar/" + "a" * 3000 + ".ics"):
            self.assertIn(self.read(other).status, (404, 414), other)
        self.assert_problem(self.read("/calendar/%00.ics"), 400)

    def test_is_not_in_the_log_nor_in_the_metrics(self):
        path = self.feed("quiet")
        self.read(path)
        secret = path[len("/calendar/"):-len(".ics")]
        self.assertNotIn(secret, self.host.log_text())
        self.assertNotIn(secret.encode(), self.host.get("/metrics", token=None).body)


class Guesses(CalendarCase):
    env = {"WORKERS": "1"}

    def test_are_limited_for_each_address_and_those_who_know_still_read(self):
        path = self.feed("ann")
        statuses = [self.asked(f"/calendar/guess-{i}.ics").status for i in range(200)]
        self.assertEqual(statuses, [404] * 200)
        # Some are allowed again each second: who guesses faster than that is stopped, after as many as it takes.
        wait_until(lambda: statuses.extend(at_once(20, lambda: self.asked("/calendar/guess.ics").status)) or 429 in statuses, what="a refusal")
        self.assertEqual(set(statuses), {404, 429})
        self.assertEqual(self.read(path).status, 200)


class OtherKey(CalendarCase):
    def test_the_address_goes_on_but_is_not_shown_once_the_key_of_tokens_is_another(self):
        path = self.feed("ann")
        self.host.stop()
        key = "another-key-9876543210-zyxwvutsrqponm"
        self.host.env["JWT_SECRET"] = key
        self.host.start()
        self.assertEqual(self.read(path).status, 200)
        reply = self.host.get("/api/calendar", token=make_token({"sub": "ann", "exp": 4102444800}, secret=key))
        self.assertEqual((reply.json["url"], reply.json["active"]), (None, True))


class Feed(CalendarCase):
    def test_has_the_open_tasks_that_are_due_as_events(self):
        self.create("feed", title="due", due_date="2030-01-01T10:00:00Z", description="a, b; c\nd", tags=["x", "y,z"])
        self.create("feed", title="no date")
        done = self.create("feed", title="done", due_date="2030-01-01T10:00:00Z")
        self.host.call("PATCH", f"/api/tasks/{done['id']}/complete", token=token("feed"))
        path = self.feed("feed")
        events = self.components(path, "VEVENT")
        self.assertEqual(list(events), ["due"])
        event = events["due"]
        self.assertEqual(event["DTSTART"].dt, datetime.datetime(2030, 1, 1, 10, tzinfo=UTC))
        self.assertEqual(str(event["DESCRIPTION"]), "a, b; c\nd")
        self.assertEqual(vobject.readOne(self.read(path).body.decode()).vevent.categories.value, ["x", "y,z"])

    def test_has_all_tasks_as_todos_where_it_is_asked_to(self):
        task = self.create("todo", title="due", due_date="2030-01-01T10:00:00Z", priority="high", reminder_offset_minutes=30)
        self.create("todo", title="no date")
        done = self.create("todo", title="done", due_date="2030-01-02T10:00:00Z")
        self.host.call("PATCH", f"/api/tasks/{done['id']}/complete", token=token("todo"))
        todos = self.components(self.feed("todo") + "?todo=1", "VTODO")
        self.assertEqual(sorted(todos), ["done", "due", "no date"])
        due = todos["due"]
        self.assertEqual((due["UID"], due["PRIORITY"], due["STATUS"], due["SEQUENCE"]), (task["id"], 1, "NEEDS-ACTION", 1))
        self.assertEqual(due.walk("VALARM")[0]["TRIGGER"].dt, datetime.timedelta(minutes=-30))
        self.assertEqual(todos["done"]["STATUS"], "COMPLETED")
        self.assertIn("COMPLETED", todos["done"])

    def test_changes_its_sequence_and_its_stamp_with_the_task(self):
        task = self.create("stamp", title="old", due_date="2030-01-01T10:00:00Z")
        changed = self.host.call("PUT", "/api/tasks/" + task["id"], {"title": "new"}, token=token("stamp")).json
        event = self.components(self.feed("stamp"), "VEVENT")["new"]
        self.assertEqual((event["UID"], event["SEQUENCE"]), (task["id"], 2))
        self.assertEqual(event["LAST-MODIFIED"].dt.strftime("%Y-%m-%dT%H:%M:%S"), changed["updated_at"][:19])

    def test_is_not_sent_again_while_nothing_changed(self):
        task = self.create("etag", title="a", due_date="2030-01-01T10:00:00Z")
        path = self.feed("etag")
        for kind in ("", "?todo=1"):
            first = self.read(path + kind)
            self.assertEqual(first.headers["cache-control"], "private, max-age=60")
            etag = first.headers["etag"]
            for known in (etag, "W/" + etag, f'"x", {etag}', "*"):
                again = self.read(path + kind, **{"If-None-Match": known})
                self.assertEqual((again.status, again.body, again.headers["etag"]), (304, b"", etag), known)
            self.assertEqual(self.read(path + kind, **{"If-None-Match": '"x"'}).status, 200)
            self.host.call("PUT", "/api/tasks/" + task["id"], {"title": "b" + kind}, token=token("etag"))
            changed = self.read(path + kind, **{"If-None-Match": etag})
            self.assertEqual(changed.status, 200)
            self.assertNotEqual(changed.headers["etag"], etag)

    def test_is_read_by_programs_that_are_not_ours(self):
        for i, due in enumerate(("2030-07-01T10:00:00Z", "2030-07-01T21:59:00Z", "2030-10-27T01:30:00Z")):
            self.create("read", title=f"Ünï\\ ;,:\" {i} " + "ä€🏠" * 40, due_date=due, timezone="Europe/Berlin",
                        description="x" * 200 + "\n\n" + "é" * 300, recurrence_rule="FREQ=WEEKLY;UNTIL=20310101T000000",
                        reminder_offset_minutes=10, tags=["ä" * 50])
        path = self.feed("read")
        for kind, name in (("", "vevent"), ("?todo=1", "vtodo")):
            reply = self.read(path + kind)
            self.assertEqual(reply.headers["content-type"], "text/calendar; charset=utf-8")
            text = reply.body.decode()
            self.assertNotIn("\n", text.replace("\r\n", ""))
            for line in reply.body.split(b"\r\n"):
                self.assertLessEqual(len(line), 75)
                line.decode()
            titles = sorted(task["title"] for task in self.tasks("read").values())
            calendar = icalendar.Calendar.from_ical(reply.body)
            self.assertEqual(sorted(str(c["SUMMARY"]) for c in calendar.walk(name.upper())), titles)
            parsed = vobject.readOne(text)
            parsed.validate(raiseException=True)
            self.assertEqual(sorted(c.summary.value for c in getattr(parsed, name + "_list")), titles)

    def test_has_time_zones_that_say_what_the_zones_are(self):
        zones = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Jerusalem",
                 "Africa/Casablanca", "America/St_Johns", "Europe/Dublin", "Pacific/Chatham"]
        for name in zones:
            self.create("zones", title=name, due_date="2030-07-01T10:00:00Z", timezone=name)
        this_year = datetime.datetime.now(UTC).year
        calendar = icalendar.Calendar.from_ical(self.read(self.feed("zones")).body)
        found = {str(zone["TZID"]): zone.to_tz() for zone in calendar.walk("VTIMEZONE")}
        self.assertEqual(sorted(found), sorted(zones))
        for name, zone in found.items():
            for hours in range(0, 9 * 366 * 24, 1001):
                utc = datetime.datetime(this_year, 1, 1, tzinfo=UTC) + datetime.timedelta(hours=hours)
                self.assertEqual(utc.astimezone(zone).replace(tzinfo=None), utc.astimezone(zoneinfo.ZoneInfo(name)).replace(tzinfo=None),
                                 f"{name} {utc}")

    def test_has_rules_that_come_on_the_days_of_the_series(self):
        for rule, due, days in (("MONTHLY", "2031-01-31T09:00:00Z", ["01-31", "02-28", "03-31", "04-30"]),
                                ("MONTHLY", "2031-01-15T09:00:00Z", ["01-15", "02-15", "03-15", "04-15"]),
                                ("INTERVAL:20", "2031-01-15T09:00:00Z", ["01-15", "02-04", "02-24", "03-16"]),
                                ("FREQ=WEEKLY;BYDAY=MO,TH", "2031-01-02T09:00:00Z", ["01-02", "01-06", "01-09", "01-13"])):
            title = f"{rule} {due}"
            self.create("rules", title=title, due_date=due, recurrence_rule=rule)
            event = self.components(self.feed("rules"), "VEVENT")[title]
            dates = rrule.rrulestr(event["RRULE"].to_ical().decode(), dtstart=event["DTSTART"].dt)
            self.assertEqual([d.strftime("%m-%d") for d in dates[:4]], days, title)
        self.create("rules", title="from completion", due_date="2031-01-31T09:00:00Z", recurrence_rule="DAILY", repeat_from="completion")
        self.assertNotIn("RRULE", self.components(self.feed("rules"), "VEVENT")["from completion"])

    def test_holds_the_two_thousand_that_are_nearest(self):
        postgres().sql("INSERT INTO chat.task (id, user_id, title, status, priority, due_date, repeat_from, version, created_at, updated_at)"
                       " SELECT gen_random_uuid(), 'many', 'task ' || i, 'pending', 'low', now() + (i - 1500) * interval '1 hour',"
                       " 'due_date', 1, now(), now() FROM generate_series(1, 4000) AS i", self.host.database)
        events = self.components(self.feed("many"), "VEVENT")
        self.assertEqual(len(events), 2000)
        numbers = sorted(int(title.split()[1]) for title in events)
        self.assertEqual((numbers[0], numbers[-1]), (501, 2500))

    def test_refuses_a_kind_that_it_does_not_know(self):
        self.assert_problem(self.read(self.feed("kind") + "?todo=yes"), 422, "todo must be")


class Large(CalendarCase):
    env = {"WORKERS": "1"}

    def test_bodies_are_read_eight_at_a_time(self):
        head = (f"POST /api/import/calendar HTTP/1.1\r\nHost: x\r\nContent-Type: text/calendar\r\nAuthorization: Bearer {token('ann')}\r\n"
                "Expect: 100-continue\r\nContent-Length: %d\r\n\r\n")
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(socket.create_connection(("127.0.0.1", self.host.base), timeout=60)) for _ in range(8)]
            for one in slow:
                one.sendall((head % 100000).encode())
            for one in slow:      # each body has begun
                self.assertEqual(self.line(one), b"HTTP/1.1 100 Continue\r\n\r\n")
                one.sendall(b"\n" * 90000)
            large, small = vtodos(["SUMMARY:x", "X:" + "y" * 70000]), vtodos(["SUMMARY:x"])
            self.assert_problem(self.send(large), 503, "large requests")
            self.assertEqual(self.send(small).status, 200)
            slow[0].sendall(b"\n" * 10000)
            self.assertTrue(slow[0].recv(100).startswith(b"HTTP/1.1 422 "))
        wait_until(lambda: self.send(large).status == 200, what="there is room again")

    def line(self, connection):
        seen = b""
        while not seen.endswith(b"\r\n\r\n"):
            more = connection.recv(1)
            self.assertTrue(more, seen)
            seen += more
        return seen


class Import(CalendarCase):
    def test_takes_a_list_of_apple_reminders(self):
        answer, tasks = self.imported(sample("apple-reminders.ics"), "apple")
        self.assertEqual(answer, {"created": 3, "skipped": [], "adjusted": []})
        plants = tasks["Water the plants on the balcony, also the olive tree in the corner"]
        self.assertEqual((plants["due_date"], plants["timezone"], plants["recurrence_rule"], plants["priority"],
                          plants["reminder_offset_minutes"]), ("2030-07-01T06:00:00.000Z", "Europe/Berlin", "WEEKLY", "high", 1))
        self.assertEqual(tasks["Renew passport"]["due_date"], "2030-09-15T21:59:00.000Z")
        self.assertEqual(tasks["Renew passport"]["description"], "Bring:\n- photo\n- old passport")
        self.assertEqual(tasks["Cancel the gym"]["status"], "completed")

    def test_takes_a_list_of_thunderbird(self):
        answer, tasks = self.imported(sample("thunderbird.ics"), "bird")
        self.assertEqual(answer, {"created": 1, "skipped": [{"title": "Old idea", "reason": "it was cancelled"}], "adjusted": []})
        rent = tasks["Pay rent"]
        self.assertEqual((rent["due_date"], rent["timezone"], rent["recurrence_rule"], rent["priority"], rent["status"],
                          rent["tags"], rent["reminder_offset_minutes"]),
                         ("2030-01-01T17:00:00.000Z", "America/New_York", "MONTHLY", "low", "in_progress", ["home", "money, bank"], 195))

    def test_takes_a_list_of_nextcloud_with_times_of_no_zone(self):
        answer, tasks = self.imported(sample("nextcloud-tasks.ics"), "cloud", "?timezone=Europe/Berlin")
        self.assertEqual(answer["created"], 2)
        flat = tasks["Größere Wohnung suchen 🏠"]
        self.assertEqual((flat["due_date"], flat["timezone"], flat["priority"]), ("2030-03-01T16:00:00.000Z", "Europe/Berlin", "medium"))
        self.assertEqual(flat["description"], "See https://example.com/?a=1;b=2\nCall back, please")
        self.assertEqual(tasks["Call the landlord"]["due_date"], "2030-03-02T22:59:00.000Z")

    def test_skips_what_it_cannot_take_with_its_reason_and_takes_the_others(self):
        answer, tasks = self.imported(sample("outlook-and-google.ics"), "mixed")
        self.assertEqual(answer["created"], 2)
        self.assertEqual({s["title"]: s["reason"] for s in answer["skipped"]}, {
            "Team meeting": "it is an event, not a task",
            "In a zone that nobody knows": "line 28: the time zone Customized Time Zone is not known",
            "With a line that is none": "line 34: a parameter has no name or value"})
        self.assertEqual(answer["adjusted"], [{"title": "Every other friday, three times",
                                               "reason": "left out: single dates of the recurrence"}])
        self.assertEqual((tasks["Submit the report"]["due_date"], tasks["Submit the report"]["timezone"]),
                         ("2030-03-11T09:00:00.000Z", "Europe/Berlin"))
        self.assertEqual(tasks["Every other friday, three times"]["recurrence_rule"], "FREQ=WEEKLY;INTERVAL=2;COUNT=3;BYDAY=FR")

    def test_takes_the_same_file_once(self):
        first, tasks = self.imported(sample("apple-reminders.ics"), "twice")
        second, again = self.imported(sample("apple-reminders.ics"), "twice")
        self.assertEqual((first["created"], second["created"]), (3, 0))
        self.assertEqual({s["reason"] for s in second["skipped"]}, {"it is here already"})
        self.assertEqual(again, tasks)
        self.assertEqual(self.imported(sample("apple-reminders.ics"), "another")[0]["created"], 3)

    def test_takes_a_file_once_that_comes_several_times_at_once(self):
        body = vtodos(*[[f"UID:{i}", f"SUMMARY:{i}"] for i in range(100)])
        answers = [reply.json for reply in at_once(6, lambda: self.sent(body, "at-once"))]
        self.assertEqual(sum(answer["created"] for answer in answers), 100)
        self.assertEqual([answer["created"] + len(answer["skipped"]) for answer in answers], [100] * 6)
        self.assertEqual(len(self.host.get("/api/tasks", token=token("at-once")).json), 100)

    def test_takes_no_task_whose_other_import_ends_while_this_one_waits_for_it(self):
        key = hashlib.sha256(b"race").hexdigest()
        other = Session(postgres().url(self.host.database), "BEGIN; INSERT INTO chat.calendar_import (user_id, uid_hash, task_id)"
                        f" VALUES ('race', '{key}', '11111111-1111-4111-8111-111111111111');"
                        " INSERT INTO chat.task (id, user_id, title, status, priority, repeat_from, version, created_at, updated_at)"
                        " VALUES ('11111111-1111-4111-8111-111111111111', 'race', 'race', 'pending', 'low', 'due_date', 1, now(), now());")
        waiting = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self.host.database}' AND wait_event_type = 'Lock'"
        answers = []
        ours = threading.Thread(target=lambda: answers.append(self.sent(vtodos(["UID:race", "SUMMARY:race"]), "race")))
        ours.start()
        wait_until(lambda: postgres().sql(waiting) != "0", what="a wait for the other import")
        other.end("COMMIT;")
        ours.join()
        self.assertEqual(answers[0].json["created"], 0)
        self.assertEqual(len(self.host.get("/api/tasks", token=token("race")).json), 1)

    def test_takes_again_what_was_deleted_since(self):
        _, tasks = self.imported(sample("apple-reminders.ics"), "again")
        self.host.call("DELETE", "/api/tasks/" + tasks["Renew passport"]["id"], token=token("again"))
        self.assertEqual(self.imported(sample("apple-reminders.ics"), "again")[0]["created"], 1)

    def test_writes_the_events_of_each_task(self):
        _, tasks = self.imported(vtodos(["UID:e1", "SUMMARY:with events"]), "events")
        rows = postgres().sql(f"SELECT topic || ' ' || event_type FROM chat.outbox WHERE key = '{tasks['with events']['id']}' ORDER BY id",
                              self.host.database)
        self.assertEqual(rows.split("\n"), ["task-events task.created", "task-updates task.sync"])

    def test_gives_back_what_the_feed_gave_out(self):
        self.create("out", title="Ünï; a, b\\c", description="x\ny", due_date="2030-07-01T10:00:00Z", timezone="Europe/Berlin",
                    recurrence_rule="MONTHLY", priority="high", tags=["a", "b,c"], reminder_offset_minutes=45)
        self.create("out", title="a day", due_date="2030-01-31T22:59:00Z", timezone="Europe/Berlin", recurrence_rule="MONTHLY",
                    reminder_offset_minutes=1440)
        self.create("out", title="twice an hour", due_date="2030-10-27T01:30:00Z", timezone="Europe/Berlin", recurrence_rule="DAILY")
        self.create("out", title="no date", recurrence_rule="FREQ=WEEKLY;BYDAY=MO;COUNT=4")
        self.create("out", title="from completion", due_date="2030-07-01T10:00:00Z", recurrence_rule="INTERVAL:3", repeat_from="completion")
        self.create("out", title="working", status="in_progress", priority="low")
        path = self.feed("out") + "?todo=1"
        answer, tasks = self.imported(self.read(path).body, "in")
        self.assertEqual(answer, {"created": 6, "skipped": [], "adjusted": []})
        own = {"id", "user_id", "created_at", "updated_at"}
        for title, task in self.tasks("out").items():
            self.assertEqual({k: v for k, v in tasks[title].items() if k not in own}, {k: v for k, v in task.items() if k not in own})
        answer, _ = self.imported(self.read(path).body, "out")
        self.assertEqual(answer["created"], 0, "the user has them all")

    def test_keeps_a_reminder_that_lies_in_the_past_and_sends_none(self):
        _, tasks = self.imported(vtodos(["UID:p", "SUMMARY:past", "DUE:20200101T100000Z", "BEGIN:VALARM", "TRIGGER;RELATED=END:-PT15M",
                                         "END:VALARM"]), "past")
        self.assertEqual(tasks["past"]["reminder_offset_minutes"], 15)
        self.assertEqual(postgres().sql(f"SELECT count(*) FROM chat.reminder WHERE task_id = '{tasks['past']['id']}'", self.host.database), "0")

    def test_says_which_line_of_the_file_is_wrong(self):
        for body, part in (("", "line 1: BEGIN:VCALENDAR"), ("hello", "line 1: BEGIN:VCALENDAR"), ("{}", "line 1"),
                           ("BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nSUMMARY:x\r\n", "line 3: the file ends inside of VTODO"),
                           ("BEGIN:VCALENDAR\r\nEND:VTODO\r\n", "line 2: END:VCALENDAR was expected"),
                           ("BEGIN:VCALENDAR\r\n" + "BEGIN:X\r\n" * 6000, "line 9: it is nested too deeply")):
            self.assert_problem(self.send(body), 422, part)

    def test_answers_hostile_bytes_with_reasons(self):
        for bad in (b"SUMMARY:\xff", b"SUMMARY:a\x00b", b"SUMMARY:\xed\xa0\x80", b"SUMMARY", b'SUMMARY;X="a:b', b"SUMMARY:" + b" " * 20000,
                    b"SUMMARY:x\r\nRRULE:FREQ=SECONDLY", b"SUMMARY:x\r\nRRULE:" + b"A" * 30000, b"SUMMARY:x\r\nDUE:99999999T999999Z",
                    b"SUMMARY:x\r\nDTSTART:20300101\r\nDURATION:P99999999D"):
            reply = self.send(b"BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\n" + bad + b"\r\nEND:VTODO\r\nEND:VCALENDAR\r\n", "hostile")
            self.assertEqual(reply.status, 200, reply.body)
            self.assertEqual((reply.json["created"], len(reply.json["skipped"])), (0, 1), bad[:60])
        self.assertEqual(self.tasks("hostile"), {})

    def test_takes_files_of_a_megabyte_and_other_routes_take_none(self):
        body = vtodos(["UID:big", "SUMMARY:big", *["X-NOTE:" + "x" * 1000] * 1000])
        self.assertEqual(self.imported(body, "big", "?timezone=UTC")[0]["created"], 1)
        for path, size in (("/api/import/calendar", 1048577), ("/api/tasks", 65537), ("/api/import/calendar/x", 65537),
                           ("/api/import/calendars", 65537)):
            answer, _ = self.host.raw(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
            self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer)

    def test_takes_no_large_file_whose_length_is_not_told(self):
        part = b"10000\r\n" + b"\n" * 65536 + b"\r\n"
        answer, closed = self.host.raw(b"POST /api/import/calendar HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + part * 2)
        self.assertTrue(closed)
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer)

    def test_takes_a_thousand_tasks_from_one_file_and_no_more(self):
        lines = [[f"UID:{i}", f"SUMMARY:{i}"] for i in range(1001)]
        self.assert_problem(self.send(vtodos(*lines), "many"), 422, "1001 tasks")
        self.assertEqual(self.imported(vtodos(*lines[:1000]), "many")[0]["created"], 1000)

    def test_needs_a_calendar_in_utf8_and_a_zone_that_there_is(self):
        body = vtodos(["SUMMARY:x"])
        self.assert_problem(self.send(body, kind="application/json"), 415, "text/calendar")
        self.assert_problem(self.send(body, kind="text/calendar; charset=latin1"), 415)
        self.assertEqual(self.send(body, "kinds", kind='Text/Calendar; method=PUBLISH; charset="UTF-8"').status, 200)
        self.assert_problem(self.send(body, query="?timezone=Mars"), 422, "timezone")
        self.assert_problem(self.host.post("/api/import/calendar", body, token=None, headers={"Content-Type": "text/calendar"}), 401)

    def test_takes_zones_of_a_calendar_that_describes_its_own(self):
        body = vtodos(["UID:z", "SUMMARY:zoned", "DUE;TZID=Home:20300701T100000"]).replace(
            "BEGIN:VTODO", "BEGIN:VTIMEZONE\r\nTZID:Home\r\nX-LIC-LOCATION:Asia/Tokyo\r\nEND:VTIMEZONE\r\nBEGIN:VTODO", 1)
        self.assertEqual(self.imported(body, "own-zone")[1]["zoned"]["due_date"], "2030-07-01T01:00:00.000Z")

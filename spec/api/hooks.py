"""What schemathesis does not know by itself: values of the formats that are this API's own, and moments that lie ahead."""

import datetime
import itertools

import schemathesis
from hypothesis import strategies as st

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]
RULES = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "INTERVAL:3", "FREQ=WEEKLY;BYDAY=MO,FR", "FREQ=MONTHLY;BYMONTHDAY=-1",
         "RRULE:FREQ=DAILY;COUNT=5"]
FIRST, LAST = datetime.datetime(2035, 1, 1), datetime.datetime(9990, 1, 1)


def as_rfc3339(moment):
    return moment.isoformat(timespec="milliseconds") + "Z"


schemathesis.openapi.format("timezone", st.sampled_from(ZONES))
schemathesis.openapi.format("recurrence-rule", st.sampled_from(RULES))
# A reminder must lie ahead, and may come a year before the task is due.
schemathesis.openapi.format("date-time", st.datetimes(FIRST, LAST).map(as_rfc3339))


FILE = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//spec//EN\r\n%sEND:VCALENDAR\r\n"
TODO = "BEGIN:VTODO\r\nUID:%s\r\nSUMMARY:%s\r\nDUE:20%02d0101T090000Z\r\nEND:VTODO\r\n"
WORDS = st.text("abc ,;:é", min_size=1, max_size=20)
TODOS = st.lists(st.builds(lambda *values: TODO % values, WORDS, WORDS, st.integers(30, 60)), max_size=5)
schemathesis.openapi.format("icalendar", TODOS.map(lambda todos: FILE % "".join(todos)))
schemathesis.serializer("text/calendar")(lambda context, value: str(value).encode())

numbers = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    """A cursor is taken from an answer, not made up (spec/host/test_tasks.py follows them); a key is used for one request."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if case.query:
        case.query.pop("cursor", None)
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"{next(numbers)}-{case.headers['Idempotency-Key']}"[:255].strip()

// Recurrence rules of RFC 5545 (3.3.10), on local times given as seconds since 1970 as if they were
// UTC. Pure: no allocation, no shared state, any thread. Every call does a bounded amount of work
// (RRULE_MAX_WORK days, periods and occurrences, about 2 ms), whatever the rule is: rules come from
// users, and FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30 is a valid one.
//
// Where the RFC leaves room: what a rule does not say comes from the start (YEARLY with BYWEEKNO
// alone: its day of the week); a start that does not fit the rule is no occurrence; BYWEEKNO
// selects among the days of a calendar year; second 60 is 59. MINUTELY and SECONDLY are refused.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum { RRULE_MAX_LEN = 255, RRULE_MAX_WORK = 200000 };

// Numbers from 1 to 383 (0 too, where the part has it), counted from the start and from the end.
struct rrule_set {
    bool any;
    uint64_t plus[6], minus[6];
};

// A number below 0 is counted from the end.
void rrule_set_add(struct rrule_set *set, int n);

enum rrule_part {
    RRULE_SECOND,
    RRULE_MINUTE,
    RRULE_HOUR,
    RRULE_MONTHDAY,
    RRULE_YEARDAY,
    RRULE_WEEKNO,
    RRULE_MONTH,
    RRULE_SETPOS,
    RRULE_PARTS
};

struct rrule {
    enum { RRULE_YEARLY, RRULE_MONTHLY, RRULE_WEEKLY, RRULE_DAILY, RRULE_HOURLY } freq;
    int interval;
    int week_start; // 0 = Monday
    int64_t count;  // 0: without end
    enum { RRULE_FOREVER, RRULE_UNTIL_LOCAL, RRULE_UNTIL_UTC } until_kind;
    int64_t until; // the last second that may be
    bool by_day;
    uint8_t weekdays;        // BYDAY without number, bit 0 = Monday
    struct rrule_set nth[7]; // BYDAY with one
    struct rrule_set by[RRULE_PARTS];
};

// The value of an RRULE, without "RRULE:". On failure err ends the sentence "it is refused: …".
MUST_CHECK int rrule_parse(const char *text, size_t len, struct rrule *rule, struct err *err);

// UNTIL excludes an occurrence, given as local time and as instant.
bool rrule_is_over(const struct rrule *rule, int64_t local, int64_t utc);

struct rrule_iterator {
    struct rrule rule; // with what it takes from the start
    int64_t start, from, period;
    int64_t counted;
    int hours[24], minutes[60], seconds[60];
    int hour_count, minute_count, second_count;
    int32_t days[366]; // of the period, since 1970
    int day_count;
    int64_t filled;    // the first day of those
    int64_t at, total; // among the period's day × time
    int work;
};

// Occurrences before `from` are left out, but COUNT counts them.
void rrule_begin(struct rrule_iterator *iterator, const struct rrule *rule, int64_t start,
                 int64_t from);

enum rrule_step { RRULE_FOUND, RRULE_END, RRULE_TOO_FAR };

// The next occurrence, ascending. RRULE_END: COUNT is used up, or the year 9999 is. UNTIL is the
// caller's to check. RRULE_TOO_FAR: RRULE_MAX_WORK since rrule_begin is done.
enum rrule_step rrule_next(struct rrule_iterator *iterator, int64_t *local);

#include "test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rrule.h"

static int64_t seconds(const char *text) {
    struct tm time = {0};
    assert_non_null(strptime(text, "%Y-%m-%dT%H:%M", &time));
    return timegm(&time);
}

// The first occurrences, separated by spaces; "end" and "far" say how they stopped.
static const char *expand(const char *text, const char *start, const char *from, int count) {
    static char out[512];
    struct rrule rule;
    struct err err;
    if (rrule_parse(text, strlen(text), &rule, &err) != 0)
        fail_msg("%s: %s", text, err.text);
    struct rrule_iterator iterator;
    rrule_begin(&iterator, &rule, seconds(start), seconds(from));
    out[0] = 0;
    for (int i = 0; i < count; i++) {
        int64_t local = 0;
        enum rrule_step step = rrule_next(&iterator, &local);
        size_t len = strlen(out);
        if (step != RRULE_FOUND || rrule_is_over(&rule, local, local)) {
            snprintf(out + len, sizeof out - len, "%s", step == RRULE_TOO_FAR ? "far" : "end");
            break;
        }
        time_t clock = (time_t)local;
        struct tm time;
        gmtime_r(&clock, &time);
        strftime(out + len, sizeof out - len, i + 1 < count ? "%Y-%m-%d " : "%Y-%m-%d", &time);
    }
    return out;
}

// Mostly the examples of RFC 5545, 3.8.5.3, which begin on 1997-09-02 at 9.
static void test_examples_of_the_rfc(void **state) {
    (void)state;
    static const struct {
        const char *rule, *start, *expected;
    } CASES[] = {
        {"FREQ=DAILY;INTERVAL=10;COUNT=3", "1997-09-02T09:00",
         "1997-09-02 1997-09-12 1997-09-22 end"},
        {"FREQ=DAILY;UNTIL=19970903T000000Z", "1997-09-02T09:00", "1997-09-02 end"},
        {"FREQ=YEARLY;BYMONTH=1;BYDAY=SU,MO", "1998-01-01T09:00",
         "1998-01-04 1998-01-05 1998-01-11 1998-01-12"},
        {"FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,WE", "1997-09-01T09:00",
         "1997-09-01 1997-09-03 1997-09-15 1997-09-17"},
        {"FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05T09:00",
         "1997-08-05 1997-08-10 1997-08-19 1997-08-24"},
        {"FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05T09:00",
         "1997-08-05 1997-08-17 1997-08-19 1997-08-31"},
        {"FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU", "1997-09-07T09:00",
         "1997-09-07 1997-09-28 1997-11-02 1997-11-30"},
        {"FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09-28T09:00",
         "1997-09-28 1997-10-29 1997-11-28 1997-12-29"},
        {"FREQ=YEARLY;INTERVAL=3;BYYEARDAY=1,100,200", "1997-01-01T09:00",
         "1997-01-01 1997-04-10 1997-07-19 2000-01-01"},
        {"FREQ=YEARLY;BYDAY=20MO", "1997-05-19T09:00",
         "1997-05-19 1998-05-18 1999-05-17 2000-05-15"},
        {"FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12T09:00",
         "1997-05-12 1998-05-11 1999-05-17 2000-05-15"},
        {"FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "1997-09-02T09:00",
         "1998-02-13 1998-03-13 1998-11-13 1999-08-13"},
        {"FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "1996-11-05T09:00",
         "1996-11-05 2000-11-07 2004-11-02 2008-11-04"},
        {"FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04T09:00",
         "1997-09-04 1997-10-07 1997-11-06 end"},
        {"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "1997-09-29T09:00",
         "1997-09-29 1997-10-30 1997-11-27 1997-12-30"},
        {"FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01-15T09:00",
         "2007-01-15 2007-01-30 2007-02-15 2007-03-15"},
        // What a rule leaves open comes from the start, and a day that is not there is passed over.
        {"FREQ=MONTHLY", "2026-01-31T09:00", "2026-01-31 2026-03-31 2026-05-31 2026-07-31"},
        {"FREQ=YEARLY", "2024-02-29T09:00", "2024-02-29 2028-02-29 2032-02-29 2036-02-29"},
        {"FREQ=YEARLY;BYWEEKNO=20", "1997-05-12T09:00",
         "1997-05-12 1998-05-11 1999-05-17 2000-05-15"},
        // BYDAY with and without numbers: both are meant.
        {"FREQ=MONTHLY;BYDAY=1MO,FR", "2026-06-01T09:00",
         "2026-06-01 2026-06-05 2026-06-12 2026-06-19"},
        {"FREQ=HOURLY;INTERVAL=36", "2026-01-01T00:00",
         "2026-01-01 2026-01-02 2026-01-04 2026-01-05"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *found = expand(CASES[i].rule, CASES[i].start, CASES[i].start, 4);
        if (strcmp(found, CASES[i].expected) != 0)
            fail_msg("%s: %s", CASES[i].rule, found);
    }
}

static void test_from_leaves_out_what_came_before(void **state) {
    (void)state;
    assert_string_equal(expand("FREQ=WEEKLY;INTERVAL=2", "2026-01-05T09:00", "2076-01-01T00:00", 2),
                        "2076-01-13 2076-01-27");
    assert_string_equal(expand("FREQ=DAILY;COUNT=3", "2026-01-01T09:00", "2026-01-03T00:00", 2),
                        "2026-01-03 end");
    assert_string_equal(expand("FREQ=HOURLY", "1990-01-01T00:00", "2026-06-01T12:00", 1),
                        "2026-06-01");
    assert_string_equal(expand("FREQ=YEARLY", "9998-05-01T09:00", "9998-05-02T00:00", 2),
                        "9999-05-01 end");
}

// Each of these kept libraries busy for seconds.
static void test_rules_that_never_occur_stop_soon(void **state) {
    (void)state;
    static const char *const BOMBS[] = {
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=53MO",
        "FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1",
        "FREQ=MONTHLY;BYSETPOS=300;BYDAY=MO",
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;BYMONTH=6",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
        "FREQ=DAILY;INTERVAL=7;BYDAY=FR",
        "FREQ=DAILY;BYSECOND=1,2;BYSETPOS=262,322",
    };
    for (size_t i = 0; i < sizeof BOMBS / sizeof *BOMBS; i++) {
        const char *found = expand(BOMBS[i], "2026-01-01T09:00", "2026-01-01T09:00", 1);
        if (strcmp(found, "far") != 0)
            fail_msg("%s: %s", BOMBS[i], found);
    }
    // Counted, not found: a long series far back.
    assert_string_equal(expand("FREQ=HOURLY;BYMINUTE=0,1,2,3,4,5,6,7,8,9;COUNT=999999999",
                               "1990-01-01T00:00", "2026-01-01T00:00", 1),
                        "far");
}

static void test_what_is_no_rule(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "",
        "DAILY",
        "FREQ",
        "FREQ=",
        "FREQ=SOMETIMES",
        "FREQ=SECONDLY",
        "FREQ=MINUTELY",
        "freq=daily",
        "XFREQ=DAILY",
        "FREQ=DAILY,WEEKLY",
        "FREQ=DAILY=",
        "FREQ=DAILY;",
        ";FREQ=DAILY",
        "FREQ=DAILY;;COUNT=2",
        "FREQ=DAILY;FREQ=DAILY",
        "BYDAY=MO",
        "FREQ=DAILY;X=1",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=-1",
        "FREQ=DAILY;COUNT=1A",
        "FREQ=DAILY;COUNT=9999999999",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;INTERVAL=10000",
        "FREQ=DAILY;INTERVAL=1;INTERVAL=2",
        "FREQ=DAILY;INTERVAL= 1",
        "FREQ=DAILY;COUNT=1;UNTIL=20300101",
        "FREQ=DAILY;UNTIL=2026",
        "FREQ=DAILY;UNTIL=20261301",
        "FREQ=DAILY;UNTIL=20260230T000000Z",
        "FREQ=DAILY;UNTIL=20260101T250000Z",
        "FREQ=DAILY;UNTIL=20260101Z",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=DAILY;BYMINUTE=60",
        "FREQ=DAILY;BYSECOND=61",
        "FREQ=DAILY;BYHOUR=-1",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=YEARLY;BYMONTH=0",
        "FREQ=DAILY;BYMONTH=1,",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYDAY=",
        "FREQ=WEEKLY;BYDAY=MO,",
        "FREQ=WEEKLY;BYDAY=M",
        "FREQ=WEEKLY;BYDAY=2MO",
        "FREQ=MONTHLY;BYDAY=0MO",
        "FREQ=MONTHLY;BYDAY=54MO",
        "FREQ=WEEKLY;WKST=XX",
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO",
        "FREQ=DAILY;BYWEEKNO=5",
        "FREQ=MONTHLY;BYYEARDAY=5",
        "FREQ=WEEKLY;BYMONTHDAY=5",
        "FREQ=YEARLY;BYYEARDAY=367",
        "FREQ=YEARLY;BYWEEKNO=54",
        "FREQ=MONTHLY;BYSETPOS=1",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367",
        "RSCALE=CHINESE;FREQ=MONTHLY",
        "FREQ=DAILY;SKIP=OMIT",
    };
    struct rrule rule;
    struct err err;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (rrule_parse(BAD[i], strlen(BAD[i]), &rule, &err) == 0)
            fail_msg("accepted: %s", BAD[i]);
    assert_int_equal(rrule_parse("FREQ=DAILY\0", 11, &rule, &err), -1);
    char text[300] = "FREQ=DAILY;BYHOUR=1";
    while (strlen(text) < 256)
        strcat(text, ",1");
    assert_int_equal(rrule_parse(text, strlen(text), &rule, &err), -1);
    assert_int_equal(rrule_parse(text, strlen(text) - 2, &rule, &err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_the_rfc),
        cmocka_unit_test(test_from_leaves_out_what_came_before),
        cmocka_unit_test(test_rules_that_never_occur_stop_soon),
        cmocka_unit_test(test_what_is_no_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

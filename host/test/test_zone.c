#include "test.h"

#include "zone.h"

// Instants and offsets by Python's zoneinfo on the same tz database.
static void test_offsets(void **state) {
    (void)state;
    static const struct {
        const char *zone;
        int64_t utc;
        int offset;
    } CASES[] = {
        {"UTC", 0, 0},
        {"Europe/Berlin", 1774745999, 3600},      // 2026-03-29T00:59:59Z
        {"Europe/Berlin", 1774746000, 7200},      // 2026-03-29T01:00:00Z
        {"Europe/Berlin", 1792889999, 7200},      // 2026-10-25T00:59:59Z
        {"Europe/Berlin", 1792890000, 3600},      // 2026-10-25T01:00:00Z
        {"Europe/Berlin", 4087857600, 7200},      // 2099-07-16, by the rule of the footer
        {"Europe/Berlin", 4070908800, 3600},      // 2099-01-01
        {"America/New_York", 1772953199, -18000}, // 2026-03-08T06:59:59Z
        {"America/New_York", 1772953200, -14400},
        {"Australia/Lord_Howe", 1767225600, 39600}, // summer, half an hour of saving
        {"Australia/Lord_Howe", 1782864000, 37800},
        {"Australia/Lord_Howe", 4086028800, 37800}, // 2099-06-25
        {"Asia/Kolkata", 1767225600, 19800},
        {"Asia/Kathmandu", 4070908800, 20700},
        {"America/Sao_Paulo", 1767225600, -10800}, // saving given up in 2019
        {"America/Sao_Paulo", 1514764800, -7200},  // 2018-01-01
        {"Pacific/Apia", 1325239199, -36000},      // the day it crossed the date line
        {"Pacific/Apia", 1325239200, 50400},
        {"Europe/Dublin", 1782864000, 3600}, // whose winter is the saving time
        {"Europe/Dublin", 4070908800, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct zone *zone = zone_find(CASES[i].zone);
        assert_non_null(zone);
        if (zone_offset(zone, CASES[i].utc) != CASES[i].offset)
            fail_msg("%s at %lld: %d", CASES[i].zone, (long long)CASES[i].utc,
                     zone_offset(zone, CASES[i].utc));
    }
}

static void test_local_times_that_are_skipped_or_happen_twice(void **state) {
    (void)state;
    const struct zone *zone = zone_find("Europe/Berlin");
    assert_int_equal(zone_to_utc(zone, 1774747800), 1774747800 - 3600); // 2026-03-29 01:30, plain
    assert_int_equal(zone_to_utc(zone, 1774751400), 1774747800); // 02:30 does not exist: 03:30
    assert_int_equal(zone_to_utc(zone, 1774755000), 1774755000 - 7200); // 03:30
    assert_int_equal(zone_to_utc(zone, 1792895400), 1792888200); // 2026-10-25 02:30, the first
    assert_int_equal(zone_to_utc(zone, 1792899000), 1792899000 - 3600); // 03:30
}

static void test_every_half_hour_of_some_years_goes_there_and_back(void **state) {
    (void)state;
    static const char *const ZONES[] = {
        "Europe/Berlin",    "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
        "America/Santiago", "Asia/Tehran",      "Europe/Dublin",       "Pacific/Apia"};
    for (size_t z = 0; z < sizeof ZONES / sizeof *ZONES; z++) {
        const struct zone *zone = zone_find(ZONES[z]);
        for (int64_t utc = 1704067200; utc < 1704067200 + 5LL * 366 * 86400; utc += 1800) {
            int64_t local = utc + zone_offset(zone, utc), back = zone_to_utc(zone, local);
            if (back + zone_offset(zone, back) != local || back > utc)
                fail_msg("%s at %lld", ZONES[z], (long long)utc);
        }
    }
}

static void test_names_that_are_none(void **state) {
    (void)state;
    static const char *const BAD[] = {"",
                                      "Mars/Base",
                                      "../etc/passwd",
                                      "/etc/passwd",
                                      "Europe/../Europe/Berlin",
                                      "Europe",
                                      "posix/UTC",
                                      "right/UTC",
                                      "localtime",
                                      "Europe/Berlin ",
                                      "europe/berlin",
                                      "tzdata.zi",
                                      "zone.tab",
                                      "UTC\n"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (zone_find(BAD[i]))
            fail_msg("accepted: %s", BAD[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_local_times_that_are_skipped_or_happen_twice),
        cmocka_unit_test(test_every_half_hour_of_some_years_goes_there_and_back),
        cmocka_unit_test(test_names_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

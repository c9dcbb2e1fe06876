#include "test.h"

#include "civil.h"

static int64_t day_of(int year, int month, int day) {
    return civil_year_start(year) + civil_month_start(year, month) + day - 1;
}

static void days_are_counted_from_1970_on(void **state) {
    (void)state;
    assert_int_equal(day_of(1970, 1, 1), 0);
    assert_int_equal(day_of(1969, 12, 31), -1);
    assert_int_equal(day_of(2026, 11, 27), 20784);
    assert_int_equal(day_of(1, 1, 1), -719162);
    assert_int_equal(day_of(9999, 12, 31), 2932896);
}

static void february_is_longer_in_leap_years(void **state) {
    (void)state;
    static const int YEARS[] = {2023, 2024, 1900, 2000}, LENGTHS[] = {28, 29, 28, 29};
    for (int i = 0; i < 4; i++)
        assert_int_equal(civil_month_len(YEARS[i], 2), LENGTHS[i]);
}

static void every_month_follows_the_one_before(void **state) {
    (void)state;
    int64_t day = day_of(1899, 1, 1);
    for (int year = 1899; year < 2102; year++)
        for (int month = 1; month <= 12; month++) {
            assert_int_equal(day_of(year, month, 1), day);
            assert_int_equal(civil_year_of(day), year);
            day += civil_month_len(year, month);
            assert_int_equal(civil_year_of(day - 1), year);
        }
}

static void weeks_begin_on_monday_also_before_1970(void **state) {
    (void)state;
    assert_int_equal(civil_weekday_of(day_of(2026, 11, 27)), 4);
    assert_int_equal(civil_weekday_of(0), 3);
    assert_int_equal(civil_weekday_of(-3), 0);
    assert_int_equal(civil_weekday_of(-4), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_are_counted_from_1970_on),
        cmocka_unit_test(february_is_longer_in_leap_years),
        cmocka_unit_test(every_month_follows_the_one_before),
        cmocka_unit_test(weeks_begin_on_monday_also_before_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

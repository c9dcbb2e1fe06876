#include "test.h"

#include <stdio.h>

#include "rules_log.h"

static uint64_t left_out;

static int setup(void **state) {
    (void)state;
    rules_log_forget();
    return 0;
}

static void a_failure_is_logged_once_a_minute_with_the_number_of_the_others(void **state) {
    (void)state;
    assert_true(rules_log_may("a.b", "budget", 1000, &left_out));
    assert_int_equal(left_out, 0);
    for (int i = 0; i < 9; i++)
        assert_false(rules_log_may("a.b", "budget", 60999, &left_out));
    assert_true(rules_log_may("a.b", "budget", 61000, &left_out));
    assert_int_equal(left_out, 9);
    assert_true(rules_log_may("a.b", "budget", 121000, &left_out));
    assert_int_equal(left_out, 0);
}

static void each_rule_and_code_is_counted_by_itself(void **state) {
    (void)state;
    assert_true(rules_log_may("a.b", "budget", 1000, &left_out));
    assert_true(rules_log_may("a.b", "memory", 1000, &left_out));
    assert_true(rules_log_may("a.c", "budget", 1000, &left_out));
    assert_false(rules_log_may("a.b", "memory", 1000, &left_out));
}

static void new_rules_are_logged_anew(void **state) {
    (void)state;
    assert_true(rules_log_may("a.b", "budget", 1000, &left_out));
    rules_log_forget();
    assert_true(rules_log_may("a.b", "budget", 1000, &left_out));
}

static void of_many_the_one_logged_longest_ago_is_given_up(void **state) {
    (void)state;
    char name[16];
    for (int i = 0; i <= 64; i++) {
        snprintf(name, sizeof name, "a.r%d", i);
        assert_true(rules_log_may(name, "error", 1000 + (uint64_t)i, &left_out));
    }
    assert_false(rules_log_may("a.r64", "error", 2000, &left_out));
    assert_false(rules_log_may("a.r1", "error", 2000, &left_out));
    assert_true(rules_log_may("a.r0", "error", 2000, &left_out));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_failure_is_logged_once_a_minute_with_the_number_of_the_others,
                               setup),
        cmocka_unit_test_setup(each_rule_and_code_is_counted_by_itself, setup),
        cmocka_unit_test_setup(new_rules_are_logged_anew, setup),
        cmocka_unit_test_setup(of_many_the_one_logged_longest_ago_is_given_up, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../watchdog.h"

static struct watchdog dog;
static struct watchdog_sight sight;

static int setup(void **state) {
    (void)state;
    dog = (struct watchdog){0};
    sight = (struct watchdog_sight){.beat = 1, .now_ns = 77000000000, .cpu_ns = 5000000000};
    assert_int_equal(watchdog_look(&dog, &sight), WATCHDOG_WELL);
    return 0;
}

// The looks until one finds something, each after passed_ms, in which the thread ran for ran_ms.
static int looks_until(enum watchdog_finding finding, unsigned passed_ms, unsigned ran_ms) {
    for (int looks = 1; looks <= 1000; looks++) {
        sight.now_ns += passed_ms * 1000000ull;
        sight.cpu_ns += ran_ms * 1000000ull;
        enum watchdog_finding found = watchdog_look(&dog, &sight);
        if (found == finding)
            return looks;
        if (found != WATCHDOG_WELL)
            return -1;
    }
    return 0;
}

static void one_that_runs_without_a_beat_is_stuck_and_then_lost(void **state) {
    (void)state;
    assert_int_equal(looks_until(WATCHDOG_STUCK, 100, 100), 10);
    assert_int_equal(looks_until(WATCHDOG_LOST, 100, 100), 40);
}

static void one_that_sleeps_without_a_beat_is_stuck_and_then_lost(void **state) {
    (void)state;
    sight.sleeps = true;
    assert_int_equal(looks_until(WATCHDOG_STUCK, 100, 0), 10);
    assert_int_equal(looks_until(WATCHDOG_LOST, 100, 0), 40);
}

static void one_that_gets_no_processor_is_not_stuck(void **state) {
    (void)state;
    assert_int_equal(looks_until(WATCHDOG_STUCK, 100, 0), 0);
}

static void one_that_gets_a_tenth_of_a_processor_is_lost_after_as_much_work(void **state) {
    (void)state;
    assert_int_equal(looks_until(WATCHDOG_STUCK, 100, 10), 100);
    assert_int_equal(looks_until(WATCHDOG_LOST, 100, 10), 400);
}

static void a_silence_ends_with_a_beat(void **state) {
    (void)state;
    sight.sleeps = true;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(looks_until(WATCHDOG_STUCK, 100, 0), i == 0 ? 10 : 11);
        sight.beat++;
    }
}

static void the_time_of_a_stopped_process_does_not_count(void **state) {
    (void)state;
    sight.sleeps = true;
    sight.now_ns += 60ull * 1000000000;
    assert_int_equal(watchdog_look(&dog, &sight), WATCHDOG_WELL);
}

// Signals wake who looks.
static void looks_that_come_early_count_for_the_time_they_took(void **state) {
    (void)state;
    sight.sleeps = true;
    assert_int_equal(looks_until(WATCHDOG_STUCK, 2, 0), 500);
}

static void one_that_has_ended_is_well(void **state) {
    (void)state;
    sight.beat = 0;
    sight.sleeps = true;
    assert_int_equal(looks_until(WATCHDOG_STUCK, 100, 100), 0);
}

int main(void) {
#define T(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        T(one_that_runs_without_a_beat_is_stuck_and_then_lost),
        T(one_that_sleeps_without_a_beat_is_stuck_and_then_lost),
        T(one_that_gets_no_processor_is_not_stuck),
        T(one_that_gets_a_tenth_of_a_processor_is_lost_after_as_much_work),
        T(a_silence_ends_with_a_beat),
        T(the_time_of_a_stopped_process_does_not_count),
        T(looks_that_come_early_count_for_the_time_they_took),
        T(one_that_has_ended_is_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

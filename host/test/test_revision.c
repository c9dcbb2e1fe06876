#include "revision_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "revision.h"

enum { TIMES = 20000 };
static const char GOOD[] = "good", BAD[] = "bad";

static atomic_bool over;

// How often it was said that rules were returned, but not which ones, or not that they were taken
// back.
static void *look_on(void *user) {
    int *half = user;
    while (!atomic_load(&over)) {
        struct revision_state state;
        revision_read(REVISION_RULES, &state);
        if (strcmp(state.state, "returned") != 0)
            continue;
        bool taken_back = false;
        for (int i = 0; i < state.past_count; i++)
            taken_back |= strcmp(state.past[i].revision, BAD) == 0 && state.past[i].taken_back;
        *half += strcmp(state.refused, BAD) != 0 || !taken_back;
    }
    return NULL;
}

static void who_reads_that_rules_were_returned_reads_which_ones(void **state) {
    (void)state;
    pthread_t thread;
    int half = 0;
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&thread, NULL, look_on, &half), 0);
    for (int i = 0; i < TIMES; i++) {
        revision_loaded(REVISION_RULES, BAD, "loaded", NULL);
        revision_returned(REVISION_RULES, GOOD, BAD, "on purpose");
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    assert_int_equal(half, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_reads_that_rules_were_returned_reads_which_ones)};
    return cmocka_run_group_tests(tests, revision_setup, revision_teardown);
}

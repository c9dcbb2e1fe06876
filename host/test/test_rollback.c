#include "rules_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "revision.h"
#include "rollback.h"

static atomic_int woken;

static void wake(void *user) {
    assert_string_equal(user, "me");
    atomic_fetch_add(&woken, 1);
}

static char me[] = "me";

static int setup(void **state) {
    atomic_store(&woken, 0);
    rollback_open(wake, me);
    return fixture_setup(state);
}

static int teardown(void **state) {
    rollback_close();
    return fixture_teardown(state);
}

static struct rules_bundle *make(int number) {
    char text[32];
    struct rules_bundle *bundle;
    struct err err;
    snprintf(text, sizeof text, "return { %d }", number);
    fixture_write("a.lua", text, strlen(text));
    if (rules_bundle_read(&bundle, fixture_folder, &err) != 0)
        fail_msg("%s", err.text);
    return bundle;
}

// Its revision.
static const char *keep(int number, bool failed) {
    static char revisions[8][BUNDLE_REVISION];
    struct rules_bundle *bundle = make(number);
    strcpy(revisions[number], rules_bundle_revision(bundle));
    rollback_keep(bundle, failed);
    rules_bundle_unref(bundle);
    return revisions[number];
}

static void ask(const char *revision, const char *live) {
    struct err err;
    if (rollback_ask(revision, live, &err) != 0)
        fail_msg("%s", err.text);
}

static void refuses(const char *revision, const char *live, const char *words) {
    struct err err;
    assert_int_equal(rollback_ask(revision, live, &err), -1);
    if (!strstr(err.text, words))
        fail_msg("%s", err.text);
}

// Takes the order, which is of these rules, and ends it.
static void takes(const char *revision) {
    struct rules_bundle *bundle = rollback_take();
    assert_non_null(bundle);
    assert_string_equal(rules_bundle_revision(bundle), revision);
    rules_bundle_unref(bundle);
    rollback_done(NULL);
}

static void without_rules_before_there_is_no_way_back(void **state) {
    (void)state;
    refuses("", "live", "no good revision before this one is held");
    assert_int_equal(woken, 0);
    assert_null(rollback_take());
}

static void the_last_good_ones_come_back(void **state) {
    (void)state;
    struct err err;
    keep(1, false);
    const char *second = keep(2, false);
    keep(3, true);
    ask("", "live");
    assert_int_equal(woken, 1);
    assert_true(rollback_is_pending(&err));
    takes(second);
    assert_false(rollback_is_pending(&err));
    assert_string_equal(err.text, "");
    assert_null(rollback_take());
}

static void what_is_live_is_no_way_back(void **state) {
    (void)state;
    const char *first = keep(1, false), *second = keep(2, false);
    refuses(second, second, "is live");
    ask("", second);
    takes(first);
}

static void a_revision_is_named_by_its_first_characters(void **state) {
    (void)state;
    char few[7];
    const char *first = keep(1, false);
    keep(2, false);
    snprintf(few, sizeof few, "%s", first);
    ask(few, "live");
    takes(first);
    few[5] = 0;
    refuses(few, "live", "first 6 characters or more");
    refuses("0123456789", "live", "revision 0123456789 is not held");
}

static void one_that_was_taken_back_must_be_named(void **state) {
    (void)state;
    const char *bad = keep(1, true);
    refuses("", "live", "no good revision");
    ask(bad, "live");
    takes(bad);
}

static void one_that_is_kept_again_counts_as_it_was_kept_last(void **state) {
    (void)state;
    const char *first = keep(1, true);
    keep(1, false);
    ask("", "live");
    takes(first);
}

static void five_are_kept(void **state) {
    (void)state;
    const char *first = keep(1, false), *second = keep(2, false);
    for (int i = 3; i <= 6; i++)
        keep(i, false);
    keep(6, false); // which takes no place of another
    refuses(first, "live", "is not held");
    ask(second, "live");
    takes(second);
}

static void there_is_one_order_at_a_time(void **state) {
    (void)state;
    const char *first = keep(1, false);
    ask("", "live");
    refuses("", "live", "another rollback is under way");
    takes(first);
    ask("", "live");
    takes(first);
}

static void how_it_failed_is_told_until_the_next_has_ended(void **state) {
    (void)state;
    struct err err, why;
    const char *first = keep(1, false);
    ask("", "live");
    rules_bundle_unref(rollback_take());
    err_set(&why, "a worker did not want to");
    rollback_done(&why);
    assert_false(rollback_is_pending(&err));
    assert_string_equal(err.text, "a worker did not want to");
    ask("", "live");
    takes(first);
    assert_false(rollback_is_pending(&err));
    assert_string_equal(err.text, "");
}

static void an_order_from_before_is_told_to_who_comes(void **state) {
    (void)state;
    const char *first = keep(1, false);
    rollback_open(NULL, NULL);
    ask("", "live");
    assert_int_equal(woken, 0);
    rollback_open(wake, me);
    assert_int_equal(woken, 1);
    takes(first);
}

static void after_the_end_nothing_is_held(void **state) {
    (void)state;
    struct err err;
    keep(1, false);
    ask("", "live");
    rollback_close();
    assert_false(rollback_is_pending(&err));
    assert_null(rollback_take());
    refuses("", "live", "no good revision");
}

static atomic_int taken;

static void *ask_often(void *user) {
    struct err err;
    for (int i = 0; i < 1000; i++)
        if (rollback_ask("", user, &err) == 0)
            atomic_fetch_add(&taken, 1);
        else
            rollback_is_pending(&err);
    return NULL;
}

static void of_many_who_ask_at_once_each_order_is_done_once(void **state) {
    (void)state;
    pthread_t threads[4];
    char live[] = "live";
    int done = 0;
    keep(1, false);
    atomic_store(&taken, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, live), 0);
    for (int i = 0; i < 2000; i++) {
        struct rules_bundle *bundle = rollback_take();
        if (!bundle)
            continue;
        done++;
        rollback_keep(bundle, false);
        rules_bundle_unref(bundle);
        rollback_done(NULL);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct rules_bundle *last = rollback_take();
    done += last != NULL;
    rules_bundle_unref(last);
    assert_true(done > 0);
    assert_int_equal(done, atomic_load(&taken));
    assert_int_equal(done, atomic_load(&woken));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(without_rules_before_there_is_no_way_back),
        T(the_last_good_ones_come_back),
        T(what_is_live_is_no_way_back),
        T(a_revision_is_named_by_its_first_characters),
        T(one_that_was_taken_back_must_be_named),
        T(one_that_is_kept_again_counts_as_it_was_kept_last),
        T(five_are_kept),
        T(there_is_one_order_at_a_time),
        T(how_it_failed_is_told_until_the_next_has_ended),
        T(an_order_from_before_is_told_to_who_comes),
        T(after_the_end_nothing_is_held),
        T(of_many_who_ask_at_once_each_order_is_done_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "revision_fixture.h"
#include "rules_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "shadow.h"

static struct shadow_seat seat;

static int setup(void **state) {
    int status = fixture_setup(state);
    shadow_init(fixture_folder);
    return status;
}

static int teardown(void **state) {
    shadow_leave(&seat);
    shadow_deinit();
    return fixture_teardown(state);
}

static void write_rule(const char *text) {
    fixture_write("a.lua", text, strlen(text));
}

// What the seat's candidate answers; 0: there is none.
static int answer(struct shadow_seat *of, lua_State *L) {
    struct rules *rules = shadow_rules(of, NULL);
    struct rules_failure failure;
    if (!rules)
        return 0;
    if (rules_call(rules, "a.f", L, 1, 0, &failure) != 1)
        fail_msg("%s", failure.message);
    int number = (int)lua_tointeger(L, -1);
    lua_settop(L, 0);
    return number;
}

static void without_a_folder_there_is_no_candidate(void **state) {
    (void)state;
    shadow_deinit();
    shadow_init(NULL);
    write_rule("return { f = function() return 1 end }");
    shadow_look(false);
    assert_null(shadow_rules(&seat, NULL));
}

static void a_candidate_is_asked_from_the_look_on(void **state) {
    (void)state;
    write_rule("return { f = function() return 1 end }");
    assert_null(shadow_rules(&seat, NULL));
    shadow_look(false);
    assert_int_equal(answer(&seat, fixture_lua), 1);
    assert_string_equal(told(REVISION_SHADOW).state, "loaded");
    assert_string_equal(told(REVISION_SHADOW).revision, rules_revision(shadow_rules(&seat, NULL)));
}

static void the_seat_keeps_its_vm_while_nothing_changes(void **state) {
    (void)state;
    write_rule("local count = 0 return { f = function() count = count + 1 return count end }");
    shadow_look(false);
    uint64_t loads = told(REVISION_SHADOW).loads;
    assert_int_equal(answer(&seat, fixture_lua), 1);
    shadow_look(false);
    assert_int_equal(answer(&seat, fixture_lua), 2);
    assert_int_equal(told(REVISION_SHADOW).loads, loads);
}

static void each_seat_has_a_vm_of_its_own(void **state) {
    (void)state;
    struct shadow_seat other = {0};
    write_rule("local count = 0 return { f = function() count = count + 1 return count end }");
    shadow_look(false);
    assert_int_equal(answer(&seat, fixture_lua), 1);
    assert_int_equal(answer(&other, fixture_lua), 1);
    shadow_leave(&other);
    assert_int_equal(answer(&seat, fixture_lua), 2);
}

static void a_changed_candidate_takes_the_place_of_the_first(void **state) {
    (void)state;
    write_rule("return { f = function() return 1 end }");
    shadow_look(false);
    assert_int_equal(answer(&seat, fixture_lua), 1);
    write_rule("return { f = function() return 2 end }");
    assert_int_equal(answer(&seat, fixture_lua), 1);
    shadow_look(false);
    assert_int_equal(answer(&seat, fixture_lua), 2);
}

static void one_that_does_not_load_is_told_and_not_asked(void **state) {
    (void)state;
    write_rule("return { f = function() return 1 end }");
    shadow_look(false);
    assert_int_equal(answer(&seat, fixture_lua), 1);
    write_rule("\nreturn (");
    shadow_look(false);
    assert_int_equal(answer(&seat, fixture_lua), 0);
    assert_string_equal(told(REVISION_SHADOW).state, "failed");
    assert_non_null(strstr(told(REVISION_SHADOW).error, "rules/a.lua:2:"));
    write_rule("return { f = function() return 3 end }");
    shadow_look(false);
    assert_int_equal(answer(&seat, fixture_lua), 3);
    assert_string_equal(told(REVISION_SHADOW).state, "loaded");
}

static void what_was_refused_is_tried_again_only_when_asked(void **state) {
    (void)state;
    write_rule("return (");
    shadow_look(false);
    uint64_t failures = told(REVISION_SHADOW).failures;
    shadow_look(false);
    assert_int_equal(told(REVISION_SHADOW).failures, failures);
    shadow_look(true);
    assert_int_equal(told(REVISION_SHADOW).failures, failures + 1);
}

static void a_folder_that_cannot_be_read_is_told_once(void **state) {
    (void)state;
    shadow_deinit();
    shadow_init("/nothing/here");
    uint64_t failures = told(REVISION_SHADOW).failures;
    shadow_look(false);
    shadow_look(false);
    assert_int_equal(told(REVISION_SHADOW).failures, failures + 1);
    assert_non_null(strstr(told(REVISION_SHADOW).error, "/nothing/here"));
    assert_null(shadow_rules(&seat, NULL));
}

static void *ask_until_the_last(void *user) {
    struct shadow_seat own = {0};
    lua_State *L = luaL_newstate();
    int seen = 0, wanted = *(int *)user;
    while (seen < wanted) {
        int now = answer(&own, L);
        assert_true(now >= seen); // never an earlier one again
        seen = now;
    }
    shadow_leave(&own);
    lua_close(L);
    return NULL;
}

static void workers_ask_while_candidates_change(void **state) {
    (void)state;
    enum { CHANGES = 20, THREADS = 3 };
    pthread_t threads[THREADS];
    int wanted = CHANGES;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_until_the_last, &wanted), 0);
    for (int i = 1; i <= CHANGES; i++) {
        char text[64];
        snprintf(text, sizeof text, "return { f = function() return %d end }", i);
        write_rule(text);
        shadow_look(false);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(without_a_folder_there_is_no_candidate),
        T(a_candidate_is_asked_from_the_look_on),
        T(the_seat_keeps_its_vm_while_nothing_changes),
        T(each_seat_has_a_vm_of_its_own),
        T(a_changed_candidate_takes_the_place_of_the_first),
        T(one_that_does_not_load_is_told_and_not_asked),
        T(what_was_refused_is_tried_again_only_when_asked),
        T(a_folder_that_cannot_be_read_is_told_once),
        T(workers_ask_while_candidates_change),
    };
    rules_set_cpu_factor(50); // nothing is timed
    return cmocka_run_group_tests(tests, revision_setup, revision_teardown);
}

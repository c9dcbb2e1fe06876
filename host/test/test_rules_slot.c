#include "rules_fixture.h"

// Two parts; each counts its calls in a local, which tells whether its VM is a new one.
static const char COUNTER[] = "local calls = 0\n"
                              "return { f = function() calls = calls + 1 return calls end }";
static const char ONLY[] = "a b";

static struct rules_slot slot;
static struct rules_bundle *first;

static struct rules_bundle *read_bundle(void) {
    struct rules_bundle *bundle;
    struct err err;
    if (rules_bundle_read(&bundle, fixture_folder, &err) != 0)
        fail_msg("%s", err.text);
    return bundle;
}

static struct rules_limits two(void) {
    struct rules_limits limits = FIXTURE_LIMITS;
    limits.only = ONLY;
    return limits;
}

static int setup(void **state) {
    struct rules_limits limits = two();
    struct err err;
    if (fixture_setup(state) != 0)
        return -1;
    fixture_write("a.lua", COUNTER, sizeof COUNTER - 1);
    fixture_write("b.lua", COUNTER, sizeof COUNTER - 1);
    first = read_bundle();
    slot = (struct rules_slot){0};
    if (rules_prepare(&slot, first, &limits, &err) != 0)
        return -1;
    rules_commit(&slot);
    return 0;
}

static int teardown(void **state) {
    rules_slot_free(&slot);
    rules_bundle_unref(first);
    return fixture_teardown(state);
}

static int ask(const char *name) {
    struct rules_failure failure;
    if (rules_call(slot.live, name, fixture_lua, 1, 0, &failure) != 1)
        fail_msg("%s", failure.message);
    int calls = (int)lua_tointeger(fixture_lua, -1);
    lua_settop(fixture_lua, 0);
    return calls;
}

// What a change to the folder as it is now makes of the first.
static struct rules *make_next(struct rules_bundle *bundle) {
    struct rules_limits limits = two();
    struct rules *made;
    struct err err;
    if (rules_new_after(&made, bundle, first, &limits, &err) != 0)
        fail_msg("%s", err.text);
    return made;
}

static void edit_b(void) {
    struct buf text = {0};
    buf_addf(&text, "-- edited\n%s", COUNTER);
    fixture_write("b.lua", text.data, text.len);
    buf_free(&text);
}

static void what_one_part_keeps_is_not_the_others(void **state) {
    (void)state;
    assert_int_equal(ask("a.f"), 1);
    assert_int_equal(ask("a.f"), 2);
    assert_int_equal(ask("b.f"), 1);
}

static void a_changed_file_leaves_the_vm_of_another_as_it_is(void **state) {
    (void)state;
    assert_int_equal(ask("a.f"), 1);
    assert_int_equal(ask("b.f"), 1);
    edit_b();
    struct rules_bundle *bundle = read_bundle();
    struct rules *made = make_next(bundle);
    assert_true(rules_is_left_out(made, "a", 1));
    assert_false(rules_is_left_out(made, "b", 1));
    assert_true(rules_offer(&slot, made));
    assert_int_equal(ask("a.f"), 2);
    rules_commit(&slot);
    assert_string_equal(rules_revision(slot.live), rules_bundle_revision(bundle));
    assert_int_equal(ask("a.f"), 3);
    assert_int_equal(ask("b.f"), 1);
    rules_bundle_unref(bundle);
}

static void what_is_left_out_stays_when_the_next_is_cancelled(void **state) {
    (void)state;
    assert_int_equal(ask("a.f"), 1);
    edit_b();
    struct rules_bundle *bundle = read_bundle();
    assert_true(rules_offer(&slot, make_next(bundle)));
    rules_cancel(&slot);
    rules_bundle_unref(bundle);
    assert_int_equal(ask("a.f"), 2);
    assert_string_equal(rules_revision(slot.live), rules_bundle_revision(first));
}

static void one_that_lacks_what_the_live_one_lacks_too_is_not_taken(void **state) {
    (void)state;
    static const char OTHER[] = "return {}";
    struct rules_limits limits = two();
    struct err err;
    fixture_write("a.lua", OTHER, sizeof OTHER - 1);
    struct rules_bundle *bundle = read_bundle();
    assert_int_equal(rules_prepare(&slot, bundle, &limits, &err), 0);
    rules_commit(&slot); // so that it is not the first any more
    rules_bundle_unref(bundle);
    fixture_write("a.lua", COUNTER, sizeof COUNTER - 1);
    edit_b();
    bundle = read_bundle();
    struct rules *made = make_next(bundle);
    assert_false(rules_offer(&slot, made));
    assert_null(slot.next);
    rules_free(made);
    rules_bundle_unref(bundle);
}

static void what_a_vm_requires_later_is_of_the_files_that_are_live(void **state) {
    (void)state;
    static const char LATE[] = "return { f = function() return require(\"rules.c\").n end }";
    struct rules_limits limits = two();
    struct err err;
    fixture_write("a.lua", LATE, sizeof LATE - 1);
    fixture_write("c.lua", "return { n = 1 }", 16);
    rules_bundle_unref(first);
    first = read_bundle();
    assert_int_equal(rules_prepare(&slot, first, &limits, &err), 0);
    rules_commit(&slot);
    fixture_write("c.lua", "return { n = 2 }", 16);
    struct rules_bundle *bundle = read_bundle();
    struct rules *made = make_next(bundle);
    assert_false(rules_is_left_out(made, "a", 1));
    assert_true(rules_offer(&slot, made));
    rules_commit(&slot);
    assert_int_equal(ask("a.f"), 2);
    rules_bundle_unref(bundle);
}

static void each_part_has_memory_of_its_own(void **state) {
    (void)state;
    static const char FULL[] = "return { f = function() local s = {} for i = 1, 1000 do s[i] = "
                               "(\"x\"):rep(16384) .. i end "
                               "return #s end }"; // 16 MB
    struct rules_limits limits = two();
    struct rules_failure failure;
    struct err err;
    limits.memory = 24u << 20;
    limits.call_ms = 60000;
    fixture_write("a.lua", FULL, sizeof FULL - 1);
    fixture_write("b.lua", FULL, sizeof FULL - 1);
    limits.only = "a b";
    assert_int_equal(fixture_try(&limits, &err), 0);
    assert_int_equal(fixture_call("a.f", "1", &failure), 1);
    assert_int_equal(fixture_call("b.f", "1", &failure), 1);
    limits.memory = 12u << 20;
    assert_int_equal(fixture_try(&limits, &err), 0);
    assert_int_equal(fixture_call("a.f", "1", &failure), -1);
    assert_string_equal(failure.code, "memory");
    assert_non_null(strstr(failure.message, "the rules need more than 12288 KiB of memory"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(what_one_part_keeps_is_not_the_others),
        T(a_changed_file_leaves_the_vm_of_another_as_it_is),
        T(what_is_left_out_stays_when_the_next_is_cancelled),
        T(one_that_lacks_what_the_live_one_lacks_too_is_not_taken),
        T(what_a_vm_requires_later_is_of_the_files_that_are_live),
        T(each_part_has_memory_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

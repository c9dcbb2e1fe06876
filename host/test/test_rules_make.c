#include "rules_fixture.h"

#include "rules_make.h"

enum { COUNT = 20 };

static struct rules_make *start(const char *text, const char *const wanted[COUNT]) {
    struct rules_bundle *bundle;
    struct err err;
    fixture_write("rule.lua", text, strlen(text));
    if (rules_bundle_read(&bundle, fixture_folder, &err) != 0)
        fail_msg("%s", err.text);
    struct rules_make *make = rules_make_start(bundle, NULL, wanted, COUNT);
    rules_bundle_unref(bundle);
    return make;
}

static void each_place_that_wants_one_gets_a_vm_of_its_own(void **state) {
    (void)state;
    const char *wanted[COUNT];
    struct rules *made[COUNT];
    struct err err;
    for (int i = 0; i < COUNT; i++)
        wanted[i] = i % 2 == 0 ? "rule" : NULL;
    struct rules_make *make = start("return { f = function() return 7 end }", wanted);
    assert_int_equal(rules_make_end(make, made, &err), 0);
    for (int i = 0; i < COUNT; i++) {
        struct rules_failure failure;
        assert_int_equal(made[i] != NULL, wanted[i] != NULL);
        if (!made[i])
            continue;
        assert_int_equal(rules_call(made[i], "rule.f", fixture_lua, 1, 0, &failure), 1);
        rules_free(made[i]);
    }
}

static void rules_that_do_not_load_make_none(void **state) {
    (void)state;
    const char *wanted[COUNT];
    struct rules *made[COUNT];
    struct err err;
    for (int i = 0; i < COUNT; i++)
        wanted[i] = "";
    struct rules_make *make = start("\nerror('on purpose')", wanted);
    assert_null(rules_make_first(make, 0));
    assert_int_equal(rules_make_end(make, made, &err), -1);
    assert_non_null(strstr(err.text, "rule.lua:2: on purpose"));
    for (int i = 0; i < COUNT; i++)
        assert_null(made[i]);
}

static void one_may_be_used_before_all_are_there(void **state) {
    (void)state;
    const char *wanted[COUNT] = {NULL, "", ""};
    struct rules *made[COUNT];
    struct rules_failure failure;
    struct err err;
    struct rules_make *make = start("return { f = function() return 7 end }", wanted);
    struct rules *first = rules_make_first(make, 1);
    assert_non_null(first);
    assert_null(rules_make_first(make, 0));
    assert_int_equal(rules_call(first, "rule.f", fixture_lua, 1, 0, &failure), 1);
    assert_int_equal(rules_make_end(make, made, &err), 0);
    assert_ptr_equal(made[1], first);
    rules_free(made[1]);
    rules_free(made[2]);
}

static void nobody_may_want_one(void **state) {
    (void)state;
    const char *wanted[COUNT] = {NULL};
    struct rules *made[COUNT];
    struct err err;
    assert_int_equal(rules_make_end(start("return {}", wanted), made, &err), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(each_place_that_wants_one_gets_a_vm_of_its_own),
        T(rules_that_do_not_load_make_none),
        T(one_may_be_used_before_all_are_there),
        T(nobody_may_want_one),
    };
    rules_set_cpu_factor(50); // nothing is timed
    return cmocka_run_group_tests(tests, NULL, NULL);
}

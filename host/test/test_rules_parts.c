#include "rules_fixture.h"

#include "rules_parts.h"

static void put(const char *name, const char *text) {
    fixture_write(name, text, strlen(text));
}

static struct rules_parts find(const char *only) {
    struct rules_bundle *bundle;
    struct rules_parts parts;
    struct err err;
    if (rules_bundle_read(&bundle, fixture_folder, &err) != 0)
        fail_msg("%s", err.text);
    rules_parts_find(&parts, bundle, only);
    rules_bundle_unref(bundle);
    return parts;
}

// Whether the first part is another one once a file has this text.
static bool concerns(const char *only, const char *name, const char *text) {
    struct rules_parts before = find(only);
    put(name, text);
    struct rules_parts after = find(only);
    bool same = rules_part_same(&before.list[0], &after.list[0]);
    rules_parts_free(&before);
    rules_parts_free(&after);
    return !same;
}

static int setup(void **state) {
    if (fixture_setup(state) != 0)
        return -1;
    put("a.lua", "local b = require(\"rules.b\")\nreturn {}");
    put("b.lua", "return {}");
    put("c.lua", "return {}");
    return 0;
}

static void files_that_do_not_require_each_other_are_apart(void **state) {
    (void)state;
    struct rules_parts parts = find("a c");
    assert_int_equal(parts.count, 2);
    assert_string_equal(parts.list[0].files, "a");
    assert_string_equal(parts.list[1].files, "c");
    assert_true(rules_part_has(&parts.list[1], "c.f", 1));
    assert_false(rules_part_has(&parts.list[1], "a", 1));
    rules_parts_free(&parts);
}

static void a_file_that_another_requires_is_in_its_part(void **state) {
    (void)state;
    put("c.lua", "return require 'rules.a'");
    struct rules_parts parts = find("b c");
    assert_int_equal(parts.count, 1);
    assert_string_equal(parts.list[0].files, "c b");
    rules_parts_free(&parts);
}

static void two_that_require_each_other_are_one_part(void **state) {
    (void)state;
    put("b.lua", "return { f = function() return require('rules.a') end }");
    struct rules_parts parts = find("b a");
    assert_int_equal(parts.count, 1);
    assert_string_equal(parts.list[0].files, "b a");
    rules_parts_free(&parts);
}

static void all_files_are_one_part(void **state) {
    (void)state;
    struct rules_parts parts = find(NULL);
    assert_int_equal(parts.count, 1);
    assert_null(parts.list[0].files);
    assert_true(rules_part_has(&parts.list[0], "c", 1));
    rules_parts_free(&parts);
    assert_true(concerns(NULL, "c.lua", "return { 1 }"));
}

static void files_that_are_not_there_are_in_no_part(void **state) {
    (void)state;
    struct rules_parts parts = find("x a y a");
    assert_int_equal(parts.count, 1);
    assert_string_equal(parts.list[0].files, "a");
    rules_parts_free(&parts);
    parts = find("x");
    assert_int_equal(parts.count, 1);
    assert_string_equal(parts.list[0].files, "");
    rules_parts_free(&parts);
}

static void a_part_is_concerned_by_what_it_requires(void **state) {
    (void)state;
    assert_true(concerns("a c", "a.lua", "return require(\"rules.b\")"));
    assert_true(concerns("a c", "b.lua", "return { 1 }"));
}

static void a_part_is_concerned_by_its_examples(void **state) {
    (void)state;
    assert_true(concerns("a c", "a.examples.json", "[]"));
    assert_false(concerns("a c", "b.examples.json", "[]"));
}

static void a_part_is_not_concerned_by_other_files(void **state) {
    (void)state;
    assert_false(concerns("a c", "c.lua", "return { 1 }"));
    assert_false(concerns("a c", "d.lua", "return {}"));
}

static void a_require_that_is_no_plain_literal_may_require_all(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        "local r = require return r(\"rules.\" .. \"c\")", "return require(\"rules.\" .. (\"c\"))",
        "return require [[rules.c]]", "return require(\"rules.\\99\")",
        "return { f = function(...) return pcall(require, ...) end }"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        put("c.lua", "return {}");
        put("a.lua", TEXTS[i]);
        assert_true(concerns("a", "c.lua", "return { 1 }"));
    }
}

static void words_like_require_require_nothing(void **state) {
    (void)state;
    put("a.lua", "local requires, my_require = 1, 2\nreturn { required = require('lpeg') }");
    assert_false(concerns("a", "c.lua", "return { 1 }"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(files_that_do_not_require_each_other_are_apart),
        T(a_file_that_another_requires_is_in_its_part),
        T(two_that_require_each_other_are_one_part),
        T(all_files_are_one_part),
        T(files_that_are_not_there_are_in_no_part),
        T(a_part_is_concerned_by_what_it_requires),
        T(a_part_is_concerned_by_its_examples),
        T(a_part_is_not_concerned_by_other_files),
        T(a_require_that_is_no_plain_literal_may_require_all),
        T(words_like_require_require_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "rules_fixture.h"

// Beside rule.lua: what it requires, and what that requires.
static const char OTHER[] =
    "local far = require('rules.far')\n"
    "return { list = { 3, 2, 1 }, deep = { a = { b = 'old' } }, gone = 0 / 0, far = function()\n"
    "  return far end }";
static const char FAR[] = "return { word = 'far' }";
static const char WORDS[] = "local o = require('rules.other') "
                            "return o.list[1] .. #o.list .. o.deep.a.b .. o.far().word "
                            ".. tostring(o.new) .. tostring(getmetatable(o.list))";

static int setup(void **state) {
    int status = fixture_setup(state);
    fixture_write("other.lua", OTHER, sizeof OTHER - 1);
    fixture_write("far.lua", FAR, sizeof FAR - 1);
    return status;
}

// rule.f runs the body, rule.read reads; both require at the top, as files do.
static void load_within(const char *body, unsigned call_ms) {
    struct rules_limits limits = FIXTURE_LIMITS;
    struct buf text = {0};
    struct err err;
    buf_addf(&text,
             "local o = require('rules.other')\n"
             "local rule = { own = {} }\nfunction rule.plus_one(n) return n + 1 end\n"
             "function rule.read() %s end\nfunction rule.f()\n%s\nreturn true end\nreturn rule\n",
             WORDS, body);
    fixture_write("rule.lua", text.data, text.len);
    buf_free(&text);
    limits.call_ms = call_ms;
    if (fixture_try(&limits, &err) != 0)
        fail_msg("%s", err.text);
}

static void load(const char *body) {
    load_within(body, FIXTURE_LIMITS.call_ms);
}

static void reads_as_before(void) {
    struct rules_failure failure;
    if (fixture_call("rule.read", "1", &failure) != 1)
        fail_msg("%s", failure.message);
    assert_string_equal(lua_tostring(fixture_lua, -1), "33oldfarnilnil");
}

static void fails(const char *body, const char *code, const char *words) {
    struct rules_failure failure;
    load_within(body, strcmp(code, "budget") == 0 ? FIXTURE_ENDLESS_MS : FIXTURE_LIMITS.call_ms);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fixture_call("rule.f", "1", &failure), -1);
        if (strcmp(failure.code, code) != 0 || !strstr(failure.message, words))
            fail_msg("%s: %s", failure.code, failure.message);
        reads_as_before();
    }
}

static const char OF_OTHER[] = "it changes a table of rules/other.lua, which is constant";

static void a_field_of_another_files_table_is_put_back(void **state) {
    (void)state;
    fails("o.deep.a.b = 'new'", "error", OF_OTHER);
    fails("o.new = 1", "error", OF_OTHER);
    fails("o.deep = nil", "error", OF_OTHER);
    fails("o.deep = { a = o.deep.a }", "error", OF_OTHER);
}

static void what_passes_metatables_by_is_put_back(void **state) {
    (void)state;
    fails("table.insert(o.list, 0)", "error", OF_OTHER);
    fails("table.sort(o.list)", "error", OF_OTHER);
    fails("rawset(o.list, 1, 7)", "error", OF_OTHER);
    fails("setmetatable(o.list, {})", "error", OF_OTHER);
    fails("setmetatable(o.list, { __newindex = error, __index = error, __metatable = 1 })", "error",
          OF_OTHER);
}

static void tables_of_files_that_the_other_requires_are_put_back(void **state) {
    (void)state;
    fails("o.far().word = 'new'", "error", "it changes a table of rules/far.lua");
}

static void what_is_required_by_a_call_is_put_back(void **state) {
    (void)state;
    static const char LONE[] = "return { 1 }";
    fixture_write("lone.lua", LONE, sizeof LONE - 1);
    fails("require('rules.lone')[1] = 2", "error", "it changes a table of rules/lone.lua");
}

static void what_its_own_file_returned_is_constant_too(void **state) {
    (void)state;
    fails("require('rules.rule').own.x = 1", "error", "it changes a table of rules/rule.lua");
}

static void a_call_that_fails_by_itself_keeps_its_reason(void **state) {
    (void)state;
    fails("o.new = 1 error('on purpose')", "error", "on purpose");
    fails("o.new = 1 while true do end", "budget", "CPU time");
    fails("o.new = 1 do return ('x'):rep(1e9) end", "memory", "memory");
}

static void tables_are_read_as_ever(void **state) {
    (void)state;
    struct rules_failure failure;
    load(
        "local count = 0 for _ in pairs(o) do count = count + 1 end\n"
        "for i, n in ipairs(o.list) do count = count + i * n end\n"
        "assert(count == 14 and #o.list == 3 and type(o.deep) == 'table' and next(o.deep) == 'a')\n"
        "assert(table.concat(o.list) == '321' and select('#', unpack(o.list)) == 3)");
    if (fixture_call("rule.f", "1", &failure) != 1) // and a NaN is no change
        fail_msg("%s", failure.message);
}

static void what_is_changed_and_put_back_by_the_call_itself_is_no_failure(void **state) {
    (void)state;
    struct rules_failure failure;
    load("o.list[1] = 9 o.list[1] = 3");
    if (fixture_call("rule.f", "1", &failure) != 1)
        fail_msg("%s", failure.message);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_field_of_another_files_table_is_put_back),
        T(what_passes_metatables_by_is_put_back),
        T(tables_of_files_that_the_other_requires_are_put_back),
        T(what_is_required_by_a_call_is_put_back),
        T(what_its_own_file_returned_is_constant_too),
        T(a_call_that_fails_by_itself_keeps_its_reason),
        T(tables_are_read_as_ever),
        T(what_is_changed_and_put_back_by_the_call_itself_is_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

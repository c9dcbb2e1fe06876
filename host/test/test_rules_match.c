#include "rules_fixture.h"

#include "rules_budget.h"
#include "rules_match.h"

// The string library itself tells what is right.

static lua_State *real, *ours;
static struct rules_budget budget;

static int setup(void **state) {
    (void)state;
    real = luaL_newstate();
    luaL_openlibs(real);
    ours = rules_budget_new_state(&budget, 256u << 20);
    assert_non_null(ours);
    luaL_openlibs(ours);
    lua_getglobal(ours, "string");
    rules_match_register(ours);
    lua_pop(ours, 1);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    lua_close(real);
    lua_close(ours);
    return 0;
}

static uint32_t seed = 20260504;

static uint32_t pick(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

// Text of the alphabet of the patterns below, so that much of it matches.
static void make_subject(struct buf *out) {
    static const char LETTERS[] = "aabbc1 .-%()[]^$\xC3\xA9\n";
    for (uint32_t i = pick(14); i > 0; i--)
        buf_addc(out, pick(40) == 0 ? '\0' : LETTERS[pick(sizeof LETTERS - 1)]);
}

static void make_pattern(struct buf *out) {
    static const char *const PIECES[] = {
        "a",    "b",    "c",         "1",      ".",    "%a",    "%d",     "%s",   "%w",
        "%p",   "%x",   "%l",        "%u",     "%c",   "%g",    "%z",     "%A",   "%D",
        "%S",   "%W",   "%P",        "%Z",     "%.",   "%%",    "%(",     "(",    ")",
        "()",   "(a)",  "(.-)",      "(%w*)",  "%1",   "%2",    "*",      "+",    "-",
        "?",    "[ab]", "[^a]",      "[]",     "[^]]", "[a-c]", "[%d%s]", "[a-]", "[]-a]",
        "%b()", "%bab", "%f[%w]",    "%f[^a]", "^",    "$",     "[",      "%",    "[%",
        "\xC3", " ",    "[\xC3\xA9]"};
    if (pick(4) == 0)
        buf_addc(out, '^');
    for (uint32_t i = pick(7); i > 0; i--)
        buf_adds(out, PIECES[pick(sizeof PIECES / sizeof *PIECES)]);
    if (pick(6) == 0)
        buf_addc(out, '$');
}

// Calls string.<name> and writes down what came of it.
static void run(lua_State *L, const char *code, const struct buf *subject,
                const struct buf *pattern, int number, struct buf *out) {
    lua_settop(L, 0);
    buf_clear(out);
    lua_getglobal(L, code);
    lua_pushlstring(L, subject->data ? subject->data : "", subject->len);
    lua_pushlstring(L, pattern->data ? pattern->data : "", pattern->len);
    lua_pushinteger(L, number);
    if (lua_pcall(L, 3, LUA_MULTRET, 0) != 0) {
        buf_adds(out, "error");
        return;
    }
    for (int i = 1; i <= lua_gettop(L); i++) {
        size_t len = 0;
        const char *text = lua_tolstring(L, i, &len);
        buf_addf(out, "|%s:", lua_typename(L, lua_type(L, i)));
        buf_add(out, text ? text : "", len);
    }
}

static void define(const char *name, const char *code) {
    lua_State *const both[] = {real, ours};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(luaL_loadstring(both[i], code), 0);
        lua_setglobal(both[i], name);
    }
}

static void compare(const char *name, const char *code, int rounds) {
    struct buf subject = {0}, pattern = {0}, expected = {0}, got = {0};
    int errors = 0, hits = 0;
    define(name, code);
    for (int i = 0; i < rounds; i++) {
        buf_clear(&subject);
        buf_clear(&pattern);
        make_subject(&subject);
        make_pattern(&pattern);
        int number = (int)pick(20) - 8;
        run(real, name, &subject, &pattern, number, &expected);
        run(ours, name, &subject, &pattern, number, &got);
        if (expected.len != got.len || memcmp(expected.data, got.data, got.len) != 0)
            fail_msg("%s of '%s' with '%s', %d: %s, not %s", name, subject.data, pattern.data,
                     number, got.data, expected.data);
        errors += strcmp(got.data, "error") == 0;
        hits += got.len > 5 && strcmp(got.data, "|nil:") != 0;
    }
    assert_true(errors > rounds / 50 && hits > rounds / 10); // both happened
    buf_free(&subject);
    buf_free(&pattern);
    buf_free(&expected);
    buf_free(&got);
}

static void find_is_that_of_lua(void **state) {
    (void)state;
    compare("find", "local s, p, n = ... return string.find(s, p, n)", 40000);
}

static void plain_find_is_that_of_lua(void **state) {
    (void)state;
    struct buf subject = {0}, pattern = {0}, expected = {0}, got = {0};
    define("plain", "local s, p, n = ... return string.find(s, p, n, true)");
    for (int i = 0; i < 20000; i++) {
        buf_clear(&subject);
        buf_clear(&pattern);
        make_subject(&subject);
        if (pick(2) == 0 && subject.len > 2)
            buf_add(&pattern, subject.data + 1, 1 + pick((uint32_t)subject.len - 2));
        else
            make_subject(&pattern);
        int number = (int)pick(20) - 8;
        run(real, "plain", &subject, &pattern, number, &expected);
        run(ours, "plain", &subject, &pattern, number, &got);
        assert_int_equal(expected.len, got.len);
        assert_memory_equal(expected.data, got.data, got.len);
    }
    buf_free(&subject);
    buf_free(&pattern);
    buf_free(&expected);
    buf_free(&got);
}

static void match_is_that_of_lua(void **state) {
    (void)state;
    compare("match", "local s, p, n = ... return string.match(s, p, n)", 40000);
}

static void gmatch_is_that_of_lua(void **state) {
    (void)state;
    compare("gmatch",
            "local s, p = ... local t = {} for a, b in string.gmatch(s, p) do\n"
            "t[#t + 1] = tostring(a) .. ',' .. tostring(b) end return table.concat(t, ';')",
            20000);
}

static void gsub_with_a_text_is_that_of_lua(void **state) {
    (void)state;
    compare("gsub", "local s, p, n = ... return string.gsub(s, p, '<%0%%%1>', n > 3 and n or nil)",
            40000);
}

static void gsub_with_a_function_is_that_of_lua(void **state) {
    (void)state;
    compare("gsubf",
            "local s, p, n = ... return string.gsub(s, p, function(a, b)\n"
            "if a == 'a' then return nil elseif a == 'b' then return false end\n"
            "return tostring(a) .. '/' .. tostring(b) end)",
            20000);
}

static void gsub_with_a_table_is_that_of_lua(void **state) {
    (void)state;
    compare("gsubt",
            "local s, p, n = ... return string.gsub(s, p, {a = 'x', b = 7, c = false, [1] = 'y'})",
            20000);
}

static void wrong_arguments_are_errors(void **state) {
    (void)state;
    define("wrong", "local s, p, n = ...\n"
                    "local list = {{}, {'a'}, {'a', {}}, {nil, 'a'}, {'a', 'a', {}}}\n"
                    "local names = {'find', 'match', 'gmatch', 'gsub'}\n"
                    "local t = {}\n"
                    "for _, name in ipairs(names) do for _, a in ipairs(list) do\n"
                    "t[#t + 1] = tostring((pcall(string[name], a[1], a[2], a[3]))) end end\n"
                    "t[#t + 1] = tostring(pcall(string.gsub, 'a', 'a', true))\n"
                    "t[#t + 1] = tostring(pcall(string.gsub, 'a', 'a', function() return {} end))\n"
                    "t[#t + 1] = string.gsub(123, 2, 5)\n"
                    "return table.concat(t, ' ')");
    struct buf none = {0}, expected = {0}, got = {0};
    run(real, "wrong", &none, &none, 0, &expected);
    run(ours, "wrong", &none, &none, 0, &got);
    assert_string_equal(got.data, expected.data);
    buf_free(&expected);
    buf_free(&got);
}

static void a_pattern_nested_too_deeply_is_an_error(void **state) {
    (void)state;
    define("deep", "return (select(2, pcall(string.find, ('a'):rep(9000), ('a?'):rep(9000))))");
    struct buf none = {0}, got = {0};
    run(ours, "deep", &none, &none, 0, &got);
    assert_non_null(strstr(got.data, "pattern too complex"));
    buf_free(&got);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find_is_that_of_lua),
        cmocka_unit_test(plain_find_is_that_of_lua),
        cmocka_unit_test(match_is_that_of_lua),
        cmocka_unit_test(gmatch_is_that_of_lua),
        cmocka_unit_test(gsub_with_a_text_is_that_of_lua),
        cmocka_unit_test(gsub_with_a_function_is_that_of_lua),
        cmocka_unit_test(gsub_with_a_table_is_that_of_lua),
        cmocka_unit_test(wrong_arguments_are_errors),
        cmocka_unit_test(a_pattern_nested_too_deeply_is_an_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

#include "rules_fixture.h"

#include "rules_budget.h"
#include "rules_lpeg.h"

#define FAILS(name, code, words, body)                                                             \
    static void name(void **state) {                                                               \
        (void)state;                                                                               \
        fixture_fails(body, code, words);                                                          \
    }

#define HOLDS(name, body)                                                                          \
    static void name(void **state) {                                                               \
        (void)state;                                                                               \
        fixture_holds(body);                                                                       \
    }

// Loops.

FAILS(a_loop_ends, "budget", "rules/rule.lua:4: it takes more than 60 ms", "while true do end")
FAILS(a_loop_in_pcall_ends, "budget", "rule.lua:4",
      "while true do pcall(function() while true do end end) end")
FAILS(a_loop_of_pcall_ends, "budget", "rule.lua:4", "while true do pcall(error) end")
FAILS(a_loop_in_a_handler_ends, "budget", "rule.lua:4",
      "xpcall(error, function() while true do end end)")
FAILS(a_loop_with_a_looping_handler_ends, "budget", "rule.lua",
      "xpcall(function() while true do end end,\nfunction() while true do end end)")
FAILS(a_handler_that_fails_ends, "budget", "rule.lua",
      "local function h() while true do xpcall(error, h) end end xpcall(error, h)")
FAILS(a_loop_in_an_iterator_ends, "budget", "rule.lua:4",
      "for _ in function() while true do end end do end")
FAILS(an_endless_iterator_ends, "budget", "rule.lua:4", "for _ in function() return 1 end do end")
FAILS(a_loop_in_index_ends, "budget", "rule.lua:4",
      "return setmetatable({}, {__index = function() while true do end end}).x")
FAILS(a_loop_in_concat_ends, "budget", "rule.lua:4",
      "return setmetatable({}, {__concat = function() while true do end end}) .. 'x'")
FAILS(a_loop_in_less_than_ends, "budget", "rule.lua:4",
      "local t = setmetatable({}, {__lt = function() while true do end end}) return t < t")
FAILS(a_loop_in_tostring_ends, "budget", "rule.lua:4",
      "return tostring(setmetatable({}, {__tostring = function() while true do end end}))")
FAILS(a_loop_in_a_gsub_callback_ends, "budget", "rule.lua:4",
      "return (('a'):gsub('a', function() while true do end end))")
FAILS(a_loop_in_a_comparator_ends, "budget", "rule.lua:4",
      "table.sort({3, 2, 1}, function() while true do end end)")
FAILS(a_loop_of_goto_ends, "budget", "rule.lua:4", "::again:: goto again")
FAILS(sorting_without_end_ends, "budget", "rule.lua",
      "local t = {} for i = 1, 20000 do t[i] = -i end while true do table.sort(t) end")
FAILS(building_strings_without_end_ends, "budget", "rule.lua:4",
      "local s = ('x'):rep(1000000) while true do local t = s .. 'y' end")
FAILS(repeating_strings_without_end_ends, "budget", "rule.lua:4",
      "while true do pcall(string.rep, 'x', 1000000) end")
FAILS(searching_for_the_next_date_without_end_ends, "budget", "rule.lua:4",
      "while true do require('host.calendar').check_rrule('FREQ=DAILY') end")

// Of many lines like this one few are run once the time is over. What they go through is there when
// the file is loaded or, with `made`, is made by the call.
static void few_more_lines(const char *first, bool made, const char *line) {
    enum { LINES = 60, FEW = 8, BEFORE = 4 };
    struct buf text = {0};
    struct rules_failure failure;
    struct err err;
    const struct rules_limits limits = {.call_ms = 3, .load_ms = 60000, .memory = 16u << 20};
    buf_addf(&text, "local rule = {plus_one = function(n) return n + 1 end}\n%s\n",
             made ? "" : first);
    buf_addf(&text, "function rule.f() %s\nwhile true do\n", made ? first : "");
    for (int i = 0; i < LINES; i++)
        buf_addf(&text, "%s\n", line);
    buf_addf(&text, "end end\nreturn rule\n");
    fixture_write("rule.lua", text.data, text.len);
    buf_free(&text);
    if (fixture_try(&limits, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(fixture_call("rule.f", "1", &failure), -1);
    assert_string_equal(failure.code, "budget");
    const char *place = strstr(failure.message, "rule.lua:");
    assert_non_null(place);
    int number = atoi(place + strlen("rule.lua:"));
    if (number > BEFORE + FEW)
        fail_msg("%s was run %d times", line, number - BEFORE);
    fixture_answers();
}

static void long_texts_are_gone_through_a_few_times(void **state) {
    (void)state;
    static const char *const LINES[] = {"s:reverse()", "s:upper()", "local x = s + 0",
                                        "string.format('%q', s)", "local x = tonumber(s)"};
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++)
        for (int made = 0; made < 2; made++)
            few_more_lines("local s = ('1'):rep(3000000)", made, LINES[i]);
}

static void long_lists_are_gone_through_a_few_times(void **state) {
    (void)state;
    few_more_lines("local t = {} for i = 1, 1000000 do t[i] = i end", false,
                   "table.insert(t, 1, 0)");
}

FAILS(what_is_captured_at_a_first_match_is_too_much, "memory", "rule.lua:5",
      "local lpeg = require('lpeg')\n"
      "return (lpeg.P('a') / function() return #('x'):rep(200000000) end):match('a')")
FAILS(what_a_function_makes_as_a_pattern_is_too_much, "memory", "rule.lua:5",
      "local lpeg = require('lpeg')\n"
      "return lpeg.match(function() return #('x'):rep(200000000) end, 'a')")
FAILS(a_number_is_too_large_for_a_match, "error", "too large",
      "return require('lpeg').match(1000000, 'a')")
FAILS(a_library_is_no_pattern, "error", "pattern", "return require('lpeg').match(string, 'a')")
HOLDS(what_becomes_a_pattern_matches_as_ever,
      "local lpeg = require('lpeg')\n"
      "return lpeg.match('ab', 'abc') == 3 and lpeg.match(2, 'abc') == 3 and\n"
      "lpeg.match(true, 'abc') == 1 and lpeg.match({'a' * lpeg.V(1) + 'b'}, 'aab') == 4 and\n"
      "lpeg.match(function(s, i) return i + #s end, 'abc') == 4 and\n"
      "lpeg.match('b', 'abc', 2) == 3 and lpeg.match('b', 'abc') == nil")
FAILS(a_long_text_is_not_decoded, "error", "longer than 128 KiB",
      "return require('host.json').decode(('1'):rep(200000))")
HOLDS(a_long_text_is_repeated_as_ever,
      "local s = ('abc'):rep(50001)\n"
      "return #s == 150003 and s:sub(-4) == 'cabc' and s:sub(75001, 75006) == 'abcabc' and\n"
      "('x'):rep(70000.9) == ('x'):rep(70000) and ('ab'):rep(3, '-') == 'ab-ab-ab' and\n"
      "('x'):rep(100000):rep(0.9) == '' and ('x'):rep(3000000):rep('0.5') == '' and\n"
      "('x'):rep(0) == '' and ('x'):rep(-5) == '' and (''):rep(1e6) == ''")

// Memory.

FAILS(one_large_string_is_too_much, "memory", "rule.lua:4: the rules need more than 16384 KiB",
      "return #('x'):rep(1e9)")
FAILS(a_growing_table_is_too_much, "memory", "rule.lua:4",
      "local t = {} for i = 1, 1e9 do t[i] = {{{}}} end")
FAILS(a_doubling_string_is_too_much, "memory", "rule.lua:4",
      "local s = 'xxxxxxxxxxxxxxxx' while true do s = s .. s end")
FAILS(too_much_memory_cannot_be_caught, "memory", "rule.lua:4",
      "while true do pcall(string.rep, 'x', 1e9) end")
FAILS(a_joined_table_is_too_much, "memory", "rules/rule.lua:3:",
      "local t, s = {}, ('x'):rep(10000) for i = 1, 10000 do t[i] = s end\nreturn table.concat(t)")
FAILS(formatting_is_too_much, "memory", "rule.lua:4",
      "local s = ('x'):rep(3e6) return #string.format('%s%s%s%s%s%s', s, s, s, s, s, s)")
FAILS(a_replacement_is_too_much, "memory", "rule.lua:4",
      "return #(('x'):rep(1000):gsub('.', ('y'):rep(100000)))")

static void what_is_kept_between_calls_is_lost_when_it_is_too_much(void **state) {
    (void)state;
    struct rules_failure failure;
    fixture_load("kept = kept or {}");
    const char text[] = "local rule, kept = {}, {}\n"
                        "function rule.f() for i = 1, 1e9 do kept[#kept + 1] = {} end end\n"
                        "function rule.plus_one(n) return n + 1 end\nreturn rule";
    fixture_write("rule.lua", text, sizeof text - 1);
    struct err err;
    const struct rules_limits limits = {.call_ms = 60000, .load_ms = 60000, .memory = 4u << 20};
    assert_int_equal(fixture_try(&limits, &err), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fixture_call("rule.f", "1", &failure), -1);
        assert_string_equal(failure.code, "memory");
        assert_non_null(strstr(failure.message, "rules/rule.lua:2:"));
        fixture_answers();
    }
}

// Whatever the cap is, a call or a load works, or fails with a reason.
static void memory_may_end_anywhere(void **state) {
    (void)state;
    struct rules_failure failure;
    struct err err;
    fixture_load("local lpeg = require('lpeg')\n"
                 "local t = {} for i = 1, 300 do t[i] = {n = i, s = ('x'):rep(i)} end\n"
                 "local p = lpeg.Ct((lpeg.C(lpeg.R('az') ^ 1) * ' ') ^ 0)\n"
                 "local ok, why = pcall(function() return #p:match(('ab '):rep(500)) end)\n"
                 "return #t, (('abc'):rep(99):gsub('b', '%0%0')), t");
    int loaded = 0, answered = 0, full = 0;
    for (size_t memory = 8 * 1024; memory < 700 * 1024; memory += 999) {
        const struct rules_limits limits = {.call_ms = 60000, .load_ms = 60000, .memory = memory};
        if (fixture_try(&limits, &err) != 0)
            continue;
        loaded++;
        int results = fixture_call("rule.f", "{1, 2, 3}", &failure);
        if (results < 0 && strcmp(failure.code, "memory") != 0)
            fail_msg("%zu: %s: %s", memory, failure.code, failure.message);
        *(results < 0 ? &full : &answered) += 1;
    }
    assert_true(loaded > 10 && answered > 10 && full > 10);
}

// LPeg makes a pattern's code at its first match. Where it has no memory for all of it there is
// none, and not a part of it.
static void a_pattern_is_whole_though_memory_ended(void **state) {
    (void)state;
    static const char TEXT[] = "local lpeg, rule = require('lpeg'), {}\n"
                               "local word = lpeg.P('a')\n"
                               "for i = 1, 600 do word = word + ('w' .. i .. '.') end\n"
                               "function rule.f(bytes) local s = ('x'):rep(bytes)\n"
                               "return word:match('w599.') end\n"
                               "function rule.plus_one(n) return n + 1 end\nreturn rule";
    enum { MEMORY = 2 << 20 };
    const struct rules_limits limits = {.call_ms = 60000, .load_ms = 60000, .memory = MEMORY};
    struct rules_failure failure;
    struct err err;
    char bytes[16];
    int full = 0;
    fixture_write("rule.lua", TEXT, sizeof TEXT - 1);
    for (int left = 0; left < 512 << 10; left += 16 << 10) {
        if (fixture_try(&limits, &err) != 0)
            fail_msg("%s", err.text);
        snprintf(bytes, sizeof bytes, "%d", (MEMORY - left) / 2);
        full += fixture_call("rule.f", bytes, &failure) < 0;
        if (fixture_call("rule.f", "0", &failure) != 1)
            fail_msg("%s", failure.message);
        assert_int_equal(lua_tointeger(fixture_lua, -1), 6);
        fixture_answers();
    }
    assert_in_range(full, 1, 31);
}

// Patterns.

FAILS(a_pattern_of_many_repetitions_ends, "budget",
      "rules/rule.lua:3:", "return ('a'):rep(30):find(('a-'):rep(30) .. 'b')")
FAILS(a_pattern_of_many_gaps_ends, "budget",
      "rules/rule.lua:3:", "return ('y'):rep(500):find('.-.-.-.-.-x')")
FAILS(a_greedy_pattern_ends, "budget",
      "rules/rule.lua:3:", "return ('y'):rep(500):match('.*.*.*.*.*x')")
FAILS(a_pattern_in_gsub_ends, "budget", "rule.lua:4",
      "return (('y'):rep(500):gsub('.-.-.-.-.-x', ''))")
FAILS(a_pattern_in_gmatch_ends, "budget", "rule.lua:4",
      "for _ in ('y'):rep(500):gmatch('.-.-.-.-.-x') do end")
FAILS(a_pattern_cannot_be_caught, "budget", "rule.lua:4",
      "while true do pcall(string.find, ('y'):rep(500), '.-.-.-.-.-x') end")
FAILS(a_pattern_of_balances_ends, "budget", "rule.lua:4",
      "local s = ('('):rep(20000) while true do s:find('%b()') end")

FAILS(a_grammar_that_explodes_ends, "budget", "rules/rule.lua:3:",
      "local lpeg = require('lpeg')\n"
      "return lpeg.P({'x' * lpeg.V(1) * lpeg.V(1) * 'y' + 'x' * lpeg.V(1) * 'z' + 'x'})\n"
      ":match(('x'):rep(60))")
FAILS(a_grammar_given_as_a_table_ends, "budget", "rules/rule.lua:3:",
      "local lpeg = require('lpeg')\n"
      "return lpeg.match({'s', s = 'x' * lpeg.V('s') * 'y' + 'x' * lpeg.V('s') * 'z' + 'x'},\n"
      "('x'):rep(60))")
FAILS(nested_repetitions_end, "budget", "rules/rule.lua:3:",
      "local lpeg = require('lpeg')\n"
      "local p = lpeg.P(1)\n"
      "for _ = 1, 6 do p = #(p ^ 0) * 1 end\n"
      "return (p ^ 0):match(('x'):rep(2000))")
FAILS(a_grammar_cannot_be_caught, "budget", "rule.lua",
      "local lpeg = require('lpeg')\n"
      "local p = lpeg.P({'x' * lpeg.V(1) * lpeg.V(1) * 'y' + 'x' * lpeg.V(1) * 'z' + 'x'})\n"
      "while true do pcall(p.match, p, ('x'):rep(60)) end")
FAILS(a_loop_in_a_capture_ends, "budget", "rule.lua:5",
      "local lpeg = require('lpeg')\n"
      "return (lpeg.P('x') / function() while true do end end):match('x')")
FAILS(a_long_text_is_not_matched, "error", "64 KiB",
      "return require('lpeg').P(1):match(('x'):rep(70000))")
FAILS(a_pattern_that_doubles_is_refused, "error", "too large",
      "local p = require('lpeg').P('xy') for _ = 1, 40 do p = p * p end")
FAILS(a_count_that_is_too_large_is_refused, "error", "too large",
      "return require('lpeg').P(2000000000)")
FAILS(a_repetition_that_is_too_large_is_refused, "error", "too large",
      "return require('lpeg').P('ab') ^ 2000000000")
HOLDS(lpeg_matches_as_ever,
      "local lpeg = require('lpeg')\n"
      "local word = lpeg.C(lpeg.R('az') ^ 1)\n"
      "local list = lpeg.Ct(word * (lpeg.S(' ,') ^ 1 * word) ^ 0)\n"
      "local t = list:match('one, two three')\n"
      "local sum = lpeg.P({'sum', sum = lpeg.V('n') * ('+' * lpeg.V('n')) ^ 0 * -1,\n"
      "n = lpeg.R('09') ^ 1})\n"
      "return #t == 3 and t[3] == 'three' and sum:match('1+22+3') == 7 and not sum:match('1+')\n"
      "and lpeg.match(lpeg.Cs((lpeg.P('a') / 'b' + 1) ^ 0), 'banana') == 'bbnbnb'\n"
      "and lpeg.type(word) == 'pattern'")

// Depth.

FAILS(endless_recursion_ends, "error", "stack overflow",
      "local function f() return 1 + f() end f()")
FAILS(endless_mutual_recursion_ends, "error", "stack overflow",
      "local f, g function f() return 1 + g() end function g() return 1 + f() end f()")
FAILS(endless_tail_calls_end, "budget", "rule.lua:4",
      "local function f() return f() end return f()")
FAILS(
    recursion_through_index_ends, "error", "",
    "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] .. '' end}) return t[1]")
FAILS(a_chain_of_index_to_itself_ends, "error", "",
      "local m = {} m.__index = setmetatable(m, m) return m.x")
FAILS(recursion_through_tostring_ends, "error", "stack overflow",
      "local t t = setmetatable({}, {__tostring = function(x) return tostring(x) .. 'x' end})\n"
      "return tostring(t)")
FAILS(recursion_through_format_ends, "error", "stack overflow",
      "local t t = setmetatable({}, {__tostring = function(x) return ('%s'):format(x) end})\n"
      "return tostring(t)")
FAILS(recursion_through_gsub_ends, "error", "stack overflow",
      "local function f() return (('a'):gsub('a', f)) .. '' end return f()")
FAILS(recursion_through_sort_ends, "error", "stack overflow",
      "local function f() table.sort({2, 1}, f) return true end f()")
FAILS(recursion_through_xpcall_ends, "error", "stack overflow",
      "local function f() local ok, why = xpcall(f, function(e) return e end)\n"
      "if not ok then error(why, 0) end end f()")
FAILS(recursion_through_a_capture_ends, "error", "stack overflow",
      "local lpeg, p = require('lpeg') p = lpeg.P('x') / function() return p:match('x') .. '' end\n"
      "return p:match('x')")
FAILS(nested_pcalls_end, "budget", "rule.lua",
      "local function f() pcall(f) pcall(f) end while true do f() end")

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

// LPeg.

static int match_large_pattern(lua_State *L, struct rules_budget *budget, unsigned cpu_ms) {
    rules_budget_begin(budget, cpu_ms);
    lua_pushvalue(L, 1);
    int status = lua_pcall(L, 0, 1, 0);
    rules_budget_end(budget);
    int end = status == 0 ? (int)lua_tointeger(L, -1) : -1;
    lua_settop(L, 1);
    return end;
}

static void a_pattern_is_whole_after_a_first_match_that_was_over(void **state) {
    (void)state;
    struct rules_budget budget;
    lua_State *L = rules_budget_new_state(&budget, 64 * 1024 * 1024);
    assert_int_equal(luaL_loadstring(L, "local lpeg, text = ... local large = lpeg.S('ab') ^ 7000"
                                        " return function() return large:match(text) end"),
                     0);
    rules_lpeg_push(L);
    char text[7001];
    memset(text, 'a', sizeof text);
    lua_pushlstring(L, text, sizeof text);
    lua_call(L, 2, 1);
    alarm(60); // half of a pattern's code may have no end
    match_large_pattern(L, &budget, 0);
    assert_int_equal(match_large_pattern(L, &budget, 60000), sizeof text + 1);
    alarm(0);
    lua_close(L);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_loop_ends),
        T(a_loop_in_pcall_ends),
        T(a_loop_of_pcall_ends),
        T(a_loop_in_a_handler_ends),
        T(a_loop_with_a_looping_handler_ends),
        T(a_handler_that_fails_ends),
        T(a_loop_in_an_iterator_ends),
        T(an_endless_iterator_ends),
        T(a_loop_in_index_ends),
        T(a_loop_in_concat_ends),
        T(a_loop_in_less_than_ends),
        T(a_loop_in_tostring_ends),
        T(a_loop_in_a_gsub_callback_ends),
        T(a_loop_in_a_comparator_ends),
        T(a_loop_of_goto_ends),
        T(sorting_without_end_ends),
        T(building_strings_without_end_ends),
        T(repeating_strings_without_end_ends),
        T(searching_for_the_next_date_without_end_ends),
        T(long_texts_are_gone_through_a_few_times),
        T(long_lists_are_gone_through_a_few_times),
        T(what_is_captured_at_a_first_match_is_too_much),
        T(what_a_function_makes_as_a_pattern_is_too_much),
        T(a_number_is_too_large_for_a_match),
        T(a_library_is_no_pattern),
        T(what_becomes_a_pattern_matches_as_ever),
        T(a_long_text_is_not_decoded),
        T(a_long_text_is_repeated_as_ever),
        T(one_large_string_is_too_much),
        T(a_growing_table_is_too_much),
        T(a_doubling_string_is_too_much),
        T(too_much_memory_cannot_be_caught),
        T(a_joined_table_is_too_much),
        T(formatting_is_too_much),
        T(a_replacement_is_too_much),
        T(what_is_kept_between_calls_is_lost_when_it_is_too_much),
        T(memory_may_end_anywhere),
        T(a_pattern_is_whole_though_memory_ended),
        T(a_pattern_of_many_repetitions_ends),
        T(a_pattern_is_whole_after_a_first_match_that_was_over),
        T(a_pattern_of_many_gaps_ends),
        T(a_greedy_pattern_ends),
        T(a_pattern_in_gsub_ends),
        T(a_pattern_in_gmatch_ends),
        T(a_pattern_cannot_be_caught),
        T(a_pattern_of_balances_ends),
        T(a_grammar_that_explodes_ends),
        T(a_grammar_given_as_a_table_ends),
        T(nested_repetitions_end),
        T(a_grammar_cannot_be_caught),
        T(a_loop_in_a_capture_ends),
        T(a_long_text_is_not_matched),
        T(a_pattern_that_doubles_is_refused),
        T(a_count_that_is_too_large_is_refused),
        T(a_repetition_that_is_too_large_is_refused),
        T(lpeg_matches_as_ever),
        T(endless_recursion_ends),
        T(endless_mutual_recursion_ends),
        T(endless_tail_calls_end),
        T(recursion_through_index_ends),
        T(a_chain_of_index_to_itself_ends),
        T(recursion_through_tostring_ends),
        T(recursion_through_format_ends),
        T(recursion_through_gsub_ends),
        T(recursion_through_sort_ends),
        T(recursion_through_xpcall_ends),
        T(recursion_through_a_capture_ends),
        T(nested_pcalls_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "rules_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "rules_copy.h"

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

// Loading.

static void refuses(const char *text, size_t len, const char *words) {
    struct err err;
    fixture_write("other.lua", text, len);
    assert_int_equal(fixture_try(&FIXTURE_LIMITS, &err), -1);
    if (!strstr(err.text, words))
        fail_msg("%s", err.text);
}

#define REFUSES(name, words, text)                                                                 \
    static void name(void **state) {                                                               \
        (void)state;                                                                               \
        refuses(text, sizeof text - 1, words);                                                     \
    }

REFUSES(broken_syntax_is_refused, "rules/other.lua:2:", "local t = {}\nreturn t t\n")
REFUSES(an_error_while_loading_is_refused, "rules/other.lua:2: no", "local t = {}\nerror('no')\n")
REFUSES(an_error_that_is_no_string_is_refused, "rules/other.lua:2: an error that is a table",
        "local t = {}\nerror(t)\n")
REFUSES(a_file_that_returns_no_table_is_refused, "rules/other.lua returns a nil", "local x = 1\n")
REFUSES(a_file_of_bytecode_is_refused, "attempt to load chunk with wrong mode",
        "\x1bLJ\x02\x02\x00\x00")
REFUSES(requiring_itself_is_refused, "requires itself", "return require('rules.other')")
REFUSES(requiring_what_is_not_there_is_refused, "rules/other.lua:1: there is no 'rules.nothing'",
        "return {require('rules.nothing')}")
REFUSES(requiring_a_file_outside_is_refused, "not 'lib.store'", "return {require('lib.store')}")
REFUSES(requiring_a_path_is_refused, "there is no 'rules...lib.store'",
        "return {require('rules...lib.store')}")
REFUSES(a_global_in_a_file_is_refused, "rules/other.lua:1: new global 'other'", "other = {}")
REFUSES(nested_parentheses_are_refused, "rules/other.lua",
        "return ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
        "(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
        "((((((((((((((((((((((((((((((((((((((((((((((((((((((((")

static void loading_without_end_is_refused(void **state) {
    (void)state;
    struct err err;
    const struct rules_limits limits = {.call_ms = 10, .load_ms = 50, .memory = 16u << 20};
    const char text[] = "local t = {}\nwhile true do pcall(error) end\nreturn t";
    fixture_write("other.lua", text, sizeof text - 1);
    assert_int_equal(fixture_try(&limits, &err), -1);
    assert_string_equal(err.text, "rules/other.lua:2: it takes more than 50 ms of CPU time");
}

static void files_require_each_other_in_any_order(void **state) {
    (void)state;
    const char a[] = "local z = require('rules.z')\nreturn {f = function() return z.n end}";
    const char z[] = "return {n = 7}";
    struct rules_failure failure;
    struct err err;
    fixture_write("a.lua", a, sizeof a - 1);
    fixture_write("z.lua", z, sizeof z - 1);
    assert_int_equal(fixture_try(&FIXTURE_LIMITS, &err), 0);
    assert_int_equal(fixture_call("a.f", "1", &failure), 1);
    assert_int_equal(lua_tointeger(fixture_lua, -1), 7);
}

static void write_three(const char *rule, const char *needed, const char *other) {
    fixture_write("rule.lua", rule, strlen(rule));
    fixture_write("needed.lua", needed, strlen(needed));
    fixture_write("other.lua", other, strlen(other));
}

static int try_only(const char *only, struct err *err) {
    struct rules_limits limits = FIXTURE_LIMITS;
    limits.only = only;
    return fixture_try(&limits, err);
}

static void what_is_not_wanted_nor_required_is_not_loaded(void **state) {
    (void)state;
    struct rules_failure failure;
    struct err err;
    write_three("local n = require('rules.needed')\nreturn {f = function() return n.n end}",
                "return {n = 7}", "error('was run')");
    assert_int_equal(try_only("missing  rule", &err), 0);
    assert_string_equal(rules_only(fixture_rules), "missing  rule");
    assert_int_equal(fixture_call("rule.f", "1", &failure), 1);
    assert_int_equal(lua_tointeger(fixture_lua, -1), 7);
    assert_int_equal(fixture_call("other.f", "1", &failure), -1);
    assert_string_equal(failure.code, "missing");
    assert_non_null(strstr(failure.message, "the service does not declare its file"));
    assert_int_equal(fixture_call("missing.f", "1", &failure), -1);
    assert_non_null(strstr(failure.message, "no such file"));
}

static void what_a_wanted_file_requires_must_load(void **state) {
    (void)state;
    struct err err;
    write_three("return require('rules.needed')", "\nreturn (", "return {}");
    assert_int_equal(try_only("other", &err), 0);
    assert_int_equal(try_only("other rule", &err), -1);
    assert_non_null(strstr(err.text, "rules/needed.lua:2:"));
}

static void a_file_that_nobody_wants_must_compile(void **state) {
    (void)state;
    struct rules_bundle *bundle;
    struct err err;
    write_three("return {}", "error('is not run')", "return {\n(");
    assert_int_equal(rules_bundle_read(&bundle, fixture_folder, &err), 0);
    assert_int_equal(rules_compile(bundle, NULL, &err), -1);
    assert_non_null(strstr(err.text, "rules/other.lua:2:"));
    rules_bundle_unref(bundle);
    fixture_write("other.lua", "return {}", 9);
    assert_int_equal(rules_bundle_read(&bundle, fixture_folder, &err), 0);
    assert_int_equal(rules_compile(bundle, NULL, &err), 0);
    rules_bundle_unref(bundle);
}

static void a_vm_that_is_made_anew_has_the_same_files(void **state) {
    (void)state;
    struct rules_failure failure;
    struct err err;
    char only[] = "rule";
    struct rules_limits limits = {.call_ms = 60000, .load_ms = 60000, .memory = 4u << 20};
    write_three(
        "local kept = {}\nreturn {f = function() while true do kept[#kept + 1] = {} end end,"
        "g = function() return #kept end}",
        "return {}", "error('was run')");
    limits.only = only;
    assert_int_equal(fixture_try(&limits, &err), 0);
    memset(only, 'x', 4); // the limits are the caller's
    assert_int_equal(fixture_call("rule.f", "1", &failure), -1);
    assert_string_equal(failure.code, "memory");
    assert_int_equal(fixture_call("rule.g", "1", &failure), 1);
    assert_int_equal(lua_tointeger(fixture_lua, -1), 0);
}

static void the_rules_of_this_tree_load(void **state) {
    (void)state;
    struct rules_bundle *bundle;
    struct rules *rules;
    struct rules_failure failure;
    struct err err;
    assert_int_equal(rules_bundle_read(&bundle, "scripts/rules", &err), 0);
    if (rules_new(&rules, bundle, &FIXTURE_LIMITS, &err) != 0)
        fail_msg("%s", err.text);
    lua_pushliteral(fixture_lua, "log");
    lua_pushinteger(fixture_lua, 2);
    assert_int_equal(rules_call(rules, "notify.retry", fixture_lua, 1, 2, &failure), 1);
    assert_int_equal(lua_tointeger(fixture_lua, -1), 5000);
    rules_free(rules);
    rules_bundle_unref(bundle);
}

static void one_that_is_prepared_changes_nothing_until_it_is_committed(void **state) {
    (void)state;
    struct rules_slot slot = {0};
    struct rules_bundle *bundle;
    struct err err;
    fixture_write("rule.lua", "return {}", 9);
    assert_int_equal(rules_bundle_read(&bundle, fixture_folder, &err), 0);
    assert_int_equal(rules_prepare(&slot, bundle, &FIXTURE_LIMITS, &err), 0);
    assert_null(slot.live);
    rules_commit(&slot);
    struct rules *first = slot.live;
    assert_int_equal(rules_prepare(&slot, bundle, &FIXTURE_LIMITS, &err), 0);
    rules_cancel(&slot);
    assert_ptr_equal(slot.live, first);
    assert_null(slot.next);
    assert_int_equal(rules_prepare(&slot, bundle, &FIXTURE_LIMITS, &err), 0);
    assert_int_equal(rules_prepare(&slot, bundle, &FIXTURE_LIMITS, &err), 0);
    rules_slot_free(&slot);
    rules_bundle_unref(bundle);
}

// What a rule does not see.

#define ABSENT(name, word)                                                                         \
    FAILS(name, "error", "rules/rule.lua:4: undeclared global '" word "'", "return " word)

ABSENT(there_is_no_io, "io")
ABSENT(there_is_no_os, "os")
ABSENT(there_is_no_debug, "debug")
ABSENT(there_is_no_package, "package")
ABSENT(there_is_no_coroutine, "coroutine")
ABSENT(there_is_no_ffi, "ffi")
ABSENT(there_is_no_jit, "jit")
ABSENT(there_is_no_load, "load")
ABSENT(there_is_no_loadstring, "loadstring")
ABSENT(there_is_no_loadfile, "loadfile")
ABSENT(there_is_no_dofile, "dofile")
ABSENT(there_is_no_setfenv, "setfenv")
ABSENT(there_is_no_getfenv, "getfenv")
ABSENT(there_is_no_collectgarbage, "collectgarbage")
ABSENT(there_is_no_newproxy, "newproxy")
ABSENT(there_is_no_print, "print")
ABSENT(there_are_no_globals_as_a_table, "_G")
HOLDS(there_is_no_more_than_what_is_listed,
      "return string.dump == nil and string.buffer == nil and math.random == nil\n"
      "and math.randomseed == nil and table.foreach == nil\n"
      "and require('lpeg').setmaxstack == nil and require('host.json').list_mt == nil")
FAILS(ffi_cannot_be_required, "error", "not 'ffi'", "return require('ffi')")
FAILS(the_database_cannot_be_required, "error", "not 'host.db'", "return require('host.db')")
FAILS(a_global_cannot_be_made, "error", "rules/rule.lua:4: new global 'x'", "x = 1")
FAILS(a_function_cannot_be_replaced, "error", "new global 'pairs'", "pairs = nil")
FAILS(string_cannot_be_changed, "error", "string is read-only", "string.find = nil")
FAILS(math_cannot_be_changed, "error", "math is read-only", "math.pi = 3")
FAILS(lpeg_cannot_be_changed, "error", "lpeg is read-only", "require('lpeg').P = nil")
FAILS(the_calendar_cannot_be_changed, "error", "host.calendar is read-only",
      "require('host.calendar').next = nil")
FAILS(rawset_does_not_change_a_library, "error", "bad argument #1",
      "rawset(table, 'insert', nil) return 1")
FAILS(insert_does_not_change_a_library, "error", "bad argument #1", "table.insert(string, 1)")
FAILS(a_library_gets_no_metatable, "error", "bad argument #1", "setmetatable(string, {})")
HOLDS(metatables_of_what_is_shared_are_hidden,
      "return getmetatable('') == false and getmetatable(string) == false\n"
      "and getmetatable(require('lpeg').P(1)) == false")
FAILS(the_metatable_of_strings_is_out_of_reach, "error", "attempt to index",
      "getmetatable('').__index = {}")
HOLDS(methods_of_strings_work,
      "local s = 'Ab' return s:lower() == 'ab' and ('%d'):format(7) == '7'\n"
      "and s:rep(2) == 'AbAb' and s:find('b') == 2 and #s:reverse() == 2 and s:byte() == 65")
HOLDS(pcall_and_xpcall_catch_what_is_not_the_budget,
      "local ok, why = pcall(error, {code = 7})\n"
      "local xok, seen, more = xpcall(function(a, b) error(a .. b, 0) end,\n"
      "function(e) return e .. '!', 2 end, 'x', 'y')\n"
      "local good, a, b = xpcall(function(...) return ... end, error, 1, 2)\n"
      "return not ok and why.code == 7 and not xok and seen == 'xy!' and more == 2\n"
      "and good and a == 1 and b == 2 and (select('#', pcall(error))) == 2")
HOLDS(sort_sorts, "local t, u = {3, 1, 2}, {'b', 'c', 'a'} table.sort(t)\n"
                  "table.sort(u, function(a, b) return a > b end)\n"
                  "return table.concat(t) == '123' and table.concat(u) == 'cba'")
HOLDS(pure_modules_are_there,
      "local calendar, json = require('host.calendar'), require('host.json')\n"
      "return calendar.is_zone('UTC') and require('host.text').lower('\xC3\x84') == '\xC3\xA4'\n"
      "and json.decode('[null]')[1] == json.null")

// Arguments and results.

static void values_come_and_go_as_copies(void **state) {
    (void)state;
    struct rules_failure failure;
    fixture_load("local t, n = ...\nt.list[1] = t.list[1] + 1\nt.n = nil return t, n, nil, "
                 "select('#', ...)");
    assert_int_equal(fixture_call("rule.f",
                                  "{list = {1, 'two', {}, false, [9] = 9}, n = 1, [0.5] = 'half',\n"
                                  "null = json.null, bytes = 'a\\0b'}, json.null, nil",
                                  &failure),
                     4);
    lua_setglobal(fixture_lua, "count");
    lua_setglobal(fixture_lua, "nothing");
    lua_setglobal(fixture_lua, "null");
    lua_setglobal(fixture_lua, "t");
    if (luaL_dostring(fixture_lua,
                      "assert(t.list[1] == 2 and t.list[2] == 'two' and next(t.list[3]) == nil)\n"
                      "assert(t.list[4] == false and t.list[9] == 9 and t.n == nil)\n"
                      "assert(t[0.5] == 'half' and t.null == json.null and t.bytes == 'a\\0b')\n"
                      "assert(null == json.null and nothing == nil and count == 3)"))
        fail_msg("%s", lua_tostring(fixture_lua, -1));
    lua_getglobal(fixture_lua, "t");
    assert_ptr_not_equal(lua_topointer(fixture_lua, -1), lua_topointer(fixture_lua, 1));
    lua_pushnil(fixture_lua);
    lua_setglobal(fixture_lua, "t");
}

static void a_list_stays_one(void **state) {
    (void)state;
    struct rules_failure failure;
    fixture_load("local t = ... return getmetatable(t) == false and t");
    assert_int_equal(fixture_call("rule.f", "setmetatable({}, json.list_mt)", &failure), 1);
    assert_true(lua_getmetatable(fixture_lua, -1));
    luaL_getmetatable(fixture_lua, API_JSON_LIST);
    assert_true(lua_rawequal(fixture_lua, -1, -2));
}

static void a_table_that_comes_twice_is_two(void **state) {
    (void)state;
    struct rules_failure failure;
    fixture_load("local t = ... return t.a ~= t.b and t.a.x == 1 and t.b.x == 1");
    assert_int_equal(fixture_call("rule.f",
                                  "(function() local x = {x = 1} return {a = x, b = x} end)()",
                                  &failure),
                     1);
    assert_true(lua_toboolean(fixture_lua, -1));
}

static void refuses_argument(const char *values, const char *words) {
    struct rules_failure failure;
    fixture_load("return 1");
    int top = -1;
    assert_int_equal(fixture_call("rule.f", values, &failure), top);
    assert_string_equal(failure.code, "argument");
    if (!strstr(failure.message, words))
        fail_msg("%s", failure.message);
    fixture_answers();
}

static void a_function_as_argument_is_refused_by_its_place(void **state) {
    (void)state;
    refuses_argument("1, {a = {{}, {b = print}}}", "rule.f: argument 2.a[2].b is a function");
}

static void a_cycle_is_refused_by_its_place(void **state) {
    (void)state;
    refuses_argument("(function() local t = {} t.a = {t} return t end)()",
                     "argument 1.a[1] is a table that contains itself");
}

static void a_metatable_is_refused_by_its_place(void **state) {
    (void)state;
    refuses_argument("{a = setmetatable({}, {})}", "argument 1.a has a metatable");
}

static void userdata_is_refused(void **state) {
    (void)state;
    refuses_argument("{a = io.stdout}", "argument 1.a is a userdata");
}

static void a_key_that_is_a_table_is_refused(void **state) {
    (void)state;
    refuses_argument("{a = {[{}] = 1}}", "argument 1.a has a key that is a table");
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    refuses_argument("(function() local t = {} for _ = 1, 40 do t = {t} end return t end)()",
                     "is nested too deeply");
}

static void too_many_values_are_refused(void **state) {
    (void)state;
    refuses_argument("(function() local t = {} for i = 1, 200000 do t[i] = i end return t end)()",
                     "is too much");
}

static void too_long_a_text_is_refused(void **state) {
    (void)state;
    refuses_argument("('x'):rep(5000000)", "argument 1 is too long");
}

FAILS(a_function_as_result_is_refused, "result", "rule.f: result 2.a is a function",
      "return 1, {a = function() end}")
FAILS(a_cycle_as_result_is_refused, "result", "result 1.a is a table that contains itself",
      "local t = {} t.a = t return t")
FAILS(a_pattern_as_result_is_refused, "result", "result 1 is a userdata",
      "return require('lpeg').P(1)")
FAILS(a_metatable_as_result_is_refused, "result", "result 1 has a metatable",
      "return setmetatable({}, {})")

// Failures.

FAILS(an_error_has_file_and_line, "error", "rules/rule.lua:5: bad luck",
      "local x\nerror('bad luck')")
FAILS(an_error_without_place_gets_one, "error", "rules/rule.lua:4: bad luck",
      "error('bad luck', 0)")
FAILS(an_error_that_is_a_table_has_a_place, "error", "rules/rule.lua:4: an error that is a table",
      "error({})")
FAILS(a_nil_index_has_a_place, "error", "rules/rule.lua:4: attempt to index local 'x'",
      "local x return x.y")

static void a_failure_has_a_traceback(void **state) {
    (void)state;
    struct rules_failure failure;
    fixture_load("local function inner() error('x') end\ninner()\nreturn 1");
    assert_int_equal(fixture_call("rule.f", "1", &failure), -1);
    assert_string_equal(failure.traceback, "rules/rule.lua:4 in inner\nrules/rule.lua:5");
}

static void a_rule_that_is_not_there_is_missing(void **state) {
    (void)state;
    static const char *const NAMES[] = {"rule.g", "other.f", "rule", "f",       "",
                                        ".",      "rule.",   ".f",   "rule.f.f"};
    struct rules_failure failure;
    fixture_load("return 1");
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        assert_int_equal(fixture_call(NAMES[i], "1", &failure), -1);
        assert_string_equal(failure.code, "missing");
        assert_non_null(strstr(failure.message, NAMES[i]));
    }
    fixture_answers();
}

static void a_failure_pushes_nothing(void **state) {
    (void)state;
    struct rules_failure failure;
    fixture_load("error('x')");
    assert_int_equal(fixture_call("rule.f", "1, 2, 3", &failure), -1);
    assert_int_equal(lua_gettop(fixture_lua), 3);
}

// The budgets change nothing of what a rule answers: the real chat, with LPeg and patterns as they
// come, against the VM's.

int luaopen_lpeg(lua_State *L);

static int call_vm(lua_State *L) {
    struct rules_failure failure;
    int results = rules_call(fixture_rules, lua_tostring(L, 1), L, 2, lua_gettop(L) - 1, &failure);
    return results >= 0 ? results : luaL_error(L, "%s", failure.message);
}

static const char COMPARE[] =
    "package.path = 'scripts/?.lua;./?.lua'\n"
    "local chat, corpus = require('rules.chat'), require('spec.rules.chat_corpus')\n"
    "local function same(a, b)\n"
    "  if type(a) ~= 'table' or type(b) ~= 'table' then return a == b end\n"
    "  for k, v in pairs(a) do if not same(v, b[k]) then return false end end\n"
    "  for k in pairs(b) do if a[k] == nil then return false end end\n"
    "  return true\n"
    "end\n"
    "local count = 0\n"
    "local function walk(case)\n"
    "  if type(case[1]) == 'string' and type(case[2]) == 'table' then\n"
    "    local more = type(case[3]) == 'table' and case[3] or {}\n"
    "    local context = {now = corpus.now, pending = more.pending, last_task = more.last_task}\n"
    "    local plain = chat.understand(case[1], context)\n"
    "    assert(plain and same(plain, call_vm('chat.understand', case[1], context)), case[1])\n"
    "    count = count + 1\n"
    "    return\n"
    "  end\n"
    "  for _, inner in pairs(case) do if type(inner) == 'table' then walk(inner) end end\n"
    "end\n"
    "walk(corpus)\n"
    "return count\n";

static void the_chat_answers_as_without_budgets(void **state) {
    (void)state;
    struct rules_bundle *bundle;
    struct err err;
    lua_State *L = fixture_lua;
    assert_int_equal(rules_bundle_read(&bundle, "scripts/rules", &err), 0);
    if (rules_new(&fixture_rules, bundle, &FIXTURE_LIMITS, &err) != 0)
        fail_msg("%s", err.text);
    rules_bundle_unref(bundle);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_lpeg);
    lua_setfield(L, -2, "lpeg");
    lua_register(L, "call_vm", call_vm);
    if (luaL_dostring(L, COMPARE))
        fail_msg("%s", lua_tostring(L, -1));
    assert_true(lua_tointeger(L, -1) > 100);
}

// The watchdog asks in a signal handler.

static char seen[64];
static atomic_bool asked;

static void ask(int signal) {
    (void)signal;
    const char *rule = rules_running();
    if (rule && !atomic_load(&asked)) {
        snprintf(seen, sizeof seen, "%s", rule);
        atomic_store(&asked, true);
    }
}

static void *ask_often(void *thread) {
    while (!atomic_load(&asked)) {
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        usleep(1000);
    }
    return NULL;
}

static void the_rule_that_runs_is_known(void **state) {
    (void)state;
    struct rules_failure failure;
    struct sigaction action = {.sa_handler = ask, .sa_flags = SA_RESTART};
    pthread_t self = pthread_self(), other;
    struct rules_limits limits = FIXTURE_LIMITS;
    limits.call_ms = FIXTURE_ENDLESS_MS;
    fixture_load_within("while true do end", &limits);
    sigaction(SIGUSR1, &action, NULL);
    assert_null(rules_running());
    assert_int_equal(pthread_create(&other, NULL, ask_often, &self), 0);
    while (!atomic_load(&asked))
        assert_int_equal(fixture_call("rule.f", "1", &failure), -1);
    pthread_join(other, NULL);
    assert_string_equal(seen, "rule.f");
    assert_null(rules_running());
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(broken_syntax_is_refused),
        T(an_error_while_loading_is_refused),
        T(an_error_that_is_no_string_is_refused),
        T(a_file_that_returns_no_table_is_refused),
        T(a_file_of_bytecode_is_refused),
        T(requiring_itself_is_refused),
        T(requiring_what_is_not_there_is_refused),
        T(requiring_a_file_outside_is_refused),
        T(requiring_a_path_is_refused),
        T(a_global_in_a_file_is_refused),
        T(nested_parentheses_are_refused),
        T(loading_without_end_is_refused),
        T(files_require_each_other_in_any_order),
        T(the_rules_of_this_tree_load),
        T(what_is_not_wanted_nor_required_is_not_loaded),
        T(what_a_wanted_file_requires_must_load),
        T(a_file_that_nobody_wants_must_compile),
        T(a_vm_that_is_made_anew_has_the_same_files),
        T(one_that_is_prepared_changes_nothing_until_it_is_committed),
        T(there_is_no_io),
        T(there_is_no_os),
        T(there_is_no_debug),
        T(there_is_no_package),
        T(there_is_no_coroutine),
        T(there_is_no_ffi),
        T(there_is_no_jit),
        T(there_is_no_load),
        T(there_is_no_loadstring),
        T(there_is_no_loadfile),
        T(there_is_no_dofile),
        T(there_is_no_setfenv),
        T(there_is_no_getfenv),
        T(there_is_no_collectgarbage),
        T(there_is_no_newproxy),
        T(there_is_no_print),
        T(there_are_no_globals_as_a_table),
        T(there_is_no_more_than_what_is_listed),
        T(ffi_cannot_be_required),
        T(the_database_cannot_be_required),
        T(a_global_cannot_be_made),
        T(a_function_cannot_be_replaced),
        T(string_cannot_be_changed),
        T(math_cannot_be_changed),
        T(lpeg_cannot_be_changed),
        T(the_calendar_cannot_be_changed),
        T(rawset_does_not_change_a_library),
        T(insert_does_not_change_a_library),
        T(a_library_gets_no_metatable),
        T(metatables_of_what_is_shared_are_hidden),
        T(the_metatable_of_strings_is_out_of_reach),
        T(methods_of_strings_work),
        T(pcall_and_xpcall_catch_what_is_not_the_budget),
        T(sort_sorts),
        T(pure_modules_are_there),
        T(values_come_and_go_as_copies),
        T(a_list_stays_one),
        T(a_table_that_comes_twice_is_two),
        T(a_function_as_argument_is_refused_by_its_place),
        T(a_cycle_is_refused_by_its_place),
        T(a_metatable_is_refused_by_its_place),
        T(userdata_is_refused),
        T(a_key_that_is_a_table_is_refused),
        T(deep_nesting_is_refused),
        T(too_many_values_are_refused),
        T(too_long_a_text_is_refused),
        T(a_function_as_result_is_refused),
        T(a_cycle_as_result_is_refused),
        T(a_pattern_as_result_is_refused),
        T(a_metatable_as_result_is_refused),
        T(an_error_has_file_and_line),
        T(an_error_without_place_gets_one),
        T(an_error_that_is_a_table_has_a_place),
        T(a_nil_index_has_a_place),
        T(a_failure_has_a_traceback),
        T(a_rule_that_is_not_there_is_missing),
        T(a_failure_pushes_nothing),
        T(the_chat_answers_as_without_budgets),
        T(the_rule_that_runs_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

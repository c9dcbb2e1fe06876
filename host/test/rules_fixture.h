// For tests of rules: a folder of files, and what is made from it. One at a time.
#pragma once

#include "file_fixture.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/json.h"
#include "buf.h"
#include "rules.h"

static char fixture_folder[64];
static struct rules *fixture_rules;
static lua_State *fixture_lua;

// Nothing is timed: what should end has more than enough, what should not end uses all of it.
static const struct rules_limits FIXTURE_LIMITS = {
    .call_ms = 60000, .load_ms = 60000, .memory = 16u << 20};
enum { FIXTURE_ENDLESS_MS = 60 };

static inline int fixture_setup(void **state) {
    (void)state;
    strcpy(fixture_folder, "/tmp/todo-rules-XXXXXX");
    fixture_lua = luaL_newstate();
    luaL_openlibs(fixture_lua);
    api_open_json(fixture_lua);
    lua_setglobal(fixture_lua, "json");
    return mkdtemp(fixture_folder) ? 0 : -1;
}

static inline int fixture_teardown(void **state) {
    (void)state;
    char command[128];
    if (fixture_rules)
        rules_free(fixture_rules);
    fixture_rules = NULL;
    lua_close(fixture_lua);
    snprintf(command, sizeof command, "rm -rf %s", fixture_folder);
    return system(command);
}

static inline void fixture_write(const char *name, const char *text, size_t len) {
    file_write(fixture_folder, name, text, len);
}

static inline int fixture_try(const struct rules_limits *limits, struct err *err) {
    struct rules_bundle *bundle;
    if (fixture_rules)
        rules_free(fixture_rules);
    fixture_rules = NULL;
    if (rules_bundle_read(&bundle, fixture_folder, err) != 0)
        return -1;
    int status = rules_new(&fixture_rules, bundle, limits, err);
    rules_bundle_unref(bundle);
    return status;
}

// rule.lua with the function rule.f(...), whose body this is, and rule.plus_one.
static inline void fixture_load_within(const char *body, const struct rules_limits *limits) {
    struct buf text = {0};
    struct err err;
    buf_addf(&text,
             "local rule = {}\nfunction rule.plus_one(n) return n + 1 end\n"
             "function rule.f(...)\n%s\nend\nreturn rule\n",
             body);
    fixture_write("rule.lua", text.data, text.len);
    buf_free(&text);
    if (fixture_try(limits, &err) != 0)
        fail_msg("%s", err.text);
}

static inline void fixture_load(const char *body) {
    fixture_load_within(body, &FIXTURE_LIMITS);
}

// Calls a rule with the values of a Lua expression list; the results are on fixture_lua's stack.
static inline int fixture_call(const char *name, const char *values,
                               struct rules_failure *failure) {
    struct buf text = {0};
    lua_settop(fixture_lua, 0);
    buf_addf(&text, "return %s", values);
    if (luaL_dostring(fixture_lua, text.data))
        fail_msg("%s", lua_tostring(fixture_lua, -1));
    buf_free(&text);
    return rules_call(fixture_rules, name, fixture_lua, 1, lua_gettop(fixture_lua), failure);
}

static inline void fixture_answers(void) {
    struct rules_failure failure;
    if (fixture_call("rule.plus_one", "41", &failure) != 1)
        fail_msg("%s", failure.message);
    assert_int_equal(lua_tointeger(fixture_lua, -1), 42);
}

// The body fails with this code and words in its message, again and again, and harms no other call.
static inline void fixture_fails(const char *body, const char *code, const char *words) {
    struct rules_failure failure;
    struct rules_limits limits = FIXTURE_LIMITS;
    if (strcmp(code, "budget") == 0)
        limits.call_ms = FIXTURE_ENDLESS_MS;
    fixture_load_within(body, &limits);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fixture_call("rule.f", "1", &failure), -1);
        if (strcmp(failure.code, code) != 0 || !strstr(failure.message, words))
            fail_msg("%s: %s", failure.code, failure.message);
        fixture_answers();
    }
}

// The body returns true.
static inline void fixture_holds(const char *body) {
    struct rules_failure failure;
    fixture_load(body);
    if (fixture_call("rule.f", "1", &failure) != 1)
        fail_msg("%s", failure.message);
    assert_true(lua_toboolean(fixture_lua, -1) && lua_isboolean(fixture_lua, -1));
    fixture_answers();
}

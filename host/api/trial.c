// host.trial. A folder is a userdata with a bundle, trial rules are one with a VM of its own, so a
// command may hold several of both. Everything blocks: nothing else runs beside a command.
#include "trial.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "../buf.h"
#include "../rules.h"
#include "api.h"

#define FOLDER "host.trial.folder"
#define RULES "host.trial.rules"

enum { INPUT_BYTES = 256 * 1024 * 1024 };

static struct rules_bundle *bundle_of(lua_State *L) {
    return *(struct rules_bundle **)luaL_checkudata(L, 1, FOLDER);
}

static int fail(lua_State *L, const char *message) {
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
}

static int read_folder(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    struct rules_bundle **held = lua_newuserdata(L, sizeof *held);
    struct err err;
    *held = NULL;
    luaL_getmetatable(L, FOLDER);
    lua_setmetatable(L, -2);
    return rules_bundle_read(held, path, &err) == 0 ? 1 : fail(L, err.text);
}

static int free_folder(lua_State *L) {
    struct rules_bundle **held = luaL_checkudata(L, 1, FOLDER);
    rules_bundle_unref(*held);
    *held = NULL;
    return 0;
}

static int files(lua_State *L) {
    struct rules_bundle *bundle = bundle_of(L);
    lua_newtable(L);
    for (size_t i = 0; i < rules_bundle_count(bundle); i++) {
        lua_pushstring(L, rules_bundle_file(bundle, i)->name);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int read_file(lua_State *L) {
    struct rules_bundle *bundle = bundle_of(L);
    const char *name = luaL_checkstring(L, 2);
    for (size_t i = 0; i < rules_bundle_count(bundle); i++) {
        const struct file *file = rules_bundle_file(bundle, i);
        if (strcmp(file->name, name) == 0) {
            lua_pushlstring(L, file->text, file->len);
            return 1;
        }
    }
    return 0;
}

static int revision(lua_State *L) {
    lua_pushstring(L, rules_bundle_revision(bundle_of(L)));
    return 1;
}

static int load(lua_State *L) {
    struct rules_bundle *bundle = bundle_of(L);
    struct rules_limits limits = rules_usual_limits();
    limits.only = luaL_optstring(L, 2, NULL);
    struct rules **held = lua_newuserdata(L, sizeof *held);
    struct err err;
    *held = NULL;
    luaL_getmetatable(L, RULES);
    lua_setmetatable(L, -2);
    if (rules_new(held, bundle, &limits, &err) != 0)
        return fail(L, err.text);
    rules_explain(*held);
    return 1;
}

static int free_rules(lua_State *L) {
    struct rules **held = luaL_checkudata(L, 1, RULES);
    if (*held)
        rules_free(*held);
    *held = NULL;
    return 0;
}

static void push_lines(lua_State *L, const char *text) {
    lua_newtable(L);
    for (int count = 1; *text; count++) {
        size_t len = strcspn(text, "\n");
        lua_pushlstring(L, text, len);
        lua_rawseti(L, -2, count);
        text += len + (text[len] == '\n');
    }
}

static void push_account(lua_State *L, const struct rules *rules) {
    struct rules_account account = rules_account(rules);
    lua_createtable(L, 0, 5);
    lua_pushstring(L, rules_called(rules));
    lua_setfield(L, -2, "place");
    push_lines(L, account.explained);
    lua_setfield(L, -2, "explained");
    lua_pushnumber(L, (double)account.cpu_ns / 1e6);
    lua_setfield(L, -2, "cpu_ms");
    lua_pushnumber(L, account.budget_ms);
    lua_setfield(L, -2, "budget_ms");
    lua_pushnumber(L, (double)account.bytes);
    lua_setfield(L, -2, "bytes");
}

// call(name, ...) -> value, err, account
static int call(lua_State *L) {
    struct rules *rules = *(struct rules **)luaL_checkudata(L, 1, RULES);
    const char *name = luaL_checkstring(L, 2);
    struct rules_failure failure;
    luaL_argcheck(L, rules != NULL, 1, "the rules are closed");
    int results = rules_call(rules, name, L, 3, lua_gettop(L) - 2, &failure);
    if (results < 0) {
        api_push_error(L, failure.code, failure.message);
        lua_pushstring(L, failure.traceback);
        lua_setfield(L, -2, "traceback");
    } else {
        lua_settop(L, lua_gettop(L) - results + (results > 0));
        if (results == 0)
            lua_pushnil(L);
        lua_pushnil(L);
    }
    push_account(L, rules);
    return 3;
}

static int read_input(lua_State *L) {
    struct buf input = {0};
    char block[65536];
    for (size_t got; (got = fread(block, 1, sizeof block, stdin)) > 0;) {
        buf_add(&input, block, got);
        if (input.len > INPUT_BYTES)
            break;
    }
    bool broken = ferror(stdin), large = input.len > INPUT_BYTES;
    if (!broken && !large)
        lua_pushlstring(L, input.data ? input.data : "", input.len);
    buf_free(&input);
    if (broken)
        return fail(L, "standard input cannot be read");
    return large ? fail(L, "standard input is larger than 256 MiB") : 1;
}

static void make_class(lua_State *L, const char *name, const luaL_Reg *methods,
                       lua_CFunction collect) {
    luaL_newmetatable(L, name);
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

int api_open_trial(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {
        {"read_folder", read_folder}, {"read_input", read_input}, {NULL, NULL}};
    static const luaL_Reg FOLDER_METHODS[] = {{"files", files},
                                              {"read_file", read_file},
                                              {"revision", revision},
                                              {"load", load},
                                              {NULL, NULL}};
    static const luaL_Reg RULES_METHODS[] = {{"call", call}, {NULL, NULL}};
    make_class(L, FOLDER, FOLDER_METHODS, free_folder);
    make_class(L, RULES, RULES_METHODS, free_rules);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

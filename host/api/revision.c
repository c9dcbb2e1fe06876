// host.revision
#include "../revision.h"

#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "../rollback.h"
#include "api.h"

static void put_text(lua_State *L, const char *key, const char *text) {
    if (!text[0])
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static void put_number(lua_State *L, const char *key, double number) {
    lua_pushnumber(L, number);
    lua_setfield(L, -2, key);
}

static void push_past(lua_State *L, const struct revision_state *state) {
    lua_createtable(L, state->past_count, 0);
    for (int i = 0; i < state->past_count; i++) {
        lua_createtable(L, 0, 3);
        put_text(L, "revision", state->past[i].revision);
        if (state->past[i].loaded_ms)
            put_number(L, "loaded_ms", (double)state->past[i].loaded_ms);
        lua_pushboolean(L, state->past[i].taken_back);
        lua_setfield(L, -2, "taken_back");
        lua_rawseti(L, -2, i + 1);
    }
}

static int status(lua_State *L) {
    static const char *const KINDS[] = {"scripts", "rules", "shadow", NULL};
    int kind = luaL_checkoption(L, 1, NULL, KINDS);
    struct revision_state state;
    revision_read((enum revision_kind)kind, &state);
    lua_createtable(L, 0, 12);
    put_text(L, "revision", state.revision);
    put_text(L, "state", state.state);
    put_text(L, "error", state.error);
    put_text(L, "refused", state.refused);
    put_number(L, "loaded_ms", (double)state.loaded_ms);
    put_number(L, "loads", (double)state.loads);
    put_number(L, "failures", (double)state.failures);
    if (kind == REVISION_RULES) {
        const struct api_rules *held = api_env(L)->rules;
        put_number(L, "calls", (double)state.calls);
        put_number(L, "failed_calls", (double)state.failed_calls);
        if (held && held->slot.live)
            put_text(L, "worker_revision", rules_revision(held->slot.live));
    }
    put_number(L, "process", (double)getpid());
    push_past(L, &state);
    lua_setfield(L, -2, "previous");
    return 1;
}

static int roll_back(lua_State *L) {
    struct revision_state state;
    struct err err;
    revision_read(REVISION_RULES, &state);
    if (rollback_ask(luaL_optstring(L, 1, ""), state.revision, &err) != 0) {
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return 2;
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int is_rolling_back(lua_State *L) {
    struct err err;
    lua_pushboolean(L, rollback_is_pending(&err));
    lua_pushstring(L, err.text[0] ? err.text : NULL);
    return 2;
}

int api_open_revision(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"status", status},
                                         {"roll_back", roll_back},
                                         {"is_rolling_back", is_rolling_back},
                                         {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

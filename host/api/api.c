#include "api.h"

#include <lauxlib.h>

#include "calendar.h"
#include "crypto.h"
#include "json.h"
#include "text.h"
#include "time.h"

// Debian links these two libraries statically and has their headers for PUC Lua only.
int luaopen_cjson(lua_State *L);
int luaopen_cjson_safe(lua_State *L);
int luaopen_lpeg(lua_State *L);

// lua-cjson's alone (the linker's --wrap), where it has no memory, after a line that says so. Then
// the handlers of exit would take apart what other threads still use.
_Noreturn void __wrap_exit(int status);

_Noreturn void __wrap_exit(int status) {
    (void)status;
    out_of_memory();
}

static char env_key;

void api_set_env(lua_State *L, struct api_env *env) {
    lua_pushlightuserdata(L, &env_key);
    lua_pushlightuserdata(L, env);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

struct api_env *api_env(lua_State *L) {
    lua_pushlightuserdata(L, &env_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    struct api_env *env = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return env;
}

void api_need_fiber(lua_State *L, const char *name) {
    if (!fiber_current(L))
        luaL_error(L, "%s waits, and may only be called while a request or timer runs", name);
}

void api_begin(struct api_env *env) {
    env->operations++;
}

void api_end(struct api_env *env) {
    if (--env->operations == 0 && env->closing && env->on_idle)
        env->on_idle(env);
}

int api_push_error(lua_State *L, const char *code, const char *message) {
    lua_pushnil(L);
    lua_createtable(L, 0, 2);
    lua_pushstring(L, code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    return 2;
}

void api_preload(lua_State *L) {
    static const luaL_Reg MODULES[] = {
        {"host.bus", api_open_bus},
        {"host.calendar", api_open_calendar},
        {"host.config", api_open_config},
        {"host.crypto", api_open_crypto},
        {"host.db", api_open_db},
#ifdef TODO_FAILPOINTS
        {"host.failpoint", api_open_failpoint},
#endif
        {"host.fiber", api_open_fiber},
        {"host.http", api_open_http},
        {"host.json", api_open_json},
        {"host.log", api_open_log},
        {"host.metrics", api_open_metrics},
        {"host.revision", api_open_revision},
        {"host.rules", api_open_rules},
        {"host.time", api_open_time},
        {"host.text", api_open_text},
        {"host.timer", api_open_timer},
        {"host.worker", api_open_worker},
        {"cjson", luaopen_cjson},
        {"cjson.safe", luaopen_cjson_safe},
        {"lpeg", luaopen_lpeg},
        {NULL, NULL},
    };
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    for (const luaL_Reg *module = MODULES; module->name; module++) {
        lua_pushcfunction(L, module->func);
        lua_setfield(L, -2, module->name);
    }
    lua_pop(L, 2);
}

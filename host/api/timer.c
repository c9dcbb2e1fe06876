// host.timer
#include <lauxlib.h>
#include <stdlib.h>

#include "api.h"
#include "buf.h"
#include "log.h"

struct every {
    uv_timer_t timer;
    struct api_env *env;
    int function; // registry reference
    bool running;
};

static void on_ended(void *user, lua_State *L, bool ok, int count) {
    (void)count;
    struct every *every = user;
    every->running = false;
    if (!ok)
        log_event(LOG_ERROR, "timer failed", "error", lua_tostring(L, -1), NULL);
}

static void on_every(uv_timer_t *timer) {
    struct every *every = timer->data;
    if (every->running || every->env->closing || every->env->ending || !every->env->fibers)
        return;
    every->running = true;
    lua_State *L = every->env->main;
    lua_rawgeti(L, LUA_REGISTRYINDEX, every->function);
    if (fiber_start(every->env->fibers, L, 0, on_ended, every, NULL) != 0) {
        lua_pop(L, 1);
        every->running = false;
    }
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

// A timer lives as long as its VM: a sentinel object in the registry closes it.
static int collect(lua_State *L) {
    struct every **held = lua_touserdata(L, 1);
    uv_close((uv_handle_t *)&(*held)->timer, on_closed);
    return 0;
}

static int every_ms(lua_State *L) {
    lua_Number ms = luaL_checknumber(L, 1);
    luaL_argcheck(L, ms >= 1 && ms <= 86400000, 1, "1 to 86,400,000 milliseconds");
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    struct api_env *env = api_env(L);
    if (!env->loop)
        return 0; // a script being examined runs nothing

    struct every **held = lua_newuserdata(L, sizeof *held);
    lua_pushvalue(L, 2);
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    luaL_getmetatable(L, "host.timer.every");
    struct every *every = xcalloc(1, sizeof *every);
    *held = every;
    lua_setmetatable(L, -2);
    luaL_ref(L, LUA_REGISTRYINDEX);
    every->env = env;
    every->function = function;
    every->timer.data = every;
    uv_timer_init(env->loop, &every->timer);
    uv_timer_start(&every->timer, on_every, (uint64_t)ms, (uint64_t)ms);
    return 0;
}

int api_open_timer(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"every", every_ms}, {NULL, NULL}};
    luaL_newmetatable(L, "host.timer.every");
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

// host.bus
#include <lauxlib.h>
#include <stdlib.h>

#include "api.h"
#include "buf.h"
#include "bus.h"
#include "log.h"

struct listener {
    struct api_env *env;
    struct bus_member *member;
    int function; // registry reference
};

static void on_ended(void *user, lua_State *L, bool ok, int count) {
    (void)user;
    (void)count;
    if (!ok)
        log_event(LOG_ERROR, "a listener of the bus failed", "error", lua_tostring(L, -1), NULL);
}

static void on_message(void *user, const char *text, size_t len) {
    struct listener *listener = user;
    struct api_env *env = listener->env;
    if (env->closing)
        return;
    lua_rawgeti(env->main, LUA_REGISTRYINDEX, listener->function);
    if (text)
        lua_pushlstring(env->main, text, len);
    else
        lua_pushnil(env->main);
    if (fiber_start(env->fibers, env->main, 1, on_ended, NULL, NULL) != 0) {
        lua_pop(env->main, 2);
        log_event(LOG_ERROR, "a message of the bus is lost: too many fibers", NULL);
    }
}

// A listener lives as long as its VM: a sentinel object in the registry ends it.
static int collect(lua_State *L) {
    struct listener **held = lua_touserdata(L, 1);
    bus_leave((*held)->member);
    free(*held);
    return 0;
}

static int subscribe(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    struct api_env *env = api_env(L);
    if (!env->loop)
        return 0; // a script being examined hears nothing

    struct listener **held = lua_newuserdata(L, sizeof *held);
    lua_pushvalue(L, 1);
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    luaL_getmetatable(L, "host.bus.listener");
    struct listener *listener = xcalloc(1, sizeof *listener);
    *held = listener;
    listener->env = env;
    listener->function = function;
    listener->member = bus_join(env->loop, env->service, on_message, listener);
    lua_setmetatable(L, -2);
    luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int publish(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    bus_publish(api_env(L)->service, text, len);
    return 0;
}

int api_open_bus(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {
        {"subscribe", subscribe}, {"publish", publish}, {NULL, NULL}};
    luaL_newmetatable(L, "host.bus.listener");
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

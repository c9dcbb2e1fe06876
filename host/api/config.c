// host.config
#include "../config.h"

#include <lauxlib.h>

#include "api.h"

static int get(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    const char *value = config_find(api_env(L)->config, name);
    if (value)
        lua_pushstring(L, value);
    else
        lua_pushnil(L);
    return 1;
}

int api_open_config(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"get", get}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

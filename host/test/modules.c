// The host's pure modules for plain LuaJIT, so that specs of scripts run without the host:
// require("hostmodules") puts them into package.loaded.
#include <lauxlib.h>
#include <lua.h>

#include "api/calendar.h"
#include "api/crypto.h"
#include "api/json.h"
#include "api/text.h"
#include "api/time.h"

int luaopen_hostmodules(lua_State *L);

int luaopen_hostmodules(lua_State *L) {
    static const luaL_Reg MODULES[] = {
        {"host.calendar", api_open_calendar}, {"host.crypto", api_open_crypto},
        {"host.json", api_open_json},         {"host.text", api_open_text},
        {"host.time", api_open_time},         {NULL, NULL}};
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaded");
    for (const luaL_Reg *module = MODULES; module->name; module++) {
        module->func(L);
        lua_setfield(L, -2, module->name);
    }
    lua_pushboolean(L, 1);
    return 1;
}

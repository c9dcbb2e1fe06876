// host.time, see scripts/meta/host/time.lua.
#pragma once

#include <lua.h>

int api_open_time(lua_State *L);

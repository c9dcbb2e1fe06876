// host.text, see scripts/meta/host.lua.
#pragma once

#include <lua.h>

int api_open_text(lua_State *L);

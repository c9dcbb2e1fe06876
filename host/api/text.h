// host.text, see scripts/meta/host/text.lua.
#pragma once

#include <lua.h>

int api_open_text(lua_State *L);

// host.trial: rules folders that are tried and serve nobody; for commands alone.
#pragma once

#include <lua.h>

int api_open_trial(lua_State *L);

// host.json, see scripts/meta/host/json.lua.
#pragma once

#include <lua.h>

// The name under which the metatable of lists is in the registry.
#define API_JSON_LIST "host.json.list"

int api_open_json(lua_State *L);

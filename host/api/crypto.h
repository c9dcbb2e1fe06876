// host.crypto, see scripts/meta/host/crypto.lua.
#pragma once

#include <lua.h>

int api_open_crypto(lua_State *L);

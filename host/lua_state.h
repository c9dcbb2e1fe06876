// A Lua VM whose memory never runs out for its code: where there is none, the program ends with a
// log line. LuaJIT 2.1.0-beta3 (Debian 12's) does not survive every refusal: the message goes to
// where the last C function left the top of the stack if one of LuaJIT's own is refused, and
// compiled code is unwound from where its caller was (LuaJIT commit 2d8300c1). Any thread; a VM is
// closed by one that no longer runs it.
#pragma once

#include <lua.h>

lua_State *lua_state_new(void);
void lua_state_close(lua_State *L);

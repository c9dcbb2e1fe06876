// string.find, match, gmatch and gsub as LuaJIT has them (Lua 5.1 patterns, with %g and %f), whose
// work counts against the budget of the call: one pattern can take hours on a few hundred
// characters. The VM must be one of rules_budget.h.
#pragma once

#include <lua.h>

// Puts the four functions into the table on top of the stack.
void rules_match_register(lua_State *L);

// What a rule may see: the base functions, string, table, math and bit without what reaches outside
// or is not repeatable; require for rules and a few pure modules. Everything is read-only, and what
// is not declared is an error. The VM must be one of rules_budget.h, and new.
#pragma once

#include <lua.h>

// What the functions of host.text and host.json are given at once; each of them goes through it in
// a millisecond or two.
enum { RULES_ENV_TEXT = 128 * 1024 };

// Pushes the environment for chunks, the table of chunks by name that require runs ("notify" for
// rules.notify; to be filled), the table of modules it has run, and of each of these by name the
// set of those that it has required while it was loaded; what is required later sets [1] of that
// table. `explain` is the global of that name; its upvalue is string.format. Throws when out of
// memory.
void rules_env_push(lua_State *L, lua_CFunction explain);

// What rules files return is constant once all are loaded: another file that requires it sees the
// tables themselves, since a front would hide their fields from pairs and #. So after each call the
// tables that its file could reach are compared with copies of them, and what was changed is put
// back: the call has failed, and the next one sees no change. A table that only functions lead to
// (their locals) is not found. The VM's thread, without a budget running but for the load.
#pragma once

#include <lua.h>
#include <stdbool.h>

// Once all files have run: copies what they return. `modules` is the stack index of their results
// by name, `needs` of a table with the names that each has required, by name. Returns the guard as
// a registry reference. Throws when out of memory.
int rules_guard_new(lua_State *L, int modules, int needs);

// After a call of a function of the file `name`. False: it has changed the table that a file
// returned, or one in it; `where` is then that file's name. Leaves the stack as it was.
bool rules_guard_check(lua_State *L, int guard, const char *name, char *where, size_t size);

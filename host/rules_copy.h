// Values between VMs that share nothing: written as bytes by one, read by the other. nil, booleans,
// numbers, strings, JSON null (host.json's) and tables of these; a list that host.json marked stays
// one. Anything else, a cycle, or more than the caps below is refused with the place where it is.
#pragma once

#include <lua.h>

#include "buf.h"
#include "err.h"

enum { RULES_COPY_DEPTH = 32, RULES_COPY_VALUES = 100000, RULES_COPY_BYTES = 4 * 1024 * 1024 };

// Appends `count` values of L from stack index `first` on. `what` is the word for one of them in
// err ("argument"). May throw when L is out of memory; leaves the stack as it was.
MUST_CHECK int rules_copy_write(lua_State *L, int first, int count, const char *what,
                                struct buf *out, struct err *err);

// Pushes what was written and returns how many values. May throw when L is out of memory.
int rules_copy_read(lua_State *L, const struct buf *in);

// LPeg for rules. Its match loop is C, which no hook interrupts; so patterns that can take long are
// built with a match-time check of the budget inside: every rule of a grammar, and every repetition
// of something that repeats. What is left between two checks is linear in the subject, whose length
// is capped. The VM must be one of rules_budget.h.
#pragma once

#include <lua.h>

enum { RULES_LPEG_SUBJECT = 64 * 1024, RULES_LPEG_PATTERN = 512 * 1024, RULES_LPEG_COUNT = 10000 };

// Pushes the table of LPeg's functions (no setmaxstack, which would lift its own limit).
void rules_lpeg_push(lua_State *L);

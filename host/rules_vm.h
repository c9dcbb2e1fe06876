// One Lua VM of business rules, and the calls into it: rules.h says what these may do and what they
// cost. Everything of it on one thread at a time, nothing shared but the bundle.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "rules.h"
#include "rules_bundle.h"

struct rules_vm;

// limits->only are the files that it loads, and limits->memory is its own. Keeps a reference of the
// bundle.
MUST_CHECK int rules_vm_new(struct rules_vm **vm, struct rules_bundle *bundle,
                            const struct rules_limits *limits, struct err *err);
void rules_vm_free(struct rules_vm *vm);

// Pushes the function of a file, as luaL_loadbuffer does, or why there is none. Any VM.
int rules_vm_compile(lua_State *L, const struct file *file);

// As rules_call.
int rules_vm_call(struct rules_vm *vm, const char *name, lua_State *from, int first, int count,
                  struct rules_failure *failure);

// Another bundle in which the files that it may load are the same: from there it loads what it
// requires later, and itself anew.
void rules_vm_move(struct rules_vm *vm, struct rules_bundle *bundle);

// Whether it can be called: one that had to be made anew may have failed to load.
bool rules_vm_works(const struct rules_vm *vm);

void rules_vm_explain(struct rules_vm *vm);
struct rules_account rules_vm_account(const struct rules_vm *vm);

// Where the rule that was called last begins; "" when there was none.
const char *rules_vm_called(const struct rules_vm *vm);

size_t rules_vm_memory(const struct rules_vm *vm);

// Business rules in Lua VMs of their own, so that a rule that fails, loops or eats memory costs its
// own call and nothing else. Rule authors are trusted but fallible; what they are given is
// hostile. No JIT, text only, nothing of the outside (rules_env.h), budgets (rules_budget.h);
// arguments and results are copies (rules_copy.h). A struct rules is one generation of one worker,
// with a VM for each part of the files that are asked (rules_parts.h): everything of it on one
// thread at a time, nothing shared but the bundle. A call never yields, so between calls a
// generation may be exchanged; VMs whose files have not changed go on in the next one.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "rules_bundle.h"

struct rules;

struct rules_limits {
    unsigned call_ms; // CPU time of a call with small arguments; up to 4 times that with large ones
    unsigned load_ms; // CPU time of loading all files of a VM
    size_t memory;    // bytes of each VM
    const char *only; // NULL: all files; else these ("one other") and what they require
};

// What a service gets: as much CPU time as the rules need on a usual core, times RULES_CPU_FACTOR.
struct rules_limits rules_usual_limits(void);
// Before there are threads.
void rules_set_cpu_factor(unsigned factor);

// Why a call has no result. Valid until the next call.
struct rules_failure {
    const char *code;      // "budget", "memory", "error", "missing", "argument", "result"
    const char *message;   // begins with file:line where a rule is to blame
    const char *traceback; // lines; may be empty
};

// Whether each .lua file compiles that is not just so in `known` (may be NULL); none is run. err
// says file and line. Any thread.
MUST_CHECK int rules_compile(const struct rules_bundle *bundle, const struct rules_bundle *known,
                             struct err *err);

// Compiles and runs the .lua files of the bundle that are wanted, and keeps a reference of it. One
// of `only` that is not there is left out. err says file and line.
MUST_CHECK int rules_new(struct rules **rules, struct rules_bundle *bundle,
                         const struct rules_limits *limits, struct err *err);
// The same, for rules that will take the place of a generation of `live` (NULL: of none): VMs whose
// files, and their examples, are the same there are not made, but taken over by rules_exchange.
MUST_CHECK int rules_new_after(struct rules **rules, struct rules_bundle *bundle,
                               const struct rules_bundle *live, const struct rules_limits *limits,
                               struct err *err);
void rules_free(struct rules *rules);

// Calls rule `name` ("notify.plan": function plan of notify.lua) with `count` values of `from`,
// from stack index `first` on. Pushes the results onto `from` and returns how many; -1: failure is
// filled, nothing is pushed. May throw in `from` when that is out of memory; nothing is lost then.
int rules_call(struct rules *rules, const char *name, lua_State *from, int first, int count,
               struct rules_failure *failure);

// What rules say of themselves with `explain` is kept from now on; it is not otherwise.
void rules_explain(struct rules *rules);

// Of the last call, where rules are to explain themselves.
struct rules_account {
    const char *explained; // lines
    uint64_t cpu_ns;
    unsigned budget_ms;
    size_t bytes; // of memory, at the most, beyond those of before the call
};
struct rules_account rules_account(const struct rules *rules);

const char *rules_revision(const struct rules *rules);

// Where the rule that was called last begins ("rules/notify.lua:190"); "" when there was none.
const char *rules_called(const struct rules *rules);

// A file of the bundle ("notify.examples.json"); NULL when there is none of that name.
const struct file *rules_find_file(const struct rules *rules, const char *name);

// Whether the VM of that file ("notify") is one that the live generation has, and this one lacks.
bool rules_is_left_out(const struct rules *rules, const char *file, size_t len);

// Bytes of the VMs.
size_t rules_memory(const struct rules *rules);

// The files that were wanted, as `only` names them.
const char *rules_only(const struct rules *rules);

// The rule that runs on this thread, or NULL. May be asked in a signal handler of the thread.
const char *rules_running(void);

// The place where a worker keeps its generation. Prepare on every worker; then commit on all, or
// cancel on all. Zero-initialised is empty.
struct rules_slot {
    struct rules *live, *next;
};

// Makes `next`, and frees one that was prepared before. `live` goes on.
MUST_CHECK int rules_prepare(struct rules_slot *slot, struct rules_bundle *bundle,
                             const struct rules_limits *limits, struct err *err);
// The same with one that was made elsewhere, which the slot owns from now on. False: the live one
// lacks a VM that it leaves out; then it stays the caller's.
MUST_CHECK bool rules_offer(struct rules_slot *slot, struct rules *made);
// `next` becomes live. There must be a next. Cannot fail. Returns the old one (NULL: there was
// none), which any thread may free: that takes a while.
MUST_CHECK struct rules *rules_exchange(struct rules_slot *slot);
// The same, and frees the old one.
void rules_commit(struct rules_slot *slot);
void rules_cancel(struct rules_slot *slot);
void rules_slot_free(struct rules_slot *slot);

// A generation: one service's scripts as a worker runs them. It has a VM, fibers, timers and what
// these have under way; its database pool and HTTP client are the worker's. A worker has one that
// is live, and maybe earlier ones that finish what they began. Its life: new, begin, ... serving
// ..., retire (what runs in the background ends), reap until it is gone. Loop thread only.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "bundle.h"
#include "err.h"
#include "script.h"

struct generation;

// What a generation must answer before it may go; part of its owner's own struct.
struct generation_request {
    struct generation *generation;
    struct generation_request *prev, *next;
    // The generation goes although this is not answered: answer it now, by yourself, and free it.
    void (*on_cut)(struct generation_request *request);
};

// Loads the service from the bundle and runs nothing of it. `parts` is copied: all that is set in
// it stays the worker's; fibers is made here, for at most max_fibers.
MUST_CHECK int generation_new(struct generation **generation, const struct api_env *parts,
                              struct bundle *bundle, size_t max_fibers, struct err *err);

// At once, whatever is under way. Run the loop once more afterwards.
void generation_free(struct generation *generation);

// Runs the service's start function.
void generation_begin(struct generation *generation);

enum generation_begun { GENERATION_BEGINS, GENERATION_BEGAN, GENERATION_BROKE };
// Once it broke, err says how; err may be NULL.
enum generation_begun generation_has_begun(const struct generation *generation, struct err *err);

// Ends what runs in the background: timers tick no more, host.worker.ending() is true, the at_end
// functions run. Requests go on, and new ones may come. A second time does nothing.
void generation_retire(struct generation *generation);

// Runs the at_end functions alone, as the last thing of a program.
void generation_end(struct generation *generation);

// The at_end functions have ended.
bool generation_has_ended(const struct generation *generation);

// Frees a retired generation that has nothing left to do, or whose time (35 s since it was retired)
// is up. Call it now and then. True: it is gone.
bool generation_reap(struct generation *generation);

void generation_add(struct generation *generation, struct generation_request *request);
void generation_remove(struct generation_request *request);

struct api_env *generation_env(struct generation *generation);
struct script *generation_script(struct generation *generation);

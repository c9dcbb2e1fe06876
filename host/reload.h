// The coordinator of changes while the program runs: a thread of its own that watches the scripts
// folder, reads it once, and brings all workers of the services concerned to the new scripts, or
// none. What is wrong with new scripts changes nothing but a log line, revision.h and its metrics.
#pragma once

#include "bundle.h"
#include "config.h"
#include "err.h"
#include "script.h"
#include "worker.h"

struct reload;

struct reload_options {
    const struct config *config;
    struct rules_bundle *rules;            // likewise; NULL: none
    const char *rules_refused;             // what their folder held instead, or ""
    struct bundle *scripts;                // what the workers were started with
    const struct script_service *services; // as declared in it
    int service_count;
    struct worker *const *workers; // outlive the coordinator
    const int *service_of;         // by worker: index of its service
    int worker_count;
};

// Copies the options, and starts.
MUST_CHECK int reload_start(struct reload **reload, const struct reload_options *options,
                            struct err *err);

// Any thread: look now, and try once more what was refused.
void reload_ask(struct reload *reload);

// Any thread: no change any more; one that goes on comes to its end first.
void reload_stop(struct reload *reload);

// Waits for the end of the thread and frees.
void reload_join(struct reload *reload);

// Candidate rules that run beside the live ones and decide nothing: one folder for the process
// (RULES_SHADOW_DIR), a VM for each worker that asks. The reload thread reads the folder and tries
// whether it loads; a worker takes what was read at its next call. What is wrong with a candidate
// is told by revision.h, and then there is none.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rules.h"

// Before the threads start. NULL: no candidate is wanted.
void shadow_init(const char *folder);

// The reload thread: reads the folder, and takes what is new in it. `again`: also what was refused.
void shadow_look(bool again);

// A worker's candidate. Zero-initialised is empty.
struct shadow_seat {
    struct rules *rules;
    uint64_t number; // of the candidate it was made from
};

// The seat's rules as the folder has them, or NULL: no candidate. only: as in rules_limits. Thread
// of the seat's worker.
struct rules *shadow_rules(struct shadow_seat *seat, const char *only);

void shadow_leave(struct shadow_seat *seat);

// After the threads.
void shadow_deinit(void);

// How near the process is to the memory limit of its control group (version 2 or 1). Near it, new
// work is refused, which costs less than being killed with all that is under way.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

// Finds the group. folder: where its files are; NULL: as /proc/self/cgroup says. Fails when a
// folder was named that has no limit in it. Before any thread is made.
MUST_CHECK int memory_init(const char *folder, struct err *err);

// Bytes that the process may use: of its group, or of the machine.
double memory_limit(void);

// Reads how much the group uses, without what the kernel can take back; while memory is short,
// gives back what was freed. Called some times a second, by one thread alone.
void memory_look(void);

// So many bytes were taken for a client: after many it is looked at once more. Any thread.
void memory_add(size_t bytes);

// Whether 80 % was in use at the last look, and 75 % ever since. Any thread.
bool memory_is_short(void);

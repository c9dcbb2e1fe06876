// The life of a process that runs services: their workers are started, watched and stopped.
#pragma once

#include "config.h"
#include "err.h"
#include "services.h"

// Returns once a signal has stopped all workers. -1: it did not start; workers may be running, so
// the process must end at once.
MUST_CHECK int run_services(const struct config *config, struct services *services,
                            struct err *err);

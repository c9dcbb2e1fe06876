// A worker: one thread, one loop, and on it one service's listeners, database pool, HTTP client and
// Lua VM. Workers share nothing but metrics. What a request goes through: http_server -> on_request
// here -> a fiber that runs the service's handle -> http_reply.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "err.h"

struct api_service;
struct worker;

struct worker_options {
    const struct config *config;
    const char *service;
    int index, count; // this worker among those of its service
    int port, inner_port;
    int body_limit;                     // bytes of a body on `port`, 0: 64 KiB
    int nice;                           // of the thread, as setpriority(2) takes it
    const struct api_service *services; // all of this process; outlive the worker
    int service_count;
    uint64_t started_ms; // of the process, monotonic
};

// Makes the thread and waits until it listens, or has failed.
MUST_CHECK int worker_start(struct worker **worker, const struct worker_options *options,
                            struct err *err);

// Any thread: not ready from now on, go on serving for DRAIN_MS, then stop accepting, finish, end.
void worker_drain(struct worker *worker);

// Any thread: monotonic ms at which the loop last turned, for the watchdog; 0 once it has ended.
uint64_t worker_heartbeat(const struct worker *worker);

bool worker_ended(const struct worker *worker);

// Any thread: interrupts the worker's thread with a signal, whose handler runs there.
void worker_interrupt(struct worker *worker, int signal);

// Waits for the end of the thread and frees.
void worker_join(struct worker *worker);

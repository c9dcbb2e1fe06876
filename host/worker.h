// A worker: one thread, one loop, and on it one service's listeners, database pool, HTTP client and
// the generation of its scripts that is live. Workers share nothing but metrics. What a request
// goes through: http_server -> request_start -> a fiber that runs the service's handle ->
// http_reply.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bundle.h"
#include "config.h"
#include "err.h"
#include "rules_bundle.h"

struct api_service;
struct rules;
struct worker;

struct worker_options {
    const struct config *config;
    struct bundle *scripts;     // to begin with; read while worker_start runs
    struct rules_bundle *rules; // likewise; NULL: none
    const char *service;
    int index, count; // this worker among those of its service
    int port, inner_port;
    int body_limit;         // bytes of a body on `port`, 0: 64 KiB
    const char *large_path; // where it may be large_limit, "": nowhere; outlives the worker
    int large_limit;
    unsigned max_connections;           // of each port
    int nice;                           // of the thread, as setpriority(2) takes it
    const struct api_service *services; // all of this process; outlive the worker
    int service_count;
    uint64_t started_ms; // of the process, monotonic
};

// Makes the thread and waits until it listens, or has failed.
MUST_CHECK int worker_start(struct worker **worker, const struct worker_options *options,
                            struct err *err);

// A change of the scripts, in steps that one coordinator gives to all workers: PREPARE loads a new
// generation beside the live one and runs nothing; COMMIT ends what the live one does in the
// background, runs the new one's start, and then sends new requests to it, while what runs goes on
// where it is; CANCEL drops what was prepared. A commit whose start fails is refused, and leaves
// the old generation serving, but without its background: prepare and commit the old scripts again.
enum worker_step { WORKER_PREPARE, WORKER_COMMIT, WORKER_CANCEL };
enum worker_outcome {
    WORKER_DONE,
    WORKER_REFUSED,
    WORKER_BUSY, // earlier generations still finish: later
};

struct worker_order {
    enum worker_step step;
    uint64_t round;             // COMMIT is of the PREPARE with the same number
    struct bundle *scripts;     // of a PREPARE; held until it is done
    struct rules_bundle *rules; // of a PREPARE instead of scripts: the rules alone change, at once
    struct rules *made;         // what is made of these: the worker's once the order is taken
    // On the worker's thread, once. err is set when the outcome is not WORKER_DONE.
    void (*on_done)(void *user, uint64_t round, enum worker_outcome outcome, const struct err *err);
    void *user;
};

// Any thread. False: the worker has ended, and on_done is never called.
bool worker_order(struct worker *worker, const struct worker_order *order);

// Any thread: the generation that the last commit of rules has replaced; the caller frees it,
// which would keep requests waiting here. NULL: there is none.
struct rules *worker_take_old_rules(struct worker *worker);

// Any thread: not ready from now on, go on serving for DRAIN_MS, then stop accepting, finish, end.
void worker_drain(struct worker *worker);

struct watchdog_sight;

// Any thread: for the watchdog all of it but the time. The beat is when the loop last turned (ms),
// 0 once it has ended.
void worker_sight(const struct worker *worker, struct watchdog_sight *sight);

bool worker_ended(const struct worker *worker);

// Any thread: interrupts the worker's thread with a signal, whose handler runs there.
void worker_interrupt(struct worker *worker, int signal);

// Waits for the end of the thread and frees.
void worker_join(struct worker *worker);

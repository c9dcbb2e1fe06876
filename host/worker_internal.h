// What worker.c and worker_change.c know of each other, and nobody else does.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "api/api.h"
#include "generation.h"
#include "http_server.h"
#include "meters.h"
#include "worker.h"

enum {
    MAX_LISTENERS = 32,
    MAX_RETIRED = 8, // generations that still finish something; more wait
};

// A commit that goes on.
enum phase { IDLE, ENDING, BEGINNING };

struct waiting_order {
    struct waiting_order *next;
    struct worker_order order;
};

struct worker {
    struct worker_options options;
    pthread_t thread;
    int tid;               // the kernel's number of it
    pthread_mutex_t mutex; // of the start-up handshake, and of `orders`, `closed` and `old_rules`
    pthread_cond_t started;
    enum { STARTING, RUNNING, FAILED } state;
    struct err err;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t beat;
    uint64_t beat_due; // uv_hrtime; 0: no beat yet
    _Atomic uint64_t heartbeat;
    atomic_bool drain_asked, ended;
    struct waiting_order *orders;
    bool closed;          // no order can be taken any more
    struct api_env parts; // what each generation is made with
    struct api_rules rules;
    struct rules_bundle *next_rules; // prepared
    struct rules *old_rules;         // replaced, until the coordinator takes it
    struct generation *live, *candidate, *retired[MAX_RETIRED];
    int retired_count;
    uv_timer_t turn; // while a commit goes on
    enum phase phase;
    uint64_t phase_at;
    uint64_t prepared; // the round of the candidate
    struct worker_order commit;
    struct listener {
        struct worker *worker;
        int port;
        bool inner, asked; // for the sidecar; by a script
        struct http_server *server;
    } listeners[MAX_LISTENERS];
    int listener_count;
    uint64_t drain_at; // loop time; 0: not draining
    uint64_t quiet_at; // from when on it may end, when nothing is unfinished
    uint64_t end_at;   // when what scripts do at the end began; 0: not yet
    struct meters *meters;
    uint64_t random;
};

MUST_CHECK int worker_make_generation(struct worker *worker, struct bundle *bundle,
                                      struct generation **out, struct err *err);

// Does what has been ordered.
void worker_obey_orders(struct worker *worker);
// Ends a commit that goes on, and takes no further orders.
void worker_refuse_orders(struct worker *worker);

// Frees the generations that have finished.
void worker_reap(struct worker *worker);

// What a worker counts of itself: requests, connections, database, fibers, lag. Worker's thread
// only.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "db.h"
#include "metrics.h"

struct meters;

// Declares the metrics (the same ones for every worker) and counts into the shard, which outlives
// it.
struct meters *meters_new(struct metric_shard *shard);
void meters_free(struct meters *meters);

void meters_count_request(struct meters *meters, const char *method, const char *route, int status,
                          double seconds);

// A request that was refused before a script saw it: its route is "refused". What libmicrohttpd
// refuses by itself (what it cannot parse, headers beyond its buffer) is not seen and not counted.
void meters_count_refusal(struct meters *meters, int status);

// What went to the database in one piece was answered.
void meters_count_answer(struct meters *meters, double seconds);

// How late the loop's last timer was.
void meters_count_lag(struct meters *meters, double seconds);

// Totals and levels as they are now; called at every heartbeat.
struct meters_state {
    size_t exchanges, connections, streams;
    struct db_stats db;
    size_t fibers;
    uint64_t stale;  // completions that came late, since start
    int generations; // of scripts, those that finish included
    double lua_bytes, rules_bytes, shadow_bytes;
};
void meters_update(struct meters *meters, const struct meters_state *state);

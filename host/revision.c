#include "revision.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "metrics.h"

struct record {
    struct revision_state state;
    struct metric *successful, *timestamp, *info, *reloads;
    struct metric_shard *shard;   // of the revision's name alone: made anew with each
    uint64_t calls, failed_calls; // when it became live
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct record records[REVISION_KINDS];
static struct metric_shard *shard;
static _Atomic uint64_t calls_total, failures_total;
static const char *const RESULTS[] = {"refused", "taken"};

static struct metric *declare(const char *kind, enum metric_kind of, const char *name,
                              const char *help, const char *const *labels, size_t count) {
    char full[96], text[160];
    struct err err;
    snprintf(full, sizeof full, "todo_%s_%s", kind, name);
    snprintf(text, sizeof text, help, kind);
    struct metric *metric = metrics_declare(full, of, text, labels, count, NULL, 0, &err);
    if (!metric) {
        log_event(LOG_ERROR, "metric not declared", "error", err.text, NULL);
        abort();
    }
    return metric;
}

void revision_init(void) {
    static const char *const KINDS[REVISION_KINDS] = {"scripts", "rules", "shadow_rules"};
    static const char *const LABELS[] = {"revision"}, *const RESULT[] = {"result"};
    pthread_mutex_lock(&lock);
    if (!shard)
        shard = metrics_shard_new(NULL);
    for (int i = 0; i < REVISION_KINDS; i++) {
        struct record *record = &records[i];
        record->successful = declare(KINDS[i], METRIC_GAUGE, "config_last_reload_successful",
                                     "Whether the last reload of the %s was taken.", NULL, 0);
        record->timestamp =
            declare(KINDS[i], METRIC_GAUGE, "config_last_reload_success_timestamp_seconds",
                    "When the %s that are live were loaded.", NULL, 0);
        record->info = declare(KINDS[i], METRIC_GAUGE, "info",
                               "The revision of the %s that is live.", LABELS, 1);
        record->reloads = declare(KINDS[i], METRIC_COUNTER, "config_reloads_total",
                                  "Loads of the %s, the first one included.", RESULT, 1);
        for (int j = 0; j < 2; j++)
            metrics_cell(shard, record->reloads, &RESULTS[j]);
    }
    pthread_mutex_unlock(&lock);
}

static void count_reload(const struct record *record, bool taken) {
    metrics_add(metrics_cell(shard, record->reloads, &RESULTS[taken]), 1);
}

static int64_t unix_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void add_past(struct revision_state *state, const char *revision, int64_t loaded_ms) {
    memmove(state->past + 1, state->past, (REVISION_HISTORY - 1) * sizeof *state->past);
    state->past[0] = (struct revision_past){.loaded_ms = loaded_ms};
    snprintf(state->past[0].revision, sizeof state->past[0].revision, "%s", revision);
    if (state->past_count < REVISION_HISTORY)
        state->past_count++;
}

static void remember(struct revision_state *state) {
    if (!state->revision[0])
        return;
    add_past(state, state->revision, state->loaded_ms);
}

// Whether it is one of those before.
static bool mark(struct revision_state *state, const char *revision, bool taken_back) {
    bool found = false;
    for (int i = 0; i < state->past_count; i++) {
        if (strcmp(state->past[i].revision, revision) != 0)
            continue;
        state->past[i].taken_back = taken_back;
        found = true;
    }
    return found;
}

static void set(struct metric *metric, double value) {
    metrics_set(metrics_cell(shard, metric, NULL), value);
}

static void load(struct record *record, const char *revision, const char *state, const char *why) {
    struct revision_state *now = &record->state;
    remember(now);
    mark(now, revision, false);
    snprintf(now->revision, sizeof now->revision, "%s", revision);
    snprintf(now->state, sizeof now->state, "%s", state);
    snprintf(now->error, sizeof now->error, "%s", why ? why : "");
    now->refused[0] = 0;
    now->loaded_ms = unix_ms();
    now->loads++;
    revision_calls(&record->calls, &record->failed_calls);
    count_reload(record, true);
    set(record->successful, !why);
    set(record->timestamp, (double)now->loaded_ms / 1000);
    if (record->shard)
        metrics_shard_free(record->shard);
    record->shard = metrics_shard_new(NULL);
    metrics_set(metrics_cell(record->shard, record->info, &revision), 1);
}

static void take_back(struct revision_state *state, const char *revision) {
    if (mark(state, revision, true))
        return;
    add_past(state, revision, 0);
    state->past[0].taken_back = true;
}

void revision_loaded(enum revision_kind kind, const char *revision, const char *state,
                     const char *why) {
    pthread_mutex_lock(&lock);
    load(&records[kind], revision, state, why);
    pthread_mutex_unlock(&lock);
}

// Who reads that rules were returned reads which ones too.
void revision_returned(enum revision_kind kind, const char *revision, const char *bad,
                       const char *why) {
    struct revision_state *now = &records[kind].state;
    pthread_mutex_lock(&lock);
    load(&records[kind], revision, "returned", why);
    snprintf(now->refused, sizeof now->refused, "%s", bad);
    take_back(now, bad);
    pthread_mutex_unlock(&lock);
}

void revision_taken_back(enum revision_kind kind, const char *revision) {
    pthread_mutex_lock(&lock);
    take_back(&records[kind].state, revision);
    pthread_mutex_unlock(&lock);
}

void revision_refused(enum revision_kind kind, const char *revision, const char *why) {
    struct record *record = &records[kind];
    pthread_mutex_lock(&lock);
    snprintf(record->state.state, sizeof record->state.state, "failed");
    snprintf(record->state.error, sizeof record->state.error, "%s", why);
    snprintf(record->state.refused, sizeof record->state.refused, "%s", revision ? revision : "");
    record->state.failures++;
    count_reload(record, false);
    set(record->successful, 0);
    pthread_mutex_unlock(&lock);
}

void revision_settled(enum revision_kind kind) {
    struct record *record = &records[kind];
    pthread_mutex_lock(&lock);
    snprintf(record->state.state, sizeof record->state.state, "loaded");
    record->state.error[0] = record->state.refused[0] = 0;
    set(record->successful, 1);
    pthread_mutex_unlock(&lock);
}

void revision_read(enum revision_kind kind, struct revision_state *state) {
    pthread_mutex_lock(&lock);
    *state = records[kind].state;
    if (kind == REVISION_RULES) {
        revision_calls(&state->calls, &state->failed_calls);
        state->calls -= records[kind].calls;
        state->failed_calls -= records[kind].failed_calls;
    }
    pthread_mutex_unlock(&lock);
}

void revision_count_call(void) {
    atomic_fetch_add_explicit(&calls_total, 1, memory_order_relaxed);
}

void revision_count_failure(void) {
    atomic_fetch_add_explicit(&failures_total, 1, memory_order_relaxed);
}

void revision_calls(uint64_t *calls, uint64_t *failures) {
    *calls = atomic_load(&calls_total);
    *failures = atomic_load(&failures_total);
}

void revision_deinit(void) {
    for (int i = 0; i < REVISION_KINDS; i++) {
        if (records[i].shard)
            metrics_shard_free(records[i].shard);
        records[i].shard = NULL;
    }
    if (shard)
        metrics_shard_free(shard);
    shard = NULL;
}

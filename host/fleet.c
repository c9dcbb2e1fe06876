#include "fleet.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "buf.h"
#include "log.h"

enum { PREPARE_MS = 5000, COMMIT_MS = 15000, CANCEL_MS = 5000 };

struct fleet {
    struct fleet_service *services;
    int service_count;
    struct worker **workers;
    int *service_of;
    int worker_count;
    pthread_mutex_t mutex; // of what follows: the answers of a round
    pthread_cond_t answered;
    uint64_t round;
    int waiting;
    enum worker_outcome outcome; // the worst
    struct err err;              // of it
};

struct fleet *fleet_new(struct worker *const *workers, const int *service_of, int worker_count,
                        int service_count) {
    struct fleet *fleet = xcalloc(1, sizeof *fleet);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&fleet->mutex, NULL);
    pthread_cond_init(&fleet->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    fleet->service_count = service_count;
    fleet->services = xcalloc((size_t)service_count + 1, sizeof *fleet->services);
    fleet->worker_count = worker_count;
    fleet->workers = xcalloc((size_t)worker_count + 1, sizeof *fleet->workers);
    fleet->service_of = xcalloc((size_t)worker_count + 1, sizeof *fleet->service_of);
    for (int i = 0; i < worker_count; i++) {
        fleet->workers[i] = workers[i];
        fleet->service_of[i] = service_of[i];
    }
    return fleet;
}

void fleet_free(struct fleet *fleet) {
    for (int i = 0; i < fleet->service_count; i++)
        bundle_release(fleet->services[i].scripts);
    pthread_mutex_destroy(&fleet->mutex);
    pthread_cond_destroy(&fleet->answered);
    free(fleet->services);
    free(fleet->workers);
    free(fleet->service_of);
    free(fleet);
}

int fleet_service_count(const struct fleet *fleet) {
    return fleet->service_count;
}

struct fleet_service *fleet_service(struct fleet *fleet, int index) {
    return &fleet->services[index];
}

int fleet_worker_count(const struct fleet *fleet) {
    return fleet->worker_count;
}

int fleet_service_of(const struct fleet *fleet, int worker) {
    return fleet->service_of[worker];
}

// Rounds: one order to every worker concerned, and their answers.

static void on_done(void *user, uint64_t round, enum worker_outcome outcome,
                    const struct err *err) {
    struct fleet *fleet = user;
    pthread_mutex_lock(&fleet->mutex);
    if (round == fleet->round) {
        fleet->waiting--;
        if (outcome != WORKER_DONE && fleet->outcome != WORKER_REFUSED) {
            fleet->outcome = outcome;
            fleet->err = *err;
        }
        pthread_cond_signal(&fleet->answered);
    }
    pthread_mutex_unlock(&fleet->mutex);
}

static struct timespec after_ms(int ms) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static enum worker_outcome wait_for_answers(struct fleet *fleet, int deadline_ms, struct err *err) {
    struct timespec until = after_ms(deadline_ms);
    int late = 0;
    pthread_mutex_lock(&fleet->mutex);
    while (fleet->waiting > 0 && !late)
        late = pthread_cond_timedwait(&fleet->answered, &fleet->mutex, &until);
    if (fleet->waiting > 0) {
        fleet->outcome = WORKER_REFUSED;
        err_set(&fleet->err, "%d workers did not answer within %d s", fleet->waiting,
                deadline_ms / 1000);
    }
    enum worker_outcome outcome = fleet->outcome;
    if (outcome != WORKER_DONE)
        *err = fleet->err;
    pthread_mutex_unlock(&fleet->mutex);
    return outcome;
}

// The part's VM goes with the order.
static void order_one(struct fleet *fleet, int index, struct worker_order *order,
                      struct fleet_part *part) {
    if (order->step == WORKER_PREPARE) {
        order->scripts = part->scripts;
        order->rules = part->rules;
        order->made = part->made;
        part->made = NULL;
    }
    pthread_mutex_lock(&fleet->mutex);
    fleet->waiting++;
    pthread_mutex_unlock(&fleet->mutex);
    if (worker_order(fleet->workers[index], order))
        return;
    if (order->made)
        rules_free(order->made);
    struct err gone;
    err_set(&gone, "a worker is stopping");
    on_done(fleet, order->round, WORKER_REFUSED, &gone);
}

// The answers count for the round that began last, so those that come too late count for nothing.
static enum worker_outcome order_all(struct fleet *fleet, enum worker_step step,
                                     struct fleet_part *parts, int deadline_ms, struct err *err) {
    struct worker_order order = {.step = step, .on_done = on_done, .user = fleet};
    pthread_mutex_lock(&fleet->mutex);
    if (step != WORKER_COMMIT) // which names the round that it completes
        fleet->round++;
    order.round = fleet->round;
    fleet->waiting = 1; // this one, until all are told
    fleet->outcome = WORKER_DONE;
    pthread_mutex_unlock(&fleet->mutex);
    for (int i = 0; i < fleet->worker_count; i++)
        if (parts[i].scripts || parts[i].rules)
            order_one(fleet, i, &order, &parts[i]);
    on_done(fleet, order.round, WORKER_DONE, NULL);
    return wait_for_answers(fleet, deadline_ms, err);
}

static enum worker_outcome change(struct fleet *fleet, struct fleet_part *parts, bool *began,
                                  struct err *err) {
    enum worker_outcome outcome = order_all(fleet, WORKER_PREPARE, parts, PREPARE_MS, err);
    *began = false;
    if (outcome != WORKER_DONE) {
        struct err ignored;
        if (order_all(fleet, WORKER_CANCEL, parts, CANCEL_MS, &ignored) != WORKER_DONE)
            log_event(LOG_WARN, "what was prepared was not dropped", "error", ignored.text, NULL);
        return outcome;
    }
    *began = true;
    return order_all(fleet, WORKER_COMMIT, parts, COMMIT_MS, err);
}

// The VMs that rules leave behind are freed here, where no request waits for it.
enum worker_outcome fleet_change(struct fleet *fleet, struct fleet_part *parts, bool *began,
                                 struct err *err) {
    enum worker_outcome outcome = change(fleet, parts, began, err);
    for (int i = 0; i < fleet->worker_count; i++) {
        struct rules *old = parts[i].rules ? worker_take_old_rules(fleet->workers[i]) : NULL;
        if (old)
            rules_free(old);
    }
    return outcome;
}

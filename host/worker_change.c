// What a worker does when its scripts or rules change while it runs: the orders of the coordinator.
#include <stdlib.h>

#include "buf.h"
#include "worker_internal.h"

enum {
    BACKGROUND_FIBERS = 256,
    TURN_MS = 1,      // between looks at a commit that goes on
    HANDOVER_MS = 40, // for what the old generation does at its end, before the new one begins
    BEGIN_MS = 10000, // for the start of a new one
};

int worker_make_generation(struct worker *worker, struct bundle *bundle, struct generation **out,
                           struct err *err) {
    size_t fibers =
        (size_t)config_number(worker->options.config, "MAX_REQUESTS") + BACKGROUND_FIBERS;
    return generation_new(out, &worker->parts, bundle, fibers, err);
}

static void answer(const struct worker_order *order, enum worker_outcome outcome,
                   const struct err *err) {
    order->on_done(order->user, order->round, outcome, outcome == WORKER_DONE ? NULL : err);
}

static void drop_candidate(struct worker *worker) {
    if (worker->candidate && worker->phase == IDLE)
        generation_free(worker->candidate);
    if (worker->phase == IDLE)
        worker->candidate = NULL;
}

static void prepare(struct worker *worker, const struct worker_order *order) {
    struct err err;
    if (worker->drain_at || worker->phase != IDLE) {
        err_set(&err, "the worker is stopping, or in the middle of a change");
        answer(order, WORKER_REFUSED, &err);
        return;
    }
    drop_candidate(worker);
    if (worker->retired_count == MAX_RETIRED) {
        err_set(&err, "earlier generations still finish their requests");
        answer(order, WORKER_BUSY, &err);
        return;
    }
    int status = worker_make_generation(worker, order->scripts, &worker->candidate, &err);
    worker->prepared = order->round;
    answer(order, status == 0 ? WORKER_DONE : WORKER_REFUSED, &err);
}

static void retire(struct worker *worker, struct generation *generation) {
    generation_retire(generation);
    worker->retired[worker->retired_count++] = generation;
}

static void finish_commit(struct worker *worker, const struct err *err) {
    struct worker_order order = worker->commit;
    struct generation *old = err ? worker->candidate : worker->live;
    if (!err)
        worker->live = worker->candidate;
    worker->candidate = NULL;
    worker->phase = IDLE;
    uv_timer_stop(&worker->turn);
    retire(worker, old);
    answer(&order, err ? WORKER_REFUSED : WORKER_DONE, err);
}

// The old generation ends what it does in the background, the new one begins, and takes over once
// it has begun. Until then requests go to the old one.
static void on_turn(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    uint64_t passed = uv_now(&worker->loop) - worker->phase_at;
    struct err err;
    if (worker->phase == ENDING && (generation_has_ended(worker->live) || passed > HANDOVER_MS)) {
        worker->phase = BEGINNING;
        worker->phase_at = uv_now(&worker->loop);
        generation_begin(worker->candidate);
    }
    if (worker->phase != BEGINNING)
        return;
    enum generation_begun begun = generation_has_begun(worker->candidate, &err);
    if (begun == GENERATION_BEGAN) {
        finish_commit(worker, NULL);
    } else if (begun == GENERATION_BROKE) {
        finish_commit(worker, &err);
    } else if (passed > BEGIN_MS) {
        err_set(&err, "start took longer than %d s", BEGIN_MS / 1000);
        finish_commit(worker, &err);
    }
}

static void commit(struct worker *worker, const struct worker_order *order) {
    struct err err;
    if (!worker->candidate || worker->prepared != order->round || worker->drain_at) {
        err_set(&err, "the worker has nothing prepared, or is stopping");
        answer(order, WORKER_REFUSED, &err);
        return;
    }
    worker->commit = *order;
    worker->phase = ENDING;
    worker->phase_at = uv_now(&worker->loop);
    generation_retire(worker->live);
    uv_timer_start(&worker->turn, on_turn, 0, TURN_MS);
}

static void drop_rules(struct worker *worker) {
    rules_cancel(&worker->rules.slot);
    rules_bundle_unref(worker->next_rules);
    worker->next_rules = NULL;
}

static void prepare_rules(struct worker *worker, struct worker_order *order) {
    struct err err;
    int status = 0;
    drop_rules(worker);
    if (worker->drain_at) {
        status = err_set(&err, "the worker is stopping");
    } else if (worker->rules.slot.live && order->made &&
               rules_offer(&worker->rules.slot, order->made)) {
        order->made = NULL;
    } else if (worker->rules.slot.live) { // a script has asked for more than its service declares
        struct rules_limits limits = rules_usual_limits();
        limits.only = rules_only(worker->rules.slot.live);
        status = rules_prepare(&worker->rules.slot, order->rules, &limits, &err);
    }
    if (status == 0) {
        worker->next_rules = rules_bundle_ref(order->rules);
        worker->prepared = order->round;
    }
    answer(order, status == 0 ? WORKER_DONE : WORKER_REFUSED, &err);
}

static void commit_rules(struct worker *worker, const struct worker_order *order) {
    if (worker->rules.slot.next) {
        struct rules *old = rules_exchange(&worker->rules.slot);
        pthread_mutex_lock(&worker->mutex);
        struct rules *older = worker->old_rules;
        worker->old_rules = old;
        pthread_mutex_unlock(&worker->mutex);
        if (older)
            rules_free(older);
    }
    rules_bundle_unref(worker->rules.bundle);
    worker->rules.bundle = worker->next_rules;
    worker->next_rules = NULL;
    answer(order, WORKER_DONE, NULL);
}

struct rules *worker_take_old_rules(struct worker *worker) {
    pthread_mutex_lock(&worker->mutex);
    struct rules *old = worker->old_rules;
    worker->old_rules = NULL;
    pthread_mutex_unlock(&worker->mutex);
    return old;
}

static void release_order(struct worker_order *order) {
    bundle_release(order->scripts);
    rules_bundle_unref(order->rules);
    if (order->made)
        rules_free(order->made);
}

static void obey(struct worker *worker, struct worker_order *order) {
    if (order->step == WORKER_PREPARE && order->rules) {
        prepare_rules(worker, order);
    } else if (order->step == WORKER_PREPARE) {
        prepare(worker, order);
    } else if (order->step == WORKER_COMMIT && worker->next_rules &&
               worker->prepared == order->round) {
        commit_rules(worker, order);
    } else if (order->step == WORKER_COMMIT) {
        commit(worker, order);
    } else {
        drop_candidate(worker);
        drop_rules(worker);
        answer(order, WORKER_DONE, NULL);
    }
    release_order(order);
}

static struct waiting_order *take_orders(struct worker *worker, bool last) {
    pthread_mutex_lock(&worker->mutex);
    struct waiting_order *orders = worker->orders;
    worker->orders = NULL;
    worker->closed = worker->closed || last;
    pthread_mutex_unlock(&worker->mutex);
    return orders;
}

void worker_obey_orders(struct worker *worker) {
    for (struct waiting_order *order = take_orders(worker, false), *next; order; order = next) {
        next = order->next;
        obey(worker, &order->order);
        free(order);
    }
}

void worker_refuse_orders(struct worker *worker) {
    struct err err;
    err_set(&err, "the worker is stopping");
    for (struct waiting_order *order = take_orders(worker, true), *next; order; order = next) {
        next = order->next;
        answer(&order->order, WORKER_REFUSED, &err);
        release_order(&order->order);
        free(order);
    }
    if (worker->phase != IDLE)
        answer(&worker->commit, WORKER_REFUSED, &err);
    worker->phase = IDLE;
}

void worker_reap(struct worker *worker) {
    int left = 0;
    for (int i = 0; i < worker->retired_count; i++)
        if (!generation_reap(worker->retired[i]))
            worker->retired[left++] = worker->retired[i];
    worker->retired_count = left;
}

bool worker_order(struct worker *worker, const struct worker_order *order) {
    struct waiting_order *waiting = xcalloc(1, sizeof *waiting);
    waiting->order = *order;
    if (order->scripts)
        bundle_hold(order->scripts);
    if (order->rules)
        rules_bundle_ref(order->rules);
    pthread_mutex_lock(&worker->mutex);
    bool taken = !worker->closed;
    if (taken) {
        struct waiting_order **last = &worker->orders;
        while (*last)
            last = &(*last)->next;
        *last = waiting;
        uv_async_send(&worker->wake);
    }
    pthread_mutex_unlock(&worker->mutex);
    if (!taken) {
        bundle_release(waiting->order.scripts);
        rules_bundle_unref(waiting->order.rules);
        free(waiting);
    }
    return taken;
}

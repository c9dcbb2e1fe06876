#include "reload.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "revision.h"
#include "rollback.h"
#include "rules.h"
#include "rules_first.h"
#include "rules_log.h"
#include "rules_make.h"
#include "rules_store.h"
#include "shadow.h"
#include "watch.h"

enum {
    PREPARE_MS = 5000,
    COMMIT_MS = 15000,
    CANCEL_MS = 5000,
    BUSY_MS = 45000, // longer than a generation may take to finish
    BUSY_AGAIN_US = 50000,
    PROBATION_MS = 30000, // in which failures of new rules bring the old ones back
    PROBATION_LOOK_MS = 250,
    PROBATION_CALLS = 20, // at least, of which more than 1 in 100 failed
    SHORT = 12,           // characters of a revision in a log line
};

struct service {
    struct script_service declared;
    struct script_uses uses;
    struct bundle *bundle; // what its workers run
    bool concerned;        // by the change under way
    struct script_service next_declared;
    struct script_uses next_uses;
};

struct reload {
    const struct config *config;
    struct service *services;
    int service_count;
    struct worker **workers;
    int *service_of;
    int worker_count;
    struct watch *watch;
    pthread_t thread;
    char live[BUNDLE_REVISION];  // the folder as it was last taken, or found to concern nobody
    char tried[BUNDLE_REVISION]; // and as it was last refused
    bool failed;                 // the last look ended so
    char *rules_folder;
    struct rules_bundle *rules, *rules_before; // NULL: none
    bool changes_rules;
    struct rules_bundle *next_rules; // the change under way is of the rules
    struct rules **made;             // their VMs by worker, until the workers take them
    char rules_tried[BUNDLE_REVISION];
    uint64_t probation_until; // ms; 0: the rules have proved themselves
    uint64_t calls, failures; // when it began
    pthread_mutex_t mutex;    // of what follows: the answers of a round
    pthread_cond_t answered;
    uint64_t round;
    int waiting;
    enum worker_outcome outcome; // the worst
    struct err err;              // of it
};

// Rounds: one order to every worker concerned, and their answers.

static void on_done(void *user, uint64_t round, enum worker_outcome outcome,
                    const struct err *err) {
    struct reload *reload = user;
    pthread_mutex_lock(&reload->mutex);
    if (round == reload->round) {
        reload->waiting--;
        if (outcome != WORKER_DONE && reload->outcome != WORKER_REFUSED) {
            reload->outcome = outcome;
            reload->err = *err;
        }
        pthread_cond_signal(&reload->answered);
    }
    pthread_mutex_unlock(&reload->mutex);
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

static enum worker_outcome wait_for_answers(struct reload *reload, int deadline_ms,
                                            struct err *err) {
    struct timespec until = after_ms(deadline_ms);
    int late = 0;
    pthread_mutex_lock(&reload->mutex);
    while (reload->waiting > 0 && !late)
        late = pthread_cond_timedwait(&reload->answered, &reload->mutex, &until);
    if (reload->waiting > 0) {
        reload->outcome = WORKER_REFUSED;
        err_set(&reload->err, "%d workers did not answer within %d s", reload->waiting,
                deadline_ms / 1000);
    }
    enum worker_outcome outcome = reload->outcome;
    if (outcome != WORKER_DONE)
        *err = reload->err;
    pthread_mutex_unlock(&reload->mutex);
    return outcome;
}

// The answers count for the round that began last, so those that come too late count for nothing.
static enum worker_outcome order_all(struct reload *reload, enum worker_step step, bool old,
                                     int deadline_ms, struct bundle *scripts, struct err *err) {
    struct worker_order order = {.step = step,
                                 .rules = step == WORKER_PREPARE ? reload->next_rules : NULL,
                                 .on_done = on_done,
                                 .user = reload};
    pthread_mutex_lock(&reload->mutex);
    if (step != WORKER_COMMIT) // which names the round that it completes
        reload->round++;
    order.round = reload->round;
    reload->waiting = 1; // this one, until all are told
    reload->outcome = WORKER_DONE;
    pthread_mutex_unlock(&reload->mutex);
    for (int i = 0; i < reload->worker_count; i++) {
        struct service *service = &reload->services[reload->service_of[i]];
        if (!service->concerned && !reload->changes_rules)
            continue;
        order.scripts = step != WORKER_PREPARE || reload->changes_rules ? NULL
                        : old                                           ? service->bundle
                                                                        : scripts;
        pthread_mutex_lock(&reload->mutex);
        reload->waiting++;
        pthread_mutex_unlock(&reload->mutex);
        order.made = NULL;
        if (order.rules) {
            order.made = reload->made[i];
            reload->made[i] = NULL;
        }
        struct err gone;
        if (!worker_order(reload->workers[i], &order)) {
            if (order.made)
                rules_free(order.made);
            err_set(&gone, "a worker is stopping");
            on_done(reload, order.round, WORKER_REFUSED, &gone);
        }
    }
    on_done(reload, order.round, WORKER_DONE, NULL);
    return wait_for_answers(reload, deadline_ms, err);
}

static enum worker_outcome change(struct reload *reload, bool old, struct bundle *scripts,
                                  bool *began, struct err *err) {
    enum worker_outcome outcome = order_all(reload, WORKER_PREPARE, old, PREPARE_MS, scripts, err);
    *began = false;
    if (outcome != WORKER_DONE) {
        struct err ignored;
        if (order_all(reload, WORKER_CANCEL, old, CANCEL_MS, NULL, &ignored) != WORKER_DONE)
            log_event(LOG_WARN, "what was prepared was not dropped", "error", ignored.text, NULL);
        return outcome;
    }
    *began = true;
    return order_all(reload, WORKER_COMMIT, old, COMMIT_MS, NULL, err);
}

// While earlier generations finish, a new one has to wait.
static enum worker_outcome change_in_time(struct reload *reload, bool old, struct bundle *scripts,
                                          bool *began, struct err *err) {
    for (int waited_us = 0;; waited_us += BUSY_AGAIN_US) {
        enum worker_outcome outcome = change(reload, old, scripts, began, err);
        if (outcome != WORKER_BUSY || waited_us > BUSY_MS * 1000)
            return outcome;
        usleep(BUSY_AGAIN_US);
    }
}

// All or none: the workers that have begun go back.
static int change_all(struct reload *reload, struct bundle *scripts, struct err *err) {
    bool began;
    if (change_in_time(reload, false, scripts, &began, err) == WORKER_DONE)
        return 0;
    if (!began)
        return -1;
    struct err worse;
    if (change_in_time(reload, true, NULL, &began, &worse) != WORKER_DONE)
        log_event(LOG_ERROR, "workers could not go back to the scripts before: restart the program",
                  "error", worse.text, NULL);
    return -1;
}

// What concerns whom.

static bool is_concerned(const struct service *service, struct bundle *scripts) {
    char folder[80];
    snprintf(folder, sizeof folder, "%s/", service->declared.name);
    return script_uses_differ(&service->uses, service->bundle, scripts) ||
           !bundle_same_below(service->bundle, scripts, folder);
}

// What only a start can change.
static int compare(const struct script_service *old, const struct script_service *new,
                   struct err *err) {
    const struct {
        const char *name;
        int before, after;
    } NUMBERS[] = {{"port", old->port, new->port},
                   {"inner_port", old->inner_port, new->inner_port},
                   {"workers", old->workers, new->workers},
                   {"body_limit", old->body_limit, new->body_limit},
                   {"the body_limit of a route", old->large_limit, new->large_limit},
                   {"nice", old->nice, new->nice}};
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        if (NUMBERS[i].before != NUMBERS[i].after)
            return err_set(err, "%s/service.lua changes %s from %d to %d, which needs a restart",
                           old->name, NUMBERS[i].name, NUMBERS[i].before, NUMBERS[i].after);
    if (strcmp(old->large_path, new->large_path) != 0)
        return err_set(err,
                       "%s/service.lua gives another route a body_limit, which needs a restart",
                       old->name);
    if (old->asked != new->asked)
        return err_set(err, "%s/service.lua changes its subscriptions, which needs a restart",
                       old->name);
    return 0;
}

static void forget_next(struct reload *reload) {
    for (int i = 0; i < reload->service_count; i++) {
        script_uses_free(&reload->services[i].next_uses);
        reload->services[i].concerned = false;
    }
}

// Finds the services concerned, reads their declarations, and names those that do not reload.
static int examine(struct reload *reload, struct bundle *scripts, int *concerned, struct buf *fixed,
                   struct err *err) {
    *concerned = 0;
    for (int i = 0; i < reload->service_count; i++) {
        struct service *service = &reload->services[i];
        if (!is_concerned(service, scripts))
            continue;
        if (!service->declared.reloads) {
            buf_addf(fixed, "%s%s", fixed->len ? ", " : "", service->declared.name);
            continue;
        }
        service->concerned = true;
        (*concerned)++;
        if (script_examine(reload->config, scripts, reload->rules, service->declared.name,
                           &service->next_declared, &service->next_uses, err) != 0)
            return -1;
        if (compare(&service->declared, &service->next_declared, err) != 0)
            return -1;
    }
    return 0;
}

static void adopt(struct reload *reload, struct bundle *scripts) {
    for (int i = 0; i < reload->service_count; i++) {
        struct service *service = &reload->services[i];
        if (!service->concerned)
            continue;
        bundle_release(service->bundle);
        service->bundle = bundle_hold(scripts);
        script_uses_free(&service->uses);
        service->uses = service->next_uses;
        service->next_uses = (struct script_uses){0};
        service->declared = service->next_declared;
    }
    snprintf(reload->live, sizeof reload->live, "%s", bundle_revision(scripts));
    reload->tried[0] = 0;
    reload->failed = false;
}

// Looks.

static void refuse(struct reload *reload, const char *revision, struct err *err) {
    char short_revision[SHORT + 1];
    snprintf(short_revision, sizeof short_revision, "%s", revision ? revision : "");
    err_one_line(err);
    struct revision_state state;
    revision_read(REVISION_SCRIPTS, &state);
    bool told = reload->failed && !revision && strcmp(state.error, err->text) == 0;
    if (!told) {
        log_event(LOG_ERROR, "the scripts were not reloaded", "error", err->text, "revision",
                  revision ? short_revision : NULL, NULL);
        revision_refused(REVISION_SCRIPTS, revision, err->text);
    }
    snprintf(reload->tried, sizeof reload->tried, "%s", revision ? revision : "");
    reload->failed = true;
}

static void take(struct reload *reload, struct bundle *scripts, uint64_t began_ns) {
    struct err err;
    struct buf fixed = {0};
    char why[256] = "", ms[24], revision[SHORT + 1];
    int concerned;
    snprintf(revision, sizeof revision, "%s", bundle_revision(scripts));
    int status = examine(reload, scripts, &concerned, &fixed, &err);
    if (status == 0 && fixed.len)
        snprintf(why, sizeof why, "%s: changed, but needs a restart to take it", fixed.data);
    if (status == 0 && concerned > 0)
        status = change_all(reload, scripts, &err);
    else if (status == 0 && why[0])
        status = err_set(&err, "%s", why);
    if (status != 0) {
        refuse(reload, bundle_revision(scripts), &err);
    } else {
        bool failed = reload->failed;
        adopt(reload, scripts);
        snprintf(ms, sizeof ms, "%.1f", (double)(uv_hrtime() - began_ns) / 1e6);
        if (concerned > 0) {
            revision_loaded(REVISION_SCRIPTS, bundle_revision(scripts), "loaded",
                            why[0] ? why : NULL);
            log_event(why[0] ? LOG_WARN : LOG_INFO, "the scripts were reloaded", "revision",
                      revision, "ms", ms, "restart", why[0] ? why : NULL, NULL);
        } else if (failed) {
            revision_settled(REVISION_SCRIPTS);
            log_event(LOG_INFO, "the scripts are again those that run", NULL);
        }
    }
    forget_next(reload);
    buf_free(&fixed);
}

// Reads the folder, and takes what is new in it.
static void look(struct reload *reload, bool asked) {
    struct bundle *scripts;
    struct err err;
    uint64_t began_ns = uv_hrtime();
    if (bundle_read(&scripts, config_string(reload->config, "SCRIPTS_DIR"), &SCRIPT_LIMITS, &err) !=
        0) {
        refuse(reload, NULL, &err);
        return;
    }
    const char *revision = bundle_revision(scripts);
    bool same = strcmp(revision, reload->live) == 0, again = strcmp(revision, reload->tried) == 0;
    if (watch_is_pending(reload->watch) && !asked)
        ; // what was read is old already, and the next event is there
    else if (same && !reload->failed) {
        if (asked)
            log_event(LOG_INFO, "the scripts have not changed", NULL);
    } else if (asked || !again || same)
        take(reload, scripts, began_ns);
    bundle_release(scripts);
}

// Rules: every worker gets new ones at once, or none does.

// A VM for each worker whose service asks rules.
static struct rules_make *start_making(struct reload *reload, struct rules_bundle *rules) {
    const char **wanted = xcalloc((size_t)reload->worker_count + 1, sizeof *wanted);
    for (int i = 0; i < reload->worker_count; i++) {
        const struct script_service *declared = &reload->services[reload->service_of[i]].declared;
        wanted[i] = declared->asks_rules ? declared->rules : NULL;
    }
    struct rules_make *make = rules_make_start(rules, wanted, reload->worker_count);
    free(wanted);
    return make;
}

static int make_rules(struct reload *reload, struct rules_bundle *rules, struct err *err) {
    return rules_make_end(start_making(reload, rules), reload->made, err);
}

static void drop_made(struct reload *reload) {
    for (int i = 0; i < reload->worker_count; i++) {
        if (reload->made[i])
            rules_free(reload->made[i]);
        reload->made[i] = NULL;
    }
}

// Gives what was made to the workers.
static enum worker_outcome order_rules(struct reload *reload, struct rules_bundle *rules,
                                       bool *began, struct err *err) {
    reload->changes_rules = true;
    reload->next_rules = rules;
    enum worker_outcome outcome = change(reload, false, NULL, began, err);
    reload->changes_rules = false;
    reload->next_rules = NULL;
    for (int i = 0; i < reload->worker_count; i++) {
        struct rules *old = worker_take_old_rules(reload->workers[i]);
        if (old)
            rules_free(old);
    }
    return outcome;
}

static int swap_made(struct reload *reload, struct rules_bundle *rules, struct err *err) {
    bool began;
    if (order_rules(reload, rules, &began, err) == WORKER_DONE)
        return 0;
    struct err worse;
    if (began && (make_rules(reload, reload->rules, &worse) != 0 ||
                  order_rules(reload, reload->rules, &began, &worse) != WORKER_DONE))
        log_event(LOG_ERROR, "workers could not go back to the rules before: restart the program",
                  "error", worse.text, NULL);
    return -1;
}

static int swap_rules(struct reload *reload, struct rules_bundle *rules, struct err *err) {
    return make_rules(reload, rules, err) == 0 ? swap_made(reload, rules, err) : -1;
}

// Their examples come true in every service that asks them: in the VM that its first worker gets,
// while others are made.
static int try_rules(struct reload *reload, struct rules_make *make, struct err *err) {
    for (int i = 0, last = -1; i < reload->worker_count; i++) {
        struct service *service = &reload->services[reload->service_of[i]];
        bool first = reload->service_of[i] != last;
        struct rules *made = first ? rules_make_first(make, i) : NULL;
        last = reload->service_of[i];
        if (made &&
            script_try_rules(reload->config, service->bundle, &service->declared, made, err) != 0)
            return -1;
    }
    return 0;
}

static void refuse_rules(struct reload *reload, const char *revision, struct err *err) {
    struct revision_state state;
    err_one_line(err);
    revision_read(REVISION_RULES, &state);
    if (revision || strcmp(state.error, err->text) != 0) {
        log_event(LOG_ERROR, "the rules were not reloaded", "error", err->text, "revision",
                  revision, NULL);
        revision_refused(REVISION_RULES, revision, err->text);
    }
    snprintf(reload->rules_tried, sizeof reload->rules_tried, "%s", revision ? revision : "");
}

static void keep_copy(struct reload *reload, const struct rules_bundle *rules) {
    const char *folder = config_string(reload->config, "STATE_DIR");
    struct err err;
    if (folder && rules_store_put(folder, rules, &err) != 0)
        log_event(LOG_ERROR, "no copy of the rules is kept", "error", err.text, NULL);
}

static int change_rules(struct reload *reload, struct rules_bundle *rules, struct err *err) {
    struct rules_make *make = start_making(reload, rules);
    struct err broken;
    int status = rules_compile(rules, err);
    if (status == 0)
        status = try_rules(reload, make, err);
    if (rules_make_end(make, reload->made, &broken) != 0) {
        if (status == 0)
            *err = broken;
        return -1;
    }
    if (status == 0)
        return swap_made(reload, rules, err);
    drop_made(reload);
    return -1;
}

static void take_rules(struct reload *reload, struct rules_bundle *rules, uint64_t began_ns) {
    struct err err;
    char ms[24];
    const char *revision = rules_bundle_revision(rules);
    if (change_rules(reload, rules, &err) != 0) {
        refuse_rules(reload, revision, &err);
        return;
    }
    rules_log_forget();
    rollback_keep(reload->rules, false);
    rules_bundle_unref(reload->rules_before);
    reload->rules_before = reload->rules;
    reload->rules = rules_bundle_ref(rules);
    reload->rules_tried[0] = 0;
    reload->probation_until = uv_hrtime() / 1000000 + PROBATION_MS;
    revision_calls(&reload->calls, &reload->failures);
    revision_loaded(REVISION_RULES, revision, "loaded", NULL);
    snprintf(ms, sizeof ms, "%.1f", (double)(uv_hrtime() - began_ns) / 1e6);
    log_event(LOG_INFO, "the rules were reloaded", "revision", revision, "ms", ms, NULL);
    keep_copy(reload, rules);
}

static void look_at_rules(struct reload *reload, bool asked) {
    struct rules_bundle *rules;
    struct err err;
    uint64_t began_ns = uv_hrtime();
    if (!reload->rules)
        return;
    if (rules_bundle_read(&rules, reload->rules_folder, &err) != 0) {
        refuse_rules(reload, NULL, &err);
        return;
    }
    const char *revision = rules_bundle_revision(rules);
    struct revision_state state;
    revision_read(REVISION_RULES, &state);
    if (strcmp(revision, rules_bundle_revision(reload->rules)) == 0) {
        if (state.error[0])
            revision_settled(REVISION_RULES);
        reload->rules_tried[0] = 0;
    } else if (asked || strcmp(revision, reload->rules_tried) != 0) {
        take_rules(reload, rules, began_ns);
    }
    rules_bundle_unref(rules);
}

// New rules of which too many calls fail are taken back.
static void judge_rules(struct reload *reload) {
    uint64_t calls, failures;
    struct err err;
    char why[256], bad[BUNDLE_REVISION];
    revision_calls(&calls, &failures);
    calls -= reload->calls;
    failures -= reload->failures;
    if (calls >= PROBATION_CALLS && failures * 100 > calls && reload->rules_before) {
        snprintf(bad, sizeof bad, "%s", rules_bundle_revision(reload->rules));
        snprintf(why, sizeof why, "revision %.*s was taken back: %llu of %llu calls failed", SHORT,
                 bad, (unsigned long long)failures, (unsigned long long)calls);
        reload->probation_until = 0;
        if (swap_rules(reload, reload->rules_before, &err) != 0) {
            refuse_rules(reload, bad, &err);
            return;
        }
        rollback_keep(reload->rules, true);
        rules_bundle_unref(reload->rules);
        reload->rules = reload->rules_before;
        reload->rules_before = NULL;
        snprintf(reload->rules_tried, sizeof reload->rules_tried, "%s", bad);
        revision_returned(REVISION_RULES, rules_bundle_revision(reload->rules), bad, why);
        log_event(LOG_ERROR, "the rules before are back", "error", why, NULL);
        rules_log_forget();
        if (config_string(reload->config, "STATE_DIR"))
            rules_store_drop(config_string(reload->config, "STATE_DIR"), bad);
        keep_copy(reload, reload->rules);
    } else if (uv_hrtime() / 1000000 > reload->probation_until) {
        reload->probation_until = 0;
    }
}

// What an operator asked for: rules that were live before, until the folder changes again.
static int go_back(struct reload *reload, struct rules_bundle *rules, struct err *err) {
    char why[256], revision[SHORT + 1];
    const char *left = rules_bundle_revision(reload->rules);
    if (swap_rules(reload, rules, err) != 0)
        return -1;
    if (!reload->rules_tried[0]) // else what the folder holds was refused before
        snprintf(reload->rules_tried, sizeof reload->rules_tried, "%s", left);
    snprintf(why, sizeof why, "revision %.*s was rolled back by an operator", SHORT, left);
    rollback_keep(reload->rules, true);
    rules_bundle_unref(reload->rules);
    reload->rules = rules_bundle_ref(rules);
    rules_bundle_unref(reload->rules_before);
    reload->rules_before = NULL;
    reload->probation_until = 0;
    rules_log_forget();
    keep_copy(reload, rules);
    revision_loaded(REVISION_RULES, rules_bundle_revision(rules), "rolled back", why);
    snprintf(revision, sizeof revision, "%s", rules_bundle_revision(rules));
    log_event(LOG_WARN, "the rules were rolled back", "why", why, "revision", revision, NULL);
    return 0;
}

// Whether there was an order to go back.
static bool obey_rollback(struct reload *reload) {
    struct rules_bundle *rules = rollback_take();
    struct err err;
    if (!rules)
        return false;
    int status = go_back(reload, rules, &err);
    if (status != 0)
        log_event(LOG_ERROR, "the rules were not rolled back", "error", err.text, NULL);
    rollback_done(status == 0 ? NULL : &err);
    rules_bundle_unref(rules);
    return true;
}

static void wake(void *user) {
    reload_ask(user);
}

static void *run_thread(void *user) {
    struct reload *reload = user;
    log_context()->worker = -1;
    if (reload->rules)
        keep_copy(reload, reload->rules);
    shadow_look(false);
    look_at_rules(reload, false);
    look(reload, false); // what has changed since the scripts were read, before anybody watched
    for (;;) {
        enum watch_event event =
            watch_wait(reload->watch, reload->probation_until ? PROBATION_LOOK_MS : 0);
        if (event == WATCH_STOPPED)
            return NULL;
        bool asked = !obey_rollback(reload) && event == WATCH_ASKED;
        if (reload->probation_until)
            judge_rules(reload);
        shadow_look(asked);
        look_at_rules(reload, asked);
        look(reload, asked);
    }
}

// Life.

static int open_services(struct reload *reload, const struct reload_options *options,
                         struct err *err) {
    for (int i = 0; i < options->service_count; i++) {
        struct service *service = &reload->services[i];
        service->bundle = bundle_hold(options->scripts);
        if (script_examine(options->config, options->scripts, options->rules,
                           options->services[i].name, &service->declared, &service->uses, err) != 0)
            return -1;
    }
    return 0;
}

static void release(struct reload *reload) {
    for (int i = 0; i < reload->service_count; i++) {
        bundle_release(reload->services[i].bundle);
        script_uses_free(&reload->services[i].uses);
    }
    rules_bundle_unref(reload->rules);
    rules_bundle_unref(reload->rules_before);
    free(reload->rules_folder);
    if (reload->watch)
        watch_free(reload->watch);
    pthread_mutex_destroy(&reload->mutex);
    pthread_cond_destroy(&reload->answered);
    free(reload->services);
    free(reload->workers);
    free(reload->made);
    free(reload->service_of);
    free(reload);
}

int reload_start(struct reload **out, const struct reload_options *options, struct err *err) {
    struct reload *reload = xcalloc(1, sizeof *reload);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&reload->mutex, NULL);
    pthread_cond_init(&reload->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    reload->config = options->config;
    reload->service_count = options->service_count;
    reload->services = xcalloc((size_t)options->service_count + 1, sizeof *reload->services);
    reload->worker_count = options->worker_count;
    reload->workers = xcalloc((size_t)options->worker_count + 1, sizeof *reload->workers);
    reload->made = xcalloc((size_t)options->worker_count + 1, sizeof(struct rules *));
    reload->service_of = xcalloc((size_t)options->worker_count + 1, sizeof *reload->service_of);
    for (int i = 0; i < options->worker_count; i++) {
        reload->workers[i] = options->workers[i];
        reload->service_of[i] = options->service_of[i];
    }
    reload->rules_folder = rules_first_folder(options->config);
    reload->rules = options->rules ? rules_bundle_ref(options->rules) : NULL;
    snprintf(reload->rules_tried, sizeof reload->rules_tried, "%s", options->rules_refused);
    const char *shadow = config_string(options->config, "RULES_SHADOW_DIR");
    const char *folders[] = {config_string(options->config, "SCRIPTS_DIR"), reload->rules_folder,
                             shadow};
    const struct watch_options watch = {.folders = folders,
                                        .folder_count = shadow ? 3 : 2,
                                        .look_ms =
                                            (int)config_number(options->config, "RELOAD_LOOK_MS")};
    reload->watch = watch_new(&watch);
    snprintf(reload->live, sizeof reload->live, "%s", bundle_revision(options->scripts));
    rollback_open(wake, reload);
    if (open_services(reload, options, err) != 0 ||
        (pthread_create(&reload->thread, NULL, run_thread, reload) != 0 &&
         err_set(err, "cannot make a thread") != 0)) {
        release(reload);
        return -1;
    }
    *out = reload;
    return 0;
}

void reload_ask(struct reload *reload) {
    watch_ask(reload->watch);
}

void reload_stop(struct reload *reload) {
    watch_stop(reload->watch);
}

void reload_join(struct reload *reload) {
    pthread_join(reload->thread, NULL);
    release(reload);
}

#include "reload.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "buf.h"
#include "fleet.h"
#include "log.h"
#include "reload_rules.h"
#include "revision.h"
#include "rollback.h"
#include "shadow.h"
#include "watch.h"

enum {
    BUSY_MS = 45000, // longer than a generation may take to finish
    BUSY_AGAIN_US = 50000,
    SHORT = 12, // characters of a revision in a log line
};
enum { SCRIPTS = 1, RULES = 2, SHADOW = 4 }; // what is watched, in the order of open_watch

struct service {
    struct fleet_service *now; // what its workers run
    struct script_uses uses;
    bool concerned; // by the change under way
    struct script_service next_declared;
    struct script_uses next_uses;
};

struct reload {
    const struct config *config;
    struct fleet *fleet;
    struct service *services;
    int service_count;
    struct reload_rules *rules;
    struct watch *watch;
    pthread_t thread;
    char live[BUNDLE_REVISION];  // the folder as it was last taken, or found to concern nobody
    char tried[BUNDLE_REVISION]; // and as it was last refused
    bool failed;                 // the last look ended so
};

// scripts NULL: those that each service has.
static enum worker_outcome change(struct reload *reload, struct bundle *scripts, bool *began,
                                  struct err *err) {
    int count = fleet_worker_count(reload->fleet);
    struct fleet_part *parts = xcalloc((size_t)count + 1, sizeof *parts);
    for (int i = 0; i < count; i++) {
        struct service *service = &reload->services[fleet_service_of(reload->fleet, i)];
        if (service->concerned)
            parts[i].scripts = scripts ? scripts : service->now->scripts;
    }
    enum worker_outcome outcome = fleet_change(reload->fleet, parts, began, err);
    free(parts);
    return outcome;
}

// While earlier generations finish, a new one has to wait.
static enum worker_outcome change_in_time(struct reload *reload, struct bundle *scripts,
                                          bool *began, struct err *err) {
    for (int waited_us = 0;; waited_us += BUSY_AGAIN_US) {
        enum worker_outcome outcome = change(reload, scripts, began, err);
        if (outcome != WORKER_BUSY || waited_us > BUSY_MS * 1000)
            return outcome;
        usleep(BUSY_AGAIN_US);
    }
}

// All or none: the workers that have begun go back.
static int change_all(struct reload *reload, struct bundle *scripts, struct err *err) {
    bool began;
    if (change_in_time(reload, scripts, &began, err) == WORKER_DONE)
        return 0;
    if (!began)
        return -1;
    struct err worse;
    if (change_in_time(reload, NULL, &began, &worse) != WORKER_DONE)
        log_event(LOG_ERROR, "workers could not go back to the scripts before: restart the program",
                  "error", worse.text, NULL);
    return -1;
}

// What concerns whom.

static bool is_concerned(const struct service *service, struct bundle *scripts) {
    char folder[80];
    snprintf(folder, sizeof folder, "%s/", service->now->declared.name);
    return script_uses_differ(&service->uses, service->now->scripts, scripts) ||
           !bundle_same_below(service->now->scripts, scripts, folder);
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
        if (!service->now->declared.reloads) {
            buf_addf(fixed, "%s%s", fixed->len ? ", " : "", service->now->declared.name);
            continue;
        }
        service->concerned = true;
        (*concerned)++;
        if (script_examine(reload->config, scripts, reload_rules_live(reload->rules),
                           service->now->declared.name, &service->next_declared,
                           &service->next_uses, err) != 0)
            return -1;
        if (compare(&service->now->declared, &service->next_declared, err) != 0)
            return -1;
    }
    return 0;
}

static void adopt(struct reload *reload, struct bundle *scripts) {
    for (int i = 0; i < reload->service_count; i++) {
        struct service *service = &reload->services[i];
        if (!service->concerned)
            continue;
        bundle_release(service->now->scripts);
        service->now->scripts = bundle_hold(scripts);
        script_uses_free(&service->uses);
        service->uses = service->next_uses;
        service->next_uses = (struct script_uses){0};
        service->now->declared = service->next_declared;
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
    if (watch_is_pending(reload->watch, SCRIPTS) && !asked)
        ; // what was read is old already, and the next event is there
    else if (same && !reload->failed) {
        if (asked)
            log_event(LOG_INFO, "the scripts have not changed", NULL);
    } else if (asked || !again || same)
        take(reload, scripts, began_ns);
    bundle_release(scripts);
}

// Not an asking, which would take again what the folder holds.
static void wake(void *user) {
    watch_wake(((struct reload *)user)->watch);
}

static void *run_thread(void *user) {
    struct reload *reload = user;
    log_context()->worker = -1;
    reload_rules_begin(reload->rules);
    shadow_look(false);
    reload_rules_look(reload->rules, false);
    look(reload, false); // what has changed since the scripts were read, before anybody watched
    for (;;) {
        enum watch_event event = watch_wait(reload->watch, reload_rules_patience(reload->rules));
        if (event == WATCH_STOPPED)
            return NULL;
        bool asked = event == WATCH_ASKED;
        unsigned where = watch_where(reload->watch);
        reload_rules_obey(reload->rules);
        reload_rules_judge(reload->rules);
        if (where & RULES)
            reload_rules_look(reload->rules, asked);
        if (where & SHADOW)
            shadow_look(asked);
        if (where & SCRIPTS)
            look(reload, asked);
    }
}

// Life.

static int open_services(struct reload *reload, const struct reload_options *options,
                         struct err *err) {
    reload->service_count = options->service_count;
    reload->services = xcalloc((size_t)options->service_count + 1, sizeof *reload->services);
    for (int i = 0; i < options->service_count; i++) {
        struct service *service = &reload->services[i];
        service->now = fleet_service(reload->fleet, i);
        service->now->scripts = bundle_hold(options->scripts);
        if (script_examine(options->config, options->scripts, options->rules,
                           options->services[i].name, &service->now->declared, &service->uses,
                           err) != 0)
            return -1;
    }
    return 0;
}

static struct watch *open_watch(const struct reload *reload) {
    const char *shadow = config_string(reload->config, "RULES_SHADOW_DIR");
    const char *folders[] = {config_string(reload->config, "SCRIPTS_DIR"),
                             reload_rules_folder(reload->rules), shadow};
    const struct watch_options watch = {.folders = folders,
                                        .folder_count = shadow ? 3 : 2,
                                        .look_ms =
                                            (int)config_number(reload->config, "RELOAD_LOOK_MS")};
    return watch_new(&watch);
}

static void release(struct reload *reload) {
    for (int i = 0; i < reload->service_count; i++)
        script_uses_free(&reload->services[i].uses);
    free(reload->services);
    reload_rules_free(reload->rules);
    fleet_free(reload->fleet);
    watch_free(reload->watch);
    free(reload);
}

int reload_start(struct reload **out, const struct reload_options *options, struct err *err) {
    struct reload *reload = xcalloc(1, sizeof *reload);
    reload->config = options->config;
    reload->fleet = fleet_new(options->workers, options->service_of, options->worker_count,
                              options->service_count);
    reload->rules =
        reload_rules_new(options->config, reload->fleet, options->rules, options->rules_refused);
    reload->watch = open_watch(reload);
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

#include "reload_rules.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "buf.h"
#include "log.h"
#include "revision.h"
#include "rollback.h"
#include "rules.h"
#include "rules_first.h"
#include "rules_log.h"
#include "rules_make.h"
#include "rules_store.h"

enum {
    PROBATION_MS = 30000, // in which failures of new rules bring the old ones back
    PROBATION_LOOK_MS = 250,
    PROBATION_CALLS = 20, // at least, of which more than 1 in 100 failed
    SHORT = 12,           // characters of a revision in a log line
};

struct reload_rules {
    const struct config *config;
    struct fleet *fleet;
    char *folder;
    struct rules_bundle *live, *before; // NULL: none
    struct rules **made;                // what is made by worker, until the workers take them
    char tried[BUNDLE_REVISION];        // the folder as it was last refused
    uint64_t probation_until;           // ms; 0: the live ones have proved themselves
    uint64_t calls, failures;           // when it began
};

static uint64_t now_ms(void) {
    return uv_hrtime() / 1000000;
}

struct reload_rules *reload_rules_new(const struct config *config, struct fleet *fleet,
                                      struct rules_bundle *rules, const char *refused) {
    struct reload_rules *reload = xcalloc(1, sizeof *reload);
    reload->config = config;
    reload->fleet = fleet;
    reload->made = xcalloc((size_t)fleet_worker_count(fleet) + 1, sizeof(struct rules *));
    reload->folder = rules_first_folder(config);
    reload->live = rules ? rules_bundle_ref(rules) : NULL;
    snprintf(reload->tried, sizeof reload->tried, "%s", refused);
    return reload;
}

void reload_rules_free(struct reload_rules *reload) {
    rules_bundle_unref(reload->live);
    rules_bundle_unref(reload->before);
    free(reload->made);
    free(reload->folder);
    free(reload);
}

const char *reload_rules_folder(const struct reload_rules *reload) {
    return reload->folder;
}

struct rules_bundle *reload_rules_live(const struct reload_rules *reload) {
    return reload->live;
}

// Swapping: every worker gets new ones at once, or none does.

// For each worker whose service asks rules; live: what all workers have, NULL: nobody knows.
static struct rules_make *start_making(struct reload_rules *reload, struct rules_bundle *rules,
                                       struct rules_bundle *live) {
    int count = fleet_worker_count(reload->fleet);
    const char **wanted = xcalloc((size_t)count + 1, sizeof *wanted);
    for (int i = 0; i < count; i++) {
        const struct script_service *declared =
            &fleet_service(reload->fleet, fleet_service_of(reload->fleet, i))->declared;
        wanted[i] = declared->asks_rules ? declared->rules : NULL;
    }
    struct rules_make *make = rules_make_start(rules, live, wanted, count);
    free(wanted);
    return make;
}

static int make_all(struct reload_rules *reload, struct rules_bundle *rules,
                    struct rules_bundle *live, struct err *err) {
    return rules_make_end(start_making(reload, rules, live), reload->made, err);
}

static void drop_made(struct reload_rules *reload) {
    for (int i = 0; i < fleet_worker_count(reload->fleet); i++) {
        if (reload->made[i])
            rules_free(reload->made[i]);
        reload->made[i] = NULL;
    }
}

// Gives what was made to the workers.
static enum worker_outcome give(struct reload_rules *reload, struct rules_bundle *rules,
                                bool *began, struct err *err) {
    int count = fleet_worker_count(reload->fleet);
    struct fleet_part *parts = xcalloc((size_t)count + 1, sizeof *parts);
    for (int i = 0; i < count; i++) {
        parts[i] = (struct fleet_part){.rules = rules, .made = reload->made[i]};
        reload->made[i] = NULL;
    }
    enum worker_outcome outcome = fleet_change(reload->fleet, parts, began, err);
    free(parts);
    return outcome;
}

static int swap_made(struct reload_rules *reload, struct rules_bundle *rules, struct err *err) {
    bool began;
    if (give(reload, rules, &began, err) == WORKER_DONE)
        return 0;
    struct err worse;
    if (began && (make_all(reload, reload->live, NULL, &worse) != 0 ||
                  give(reload, reload->live, &began, &worse) != WORKER_DONE))
        log_event(LOG_ERROR, "workers could not go back to the rules before: restart the program",
                  "error", worse.text, NULL);
    return -1;
}

static int swap(struct reload_rules *reload, struct rules_bundle *rules, struct err *err) {
    return make_all(reload, rules, reload->live, err) == 0 ? swap_made(reload, rules, err) : -1;
}

static void keep_copy(struct reload_rules *reload) {
    const char *folder = config_string(reload->config, "STATE_DIR");
    struct err err;
    if (folder && rules_store_put(folder, reload->live, &err) != 0)
        log_event(LOG_ERROR, "no copy of the rules is kept", "error", err.text, NULL);
}

// Whether a start may take a revision from the folder.
static void ban(struct reload_rules *reload, const char *revision, const char *why) {
    const char *folder = config_string(reload->config, "STATE_DIR");
    struct err err;
    if (folder && rules_store_ban(folder, revision, why, &err) != 0)
        log_event(LOG_ERROR, "it is not remembered that rules were taken back", "error", err.text,
                  "revision", revision, NULL);
}

static void allow(struct reload_rules *reload) {
    const char *folder = config_string(reload->config, "STATE_DIR");
    const char *revision = rules_bundle_revision(reload->live);
    struct err err;
    if (folder && rules_store_allow(folder, revision, &err) != 0)
        log_event(LOG_ERROR, "rules that were taken back are not forgotten", "error", err.text,
                  "revision", revision, NULL);
}

static void set_tried(struct reload_rules *reload, const char *revision) {
    snprintf(reload->tried, sizeof reload->tried, "%s", revision);
}

// Taking what the folder holds.

// Their examples come true in every service that asks them: in the VMs that its first worker gets,
// while others are made. VMs that go on have proved theirs.
static int try(struct reload_rules *reload, struct rules_make *make, struct err *err) {
    for (int i = 0, last = -1; i < fleet_worker_count(reload->fleet); i++) {
        int index = fleet_service_of(reload->fleet, i);
        struct fleet_service *service = fleet_service(reload->fleet, index);
        struct rules *made = index != last ? rules_make_first(make, i) : NULL;
        last = index;
        if (made &&
            script_try_rules(reload->config, service->scripts, &service->declared, made, err) != 0)
            return -1;
    }
    return 0;
}

static void refuse(struct reload_rules *reload, const char *revision, struct err *err) {
    struct revision_state state;
    err_one_line(err);
    revision_read(REVISION_RULES, &state);
    if (revision || strcmp(state.error, err->text) != 0) {
        log_event(LOG_ERROR, "the rules were not reloaded", "error", err->text, "revision",
                  revision, NULL);
        revision_refused(REVISION_RULES, revision, err->text);
    }
    set_tried(reload, revision ? revision : "");
}

static int change(struct reload_rules *reload, struct rules_bundle *rules, struct err *err) {
    struct rules_make *make = start_making(reload, rules, reload->live);
    struct err broken;
    int status = rules_compile(rules, reload->live, err);
    if (status == 0)
        status = try(reload, make, err);
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

static void take(struct reload_rules *reload, struct rules_bundle *rules, uint64_t began_ns) {
    struct err err;
    char ms[24];
    const char *revision = rules_bundle_revision(rules);
    if (change(reload, rules, &err) != 0) {
        refuse(reload, revision, &err);
        return;
    }
    rules_log_forget();
    rollback_keep(reload->live, false);
    rules_bundle_unref(reload->before);
    reload->before = reload->live;
    reload->live = rules_bundle_ref(rules);
    set_tried(reload, "");
    reload->probation_until = now_ms() + PROBATION_MS;
    revision_calls(&reload->calls, &reload->failures);
    revision_loaded(REVISION_RULES, revision, "loaded", NULL);
    snprintf(ms, sizeof ms, "%.1f", (double)(uv_hrtime() - began_ns) / 1e6);
    log_event(LOG_INFO, "the rules were reloaded", "revision", revision, "ms", ms, NULL);
    allow(reload);
    keep_copy(reload);
}

void reload_rules_look(struct reload_rules *reload, bool asked) {
    struct rules_bundle *rules;
    struct err err;
    uint64_t began_ns = uv_hrtime();
    if (!reload->live)
        return;
    if (rules_bundle_read(&rules, reload->folder, &err) != 0) {
        refuse(reload, NULL, &err);
        return;
    }
    const char *revision = rules_bundle_revision(rules);
    struct revision_state state;
    revision_read(REVISION_RULES, &state);
    if (strcmp(revision, rules_bundle_revision(reload->live)) == 0) {
        if (state.error[0])
            revision_settled(REVISION_RULES);
        set_tried(reload, "");
    } else if (asked || strcmp(revision, reload->tried) != 0) {
        take(reload, rules, began_ns);
    }
    rules_bundle_unref(rules);
}

// Probation.

int reload_rules_patience(const struct reload_rules *reload) {
    return reload->probation_until ? PROBATION_LOOK_MS : 0;
}

static void take_back(struct reload_rules *reload, const char *why) {
    struct err err;
    char bad[BUNDLE_REVISION];
    snprintf(bad, sizeof bad, "%s", rules_bundle_revision(reload->live));
    reload->probation_until = 0;
    ban(reload, bad, why); // first: the program may end any moment
    if (swap(reload, reload->before, &err) != 0) {
        refuse(reload, bad, &err);
        return;
    }
    rollback_keep(reload->live, true);
    rules_bundle_unref(reload->live);
    reload->live = reload->before;
    reload->before = NULL;
    set_tried(reload, bad);
    revision_returned(REVISION_RULES, rules_bundle_revision(reload->live), bad, why);
    log_event(LOG_ERROR, "the rules before are back", "error", why, NULL);
    rules_log_forget();
    keep_copy(reload);
}

void reload_rules_judge(struct reload_rules *reload) {
    uint64_t calls, failures;
    char why[256];
    if (!reload->probation_until)
        return;
    revision_calls(&calls, &failures);
    calls -= reload->calls;
    failures -= reload->failures;
    if (calls >= PROBATION_CALLS && failures * 100 > calls && reload->before) {
        snprintf(why, sizeof why, "revision %.*s was taken back: %llu of %llu calls failed", SHORT,
                 rules_bundle_revision(reload->live), (unsigned long long)failures,
                 (unsigned long long)calls);
        take_back(reload, why);
    } else if (now_ms() > reload->probation_until) {
        reload->probation_until = 0;
    }
}

// Going back because an operator wants to: these stay until the folder changes again.

static int go_back(struct reload_rules *reload, struct rules_bundle *rules, struct err *err) {
    char why[256], revision[SHORT + 1];
    const char *left = rules_bundle_revision(reload->live);
    if (swap(reload, rules, err) != 0)
        return -1;
    if (!reload->tried[0]) // else what the folder holds was refused before
        set_tried(reload, left);
    snprintf(why, sizeof why, "revision %.*s was rolled back by an operator", SHORT, left);
    ban(reload, left, why);
    rollback_keep(reload->live, true); // which also keeps `left`
    rules_bundle_unref(reload->live);
    reload->live = rules_bundle_ref(rules);
    rules_bundle_unref(reload->before);
    reload->before = NULL;
    reload->probation_until = 0;
    rules_log_forget();
    allow(reload);
    keep_copy(reload);
    revision_loaded(REVISION_RULES, rules_bundle_revision(rules), "rolled back", why);
    revision_taken_back(REVISION_RULES, left);
    snprintf(revision, sizeof revision, "%s", rules_bundle_revision(rules));
    log_event(LOG_WARN, "the rules were rolled back", "why", why, "revision", revision, NULL);
    return 0;
}

void reload_rules_obey(struct reload_rules *reload) {
    struct rules_bundle *rules = rollback_take();
    struct err err;
    if (!rules)
        return;
    int status = go_back(reload, rules, &err);
    if (status != 0)
        log_event(LOG_ERROR, "the rules were not rolled back", "error", err.text, NULL);
    rollback_done(status == 0 ? NULL : &err);
    rules_bundle_unref(rules);
}

void reload_rules_begin(struct reload_rules *reload) {
    if (reload->live)
        keep_copy(reload);
}

#include "shadow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"
#include "revision.h"

static char *folder;
static char seen[BUNDLE_REVISION]; // by the reload thread, good or bad
static char told[512];             // what was said last of a folder that cannot be read
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rules_bundle *candidate;
static _Atomic uint64_t number; // changes with the candidate

void shadow_init(const char *path) {
    folder = path ? xstrdup(path) : NULL;
}

static void set(struct rules_bundle *bundle) {
    pthread_mutex_lock(&lock);
    struct rules_bundle *old = candidate;
    candidate = bundle ? rules_bundle_ref(bundle) : NULL;
    atomic_fetch_add(&number, 1);
    pthread_mutex_unlock(&lock);
    rules_bundle_unref(old);
}

static void refuse(const char *revision, const char *why) {
    set(NULL);
    log_event(LOG_ERROR, "the candidate rules were refused", "error", why, "revision", revision,
              NULL);
    revision_refused(REVISION_SHADOW, revision, why);
}

static void take(struct rules_bundle *bundle) {
    const char *revision = rules_bundle_revision(bundle);
    const struct rules_limits limits = rules_usual_limits();
    struct rules *rules;
    struct err err;
    if (rules_new(&rules, bundle, &limits, &err) != 0) {
        refuse(revision, err.text);
        return;
    }
    rules_free(rules);
    set(bundle);
    revision_loaded(REVISION_SHADOW, revision, "loaded", NULL);
    log_event(LOG_INFO, "candidate rules run beside the live ones", "revision", revision, NULL);
}

void shadow_look(bool again) {
    struct rules_bundle *bundle;
    struct err err;
    if (!folder)
        return;
    if (rules_bundle_read(&bundle, folder, &err) != 0) {
        if (strcmp(told, err.text) != 0 || again)
            refuse(NULL, err.text);
        snprintf(told, sizeof told, "%s", err.text);
        seen[0] = 0;
        return;
    }
    told[0] = 0;
    if (again || strcmp(seen, rules_bundle_revision(bundle)) != 0)
        take(bundle);
    snprintf(seen, sizeof seen, "%s", rules_bundle_revision(bundle));
    rules_bundle_unref(bundle);
}

static struct rules_bundle *take_candidate(uint64_t *its_number) {
    pthread_mutex_lock(&lock);
    struct rules_bundle *bundle = candidate ? rules_bundle_ref(candidate) : NULL;
    *its_number = atomic_load(&number);
    pthread_mutex_unlock(&lock);
    return bundle;
}

static bool has(const struct rules *rules, const char *only) {
    const char *held = rules_only(rules);
    return !held || (only && strcmp(held, only) == 0);
}

struct rules *shadow_rules(struct shadow_seat *seat, const char *only) {
    struct rules_limits limits = rules_usual_limits();
    struct err err;
    if (seat->number == atomic_load_explicit(&number, memory_order_relaxed) &&
        (!seat->rules || has(seat->rules, only)))
        return seat->rules;
    shadow_leave(seat);
    limits.only = only;
    struct rules_bundle *bundle = take_candidate(&seat->number);
    if (bundle && rules_new(&seat->rules, bundle, &limits, &err) != 0) {
        log_event(LOG_ERROR, "the candidate rules do not load in a worker", "error", err.text,
                  NULL);
        seat->rules = NULL;
    }
    rules_bundle_unref(bundle);
    return seat->rules;
}

void shadow_leave(struct shadow_seat *seat) {
    if (seat->rules)
        rules_free(seat->rules);
    seat->rules = NULL;
}

void shadow_deinit(void) {
    rules_bundle_unref(candidate);
    free(folder);
    candidate = NULL;
    folder = NULL;
    seen[0] = told[0] = 0;
}

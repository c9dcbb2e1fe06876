#include "rollback.h"

#include <pthread.h>
#include <string.h>

#include "revision.h"

enum { SHORTEST = 6 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept {
    struct rules_bundle *bundle;
    bool failed;
} kept[REVISION_HISTORY]; // the latest first; NULL: none
static struct rules_bundle *asked;
static bool pending;
static struct err outcome;
static void (*wake_reload)(void *user);
static void *wake_user;

void rollback_open(void (*wake)(void *user), void *user) {
    pthread_mutex_lock(&lock);
    wake_reload = wake;
    wake_user = user;
    if (pending)
        wake(user);
    pthread_mutex_unlock(&lock);
}

// Each revision once. Removes the one at `index`.
static void forget(int index) {
    rules_bundle_unref(kept[index].bundle);
    memmove(kept + index, kept + index + 1, (size_t)(REVISION_HISTORY - 1 - index) * sizeof *kept);
    kept[REVISION_HISTORY - 1] = (struct kept){0};
}

void rollback_keep(struct rules_bundle *bundle, bool failed) {
    int index = 0;
    pthread_mutex_lock(&lock);
    while (index < REVISION_HISTORY - 1 && kept[index].bundle &&
           strcmp(rules_bundle_revision(kept[index].bundle), rules_bundle_revision(bundle)) != 0)
        index++;
    forget(index);
    memmove(kept + 1, kept, (REVISION_HISTORY - 1) * sizeof *kept);
    kept[0] = (struct kept){rules_bundle_ref(bundle), failed};
    pthread_mutex_unlock(&lock);
}

static bool fits(const struct kept *one, const char *revision, const char *live) {
    const char *its = rules_bundle_revision(one->bundle);
    if (strcmp(its, live) == 0)
        return false;
    return *revision ? strncmp(its, revision, strlen(revision)) == 0 : !one->failed;
}

static int find(const char *revision, const char *live, struct err *err) {
    if (*revision && strlen(revision) < SHORTEST)
        return err_set(err, "a revision is named by its first %d characters or more", SHORTEST);
    if (*revision && strncmp(live, revision, strlen(revision)) == 0)
        return err_set(err, "revision %.64s is live", revision);
    for (int i = 0; i < REVISION_HISTORY && kept[i].bundle; i++) {
        if (!fits(&kept[i], revision, live))
            continue;
        asked = rules_bundle_ref(kept[i].bundle);
        return 0;
    }
    if (*revision)
        return err_set(err, "revision %.64s is not held: see /rules/status for those before",
                       revision);
    return err_set(err, "no good revision before this one is held");
}

int rollback_ask(const char *revision, const char *live, struct err *err) {
    int status = -1;
    pthread_mutex_lock(&lock);
    if (pending)
        err_set(err, "another rollback is under way");
    else
        status = find(revision, live, err);
    if (status == 0) {
        pending = true;
        if (wake_reload)
            wake_reload(wake_user);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

struct rules_bundle *rollback_take(void) {
    pthread_mutex_lock(&lock);
    struct rules_bundle *bundle = asked;
    asked = NULL;
    pthread_mutex_unlock(&lock);
    return bundle;
}

void rollback_done(const struct err *err) {
    pthread_mutex_lock(&lock);
    pending = false;
    outcome = err ? *err : (struct err){0};
    pthread_mutex_unlock(&lock);
}

bool rollback_is_pending(struct err *err) {
    pthread_mutex_lock(&lock);
    bool is_pending = pending;
    *err = outcome;
    pthread_mutex_unlock(&lock);
    return is_pending;
}

void rollback_close(void) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < REVISION_HISTORY; i++)
        rules_bundle_unref(kept[i].bundle);
    memset(kept, 0, sizeof kept);
    rules_bundle_unref(asked);
    asked = NULL;
    pending = false;
    wake_reload = NULL;
    pthread_mutex_unlock(&lock);
}

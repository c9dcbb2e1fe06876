#include "rules_make.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"

enum { MAX_THREADS = 8 };

struct rules_make {
    struct rules_bundle *bundle, *live;
    struct rules **made;
    const char **wanted;
    int count;
    atomic_int next;
    pthread_t threads[MAX_THREADS];
    int thread_count;
    pthread_mutex_t mutex; // of what follows, and of `made`
    pthread_cond_t progress;
    bool failed;
    struct err err;
};

static void *run_thread(void *user) {
    struct rules_make *make = user;
    for (int i; (i = atomic_fetch_add(&make->next, 1)) < make->count;) {
        struct rules_limits limits = rules_usual_limits();
        const char *only = make->wanted[i];
        struct err err;
        limits.only = only && *only ? only : NULL;
        if (!only)
            continue;
        struct rules *rules = NULL;
        int status = rules_new_after(&rules, make->bundle, make->live, &limits, &err);
        pthread_mutex_lock(&make->mutex);
        make->made[i] = rules;
        if (status != 0) {
            make->failed = true;
            make->err = err;
            atomic_store(&make->next, make->count); // nobody needs the others
        }
        pthread_cond_broadcast(&make->progress);
        pthread_mutex_unlock(&make->mutex);
    }
    return NULL;
}

struct rules_make *rules_make_start(struct rules_bundle *bundle, struct rules_bundle *live,
                                    const char *const *wanted, int count) {
    struct rules_make *make = xcalloc(1, sizeof *make);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    make->bundle = rules_bundle_ref(bundle);
    make->live = live ? rules_bundle_ref(live) : NULL;
    make->count = count;
    make->made = xcalloc((size_t)count + 1, sizeof *make->made);
    make->wanted = xcalloc((size_t)count + 1, sizeof *make->wanted);
    int needed = 0;
    for (int i = 0; i < count; i++)
        needed += (make->wanted[i] = wanted[i]) != NULL;
    pthread_mutex_init(&make->mutex, NULL);
    pthread_cond_init(&make->progress, NULL);
    while (make->thread_count < MAX_THREADS && make->thread_count < cores &&
           make->thread_count < needed &&
           pthread_create(&make->threads[make->thread_count], NULL, run_thread, make) == 0)
        make->thread_count++;
    return make;
}

struct rules *rules_make_first(struct rules_make *make, int place) {
    if (make->thread_count == 0)
        run_thread(make);
    pthread_mutex_lock(&make->mutex);
    while (make->wanted[place] && !make->made[place] && !make->failed)
        pthread_cond_wait(&make->progress, &make->mutex);
    struct rules *rules = make->failed ? NULL : make->made[place];
    pthread_mutex_unlock(&make->mutex);
    return rules;
}

int rules_make_end(struct rules_make *make, struct rules **made, struct err *err) {
    if (make->thread_count == 0) // none was to be had, or none is needed
        run_thread(make);
    for (int i = 0; i < make->thread_count; i++)
        pthread_join(make->threads[i], NULL);
    int status = make->failed ? -1 : 0;
    if (make->failed)
        *err = make->err;
    for (int i = 0; i < make->count; i++) {
        if (make->failed && make->made[i])
            rules_free(make->made[i]);
        made[i] = make->failed ? NULL : make->made[i];
    }
    pthread_mutex_destroy(&make->mutex);
    pthread_cond_destroy(&make->progress);
    rules_bundle_unref(make->bundle);
    rules_bundle_unref(make->live);
    free(make->made);
    free(make->wanted);
    free(make);
    return status;
}

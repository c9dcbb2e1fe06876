#include "rules_make.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"

enum { MAX_THREADS = 8 };

struct rules_make {
    struct rules_bundle *bundle;
    struct rules **made;
    bool *wanted;
    int count;
    atomic_int next;
    pthread_t threads[MAX_THREADS];
    int thread_count;
    pthread_mutex_t mutex; // of what follows
    bool failed;
    struct err err;
};

static void *run_thread(void *user) {
    struct rules_make *make = user;
    for (int i; (i = atomic_fetch_add(&make->next, 1)) < make->count;) {
        struct err err;
        if (!make->wanted[i] || rules_new(&make->made[i], make->bundle, &RULES_LIMITS, &err) == 0)
            continue;
        pthread_mutex_lock(&make->mutex);
        make->failed = true;
        make->err = err;
        pthread_mutex_unlock(&make->mutex);
        atomic_store(&make->next, make->count); // nobody needs the others
    }
    return NULL;
}

struct rules_make *rules_make_start(struct rules_bundle *bundle, const bool *wanted, int count) {
    struct rules_make *make = xcalloc(1, sizeof *make);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    make->bundle = rules_bundle_ref(bundle);
    make->count = count;
    make->made = xcalloc((size_t)count + 1, sizeof *make->made);
    make->wanted = xcalloc((size_t)count + 1, sizeof *make->wanted);
    int needed = 0;
    for (int i = 0; i < count; i++)
        needed += make->wanted[i] = wanted[i];
    pthread_mutex_init(&make->mutex, NULL);
    while (make->thread_count < MAX_THREADS && make->thread_count < cores &&
           make->thread_count < needed &&
           pthread_create(&make->threads[make->thread_count], NULL, run_thread, make) == 0)
        make->thread_count++;
    return make;
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
    rules_bundle_unref(make->bundle);
    free(make->made);
    free(make->wanted);
    free(make);
    return status;
}

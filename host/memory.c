#include "memory.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"

enum { TRIM_EVERY = 10 }; // looks
enum { STEP = 64 };       // a part of the limit, after which it is looked at once more

// The files of a version of control groups.
struct version {
    const char *limit, *used, *inactive, *active; // the last two: lines of memory.stat
};

static const struct version VERSIONS[] = {
    {"memory.max", "memory.current", "inactive_file", "active_file"},
    {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "total_active_file"},
};
enum { VERSION_COUNT = sizeof VERSIONS / sizeof *VERSIONS };

static const double HIGH = 0.80, LOW = 0.75;

static struct buf group; // its folder; empty: there is none
static const struct version *version;
static atomic_bool is_short;
static pthread_mutex_t looking = PTHREAD_MUTEX_INITIALIZER;
static _Atomic size_t added, step = SIZE_MAX; // bytes: since the last look, between two
static int looks;                             // while it is short

static FILE *open_file(const char *name) {
    struct buf path = {0};
    buf_addf(&path, "%s/%s", group.data, name);
    FILE *file = fopen(path.data, "r");
    buf_free(&path);
    return file;
}

// NAN: it cannot be read, or is "max".
static double read_number(const char *name) {
    double value = NAN;
    FILE *file = open_file(name);
    if (file && fscanf(file, "%lf", &value) != 1)
        value = NAN;
    if (file)
        fclose(file);
    return value;
}

// Of files, which the kernel drops before it ends a process, those in use as well. 0: it is not
// told.
static double read_cache(void) {
    char key[64];
    double value, sum = 0;
    FILE *file = open_file("memory.stat");
    while (file && fscanf(file, "%63s %lf", key, &value) == 2)
        if (strcmp(key, version->inactive) == 0 || strcmp(key, version->active) == 0)
            sum += value;
    if (file)
        fclose(file);
    return sum;
}

static bool use(const char *folder, const char *below) {
    for (int i = 0; i < VERSION_COUNT; i++) {
        buf_clear(&group);
        buf_addf(&group, "%s%s", folder, below);
        version = &VERSIONS[i];
        FILE *file = open_file(version->limit);
        if (!file)
            continue;
        fclose(file);
        return true;
    }
    buf_free(&group);
    version = NULL;
    return false;
}

// A line of /proc/self/cgroup: number:controllers:path. In a container the path may be the one
// outside of it; then its own group is what is mounted.
static bool use_line(char *line) {
    char *controllers = strchr(line, ':'),
         *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return false;
    *path++ = 0;
    path[strcspn(path, "\n")] = 0;
    bool first = strcmp(controllers + 1, "memory") == 0;
    if (!first && controllers[1])
        return false;
    const char *mount = first ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
    return use(mount, path) || use(mount, "");
}

static bool use_own(void) {
    char line[4096];
    bool found = false;
    FILE *file = fopen("/proc/self/cgroup", "r");
    while (file && !found && fgets(line, sizeof line, file))
        found = use_line(line);
    if (file)
        fclose(file);
    return found;
}

double memory_limit(void) {
    double machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return version ? fmin(machine, read_number(version->limit)) : machine;
}

static void look(void) {
    double limit = version ? read_number(version->limit) : NAN;
    double used = version ? read_number(version->used) - read_cache() : NAN;
    bool was = atomic_load(&is_short);
    bool now = used >= limit * (was ? LOW : HIGH); // false where one is not known
    if (now != was) {
        char text[64];
        snprintf(text, sizeof text, "%.0f of %.0f", used, limit);
        log_event(now ? LOG_WARN : LOG_INFO,
                  now ? "memory is short: requests are refused" : "memory is no longer short",
                  "bytes", text, NULL);
    }
    atomic_store(&is_short, now);
    atomic_store(&added, 0);
    atomic_store(&step, limit > 0 ? (size_t)(limit / STEP) : SIZE_MAX);
}

int memory_init(const char *folder, struct err *err) {
    atomic_store(&is_short, false);
    bool found = folder ? use(folder, "") : use_own();
    if (folder && !found)
        return err_set(err, "MEMORY_CGROUP: no memory limit in %s", folder);
    look(); // so that memory_add knows the limit from the start
    return 0;
}

// What was freed goes back to the kernel, or the shortage would have no end.
void memory_look(void) {
    pthread_mutex_lock(&looking);
    look();
    pthread_mutex_unlock(&looking);
    looks = memory_is_short() ? looks + 1 : 0;
    if (looks % TRIM_EVERY == 1)
        malloc_trim(0);
}

void memory_add(size_t bytes) {
    if (atomic_fetch_add_explicit(&added, bytes, memory_order_relaxed) < atomic_load(&step) ||
        pthread_mutex_trylock(&looking) != 0)
        return;
    look();
    pthread_mutex_unlock(&looking);
}

bool memory_is_short(void) {
    return atomic_load_explicit(&is_short, memory_order_relaxed);
}

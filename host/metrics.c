#include "metrics.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

enum { MAX_LABELS = 6, MAX_BUCKETS = 20, MAX_FAMILIES = 256, MAX_SERIES = 1000, SLOTS = 64 };

struct metric {
    char *name;
    char *help;
    enum metric_kind kind;
    size_t label_count, bucket_count;
    char *labels[MAX_LABELS];
    double buckets[MAX_BUCKETS];
    int index;
};

// values[0] is the number of a counter or gauge; of a histogram the sum, then one count per bucket
// (not cumulative), the last for +Inf. Doubles kept as their bits.
struct metric_cell {
    const struct metric *metric;
    _Atomic(struct metric_cell *) next; // of the family in this shard, for readers
    struct metric_cell *chain;          // of the hash slot, for the owner
    uint64_t hash;
    char *values_text[MAX_LABELS];
    _Atomic uint64_t values[];
};

struct family {
    _Atomic(struct metric_cell *) first;
    struct metric_cell *last;
    struct metric_cell *slots[SLOTS];
    size_t count;
};

struct metric_shard {
    char *service;
    _Atomic(struct family *) families[MAX_FAMILIES];
    struct metric_shard *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of the two lists below
static struct metric *families[MAX_FAMILIES];
static int family_count;
static struct metric_shard *shards;

static uint64_t to_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Declarations.

static bool is_name(const char *name, bool colon) {
    if (!isalpha((unsigned char)*name) && *name != '_' && !(colon && *name == ':'))
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_' && !(colon && *name == ':'))
            return false;
    return true;
}

static bool ends_with(const char *text, const char *end) {
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static int check_declaration(const char *name, enum metric_kind kind,
                             const char *const *label_names, size_t label_count,
                             const double *buckets, size_t bucket_count, struct err *err) {
    if (!is_name(name, true))
        return err_set(err, "\"%s\" is not a metric name", name);
    if (kind == METRIC_COUNTER && !ends_with(name, "_total"))
        return err_set(err, "the counter %s must end in _total", name);
    if (label_count > MAX_LABELS)
        return err_set(err, "%s has more than %d labels", name, MAX_LABELS);
    for (size_t i = 0; i < label_count; i++)
        if (!is_name(label_names[i], false) || strcmp(label_names[i], "le") == 0 ||
            strcmp(label_names[i], "service") == 0 || strncmp(label_names[i], "__", 2) == 0)
            return err_set(err, "\"%s\" is not a label for %s", label_names[i], name);
    for (size_t i = 0; i < label_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(label_names[i], label_names[j]) == 0)
                return err_set(err, "%s has the label %s twice", name, label_names[i]);
    if (kind != METRIC_HISTOGRAM)
        return 0;
    if (bucket_count == 0 || bucket_count > MAX_BUCKETS)
        return err_set(err, "the histogram %s needs 1 to %d buckets", name, MAX_BUCKETS);
    for (size_t i = 0; i < bucket_count; i++)
        if (!isfinite(buckets[i]) || (i > 0 && buckets[i] <= buckets[i - 1]))
            return err_set(err, "the buckets of %s do not ascend", name);
    return 0;
}

static bool is_same(const struct metric *metric, enum metric_kind kind,
                    const char *const *label_names, size_t label_count, const double *buckets,
                    size_t bucket_count) {
    if (metric->kind != kind || metric->label_count != label_count)
        return false;
    for (size_t i = 0; i < label_count; i++)
        if (strcmp(metric->labels[i], label_names[i]) != 0)
            return false;
    if (kind != METRIC_HISTOGRAM)
        return true;
    return metric->bucket_count == bucket_count &&
           memcmp(metric->buckets, buckets, bucket_count * sizeof *buckets) == 0;
}

static struct metric *find_metric(const char *name) {
    for (int i = 0; i < family_count; i++)
        if (strcmp(families[i]->name, name) == 0)
            return families[i];
    return NULL;
}

static struct metric *add_metric(const char *name, enum metric_kind kind, const char *help,
                                 const char *const *label_names, size_t label_count,
                                 const double *buckets, size_t bucket_count) {
    struct metric *metric = xcalloc(1, sizeof *metric);
    metric->name = xstrdup(name);
    metric->help = xstrdup(help);
    metric->kind = kind;
    metric->label_count = label_count;
    for (size_t i = 0; i < label_count; i++)
        metric->labels[i] = xstrdup(label_names[i]);
    metric->bucket_count = kind == METRIC_HISTOGRAM ? bucket_count : 0;
    if (metric->bucket_count > 0)
        memcpy(metric->buckets, buckets, bucket_count * sizeof *buckets);
    metric->index = family_count;
    families[family_count++] = metric;
    return metric;
}

struct metric *metrics_declare(const char *name, enum metric_kind kind, const char *help,
                               const char *const *label_names, size_t label_count,
                               const double *buckets, size_t bucket_count, struct err *err) {
    if (check_declaration(name, kind, label_names, label_count, buckets, bucket_count, err) != 0)
        return NULL;
    pthread_mutex_lock(&lock);
    struct metric *metric = find_metric(name);
    if (metric && !is_same(metric, kind, label_names, label_count, buckets, bucket_count)) {
        err_set(err, "the metric %s is already there with another kind, labels or buckets", name);
        metric = NULL;
    } else if (!metric && family_count == MAX_FAMILIES) {
        err_set(err, "more than %d metrics", MAX_FAMILIES);
    } else if (!metric) {
        metric = add_metric(name, kind, help, label_names, label_count, buckets, bucket_count);
    }
    pthread_mutex_unlock(&lock);
    return metric;
}

// Shards and their cells.

struct metric_shard *metrics_shard_new(const char *service) {
    struct metric_shard *shard = xcalloc(1, sizeof *shard);
    shard->service = service ? xstrdup(service) : NULL;
    pthread_mutex_lock(&lock);
    shard->next = shards;
    shards = shard;
    pthread_mutex_unlock(&lock);
    return shard;
}

static void free_cells(struct family *family) {
    for (struct metric_cell *cell = family->first, *next; cell; cell = next) {
        next = cell->next;
        for (size_t i = 0; i < cell->metric->label_count; i++)
            free(cell->values_text[i]);
        free(cell);
    }
    free(family);
}

void metrics_shard_free(struct metric_shard *shard) {
    pthread_mutex_lock(&lock);
    struct metric_shard **link = &shards;
    while (*link != shard)
        link = &(*link)->next;
    *link = shard->next;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < MAX_FAMILIES; i++)
        if (shard->families[i])
            free_cells(shard->families[i]);
    free(shard->service);
    free(shard);
}

static uint64_t hash_values(const struct metric *metric, const char *const *values) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < metric->label_count; i++)
        for (const char *c = values[i];; c++) {
            hash = (hash ^ (unsigned char)*c) * 1099511628211u;
            if (!*c)
                break;
        }
    return hash;
}

static bool has_values(const struct metric_cell *cell, uint64_t hash, const char *const *values) {
    if (cell->hash != hash)
        return false;
    for (size_t i = 0; i < cell->metric->label_count; i++)
        if (strcmp(cell->values_text[i], values[i]) != 0)
            return false;
    return true;
}

static size_t value_count(const struct metric *metric) {
    return metric->kind == METRIC_HISTOGRAM ? metric->bucket_count + 2 : 1;
}

static struct metric_cell *add_cell(struct family *family, const struct metric *metric,
                                    uint64_t hash, const char *const *values) {
    struct metric_cell *cell =
        xcalloc(1, sizeof *cell + value_count(metric) * sizeof *cell->values);
    cell->metric = metric;
    cell->hash = hash;
    for (size_t i = 0; i < metric->label_count; i++)
        cell->values_text[i] = xstrdup(values[i]);
    cell->chain = family->slots[hash % SLOTS];
    family->slots[hash % SLOTS] = cell;
    family->count++;
    if (family->last)
        atomic_store_explicit(&family->last->next, cell, memory_order_release);
    else
        atomic_store_explicit(&family->first, cell, memory_order_release);
    family->last = cell;
    return cell;
}

struct metric_cell *metrics_cell(struct metric_shard *shard, struct metric *metric,
                                 const char *const *label_values) {
    struct family *family =
        atomic_load_explicit(&shard->families[metric->index], memory_order_relaxed);
    if (!family) {
        family = xcalloc(1, sizeof *family);
        atomic_store_explicit(&shard->families[metric->index], family, memory_order_release);
    }
    uint64_t hash = hash_values(metric, label_values);
    for (struct metric_cell *cell = family->slots[hash % SLOTS]; cell; cell = cell->chain)
        if (has_values(cell, hash, label_values))
            return cell;
    if (family->count < MAX_SERIES)
        return add_cell(family, metric, hash, label_values);
    static const char *const OTHER[MAX_LABELS] = {"other", "other", "other",
                                                  "other", "other", "other"};
    hash = hash_values(metric, OTHER);
    for (struct metric_cell *cell = family->slots[hash % SLOTS]; cell; cell = cell->chain)
        if (has_values(cell, hash, OTHER))
            return cell;
    return add_cell(family, metric, hash, OTHER);
}

// The owner is the only writer, so a read and a write need no exchange.
static void put(_Atomic uint64_t *slot, double value) {
    atomic_store_explicit(slot, to_bits(value), memory_order_relaxed);
}

static double get(const _Atomic uint64_t *slot) {
    return from_bits(atomic_load_explicit(slot, memory_order_relaxed));
}

void metrics_add(struct metric_cell *cell, double amount) {
    put(&cell->values[0], get(&cell->values[0]) + amount);
}

void metrics_set(struct metric_cell *cell, double value) {
    put(&cell->values[0], value);
}

void metrics_observe(struct metric_cell *cell, double value) {
    const struct metric *metric = cell->metric;
    size_t bucket = 0;
    while (bucket < metric->bucket_count && value > metric->buckets[bucket])
        bucket++;
    metrics_add(cell, value);
    put(&cell->values[1 + bucket], get(&cell->values[1 + bucket]) + 1);
}

// Scraping: the series of several shards with the same labels are one.

struct merged {
    const struct metric_cell *cell;
    const char *service;
    double values[MAX_BUCKETS + 2];
};

struct merge {
    struct merged *list;
    size_t count, cap;
};

static void merge_cell(struct merge *merge, const struct metric_cell *cell, const char *service) {
    struct merged *found = NULL;
    for (size_t i = 0; i < merge->count && !found; i++)
        if (!merge->list[i].service == !service &&
            has_values(merge->list[i].cell, cell->hash, (const char *const *)cell->values_text))
            found = &merge->list[i];
    if (!found) {
        if (merge->count == merge->cap) {
            merge->cap = merge->cap ? merge->cap * 2 : 16;
            merge->list = xrealloc(merge->list, merge->cap * sizeof *merge->list);
        }
        found = &merge->list[merge->count++];
        *found = (struct merged){.cell = cell, .service = service};
    }
    for (size_t i = 0; i < value_count(cell->metric); i++)
        found->values[i] += get(&cell->values[i]);
}

// Help text escapes less than a label's value.
static void add_escaped(struct buf *out, const char *text, bool quoted) {
    for (; *text; text++) {
        if (*text == '\n')
            buf_adds(out, "\\n");
        else if (*text == '\\' || (quoted && *text == '"'))
            buf_addf(out, "\\%c", *text);
        else
            buf_addc(out, *text);
    }
}

static void add_label(struct buf *out, bool *first, const char *name, const char *value) {
    buf_addc(out, *first ? '{' : ',');
    *first = false;
    buf_addf(out, "%s=\"", name);
    add_escaped(out, value, true);
    buf_addc(out, '"');
}

static void add_sample(struct buf *out, const struct merged *series, const char *suffix,
                       const char *le, double value) {
    const struct metric *metric = series->cell->metric;
    bool first = true;
    buf_addf(out, "%s%s", metric->name, suffix);
    if (series->service)
        add_label(out, &first, "service", series->service);
    for (size_t i = 0; i < metric->label_count; i++)
        add_label(out, &first, metric->labels[i], series->cell->values_text[i]);
    if (le)
        add_label(out, &first, "le", le);
    buf_addf(out, "%s %.17g\n", first ? "" : "}", value);
}

static void add_series(struct buf *out, const struct merged *series) {
    const struct metric *metric = series->cell->metric;
    if (metric->kind != METRIC_HISTOGRAM) {
        add_sample(out, series, "", NULL, series->values[0]);
        return;
    }
    double count = 0;
    for (size_t i = 0; i <= metric->bucket_count; i++) {
        char le[32] = "+Inf";
        if (i < metric->bucket_count)
            snprintf(le, sizeof le, "%.12g", metric->buckets[i]);
        count += series->values[1 + i];
        add_sample(out, series, "_bucket", le, count);
    }
    add_sample(out, series, "_sum", NULL, series->values[0]);
    add_sample(out, series, "_count", NULL, count);
}

static void add_family(struct buf *out, const struct metric *metric, const char *service) {
    static const char *const KINDS[] = {"counter", "gauge", "histogram"};
    struct merge merge = {0};
    for (struct metric_shard *shard = shards; shard; shard = shard->next) {
        if (shard->service && (!service || strcmp(shard->service, service) != 0))
            continue;
        struct family *family =
            atomic_load_explicit(&shard->families[metric->index], memory_order_acquire);
        if (!family)
            continue;
        for (struct metric_cell *cell = atomic_load_explicit(&family->first, memory_order_acquire);
             cell; cell = atomic_load_explicit(&cell->next, memory_order_acquire))
            merge_cell(&merge, cell, shard->service);
    }
    if (merge.count > 0) {
        buf_addf(out, "# HELP %s ", metric->name);
        add_escaped(out, metric->help, false);
        buf_addf(out, "\n# TYPE %s %s\n", metric->name, KINDS[metric->kind]);
    }
    for (size_t i = 0; i < merge.count; i++)
        add_series(out, &merge.list[i]);
    free(merge.list);
}

// The process, by the names Prometheus' own clients use.

static void add_plain(struct buf *out, const char *name, const char *kind, const char *help,
                      double value) {
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, kind, name, value);
}

// Reading /proc takes a file descriptor: without one left the value is NaN, not a made-up number.
static double resident_bytes(void) {
    double pages = NAN;
    long count;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*s %ld", &count) == 1)
        pages = (double)count;
    if (file)
        fclose(file);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void) {
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return NAN;
    int count = -3; // ".", ".." and the folder itself
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static double started;
static pthread_once_t start_once = PTHREAD_ONCE_INIT;

static void find_start(void) {
    struct timespec wall, boot;
    unsigned long long ticks = 0;
    FILE *file = fopen("/proc/self/stat", "r");
    char line[1024];
    char *rest = file && fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    bool known = rest && sscanf(rest + 2,
                                "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                                "%*d %*d %*d %llu",
                                &ticks) == 1;
    if (file)
        fclose(file);
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    double now = (double)wall.tv_sec + (double)wall.tv_nsec / 1e9,
           up = (double)boot.tv_sec + (double)boot.tv_nsec / 1e9;
    started = known ? now - up + (double)ticks / (double)sysconf(_SC_CLK_TCK) : NAN;
}

static void add_process(struct buf *out) {
    struct rusage usage;
    struct rlimit limit;
    pthread_once(&start_once, find_start);
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    add_plain(out, "process_cpu_seconds_total", "counter", "CPU time used.", cpu);
    add_plain(out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    add_plain(out, "process_memory_limit_bytes", "gauge",
              "Memory that the process may use: of its control group, or of the machine.",
              memory_limit());
    add_plain(out, "process_memory_short", "gauge",
              "1 while requests are refused because memory is short.", memory_is_short());
    add_plain(out, "process_open_fds", "gauge", "Open file descriptors.", open_files());
    add_plain(out, "process_max_fds", "gauge", "Limit of open file descriptors.",
              (double)limit.rlim_cur);
    add_plain(out, "process_start_time_seconds", "gauge", "Start, seconds since 1970.", started);
}

void metrics_render(struct buf *out, const char *service) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < family_count; i++)
        add_family(out, families[i], service);
    pthread_mutex_unlock(&lock);
    add_process(out);
}

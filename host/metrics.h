// Prometheus metrics. A family (name, kind, help) is declared once for the whole process; each
// worker counts in its own shard without a lock, and a scrape on any thread merges the shards. Only
// the owning thread may add to a shard; reading is safe at any time because series are only ever
// appended (published with release order) and values are relaxed atomics.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "err.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric;       // a family
struct metric_shard; // one worker's cells
struct metric_cell;  // one series of one shard

// Declares a family, or returns the one declared before with the same name and kind.
// Fails (NULL, err) when name or label names are not Prometheus names, a counter does not end in
// _total, a histogram has no ascending buckets, or the name is taken with another kind, labels or
// buckets. label_names: `label_count` of them, at most 6. buckets: upper bounds in base units, +Inf
// is implied; at most 20. Any thread (takes a lock: at start, not on the request path).
// A gauge is merged over shards by sum.
MUST_CHECK struct metric *metrics_declare(const char *name, enum metric_kind kind, const char *help,
                                          const char *const *label_names, size_t label_count,
                                          const double *buckets, size_t bucket_count,
                                          struct err *err);

// A shard is registered for scraping until it is freed; `service` becomes a label `service` on
// every series of it (NULL: no such label).
struct metric_shard *metrics_shard_new(const char *service);
void metrics_shard_free(struct metric_shard *shard);

// The series with these label values (as many as the family has names), made at first use. After
// 1,000 series of one family in one shard further ones go to a series whose values are all "other".
struct metric_cell *metrics_cell(struct metric_shard *shard, struct metric *metric,
                                 const char *const *label_values);

void metrics_add(struct metric_cell *cell, double amount);    // counter or gauge
void metrics_set(struct metric_cell *cell, double value);     // gauge
void metrics_observe(struct metric_cell *cell, double value); // histogram

// Appends the exposition text (version 0.0.4) of the shards of one service, of shards without a
// service, and of the process (process_cpu_seconds_total, process_resident_memory_bytes,
// process_memory_limit_bytes, process_memory_short, process_open_fds, process_max_fds,
// process_start_time_seconds). Families in order of declaration; HELP and TYPE once each; clean for
// `promtool check metrics`.
void metrics_render(struct buf *out, const char *service);

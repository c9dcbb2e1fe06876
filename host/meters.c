#include "meters.h"

#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "log.h"

struct meters {
    struct metric_shard *shard;
    struct metric *requests, *seconds, *in_flight, *connections, *streams, *db_connections, *db_up,
        *db_busy, *db_waiting, *db_in_flight, *db_segments, *db_statements, *db_retries, *db_lost,
        *db_reconnects, *fibers, *stale, *lua_bytes, *generations, *rules_bytes, *shadow_bytes;
    struct metric_cell *db_seconds, *lag;
    struct db_stats before; // counters come as totals, and are added as differences
    uint64_t stale_before;
};

static struct metric *declare(const char *name, enum metric_kind kind, const char *help,
                              const char *const *labels, size_t label_count) {
    static const double SECONDS[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                     0.1,    0.25,  0.5,    1,     2.5,  5};
    struct err err;
    bool histogram = kind == METRIC_HISTOGRAM;
    struct metric *metric = metrics_declare(name, kind, help, labels, label_count, SECONDS,
                                            histogram ? sizeof SECONDS / sizeof *SECONDS : 0, &err);
    if (!metric) {
        log_event(LOG_ERROR, "metric not declared", "error", err.text, NULL);
        abort();
    }
    return metric;
}

struct meters *meters_new(struct metric_shard *shard) {
    struct meters *m = xcalloc(1, sizeof *m);
    m->shard = shard;
    static const char *const REQUEST[] = {"method", "route", "code"}, *const ROUTE[] = {"route"};
    m->requests =
        declare("http_server_requests_total", METRIC_COUNTER, "Requests answered.", REQUEST, 3);
    m->seconds = declare("http_server_request_duration_seconds", METRIC_HISTOGRAM,
                         "Time from the whole request to its answer.", ROUTE, 1);
    m->in_flight = declare("http_server_requests_in_flight", METRIC_GAUGE,
                           "Requests not answered yet.", NULL, 0);
    m->connections = declare("http_server_connections", METRIC_GAUGE, "Open connections.", NULL, 0);
    m->streams = declare("http_server_streams", METRIC_GAUGE, "Open event streams.", NULL, 0);
    m->db_connections = declare("db_connections", METRIC_GAUGE,
                                "Connections that there should be (DB_CONNECTIONS).", NULL, 0);
    m->db_up = declare("db_connections_up", METRIC_GAUGE, "Usable connections.", NULL, 0);
    m->db_busy =
        declare("db_connections_busy", METRIC_GAUGE, "Connections that owe an answer.", NULL, 0);
    m->db_waiting = declare("db_units_waiting", METRIC_GAUGE, "Units not sent yet.", NULL, 0);
    m->db_in_flight =
        declare("db_units_in_flight", METRIC_GAUGE, "Units sent and not answered.", NULL, 0);
    m->db_segments = declare("db_segments_total", METRIC_COUNTER,
                             "Segments sent; each is one commit or one read.", NULL, 0);
    m->db_statements =
        declare("db_units_total", METRIC_COUNTER, "Units sent, repeats included.", NULL, 0);
    m->db_retries = declare("db_unit_retries_total", METRIC_COUNTER, "Units sent again.", NULL, 0);
    m->db_lost = declare("db_connections_lost_total", METRIC_COUNTER, "Connections lost.", NULL, 0);
    m->db_reconnects = declare("db_reconnects_total", METRIC_COUNTER,
                               "Connections made, the first ones included.", NULL, 0);
    m->db_seconds =
        metrics_cell(shard,
                     declare("db_segment_duration_seconds", METRIC_HISTOGRAM,
                             "From sending a segment until all of it was answered.", NULL, 0),
                     NULL);
    m->fibers = declare("lua_fibers", METRIC_GAUGE, "Fibers alive.", NULL, 0);
    m->stale = declare("lua_stale_completions_total", METRIC_COUNTER,
                       "Completions that came after their fiber had gone on.", NULL, 0);
    m->lag = metrics_cell(shard,
                          declare("worker_loop_lag_seconds", METRIC_HISTOGRAM,
                                  "How late the loop's timer of 100 ms was.", NULL, 0),
                          NULL);
    m->lua_bytes = declare("lua_memory_bytes", METRIC_GAUGE, "Memory of the Lua VMs.", NULL, 0);
    m->generations = declare("lua_generations", METRIC_GAUGE,
                             "Generations of scripts, those that finish included.", NULL, 0);
    m->rules_bytes =
        declare("rules_memory_bytes", METRIC_GAUGE, "Memory of the business rules' VM.", NULL, 0);
    m->shadow_bytes = declare("rules_shadow_memory_bytes", METRIC_GAUGE,
                              "Memory of the candidate rules' VM.", NULL, 0);
    return m;
}

void meters_free(struct meters *meters) {
    free(meters);
}

static void set(struct meters *m, struct metric *metric, double value) {
    metrics_set(metrics_cell(m->shard, metric, NULL), value);
}

static void add(struct meters *m, struct metric *metric, uint64_t now, uint64_t before) {
    metrics_add(metrics_cell(m->shard, metric, NULL), (double)(now - before));
}

void meters_count_request(struct meters *m, const char *method, const char *route, int status,
                          double seconds) {
    char code[8];
    snprintf(code, sizeof code, "%d", status);
    const char *labels[] = {method, route, code};
    metrics_add(metrics_cell(m->shard, m->requests, labels), 1);
    metrics_observe(metrics_cell(m->shard, m->seconds, &route), seconds);
}

void meters_count_refusal(struct meters *m, int status) {
    char code[8];
    snprintf(code, sizeof code, "%d", status);
    const char *labels[] = {"none", "refused", code};
    metrics_add(metrics_cell(m->shard, m->requests, labels), 1);
}

void meters_count_answer(struct meters *m, double seconds) {
    metrics_observe(m->db_seconds, seconds);
}

void meters_count_lag(struct meters *m, double seconds) {
    metrics_observe(m->lag, seconds);
}

void meters_update(struct meters *m, const struct meters_state *state) {
    set(m, m->in_flight, (double)state->exchanges);
    set(m, m->connections, (double)state->connections);
    set(m, m->streams, (double)state->streams);
    set(m, m->db_connections, state->db.connections);
    set(m, m->db_up, state->db.up);
    set(m, m->db_busy, state->db.busy);
    set(m, m->db_waiting, (double)state->db.waiting);
    set(m, m->db_in_flight, (double)state->db.in_flight);
    add(m, m->db_segments, state->db.segments, m->before.segments);
    add(m, m->db_statements, state->db.units, m->before.units);
    add(m, m->db_retries, state->db.retries, m->before.retries);
    add(m, m->db_lost, state->db.lost, m->before.lost);
    add(m, m->db_reconnects, state->db.reconnects, m->before.reconnects);
    m->before = state->db;
    set(m, m->fibers, (double)state->fibers);
    // The total is less once a generation has gone.
    if (state->stale < m->stale_before)
        m->stale_before = state->stale;
    add(m, m->stale, state->stale, m->stale_before);
    m->stale_before = state->stale;
    set(m, m->lua_bytes, state->lua_bytes);
    set(m, m->generations, state->generations);
    set(m, m->rules_bytes, state->rules_bytes);
    set(m, m->shadow_bytes, state->shadow_bytes);
}

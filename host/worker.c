#include "worker_internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "buf.h"
#include "listen.h"
#include "log.h"
#include "meters.h"
#include "request.h"
#include "watchdog.h"

enum {
    BODY_LIMIT = 64 * 1024,
    // Above what Dapr brings, many events at once included: a 413 would come again for ever.
    INNER_BODY_LIMIT = 64 * 1024 * 1024,
    BEAT_MS = 100,
    LATE_MS = 3 * BEAT_MS, // a beat that has not come by then is looked into
    LINGER_MS = 100,       // for requests of connections accepted last
    FINISH_MS = 15000,     // after DRAIN_MS, for requests that are still running
    END_MS = 3000,         // for what scripts do at the end
};

static uint64_t next_random(struct worker *worker) {
    uint64_t x = worker->random; // xorshift64*: ids for logs, not secrets
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    worker->random = x;
    return x * 2685821657736338717u;
}

static void on_request(void *user, struct http_exchange *exchange,
                       const struct http_request *request) {
    const struct listener *listener = user;
    struct worker *worker = listener->worker;
    const struct request_options options = {
        .meters = worker->meters,
        .port = listener->port,
        .inner = listener->inner,
        .limit = (size_t)config_number(worker->options.config, "MAX_REQUESTS"),
        .random = next_random(worker),
    };
    request_start(worker->live, exchange, request, &options);
}

static void on_refused(void *user, int status) {
    const struct listener *listener = user;
    meters_count_refusal(listener->worker->meters, status);
}

static void on_answered(void *user, double seconds) {
    const struct worker *worker = user;
    meters_count_answer(worker->meters, seconds);
}

// Starting.

static int listen_on(struct worker *worker, const char *address, int port, size_t body_limit,
                     bool inner, struct err *err) {
    if (worker->listener_count == MAX_LISTENERS)
        return err_set(err, "more than %d listeners", MAX_LISTENERS);
    struct listener *listener = &worker->listeners[worker->listener_count];
    struct http_server_options options = {
        .address = address,
        .port = port,
        .body_limit = body_limit,
        .large_path = port == worker->options.port ? worker->options.large_path : NULL,
        .large_limit = (size_t)worker->options.large_limit,
        .max_connections = worker->options.max_connections,
        .origins = inner ? NULL : config_string(worker->options.config, "CORS_ORIGINS"),
        .on_request = on_request,
        .on_refused = on_refused,
        .user = listener,
    };
    *listener = (struct listener){.worker = worker, .port = port, .inner = inner};
    if (http_server_start(&listener->server, &worker->loop, &options, err) != 0)
        return -1;
    worker->listener_count++;
    return 0;
}

// A port that an earlier generation asked for is open already.
static int listen_more(void *user, int port, size_t body_limit, struct err *err) {
    struct worker *worker = user;
    for (int i = 0; i < worker->listener_count; i++)
        if (worker->listeners[i].port == port && worker->listeners[i].asked)
            return 0;
    if (!listen_is_free("127.0.0.1", port, err) ||
        listen_on(worker, "127.0.0.1", port, body_limit, false, err) != 0)
        return -1;
    worker->listeners[worker->listener_count - 1].asked = true;
    return 0;
}

static int open_parts(struct worker *worker, struct err *err) {
    const struct config *config = worker->options.config;
    struct api_env *parts = &worker->parts;
    struct db_options db = {
        .url = config_string(config, "DATABASE_URL"),
        .connections = (int)config_number(config, "DB_CONNECTIONS"),
        .queue_wait_ms = 500,
        .reply_wait_ms = 5000,
        .on_answered = on_answered,
        .user = worker,
    };
    struct http_client_limits limits = {
        .max_connections = 256, .max_per_host = 96, .max_in_flight = 1024};
    *parts = (struct api_env){
        .loop = &worker->loop,
        .config = config,
        .service = worker->options.service,
        .worker_index = worker->options.index,
        .worker_count = worker->options.count,
        .started_ms = worker->options.started_ms,
        .services = worker->options.services,
        .service_count = worker->options.service_count,
        .listen = listen_more,
        .rules = &worker->rules,
        .worker = worker,
        .metrics = metrics_shard_new(worker->options.service),
    };
    if (worker->options.rules)
        worker->rules.bundle = rules_bundle_ref(worker->options.rules);
    worker->meters = meters_new(parts->metrics);
    parts->db = db_new(&worker->loop, &db);
    if (http_client_new(&parts->http, &worker->loop, &limits, err) != 0)
        return -1;
    return worker_make_generation(worker, worker->options.scripts, &worker->live, err);
}

static int open_listeners(struct worker *worker, struct err *err) {
    const char *address = config_string(worker->options.config, "BIND_ADDRESS");
    int limit = worker->options.body_limit ? worker->options.body_limit : BODY_LIMIT;
    if (listen_on(worker, address, worker->options.port, (size_t)limit, false, err) != 0)
        return -1;
    if (worker->options.inner_port == 0)
        return 0;
    return listen_on(worker, "127.0.0.1", worker->options.inner_port, INNER_BODY_LIMIT, true, err);
}

// Stopping.

static void stop(struct worker *worker) {
    worker_refuse_orders(worker);
    for (int i = 0; i < worker->listener_count; i++)
        http_server_stop(worker->listeners[i].server);
    worker->listener_count = 0;
    atomic_store(&worker->heartbeat, 0); // from here on the watchdog has nothing to watch
    for (int i = 0; i < worker->retired_count; i++)
        generation_free(worker->retired[i]);
    if (worker->candidate)
        generation_free(worker->candidate);
    if (worker->live)
        generation_free(worker->live);
    worker->live = NULL;
    if (worker->parts.http)
        http_client_free(worker->parts.http);
    if (worker->parts.db)
        db_free(worker->parts.db);
    rules_slot_free(&worker->rules.slot);
    shadow_leave(&worker->rules.shadow);
    rules_bundle_unref(worker->rules.bundle);
    rules_bundle_unref(worker->next_rules);
    uv_close((uv_handle_t *)&worker->wake, NULL);
    uv_close((uv_handle_t *)&worker->beat, NULL);
    uv_close((uv_handle_t *)&worker->turn, NULL);
}

static size_t unfinished(const struct worker *worker) {
    size_t count = 0;
    for (int i = 0; i < worker->listener_count; i++)
        count += http_server_busy(worker->listeners[i].server);
    return count;
}

// Scripts have a last word once no request can come any more. True: it is said, or took too long.
static bool have_scripts_ended(struct worker *worker) {
    if (!worker->end_at)
        worker->end_at = uv_now(&worker->loop);
    if (worker->phase == IDLE) // else one of two generations is about to be the last
        generation_end(worker->live);
    return (worker->phase == IDLE && generation_has_ended(worker->live)) ||
           uv_now(&worker->loop) - worker->end_at > END_MS;
}

static void go_on_draining(struct worker *worker) {
    uint64_t drained = uv_now(&worker->loop) - worker->drain_at;
    uint64_t serve_ms = (uint64_t)config_number(worker->options.config, "DRAIN_MS");
    if (drained < serve_ms)
        return;
    for (int i = 0; i < worker->listener_count; i++) {
        http_server_quiesce(worker->listeners[i].server);
        http_server_end_streams(worker->listeners[i].server);
    }
    if (!worker->quiet_at)
        worker->quiet_at = uv_now(&worker->loop) + LINGER_MS;
    if (unfinished(worker) == 0 && uv_now(&worker->loop) >= worker->quiet_at) {
        if (have_scripts_ended(worker))
            stop(worker);
    } else if (drained > serve_ms + FINISH_MS) {
        log_event(LOG_ERROR, "requests did not finish while draining", NULL);
        _exit(0); // libmicrohttpd cannot stop with a suspended connection
    }
}

static void add_generation(struct meters_state *state, struct generation *generation) {
    const struct fiber_pool *fibers = generation_env(generation)->fibers;
    lua_State *L = script_state(generation_script(generation));
    state->fibers += fiber_alive(fibers);
    state->stale += fiber_stale_count(fibers);
    state->lua_bytes += (double)lua_gc(L, LUA_GCCOUNT, 0) * 1024.0;
    state->generations++;
}

static void update_meters(struct worker *worker) {
    struct meters_state state = {0};
    add_generation(&state, worker->live);
    for (int i = 0; i < worker->retired_count; i++)
        add_generation(&state, worker->retired[i]);
    if (worker->rules.slot.live)
        state.rules_bytes = (double)rules_memory(worker->rules.slot.live);
    if (worker->rules.shadow.rules)
        state.shadow_bytes = (double)rules_memory(worker->rules.shadow.rules);
    for (int i = 0; i < worker->listener_count; i++) {
        state.exchanges += http_server_exchanges(worker->listeners[i].server);
        state.connections += http_server_connections(worker->listeners[i].server);
        state.streams += http_server_streams(worker->listeners[i].server);
    }
    db_stats(worker->parts.db, &state.db);
    meters_update(worker->meters, &state);
}

static void on_beat(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    uint64_t ns = uv_hrtime(), now = ns / 1000000;
    if (worker->beat_due)
        meters_count_lag(worker->meters,
                         ns > worker->beat_due ? (double)(ns - worker->beat_due) / 1e9 : 0);
    worker->beat_due = ns + BEAT_MS * 1000000ull;
    atomic_store(&worker->heartbeat, now);
    worker_reap(worker);
    update_meters(worker);
    if (worker->drain_at)
        go_on_draining(worker);
}

static void set_draining(struct worker *worker) {
    worker->parts.draining = true; // of what is made later
    generation_env(worker->live)->draining = true;
    if (worker->candidate)
        generation_env(worker->candidate)->draining = true;
    for (int i = 0; i < worker->retired_count; i++)
        generation_env(worker->retired[i])->draining = true;
}

static void on_wake(uv_async_t *async) {
    struct worker *worker = async->data;
    worker_obey_orders(worker);
    if (!atomic_load(&worker->drain_asked) || worker->drain_at)
        return;
    worker->drain_at = uv_now(&worker->loop);
    set_draining(worker);
    for (int i = 0; i < worker->listener_count; i++)
        http_server_drain(worker->listeners[i].server);
    go_on_draining(worker);
}

static void tell(struct worker *worker, int state) {
    pthread_mutex_lock(&worker->mutex);
    worker->state = state;
    pthread_cond_signal(&worker->started);
    pthread_mutex_unlock(&worker->mutex);
}

static void *run_thread(void *user) {
    struct worker *worker = user;
    struct log_context *context = log_context();
    context->service = worker->options.service;
    context->worker = worker->options.index;
    // Linux: of this thread alone. In a crowd it stands back behind those that serve users.
    if (worker->options.nice && setpriority(PRIO_PROCESS, 0, worker->options.nice) != 0)
        log_event(LOG_WARN, "the priority cannot be set", NULL);
    if (getrandom(&worker->random, sizeof worker->random, 0) < 0 || worker->random == 0)
        worker->random = uv_hrtime() | 1;
    uv_loop_init(&worker->loop);
    uv_async_init(&worker->loop, &worker->wake, on_wake);
    uv_timer_init(&worker->loop, &worker->beat);
    uv_timer_init(&worker->loop, &worker->turn);
    worker->wake.data = worker->beat.data = worker->turn.data = worker;
    worker->tid = gettid();
    atomic_store(&worker->heartbeat, uv_hrtime() / 1000000);
    bool good = open_parts(worker, &worker->err) == 0 && open_listeners(worker, &worker->err) == 0;
    if (good) {
        uv_timer_start(&worker->beat, on_beat, BEAT_MS, BEAT_MS);
        generation_begin(worker->live);
        tell(worker, RUNNING);
    } else {
        stop(worker);
    }
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    uv_loop_close(&worker->loop);
    atomic_store(&worker->heartbeat, 0);
    atomic_store(&worker->ended, true);
    if (!good)
        tell(worker, FAILED);
    return NULL;
}

int worker_start(struct worker **out, const struct worker_options *options, struct err *err) {
    struct worker *worker = xcalloc(1, sizeof *worker);
    worker->options = *options;
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->started, NULL);
    if (pthread_create(&worker->thread, NULL, run_thread, worker) != 0) {
        free(worker);
        return err_set(err, "cannot make a thread");
    }
    pthread_mutex_lock(&worker->mutex);
    while (worker->state == STARTING)
        pthread_cond_wait(&worker->started, &worker->mutex);
    pthread_mutex_unlock(&worker->mutex);
    if (worker->state == RUNNING) {
        *out = worker;
        return 0;
    }
    *err = worker->err;
    worker_join(worker);
    return -1;
}

void worker_drain(struct worker *worker) {
    atomic_store(&worker->drain_asked, true);
    if (!worker_ended(worker))
        uv_async_send(&worker->wake);
}

// The field behind the name, which may hold anything, says it: proc_pid_stat(5).
static bool sleeps(int tid) {
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    text[len > 0 ? len : 0] = 0;
    const char *name_end = strrchr(text, ')');
    return !name_end || strncmp(name_end, ") R", 3) != 0;
}

void worker_sight(const struct worker *worker, struct watchdog_sight *sight) {
    clockid_t clock;
    struct timespec cpu;
    sight->beat = atomic_load(&worker->heartbeat);
    if (sight->beat == 0 || worker_ended(worker) ||
        pthread_getcpuclockid(worker->thread, &clock) != 0 || clock_gettime(clock, &cpu) != 0)
        return;
    sight->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000ull + (uint64_t)cpu.tv_nsec;
    // All is well as a rule, and then it is not asked.
    sight->sleeps = sight->now_ns / 1000000 > sight->beat + LATE_MS && sleeps(worker->tid);
}

bool worker_ended(const struct worker *worker) {
    return atomic_load(&worker->ended);
}

void worker_interrupt(struct worker *worker, int signal) {
    if (!worker_ended(worker))
        pthread_kill(worker->thread, signal);
}

void worker_join(struct worker *worker) {
    pthread_join(worker->thread, NULL);
    if (worker->meters)
        meters_free(worker->meters);
    if (worker->parts.metrics)
        metrics_shard_free(worker->parts.metrics);
    if (worker->old_rules)
        rules_free(worker->old_rules);
    pthread_mutex_destroy(&worker->mutex);
    pthread_cond_destroy(&worker->started);
    free(worker);
}

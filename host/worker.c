#include "worker.h"

#include <ctype.h>
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/api.h"
#include "buf.h"
#include "listen.h"
#include "log.h"
#include "meters.h"
#include "script.h"

enum {
    BODY_LIMIT = 64 * 1024,
    INNER_BODY_LIMIT = 4 * 1024 * 1024, // above what scripts take: a 413 would come again for ever
    BACKGROUND_FIBERS = 256,
    BEAT_MS = 100,
    LINGER_MS = 100,   // for requests of connections accepted last
    FINISH_MS = 15000, // after DRAIN_MS, for requests that are still running
    END_MS = 3000,     // for what scripts do at the end
    MAX_REPLY_HEADERS = 32,
    MAX_LISTENERS = 32,
};

struct worker {
    struct worker_options options;
    pthread_t thread;
    pthread_mutex_t mutex; // start-up handshake only
    pthread_cond_t started;
    enum { STARTING, RUNNING, FAILED } state;
    struct err err;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t beat;
    uint64_t beat_due;
    _Atomic uint64_t heartbeat;
    atomic_bool drain_asked, ended;
    struct api_env env;
    struct script *script;
    struct listener {
        struct worker *worker;
        int port;
        bool inner;
        struct http_server *server;
    } listeners[MAX_LISTENERS]; // for users, for the sidecar, what a script asked for
    int listener_count;
    uint64_t drain_at; // loop time; 0: not draining
    uint64_t quiet_at; // from when on it may end, when nothing is unfinished
    uint64_t end_at;   // when what scripts do at the end began; 0: not yet
    int ending;        // of that, what is still running
    struct meters *meters;
    uint64_t random;
};

// One request on its way through a fiber.
struct run {
    struct worker *worker;
    struct http_exchange *exchange;
    uint64_t began_ns;
    char method[16];
    char request_id[64];
};

// Requests.

static const char *find_field(const struct http_request *request, const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < request->field_count; i++)
        if (request->fields[i].name_len == len &&
            strncasecmp(request->fields[i].name, name, len) == 0)
            return request->fields[i].value;
    return NULL;
}

static bool is_id(const char *text) {
    size_t len = strlen(text);
    if (len == 0 || len > 63)
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("-_.", *text))
            return false;
    return true;
}

// W3C trace context: 00-<32 hex>-<16 hex>-<2 hex>.
static bool is_traceparent(const char *text) {
    static const char SHAPE[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    if (strlen(text) != sizeof SHAPE - 1)
        return false;
    for (size_t i = 0; SHAPE[i]; i++)
        if (SHAPE[i] == '-'
                ? text[i] != '-'
                : !(isdigit((unsigned char)text[i]) || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    return true;
}

static uint64_t next_random(struct worker *worker) {
    uint64_t x = worker->random; // xorshift64*: ids for logs, not secrets
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    worker->random = x;
    return x * 2685821657736338717u;
}

static void push_request(lua_State *L, const struct run *run, const struct http_request *request,
                         const struct listener *listener) {
    lua_createtable(L, 0, 12);
    lua_pushstring(L, request->method);
    lua_setfield(L, -2, "method");
    lua_pushstring(L, request->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, request->query);
    lua_setfield(L, -2, "query");
    lua_pushlstring(L, request->body, request->body_len);
    lua_setfield(L, -2, "body");
    lua_pushstring(L, request->remote);
    lua_setfield(L, -2, "remote");
    lua_pushstring(L, run->request_id);
    lua_setfield(L, -2, "id");
    lua_pushboolean(L, listener->inner);
    lua_setfield(L, -2, "inner");
    lua_pushinteger(L, listener->port);
    lua_setfield(L, -2, "port");
    lua_createtable(L, 0, (int)request->field_count);
    for (size_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        char name[64];
        size_t len = field->name_len < sizeof name ? field->name_len : sizeof name;
        for (size_t c = 0; c < len; c++)
            name[c] = (char)tolower((unsigned char)field->name[c]);
        lua_pushlstring(L, name, len);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        bool repeated = !lua_isnil(L, -1);
        if (repeated) { // RFC 9110, 5.3: several fields of one name are a comma list
            lua_pushliteral(L, ", ");
            lua_pushlstring(L, field->value, field->value_len);
            lua_concat(L, 3);
        } else {
            lua_pop(L, 1);
            lua_pushlstring(L, field->value, field->value_len);
        }
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "headers");
}

static size_t read_headers(lua_State *L, int index, struct http_header *headers) {
    size_t count = 0;
    if (!lua_istable(L, index))
        return 0;
    lua_pushnil(L);
    while (lua_next(L, index) && count < MAX_REPLY_HEADERS) {
        if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING)
            headers[count++] = (struct http_header){lua_tostring(L, -2), lua_tostring(L, -1)};
        lua_pop(L, 1); // the table keeps the string
    }
    return count;
}

static void reply_problem(struct http_exchange *exchange, int status, const char *body) {
    static const struct http_header HEADERS[] = {{"Content-Type", "application/problem+json"},
                                                 {"X-Content-Type-Options", "nosniff"},
                                                 {"Retry-After", "1"}};
    http_reply(exchange, status, HEADERS, status == 503 ? 3 : 2, body, strlen(body));
}

static void count_request(struct run *run, const char *route, int status) {
    meters_count_request(run->worker->meters, run->method, route, status,
                         (double)(uv_hrtime() - run->began_ns) / 1e9);
}

static void on_stream_ended(void *user, lua_State *L, bool ok, int count) {
    (void)user;
    (void)count;
    if (!ok)
        log_event(LOG_ERROR, "stream failed", "error", lua_tostring(L, -1), NULL);
}

// The body was a function: it gets the open stream and runs in a fiber of its own.
static void start_stream(struct run *run, lua_State *L, int function, int status,
                         const struct http_header *headers, size_t count) {
    struct http_stream *stream = http_reply_stream(run->exchange, status, headers, count);
    lua_pushvalue(L, function);
    api_push_stream(L, stream);
    if (fiber_start(run->worker->env.fibers, L, 1, on_stream_ended, NULL, NULL) == 0)
        return;
    lua_pop(L, 2); // the stream ends when its object is collected
}

static void on_handled(void *user, lua_State *L, bool ok, int count) {
    struct run *run = user;
    int first = lua_gettop(L) - count + 1;
    int status = ok && count >= 1 ? (int)lua_tointeger(L, first) : 0;
    if (!ok || status < 200 || status > 599) {
        log_event(LOG_ERROR, "handler failed", "error",
                  ok ? "no status between 200 and 599" : lua_tostring(L, -1), NULL);
        reply_problem(run->exchange, 500,
                      "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\","
                      "\"status\":500,\"detail\":\"Something went wrong on our side\"}");
        count_request(run, "error", 500);
        free(run);
        return;
    }
    lua_settop(L, first + 3);
    struct http_header headers[MAX_REPLY_HEADERS + 1];
    size_t header_count = read_headers(L, first + 1, headers);
    headers[header_count++] = (struct http_header){"X-Request-Id", run->request_id};
    const char *route = lua_tostring(L, first + 3);
    count_request(run, route ? route : "none", status);
    if (lua_isfunction(L, first + 2)) {
        start_stream(run, L, first + 2, status, headers, header_count);
    } else {
        size_t len = 0;
        const char *body = lua_tolstring(L, first + 2, &len);
        http_reply(run->exchange, status, headers, header_count, body ? body : "", len);
    }
    free(run);
}

static void on_request(void *user, struct http_exchange *exchange,
                       const struct http_request *request) {
    struct listener *listener = user;
    struct worker *worker = listener->worker;
    struct run *run = xmalloc(sizeof *run);
    run->worker = worker;
    run->exchange = exchange;
    run->began_ns = uv_hrtime();
    snprintf(run->method, sizeof run->method, "%s", request->method);
    const char *id = find_field(request, "X-Request-Id");
    if (id && is_id(id))
        snprintf(run->request_id, sizeof run->request_id, "%s", id);
    else
        snprintf(run->request_id, sizeof run->request_id, "%016llx",
                 (unsigned long long)next_random(worker));
    const char *trace = find_field(request, "traceparent");
    struct fiber_context context = {run->request_id, trace && is_traceparent(trace) ? trace : NULL};
    lua_State *L = script_state(worker->script);
    script_push_handle(worker->script);
    push_request(L, run, request, listener);
    bool full = fiber_alive(worker->env.fibers) >=
                (size_t)config_number(worker->options.config, "MAX_REQUESTS");
    if (!full && fiber_start(worker->env.fibers, L, 1, on_handled, run, &context) == 0)
        return;
    lua_pop(L, 2);
    reply_problem(exchange, 503,
                  "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
                  "\"detail\":\"Too many requests are in progress\"}");
    count_request(run, "overload", 503);
    free(run);
}

// Life.

static int listen_on(struct worker *worker, const char *address, int port, size_t body_limit,
                     bool inner, struct err *err) {
    if (worker->listener_count == MAX_LISTENERS)
        return err_set(err, "more than %d listeners", MAX_LISTENERS);
    struct listener *listener = &worker->listeners[worker->listener_count];
    struct http_server_options options = {
        .address = address,
        .port = port,
        .body_limit = body_limit,
        .max_connections = (unsigned)config_number(worker->options.config, "MAX_CONNECTIONS"),
        .on_request = on_request,
        .user = listener,
    };
    *listener = (struct listener){.worker = worker, .port = port, .inner = inner};
    if (http_server_start(&listener->server, &worker->loop, &options, err) != 0)
        return -1;
    worker->listener_count++;
    return 0;
}

static int listen_more(void *user, int port, size_t body_limit, struct err *err) {
    if (!listen_is_free("127.0.0.1", port, err))
        return -1;
    return listen_on(user, "127.0.0.1", port, body_limit, false, err);
}

static int open_parts(struct worker *worker, struct err *err) {
    const struct config *config = worker->options.config;
    struct api_env *env = &worker->env;
    struct db_options db = {
        .url = config_string(config, "DATABASE_URL"),
        .connections = (int)config_number(config, "DB_CONNECTIONS"),
        .queue_wait_ms = 500,
        .reply_wait_ms = 5000,
    };
    struct http_client_limits limits = {
        .max_connections = 256, .max_per_host = 96, .max_in_flight = 1024};
    *env = (struct api_env){
        .loop = &worker->loop,
        .config = config,
        .service = worker->options.service,
        .worker_index = worker->options.index,
        .worker_count = worker->options.count,
        .started_ms = worker->options.started_ms,
        .services = worker->options.services,
        .service_count = worker->options.service_count,
        .listen = listen_more,
        .worker = worker,
        .metrics = metrics_shard_new(worker->options.service),
    };
    worker->meters = meters_new(env->metrics);
    env->db = db_new(&worker->loop, &db);
    if (http_client_new(&env->http, &worker->loop, &limits, err) != 0)
        return -1;
    worker->script = script_new(env);
    env->fibers = fiber_pool_new(script_state(worker->script), &worker->loop,
                                 (size_t)config_number(config, "MAX_REQUESTS") + BACKGROUND_FIBERS);
    struct script_service declared;
    return script_load(worker->script, worker->options.service, &declared, err);
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

static void stop(struct worker *worker) {
    worker->env.closing = true;
    for (int i = 0; i < worker->listener_count; i++)
        http_server_stop(worker->listeners[i].server);
    worker->listener_count = 0;
    api_end_sleeps(&worker->env);
    atomic_store(&worker->heartbeat, 0); // from here on the watchdog has nothing to watch
    if (worker->env.fibers)
        fiber_pool_free(worker->env.fibers);
    if (worker->script)
        script_free(worker->script);
    rules_slot_free(&worker->env.rules);
    if (worker->env.http)
        http_client_free(worker->env.http);
    if (worker->env.db)
        db_free(worker->env.db);
    uv_close((uv_handle_t *)&worker->wake, NULL);
    uv_close((uv_handle_t *)&worker->beat, NULL);
}

static size_t unfinished(const struct worker *worker) {
    size_t count = 0;
    for (int i = 0; i < worker->listener_count; i++)
        count += http_server_busy(worker->listeners[i].server);
    return count;
}

static void on_end_done(void *user, lua_State *L, bool ok, int count) {
    (void)count;
    ((struct worker *)user)->ending--;
    if (!ok)
        log_event(LOG_ERROR, "the end of a script failed", "error", lua_tostring(L, -1), NULL);
}

// Scripts have a last word once no request can come any more. True: it is said, or took too long.
static bool have_scripts_ended(struct worker *worker) {
    struct api_env *env = &worker->env;
    if (!worker->end_at) {
        worker->end_at = uv_now(&worker->loop);
        for (int i = 0; i < env->end_count; i++) {
            lua_rawgeti(env->main, LUA_REGISTRYINDEX, env->end_functions[i]);
            worker->ending++;
            if (fiber_start(env->fibers, env->main, 0, on_end_done, worker, NULL) == 0)
                continue;
            lua_pop(env->main, 1);
            worker->ending--;
        }
    }
    return worker->ending == 0 || uv_now(&worker->loop) - worker->end_at > END_MS;
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

static void update_meters(struct worker *worker, double lag_seconds) {
    struct meters_state state = {
        .fibers = fiber_alive(worker->env.fibers),
        .stale = fiber_stale_count(worker->env.fibers),
        .lag_seconds = lag_seconds,
        .lua_bytes = (double)lua_gc(script_state(worker->script), LUA_GCCOUNT, 0) * 1024.0,
        .rules_bytes = worker->env.rules.live ? (double)rules_memory(worker->env.rules.live) : 0,
    };
    for (int i = 0; i < worker->listener_count; i++) {
        state.exchanges += http_server_exchanges(worker->listeners[i].server);
        state.connections += http_server_connections(worker->listeners[i].server);
        state.streams += http_server_streams(worker->listeners[i].server);
    }
    db_stats(worker->env.db, &state.db);
    meters_update(worker->meters, &state);
}

static void on_beat(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    uint64_t now = uv_hrtime() / 1000000;
    uint64_t late = worker->beat_due && now > worker->beat_due ? now - worker->beat_due : 0;
    worker->beat_due = now + BEAT_MS;
    atomic_store(&worker->heartbeat, now);
    update_meters(worker, (double)late / 1000);
    if (worker->drain_at)
        go_on_draining(worker);
}

static void on_wake(uv_async_t *async) {
    struct worker *worker = async->data;
    if (!atomic_load(&worker->drain_asked) || worker->drain_at)
        return;
    worker->drain_at = uv_now(&worker->loop);
    worker->env.draining = true;
    for (int i = 0; i < worker->listener_count; i++)
        http_server_drain(worker->listeners[i].server);
    go_on_draining(worker);
}

static void on_started(void *user, lua_State *L, bool ok, int count) {
    (void)user;
    (void)count;
    if (!ok)
        log_event(LOG_ERROR, "start failed", "error", lua_tostring(L, -1), NULL);
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
    worker->wake.data = worker->beat.data = worker;
    atomic_store(&worker->heartbeat, uv_hrtime() / 1000000);
    bool good = open_parts(worker, &worker->err) == 0 && open_listeners(worker, &worker->err) == 0;
    if (good) {
        uv_timer_start(&worker->beat, on_beat, BEAT_MS, BEAT_MS);
        if (script_push_start(worker->script) &&
            fiber_start(worker->env.fibers, script_state(worker->script), 0, on_started, NULL,
                        NULL) != 0)
            lua_pop(script_state(worker->script), 1);
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

uint64_t worker_heartbeat(const struct worker *worker) {
    return atomic_load(&worker->heartbeat);
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
    if (worker->env.metrics)
        metrics_shard_free(worker->env.metrics);
    pthread_mutex_destroy(&worker->mutex);
    pthread_cond_destroy(&worker->started);
    free(worker);
}

#include "http_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cors.h"
#include "http_fields.h"
#include "listen.h"
#include "log.h"
#include "memory.h"

enum {
    IDLE_SECONDS = 75,
    PAUSE_MS = 100, // before a refusal that would be asked for again at once
    SWEEP_MS = 1000,
    MAX_VAIN = 16,  // tries in a row to accept a connection
    MAX_TURNS = 32, // of libmicrohttpd in one turn of the loop
    MAX_LARGE = 8,  // requests with a body over body_limit: what they hold must stay little
};

bool http_is_probe(const char *target) {
    static const char *const PROBES[] = {"/health", "/ready", "/metrics"};
    for (size_t i = 0; i < sizeof PROBES / sizeof *PROBES; i++)
        if (strcmp(target, PROBES[i]) == 0)
            return true;
    return false;
}

// Turning libmicrohttpd.

static bool has_work(struct http_server *server) {
    MHD_UNSIGNED_LONG_LONG timeout;
    return server->resumed ||
           (MHD_get_timeout(server->daemon, &timeout) == MHD_YES && timeout == 0);
}

// With an external loop a resumed connection wakes nobody, and one epoll event can leave work
// behind. Once memory is short, idle connections are closed before more is read.
void http_turn(struct http_server *server) {
    for (int i = 0; i < MAX_TURNS; i++) {
        server->resumed = false;
        MHD_run(server->daemon);
        if (!has_work(server) || (memory_is_short() && !server->quiesced))
            return;
    }
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    struct http_server *server = poll->data;
    size_t had = server->connection_count, accepted = server->accepted_count;
    http_turn(server);
    if (memory_is_short())
        http_make_room(server);
    // Without a descriptor for its first connection libmicrohttpd would try for ever.
    server->vain = had == 0 && server->accepted_count == accepted ? server->vain + 1 : 0;
    if (server->vain > MAX_VAIN)
        uv_poll_stop(poll); // until on_sweep
}

static void on_busy(uv_idle_t *idle) {
    (void)idle;
}

static void on_prepare(uv_prepare_t *prepare) {
    struct http_server *server = prepare->data;
    if (has_work(server))
        http_turn(server);
    if (has_work(server))
        uv_idle_start(server->busy, on_busy);
    else
        uv_idle_stop(server->busy);
}

static void on_sweep(uv_timer_t *timer) {
    struct http_server *server = timer->data;
    http_end_late(server);
    server->vain = 0;
    uv_poll_start(server->poll, UV_READABLE, on_readable);
    http_turn(server);
}

// Requests.

// The raw target, kept from the moment libmicrohttpd has read the request line.
static void *on_target(void *user, const char *target, struct MHD_Connection *mhd) {
    struct http_exchange *exchange = xcalloc(1, sizeof *exchange);
    exchange->server = user;
    exchange->mhd = mhd;
    exchange->connection = http_connection_of(mhd);
    exchange->target = xstrdup(target);
    memory_add(HTTP_POOL_BYTES); // written to now, if not before
    if (exchange->connection && exchange->connection->phase == IDLE)
        http_set_phase(exchange->connection, HEAD);
    return exchange;
}

static const char MEMORY_IS_SHORT[] = "Memory is short";

static size_t limit_of(const struct http_server *server, const char *target) {
    const char *path = server->options.large_path;
    size_t len = path ? strlen(path) : 0;
    bool is_large = len > 0 && strncmp(target, path, len) == 0 && strchr("?", target[len]);
    return is_large ? server->options.large_limit : server->options.body_limit;
}

static enum MHD_Result begin(struct http_exchange *exchange, const char *method,
                             const char *version) {
    struct http_server *server = exchange->server;
    struct http_fields fields;
    http_fields_gather(exchange->mhd, &fields);
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct http_head head = {
        .method = method,
        .target = exchange->target,
        .version = version,
        .fields = fields.list,
        .field_count = fields.count,
        .head_size = size ? size->header_size : 0,
    };
    struct http_verdict verdict = http_check(&head, limit_of(server, exchange->target));
    if (!verdict.status && !http_fields_are_plain(&fields))
        return http_refuse(exchange, 400, "A header is folded or holds a NUL");
    if (verdict.status)
        return http_refuse(exchange, verdict.status, verdict.reason);
    if (verdict.has_body || !http_is_probe(exchange->target)) {
        if (server->busy_count > server->options.max_connections)
            return http_refuse(exchange, 503, NULL);
        if (memory_is_short())
            return http_refuse(exchange, 503, MEMORY_IS_SHORT);
    }
    exchange->body_limit = server->options.body_limit;
    if (verdict.content_length > server->options.body_limit) {
        if (server->large_count == MAX_LARGE)
            return http_refuse(exchange, 503, "Too many large requests at once");
        server->large_count++;
        exchange->large = true;
        exchange->body_limit = verdict.content_length;
    }
    http_set_phase(exchange->connection, verdict.has_body ? BODY : HANDLING);
    return MHD_YES;
}

static enum MHD_Result take_body(struct http_exchange *exchange, const char *bytes, size_t *len) {
    if (exchange->closing)
        return MHD_NO;
    if (exchange->body.len + *len > exchange->body_limit) {
        exchange->closing = true;
        return http_refuse_in_body(exchange, 413, NULL);
    }
    if (memory_is_short()) {
        exchange->closing = true;
        return http_refuse_in_body(exchange, 503, MEMORY_IS_SHORT);
    }
    buf_add(&exchange->body, bytes, *len);
    memory_add(*len);
    *len = 0;
    return MHD_YES;
}

static void dispatch(struct http_exchange *exchange, const char *method) {
    struct http_server *server = exchange->server;
    struct http_fields fields;
    http_fields_gather(exchange->mhd, &fields);
    char *question = strchr(exchange->target, '?');
    if (question)
        *question = 0;
    struct http_request request = {
        .method = method,
        .path = exchange->target,
        .query = question ? question + 1 : "",
        .fields = fields.list,
        .field_count = fields.count,
        .body = exchange->body.data ? exchange->body.data : "",
        .body_len = exchange->body.len,
        .remote = exchange->connection->remote,
    };
    exchange->dispatched = true;
    server->exchange_count++;
    http_set_phase(exchange->connection, HANDLING);
    server->options.on_request(server->options.user, exchange, &request);
}

static enum MHD_Result queue_answer(struct http_exchange *exchange) {
    http_set_phase(exchange->connection, exchange->stream ? STREAMING : WRITING);
    enum MHD_Result result =
        MHD_queue_response(exchange->mhd, (unsigned)exchange->status, exchange->response);
    MHD_destroy_response(exchange->response);
    exchange->response = NULL;
    return result;
}

static enum MHD_Result on_access(void *user, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_len, void **context) {
    (void)user;
    (void)url;
    struct http_exchange *exchange = *context;
    assert(exchange && exchange->mhd == mhd);
    if (exchange->response)
        return queue_answer(exchange);
    if (!exchange->closing && !exchange->dispatched && exchange->status == 0) {
        exchange->status = -1; // begun
        return begin(exchange, method, version);
    }
    if (*upload_len > 0)
        return take_body(exchange, upload, upload_len);
    if (exchange->dispatched)
        return MHD_YES; // woken without an answer: it is on its way
    dispatch(exchange, method);
    if (exchange->response)
        return queue_answer(exchange);
    exchange->suspended = true;
    MHD_suspend_connection(mhd);
    return MHD_YES;
}

static void free_exchange(struct http_exchange *exchange) {
    if (exchange->large)
        exchange->server->large_count--;
    buf_free(&exchange->body);
    free(exchange->target);
    free(exchange);
}

static void on_completed(void *user, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code) {
    (void)user;
    (void)mhd;
    (void)code;
    struct http_exchange *exchange = *context;
    if (!exchange)
        return;
    *context = NULL;
    if (exchange->stream)
        exchange->stream->mhd = NULL;
    if (exchange->connection) {
        exchange->connection->bytes_before = UINT64_MAX;
        http_set_phase(exchange->connection, IDLE);
    }
    if (exchange->response)
        MHD_destroy_response(exchange->response);
    exchange->response = NULL;
    exchange->mhd = NULL;
    exchange->connection = NULL;
    if (exchange->dispatched && exchange->status > 0)
        exchange->server->exchange_count--;
    if (!exchange->dispatched || exchange->status > 0)
        free_exchange(exchange); // nobody holds it any more
}

// Answers.

static bool is_clean(const char *text) {
    return !strpbrk(text, "\r\n");
}

void http_add_headers(struct MHD_Response *response, const struct http_header *headers,
                      size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!is_clean(headers[i].name) || !is_clean(headers[i].value) ||
            MHD_add_response_header(response, headers[i].name, headers[i].value) != MHD_YES)
            log_event(LOG_WARN, "reply header left out", "name", headers[i].name, NULL);
    }
}

size_t http_grant(const struct http_exchange *exchange,
                  struct http_header headers[HTTP_MAX_GRANT]) {
    if (!exchange->mhd)
        return 0;
    const char *origin = MHD_lookup_connection_value(exchange->mhd, MHD_HEADER_KIND, "Origin");
    return cors_grant(exchange->server->options.origins, origin, headers);
}

void http_give(struct http_exchange *exchange, int status, struct MHD_Response *response) {
    exchange->status = status;
    if (!exchange->mhd) { // the client has left
        exchange->server->exchange_count--;
        MHD_destroy_response(response);
        free_exchange(exchange);
        return;
    }
    if (exchange->server->draining)
        MHD_add_response_header(response, "Connection", "close");
    exchange->response = response;
    if (exchange->suspended) {
        exchange->suspended = false;
        exchange->server->resumed = true;
        MHD_resume_connection(exchange->mhd);
    }
}

static struct MHD_Response *make_response(const struct http_header *headers, size_t header_count,
                                          const char *body, size_t body_len) {
    struct MHD_Response *response = xtaken(
        MHD_create_response_from_buffer(body_len, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY));
    http_add_headers(response, headers, header_count);
    return response;
}

void http_reply(struct http_exchange *exchange, int status, const struct http_header *headers,
                size_t header_count, const char *body, size_t body_len) {
    http_give(exchange, status, make_response(headers, header_count, body, body_len));
}

static void on_pause_over(uv_timer_t *timer) {
    struct http_server *server = timer->data;
    uint64_t now = uv_now(server->loop);
    while (server->late && server->late->late_at <= now) {
        struct http_exchange *exchange = server->late;
        server->late = exchange->next_late;
        http_give(exchange, exchange->late_status, exchange->late_response);
    }
    if (server->late)
        uv_timer_start(timer, on_pause_over, server->late->late_at - now, 0);
    else
        server->late_tail = &server->late;
}

void http_reply_later(struct http_exchange *exchange, int status, const struct http_header *headers,
                      size_t header_count, const char *body, size_t body_len) {
    struct http_server *server = exchange->server;
    exchange->late_response = make_response(headers, header_count, body, body_len);
    exchange->late_status = status;
    exchange->late_at = uv_now(server->loop) + PAUSE_MS;
    if (!server->late)
        uv_timer_start(server->pause, on_pause_over, PAUSE_MS, 0);
    *server->late_tail = exchange;
    server->late_tail = &exchange->next_late;
}

// The server.

static void on_log(void *user, const char *format, va_list args) {
    (void)user;
    char text[256];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = 0;
    log_event(LOG_DEBUG, "libmicrohttpd", "text", text, NULL);
}

static void *xhandle(size_t size, void *data) {
    uv_handle_t *handle = xcalloc(1, size);
    handle->data = data;
    return handle;
}

// Past the soft limit a connection is still accepted: to take an idle one's place, or to be told
// 503.
unsigned http_server_hard_limit(unsigned max_connections) {
    unsigned more = max_connections / 8 + 64;
    return max_connections + (more < max_connections ? more : max_connections);
}

int http_server_start(struct http_server **out, uv_loop_t *loop,
                      const struct http_server_options *options, struct err *err) {
    int fd = listen_open(options->address, options->port, true, err);
    if (fd < 0)
        return -1;
    struct http_server *server = xcalloc(1, sizeof *server);
    server->loop = loop;
    server->options = *options;
    server->listen_fd = fd;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_access,
        server, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, http_server_hard_limit(options->max_connections),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_SECONDS, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
        http_on_connection, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, server, MHD_OPTION_END);
    if (!server->daemon) {
        close(fd);
        free(server);
        return err_set(err, "libmicrohttpd did not start on port %d", options->port);
    }
    server->poll = xhandle(sizeof *server->poll, server);
    server->prepare = xhandle(sizeof *server->prepare, server);
    server->busy = xhandle(sizeof *server->busy, server);
    server->sweep = xhandle(sizeof *server->sweep, server);
    server->crowd = xhandle(sizeof *server->crowd, server);
    server->pause = xhandle(sizeof *server->pause, server);
    server->late_tail = &server->late;
    uv_poll_init(loop, server->poll,
                 MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    uv_poll_start(server->poll, UV_READABLE, on_readable);
    uv_prepare_init(loop, server->prepare);
    uv_prepare_start(server->prepare, on_prepare);
    uv_idle_init(loop, server->busy);
    uv_timer_init(loop, server->sweep);
    uv_timer_init(loop, server->crowd);
    uv_timer_init(loop, server->pause);
    uv_timer_start(server->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    *out = server;
    return 0;
}

void http_server_drain(struct http_server *server) {
    server->draining = true;
}

void http_server_quiesce(struct http_server *server) {
    if (server->quiesced)
        return;
    server->quiesced = true;
    http_turn(server); // whoever has connected already is let in
    MHD_socket fd = MHD_quiesce_daemon(server->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
}

static void on_closed(uv_handle_t *handle) {
    free(handle);
}

void http_server_stop(struct http_server *server) {
    http_server_quiesce(server);
    uv_poll_stop(server->poll);
    uv_close((uv_handle_t *)server->poll, on_closed);
    uv_close((uv_handle_t *)server->prepare, on_closed);
    uv_close((uv_handle_t *)server->busy, on_closed);
    uv_close((uv_handle_t *)server->sweep, on_closed);
    uv_close((uv_handle_t *)server->crowd, on_closed);
    uv_close((uv_handle_t *)server->pause, on_closed);
    for (struct connection *c = server->connections; c; c = c->next)
        shutdown(c->fd, SHUT_RDWR);
    http_turn(server); // resumed connections must have left the list of suspended ones
    MHD_stop_daemon(server->daemon);
    free(server);
}

size_t http_server_connections(const struct http_server *server) {
    return server->connection_count;
}

size_t http_server_busy(const struct http_server *server) {
    return server->busy_count > server->exchange_count ? server->busy_count
                                                       : server->exchange_count;
}

size_t http_server_exchanges(const struct http_server *server) {
    return server->exchange_count;
}

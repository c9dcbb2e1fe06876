// Accepted connections: how long each may take for what it is doing, and which of them go when
// there are too many.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "http_internal.h"
#include "memory.h"

enum {
    HEAD_MS = 10000,
    BODY_MS = 30000,
    WRITE_MS = 30000,
    LEFT_MS = 1000,   // of a request whose client has gone
    CROWD_MS = 20,    // between looks for idle connections, while there are too many
    CROWD_ASKS = 256, // of the kernel, in such a look
    SETTLED_MS = 20,  // of an idle connection that may be closed
};

void http_set_phase(struct connection *connection, enum http_phase phase) {
    connection->server->busy_count += (size_t)(phase != IDLE) - (size_t)(connection->phase != IDLE);
    connection->phase = phase;
    connection->since = uv_now(connection->server->loop);
}

// The kernel's struct goes on where glibc's ends (linux/tcp.h, since 4.1).
struct tcp_state {
    struct tcp_info base;
    uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
};

static struct tcp_state tcp_state_of(int fd) {
    struct tcp_state state = {0};
    socklen_t len = sizeof state;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &len) != 0)
        return (struct tcp_state){0};
    return state;
}

static uint64_t bytes_received(int fd) {
    return tcp_state_of(fd).bytes_received;
}

static bool is_unfinished(const struct connection *connection) {
    return connection->phase == HEAD || connection->phase == BODY;
}

// The client of an unfinished request has gone. libmicrohttpd does not notice when the end came
// together with the last bytes.
static bool was_left(const struct connection *connection) {
    return tcp_state_of(connection->fd).base.tcpi_state == TCP_CLOSE_WAIT;
}

static void describe_peer(struct connection *connection, const struct sockaddr *address) {
    const void *ip = NULL;
    if (address && address->sa_family == AF_INET)
        ip = &((const struct sockaddr_in *)address)->sin_addr;
    else if (address && address->sa_family == AF_INET6)
        ip = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (!ip || !inet_ntop(address->sa_family, ip, connection->remote, sizeof connection->remote))
        snprintf(connection->remote, sizeof connection->remote, "unknown");
}

static bool may_be_closed(const struct connection *connection, uint64_t now, int *asks) {
    if (now < connection->since + SETTLED_MS)
        return false;
    if (connection->phase == IDLE || (connection->phase == HEAD && memory_is_short()))
        return true;
    return is_unfinished(connection) && (*asks)-- > 0 && was_left(connection);
}

// New connections take the place of the oldest idle ones, and of those whose client has gone. While
// memory is short all idle ones go, and those with half a head: each holds a pool.
static void on_crowd(uv_timer_t *timer) {
    struct http_server *server = timer->data;
    uint64_t now = uv_now(server->loop);
    http_turn(server); // whose request has come by now is not idle
    size_t most = memory_is_short() ? 0 : server->options.max_connections;
    size_t left = server->connection_count;
    int asks = CROWD_ASKS;
    for (struct connection *c = server->oldest; c && left > most; c = c->prev)
        if (may_be_closed(c, now, &asks)) {
            shutdown(c->fd, SHUT_RDWR);
            left--;
        }
    http_turn(server);
    if (!memory_is_short() && server->connection_count <= server->options.max_connections)
        uv_timer_stop(timer);
}

void http_make_room(struct http_server *server) {
    if (!uv_is_active((uv_handle_t *)server->crowd))
        uv_timer_start(server->crowd, on_crowd, 0, CROWD_MS);
}

static void add_connection(struct http_server *server, struct connection *made) {
    made->next = server->connections;
    *(made->next ? &made->next->prev : &server->oldest) = made;
    server->connections = made;
    memory_add(HTTP_POOL_BYTES);
    server->accepted_count++;
    if (++server->connection_count > server->options.max_connections)
        http_make_room(server);
}

static void remove_connection(struct http_server *server, struct connection *gone) {
    *(gone->prev ? &gone->prev->next : &server->connections) = gone->next;
    *(gone->next ? &gone->next->prev : &server->oldest) = gone->prev;
    server->busy_count -= gone->phase != IDLE;
    // libmicrohttpd, at its limit, accepts again in the run after the one that has made room.
    if (server->connection_count-- > server->options.max_connections)
        server->resumed = true;
    free(gone);
}

void http_on_connection(void *user, struct MHD_Connection *mhd, void **context,
                        enum MHD_ConnectionNotificationCode code) {
    struct http_server *server = user;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct connection *made = xcalloc(1, sizeof *made);
        made->server = server;
        made->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        uv_update_time(server->loop); // a turn may have been long before this one was accepted
        describe_peer(
            made, MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
        http_set_phase(made, IDLE);
        add_connection(server, made);
        *context = made;
        return;
    }
    struct connection *gone = *context;
    if (!gone)
        return;
    remove_connection(server, gone);
    *context = NULL;
}

struct connection *http_connection_of(struct MHD_Connection *mhd) {
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static bool is_late(struct connection *connection, uint64_t now) {
    uint64_t age = now - connection->since;
    switch (connection->phase) {
    case IDLE:
        // Bytes have come since the last sweep saw it idle: a head has begun, and with it its
        // deadline.
        if (connection->bytes_before == UINT64_MAX)
            connection->bytes_before = bytes_received(connection->fd);
        else if (bytes_received(connection->fd) > connection->bytes_before)
            http_set_phase(connection, HEAD);
        return false;
    case HEAD:
        return age > HEAD_MS || (age > LEFT_MS && was_left(connection));
    case BODY:
        return age > BODY_MS || (age > LEFT_MS && was_left(connection));
    case WRITING:
        return age > WRITE_MS;
    default:
        return false;
    }
}

void http_end_late(struct http_server *server) {
    uint64_t now = uv_now(server->loop);
    for (struct connection *c = server->connections; c; c = c->next)
        if (is_late(c, now))
            shutdown(c->fd, SHUT_RDWR);
}

// What http_server.c, http_connection.c, http_refuse.c and http_stream.c know of each other, and
// nobody else does.
#pragma once

#include <microhttpd.h>
#include <netinet/in.h>

#include "http_server.h"

enum {
    HTTP_POOL_BYTES = 18 * 1024, // per connection, all of it touched; a head of HTTP_MAX_HEAD fits
};

enum http_phase { IDLE, HEAD, BODY, HANDLING, WRITING, STREAMING };

// One accepted socket.
struct connection {
    struct connection *prev, *next;
    struct http_server *server;
    int fd;
    enum http_phase phase;
    uint64_t since;        // loop time at which the phase began
    uint64_t bytes_before; // received when it was first seen idle; UINT64_MAX: not seen yet
    char remote[INET6_ADDRSTRLEN];
};

struct http_exchange {
    struct http_server *server;
    struct connection *connection;
    struct MHD_Connection *mhd; // NULL once the client has left
    char *target;
    struct buf body;
    size_t body_limit;
    bool large; // one of the server's large_count
    bool dispatched, suspended, closing;
    struct MHD_Response *response;
    int status;
    struct http_stream *stream;
    // An answer that waits until `late_at`, in the server's list of them.
    struct http_exchange *next_late;
    struct MHD_Response *late_response;
    int late_status;
    uint64_t late_at;
};

struct http_stream {
    struct http_stream *prev, *next; // of the server's list, until libmicrohttpd lets go
    struct http_server *server;
    struct MHD_Connection *mhd; // NULL once the client has left
    int fd;
    struct buf buffer;
    size_t sent; // bytes at the front of buffer already given away
    bool suspended, ended, cut;
    int holders; // the owner and libmicrohttpd
};

struct http_server {
    struct MHD_Daemon *daemon;
    uv_loop_t *loop;
    struct http_server_options options;
    int listen_fd;
    bool draining, quiesced;
    bool resumed; // connections that libmicrohttpd has not looked at since
    struct connection *connections, *oldest; // the newest first
    struct http_stream *streams;
    size_t connection_count, busy_count, exchange_count, stream_count;
    size_t large_count;    // requests with a body over body_limit
    size_t accepted_count; // since the start
    int vain;              // times in a row that a connection was there and none was accepted
    uv_poll_t *poll;
    uv_prepare_t *prepare;
    uv_idle_t *busy; // keeps the loop from sleeping while libmicrohttpd has work left
    struct http_exchange *late, **late_tail; // the soonest first
    uv_timer_t *pause;                       // until then
    uv_timer_t *sweep;
    uv_timer_t *crowd; // runs while there are more than max_connections, or memory is short
};

// Lets libmicrohttpd do what there is to do.
void http_turn(struct http_server *server);

// Of libmicrohttpd: a connection has come or gone.
void http_on_connection(void *user, struct MHD_Connection *mhd, void **context,
                        enum MHD_ConnectionNotificationCode code);
struct connection *http_connection_of(struct MHD_Connection *mhd);
void http_set_phase(struct connection *connection, enum http_phase phase);
// Closes those that take too long for their phase, or whose client has left.
void http_end_late(struct http_server *server);
// Closes idle ones from now on, until there are no more than max_connections and memory is enough.
void http_make_room(struct http_server *server);

// Adds headers to a response; one with CR or LF in it is left out and logged.
void http_add_headers(struct MHD_Response *response, const struct http_header *headers,
                      size_t count);

// Hands the answer of an exchange to libmicrohttpd, or drops it when the client has left. While the
// server drains it closes the connection.
void http_give(struct http_exchange *exchange, int status, struct MHD_Response *response);

// Answers a request that no script is asked about with a problem (RFC 9457), and closes. detail
// NULL: the status says enough.
enum MHD_Result http_refuse(struct http_exchange *exchange, int status, const char *detail);
// The same once the body is being read.
enum MHD_Result http_refuse_in_body(struct http_exchange *exchange, int status, const char *detail);

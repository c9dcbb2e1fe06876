// An HTTP/1.1 listener on a libuv loop by libmicrohttpd. It gathers a whole request, checks its
// head (http_check.h), and hands it over by value; the owner answers at once or later, exactly
// once. What libmicrohttpd 0.9.75 leaves open is closed here: a front check on the raw head,
// deadlines for slow heads, bodies and readers, a connection limit that answers 503, as do requests
// while memory is short (memory.h), when idle connections and half heads are closed; /health,
// /ready and /metrics without a body are answered all the same. Loop thread only. libmicrohttpd is
// used behind this header alone: here, in http_refuse.c, http_fields.c and http_stream.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "buf.h"
#include "err.h"
#include "http_check.h"

struct http_server;
struct http_exchange; // one request and its answer
struct http_stream;   // an answer that goes on

struct http_request {
    const char *method;
    const char *path;  // the target up to "?", not decoded, no NUL or control byte in it
    const char *query; // after "?", "" without one
    const struct http_field *fields; // names as received
    size_t field_count;
    const char *body;
    size_t body_len;
    const char *remote; // address of the peer, as text
};

struct http_header {
    const char *name;
    const char *value;
};

// The request is borrowed until on_request returns.
typedef void (*http_on_request)(void *user, struct http_exchange *exchange,
                                const struct http_request *request);

struct http_server_options {
    const char *address; // literal IPv4 or IPv6
    int port;
    size_t body_limit;        // bytes; more is 413
    const char *large_path;   // a path where bodies may have large_limit bytes, if their length is
    size_t large_limit;       // told at first; NULL: none. Outlives the server
    unsigned max_connections; // beyond it a new connection takes the place of the oldest idle one;
                              // where none is idle it gets 503 and is closed, but for probes
    const char *origins; // whose pages may read answers made here (cors.h); outlives the server
    http_on_request on_request;
    // A request was refused before it became one; NULL: nobody counts them.
    void (*on_refused)(void *user, int status);
    void *user;
};

// Binds and listens (SO_REUSEPORT, so that several workers share the port). Fails with one line.
MUST_CHECK int http_server_start(struct http_server **server, uv_loop_t *loop,
                                 const struct http_server_options *options, struct err *err);

// How many connections such a server has at most; those beyond wait to be accepted.
unsigned http_server_hard_limit(unsigned max_connections);

// What must be answered however much there is to do, or the process is taken for dead.
bool http_is_probe(const char *path);

// From now on each answer closes its connection.
void http_server_drain(struct http_server *server);
// No further connections are accepted.
void http_server_quiesce(struct http_server *server);
// Ends every open stream after what is written so far (their owners notice by http_stream_alive).
void http_server_end_streams(struct http_server *server);
// Ends every connection and frees the server. Every request must have been answered and every
// stream closed (libmicrohttpd does not stop with a suspended connection). Run the loop once more
// afterwards.
void http_server_stop(struct http_server *server);

size_t http_server_connections(const struct http_server *server);
size_t http_server_exchanges(const struct http_server *server); // answers not wholly sent yet
// Connections in the middle of a request, an answer or a stream.
size_t http_server_busy(const struct http_server *server);
size_t http_server_streams(const struct http_server *server); // answers that still go on

// Answers. body is copied. A header with CR, LF or NUL in it is left out and logged. The caller's
// Content-Type must be among the headers when there is a body.
void http_reply(struct http_exchange *exchange, int status, const struct http_header *headers,
                size_t header_count, const char *body, size_t body_len);

// The same a tenth of a second later: clients that ask again at once, whatever Retry-After says,
// then leave time for those that are served.
void http_reply_later(struct http_exchange *exchange, int status, const struct http_header *headers,
                      size_t header_count, const char *body, size_t body_len);

// The headers by which a page of another origin may read an answer, where `origins` names it;
// returns how many. They are valid until the answer is given.
enum { HTTP_MAX_GRANT = 4 };
size_t http_grant(const struct http_exchange *exchange, struct http_header headers[HTTP_MAX_GRANT]);

// Answers with a stream that stays open; the handle is valid until http_stream_close.
struct http_stream *http_reply_stream(struct http_exchange *exchange, int status,
                                      const struct http_header *headers, size_t header_count);

// False when the reader has gone, or has left 256 KiB unread and was cut off.
bool http_stream_write(struct http_stream *stream, const char *bytes, size_t len);
// Looks whether the client is still there: a call of the kernel. Half-closed is gone.
bool http_stream_alive(struct http_stream *stream);
// Sends what is left, ends the answer and gives the handle back.
void http_stream_close(struct http_stream *stream);

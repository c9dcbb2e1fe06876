// An HTTP client on a libuv loop by curl's multi interface: HTTP/1.1 and https, keep-alive,
// deadlines, caps, cancel; and mail by SMTP, with the same deadlines and callback. Loop thread
// only. curl is used in http_client.c alone.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "buf.h"
#include "err.h"

struct http_client;

struct http_client_limits {
    long max_connections; // all hosts together; further calls wait inside curl
    long max_per_host;    // connections to one host
    size_t max_in_flight; // calls started and not ended; one more is refused at once
};

MUST_CHECK int http_client_new(struct http_client **client, uv_loop_t *loop,
                               const struct http_client_limits *limits, struct err *err);

// Cancels every call (each gets its callback with HTTP_CALL_CANCELLED), closes the loop handles and
// frees the client after the loop has closed them. The loop must run until then.
void http_client_free(struct http_client *client);

struct http_call;
struct http_call_reply;

struct http_call_header {
    const char *name;
    const char *value;
};

// Everything is copied by http_client_start.
struct http_call_request {
    const char *method;
    const char *url; // http, https, smtp or smtps; no other scheme; redirects are never followed
    const struct http_call_header *headers;
    size_t header_count;
    const char *body; // NULL: none
    size_t body_len;
    long connect_timeout_ms; // 0: 2,000
    long timeout_ms;         // of the whole call; 0: 5,000
    size_t max_reply;        // bytes of body; a longer one ends as HTTP_CALL_TOO_LARGE; 0: 1 MiB
    // Set for an address that a user chose: every resolved address that is not public unicast
    // (loopback, private, link-local, multicast, CGNAT, mapped or embedded IPv4 of those, ::, 0/8)
    // is refused before connecting, so that no name or redirect leads inside.
    int public_only;
    // A mail (smtp and smtps): the envelope; body is the message (RFC 5322). STARTTLS is used where
    // the server offers it. The reply's status is the server's last (250: taken).
    const char *mail_from; // NULL: not a mail
    const char *const *mail_to;
    size_t mail_to_count;
    const char *user, *password; // NULL: none
    // Set to read the reply as it comes: called once its head is there, and whenever bytes came
    // that http_client_take may take; from the loop, never from inside a function of this client.
    // The reply is borrowed until it returns.
    void (*on_part)(void *user, const struct http_call_reply *reply);
    size_t max_unread; // bytes not taken, from which on nothing is read from the peer; 0: 64 KiB
};

enum http_call_outcome {
    HTTP_CALL_OK,          // a complete reply of any status
    HTTP_CALL_UNREACHABLE, // no name, refused, reset, TLS failure, refused by public_only
    HTTP_CALL_TIMEOUT,
    HTTP_CALL_TOO_LARGE,
    HTTP_CALL_CANCELLED,
};

struct http_call_reply {
    enum http_call_outcome outcome;
    const char *error; // a sentence when outcome is not OK, else NULL
    int status;
    struct http_field_copy {
        char *name; // lower case
        char *value;
    } * headers;
    size_t header_count;
    struct buf body;
};

// Exactly one call back per started call, from the loop, never from inside http_client_start.
// The reply is borrowed until the callback returns.
typedef void (*http_call_done)(void *user, const struct http_call_reply *reply);

// Fails at once (-1, no callback) on a bad URL, method or header, or when max_in_flight is reached.
// *call identifies it for http_client_cancel and http_client_take until the callback has run.
MUST_CHECK int http_client_start(struct http_client *client,
                                 const struct http_call_request *request, http_call_done done,
                                 void *user, struct http_call **call, struct err *err);
void http_client_cancel(struct http_call *call);

// Moves what has come of the body and was not taken into `out`, which must be empty; the caller
// frees it. What is left at the end comes with the callback.
void http_client_take(struct http_call *call, struct buf *out);

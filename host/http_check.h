// Checks on a request head that libmicrohttpd 0.9.75 does not make itself, as pure functions.
// The rules are those of RFC 9110 and RFC 9112; what HTTP/1.1 forbids is 400 and the connection
// ends.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct http_field {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};

struct http_head {
    const char *method;
    const char *target;  // as received, before any decoding
    const char *version; // as received: "HTTP/1.1"
    const struct http_field *fields;
    size_t field_count;
    size_t head_size; // bytes of request line and headers together; 0 when unknown
};

struct http_verdict {
    int status;         // 0: the head is good
    const char *reason; // a constant sentence for the sender, NULL when good
    bool has_body;      // Content-Length over 0, or chunked
    bool chunked;
    size_t content_length; // 0 without one
};

#define HTTP_MAX_TARGET 8192
#define HTTP_MAX_FIELDS 100
#define HTTP_MAX_HEAD 16384

// 400: bad method token, bad target (not origin-form, or "*" without OPTIONS; control bytes, space,
// non-ASCII, "%" without two hex digits, %00, "#"), bad field name, NUL/CR/LF or other control byte
// but HTAB in a value, no Host or more than one (HTTP/1.1), bad Host value, several or differing
// Content-Length, a Content-Length that is not digits or overflows, Content-Length together with
// Transfer-Encoding, any Transfer-Encoding on HTTP/1.0, two Authorization fields.
// 414: target over HTTP_MAX_TARGET. 431: more than HTTP_MAX_FIELDS fields or head over
// HTTP_MAX_HEAD. 413: Content-Length over body_limit. 505: a version other than HTTP/1.0 and
// HTTP/1.1. 501: a Transfer-Encoding other than exactly "chunked" is 400 by the contract, not 501.
struct http_verdict http_check(const struct http_head *head, size_t body_limit);

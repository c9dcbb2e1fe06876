// A strict RFC 8259 reader that reports what it meets. Refused, each with its own message: anything
// but one value with white space around it, NaN and Infinity, hex, leading zeros, a bare or
// trailing comma, comments, single quotes, raw control bytes in strings, bad escapes, lone
// surrogates, bad UTF-8 (overlong and surrogate forms too), NUL (raw or as \u0000), a repeated key
// in one object, nesting over JSON_MAX_DEPTH, a byte order mark, numbers longer than 64 bytes or
// outside the finite range of a double. Pure C, no Lua, no allocation but a scratch buffer for
// unescaped strings and keys seen.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define JSON_MAX_DEPTH 32

// Called in document order. Strings are unescaped and borrowed until the callback returns. After
// on_key comes its value. Containers are bracketed by begin and end; end tells the number of
// elements.
struct json_handler {
    void (*on_null)(void *user);
    void (*on_boolean)(void *user, bool value);
    void (*on_number)(void *user, double value);
    void (*on_string)(void *user, const char *text, size_t len);
    void (*on_key)(void *user, const char *text, size_t len);
    void (*on_object_begin)(void *user);
    void (*on_object_end)(void *user, size_t count);
    void (*on_array_begin)(void *user);
    void (*on_array_end)(void *user, size_t count);
};

// Checks the whole document first and calls the handler only when all of it is good, so that a
// handler never sees half a bad document. A handler must return (no longjmp).
// handler may be NULL: only check. On failure err says what and at which byte offset, in plain
// English for the sender: "repeated key \"title\" at byte 17".
MUST_CHECK int json_parse(const char *text, size_t len, const struct json_handler *handler,
                          void *user, struct err *err);

// Walks over a text that json_parse took, without reading what it means. From the start of a value
// (or white space before it) to the offset behind it; len when the text is not what it should be.
size_t json_skip_value(const char *text, size_t len, size_t at);
// The offset of the next byte that is no white space.
size_t json_skip_space(const char *text, size_t len, size_t at);

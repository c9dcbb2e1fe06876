// A byte string that grows. Zero-initialised is empty and owns nothing. Out of memory aborts.
// The bytes are always followed by a NUL that is not counted, so `data` is a C string when it
// holds none itself; `data` is NULL until the first byte is added.
#pragma once

#include <stddef.h>

struct buf {
    char *data;
    size_t len; // bytes in use
    size_t cap; // bytes allocated, the NUL included
};

void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_adds(struct buf *buf, const char *text);
void buf_addc(struct buf *buf, char c);
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Adds text as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD.
void buf_add_json(struct buf *buf, const char *text, size_t len);

// Forgets the content, keeps the memory.
void buf_clear(struct buf *buf);

// Frees the memory; the buffer is empty and usable afterwards.
void buf_free(struct buf *buf);

// malloc and friends that abort with a log line instead of returning NULL.
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len);
// What a library has made and gives NULL for when there is no memory: it, or the same end.
void *xtaken(void *made);
__attribute__((noreturn)) void out_of_memory(void);

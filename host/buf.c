#include "buf.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

// A log line takes memory too: when there is none even for that, a constant one has to do.
void out_of_memory(void) {
    static const char LAST[] = "{\"level\":\"error\",\"msg\":\"out of memory\"}\n";
    static _Thread_local bool again;
    if (again) {
        ssize_t written = write(STDERR_FILENO, LAST, sizeof LAST - 1);
        (void)written; // the abort says it as well
        abort();
    }
    again = true;
    log_event(LOG_ERROR, "out of memory", NULL);
    abort();
}

void *xmalloc(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *xcalloc(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *xrealloc(void *old, size_t size) {
    void *memory = realloc(old, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *xtaken(void *made) {
    if (!made)
        out_of_memory();
    return made;
}

char *xstrndup(const char *text, size_t len) {
    char *copy = xmalloc(len + 1);
    memcpy(copy, text, len);
    copy[len] = 0;
    return copy;
}

char *xstrdup(const char *text) {
    return xstrndup(text, strlen(text));
}

// Room for `more` bytes and the NUL.
static void reserve(struct buf *buf, size_t more) {
    if (more > SIZE_MAX / 2 - buf->len)
        out_of_memory();
    size_t need = buf->len + more + 1;
    if (need <= buf->cap)
        return;
    size_t cap = buf->cap ? buf->cap : 64;
    while (cap < need)
        cap *= 2;
    buf->data = xrealloc(buf->data, cap);
    buf->cap = cap;
}

void buf_add(struct buf *buf, const void *bytes, size_t len) {
    reserve(buf, len);
    if (len > 0)
        memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = 0;
}

void buf_adds(struct buf *buf, const char *text) {
    buf_add(buf, text, strlen(text));
}

void buf_addc(struct buf *buf, char c) {
    buf_add(buf, &c, 1);
}

void buf_addf(struct buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        reserve(buf, (size_t)len);
        vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

// The length of the UTF-8 sequence at text, 0 when it is not one (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
static size_t utf8_len(const unsigned char *text, size_t left) {
    unsigned char a = text[0];
    if (a < 0x80)
        return 1;
    size_t len = a >= 0xC2 && a <= 0xDF   ? 2
                 : a >= 0xE0 && a <= 0xEF ? 3
                 : a >= 0xF0 && a <= 0xF4 ? 4
                                          : 0;
    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    unsigned char b = text[1];
    if ((a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F) || (a == 0xF0 && b < 0x90) ||
        (a == 0xF4 && b > 0x8F))
        return 0;
    return len;
}

void buf_add_json(struct buf *buf, const char *text, size_t len) {
    const unsigned char *bytes = (const unsigned char *)text;
    buf_addc(buf, '"');
    for (size_t i = 0; i < len;) {
        unsigned char c = bytes[i];
        size_t sequence = utf8_len(bytes + i, len - i);
        if (c == '"' || c == '\\')
            buf_addf(buf, "\\%c", c);
        else if (c < 0x20 || c == 0x7F)
            buf_addf(buf, "\\u%04x", c);
        else if (sequence == 0)
            buf_adds(buf, "\xEF\xBF\xBD");
        else
            buf_add(buf, bytes + i, sequence);
        i += sequence ? sequence : 1;
    }
    buf_addc(buf, '"');
}

void buf_clear(struct buf *buf) {
    buf->len = 0;
    if (buf->data)
        buf->data[0] = 0;
}

void buf_free(struct buf *buf) {
    free(buf->data);
    *buf = (struct buf){0};
}

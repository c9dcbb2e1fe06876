#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"

enum { MAX_VALUE = 2048, MAX_LINE = 16384 };

static const char *const NAMES[] = {"debug", "info", "warn", "error"};
static _Atomic int threshold = LOG_INFO;
static _Thread_local struct log_context context = {.worker = -1};

void log_set_level(enum log_level level) {
    atomic_store(&threshold, (int)level);
}

bool log_enabled(enum log_level level) {
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

int log_level_parse(const char *word) {
    for (int i = 0; i < 4; i++)
        if (strcmp(word, NAMES[i]) == 0)
            return i;
    return -1;
}

struct log_context *log_context(void) {
    return &context;
}

static void add_pair(struct buf *line, const char *key, const char *value) {
    if (!value)
        return;
    size_t len = strnlen(value, MAX_VALUE);
    buf_addc(line, ',');
    buf_add_json(line, key, strlen(key));
    buf_addc(line, ':');
    buf_add_json(line, value, len);
}

static void begin(struct buf *line, enum log_level level, const char *message, size_t len) {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    buf_addf(line, "{\"ts\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"level\":\"%s\",\"msg\":",
             utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
             now.tv_nsec / 1000000, NAMES[level]);
    buf_add_json(line, message, len < MAX_VALUE ? len : MAX_VALUE);
    add_pair(line, "service", context.service);
    if (context.worker >= 0)
        buf_addf(line, ",\"worker\":%d", context.worker);
    add_pair(line, "request_id", context.request_id);
    add_pair(line, "traceparent", context.traceparent);
}

// One write(2), so that lines of several threads do not mix. A line that would not fit the limit is
// cut before the members that are too many, and says so.
static void end(struct buf *line, size_t keep) {
    if (line->len + 2 > MAX_LINE) {
        line->len = keep;
        buf_adds(line, ",\"cut\":true");
    }
    buf_adds(line, "}\n");
    ssize_t written = write(STDERR_FILENO, line->data, line->len);
    (void)written; // there is nowhere left to say that logging failed
    buf_free(line);
}

void log_event(enum log_level level, const char *message, ...) {
    if (!log_enabled(level))
        return;
    struct buf line = {0};
    begin(&line, level, message, strlen(message));
    size_t keep = line.len;
    va_list args;
    va_start(args, message);
    for (const char *key; (key = va_arg(args, const char *));)
        add_pair(&line, key, va_arg(args, const char *));
    va_end(args);
    end(&line, keep);
}

void log_event_json(enum log_level level, const char *message, size_t message_len,
                    const char *members, size_t members_len) {
    if (!log_enabled(level))
        return;
    struct buf line = {0};
    begin(&line, level, message, message_len);
    size_t keep = line.len;
    if (members_len > 0) {
        buf_addc(&line, ',');
        buf_add(&line, members, members_len);
    }
    end(&line, keep);
}

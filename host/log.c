#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"

enum { MAX_VALUE = 2048, MAX_LINE = 16384, LINE_END = sizeof ",\"cut\":true}\n" - 1 };

static const char *const NAMES[] = {"debug", "info", "warn", "error"};
static _Atomic int threshold = LOG_INFO;
static _Thread_local struct log_context context = {.worker = -1};
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

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

// A line that grows. What no longer fits is left out whole, and the line says so.
struct line {
    struct buf text;
    bool cut;
};

static void keep_if_fits(struct line *line, size_t before) {
    if (line->text.len + LINE_END <= MAX_LINE)
        return;
    line->text.len = before;
    line->cut = true;
}

static void add_pair(struct line *line, const char *key, const char *value) {
    if (!value)
        return;
    size_t before = line->text.len;
    buf_addc(&line->text, ',');
    buf_add_json(&line->text, key, strlen(key));
    buf_addc(&line->text, ':');
    buf_add_json(&line->text, value, strnlen(value, MAX_VALUE));
    keep_if_fits(line, before);
}

// A message of MAX_VALUE bytes fits even if each of them takes the six of an escape.
static void begin(struct line *line, enum log_level level, const char *message, size_t len) {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    buf_addf(&line->text,
             "{\"ts\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"level\":\"%s\",\"msg\":",
             utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
             now.tv_nsec / 1000000, NAMES[level]);
    buf_add_json(&line->text, message, len < MAX_VALUE ? len : MAX_VALUE);
    add_pair(line, "service", context.service);
    size_t before = line->text.len;
    if (context.worker >= 0)
        buf_addf(&line->text, ",\"worker\":%d", context.worker);
    keep_if_fits(line, before);
    add_pair(line, "request_id", context.request_id);
    add_pair(line, "traceparent", context.traceparent);
}

// One write(2) as a rule. A pipe takes a long line in pieces, between which there must be none of
// another thread.
static void end(struct line *line) {
    buf_adds(&line->text, line->cut ? ",\"cut\":true}\n" : "}\n");
    const char *text = line->text.data;
    pthread_mutex_lock(&writing);
    for (size_t left = line->text.len; left > 0;) {
        ssize_t written = write(STDERR_FILENO, text, left);
        if (written < 0 && errno != EINTR)
            break; // there is nowhere left to say that logging failed
        text += written > 0 ? written : 0;
        left -= written > 0 ? (size_t)written : 0;
    }
    pthread_mutex_unlock(&writing);
    buf_free(&line->text);
}

void log_event(enum log_level level, const char *message, ...) {
    if (!log_enabled(level))
        return;
    struct line line = {0};
    begin(&line, level, message, strlen(message));
    va_list args;
    va_start(args, message);
    for (const char *key; (key = va_arg(args, const char *));)
        add_pair(&line, key, va_arg(args, const char *));
    va_end(args);
    end(&line);
}

void log_event_json(enum log_level level, const char *message, size_t message_len,
                    const char *members, size_t members_len) {
    if (!log_enabled(level))
        return;
    struct line line = {0};
    begin(&line, level, message, message_len);
    size_t before = line.text.len;
    if (members_len > 0) {
        buf_addc(&line.text, ',');
        buf_add(&line.text, members, members_len);
    }
    keep_if_fits(&line, before);
    end(&line);
}

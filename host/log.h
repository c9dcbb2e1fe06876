// One JSON object a line on standard error, written whole by one write(2). Keys, in this order:
// ts (RFC 3339, UTC, ms), level, msg, service, worker, request_id, traceparent, then the caller's.
// Values are escaped (no CR, LF or control byte survives raw) and cut at 2 KiB; a line at 16 KiB.
// Any thread may log.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// LOG_NONE is for log_set_level alone: nothing is logged.
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE };

// What this thread is working on; each string is borrowed and may be NULL. The worker sets it
// before it runs a fiber and clears it afterwards.
struct log_context {
    const char *service;
    int worker; // -1: none
    const char *request_id;
    const char *traceparent;
};

// Lines below `level` are dropped. The default is LOG_INFO.
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

// "debug", "info", "warn", "error" -> level; -1 for any other word.
int log_level_parse(const char *word);

// This thread's context; never NULL.
struct log_context *log_context(void);

// log_event(LOG_WARN, "database lost", "host", name, "state", sqlstate, NULL):
// pairs of C strings, closed by one NULL; a NULL value leaves its pair out.
void log_event(enum log_level level, const char *message, ...) __attribute__((sentinel));

// The same with the caller's pairs already rendered as JSON members, `"a":1,"b":"x"` (may be
// empty).
void log_event_json(enum log_level level, const char *message, size_t message_len,
                    const char *members, size_t members_len);

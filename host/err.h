// How a function that can fail says why: one sentence for the operator, no allocation.
// A function returns 0, or -1 with err filled; err may not be NULL.
#pragma once

#define MUST_CHECK __attribute__((warn_unused_result))

struct err {
    char text[512];
};

// Writes a printf-style sentence into err and returns -1, so that a caller can `return err_set(…)`.
int err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Makes it one line: of a traceback only what it is about.
void err_one_line(struct err *err);

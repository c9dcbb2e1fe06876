// What of the scripts, of the rules and of the candidate rules is live, for those who ask: one
// record each for the whole process, told by whoever loads and read by any thread; and their
// metrics.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bundle.h"

// The last is of the rules that run beside the live ones.
enum revision_kind { REVISION_SCRIPTS, REVISION_RULES, REVISION_SHADOW, REVISION_KINDS };

enum { REVISION_HISTORY = 5 };

struct revision_past {
    char revision[BUNDLE_REVISION];
    int64_t loaded_ms; // Unix time; 0: before this program started
    bool taken_back;   // by itself or by an operator, and not live again since
};

struct revision_state {
    char revision[BUNDLE_REVISION]; // live; "": none
    int64_t loaded_ms;
    char state[24];  // a word: "loaded"; "failed": a newer one was refused; others as told
    char error[512]; // what is wrong with what is not live, with file and line; "": nothing
    char refused[BUNDLE_REVISION]; // the revision that the error is about; "": none was read
    struct revision_past past[REVISION_HISTORY]; // live before, the latest first
    int past_count;
    uint64_t loads, failures;     // since start
    uint64_t calls, failed_calls; // of the rules that are live
};

// Declares the metrics, once, before any other call.
void revision_init(void);

// A revision is live. state: a word for it; why: what the operator should know, or NULL.
void revision_loaded(enum revision_kind kind, const char *revision, const char *state,
                     const char *why);

// Another (NULL: it could not even be read) was refused, and nothing has changed.
void revision_refused(enum revision_kind kind, const char *revision, const char *why);

// What was refused has been taken back: the folder holds what is live.
void revision_settled(enum revision_kind kind);

void revision_read(enum revision_kind kind, struct revision_state *state);

// A revision (bad) has proved to be so, and the one before it is live again.
void revision_returned(enum revision_kind kind, const char *revision, const char *bad,
                       const char *why);

// A revision that is not live has been taken back, now or before this program started.
void revision_taken_back(enum revision_kind kind, const char *revision);

// Counts a call of a business rule, and one that failed, or gave what is of no use. Any thread.
void revision_count_call(void);
void revision_count_failure(void);
// The numbers since start.
void revision_calls(uint64_t *calls, uint64_t *failures);

// Frees the metrics.
void revision_deinit(void);

// For tests of what changes while the program runs, and is told by revision.h: a group's set-up.
#pragma once

#include "test.h"

#include "revision.h"

static inline int revision_setup(void **state) {
    (void)state;
    revision_init();
    return 0;
}

static inline int revision_teardown(void **state) {
    (void)state;
    revision_deinit();
    return 0;
}

static inline struct revision_state told(enum revision_kind kind) {
    struct revision_state state;
    revision_read(kind, &state);
    return state;
}

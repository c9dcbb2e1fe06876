// Rules that were live before, kept so that an operator can have them back. The reload thread keeps
// them and takes orders; any thread may ask. One for the process.
#pragma once

#include <stdbool.h>

#include "err.h"
#include "rules_bundle.h"

// `wake` is called with `user` when there is an order, be it from before, and must bring the reload
// thread to rollback_take.
void rollback_open(void (*wake)(void *user), void *user);

// The reload thread: these rules are live no longer. failed: they were taken back, so they are not
// what "the last good ones" means.
void rollback_keep(struct rules_bundle *bundle, bool failed);

// Any thread: asks for a revision, by its first 6 or more characters, or "": the last good one that
// is not `live`. -1: it is not held, or another order is under way.
MUST_CHECK int rollback_ask(const char *revision, const char *live, struct err *err);

// The reload thread: what was asked for, with a reference, or NULL; then how it went.
struct rules_bundle *rollback_take(void);
void rollback_done(const struct err *err); // NULL: done

// Any thread: whether an order is under way; once it is not, err of the last one (empty: done).
bool rollback_is_pending(struct err *err);

void rollback_close(void);

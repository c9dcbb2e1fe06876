// Settings from a secret store, asked of the sidecar once at start, before the settings are
// checked. SECRET_STORE says how they lie there: "STORE/SECRET" is one secret whose keys are
// settings (one call that needs the right to that secret alone); "STORE" is a store where each
// setting is a secret of its own, all of which are read in one call (bulk), because one by one a
// secret that is absent cannot be told from a store that fails. Blocks; before any thread is
// started.
#pragma once

#include "config.h"
#include "err.h"

struct secrets;

// config: the environment as it is, checked, with SECRET_STORE in it. Waits at most 30 s for the
// sidecar, and says so in the log. -1: it is not there, refuses, or answers nonsense; err begins
// with SECRET_STORE and holds no secret.
MUST_CHECK int secrets_fetch(struct secrets **secrets, const struct config *config,
                             struct err *err);

// A config_store's find; user is the struct secrets.
const char *secrets_find(const void *user, const char *name);

// Overwrites the values first.
void secrets_free(struct secrets *secrets);

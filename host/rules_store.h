// The last good copies of the rules on disk, for a start at which the folder holds none: a file
// each, named by a number that grows and the revision, in a folder of their own. A file is written
// beside its place, brought to the disk and renamed, so that it is whole or not there. Beside them
// is a list of the revisions that were taken back, which a start does not take from the folder. One
// thread at a time. Blocks on the disk.
#pragma once

#include <stdbool.h>

#include "err.h"
#include "rules_bundle.h"

enum { RULES_STORE_KEPT = 3, RULES_STORE_BANNED = 32 };

// Makes the bundle the latest of the copies in state_folder/rules, and removes all but the last
// few. Does nothing when it is the latest already.
MUST_CHECK int rules_store_put(const char *state_folder, const struct rules_bundle *bundle,
                               struct err *err);

// The revision was taken back: its copies are removed, and it is remembered, and why (one line).
// Of more than RULES_STORE_BANNED such revisions the first are forgotten.
MUST_CHECK int rules_store_ban(const char *state_folder, const char *revision, const char *why,
                               struct err *err);

// It may be taken again. Does nothing when it is not remembered.
MUST_CHECK int rules_store_allow(const char *state_folder, const char *revision, struct err *err);

// Whether it is remembered; why is then as it was told.
bool rules_store_is_banned(const char *state_folder, const char *revision, struct err *why);

// Calls with the copies, the latest first, until one is taken (true). A copy that is damaged, or
// cannot be read, is passed over with a log line. False: none was taken.
bool rules_store_find(const char *state_folder,
                      bool (*take)(void *user, struct rules_bundle *bundle), void *user);

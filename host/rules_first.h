// Which rules a program starts with: those of their folder or, where that holds none that work, or
// rules that were taken back before, the last good copy of them (rules_store.h), with STATE_DIR
// set. Any thread, before the workers start.
#pragma once

#include "bundle.h"
#include "config.h"
#include "err.h"
#include "rules_bundle.h"
#include "script.h"

// The folder of the rules, as the settings say; free it.
char *rules_first_folder(const struct config *config);

// Whether the rules load and their examples come true in each of the services that ask them.
MUST_CHECK int rules_first_try(const struct config *config, struct bundle *scripts,
                               const struct script_service *services, int count,
                               struct rules_bundle *rules, struct err *err);

// Sets rules, and tells revision.h. NULL: there is no folder, and none was named by RULES_DIR. With
// a copy, refused is the revision of what the folder holds ("": it could not be read).
MUST_CHECK int rules_first_read(const struct config *config, struct bundle *scripts,
                                const struct script_service *services, int count,
                                struct rules_bundle **rules, char refused[BUNDLE_REVISION],
                                struct err *err);

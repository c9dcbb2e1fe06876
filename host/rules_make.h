// Makes a generation of rules for each of some workers, on threads of its own: a worker whose loop
// made it would keep its requests waiting meanwhile, and rules that loop while they load all the
// more.
#pragma once

#include "err.h"
#include "rules.h"

struct rules_make;

// Begins to make one for each place that wants one: wanted[i] names its files as rules_limits.only
// does ("": all), NULL: none. live: as in rules_new_after. The array is copied, its strings outlive
// the making, the bundles are held.
struct rules_make *rules_make_start(struct rules_bundle *bundle, struct rules_bundle *live,
                                    const char *const *wanted, int count);

// Waits for the one at a place, which the caller may use until the end. NULL: none is wanted there,
// or some could not be made, and the end says why.
struct rules *rules_make_first(struct rules_make *make, int place);

// Waits for all of them, and frees. 0: made[i] is each wanted one, and now the caller's; NULL for
// the others. -1: none is left.
MUST_CHECK int rules_make_end(struct rules_make *make, struct rules **made, struct err *err);

// Makes a VM of the rules for each of some workers, on threads of its own: a worker whose loop made
// it would keep its requests waiting meanwhile, and rules that loop while they load all the more.
#pragma once

#include <stdbool.h>

#include "err.h"
#include "rules.h"

struct rules_make;

// Begins to make one VM for each place where wanted says so. The arrays are copied, the bundle is
// held.
struct rules_make *rules_make_start(struct rules_bundle *bundle, const bool *wanted, int count);

// Waits for all of them, and frees. 0: made[i] is each wanted one, and now the caller's; NULL for
// the others. -1: none is left.
MUST_CHECK int rules_make_end(struct rules_make *make, struct rules **made, struct err *err);

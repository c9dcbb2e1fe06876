// The services of the process and their workers, as the one thread knows them that changes what
// they run; and such a change: all the workers concerned prepare it, and then all take it, or none.
#pragma once

#include <stdbool.h>

#include "bundle.h"
#include "err.h"
#include "rules.h"
#include "script.h"
#include "worker.h"

struct fleet;

struct fleet_service {
    struct script_service declared;
    struct bundle *scripts; // what its workers run; NULL until somebody sets it; held
};

// The arrays are copied, the workers outlive the fleet. service_of: by worker, the index of its
// service.
struct fleet *fleet_new(struct worker *const *workers, const int *service_of, int worker_count,
                        int service_count);
void fleet_free(struct fleet *fleet);

int fleet_service_count(const struct fleet *fleet);
struct fleet_service *fleet_service(struct fleet *fleet, int index);

int fleet_worker_count(const struct fleet *fleet);
int fleet_service_of(const struct fleet *fleet, int worker);

// What a worker gets in a change. All NULL: it is not concerned.
struct fleet_part {
    struct bundle *scripts;     // these,
    struct rules_bundle *rules; // or these rules,
    struct rules *made;         // and what is made of them (or NULL): the change's from then on
};

// One part for each worker. Waits for their answers, but not for ever. When the outcome is not
// WORKER_DONE, err is set, and `began` says whether some may run what is new.
MUST_CHECK enum worker_outcome fleet_change(struct fleet *fleet, struct fleet_part *parts,
                                            bool *began, struct err *err);

// Which services of the scripts folder this process is about, and the ports they listen on.
#pragma once

#include "bundle.h"
#include "config.h"
#include "err.h"
#include "rules_bundle.h"
#include "script.h"

enum { MAX_SERVICES = 32 };

// Zero-initialised holds nothing.
struct services {
    struct script_service list[MAX_SERVICES];
    int count;
    struct bundle *scripts;              // that they were read from
    struct rules_bundle *rules;          // NULL: not read, or there are none
    char rules_refused[BUNDLE_REVISION]; // what their folder holds, where they are a copy
};

// Read the scripts and what the services declare: all that have a service.lua, by port; or these.
MUST_CHECK int services_find_all(const struct config *config, struct services *services,
                                 struct err *err);
MUST_CHECK int services_find_named(const struct config *config, char *const *names, int count,
                                   struct services *services, struct err *err);

// Lets go what was read, also after a failure.
void services_release(struct services *services);

// The port to listen on where `port` is declared: PORT moves all of them. 0 stays 0.
int services_port(const struct config *config, int port);

// Fails where somebody else listens already.
MUST_CHECK int services_check_ports(const struct config *config, const struct services *services,
                                    struct err *err);

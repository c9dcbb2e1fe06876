// A request on its way: its handler runs in a fiber of the generation that is live when it comes,
// and its answer goes out from there, whatever has become live meanwhile. Loop thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generation.h"
#include "http_server.h"
#include "meters.h"

struct request_options {
    struct meters *meters;
    int port;        // that it came through
    bool inner;      // which is the sidecar's
    size_t limit;    // of fibers; above it the answer is 503
    uint64_t random; // for its id, when the client gives none
};

void request_start(struct generation *generation, struct http_exchange *exchange,
                   const struct http_request *request, const struct request_options *options);

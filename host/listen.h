// Listening sockets.
#pragma once

#include <stdbool.h>

#include "err.h"

// A non-blocking listening socket on a literal IPv4 or IPv6 address; the caller closes it.
// shared: with SO_REUSEPORT, so that several workers have one each on the same port.
// -1 and one line in err when it cannot be had.
MUST_CHECK int listen_open(const char *address, int port, bool shared, struct err *err);

// True when nobody listens there yet, which SO_REUSEPORT would not tell; else err says why.
bool listen_is_free(const char *address, int port, struct err *err);

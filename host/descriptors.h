// The limit of open descriptors, and how many of them are for connections of clients: once they run
// out nothing can be accepted, neither by the port of the sidecar nor a probe.
#pragma once

// Raises the soft limit, which is often 1,024, to the hard one.
void descriptors_raise(void);

// The most connections that each listener of a worker may have (max_connections of http_server.h),
// at most `wanted`, when `workers` share the process. own: descriptors that a worker has for
// itself.
unsigned descriptors_share(unsigned wanted, int workers, int own);

// Whether an address is public unicast, so that a call for a user may go there.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

// False for loopback, private, link-local, multicast, CGNAT, ::, 0/8, for IPv4 addresses of those
// mapped or embedded in IPv6, and for other families. Any thread.
bool public_address_is(const struct sockaddr *address);

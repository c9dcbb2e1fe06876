// Time zones from the system's tz database (TZif files, RFC 8536, with the POSIX rule of the footer
// for the years after the last listed change). A zone is immutable once loaded and lives until the
// program ends, so any thread may use it.
#pragma once

#include <stdint.h>

struct zone;

// NULL when there is no such IANA name. Loads a zone at its first use, under a lock.
const struct zone *zone_find(const char *name);

// Seconds east of UTC at an instant (seconds since 1970 UTC).
int zone_offset(const struct zone *zone, int64_t utc);

// The instant of a local time, given as seconds since 1970 as if it were UTC. A time that happens
// twice is the first; one that a jump forward skips is read with the offset before the jump, so it
// moves on by the length of the jump (RFC 5545, 3.3.5).
int64_t zone_to_utc(const struct zone *zone, int64_t local);

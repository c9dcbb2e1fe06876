// Packing what is sent many times, such as the files of the page.
#pragma once

#include <stddef.h>

#include "buf.h"

// Any thread. Appends `data` to `out` in gzip's format (RFC 1952), packed as tightly as it goes:
// slow, so do it once. The same bytes give the same result.
void gzip_pack(const char *data, size_t len, struct buf *out);

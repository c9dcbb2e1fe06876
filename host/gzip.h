// Packing what is sent, such as the files of the page.
#pragma once

#include <stddef.h>

#include "buf.h"

enum { GZIP_FAST = 1, GZIP_TIGHT = 9 };

// Any thread. Appends `data` to `out` in gzip's format (RFC 1952). `level` is from GZIP_FAST (about
// 300 MB/s) to GZIP_TIGHT (a sixth of it). The same bytes and level give the same result.
void gzip_pack(const char *data, size_t len, int level, struct buf *out);

#include "gzip.h"

#include <assert.h>
#include <limits.h>
#define ZLIB_CONST // its input is not written to
#include <zlib.h>

enum { GZIP = 16 }; // added to the window's bits: the header and trailer of gzip, not zlib's

void gzip_pack(const char *data, size_t len, int level, struct buf *out) {
    z_stream stream = {0};
    assert(len <= INT_MAX);
    int status = deflateInit2(&stream, level, Z_DEFLATED, MAX_WBITS + GZIP, 9, Z_DEFAULT_STRATEGY);
    assert(status == Z_OK); // else out of memory, which aborts
    stream.next_in = (const Bytef *)data;
    stream.avail_in = (uInt)len;
    char chunk[16384];
    do {
        stream.next_out = (Bytef *)chunk;
        stream.avail_out = sizeof chunk;
        status = deflate(&stream, Z_FINISH);
        assert(status == Z_OK || status == Z_STREAM_END);
        buf_add(out, chunk, sizeof chunk - stream.avail_out);
    } while (status != Z_STREAM_END);
    deflateEnd(&stream);
}

#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "gzip.h"

static void assert_comes_back_from(const char *data, size_t len, int level) {
    struct buf packed = {0};
    gzip_pack(data, len, level, &packed);
    char *back = malloc(len + 1);
    z_stream stream = {0};
    assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    stream.next_in = (Bytef *)packed.data;
    stream.avail_in = (uInt)packed.len;
    stream.next_out = (Bytef *)back;
    stream.avail_out = (uInt)len + 1;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, len);
    assert_memory_equal(back, data, len);
    assert_int_equal(stream.avail_in, 0);
    inflateEnd(&stream);
    free(back);
    buf_free(&packed);
}

static void assert_comes_back(const char *data, size_t len) {
    assert_comes_back_from(data, len, GZIP_FAST);
    assert_comes_back_from(data, len, GZIP_TIGHT);
}

static void test_nothing_comes_back_as_nothing(void **state) {
    (void)state;
    assert_comes_back("", 0);
}

static void test_bytes_of_any_kind_come_back(void **state) {
    (void)state;
    enum { LEN = 100000 }; // more than a chunk, also when packed
    char *data = malloc(LEN);
    unsigned seed = 1;
    for (size_t i = 0; i < LEN; i++) {
        seed = seed * 1103515245u + 12345u;
        data[i] = (char)(seed >> 16);
    }
    assert_comes_back(data, LEN);
    memset(data, 'a', LEN);
    assert_comes_back(data, LEN);
    free(data);
}

static void test_what_was_there_stays(void **state) {
    (void)state;
    struct buf out = {0};
    buf_addf(&out, "before");
    gzip_pack("x", 1, GZIP_TIGHT, &out);
    assert_memory_equal(out.data, "before\x1f\x8b", 8);
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_comes_back_as_nothing),
        cmocka_unit_test(test_bytes_of_any_kind_come_back),
        cmocka_unit_test(test_what_was_there_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"

static void test_grows_and_stays_terminated(void **state) {
    (void)state;
    struct buf buf = {0};
    for (int i = 0; i < 1000; i++)
        buf_addf(&buf, "%d,", i % 10);
    buf_add(&buf, "a\0b", 3);
    buf_adds(&buf, "");
    assert_int_equal(buf.len, 2003);
    assert_int_equal(buf.data[2003], 0);
    assert_memory_equal(buf.data + 2000, "a\0b", 3);
    buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf.data, "");
    buf_free(&buf);
    assert_null(buf.data);
}

static void assert_json(const char *text, size_t len, const char *expected) {
    struct buf buf = {0};
    buf_add_json(&buf, text, len);
    assert_string_equal(buf.data, expected);
    buf_free(&buf);
}

static void test_writes_json_strings(void **state) {
    (void)state;
    assert_json("", 0, "\"\"");
    assert_json("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    assert_json("\r\n\t\x1b\x7f", 5, "\"\\u000d\\u000a\\u0009\\u001b\\u007f\"");
    assert_json("a\0b", 3, "\"a\\u0000b\"");
    assert_json("\xC3\xA9\xF0\x9F\xA6\x8A", 6, "\"\xC3\xA9\xF0\x9F\xA6\x8A\"");
    assert_json("\xFFx\xC3", 3, "\"\xEF\xBF\xBDx\xEF\xBF\xBD\"");
    assert_json("\xC0\x80", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
    assert_json("\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void test_copies_strings(void **state) {
    (void)state;
    char *copy = xstrndup("hello", 4);
    assert_string_equal(copy, "hell");
    free(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_and_stays_terminated),
        cmocka_unit_test(test_writes_json_strings),
        cmocka_unit_test(test_copies_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

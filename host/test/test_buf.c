#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"

// realloc as the program under test sees it: the sanitizer's, or the C library's without one.
void *__interceptor_realloc(void *old, size_t size) __attribute__((weak));
void *__libc_realloc(void *old, size_t size) __attribute__((weak));
static bool no_memory;

void *realloc(void *old, size_t size) {
    if (no_memory)
        return NULL;
    return __interceptor_realloc ? __interceptor_realloc(old, size) : __libc_realloc(old, size);
}

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

// Also when there is no memory left for the line that says so.
static void test_out_of_memory_aborts_with_a_line(void **state) {
    (void)state;
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        no_memory = true;
        free(xrealloc(NULL, 10));
        _exit(0);
    }
    close(ends[1]);
    char text[4096];
    size_t len = 0;
    for (ssize_t more; (more = read(ends[0], text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)more;
    text[len] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_string_equal(text, "{\"level\":\"error\",\"msg\":\"out of memory\"}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_and_stays_terminated),
        cmocka_unit_test(test_writes_json_strings),
        cmocka_unit_test(test_copies_strings),
        cmocka_unit_test(test_out_of_memory_aborts_with_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "json.h"
#include "log.h"

// What was written to standard error between capture() and captured().
static FILE *file;
static int saved;
static char text[1 << 20];

static void capture(void) {
    file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fcntl(fileno(file), F_SETFL, O_APPEND), 0);
    saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    dup2(fileno(file), STDERR_FILENO);
}

static const char *captured(void) {
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

// The lines are JSON objects, none over 16 KiB; returns how many they are.
static int count_lines(const char *lines) {
    int count = 0;
    for (const char *end; (end = strchr(lines, '\n')); lines = end + 1, count++) {
        struct err err;
        if (json_parse(lines, (size_t)(end - lines), NULL, NULL, &err) != 0)
            fail_msg("%s: %.*s", err.text, (int)(end - lines), lines);
        assert_int_equal(lines[0], '{');
        assert_in_range(end + 1 - lines, 1, 16384);
    }
    assert_string_equal(lines, "");
    return count;
}

// One line that is, after its time, exactly this.
static void assert_line(const char *line, const char *expected) {
    assert_int_equal(count_lines(line), 1);
    const char *level = strstr(line, ",\"level\"");
    assert_non_null(level);
    assert_string_equal(level, expected);
}

static int setup(void **state) {
    (void)state;
    log_set_level(LOG_INFO);
    *log_context() = (struct log_context){.worker = -1};
    return 0;
}

static void test_writes_what_the_thread_works_on(void **state) {
    (void)state;
    *log_context() = (struct log_context){"a-service", 3, "r-1", "00-ab-cd-01"};
    capture();
    log_event(LOG_WARN, "lost", "host", "h", "gone", NULL, "state", "57P01", NULL);
    assert_line(captured(),
                ",\"level\":\"warn\",\"msg\":\"lost\",\"service\":\"a-service\",\"worker\":3,"
                "\"request_id\":\"r-1\",\"traceparent\":\"00-ab-cd-01\",\"host\":\"h\","
                "\"state\":\"57P01\"}\n");
    setup(NULL);
    capture();
    log_event_json(LOG_ERROR, "message", 4, "\"n\":1,\"b\":true", 14);
    assert_line(captured(), ",\"level\":\"error\",\"msg\":\"mess\",\"n\":1,\"b\":true}\n");
    capture();
    log_event_json(LOG_INFO, "m", 1, "", 0);
    assert_line(captured(), ",\"level\":\"info\",\"msg\":\"m\"}\n");
}

static time_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec;
}

static void test_tells_the_time(void **state) {
    (void)state;
    const time_t before = now(); // time() may lag behind by a tick
    capture();
    log_event(LOG_INFO, "now", NULL);
    const char *line = captured();
    struct tm utc = {0};
    const char *rest = strptime(line, "{\"ts\":\"%Y-%m-%dT%H:%M:%S.", &utc);
    assert_non_null(rest);
    assert_int_equal(strspn(rest, "0123456789"), 3);
    assert_memory_equal(rest + 3, "Z\"", 2);
    assert_in_range(timegm(&utc), before, now());
}

static void test_nothing_can_forge_a_line(void **state) {
    (void)state;
    log_context()->request_id = "a\"}\n{\"level\":\"info";
    capture();
    log_event(LOG_INFO, "a\r\nb", "k\n", "\x1b[31m\x7f\\\xFF", NULL);
    assert_line(captured(), ",\"level\":\"info\",\"msg\":\"a\\u000d\\u000ab\","
                            "\"request_id\":\"a\\\"}\\u000a{\\\"level\\\":\\\"info\","
                            "\"k\\u000a\":\"\\u001b[31m\\u007f\\\\\xEF\xBF\xBD\"}\n");
}

static void test_caps_values_and_lines(void **state) {
    (void)state;
    char *huge = xmalloc((1 << 20) + 1), *wild = xmalloc(4001);
    memset(huge, 'x', 1 << 20);
    memset(wild, 1, 4000);
    huge[1 << 20] = wild[4000] = 0;

    capture();
    log_event(LOG_INFO, huge, "value", huge, NULL);
    const char *line = captured();
    assert_int_equal(count_lines(line), 1);
    assert_in_range(strlen(line), 2 * 2048, 2 * 2048 + 200);
    assert_null(strstr(line, "\"cut\""));

    // Ten values fit by themselves but not together: those that do are kept, whole.
    capture();
    log_event(LOG_INFO, "m", "a", huge, "b", huge, "c", huge, "d", huge, "e", huge, "f", huge, "g",
              huge, "h", huge, "i", huge, "z", "last", NULL);
    line = captured();
    assert_int_equal(count_lines(line), 1);
    assert_non_null(strstr(line, "\"g\":\"xxx"));
    assert_null(strstr(line, "\"i\":"));
    assert_non_null(strstr(line, ",\"cut\":true}\n"));

    // Bytes that take six when escaped, in every place at once.
    *log_context() = (struct log_context){wild, 12345, wild, wild};
    capture();
    log_event(LOG_INFO, wild, "a", wild, "b", wild, NULL);
    log_event_json(LOG_INFO, wild, 4000, "\"a\":1", 5);
    line = captured();
    assert_int_equal(count_lines(line), 2);
    assert_non_null(strstr(line, "\"worker\":12345"));
    assert_non_null(strstr(line, ",\"cut\":true}\n"));

    setup(NULL);
    capture();
    struct buf members = {0};
    buf_add_json(&members, huge, 20000);
    buf_adds(&members, ":1");
    log_event_json(LOG_INFO, "m", 1, members.data, members.len);
    assert_line(captured(), ",\"level\":\"info\",\"msg\":\"m\",\"cut\":true}\n");
    buf_free(&members);
    free(huge);
    free(wild);
}

static void test_drops_lines_below_the_level(void **state) {
    (void)state;
    static const char *const WORDS[] = {"debug", "info", "warn", "error"};
    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
        assert_int_equal(log_level_parse(WORDS[level]), level);
        log_set_level((enum log_level)level);
        capture();
        for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
            assert_int_equal(log_enabled((enum log_level)i), i >= level);
            log_event((enum log_level)i, "m", NULL);
            log_event_json((enum log_level)i, "m", 1, "", 0);
        }
        assert_int_equal(count_lines(captured()), 2 * (4 - level));
    }
    assert_int_equal(log_level_parse(""), -1);
    assert_int_equal(log_level_parse("INFO"), -1);
    assert_int_equal(log_level_parse("information"), -1);
}

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *user) {
    if (log_context()->service) // that of the thread that started this one
        return user;
    log_context()->request_id = "r";
    for (int i = 0; i < LINES; i++)
        log_event(LOG_INFO, "line", "of", user, NULL);
    return NULL;
}

static void test_threads_do_not_mix(void **state) {
    (void)state;
    static char NAMES[THREADS][2] = {"a", "b", "c", "d"};
    pthread_t threads[THREADS];
    void *wrong[THREADS];
    log_context()->service = "mine";
    capture();
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, write_lines, NAMES[i]) != 0)
            abort();
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], &wrong[i]);
    const char *lines = captured();
    for (int i = 0; i < THREADS; i++)
        assert_null(wrong[i]);
    assert_int_equal(count_lines(lines), THREADS * LINES);
    assert_null(log_context()->request_id);
    int of_c = 0;
    for (const char *at = lines; (at = strstr(at, "\"of\":\"c\"")); at++)
        of_c++;
    assert_int_equal(of_c, LINES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_writes_what_the_thread_works_on, setup),
        cmocka_unit_test_setup(test_tells_the_time, setup),
        cmocka_unit_test_setup(test_nothing_can_forge_a_line, setup),
        cmocka_unit_test_setup(test_caps_values_and_lines, setup),
        cmocka_unit_test_setup(test_drops_lines_below_the_level, setup),
        cmocka_unit_test_setup(test_threads_do_not_mix, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "test.h"

#include <stdbool.h>
#include <string.h>

#include "http_check.h"

enum { LIMIT = 1000 };

// fields: "Name: value" strings, NULL at the end; a Host is added when `host`.
static struct http_verdict check(const char *method, const char *target, const char *version,
                                 const char *const *lines, bool host) {
    static struct http_field fields[300];
    size_t count = 0;
    if (host)
        fields[count++] = (struct http_field){"Host", 4, "example.org:8000", 16};
    for (; lines && *lines; lines++) {
        const char *colon = strchr(*lines, ':');
        fields[count++] =
            (struct http_field){*lines, (size_t)(colon - *lines), colon + 2, strlen(colon + 2)};
    }
    struct http_head head = {method, target, version, fields, count, 0};
    return http_check(&head, LIMIT);
}

static int field(const char *line) {
    const char *lines[] = {line, NULL};
    return check("POST", "/a", "HTTP/1.1", lines, true).status;
}

static int two(const char *first, const char *second) {
    const char *lines[] = {first, second, NULL};
    return check("POST", "/a", "HTTP/1.1", lines, true).status;
}

static int target(const char *text) {
    return check("GET", text, "HTTP/1.1", NULL, true).status;
}

static void test_targets(void **state) {
    (void)state;
    static const char *const GOOD[] = {"/", "/a/b?c=d&e=%20+", "/%E2%82%AC", "/a:b@c;d=e,f",
                                       "/a'b(c)*!$"};
    static const char *const BAD[] = {"",      "a",     "http://x/", "*",      "/a b",  "/a\tb",
                                      "/a%0",  "/a%zz", "/%00",      "/a%00b", "/a#b",  "/\x80",
                                      "/\x7f", "/a\\b", "/<x>",      "/\"",    "//\x01"};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        if (target(GOOD[i]) != 0)
            fail_msg("refused: %s", GOOD[i]);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (target(BAD[i]) != 400)
            fail_msg("accepted: %s", BAD[i]);
    assert_int_equal(check("OPTIONS", "*", "HTTP/1.1", NULL, true).status, 0);
    char longest[HTTP_MAX_TARGET + 2];
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[HTTP_MAX_TARGET] = 0;
    assert_int_equal(target(longest), 0);
    longest[HTTP_MAX_TARGET] = 'a';
    longest[HTTP_MAX_TARGET + 1] = 0;
    assert_int_equal(target(longest), 414);
}

static void test_methods_and_versions(void **state) {
    (void)state;
    assert_int_equal(check("GE T", "/", "HTTP/1.1", NULL, true).status, 400);
    assert_int_equal(check("", "/", "HTTP/1.1", NULL, true).status, 400);
    assert_int_equal(check("BREW", "/", "HTTP/1.1", NULL, true).status, 0);
    assert_int_equal(check("GET", "/", "HTTP/1.0", NULL, false).status, 0);
    assert_int_equal(check("GET", "/", "HTTP/1.1", NULL, false).status, 400);
    static const char *const BAD[] = {"HTTP/2.0", "HTTP/1.2", "HTTP/0.9",
                                      "http/1.1", "",         "HTTP/1.10"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(check("GET", "/", BAD[i], NULL, true).status, 505);
}

static void test_fields(void **state) {
    (void)state;
    assert_int_equal(field("X-Y_z.1: a\tb \xE9"), 0);
    assert_int_equal(field("X:  "), 0);
    assert_int_equal(field("X Y: a"), 400);
    assert_int_equal(field("X(: a"), 400);
    assert_int_equal(field("X: a\rb"), 400);
    assert_int_equal(field("X: a\nb"), 400);
    assert_int_equal(field("X: a\x01"), 400);
    assert_int_equal(field("X: a\x7f"), 400);
    assert_int_equal(field("Host: other"), 400);
    assert_int_equal(two("Authorization: Bearer a", "authorization: Bearer b"), 400);
    struct http_field nul[] = {{"Host", 4, "a", 1}, {"X", 1, "a\0b", 3}};
    struct http_head head = {"GET", "/", "HTTP/1.1", nul, 2, 0};
    assert_int_equal(http_check(&head, LIMIT).status, 400);
    nul[1] = (struct http_field){"X\0Y", 3, "a", 1};
    assert_int_equal(http_check(&head, LIMIT).status, 400);
}

static void test_hosts(void **state) {
    (void)state;
    static const struct {
        const char *line;
        int status;
    } HOSTS[] = {{"Host: a", 0},     {"Host: [::1]:80", 0}, {"Host: a.b-c:1", 0}, {"Host:  ", 400},
                 {"Host: a b", 400}, {"Host: a/b", 400},    {"Host: a@b", 400}};
    for (size_t i = 0; i < sizeof HOSTS / sizeof *HOSTS; i++) {
        const char *lines[] = {HOSTS[i].line, NULL};
        assert_int_equal(check("GET", "/", "HTTP/1.1", lines, false).status, HOSTS[i].status);
    }
}

static void test_framing(void **state) {
    (void)state;
    const char *sized[] = {"Content-Length: 1000", NULL},
               *chunked[] = {"Transfer-Encoding: Chunked", NULL};
    struct http_verdict verdict = check("POST", "/", "HTTP/1.1", sized, true);
    assert_int_equal(verdict.status, 0);
    assert_int_equal(verdict.content_length, 1000);
    assert_true(verdict.has_body && !verdict.chunked);
    verdict = check("POST", "/", "HTTP/1.1", chunked, true);
    assert_true(verdict.status == 0 && verdict.has_body && verdict.chunked);
    assert_int_equal(check("POST", "/", "HTTP/1.0", chunked, true).status, 400);
    assert_false(check("GET", "/", "HTTP/1.1", NULL, true).has_body);
    assert_int_equal(field("Content-Length: 1001"), 413);
    assert_int_equal(field("Content-Length: 99999999999999999999999"), 400);
    assert_int_equal(field("Content-Length: 1, 1"), 400);
    assert_int_equal(field("Content-Length: -1"), 400);
    assert_int_equal(field("Content-Length: +1"), 400);
    assert_int_equal(field("Content-Length: 0x1"), 400);
    assert_int_equal(field("Content-Length:  "), 400);
    assert_int_equal(two("Content-Length: 1", "Content-Length: 1"), 400);
    assert_int_equal(two("Content-Length: 1", "Transfer-Encoding: chunked"), 400);
    assert_int_equal(two("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400);
    assert_int_equal(field("Transfer-Encoding: gzip"), 400);
    assert_int_equal(field("Transfer-Encoding: gzip, chunked"), 400);
    assert_int_equal(field("Transfer-Encoding: xchunked"), 400);
    assert_int_equal(field("Transfer-Encoding: chunked;a=b"), 400);
}

static void test_sizes(void **state) {
    (void)state;
    const char *lines[HTTP_MAX_FIELDS + 2];
    for (int i = 0; i < HTTP_MAX_FIELDS; i++)
        lines[i] = "X: y";
    lines[HTTP_MAX_FIELDS - 1] = NULL; // with Host: as many as allowed
    assert_int_equal(check("GET", "/", "HTTP/1.1", lines, true).status, 0);
    lines[HTTP_MAX_FIELDS - 1] = "X: y";
    lines[HTTP_MAX_FIELDS] = NULL;
    assert_int_equal(check("GET", "/", "HTTP/1.1", lines, true).status, 431);
    struct http_field host = {"Host", 4, "a", 1};
    struct http_head head = {"GET", "/", "HTTP/1.1", &host, 1, HTTP_MAX_HEAD};
    assert_int_equal(http_check(&head, LIMIT).status, 0);
    head.head_size++;
    assert_int_equal(http_check(&head, LIMIT).status, 431);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets), cmocka_unit_test(test_methods_and_versions),
        cmocka_unit_test(test_fields),  cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_framing), cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "test.h"

#include "cors.h"

static struct http_header headers[HTTP_MAX_GRANT];

static void a_named_origin_is_granted_with_credentials(void **state) {
    (void)state;
    assert_int_equal(
        cors_grant("https://a.example, http://b.example:3000", "http://b.example:3000", headers),
        4);
    assert_string_equal(headers[0].name, "Access-Control-Allow-Origin");
    assert_string_equal(headers[0].value, "http://b.example:3000");
    assert_string_equal(headers[3].name, "Access-Control-Allow-Credentials");
}

static void a_star_grants_any_without_credentials(void **state) {
    (void)state;
    assert_int_equal(cors_grant("*", "https://any.example", headers), 3);
    assert_string_equal(headers[0].value, "https://any.example");
}

static void what_is_not_named_whole_is_not_granted(void **state) {
    (void)state;
    const char *origins = "https://a.example,https://b.example";
    static const char *const OTHERS[] = {
        "",
        "null",
        "https://a.example.evil.example",
        "https://a.exampl",
        "https://a.example,https://b.example",
        "https://a.example/",
    };
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        assert_int_equal(cors_grant(origins, OTHERS[i], headers), 0);
    assert_int_equal(cors_grant(origins, NULL, headers), 0);
    assert_int_equal(cors_grant(NULL, "https://a.example", headers), 0);
    assert_int_equal(cors_grant("", "https://a.example", headers), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_named_origin_is_granted_with_credentials),
        cmocka_unit_test(a_star_grants_any_without_credentials),
        cmocka_unit_test(what_is_not_named_whole_is_not_granted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

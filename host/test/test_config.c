#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"

static const char *names[8], *values[8];

static char *lookup(const char *name) {
    for (int i = 0; i < 8 && names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return (char *)(uintptr_t)values[i];
    return NULL;
}

static void set(const char *name, const char *value) {
    int i = 0;
    while (names[i] && strcmp(names[i], name) != 0)
        i++;
    names[i] = name;
    values[i] = value;
}

static int setup(void **state) {
    (void)state;
    memset(names, 0, sizeof names);
    set("DATABASE_URL", "postgresql://u@h/d");
    set("JWT_SECRET", "0123456789abcdefghijklmnopqrstuvwxyz");
    return 0;
}

static void test_reads_values_and_defaults(void **state) {
    (void)state;
    struct config *config;
    struct err err;
    set("WORKERS", "3");
    set("LOG_LEVEL", "");
    assert_int_equal(config_load(&config, CONFIG_SERVICE, lookup, NULL, &err), 0);
    assert_int_equal(config_number(config, "WORKERS"), 3);
    assert_string_equal(config_string(config, "LOG_LEVEL"), "info");
    assert_null(config_string(config, "JWKS_URL"));
    assert_null(config_find(config, "NO_SUCH"));
    config_free(config);
}

static void assert_refused(const char *name, const char *value, const char *word) {
    setup(NULL);
    set(name, value);
    struct config *config;
    struct err err;
    if (config_load(&config, CONFIG_SERVICE, lookup, NULL, &err) == 0)
        fail_msg("accepted %s=%s", name, value);
    if (strncmp(err.text, name, strlen(name)) != 0 || !strstr(err.text, word))
        fail_msg("%s=%s: %s", name, value, err.text);
    if (strstr(name, "SECRET") && strlen(value) > 10)
        assert_null(strstr(err.text, value));
}

static void test_refuses_by_name(void **state) {
    (void)state;
    assert_refused("DATABASE_URL", "mysql://x", "PostgreSQL");
    assert_refused("DATABASE_URL", "mysql://h/d?ssl=1", "PostgreSQL");
    assert_refused("DATABASE_URL", "=x", "PostgreSQL");
    assert_refused("JWT_SECRET", "short", "32 bytes");
    assert_refused("JWT_SECRET", "secretsecretsecretsecretsecretsecret", "");
    assert_refused("JWT_SECRET", "a-string-secret-at-least-256-bits-long", "well-known");
    assert_refused("JWT_SECRET", "change-mechange-mechange-mechange-me", "well-known");
    assert_refused("JWT_SECRET", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too simple");
    assert_refused("JWT_SECRET", "0123456789abcdefghijklmnopqrstuvwxyz ", "white space");
    assert_refused("WORKERS", "0", "1 to 64");
    assert_refused("WORKERS", "1.5", "whole number");
    assert_refused("WORKERS", "99999999999999999999", "whole number");
    assert_refused("JWKS_URL", "file:///etc/passwd", "http");
    assert_refused("JWKS_URL", "https://a b", "spaces");
    assert_refused("OPENAI_BASE_URL", "api.example.com/v1", "http");
    assert_refused("OPENAI_BASE_URL", "https://a/v1?x=y", "query");
    assert_refused("OPENAI_BASE_URL", "https://user:key@a/v1", "without user");
    assert_refused("OPENAI_API_KEY", "key\r\nX: y", "visible");
    assert_refused("OPENAI_MODEL", "a model", "spaces");
    assert_refused("OPENAI_WAIT_MS", "0", "whole number");
    assert_refused("OPENAI_MAX_TOKENS", "many", "whole number");
    assert_refused("JWKS_URL", "https://", "names a host");
    assert_refused("JWKS_URL", "https://:443/keys", "names a host");
    assert_refused("PORT", "60001", "1 to 60000");
    assert_refused("PORT", "+80", "whole number");
    assert_refused("DRAIN_MS", "20001", "0 to 20000");
    assert_refused("CORS_ORIGINS", "https://a.example,b.example", "origins");
    assert_refused("CORS_ORIGINS", "https://a.example/path", "origins");
    assert_refused("CORS_ORIGINS", "https://", "origins");
    assert_refused("CORS_ORIGINS", "https://:80", "origins");
    assert_refused("CORS_ORIGINS", "https://a.example:port", "origins");
    assert_refused("CORS_ORIGINS", "https://a.example:123456", "origins");
    assert_refused("CORS_ORIGINS", "https://u:p@a.example", "origins");
    assert_refused("CORS_ORIGINS", "https://[::1", "origins");
    assert_refused("CORS_ORIGINS", "null", "origins");
    assert_refused("AUTH_TOKEN_URL", "/api/auth/token", "http");
    assert_refused("AUTH_SIGN_IN_URL", "javascript:alert(1)", "http");
    assert_refused("AUTH_SIGN_IN_URL", "https://app.example/sign-in", "AUTH_TOKEN_URL");
    assert_refused("AUTH_LOCAL", "2", "0 to 1");
    assert_refused("LOG_LEVEL", "loud", "debug");
    assert_refused("BIND_ADDRESS", "example.org", "IPv4");
}

static void test_accepts_what_is_well_formed(void **state) {
    (void)state;
    static const char *const GOOD[][2] = {
        {"DATABASE_URL", "postgres://h/d?sslmode=disable"},
        {"DATABASE_URL", "host = /run/pg dbname=todo"},
        {"CORS_ORIGINS", "*"},
        {"CORS_ORIGINS",
         "https://a.example, http://localhost:3000,http://[::1]:80,http://10.0.0.1"},
        {"JWKS_URL", "http://[::1]:8080/keys?a=b"},
        {"AUTH_TOKEN_URL", "https://app.example/api/auth/token"},
        {"BIND_ADDRESS", "::1"},
        {"PORT", "60000"},
        {"DRAIN_MS", "0"},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        struct config *config;
        struct err err;
        setup(NULL);
        set(GOOD[i][0], GOOD[i][1]);
        if (config_load(&config, CONFIG_SERVICE, lookup, NULL, &err) != 0)
            fail_msg("%s", err.text);
        assert_string_equal(config_string(config, GOOD[i][0]), GOOD[i][1]);
        config_free(config);
    }
}

static void test_needs(void **state) {
    (void)state;
    struct config *config;
    struct err err;
    set("DATABASE_URL", NULL);
    assert_int_equal(config_load(&config, CONFIG_SERVICE, lookup, NULL, &err), -1);
    assert_non_null(strstr(err.text, "DATABASE_URL is not set"));
    assert_int_equal(config_load(&config, CONFIG_TOKEN, lookup, NULL, &err), 0);
    config_free(config);
    set("JWT_SECRET", NULL);
    assert_int_equal(config_load(&config, CONFIG_TOKEN, lookup, NULL, &err), -1);
    assert_int_equal(config_load(&config, CONFIG_NOTHING, lookup, NULL, &err), 0);
    config_free(config);
    set("DATABASE_URL", "host=/x");
    assert_int_equal(config_load(&config, CONFIG_SERVICE, lookup, NULL, &err), -1);
    assert_non_null(strstr(err.text, "JWT_SECRET"));
    assert_non_null(strstr(err.text, "JWKS_URL"));
    set("JWKS_URL", "https://id.example/jwks");
    assert_int_equal(config_load(&config, CONFIG_SERVICE, lookup, NULL, &err), 0);
    config_free(config);
}

static const char *find(const void *user, const char *name) {
    const char *const *pairs = user;
    for (; pairs[0]; pairs += 2)
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    return NULL;
}

static void test_a_store_fills_what_the_environment_leaves_open(void **state) {
    (void)state;
    static const char *const PAIRS[] = {
        "DATABASE_URL", "host=/stored", "WORKERS",      "7",      "JWT_ISSUER", "",
        "PORT",         "9000",         "OPENAI_MODEL", "stored", NULL};
    const struct config_store store = {find, PAIRS};
    struct config *config;
    struct err err;
    set("DATABASE_URL", NULL);
    set("OPENAI_MODEL", "");
    set("WORKERS", "3");
    assert_int_equal(config_load(&config, CONFIG_SERVICE, lookup, &store, &err), 0);
    assert_string_equal(config_string(config, "DATABASE_URL"), "host=/stored");
    assert_string_equal(config_string(config, "OPENAI_MODEL"), "stored");
    assert_int_equal(config_number(config, "WORKERS"), 3);
    assert_int_equal(config_number(config, "PORT"), 8000);
    assert_null(config_string(config, "JWT_ISSUER"));
    config_free(config);
}

static void test_what_a_store_holds_is_checked_and_never_shown(void **state) {
    (void)state;
    static const char *const BAD[][2] = {{"WORKERS", "hidden-1"},
                                         {"DATABASE_URL", "mysql://hidden"},
                                         {"JWT_SECRET", "hidden"},
                                         {"LOG_LEVEL", "hidden"}};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        const char *const pairs[] = {BAD[i][0], BAD[i][1], NULL};
        const struct config_store store = {find, pairs};
        struct config *config;
        struct err err;
        setup(NULL);
        set(BAD[i][0], NULL);
        assert_int_equal(config_load(&config, CONFIG_SERVICE, lookup, &store, &err), -1);
        char begin[64];
        snprintf(begin, sizeof begin, "%s from the secret store ", BAD[i][0]);
        assert_ptr_equal(strstr(err.text, begin), err.text);
        assert_null(strstr(err.text, "hidden"));
    }
    const char *const none[] = {NULL};
    const struct config_store empty = {find, none};
    struct config *config;
    struct err err;
    setup(NULL);
    set("DATABASE_URL", NULL);
    assert_int_equal(config_load(&config, CONFIG_SERVICE, lookup, &empty, &err), -1);
    assert_non_null(strstr(err.text, "DATABASE_URL is not set, nor in the secret store"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reads_values_and_defaults, setup),
        cmocka_unit_test_setup(test_refuses_by_name, setup),
        cmocka_unit_test_setup(test_accepts_what_is_well_formed, setup),
        cmocka_unit_test_setup(test_needs, setup),
        cmocka_unit_test_setup(test_a_store_fills_what_the_environment_leaves_open, setup),
        cmocka_unit_test_setup(test_what_a_store_holds_is_checked_and_never_shown, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

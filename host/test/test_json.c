#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "json.h"

// Writes what it is told back as JSON, so that a document can be compared with its echo.
struct echo {
    struct buf out;
    bool comma;
};

static void before(struct echo *echo) {
    if (echo->comma)
        buf_addc(&echo->out, ',');
    echo->comma = true;
}

static void on_null(void *user) {
    before(user);
    buf_adds(&((struct echo *)user)->out, "null");
}

static void on_boolean(void *user, bool value) {
    before(user);
    buf_adds(&((struct echo *)user)->out, value ? "true" : "false");
}

static void on_number(void *user, double value) {
    before(user);
    buf_addf(&((struct echo *)user)->out, "%.17g", value);
}

static void on_string(void *user, const char *text, size_t len) {
    before(user);
    buf_add_json(&((struct echo *)user)->out, text, len);
}

static void on_key(void *user, const char *text, size_t len) {
    struct echo *echo = user;
    before(echo);
    buf_add_json(&echo->out, text, len);
    buf_addc(&echo->out, ':');
    echo->comma = false;
}

static void begin(struct echo *echo, char c) {
    before(echo);
    buf_addc(&echo->out, c);
    echo->comma = false;
}

static void end(struct echo *echo, char c) {
    buf_addc(&echo->out, c);
    echo->comma = true;
}

static void on_object_begin(void *user) {
    begin(user, '{');
}
static void on_object_end(void *user, size_t count) {
    (void)count;
    end(user, '}');
}
static void on_array_begin(void *user) {
    begin(user, '[');
}
static void on_array_end(void *user, size_t count) {
    (void)count;
    end(user, ']');
}

static const struct json_handler ECHO = {on_null,       on_boolean,     on_number,
                                         on_string,     on_key,         on_object_begin,
                                         on_object_end, on_array_begin, on_array_end};

static void test_reads_what_is_valid(void **state) {
    (void)state;
    static const struct {
        const char *text, *echo;
    } GOOD[] = {
        {"null", "null"},
        {" true ", "true"},
        {"\t\r\n false", "false"},
        {"0", "0"},
        {"-0", "-0"},
        {"-12.5e-1", "-1.25"},
        {"1E3", "1000"},
        {"9007199254740993", "9007199254740992"},
        {"1e-999", "0"},
        {"0e0", "0"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"-0.0000000000000000000000000000000000000000000000000000000000001", // 64 bytes
         "-1e-61"},
        {"\"\\b\\f\\n\\r\\t\"", "\"\\u0008\\u000c\\u000a\\u000d\\u0009\""},
        {"\"\\ud7ff\\ue000\\uFFFF\"", "\"\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\""},
        {"\"\\udbff\\udfff\\ud800\\udc00\"", "\"\xF4\x8F\xBF\xBF\xF0\x90\x80\x80\""},
        {"\"\xC2\x80\xE0\xA0\x80\xED\x9F\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"",
         "\"\xC2\x80\xE0\xA0\x80\xED\x9F\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\""},
        {" [ 1 , { \"a\" : [ ] } ] ", "[1,{\"a\":[]}]"},
        {"[[],[],{},{}]", "[[],[],{},{}]"},
        {"{\"a\":1,\"A\":2,\"a \":3}", "{\"a\":1,\"A\":2,\"a \":3}"},
        {"\"\"", "\"\""},
        {"\"a\\u0041\\n\\/\\\\\\\"\"", "\"aA\\u000a/\\\\\\\"\""},
        {"\"\\u00e9\\ud83e\\udd8a\"", "\"\xC3\xA9\xF0\x9F\xA6\x8A\""},
        {"\"\xC3\xA9\"", "\"\xC3\xA9\""},
        {"\"\x7f\"", "\"\\u007f\""},
        {"[]", "[]"},
        {"[1,[2,[]],{}]", "[1,[2,[]],{}]"},
        {"{}", "{}"},
        {"{\"\":1,\"a\":{\"\":2}}", "{\"\":1,\"a\":{\"\":2}}"},
        {"[{\"a\":1},{\"a\":2}]", "[{\"a\":1},{\"a\":2}]"},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        struct echo echo = {0};
        struct err err = {"?"};
        if (json_parse(GOOD[i].text, strlen(GOOD[i].text), &ECHO, &echo, &err) != 0)
            fail_msg("%s: %s", GOOD[i].text, err.text);
        assert_string_equal(echo.out.data, GOOD[i].echo);
        buf_free(&echo.out);
    }
}

static void test_refuses_what_is_not(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t len; // 0: strlen
        const char *why;
    } BAD[] = {
        {"", 0, "no value"},
        {"  ", 0, "no value"},
        {"nul", 0, "not a JSON value"},
        {"nulL", 0, "not a JSON value"},
        {"truee", 0, "text after the value"},
        {"undefined", 0, "not a JSON value"},
        {"--1", 0, "not a number"},
        {"-a", 0, "not a number"},
        {"1.e1", 0, "not a number"},
        {"1e1.5", 0, "text after the value"},
        {"1_000", 0, "text after the value"},
        {"-1e309", 0, "out of range"},
        {"\xEF\xBC\x91", 0, "not a JSON value"},
        {"-0.00000000000000000000000000000000000000000000000000000000000001", 0, // 65 bytes
         "number too long"},
        {"[}", 0, "not a JSON value"},
        {"[1}", 0, "comma"},
        {"{\"a\":1]", 0, "comma"},
        {"[1,,2]", 0, "not a JSON value"},
        {"{\"a\":1,,\"b\":2}", 0, "key"},
        {"{,}", 0, "key"},
        {"{\"a\":", 0, "unfinished value"},
        {"{\"a\":1", 0, "unfinished value"},
        {"{\"a\":1,", 0, "key"},
        {"{\"a\"1}", 0, "colon"},
        {"{\"a\"::1}", 0, "not a JSON value"},
        {"[1]]", 0, "text after the value"},
        {"1,2", 0, "text after the value"},
        {"\"\\u\"", 0, "hex digits"},
        {"\"\\u00G0\"", 0, "hex digits"},
        {"\"\\U0041\"", 0, "unknown escape"},
        {"\"\\'\"", 0, "unknown escape"},
        {"\"\\\n\"", 0, "unknown escape"},
        {"\"\\ud800", 0, "lone surrogate"},
        {"\"\\ud800\\u00", 0, "lone surrogate"},
        {"\"\\ud800\\ud800\"", 0, "lone surrogate"},
        {"\"\t\"", 0, "control character"},
        {"\"\x1f\"", 0, "control character"},
        {"\"\xF0\x80\x80\x80\"", 0, "invalid UTF-8"},
        {"\"\xC1\xBF\"", 0, "invalid UTF-8"},
        {"\"\xE2\x82\"", 0, "invalid UTF-8"},
        {"{\"\xFF\":1}", 0, "invalid UTF-8"},
        {"{\"a\":1,\"b\":{\"c\":1,\"c\":2}}", 0, "repeated key \"c\" at byte 21"},
        {"{\"a\":{\"b\":1},\"a\":2}", 0, "repeated key \"a\" at byte 16"},
        {"True", 0, "not a JSON value"},
        {"NaN", 0, "not a JSON value"},
        {"-Infinity", 0, "not a number"},
        {"Infinity", 0, "not a JSON value"},
        {"0x10", 0, "text after the value"},
        {"01", 0, "leading zero"},
        {"-01", 0, "leading zero"},
        {"+1", 0, "not a JSON value"},
        {".5", 0, "not a JSON value"},
        {"5.", 0, "not a number"},
        {"1e", 0, "not a number"},
        {"1e+", 0, "not a number"},
        {"-", 0, "not a number"},
        {"1e999", 0, "out of range"},
        {"1 2", 0, "text after the value"},
        {"{} x", 0, "text after the value"},
        {"[1,]", 0, "not a JSON value"},
        {"[,1]", 0, "not a JSON value"},
        {"[1 2]", 0, "comma"},
        {"[1", 0, "unfinished"},
        {"[", 0, "unfinished"},
        {"]", 0, "not a JSON value"},
        {"{", 0, "key"},
        {"{\"a\"}", 0, "colon"},
        {"{\"a\":}", 0, "not a JSON value"},
        {"{\"a\":1,}", 0, "key"},
        {"{a:1}", 0, "key"},
        {"{'a':1}", 0, "key"},
        {"{\"a\":1 \"b\":2}", 0, "comma"},
        {"{1:2}", 0, "key"},
        {"{\"a\":1,\"a\":2}", 0, "repeated key \"a\""},
        {"{\"a\":1,\"\\u0061\":2}", 0, "repeated key \"a\""},
        {"{\"\":1,\"\":2}", 0, "repeated key"},
        {"'a'", 0, "not a JSON value"},
        {"\"a", 0, "unfinished string"},
        {"\"a\\", 0, "unfinished string"},
        {"\"\\x\"", 0, "unknown escape"},
        {"\"\\u12\"", 0, "hex digits"},
        {"\"\\u0000\"", 0, "NUL"},
        {"\"\\ud800\"", 0, "lone surrogate"},
        {"\"\\udc00\"", 0, "lone surrogate"},
        {"\"\\ud800\\u0041\"", 0, "lone surrogate"},
        {"\"\n\"", 0, "control character"},
        {"\"a\0b\"", 5, "NUL"},
        {"\0", 1, "NUL"},
        {"1\0", 2, "text after the value"},
        {"\"\xFF\"", 0, "invalid UTF-8"},
        {"\"\xC0\x80\"", 0, "invalid UTF-8"},
        {"\"\xE0\x80\x80\"", 0, "invalid UTF-8"},
        {"\"\xED\xA0\x80\"", 0, "invalid UTF-8"},
        {"\"\xF4\x90\x80\x80\"", 0, "invalid UTF-8"},
        {"\"\xF5\x80\x80\x80\"", 0, "invalid UTF-8"},
        {"\"\xC3\"", 0, "invalid UTF-8"},
        {"\"\x80\"", 0, "invalid UTF-8"},
        {"\xEF\xBB\xBF{}", 0, "byte order mark"},
        {"// a\n1", 0, "not a JSON value"},
        {"/* a */1", 0, "not a JSON value"},
        {"\xC2\xA0"
         "1",
         0, "not a JSON value"},
        {"\f1", 0, "not a JSON value"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct echo echo = {0};
        struct err err = {"?"};
        size_t len = BAD[i].len ? BAD[i].len : strlen(BAD[i].text);
        if (json_parse(BAD[i].text, len, &ECHO, &echo, &err) == 0)
            fail_msg("accepted: %s", BAD[i].text);
        if (!strstr(err.text, BAD[i].why) || !strstr(err.text, " at byte "))
            fail_msg("%s: \"%s\" does not say \"%s\"", BAD[i].text, err.text, BAD[i].why);
        assert_null(echo.out.data); // the handler has seen nothing of it
    }
}

static void test_limits_the_depth(void **state) {
    (void)state;
    struct buf text = {0};
    struct err err;
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        buf_addc(&text, '[');
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        buf_addc(&text, ']');
    assert_int_equal(json_parse(text.data, text.len, NULL, NULL, &err), 0);
    buf_clear(&text);
    for (int i = 0; i < 60000; i++)
        buf_addc(&text, i % 2 ? '[' : '[');
    assert_int_equal(json_parse(text.data, text.len, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, "too deep"));
    buf_free(&text);
}

// Around the number of keys where the table takes over: an object whose last key repeats any other
// is refused, and one whose values are objects with its own keys is not.
static void test_repeated_keys_of_every_size(void **state) {
    (void)state;
    struct err err;
    for (int count = 2; count < 40; count++) {
        for (int repeated = 0; repeated < count; repeated++) {
            struct buf text = {0};
            for (int i = 0; i < count; i++) {
                buf_addf(&text, "%c\"key %d\":", i ? ',' : '{', i < count - 1 ? i : repeated);
                for (int j = 0; j <= count && i % 3 == 0; j++)
                    buf_addf(&text, "%c\"key %d\":0", j ? ',' : '{', j);
                buf_adds(&text, i % 3 == 0 ? "}" : "0");
            }
            buf_addc(&text, '}');
            bool good = repeated == count - 1;
            if ((json_parse(text.data, text.len, NULL, NULL, &err) == 0) != good)
                fail_msg("%s: %s", good ? err.text : "accepted", text.data);
            buf_free(&text);
        }
    }
}

static void test_shows_a_repeated_key_without_breaking_it(void **state) {
    (void)state;
    struct err err;
    struct buf text = {0};
    for (int i = 0; i < 2; i++) {
        buf_addc(&text, i ? ',' : '{');
        buf_adds(&text, "\"123456789012345678901234567890123456789012345678901234567");
        buf_adds(&text, "\xF0\x9F\xA6\x8A\":1");
    }
    buf_addc(&text, '}');
    assert_int_equal(json_parse(text.data, text.len, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, "34567\" at byte"));
    buf_free(&text);
}

static double parse_ms(const struct buf *text) {
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        struct timespec before, after;
        struct err err;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
        for (int j = 0; j < 10; j++) // more than a tick of a coarse clock
            assert_int_equal(json_parse(text->data, text->len, NULL, NULL, &err), 0);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
        double ms = (double)(after.tv_sec - before.tv_sec) * 1e3 +
                    (double)(after.tv_nsec - before.tv_nsec) / 1e6;
        best = ms < best ? ms : best;
    }
    return best;
}

// A large object with objects inside costs little more than as many bytes of a flat one.
static void test_many_keys_cost_their_number(void **state) {
    (void)state;
    enum { LEN = 256 * 1024 };
    struct buf flat = {0}, nested = {0};
    buf_addc(&flat, '{');
    for (int i = 0; flat.len < LEN; i++)
        buf_addf(&flat, "\"%x\":1,", i);
    buf_adds(&flat, "\"last\":1}");
    buf_addc(&nested, '{');
    int count = 0;
    while (nested.len < LEN / 2)
        buf_addf(&nested, "\"%x\":1,", count++);
    while (nested.len < LEN) {
        buf_addf(&nested, "\"%x\":{", count++);
        for (int j = 0; j < 17; j++)
            buf_addf(&nested, "%s\"%c\":1", j ? "," : "", 'a' + j);
        buf_adds(&nested, "},");
    }
    buf_adds(&nested, "\"last\":1}");
    double flat_ms = parse_ms(&flat), nested_ms = parse_ms(&nested);
    if (nested_ms > 4 * flat_ms)
        fail_msg("%.1f ms flat, %.1f ms nested", flat_ms, nested_ms);
    buf_free(&flat);
    buf_free(&nested);
}

// A number of distinct keys, then a repeated one; objects inside, so that the table changes hands.
static void test_finds_repeated_keys_among_many(void **state) {
    (void)state;
    struct err err;
    for (int repeated = 0; repeated < 2; repeated++) {
        struct buf text = {0};
        buf_addc(&text, '{');
        for (int i = 0; i < 20000; i++) {
            buf_addf(&text, "\"k%d\":", i);
            if (i % 1000 == 999) {
                buf_addc(&text, '{');
                for (int j = 0; j < 40; j++)
                    buf_addf(&text, "%s\"k%d\":0", j ? "," : "", j);
                buf_adds(&text, "},");
            } else {
                buf_adds(&text, "1,");
            }
        }
        buf_addf(&text, "\"%s\":1}", repeated ? "k17" : "last");
        assert_int_equal(json_parse(text.data, text.len, NULL, NULL, &err), repeated ? -1 : 0);
        if (repeated)
            assert_non_null(strstr(err.text, "repeated key \"k17\""));
        buf_free(&text);
    }
}

static void test_siblings_may_have_the_same_keys(void **state) {
    (void)state;
    struct err err;
    struct buf text = {0};
    buf_addc(&text, '[');
    for (int i = 0; i < 5; i++) {
        buf_adds(&text, i ? ",{" : "{");
        for (int j = 0; j < 100; j++)
            buf_addf(&text, "%s\"key%d\":%d", j ? "," : "", j, i);
        buf_addc(&text, '}');
    }
    buf_addc(&text, ']');
    assert_int_equal(json_parse(text.data, text.len, NULL, NULL, &err), 0);
    buf_free(&text);
}

// Every document with one byte cut, changed or added ends in a verdict, never in a crash.
static void test_survives_damaged_documents(void **state) {
    (void)state;
    static const char TEXT[] =
        "{\"a\":[1,-2.5e3,true,null,\"x\\u00e9\\ud83e\\udd8a\xC3\xA9\"],\"b\":{}}";
    char copy[sizeof TEXT + 1];
    struct err err;
    int accepted = 0;
    for (size_t at = 0; at < sizeof TEXT - 1; at++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(copy, TEXT, sizeof TEXT);
            copy[at] = (char)byte;
            accepted += json_parse(copy, sizeof TEXT - 1, NULL, NULL, &err) == 0;
            accepted += json_parse(copy, at, NULL, NULL, &err) == 0;
        }
    assert_in_range(accepted, 100, 8000);
}

static void skips_values_and_never_reads_behind_the_end(void **state) {
    (void)state;
    static const char TEXT[] = " {\"a\\\"]\": [1, {\"b\": \"}\\\\\"}], \"c\": -1.5e3 } , null";
    size_t len = sizeof TEXT - 1;
    size_t end = json_skip_value(TEXT, len, 0);
    assert_int_equal(end, (size_t)(strchr(TEXT, 0) - TEXT) - strlen(" , null"));
    assert_int_equal(json_skip_space(TEXT, len, end), end + 1);
    assert_int_equal(json_skip_value("true,", 5, 0), 4);
    assert_int_equal(json_skip_value("\"x\"", 3, 0), 3);
    for (size_t cut = 0; cut <= len; cut++) { // a copy of its own size: a sanitizer sees every step
        char *copy = malloc(cut ? cut : 1);
        memcpy(copy, TEXT, cut);
        for (size_t at = 0; at <= cut; at++)
            assert_in_range(json_skip_value(copy, cut, at), at, cut);
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(skips_values_and_never_reads_behind_the_end),
        cmocka_unit_test(test_reads_what_is_valid),
        cmocka_unit_test(test_refuses_what_is_not),
        cmocka_unit_test(test_limits_the_depth),
        cmocka_unit_test(test_repeated_keys_of_every_size),
        cmocka_unit_test(test_shows_a_repeated_key_without_breaking_it),
        cmocka_unit_test(test_many_keys_cost_their_number),
        cmocka_unit_test(test_finds_repeated_keys_among_many),
        cmocka_unit_test(test_siblings_may_have_the_same_keys),
        cmocka_unit_test(test_survives_damaged_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

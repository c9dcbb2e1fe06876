#include "json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "json_keys.h"

enum { MAX_NUMBER = 64, SHOWN_KEY = 60 };

struct reader {
    const char *start, *at, *end;
    const struct json_handler *handler; // NULL in the checking pass
    void *user;
    struct err *err;
    int depth;
    struct buf scratch; // an unescaped string
    struct json_keys keys;
};

static int fail(struct reader *reader, const char *what) {
    return err_set(reader->err, "%s at byte %zu", what, (size_t)(reader->at - reader->start));
}

static void skip_space(struct reader *reader) {
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
                                        *reader->at == '\n' || *reader->at == '\r'))
        reader->at++;
}

// Strings.

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

// Four hex digits at reader->at; -1 when they are not there.
static int read_hex4(struct reader *reader) {
    int value = 0;
    if (reader->end - reader->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(reader->at[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    reader->at += 4;
    return value;
}

static void add_utf8(struct buf *out, uint32_t code) {
    char bytes[4];
    size_t len;
    if (code < 0x80) {
        bytes[0] = (char)code;
        len = 1;
    } else if (code < 0x800) {
        bytes[0] = (char)(0xC0 | (code >> 6));
        bytes[1] = (char)(0x80 | (code & 0x3F));
        len = 2;
    } else if (code < 0x10000) {
        bytes[0] = (char)(0xE0 | (code >> 12));
        bytes[1] = (char)(0x80 | ((code >> 6) & 0x3F));
        bytes[2] = (char)(0x80 | (code & 0x3F));
        len = 3;
    } else {
        bytes[0] = (char)(0xF0 | (code >> 18));
        bytes[1] = (char)(0x80 | ((code >> 12) & 0x3F));
        bytes[2] = (char)(0x80 | ((code >> 6) & 0x3F));
        bytes[3] = (char)(0x80 | (code & 0x3F));
        len = 4;
    }
    buf_add(out, bytes, len);
}

static int read_unicode(struct reader *reader) {
    int high = read_hex4(reader);
    if (high < 0)
        return fail(reader, "\\u without four hex digits");
    if (high == 0)
        return fail(reader, "NUL in a string");
    if (high >= 0xDC00 && high <= 0xDFFF)
        return fail(reader, "lone surrogate");
    uint32_t code = (uint32_t)high;
    if (high >= 0xD800 && high <= 0xDBFF) {
        if (reader->end - reader->at < 6 || reader->at[0] != '\\' || reader->at[1] != 'u')
            return fail(reader, "lone surrogate");
        reader->at += 2;
        int low = read_hex4(reader);
        if (low < 0xDC00 || low > 0xDFFF)
            return fail(reader, "lone surrogate");
        code = 0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    }
    add_utf8(&reader->scratch, code);
    return 0;
}

static int read_escape(struct reader *reader) {
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    if (reader->at == reader->end)
        return fail(reader, "unfinished string");
    char c = *reader->at++;
    if (c == 'u')
        return read_unicode(reader);
    const char *found = c ? strchr(FROM, c) : NULL;
    if (!found)
        return fail(reader, "unknown escape");
    buf_addc(&reader->scratch, TO[found - FROM]);
    return 0;
}

// The bytes of the multi-byte sequence at reader->at; 0 when it is not UTF-8 (RFC 3629).
static size_t sequence_len(const struct reader *reader) {
    const unsigned char *s = (const unsigned char *)reader->at;
    size_t left = (size_t)(reader->end - reader->at);
    size_t len = s[0] >= 0xC2 && s[0] <= 0xDF   ? 2
                 : s[0] >= 0xE0 && s[0] <= 0xEF ? 3
                 : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                                : 0;
    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return len;
}

// The string whose opening quote has been read, unescaped into scratch.
static int read_string(struct reader *reader) {
    buf_clear(&reader->scratch);
    while (reader->at < reader->end) {
        const char *run = reader->at;
        while (reader->at < reader->end && (unsigned char)*reader->at >= 0x20 &&
               (unsigned char)*reader->at < 0x80 && *reader->at != '"' && *reader->at != '\\')
            reader->at++;
        buf_add(&reader->scratch, run, (size_t)(reader->at - run));
        if (reader->at == reader->end)
            break;
        unsigned char c = (unsigned char)*reader->at;
        if (c == '"') {
            reader->at++;
            return 0;
        }
        if (c == '\\') {
            reader->at++;
            if (read_escape(reader) != 0)
                return -1;
        } else if (c < 0x20) {
            return fail(reader, c == 0 ? "NUL in a string" : "control character in a string");
        } else {
            size_t len = sequence_len(reader);
            if (len == 0)
                return fail(reader, "invalid UTF-8");
            buf_add(&reader->scratch, reader->at, len);
            reader->at += len;
        }
    }
    return fail(reader, "unfinished string");
}

// Numbers.

static bool is_digit(const struct reader *reader) {
    return reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9';
}

static int read_digits(struct reader *reader) {
    if (!is_digit(reader))
        return fail(reader, "not a number");
    while (is_digit(reader))
        reader->at++;
    return 0;
}

static int read_number(struct reader *reader) {
    const char *begin = reader->at;
    if (*reader->at == '-')
        reader->at++;
    if (is_digit(reader) && *reader->at == '0') {
        reader->at++;
        if (is_digit(reader))
            return fail(reader, "leading zero");
    } else if (read_digits(reader) != 0) {
        return -1;
    }
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        if (read_digits(reader) != 0)
            return -1;
    }
    if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
        reader->at++;
        if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-'))
            reader->at++;
        if (read_digits(reader) != 0)
            return -1;
    }
    size_t len = (size_t)(reader->at - begin);
    if (len > MAX_NUMBER)
        return fail(reader, "number too long");
    char text[MAX_NUMBER + 1];
    memcpy(text, begin, len);
    text[len] = 0;
    double value = strtod(text, NULL);
    if (!isfinite(value))
        return fail(reader, "number out of range");
    if (reader->handler)
        reader->handler->on_number(reader->user, value);
    return 0;
}

static int fail_repeated(struct reader *reader) {
    const struct buf *name = &reader->scratch;
    size_t shown = name->len < SHOWN_KEY ? name->len : SHOWN_KEY;
    while (shown < name->len && (name->data[shown] & 0xC0) == 0x80)
        shown--;
    char what[SHOWN_KEY + 32];
    snprintf(what, sizeof what, "repeated key \"%.*s\"", (int)shown, name->data);
    return fail(reader, what);
}

// reader->scratch always has data here: reading a string, even "", has put it there.
static int remember_key(struct reader *reader, size_t object) {
    return json_keys_add(&reader->keys, object, &reader->scratch) ? 0 : fail_repeated(reader);
}

// Values.

static int read_value(struct reader *reader);

static int read_word(struct reader *reader, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return fail(reader, "not a JSON value");
    reader->at += len;
    return 0;
}

static int enter(struct reader *reader) {
    reader->at++;
    if (++reader->depth > JSON_MAX_DEPTH)
        return fail(reader, "nested too deep");
    skip_space(reader);
    return 0;
}

// After an element: true when another follows. *status is -1 on anything but "," and the end.
static bool more(struct reader *reader, char close, int *status) {
    skip_space(reader);
    if (reader->at < reader->end && *reader->at == ',') {
        reader->at++;
        skip_space(reader);
        return true;
    }
    if (reader->at < reader->end && *reader->at == close)
        reader->at++;
    else
        *status =
            fail(reader, reader->at == reader->end ? "unfinished value" : "a comma is missing");
    return false;
}

static int read_member(struct reader *reader, size_t object) {
    if (reader->at == reader->end || *reader->at != '"')
        return fail(reader, "a key in double quotes is missing");
    reader->at++;
    if (read_string(reader) != 0)
        return -1;
    if (reader->handler)
        reader->handler->on_key(reader->user, reader->scratch.data ? reader->scratch.data : "",
                                reader->scratch.len);
    else if (remember_key(reader, object) != 0)
        return -1;
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != ':')
        return fail(reader, "a colon is missing");
    reader->at++;
    skip_space(reader);
    return read_value(reader);
}

static int read_object(struct reader *reader) {
    size_t object = json_keys_open(&reader->keys), count = 0;
    if (enter(reader) != 0)
        return -1;
    if (reader->handler)
        reader->handler->on_object_begin(reader->user);
    int status = 0;
    if (reader->at < reader->end && *reader->at == '}') {
        reader->at++;
    } else {
        do {
            status = read_member(reader, object);
            count++;
        } while (status == 0 && more(reader, '}', &status));
    }
    reader->depth--;
    json_keys_close(&reader->keys, object);
    if (status == 0 && reader->handler)
        reader->handler->on_object_end(reader->user, count);
    return status;
}

static int read_array(struct reader *reader) {
    size_t count = 0;
    if (enter(reader) != 0)
        return -1;
    if (reader->handler)
        reader->handler->on_array_begin(reader->user);
    int status = 0;
    if (reader->at < reader->end && *reader->at == ']') {
        reader->at++;
    } else {
        do {
            status = read_value(reader);
            count++;
        } while (status == 0 && more(reader, ']', &status));
    }
    reader->depth--;
    if (status == 0 && reader->handler)
        reader->handler->on_array_end(reader->user, count);
    return status;
}

static int read_text(struct reader *reader) {
    reader->at++;
    if (read_string(reader) != 0)
        return -1;
    if (reader->handler)
        reader->handler->on_string(reader->user, reader->scratch.data ? reader->scratch.data : "",
                                   reader->scratch.len);
    return 0;
}

static int read_constant(struct reader *reader) {
    char c = *reader->at;
    if (read_word(reader, c == 'n' ? "null" : c == 't' ? "true" : "false") != 0)
        return -1;
    if (reader->handler && c == 'n')
        reader->handler->on_null(reader->user);
    else if (reader->handler)
        reader->handler->on_boolean(reader->user, c == 't');
    return 0;
}

static int read_value(struct reader *reader) {
    if (reader->at == reader->end)
        return fail(reader, "unfinished value");
    switch (*reader->at) {
    case '{':
        return read_object(reader);
    case '[':
        return read_array(reader);
    case '"':
        return read_text(reader);
    case 'n':
    case 't':
    case 'f':
        return read_constant(reader);
    case '\0':
        return fail(reader, "NUL in the text");
    default:
        if (*reader->at == '-' || is_digit(reader))
            return read_number(reader);
        return fail(reader, "not a JSON value");
    }
}

static int read_document(struct reader *reader) {
    if (reader->end - reader->at >= 3 && memcmp(reader->at, "\xEF\xBB\xBF", 3) == 0)
        return fail(reader, "byte order mark");
    skip_space(reader);
    if (reader->at == reader->end)
        return fail(reader, "no value");
    if (read_value(reader) != 0)
        return -1;
    skip_space(reader);
    return reader->at == reader->end ? 0 : fail(reader, "text after the value");
}

int json_parse(const char *text, size_t len, const struct json_handler *handler, void *user,
               struct err *err) {
    struct reader reader = {.start = text, .at = text, .end = text + len, .user = user, .err = err};
    json_keys_init(&reader.keys);
    int status = read_document(&reader);
    if (status == 0 && handler) {
        reader.at = text;
        reader.handler = handler;
        status = read_document(&reader);
    }
    buf_free(&reader.scratch);
    json_keys_free(&reader.keys);
    return status;
}

size_t json_skip_space(const char *text, size_t len, size_t at) {
    while (at < len &&
           (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t'))
        at++;
    return at;
}

// From the opening quote to behind the closing one.
static size_t skip_string(const char *text, size_t len, size_t at) {
    for (at++; at < len && text[at] != '"'; at++)
        if (text[at] == '\\')
            at++;
    return at < len ? at + 1 : len;
}

size_t json_skip_value(const char *text, size_t len, size_t at) {
    at = json_skip_space(text, len, at);
    size_t depth = 0;
    do {
        if (at >= len)
            return len;
        char c = text[at];
        if (c == '"') {
            at = skip_string(text, len, at);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
            at++;
        } else if (depth > 0) {
            at++;
        } else {
            while (at < len && !strchr(",]} \n\r\t", text[at]))
                at++;
        }
    } while (depth > 0);
    return at;
}

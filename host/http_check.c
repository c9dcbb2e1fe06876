#include "http_check.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static const struct http_verdict GOOD = {0};

static struct http_verdict bad(int status, const char *reason) {
    return (struct http_verdict){.status = status, .reason = reason};
}

// RFC 9110, 5.6.2.
static bool is_token(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (!text[i] || (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i])))
            return false;
    return len > 0;
}

static bool is_hex(char c) {
    return isxdigit((unsigned char)c);
}

static bool is_target(const char *target, const char *method) {
    if (strcmp(target, "*") == 0)
        return strcmp(method, "OPTIONS") == 0;
    if (target[0] != '/')
        return false;
    for (const char *c = target; *c; c++) {
        if (*c <= 0x20 || *c >= 0x7F || strchr("#\"<>\\^`{|}", *c))
            return false;
        if (*c == '%' && (!is_hex(c[1]) || !is_hex(c[2]) || (c[1] == '0' && c[2] == '0')))
            return false;
    }
    return true;
}

// HTAB, visible characters, and obs-text: RFC 9110, 5.5.
static bool is_value(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7F)
            return false;
    return true;
}

static bool is_host(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-._~:[]%!$&'()*+,;=", text[i]))
            return false;
    return len > 0;
}

static bool is_named(const struct http_field *field, const char *name) {
    return field->name_len == strlen(name) && strncasecmp(field->name, name, field->name_len) == 0;
}

static bool parse_length(const struct http_field *field, size_t *length) {
    size_t value = 0;
    for (size_t i = 0; i < field->value_len; i++) {
        if (!isdigit((unsigned char)field->value[i]) || value > (SIZE_MAX - 9) / 10)
            return false;
        value = value * 10 + (size_t)(field->value[i] - '0');
    }
    *length = value;
    return field->value_len > 0;
}

struct seen {
    const struct http_field *host, *length, *coding, *authorization;
};

static struct http_verdict look(const struct http_field *field, struct seen *seen) {
    if (!is_token(field->name, field->name_len))
        return bad(400, "A header name is not valid");
    if (!is_value(field->value, field->value_len))
        return bad(400, "A header value holds a control character");
    const struct http_field **slot = is_named(field, "Host")                ? &seen->host
                                     : is_named(field, "Content-Length")    ? &seen->length
                                     : is_named(field, "Transfer-Encoding") ? &seen->coding
                                     : is_named(field, "Authorization")     ? &seen->authorization
                                                                            : NULL;
    if (!slot)
        return GOOD;
    if (*slot)
        return bad(400, slot == &seen->host     ? "More than one Host header"
                        : slot == &seen->length ? "More than one Content-Length header"
                        : slot == &seen->coding ? "More than one Transfer-Encoding header"
                                                : "More than one Authorization header");
    *slot = field;
    return GOOD;
}

static struct http_verdict check_framing(const struct http_head *head, const struct seen *seen,
                                         size_t body_limit) {
    struct http_verdict verdict = {0};
    if (seen->length && seen->coding)
        return bad(400, "Content-Length together with Transfer-Encoding");
    if (seen->coding) {
        if (strcmp(head->version, "HTTP/1.0") == 0)
            return bad(400, "Transfer-Encoding in an HTTP/1.0 request");
        if (seen->coding->value_len != 7 || strncasecmp(seen->coding->value, "chunked", 7) != 0)
            return bad(400, "The only Transfer-Encoding is chunked");
        verdict.has_body = verdict.chunked = true;
    }
    if (seen->length) {
        if (!parse_length(seen->length, &verdict.content_length))
            return bad(400, "Content-Length is not a number");
        if (verdict.content_length > body_limit)
            return bad(413, "The body is too large");
        verdict.has_body = verdict.content_length > 0;
    }
    return verdict;
}

struct http_verdict http_check(const struct http_head *head, size_t body_limit) {
    if (strcmp(head->version, "HTTP/1.1") != 0 && strcmp(head->version, "HTTP/1.0") != 0)
        return bad(505, "Only HTTP/1.1 and HTTP/1.0 are served");
    if (!is_token(head->method, strlen(head->method)))
        return bad(400, "The method is not valid");
    if (strlen(head->target) > HTTP_MAX_TARGET)
        return bad(414, "The address is too long");
    if (!is_target(head->target, head->method))
        return bad(400, "The address is not valid");
    if (head->field_count > HTTP_MAX_FIELDS)
        return bad(431, "Too many headers");
    if (head->head_size > HTTP_MAX_HEAD)
        return bad(431, "The headers are too large");
    struct seen seen = {0};
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_verdict verdict = look(&head->fields[i], &seen);
        if (verdict.status)
            return verdict;
    }
    if (!seen.host && strcmp(head->version, "HTTP/1.1") == 0)
        return bad(400, "The Host header is missing");
    if (seen.host && !is_host(seen.host->value, seen.host->value_len))
        return bad(400, "The Host header is not valid");
    return check_framing(head, &seen, body_limit);
}

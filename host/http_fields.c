#include "http_fields.h"

#include <string.h>

static enum MHD_Result take_field(void *user, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len) {
    (void)kind;
    struct http_fields *fields = user;
    if (fields->count > HTTP_MAX_FIELDS)
        return MHD_NO;
    while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
        value_len--;
    fields->list[fields->count++] =
        (struct http_field){name, name_len, value ? value : "", value ? value_len : 0};
    return MHD_YES;
}

void http_fields_gather(struct MHD_Connection *mhd, struct http_fields *fields) {
    fields->count = 0;
    MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, take_field, fields);
}

// libmicrohttpd cuts a value at a NUL, and copies one that was folded over lines elsewhere. Both
// show where the lines lie in its buffer: from the end of a value to the next name there is only
// the line end, whose bytes it has overwritten with NUL.
bool http_fields_are_plain(const struct http_fields *fields) {
    for (size_t i = 0; i < fields->count; i++) {
        const char *end = fields->list[i].value + fields->list[i].value_len;
        if (fields->list[i].value_len == 0)
            continue; // an empty value may be a constant
        const char *next = i + 1 < fields->count ? fields->list[i + 1].name : end + 2;
        if (next <= end || next - end > HTTP_MAX_HEAD)
            return false;
        for (const char *c = end; c < next; c++)
            if (*c && !strchr(" \t\r\n", *c))
                return false;
    }
    return true;
}

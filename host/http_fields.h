// The header fields of a request, as libmicrohttpd has read them; they lie in its memory.
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

#include "http_check.h"

struct http_fields {
    struct http_field list[HTTP_MAX_FIELDS + 1];
    size_t count;
};

void http_fields_gather(struct MHD_Connection *mhd, struct http_fields *fields);

// False: a field is folded over lines or holds a NUL, which its value does not show.
bool http_fields_are_plain(const struct http_fields *fields);

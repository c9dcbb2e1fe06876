// Which pages of other origins may read an answer, for the answers that no script has made;
// lib/cors.lua says the same for the others.
#pragma once

#include <stddef.h>

#include "http_server.h"

// The headers that let a page of `origin` read an answer: none when the list `origins` (as in
// CORS_ORIGINS, or NULL) does not name it. Returns how many. `origin` is borrowed by them.
size_t cors_grant(const char *origins, const char *origin,
                  struct http_header headers[HTTP_MAX_GRANT]);

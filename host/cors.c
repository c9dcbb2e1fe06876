#include "cors.h"

#include <stdbool.h>
#include <string.h>

static bool has(const char *list, const char *word) {
    static const char BETWEEN[] = ", \t\r\n";
    size_t len = strlen(word);
    while (*(list += strspn(list, BETWEEN))) {
        size_t size = strcspn(list, BETWEEN);
        if (size == len && memcmp(list, word, len) == 0)
            return true;
        list += size;
    }
    return false;
}

size_t cors_grant(const char *origins, const char *origin,
                  struct http_header headers[HTTP_MAX_GRANT]) {
    if (!origins || !origin)
        return 0;
    bool named = has(origins, origin);
    if (!named && !has(origins, "*"))
        return 0;
    size_t count = 0;
    headers[count++] = (struct http_header){"Access-Control-Allow-Origin", origin};
    headers[count++] = (struct http_header){"Access-Control-Expose-Headers", "Retry-After"};
    headers[count++] = (struct http_header){"Vary", "Origin"};
    if (named)
        headers[count++] = (struct http_header){"Access-Control-Allow-Credentials", "true"};
    return count;
}

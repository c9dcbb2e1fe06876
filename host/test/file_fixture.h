// For tests of what reads files while they change: written whole or not there, as an editor writes.
#pragma once

#include "test.h"

#include <stdio.h>

static inline void file_write(const char *folder, const char *name, const char *text, size_t len) {
    char path[256], beside[264];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(beside, sizeof beside, "%s~", path);
    FILE *file = fopen(beside, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(beside, path), 0);
}

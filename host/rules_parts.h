// Which rules share a Lua VM: those that a service asks are parted so that a change of files
// concerns few of them. A file that another one of them requires, perhaps through others, is in its
// part.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "rules_bundle.h"

struct rules_part {
    char *files;                 // that are asked, a space between; NULL: all
    char digest[FILES_REVISION]; // of these, their examples, and all that they may require
};

struct rules_parts {
    struct rules_part *list;
    size_t count; // at least 1
};

// only: as in rules_limits; files that are not there are in no part. What a file may require is
// read from its text: require("rules.NAME"). One with a require of anything but such a literal may
// require every file.
void rules_parts_find(struct rules_parts *parts, const struct rules_bundle *bundle,
                      const char *only);
void rules_parts_free(struct rules_parts *parts);

// Whether they have the same files with the same content.
bool rules_part_same(const struct rules_part *a, const struct rules_part *b);

// Whether the part is asked for a file ("notify").
bool rules_part_has(const struct rules_part *part, const char *file, size_t len);

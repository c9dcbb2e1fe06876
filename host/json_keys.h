// The keys of the open objects of a JSON text, for finding repeated ones. Only the innermost open
// object gains keys, and closing it takes them away again.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "err.h"

struct json_key;

struct json_keys {
    struct buf text; // the keys, one after the other
    struct json_key *list;
    size_t count, cap;
    size_t *slots; // open addressing, index of a key or SIZE_MAX
    size_t slot_count, slot_cap;
};

void json_keys_init(struct json_keys *keys);
void json_keys_free(struct json_keys *keys);

// Begins an object, whose number goes into the calls for it.
size_t json_keys_open(const struct json_keys *keys);
// False: the object, the innermost open one, has this key. name->data is not NULL.
MUST_CHECK bool json_keys_add(struct json_keys *keys, size_t object, const struct buf *name);
void json_keys_close(struct json_keys *keys, size_t object);

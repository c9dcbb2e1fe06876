#include "json_keys.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"

enum { FEW_KEYS = 16 };

// Compared one by one while they are few, by the table of hashes after that. Keys and table are
// stacks: what is removed from the table was added last, and leaves no hole in the probe sequence
// of another key.
struct json_key {
    uint64_t hash;
    size_t at, len; // in the text
    size_t slot;    // in the table; SIZE_MAX: not there
};

// Secret, so that nobody can prepare keys that fall on one slot.
static uint64_t seed[2];
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void make_seed(void) {
    if (getrandom(seed, sizeof seed, 0) != sizeof seed) {
        log_event(LOG_ERROR, "no random numbers", NULL);
        abort();
    }
    seed[1] |= 1;
}

static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// object: tells the open objects apart, whose keys share the table.
static uint64_t hash_key(const char *bytes, size_t len, size_t object) {
    uint64_t hash = seed[0] + object, word;
    for (; len >= sizeof word; bytes += sizeof word, len -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        hash = mix(hash ^ word, seed[1]);
    }
    word = 0;
    memcpy(&word, bytes, len);
    return mix(hash ^ word, seed[1] ^ (len << 1));
}

static bool is_key(const struct json_keys *keys, const struct json_key *key, uint64_t hash,
                   const struct buf *name) {
    return key->hash == hash && key->len == name->len &&
           memcmp(keys->text.data + key->at, name->data, key->len) == 0;
}

static void place_key(struct json_keys *keys, size_t index) {
    size_t slot = keys->list[index].hash & (keys->slot_cap - 1);
    while (keys->slots[slot] != SIZE_MAX)
        slot = (slot + 1) & (keys->slot_cap - 1);
    keys->slots[slot] = index;
    keys->list[index].slot = slot;
}

// Puts a key into the table, which stays half empty.
static void table_key(struct json_keys *keys, size_t index) {
    if (++keys->slot_count * 2 > keys->slot_cap) {
        keys->slot_cap = keys->slot_cap ? keys->slot_cap * 2 : 64;
        keys->slots = xrealloc(keys->slots, keys->slot_cap * sizeof *keys->slots);
        memset(keys->slots, 0xFF, keys->slot_cap * sizeof *keys->slots);
        for (size_t i = 0; i < index; i++)
            if (keys->list[i].slot != SIZE_MAX)
                place_key(keys, i);
    }
    place_key(keys, index);
}

static bool find_key(const struct json_keys *keys, size_t object, uint64_t hash,
                     const struct buf *name) {
    if (keys->count - object < FEW_KEYS) {
        for (size_t i = object; i < keys->count; i++)
            if (is_key(keys, &keys->list[i], hash, name))
                return true;
        return false;
    }
    size_t slot = hash & (keys->slot_cap - 1);
    for (; keys->slots[slot] != SIZE_MAX; slot = (slot + 1) & (keys->slot_cap - 1))
        if (keys->slots[slot] >= object && is_key(keys, &keys->list[keys->slots[slot]], hash, name))
            return true;
    return false;
}

static void add_key(struct json_keys *keys, size_t object, uint64_t hash, const struct buf *name) {
    if (keys->count == keys->cap) {
        keys->cap = keys->cap ? keys->cap * 2 : 32;
        keys->list = xrealloc(keys->list, keys->cap * sizeof *keys->list);
    }
    keys->list[keys->count++] = (struct json_key){hash, keys->text.len, name->len, SIZE_MAX};
    buf_add(&keys->text, name->data, name->len);
    if (keys->count - object == FEW_KEYS)
        for (size_t i = object; i < keys->count; i++)
            table_key(keys, i);
    else if (keys->count - object > FEW_KEYS)
        table_key(keys, keys->count - 1);
}

void json_keys_init(struct json_keys *keys) {
    pthread_once(&seeded, make_seed);
    *keys = (struct json_keys){0};
}

void json_keys_free(struct json_keys *keys) {
    buf_free(&keys->text);
    free(keys->list);
    free(keys->slots);
}

size_t json_keys_open(const struct json_keys *keys) {
    return keys->count;
}

bool json_keys_add(struct json_keys *keys, size_t object, const struct buf *name) {
    uint64_t hash = hash_key(name->data, name->len, object);
    if (find_key(keys, object, hash, name))
        return false;
    add_key(keys, object, hash, name);
    return true;
}

void json_keys_close(struct json_keys *keys, size_t object) {
    for (size_t i = object; i < keys->count; i++)
        if (keys->list[i].slot != SIZE_MAX) {
            keys->slots[keys->list[i].slot] = SIZE_MAX;
            keys->slot_count--;
        }
    if (keys->count > object)
        keys->text.len = keys->list[object].at;
    keys->count = object;
}

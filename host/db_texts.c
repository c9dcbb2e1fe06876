#include "db_texts.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"

enum { INDEX_SIZE = 2048 };

static uint32_t hash_text(const char *text) {
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

void db_texts_init(struct db_texts *texts) {
    texts->list = xcalloc(DB_TEXTS_MAX, sizeof *texts->list);
    texts->hashes = xcalloc(DB_TEXTS_MAX, sizeof *texts->hashes);
    texts->index = xmalloc(INDEX_SIZE * sizeof *texts->index);
    for (int i = 0; i < INDEX_SIZE; i++)
        texts->index[i] = -1;
    texts->count = 0;
}

void db_texts_free(struct db_texts *texts) {
    for (int i = 0; i < texts->count; i++)
        free(texts->list[i]);
    free(texts->list);
    free(texts->hashes);
    free(texts->index);
}

int db_texts_id(struct db_texts *texts, const char *sql, const char **kept) {
    uint32_t hash = hash_text(sql);
    uint32_t at = hash % INDEX_SIZE;
    for (; texts->index[at] >= 0; at = (at + 1) % INDEX_SIZE) {
        int id = texts->index[at];
        if (texts->hashes[id] == hash && strcmp(texts->list[id], sql) == 0) {
            *kept = texts->list[id];
            return id;
        }
    }
    if (texts->count == DB_TEXTS_MAX)
        return -1;
    int id = texts->count++;
    texts->index[at] = id;
    texts->hashes[id] = hash;
    *kept = texts->list[id] = xstrdup(sql);
    return id;
}

// The statement texts of a pool, each kept once. A text's id names its prepared statement on every
// connection.
#pragma once

#include <stdint.h>

enum { DB_TEXTS_MAX = 512 };

struct db_texts {
    char **list; // by id
    uint32_t *hashes;
    int *index; // open addressing over hashes
    int count;
};

void db_texts_init(struct db_texts *texts);
void db_texts_free(struct db_texts *texts);

// The id and the kept copy of a text; -1 when the table is full.
int db_texts_id(struct db_texts *texts, const char *sql, const char **kept);

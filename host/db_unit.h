// A unit: statements that succeed or fail together, copied with their values, from db_start until
// its callback has run; and queues of them.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "db.h"
#include "db_texts.h"

struct db_bound {
    const char *sql;
    int id; // of its text; -1: not prepared (the table of texts is full)
    int param_count;
    const char **params;
};

struct db_unit {
    struct db_unit *next;
    enum db_kind kind;
    bool alone; // after a failed segment: in a segment of its own
    int tries;
    uint64_t queued_at;
    db_done done;
    void *user;
    size_t count;
    struct db_bound *statements;
    struct db_rows **rows; // PGresults, filled as they come
};

// Copies the statements into one piece of memory.
struct db_unit *db_unit_new(enum db_kind kind, const struct db_statement *statements, size_t count,
                            struct db_texts *texts);

// Forgets answers, so that the unit can be sent again.
void db_unit_clear_rows(struct db_unit *unit);

// Calls done, and frees the unit.
void db_unit_finish(struct db_unit *unit, const struct db_result *result);
void db_unit_finish_with(struct db_unit *unit, enum db_outcome outcome, const char *message);
void db_unit_finish_ok(struct db_unit *unit);

struct db_unit_queue {
    struct db_unit *head;
    struct db_unit **tail;
    size_t len;
};

void db_unit_queue_init(struct db_unit_queue *queue);
void db_unit_queue_add(struct db_unit_queue *queue, struct db_unit *unit);
// The first; the queue is not empty.
struct db_unit *db_unit_queue_take(struct db_unit_queue *queue);

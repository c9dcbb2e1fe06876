#include "db_unit.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

struct db_unit *db_unit_new(enum db_kind kind, const struct db_statement *statements, size_t count,
                            struct db_texts *texts) {
    size_t pointers = 0, bytes = 0;
    for (size_t i = 0; i < count; i++) {
        pointers += (size_t)statements[i].param_count;
        bytes += strlen(statements[i].sql) + 1;
        for (int p = 0; p < statements[i].param_count; p++)
            bytes += statements[i].params[p] ? strlen(statements[i].params[p]) + 1 : 0;
    }
    size_t size = sizeof(struct db_unit) + count * (sizeof(struct db_bound) + sizeof(void *)) +
                  pointers * sizeof(char *) + bytes;
    struct db_unit *unit = xmalloc(size);
    memset(unit, 0, sizeof *unit);
    unit->kind = kind;
    unit->count = count;
    unit->statements = (struct db_bound *)(unit + 1);
    unit->rows = (struct db_rows **)(unit->statements + count);
    const char **next_param = (const char **)(unit->rows + count);
    char *next_byte = (char *)(next_param + pointers);
    for (size_t i = 0; i < count; i++) {
        struct db_bound *bound = &unit->statements[i];
        unit->rows[i] = NULL;
        bound->id = db_texts_id(texts, statements[i].sql, &bound->sql);
        if (bound->id < 0) {
            bound->sql = strcpy(next_byte, statements[i].sql);
            next_byte += strlen(next_byte) + 1;
        }
        bound->param_count = statements[i].param_count;
        bound->params = next_param;
        next_param += bound->param_count;
        for (int p = 0; p < bound->param_count; p++) {
            const char *value = statements[i].params[p];
            bound->params[p] = value ? strcpy(next_byte, value) : NULL;
            next_byte += value ? strlen(value) + 1 : 0;
        }
    }
    return unit;
}

void db_unit_clear_rows(struct db_unit *unit) {
    for (size_t i = 0; i < unit->count; i++) {
        PQclear((PGresult *)unit->rows[i]);
        unit->rows[i] = NULL;
    }
}

static void free_unit(struct db_unit *unit) {
    db_unit_clear_rows(unit);
    free(unit);
}

void db_unit_finish(struct db_unit *unit, const struct db_result *result) {
    if (unit->done)
        unit->done(unit->user, result);
    free_unit(unit);
}

void db_unit_finish_with(struct db_unit *unit, enum db_outcome outcome, const char *message) {
    struct db_result result = {.outcome = outcome, .message = message};
    db_unit_finish(unit, &result);
}

void db_unit_finish_ok(struct db_unit *unit) {
    struct db_result result = {.outcome = DB_OK, .rows = unit->rows, .count = unit->count};
    db_unit_finish(unit, &result);
}

void db_unit_queue_init(struct db_unit_queue *queue) {
    queue->head = NULL;
    queue->tail = &queue->head;
    queue->len = 0;
}

void db_unit_queue_add(struct db_unit_queue *queue, struct db_unit *unit) {
    unit->next = NULL;
    *queue->tail = unit;
    queue->tail = &unit->next;
    queue->len++;
}

struct db_unit *db_unit_queue_take(struct db_unit_queue *queue) {
    struct db_unit *unit = queue->head;
    queue->head = unit->next;
    if (!queue->head)
        queue->tail = &queue->head;
    queue->len--;
    unit->next = NULL;
    return unit;
}

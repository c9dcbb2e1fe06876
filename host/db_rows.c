// The accessors of an answer, and migrations: the blocking part of db.h.
#include <dirent.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "db.h"
#include "db_conn.h"
#include <libpq-fe.h>

static const PGresult *result_of(const struct db_rows *rows) {
    return (const PGresult *)rows;
}

int db_rows_count(const struct db_rows *rows) {
    return PQntuples(result_of(rows));
}

int db_rows_columns(const struct db_rows *rows) {
    return PQnfields(result_of(rows));
}

const char *db_rows_name(const struct db_rows *rows, int column) {
    return PQfname(result_of(rows), column);
}

// Object ids of the built-in types, from PostgreSQL's catalog/pg_type.dat.
enum db_type db_rows_type(const struct db_rows *rows, int column) {
    switch (PQftype(result_of(rows), column)) {
    case 16:
        return DB_BOOLEAN;
    case 20:   // int8
    case 21:   // int2
    case 23:   // int4
    case 26:   // oid
    case 700:  // float4
    case 701:  // float8
    case 1700: // numeric
        return DB_NUMBER;
    case 1184:
        return DB_TIME;
    case 1009:
        return DB_TEXT_LIST;
    default:
        return DB_TEXT;
    }
}

const char *db_rows_value(const struct db_rows *rows, int row, int column, size_t *len) {
    const PGresult *result = result_of(rows);
    if (PQgetisnull(result, row, column))
        return NULL;
    *len = (size_t)PQgetlength(result, row, column);
    return PQgetvalue(result, row, column);
}

long db_rows_affected(const struct db_rows *rows) {
    return atol(PQcmdTuples((PGresult *)(uintptr_t)rows));
}

// Migrations.

enum { LOCK_TRIES = 120, LOCK_PAUSE_MS = 300 };
enum { LOCKED = 1 }; // beside 0 and -1: a lock was not had in time

// Frees the result.
static int check(PGconn *pg, PGresult *result, const char *what, struct err *err) {
    ExecStatusType status = PQresultStatus(result);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool locked = state && strcmp(state, "55P03") == 0;
    PQclear(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return 0;
    char text[300];
    snprintf(text, sizeof text, "%s", PQerrorMessage(pg));
    text[strcspn(text, "\n")] = 0;
    err_set(err, "%s: %s", what, text);
    return locked ? LOCKED : -1;
}

static int run_sql(PGconn *pg, const char *sql, const char *what, struct err *err) {
    return check(pg, PQexec(pg, sql), what, err);
}

static int read_whole(const char *path, struct buf *out, struct err *err) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return err_set(err, "cannot read %s", path);
    char chunk[8192];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_add(out, chunk, got);
    bool failed = ferror(file) != 0;
    fclose(file);
    return failed ? err_set(err, "cannot read %s", path) : 0;
}

static void digest_hex(const struct buf *text, char hex[65]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    EVP_Digest(text->data ? text->data : "", text->len, digest, &len, EVP_sha256(), NULL);
    for (unsigned int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

// 1: applied before with this content, 0: new, -1: error.
static int was_applied(PGconn *pg, const char *name, const char *hex, struct err *err) {
    const char *params[] = {name};
    PGresult *result = PQexecParams(pg, "SELECT digest FROM public.todo_migration WHERE name = $1",
                                    1, NULL, params, NULL, NULL, 0);
    int answer = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        answer = err_set(err, "migration %s: cannot read public.todo_migration", name);
    else if (PQntuples(result) > 0 && strcmp(PQgetvalue(result, 0, 0), hex) != 0)
        answer = err_set(err, "migration %s was changed after it had been applied", name);
    else if (PQntuples(result) > 0)
        answer = 1;
    PQclear(result);
    return answer;
}

// In a transaction of its own. Who waits for a lock on a table makes all wait that come after, so
// it gives up sooner than statements of the services do, and tries again.
static int run_file(PGconn *pg, const char *sql, const char *const name_and_digest[2],
                    const char *what, struct err *err) {
    int status = run_sql(pg, "BEGIN; SET LOCAL lock_timeout = 200", what, err);
    if (status == 0)
        status = run_sql(pg, sql, what, err);
    if (status == 0) // COMMIT does not fail after a statement that has: it rolls back
        status = check(
            pg,
            PQexecParams(pg, "INSERT INTO public.todo_migration (name, digest) VALUES ($1, $2)", 2,
                         NULL, name_and_digest, NULL, NULL, 0),
            what, err);
    if (status == 0)
        status = run_sql(pg, "COMMIT", what, err);
    if (status != 0)
        PQclear(PQexec(pg, "ROLLBACK"));
    return status;
}

static int apply(PGconn *pg, const char *folder, const char *name, struct err *err) {
    struct buf sql = {0}, path = {0};
    buf_addf(&path, "%s/%s", folder, name);
    char hex[65], what[300];
    snprintf(what, sizeof what, "migration %s", name);
    int status = read_whole(path.data, &sql, err);
    if (status == 0) {
        digest_hex(&sql, hex);
        status = was_applied(pg, name, hex, err);
    }
    if (status == 0) {
        const char *params[] = {name, hex};
        for (int tries = 0; tries < LOCK_TRIES; tries++) {
            status = run_file(pg, sql.data ? sql.data : "", params, what, err);
            if (status != LOCKED)
                break;
            uv_sleep(LOCK_PAUSE_MS);
        }
        if (status == LOCKED)
            status = -1;
    }
    buf_free(&sql);
    buf_free(&path);
    return status < 0 ? -1 : 0;
}

static int is_sql(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return len > 4 && strcmp(entry->d_name + len - 4, ".sql") == 0 && entry->d_name[0] != '.';
}

static int apply_all(PGconn *pg, const char *folder, struct err *err) {
    static const char TABLE[] =
        "CREATE TABLE IF NOT EXISTS public.todo_migration (name text PRIMARY KEY,"
        " digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";
    if (run_sql(pg, "SET client_min_messages = warning", "migrate", err) != 0 ||
        run_sql(pg, "SELECT pg_advisory_lock(7069643931)", "migrate", err) != 0 ||
        run_sql(pg, TABLE, "migrate", err) != 0)
        return -1;
    struct dirent **entries;
    int count = scandir(folder, &entries, is_sql, alphasort);
    if (count < 0)
        return err_set(err, "cannot read the folder %s", folder);
    int status = 0;
    for (int i = 0; i < count; i++) {
        if (status == 0)
            status = apply(pg, folder, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return status;
}

int db_migrate(const char *url, const char *folder, struct err *err) {
    const char *keywords[] = {"gssencmode", "dbname", NULL};
    const char *values[] = {db_conn_gssencmode(), url, NULL};
    PGconn *pg = PQconnectdbParams(keywords, values, 1);
    int status;
    if (PQstatus(pg) != CONNECTION_OK) {
        char text[300];
        snprintf(text, sizeof text, "%s", PQerrorMessage(pg));
        text[strcspn(text, "\n")] = 0;
        status = err_set(err, "%s", text);
    } else {
        status = apply_all(pg, folder, err);
    }
    PQfinish(pg);
    return status;
}

// PostgreSQL for one worker: a pool of pipelined connections on a libuv loop.
//
// A unit is one or more statements that succeed or fail together. Units that arrive in one turn of
// the loop are sent on one connection as one segment (closed by one Sync), which PostgreSQL runs as
// one implicit transaction: one commit, one wait for the disk, for all of them. When a unit fails,
// the server has rolled the whole segment back, so the pool sends each of its units again in a
// segment of its own, and only the one to blame sees its error. Reads and writes never share a
// segment. A unit's callback runs after the commit of its segment.
//
// Connections are re-made with back-off; the settings of each are in db_conn.c. Loop thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "err.h"

struct db;
struct db_rows; // the answer to one statement

enum db_outcome {
    DB_OK,
    DB_UNAVAILABLE, // not sent, or known to be rolled back: nothing happened
    DB_UNKNOWN,     // sent, and the connection was lost before the answer: it may have happened
    DB_SQL,         // PostgreSQL refused it: sqlstate, message
};

struct db_result {
    enum db_outcome outcome;
    const char *message;         // a sentence when the outcome is not DB_OK
    const char *sqlstate;        // five characters for DB_SQL, else NULL
    const char *constraint;      // the violated constraint's name, or NULL
    struct db_rows *const *rows; // one per statement when DB_OK
    size_t count;
};

// Exactly once per started unit, from the loop, never from inside db_start. Everything in the
// result is borrowed until it returns.
typedef void (*db_done)(void *user, const struct db_result *result);

struct db_statement {
    const char *sql;           // one statement; parameters are $1, $2 …
    const char *const *params; // text values, NULL for SQL NULL
    int param_count;
};

enum db_kind {
    DB_READ, // changes nothing: sent again by the pool after a lost connection
    DB_WRITE,
};

struct db_options {
    const char *url;
    int connections;
    uint64_t queue_wait_ms; // a unit not yet sent after this is DB_UNAVAILABLE
    uint64_t reply_wait_ms; // a connection that owes an answer for longer is given up
    // A segment was answered, so long after it was sent; NULL: nobody counts them.
    void (*on_answered)(void *user, double seconds);
    void *user;
};

// Starts connecting; never fails for a server that is down.
struct db *db_new(uv_loop_t *loop, const struct db_options *options);

// Every unit not answered ends as DB_UNAVAILABLE or DB_UNKNOWN first. Run the loop once more after.
void db_free(struct db *db);

// Copies the statements. -1: the queue is full or no server is there; done is never called.
MUST_CHECK int db_start(struct db *db, enum db_kind kind, const struct db_statement *statements,
                        size_t count, db_done done, void *user, struct err *err);

// A transaction that needs answers on its way has a connection of its own. db_session_start ends in
// done with DB_OK when one is reserved; its owner then runs statements one at a time, beginning
// with BEGIN, and gives it back. A session given back in mid-transaction has its connection closed,
// which rolls back.
struct db_session;
MUST_CHECK int db_session_start(struct db *db, struct db_session **session, db_done done,
                                void *user, struct err *err);
MUST_CHECK int db_session_run(struct db_session *session, const struct db_statement *statement,
                              db_done done, void *user, struct err *err);
// The only call after an outcome other than DB_OK and DB_SQL, and at the end. A waiting done is
// dropped, not called.
void db_session_end(struct db_session *session, bool clean);

// At least one connection is up.
bool db_ready(const struct db *db);

// Why the last attempt to connect failed; "it does not answer" when none has failed yet.
const char *db_trouble(const struct db *db);

struct db_stats {
    int connections;  // that there should be
    int up;           // usable ones
    int busy;         // of these, that owe an answer
    size_t waiting;   // units not sent yet
    size_t in_flight; // units sent and not answered
    uint64_t segments, units, retries, lost, reconnects;
};
void db_stats(const struct db *db, struct db_stats *stats);

// What a value is to a script; everything unknown is text.
enum db_type { DB_TEXT, DB_BOOLEAN, DB_NUMBER, DB_TIME, DB_TEXT_LIST };

int db_rows_count(const struct db_rows *rows);
int db_rows_columns(const struct db_rows *rows);
const char *db_rows_name(const struct db_rows *rows, int column);
enum db_type db_rows_type(const struct db_rows *rows, int column);
const char *db_rows_value(const struct db_rows *rows, int row, int column,
                          size_t *len); // NULL: null
long db_rows_affected(const struct db_rows *rows);

// Runs the numbered *.sql files of a folder in the order of their names, each once and in a
// transaction of its own, under a lock that lets programs migrate side by side. Blocks; for the
// command line. A file already applied whose content has changed is an error.
MUST_CHECK int db_migrate(const char *url, const char *folder, struct err *err);

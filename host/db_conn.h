// One pipelined PostgreSQL connection: connecting, sending segments, taking their answers apart.
// Which unit goes where is db.c's affair. libpq is used in the files db*.c alone. Loop thread only.
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "db.h"
#include "db_unit.h"

struct db_conn;

struct db_segment {
    struct db_segment *next;
    struct db_unit *units; // linked, in the order sent
    size_t unit_count;
    uint64_t sent_at; // loop time
    uint64_t sent_ns; // uv_hrtime
    // The first error of the segment; blame NULL: the commit itself failed.
    bool failed;
    struct db_unit *blame;
    char sqlstate[6];
    char message[256];
    char constraint[64];
};

// The owner hears of changes through these, always from the loop.
struct db_conn_owner {
    void *user;
    void (*on_up)(void *user, struct db_conn *conn);
    // All statements answered; committed unless segment->failed. The owner now has the segment.
    void (*on_segment)(void *user, struct db_conn *conn, struct db_segment *segment);
    // The connection is gone; `segments` (linked) were not answered and are the owner's now.
    void (*on_lost)(void *user, struct db_conn *conn, struct db_segment *segments,
                    const char *reason);
};

// libpq's parameter of that name: not to ask Kerberos, unless the URL or the environment says so.
// Where there is no memory its library (krb5 1.20) crashes in gss_acquire_cred.
const char *db_conn_gssencmode(void);

struct db_conn *db_conn_new(uv_loop_t *loop, const char *url, const struct db_conn_owner *owner);
void db_conn_free(struct db_conn *conn); // closes without a call back

// Begins to connect; ends in on_up or on_lost, maybe before it returns.
void db_conn_connect(struct db_conn *conn);

// Sends the units as one segment. The connection must be up. A failure to send ends in on_lost.
void db_conn_send(struct db_conn *conn, struct db_segment *segment);

// Gives the connection up: on_lost follows before it returns.
void db_conn_drop(struct db_conn *conn, const char *reason);

bool db_conn_up(const struct db_conn *conn);
bool db_conn_closed(const struct db_conn *conn); // neither up nor connecting
size_t db_conn_in_flight(const struct db_conn *conn);
uint64_t db_conn_oldest(const struct db_conn *conn); // loop time the oldest wait began; 0: none

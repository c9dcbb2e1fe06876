#include "db_conn.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"

enum state { CLOSED, CONNECTING, UP };
enum expect_kind { PREPARED, ROWS, SYNC };

// What the server owes us next, in the order of sending.
struct expect {
    enum expect_kind kind;
    int id;     // PREPARED
    bool begun; // its result has come, only the closing NULL is due
    struct db_segment *segment;
    struct db_unit *unit;
    size_t index; // of the statement in its unit
};

struct db_conn {
    uv_loop_t *loop;
    const char *url;
    struct db_conn_owner owner;
    PGconn *pg;
    uv_poll_t *poll;
    int poll_events;
    enum state state;
    uint64_t connect_at;
    struct db_segment *segments; // in flight
    struct db_segment **segments_tail;
    size_t in_flight;     // units
    struct expect *queue; // ring
    size_t queue_cap, queue_head, queue_len;
    bool prepared[DB_TEXTS_MAX];
};

// Plans are made once per connection, some while a table is still small, and an index is never far
// worse: a plan that reads all of a queue would time out once the queue has grown. Compiling a plan
// (jit) takes longer than any statement of ours may last. With pages as cheap in any order as in
// their own, rows that are wanted in the order of an index come from it until there are enough; a
// bitmap of all rows that fit, sorted, would be read anew for each part of a queue.
static const char SESSION_OPTIONS[] = "-c statement_timeout=2000 -c lock_timeout=500 "
                                      "-c idle_in_transaction_session_timeout=10000 "
                                      "-c timezone=UTC -c datestyle=ISO -c enable_seqscan=off "
                                      "-c random_page_cost=1 -c jit=off";

struct db_conn *db_conn_new(uv_loop_t *loop, const char *url, const struct db_conn_owner *owner) {
    struct db_conn *conn = xcalloc(1, sizeof *conn);
    conn->loop = loop;
    conn->url = url;
    conn->owner = *owner;
    conn->segments_tail = &conn->segments;
    return conn;
}

static void on_poll_closed(uv_handle_t *handle) {
    free(handle);
}

static void close_socket(struct db_conn *conn) {
    if (conn->poll) {
        uv_close((uv_handle_t *)conn->poll, on_poll_closed);
        conn->poll = NULL;
        conn->poll_events = 0;
    }
    if (conn->pg)
        PQfinish(conn->pg);
    conn->pg = NULL;
    conn->state = CLOSED;
}

void db_conn_free(struct db_conn *conn) {
    close_socket(conn);
    free(conn->queue);
    free(conn);
}

void db_conn_drop(struct db_conn *conn, const char *reason) {
    char text[256];
    snprintf(text, sizeof text, "%s", reason);
    close_socket(conn);
    struct db_segment *segments = conn->segments;
    conn->segments = NULL;
    conn->segments_tail = &conn->segments;
    conn->in_flight = 0;
    conn->queue_head = conn->queue_len = 0;
    memset(conn->prepared, 0, sizeof conn->prepared);
    conn->owner.on_lost(conn->owner.user, conn, segments, text);
}

static void drop_by_libpq(struct db_conn *conn) {
    char text[256];
    snprintf(text, sizeof text, "%s", PQerrorMessage(conn->pg));
    text[strcspn(text, "\n")] = 0;
    db_conn_drop(conn, *text ? text : "connection lost");
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct db_conn *conn, int events) {
    if (conn->poll && conn->poll_events == events)
        return;
    conn->poll_events = events;
    uv_poll_start(conn->poll, events, on_poll);
}

// libpq may change its socket while connecting.
static int open_poll(struct db_conn *conn) {
    if (conn->poll)
        uv_close((uv_handle_t *)conn->poll, on_poll_closed);
    conn->poll_events = 0;
    conn->poll = xcalloc(1, sizeof *conn->poll);
    conn->poll->data = conn;
    if (uv_poll_init(conn->loop, conn->poll, PQsocket(conn->pg)) == 0)
        return 0;
    free(conn->poll);
    conn->poll = NULL;
    return -1;
}

// What comes after it, as the URL, goes before it.
const char *db_conn_gssencmode(void) {
    return getenv("PGGSSENCMODE") ? NULL : "disable";
}

void db_conn_connect(struct db_conn *conn) {
    assert(conn->state == CLOSED);
    const char *keywords[] = {"gssencmode",
                              "dbname",
                              "fallback_application_name",
                              "client_encoding",
                              "options",
                              "tcp_user_timeout",
                              "keepalives_idle",
                              "keepalives_interval",
                              "keepalives_count",
                              NULL};
    const char *values[] = {db_conn_gssencmode(),
                            conn->url,
                            "todo-host",
                            "UTF8",
                            SESSION_OPTIONS,
                            "5000",
                            "5",
                            "2",
                            "2",
                            NULL};
    conn->connect_at = uv_now(conn->loop);
    conn->pg = PQconnectStartParams(keywords, values, 1);
    conn->state = CONNECTING;
    if (!conn->pg || PQstatus(conn->pg) == CONNECTION_BAD || open_poll(conn) != 0)
        drop_by_libpq(conn);
    else
        watch(conn, UV_WRITABLE);
}

static void go_on_connecting(struct db_conn *conn) {
    int before = PQsocket(conn->pg);
    PostgresPollingStatusType status = PQconnectPoll(conn->pg);
    if (status == PGRES_POLLING_FAILED) {
        drop_by_libpq(conn);
        return;
    }
    if (PQsocket(conn->pg) != before && open_poll(conn) != 0) {
        drop_by_libpq(conn);
        return;
    }
    if (status == PGRES_POLLING_OK) {
        if (PQsetnonblocking(conn->pg, 1) != 0 || !PQenterPipelineMode(conn->pg)) {
            drop_by_libpq(conn);
            return;
        }
        conn->state = UP;
        watch(conn, UV_READABLE);
        conn->owner.on_up(conn->owner.user, conn);
        return;
    }
    watch(conn, status == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE);
}

static void push_expect(struct db_conn *conn, struct expect expect) {
    if (conn->queue_len == conn->queue_cap) {
        size_t cap = conn->queue_cap ? conn->queue_cap * 2 : 64;
        struct expect *queue = xmalloc(cap * sizeof *queue);
        for (size_t i = 0; i < conn->queue_len; i++)
            queue[i] = conn->queue[(conn->queue_head + i) % conn->queue_cap];
        free(conn->queue);
        conn->queue = queue;
        conn->queue_cap = cap;
        conn->queue_head = 0;
    }
    conn->queue[(conn->queue_head + conn->queue_len++) % conn->queue_cap] = expect;
}

static void pop_expect(struct db_conn *conn) {
    conn->queue_head = (conn->queue_head + 1) % conn->queue_cap;
    conn->queue_len--;
}

static bool send_statement(struct db_conn *conn, struct db_segment *segment, struct db_unit *unit,
                           size_t index) {
    const struct db_bound *bound = &unit->statements[index];
    struct expect rows = {.kind = ROWS, .segment = segment, .unit = unit, .index = index};
    if (bound->id < 0) {
        push_expect(conn, rows);
        return PQsendQueryParams(conn->pg, bound->sql, bound->param_count, NULL, bound->params,
                                 NULL, NULL, 0);
    }
    char name[16];
    snprintf(name, sizeof name, "s%d", bound->id);
    if (!conn->prepared[bound->id]) {
        struct expect prepared = {
            .kind = PREPARED, .id = bound->id, .segment = segment, .unit = unit};
        push_expect(conn, prepared);
        conn->prepared[bound->id] = true;
        if (!PQsendPrepare(conn->pg, name, bound->sql, 0, NULL))
            return false;
    }
    push_expect(conn, rows);
    return PQsendQueryPrepared(conn->pg, name, bound->param_count, bound->params, NULL, NULL, 0);
}

static void flush(struct db_conn *conn) {
    int left = PQflush(conn->pg);
    if (left < 0)
        drop_by_libpq(conn);
    else
        watch(conn, left ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

void db_conn_send(struct db_conn *conn, struct db_segment *segment) {
    assert(conn->state == UP);
    segment->sent_at = uv_now(conn->loop);
    segment->sent_ns = uv_hrtime();
    segment->next = NULL;
    *conn->segments_tail = segment;
    conn->segments_tail = &segment->next;
    conn->in_flight += segment->unit_count;
    bool ok = true;
    for (struct db_unit *unit = segment->units; unit && ok; unit = unit->next)
        for (size_t i = 0; i < unit->count && ok; i++)
            ok = send_statement(conn, segment, unit, i);
    push_expect(conn, (struct expect){.kind = SYNC, .segment = segment});
    if (!ok || !PQpipelineSync(conn->pg))
        drop_by_libpq(conn);
    else
        flush(conn);
}

static void note_error(struct expect *expect, const PGresult *result) {
    struct db_segment *segment = expect->segment;
    if (segment->failed)
        return;
    segment->failed = true;
    segment->blame = expect->unit;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    snprintf(segment->sqlstate, sizeof segment->sqlstate, "%s", sqlstate ? sqlstate : "XX000");
    snprintf(segment->message, sizeof segment->message, "%s",
             message ? message : PQresultErrorMessage(result));
    snprintf(segment->constraint, sizeof segment->constraint, "%s", constraint ? constraint : "");
}

static void end_segment(struct db_conn *conn) {
    struct db_segment *segment = conn->segments;
    conn->segments = segment->next;
    if (!conn->segments)
        conn->segments_tail = &conn->segments;
    segment->next = NULL;
    conn->in_flight -= segment->unit_count;
    conn->owner.on_segment(conn->owner.user, conn, segment);
}

// libpq's own error (no memory for the answer, say): the server may have done what was asked.
static void drop_by_result(struct db_conn *conn, PGresult *result) {
    char text[256];
    snprintf(text, sizeof text, "%s", PQresultErrorMessage(result));
    text[strcspn(text, "\n")] = 0;
    PQclear(result);
    db_conn_drop(conn, *text ? text : "an answer of the database cannot be read");
}

// Takes one result for the head of the queue. The connection may be gone afterwards.
static void take(struct db_conn *conn, struct expect *expect, PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    if ((status == PGRES_PIPELINE_SYNC) != (expect->kind == SYNC)) {
        PQclear(result);
        db_conn_drop(conn, "an answer of the database was lost");
        return;
    }
    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        pop_expect(conn);
        end_segment(conn);
        return;
    }
    bool good = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    bool aborted = status == PGRES_PIPELINE_ABORTED;
    if (!good && !aborted && !PQresultErrorField(result, PG_DIAG_SQLSTATE)) {
        drop_by_result(conn, result);
        return;
    }
    if (!good && !aborted)
        note_error(expect, result);
    if (expect->kind == PREPARED && !good)
        conn->prepared[expect->id] = false;
    if (expect->kind == ROWS && good && !expect->unit->rows[expect->index]) {
        expect->unit->rows[expect->index] = (struct db_rows *)result;
        result = NULL;
    }
    expect->begun = true;
    PQclear(result);
}

static void read_answers(struct db_conn *conn) {
    if (!PQconsumeInput(conn->pg)) {
        drop_by_libpq(conn);
        return;
    }
    PGconn *pg = conn->pg;
    while (conn->pg == pg && conn->queue_len > 0 && !PQisBusy(pg)) {
        struct expect *expect = &conn->queue[conn->queue_head];
        PGresult *result = PQgetResult(pg);
        if (result) {
            take(conn, expect, result);
        } else if (expect->begun) {
            expect->begun = false;
            if (expect->kind != SYNC)
                pop_expect(conn);
        } else {
            break;
        }
    }
    if (conn->pg == pg && PQstatus(pg) == CONNECTION_BAD)
        drop_by_libpq(conn);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct db_conn *conn = poll->data;
    if (conn->poll != poll)
        return;
    if (conn->state == CONNECTING) {
        go_on_connecting(conn);
        return;
    }
    if (status < 0) {
        db_conn_drop(conn, uv_strerror(status));
        return;
    }
    if (events & UV_READABLE)
        read_answers(conn);
    if (conn->poll == poll && (events & UV_WRITABLE))
        flush(conn);
}

bool db_conn_up(const struct db_conn *conn) {
    return conn->state == UP;
}

bool db_conn_closed(const struct db_conn *conn) {
    return conn->state == CLOSED;
}

size_t db_conn_in_flight(const struct db_conn *conn) {
    return conn->in_flight;
}

uint64_t db_conn_oldest(const struct db_conn *conn) {
    if (conn->state == CONNECTING)
        return conn->connect_at;
    return conn->segments ? conn->segments->sent_at : 0;
}

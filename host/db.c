#include "db.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "db_conn.h"
#include "log.h"

enum { SEGMENT_UNITS = 128, QUEUE_MAX = 20000, RETRIES = 3, TICK_MS = 20 };
// Writes gather while others are being committed: fewer, larger commits are the faster ones. But no
// write waits for a commit that takes longer than this.
enum { GATHER_MS = 5 };
static const uint64_t BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 1000;

struct slot {
    struct db *db;
    struct db_conn *conn;
    struct db_session *session;
    bool writing;        // its segments in flight hold writes
    uint64_t connect_at; // loop time of the next attempt, while closed
    uint64_t backoff_ms;
};

struct db {
    uv_loop_t *loop;
    struct db_options options;
    char *url;
    struct slot *slots;
    struct db_unit_queue reads, writes, alone;
    struct db_session *waiting; // sessions without a connection, oldest first
    struct db_session **waiting_tail;
    bool read_last;
    bool stopping;
    bool down;          // the last attempt failed and nothing is up
    struct err trouble; // why
    uint32_t seed;
    struct db_texts texts;
    uv_timer_t *tick;
    uv_prepare_t *prepare;
    uv_check_t *check;
    struct db_stats stats;
};

struct db_session {
    struct db *db;
    struct slot *slot; // NULL: still waiting
    struct db_session *next;
    db_done start_done;
    void *start_user;
    uint64_t queued_at;
    struct db_unit *running;
};

// Errors after which nothing has happened and a later try may succeed.
static bool is_passing(const char *sqlstate) {
    return strncmp(sqlstate, "53", 2) == 0 || strncmp(sqlstate, "57", 2) == 0 ||
           strncmp(sqlstate, "58", 2) == 0 || strncmp(sqlstate, "40", 2) == 0 ||
           strcmp(sqlstate, "55P03") == 0 || strcmp(sqlstate, "25006") == 0;
}

static void finish_failed(struct db_unit *unit, const struct db_segment *segment) {
    struct db_result result = {
        .outcome = is_passing(segment->sqlstate) ? DB_UNAVAILABLE : DB_SQL,
        .message = segment->message,
        .sqlstate = segment->sqlstate,
        .constraint = *segment->constraint ? segment->constraint : NULL,
    };
    db_unit_finish(unit, &result);
}

static size_t waiting_units(const struct db *db) {
    return db->reads.len + db->writes.len + db->alone.len;
}

// Sending.

static void send_segment(struct slot *slot, struct db_unit *units, size_t count) {
    struct db_segment *segment = xcalloc(1, sizeof *segment);
    segment->units = units;
    segment->unit_count = count;
    slot->db->stats.segments++;
    slot->db->stats.units += count;
    db_conn_send(slot->conn, segment);
}

static void send_shared(struct slot *slot, struct db_unit_queue *queue) {
    struct db_unit *first = NULL, **tail = &first;
    size_t count = 0;
    while (queue->head && count < SEGMENT_UNITS) {
        *tail = db_unit_queue_take(queue);
        tail = &(*tail)->next;
        count++;
    }
    send_segment(slot, first, count);
}

static void grant_session(struct slot *slot) {
    struct db *db = slot->db;
    struct db_session *session = db->waiting;
    db->waiting = session->next;
    if (!db->waiting)
        db->waiting_tail = &db->waiting;
    session->slot = slot;
    slot->session = session;
    struct db_result result = {.outcome = DB_OK};
    session->start_done(session->start_user, &result);
}

static bool is_idle(const struct slot *slot) {
    return db_conn_up(slot->conn) && !slot->session && db_conn_in_flight(slot->conn) == 0;
}

static bool may_write(const struct db *db) {
    if (!db->writes.head)
        return false;
    uint64_t now = uv_now(db->loop);
    for (int i = 0; i < db->options.connections; i++) {
        const struct slot *slot = &db->slots[i];
        bool busy = slot->writing && db_conn_in_flight(slot->conn) > 0;
        if (busy && db_conn_oldest(slot->conn) + GATHER_MS > now)
            return db->writes.len >= SEGMENT_UNITS;
    }
    return true;
}

static void feed(struct slot *slot) {
    struct db *db = slot->db;
    slot->writing = false;
    if (db->alone.head) {
        for (int i = 0; i < 16 && db->alone.head && db_conn_up(slot->conn); i++)
            send_segment(slot, db_unit_queue_take(&db->alone), 1);
    } else if (db->waiting) {
        grant_session(slot);
    } else {
        bool writes = may_write(db);
        bool reads = db->reads.head && !(db->read_last && writes);
        db->read_last = reads;
        slot->writing = !reads && writes;
        if (reads)
            send_shared(slot, &db->reads);
        else if (writes)
            send_shared(slot, &db->writes);
    }
}

static void dispatch(struct db *db) {
    for (int i = 0; i < db->options.connections; i++) {
        struct slot *slot = &db->slots[i];
        if (!waiting_units(db) && !db->waiting)
            return;
        if (is_idle(slot))
            feed(slot);
    }
}

static void on_prepare(uv_prepare_t *handle) {
    dispatch(handle->data);
}

static void on_check(uv_check_t *handle) {
    dispatch(handle->data);
}

// Answers.

static bool try_again(struct db *db, struct db_unit *unit, const struct db_segment *segment) {
    const char *state = segment->sqlstate;
    bool conflict = strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0;
    bool forgotten = strcmp(state, "26000") == 0 || strcmp(state, "0A000") == 0;
    if (!(conflict || forgotten) || unit->tries >= RETRIES)
        return false;
    unit->tries++;
    unit->alone = true;
    db_unit_clear_rows(unit);
    db_unit_queue_add(&db->alone, unit);
    db->stats.retries++;
    return true;
}

// After a lock or a statement was waited for in vain: the neighbours of the one to blame go
// together once more. A second time they give up, or each would wait for the same lock in turn.
static void give_up_waiting(struct db *db, struct db_segment *segment) {
    for (struct db_unit *unit = segment->units, *next; unit; unit = next) {
        next = unit->next;
        if (unit == segment->blame || unit->tries > 0) {
            finish_failed(unit, segment);
            continue;
        }
        unit->tries++;
        db_unit_clear_rows(unit);
        db_unit_queue_add(unit->kind == DB_READ ? &db->reads : &db->writes, unit);
        db->stats.retries++;
    }
}

static void on_failed_segment(struct db *db, struct db_segment *segment) {
    const char *state = segment->sqlstate;
    if (strcmp(state, "55P03") == 0 || strcmp(state, "57014") == 0) {
        give_up_waiting(db, segment);
        return;
    }
    bool shared = segment->unit_count > 1;
    for (struct db_unit *unit = segment->units, *next; unit; unit = next) {
        next = unit->next;
        if (shared) {
            unit->alone = true;
            db_unit_clear_rows(unit);
            db_unit_queue_add(&db->alone, unit);
            db->stats.retries++;
        } else if (!try_again(db, unit, segment)) {
            finish_failed(unit, segment);
        }
    }
}

static void end_session_unit(struct slot *slot, struct db_segment *segment) {
    struct db_session *session = slot->session;
    struct db_unit *unit = segment->units;
    session->running = NULL;
    if (segment->failed)
        finish_failed(unit, segment);
    else
        db_unit_finish_ok(unit);
}

static void on_segment(void *user, struct db_conn *conn, struct db_segment *segment) {
    struct slot *slot = user;
    const struct db_options *options = &slot->db->options;
    bool failed = segment->failed;
    if (options->on_answered)
        options->on_answered(options->user, (double)(uv_hrtime() - segment->sent_ns) / 1e9);
    bool stale_plans = failed && (strcmp(segment->sqlstate, "26000") == 0 ||
                                  strcmp(segment->sqlstate, "0A000") == 0);
    bool read_only = failed && strcmp(segment->sqlstate, "25006") == 0;
    if (slot->session && slot->session->running == segment->units) {
        end_session_unit(slot, segment);
    } else if (failed) {
        on_failed_segment(slot->db, segment);
    } else {
        for (struct db_unit *unit = segment->units, *next; unit; unit = next) {
            next = unit->next;
            db_unit_finish_ok(unit);
        }
    }
    free(segment);
    if (read_only && db_conn_up(conn))
        db_conn_drop(conn, "the server became read-only");
    else if (stale_plans && db_conn_up(conn))
        db_conn_drop(conn, "prepared statements are gone");
}

static uint64_t jitter(struct db *db, uint64_t ms) {
    db->seed = db->seed * 1664525u + 1013904223u;
    return ms * 3 / 4 + (uint64_t)(db->seed >> 16) % (ms / 2 + 1);
}

static void lose_unit(struct db *db, struct db_unit *unit, const char *reason) {
    if (unit->kind == DB_READ && unit->tries < RETRIES) {
        unit->tries++;
        db_unit_clear_rows(unit);
        db_unit_queue_add(&db->reads, unit);
        db->stats.retries++;
    } else {
        db_unit_finish_with(unit, unit->kind == DB_READ ? DB_UNAVAILABLE : DB_UNKNOWN, reason);
    }
}

static void fail_waiting(struct db *db, const char *reason, uint64_t before);

static bool any_up(const struct db *db) {
    for (int i = 0; i < db->options.connections; i++)
        if (db_conn_up(db->slots[i].conn))
            return true;
    return false;
}

static void on_lost(void *user, struct db_conn *conn, struct db_segment *segments,
                    const char *reason) {
    (void)conn;
    struct slot *slot = user;
    struct db *db = slot->db;
    bool was_up = slot->backoff_ms == 0;
    slot->connect_at = uv_now(db->loop) + jitter(db, was_up ? 20 : slot->backoff_ms);
    slot->backoff_ms = was_up                                  ? BACKOFF_FIRST_MS
                       : slot->backoff_ms * 2 < BACKOFF_MAX_MS ? slot->backoff_ms * 2
                                                               : BACKOFF_MAX_MS;
    if (was_up && !db->stopping) {
        db->stats.lost++;
        log_event(LOG_WARN, "database connection lost", "error", reason, NULL);
    }
    struct db_session *session = slot->session;
    for (struct db_segment *segment = segments, *next; segment; segment = next) {
        next = segment->next;
        for (struct db_unit *unit = segment->units, *after; unit; unit = after) {
            after = unit->next;
            if (session && session->running == unit) {
                session->running = NULL;
                db_unit_finish_with(unit, DB_UNKNOWN, reason);
            } else {
                lose_unit(db, unit, reason);
            }
        }
        free(segment);
    }
    err_set(&db->trouble, "%s", reason);
    if (!was_up && !any_up(db)) {
        if (!db->down)
            log_event(LOG_ERROR, "database is not reachable", "error", reason, NULL);
        db->down = true;
        fail_waiting(db, "the database is not reachable", UINT64_MAX);
    }
}

static void on_up(void *user, struct db_conn *conn) {
    (void)conn;
    struct slot *slot = user;
    if (slot->db->down)
        log_event(LOG_INFO, "database is back", NULL);
    slot->backoff_ms = 0;
    slot->db->down = false;
    slot->db->stats.reconnects++;
}

// Time.

static void fail_queue(struct db_unit_queue *queue, const char *reason, uint64_t before) {
    struct db_unit_queue old = *queue;
    if (!old.head)
        return;
    db_unit_queue_init(queue);
    for (struct db_unit *unit = old.head, *next; unit; unit = next) {
        next = unit->next;
        if (unit->queued_at < before)
            db_unit_finish_with(unit, DB_UNAVAILABLE, reason);
        else
            db_unit_queue_add(queue, unit);
    }
}

static void fail_waiting(struct db *db, const char *reason, uint64_t before) {
    fail_queue(&db->reads, reason, before);
    fail_queue(&db->writes, reason, before);
    fail_queue(&db->alone, reason, before);
    while (db->waiting && db->waiting->queued_at < before) {
        struct db_session *session = db->waiting;
        db->waiting = session->next;
        if (!db->waiting)
            db->waiting_tail = &db->waiting;
        struct db_result result = {.outcome = DB_UNAVAILABLE, .message = reason};
        db_done done = session->start_done;
        void *user = session->start_user;
        free(session);
        done(user, &result);
    }
}

static void on_tick(uv_timer_t *timer) {
    struct db *db = timer->data;
    uint64_t now = uv_now(db->loop);
    for (int i = 0; i < db->options.connections; i++) {
        struct slot *slot = &db->slots[i];
        if (db_conn_closed(slot->conn)) {
            if (!slot->session && now >= slot->connect_at)
                db_conn_connect(slot->conn);
            continue;
        }
        uint64_t oldest = db_conn_oldest(slot->conn);
        if (oldest && now > oldest + db->options.reply_wait_ms)
            db_conn_drop(slot->conn, "no answer from the database in time");
    }
    if (now > db->options.queue_wait_ms)
        fail_waiting(db, "the database is busy", now - db->options.queue_wait_ms);
}

// The pool.

struct db *db_new(uv_loop_t *loop, const struct db_options *options) {
    struct db *db = xcalloc(1, sizeof *db);
    db->loop = loop;
    db->options = *options;
    db->url = xstrdup(options->url);
    db->seed = (uint32_t)uv_hrtime();
    db->waiting_tail = &db->waiting;
    db_unit_queue_init(&db->reads);
    db_unit_queue_init(&db->writes);
    db_unit_queue_init(&db->alone);
    db_texts_init(&db->texts);
    db->slots = xcalloc((size_t)options->connections, sizeof *db->slots);
    for (int i = 0; i < options->connections; i++) {
        struct slot *slot = &db->slots[i];
        slot->db = db;
        slot->backoff_ms = BACKOFF_FIRST_MS;
        struct db_conn_owner owner = {slot, on_up, on_segment, on_lost};
        slot->conn = db_conn_new(loop, db->url, &owner);
    }
    db->tick = xcalloc(1, sizeof *db->tick);
    db->prepare = xcalloc(1, sizeof *db->prepare);
    db->check = xcalloc(1, sizeof *db->check);
    db->tick->data = db->prepare->data = db->check->data = db;
    uv_timer_init(loop, db->tick);
    uv_prepare_init(loop, db->prepare);
    uv_check_init(loop, db->check);
    uv_timer_start(db->tick, on_tick, 0, TICK_MS);
    uv_prepare_start(db->prepare, on_prepare);
    uv_check_start(db->check, on_check);
    return db;
}

static void on_closed(uv_handle_t *handle) {
    free(handle);
}

void db_free(struct db *db) {
    db->stopping = true;
    uv_close((uv_handle_t *)db->tick, on_closed);
    uv_close((uv_handle_t *)db->prepare, on_closed);
    uv_close((uv_handle_t *)db->check, on_closed);
    for (int i = 0; i < db->options.connections; i++)
        if (!db_conn_closed(db->slots[i].conn))
            db_conn_drop(db->slots[i].conn, "the program is stopping");
    fail_waiting(db, "the program is stopping", UINT64_MAX);
    for (int i = 0; i < db->options.connections; i++) {
        db_conn_free(db->slots[i].conn);
        free(db->slots[i].session);
    }
    db_texts_free(&db->texts);
    free(db->slots);
    free(db->url);
    free(db);
}

int db_start(struct db *db, enum db_kind kind, const struct db_statement *statements, size_t count,
             db_done done, void *user, struct err *err) {
    if (db->down)
        return err_set(err, "the database is not reachable");
    if (waiting_units(db) >= QUEUE_MAX)
        return err_set(err, "too many statements are waiting for the database");
    struct db_unit *unit = db_unit_new(kind, statements, count, &db->texts);
    unit->queued_at = uv_now(db->loop);
    unit->done = done;
    unit->user = user;
    db_unit_queue_add(kind == DB_READ ? &db->reads : &db->writes, unit);
    return 0;
}

bool db_ready(const struct db *db) {
    return any_up(db);
}

const char *db_trouble(const struct db *db) {
    return db->trouble.text[0] ? db->trouble.text : "it does not answer";
}

void db_stats(const struct db *db, struct db_stats *stats) {
    *stats = db->stats;
    stats->connections = db->options.connections;
    stats->waiting = waiting_units(db);
    for (int i = 0; i < db->options.connections; i++) {
        stats->up += db_conn_up(db->slots[i].conn);
        stats->busy += db_conn_in_flight(db->slots[i].conn) > 0;
        stats->in_flight += db_conn_in_flight(db->slots[i].conn);
    }
}

// Sessions.

int db_session_start(struct db *db, struct db_session **session, db_done done, void *user,
                     struct err *err) {
    if (db->down)
        return err_set(err, "the database is not reachable");
    struct db_session *made = xcalloc(1, sizeof *made);
    made->db = db;
    made->start_done = done;
    made->start_user = user;
    made->queued_at = uv_now(db->loop);
    *db->waiting_tail = made;
    db->waiting_tail = &made->next;
    *session = made;
    return 0;
}

int db_session_run(struct db_session *session, const struct db_statement *statement, db_done done,
                   void *user, struct err *err) {
    assert(session->slot && !session->running);
    if (!db_conn_up(session->slot->conn))
        return err_set(err, "the connection of this transaction was lost");
    struct db_unit *unit = db_unit_new(DB_WRITE, statement, 1, &session->db->texts);
    unit->done = done;
    unit->user = user;
    session->running = unit;
    send_segment(session->slot, unit, 1);
    return 0;
}

static void forget_waiting(struct db_session *session) {
    struct db *db = session->db;
    struct db_session **link = &db->waiting;
    while (*link && *link != session)
        link = &(*link)->next;
    if (*link)
        *link = session->next;
    if (db->waiting_tail == &session->next)
        db->waiting_tail = link;
}

void db_session_end(struct db_session *session, bool clean) {
    struct slot *slot = session->slot;
    if (!slot) {
        forget_waiting(session);
    } else {
        if (session->running)
            session->running->done = NULL;
        if (db_conn_up(slot->conn) && (!clean || session->running))
            db_conn_drop(slot->conn, "a transaction was given up");
        slot->session = NULL;
    }
    free(session);
}

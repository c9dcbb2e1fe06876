#include "bus.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

enum { MAX_WAITING = 8 * 1024 * 1024 };

struct message {
    atomic_int holders;
    size_t len;
    char text[];
};

struct waiting {
    struct waiting *next;
    struct message *message;
};

struct bus_member {
    struct bus_member *next; // of all members of all buses, under `members_lock`
    char *name;
    uv_async_t wake;
    bus_on_message on_message; // NULL once it has left
    void *user;
    pthread_mutex_t lock; // of what follows
    struct waiting *first, **last;
    size_t bytes;
    bool lost;
};

static pthread_mutex_t members_lock = PTHREAD_MUTEX_INITIALIZER;
static struct bus_member *members;

static void release(struct message *message) {
    if (atomic_fetch_sub(&message->holders, 1) == 1)
        free(message);
}

static void drop_all(struct waiting *first) {
    while (first) {
        struct waiting *next = first->next;
        release(first->message);
        free(first);
        first = next;
    }
}

// Takes what waits; *lost says whether something was dropped before it.
static struct waiting *take(struct bus_member *member, bool *lost) {
    pthread_mutex_lock(&member->lock);
    struct waiting *first = member->first;
    *lost = member->lost;
    member->first = NULL;
    member->last = &member->first;
    member->bytes = 0;
    member->lost = false;
    pthread_mutex_unlock(&member->lock);
    return first;
}

static void on_wake(uv_async_t *async) {
    struct bus_member *member = async->data;
    bool lost;
    struct waiting *first = take(member, &lost);
    if (lost && member->on_message)
        member->on_message(member->user, NULL, 0);
    for (struct waiting *item = first; item && member->on_message; item = item->next)
        member->on_message(member->user, item->message->text, item->message->len);
    drop_all(first);
}

struct bus_member *bus_join(uv_loop_t *loop, const char *name, bus_on_message on_message,
                            void *user) {
    struct bus_member *member = xcalloc(1, sizeof *member);
    member->name = xstrdup(name);
    member->on_message = on_message;
    member->user = user;
    member->last = &member->first;
    member->wake.data = member;
    pthread_mutex_init(&member->lock, NULL);
    uv_async_init(loop, &member->wake, on_wake);
    pthread_mutex_lock(&members_lock);
    member->next = members;
    members = member;
    pthread_mutex_unlock(&members_lock);
    return member;
}

static void on_closed(uv_handle_t *handle) {
    struct bus_member *member = handle->data;
    drop_all(member->first);
    pthread_mutex_destroy(&member->lock);
    free(member->name);
    free(member);
}

void bus_leave(struct bus_member *member) {
    member->on_message = NULL;
    pthread_mutex_lock(&members_lock);
    struct bus_member **link = &members;
    while (*link != member)
        link = &(*link)->next;
    *link = member->next;
    pthread_mutex_unlock(&members_lock);
    uv_close((uv_handle_t *)&member->wake, on_closed);
}

static void give(struct bus_member *member, struct message *message) {
    struct waiting *item = xcalloc(1, sizeof *item);
    struct waiting *dropped = NULL;
    item->message = message;
    atomic_fetch_add(&message->holders, 1);
    pthread_mutex_lock(&member->lock);
    if (member->bytes + message->len > MAX_WAITING) {
        dropped = member->first;
        member->first = NULL;
        member->last = &member->first;
        member->bytes = 0;
        member->lost = true;
    }
    *member->last = item;
    member->last = &item->next;
    member->bytes += message->len;
    pthread_mutex_unlock(&member->lock);
    drop_all(dropped);
}

void bus_publish(const char *name, const char *text, size_t len) {
    struct message *message = xmalloc(sizeof *message + len);
    atomic_init(&message->holders, 1);
    message->len = len;
    memcpy(message->text, text, len);
    // The lock is held while the members are woken, so that none of them is freed meanwhile.
    pthread_mutex_lock(&members_lock);
    for (struct bus_member *member = members; member; member = member->next)
        if (strcmp(member->name, name) == 0) {
            give(member, message);
            uv_async_send(&member->wake);
        }
    pthread_mutex_unlock(&members_lock);
    release(message);
}

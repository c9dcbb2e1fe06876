#include "rules_log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { PLACES = 64, NAME = 160, EVERY_MS = 60000 };

struct place {
    char name[NAME]; // "code rule"; "": free
    uint64_t logged_ms, left_out;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct place places[PLACES];

// That of the name, else the one that was logged longest ago, which is given up for it.
static struct place *find(const char *name) {
    struct place *oldest = &places[0];
    for (int i = 0; i < PLACES; i++) {
        if (strcmp(places[i].name, name) == 0)
            return &places[i];
        if (oldest->name[0] && (!places[i].name[0] || places[i].logged_ms < oldest->logged_ms))
            oldest = &places[i];
    }
    oldest->name[0] = 0;
    return oldest;
}

bool rules_log_may(const char *rule, const char *code, uint64_t now_ms, uint64_t *left_out) {
    char name[NAME];
    snprintf(name, sizeof name, "%s %s", code, rule);
    pthread_mutex_lock(&lock);
    struct place *place = find(name);
    bool known = place->name[0], may = !known || now_ms >= place->logged_ms + EVERY_MS;
    *left_out = known ? place->left_out : 0;
    if (may) {
        memcpy(place->name, name, sizeof name);
        place->logged_ms = now_ms;
        place->left_out = 0;
    } else {
        place->left_out++;
    }
    pthread_mutex_unlock(&lock);
    return may;
}

void rules_log_forget(void) {
    pthread_mutex_lock(&lock);
    memset(places, 0, sizeof places);
    pthread_mutex_unlock(&lock);
}

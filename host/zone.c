#include "zone.h"

#include <ctype.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "civil.h"

enum { MAX_FILE = 256 * 1024, DAY = 86400 };

// When one of the two changes of a POSIX rule happens each year.
struct change {
    enum { MONTH_WEEK_DAY, JULIAN, ZERO_BASED } kind;
    int month, week, day; // day of the week 0 = Sunday, or of the year
    int seconds;          // after local midnight
};

struct rule {
    bool present, has_dst;
    int standard, dst; // seconds east
    struct change start, end;
};

struct zone {
    struct zone *next;
    char *name;
    size_t count;
    int64_t *at;  // of each change
    int *offsets; // from it on
    int first;    // before all changes
    struct rule rule;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct zone *zones;

// Local seconds at which a change happens in a year.
static int64_t change_in(const struct change *change, int year) {
    int64_t start = civil_year_start(year);
    int day;
    if (change->kind == ZERO_BASED) {
        day = change->day;
    } else if (change->kind == JULIAN) { // 29 February is never counted
        day = change->day - 1 + (civil_is_leap(year) && change->day >= 60);
    } else {
        int first = civil_month_start(year, change->month);
        int weekday = (civil_weekday_of(start + first) + 1) % 7; // from Sunday, as change->day
        day = first + (change->day - weekday + 7) % 7 + (change->week - 1) * 7;
        if (day >= first + civil_month_len(year, change->month))
            day -= 7;
    }
    return (start + day) * DAY + change->seconds;
}

static int rule_offset(const struct rule *rule, int64_t utc) {
    if (!rule->has_dst)
        return rule->standard;
    int year = civil_year_of(civil_floor_div(utc + rule->standard, DAY));
    int64_t start = change_in(&rule->start, year) - rule->standard;
    int64_t end = change_in(&rule->end, year) - rule->dst;
    bool dst = start < end ? utc >= start && utc < end : utc >= start || utc < end;
    return dst ? rule->dst : rule->standard;
}

// The POSIX TZ string of the footer.

static bool skip_name(const char **at) {
    const char *start = *at;
    if (**at == '<') {
        const char *close = strchr(*at, '>');
        *at = close ? close + 1 : *at;
        return close;
    }
    while (isalpha((unsigned char)**at))
        (*at)++;
    return *at - start >= 3;
}

static bool read_number(const char **at, int *value) {
    if (!isdigit((unsigned char)**at))
        return false;
    *value = (int)strtol(*at, (char **)(uintptr_t)at, 10);
    return true;
}

// [+-]hh[:mm[:ss]]
static bool read_time(const char **at, int *seconds) {
    int sign = **at == '-' ? -1 : 1, hours, minutes = 0, rest = 0;
    if (**at == '-' || **at == '+')
        (*at)++;
    if (!read_number(at, &hours))
        return false;
    if (**at == ':') {
        (*at)++;
        if (!read_number(at, &minutes))
            return false;
    }
    if (**at == ':') {
        (*at)++;
        if (!read_number(at, &rest))
            return false;
    }
    *seconds = sign * (hours * 3600 + minutes * 60 + rest);
    return true;
}

static bool read_change(const char **at, struct change *change) {
    if (*(*at)++ != ',')
        return false;
    if (**at == 'M') {
        change->kind = MONTH_WEEK_DAY;
        (*at)++;
        if (!read_number(at, &change->month) || *(*at)++ != '.' ||
            !read_number(at, &change->week) || *(*at)++ != '.' || !read_number(at, &change->day))
            return false;
        if (change->month < 1 || change->month > 12 || change->week < 1 || change->week > 5)
            return false;
    } else {
        change->kind = **at == 'J' ? JULIAN : ZERO_BASED;
        *at += **at == 'J';
        if (!read_number(at, &change->day))
            return false;
    }
    change->seconds = 2 * 3600;
    if (**at != '/')
        return true;
    (*at)++;
    return read_time(at, &change->seconds);
}

static bool read_rule(const char *text, struct rule *rule) {
    int west;
    if (!skip_name(&text) || !read_time(&text, &west))
        return false;
    rule->standard = -west;
    rule->present = true;
    if (!*text)
        return true;
    if (!skip_name(&text))
        return false;
    rule->dst = rule->standard + 3600;
    if (*text && *text != ',') {
        if (!read_time(&text, &west))
            return false;
        rule->dst = -west;
    }
    rule->has_dst = true;
    return read_change(&text, &rule->start) && read_change(&text, &rule->end) && !*text;
}

// TZif.

struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static uint32_t read_u32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t read_i64(const unsigned char *p) {
    return (int64_t)((uint64_t)read_u32(p) << 32 | read_u32(p + 4));
}

static bool read_counts(const unsigned char *p, size_t len, struct counts *counts) {
    if (len < 44 || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return false;
    *counts = (struct counts){read_u32(p + 20), read_u32(p + 24), read_u32(p + 28),
                              read_u32(p + 32), read_u32(p + 36), read_u32(p + 40)};
    return counts->time < 10000 && counts->type < 256 && counts->type > 0 &&
           counts->chars < 10000 && counts->leap < 1000 && counts->isut < 256 &&
           counts->isstd < 256;
}

static size_t block_size(const struct counts *c, size_t time_size) {
    return c->time * (time_size + 1) + c->type * 6 + c->chars + c->leap * (time_size + 4) +
           c->isstd + c->isut;
}

static bool parse(const unsigned char *file, size_t len, struct zone *zone) {
    struct counts counts;
    if (!read_counts(file, len, &counts))
        return false;
    size_t skip = 44 + block_size(&counts, 4); // the block of version 1
    if (skip > len || !read_counts(file + skip, len - skip, &counts))
        return false;
    const unsigned char *p = file + skip + 44;
    size_t size = block_size(&counts, 8);
    if (size > len - skip - 44)
        return false;
    const unsigned char *types = p + counts.time * 8, *infos = types + counts.time;
    zone->count = counts.time;
    zone->at = xcalloc(counts.time, sizeof *zone->at);
    zone->offsets = xcalloc(counts.time, sizeof *zone->offsets);
    zone->first = (int)read_u32(infos);
    for (size_t i = 0; i < counts.time; i++) {
        if (types[i] >= counts.type)
            return false;
        zone->at[i] = read_i64(p + i * 8);
        zone->offsets[i] = (int)read_u32(infos + types[i] * 6);
    }
    const char *footer = (const char *)p + size, *end = (const char *)file + len;
    if (footer + 1 >= end || *footer != '\n')
        return true;
    const char *close = memchr(footer + 1, '\n', (size_t)(end - footer - 1));
    char text[128];
    size_t footer_len = close ? (size_t)(close - footer - 1) : 0;
    if (footer_len == 0 || footer_len >= sizeof text)
        return true;
    memcpy(text, footer + 1, footer_len);
    text[footer_len] = 0;
    return read_rule(text, &zone->rule);
}

static void free_zone(struct zone *zone) {
    free(zone->name);
    free(zone->at);
    free(zone->offsets);
    free(zone);
}

static bool is_name(const char *name) {
    static const char *const NO[] = {"posix/", "right/", "localtime", "posixrules", "Factory"};
    if (!isalpha((unsigned char)name[0]) || strlen(name) > 64 || strstr(name, ".."))
        return false;
    for (size_t i = 0; i < sizeof NO / sizeof *NO; i++)
        if (strncmp(name, NO[i], strlen(NO[i])) == 0)
            return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("/_+-", *c))
            return false;
    return true;
}

static struct zone *load(const char *name) {
    struct buf path = {0};
    buf_addf(&path, "/usr/share/zoneinfo/%s", name);
    FILE *stream = fopen(path.data, "rb");
    buf_free(&path);
    if (!stream)
        return NULL;
    unsigned char *file = xmalloc(MAX_FILE);
    size_t len = fread(file, 1, MAX_FILE, stream);
    fclose(stream);
    struct zone *zone = xcalloc(1, sizeof *zone);
    zone->name = xstrdup(name);
    if (!parse(file, len, zone)) {
        free_zone(zone);
        zone = NULL;
    }
    free(file);
    return zone;
}

const struct zone *zone_find(const char *name) {
    if (!is_name(name))
        return NULL;
    pthread_mutex_lock(&lock);
    struct zone *zone = zones;
    while (zone && strcmp(zone->name, name) != 0)
        zone = zone->next;
    if (!zone && (zone = load(name))) {
        zone->next = zones;
        zones = zone;
    }
    pthread_mutex_unlock(&lock);
    return zone;
}

int zone_offset(const struct zone *zone, int64_t utc) {
    if (zone->count == 0)
        return zone->rule.present ? rule_offset(&zone->rule, utc) : zone->first;
    if (utc < zone->at[0])
        return zone->first;
    size_t low = 0, high = zone->count; // at[low] <= utc < at[high]
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (zone->at[middle] <= utc)
            low = middle;
        else
            high = middle;
    }
    if (low == zone->count - 1 && zone->rule.present)
        return rule_offset(&zone->rule, utc);
    return zone->offsets[low];
}

int64_t zone_to_utc(const struct zone *zone, int64_t local) {
    int before = zone_offset(zone, local - DAY), after = zone_offset(zone, local + DAY);
    if (zone_offset(zone, local - before) == before)
        return local - before;
    if (zone_offset(zone, local - after) == after)
        return local - after;
    return local - before;
}

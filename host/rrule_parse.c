// Reading a rule; rrule.c says when it recurs.
#include <string.h>

#include "civil.h"
#include "rrule.h"

enum { DAY = 86400, HOUR = 3600, MAX_INTERVAL = 9999, MAX_COUNT = 999999999 };

static const char *const WEEKDAYS[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};

// Stays inside one value.
struct cursor {
    const char *at, *end;
};

static bool skip(struct cursor *value, char c) {
    if (value->at == value->end || *value->at != c)
        return false;
    value->at++;
    return true;
}

// -1: no digits, or too many.
static int64_t read_number(struct cursor *value, int max_digits) {
    int64_t number = 0;
    int digits = 0;
    for (; value->at < value->end && *value->at >= '0' && *value->at <= '9'; value->at++, digits++)
        number = digits < max_digits ? number * 10 + (*value->at - '0') : 0;
    return digits > 0 && digits <= max_digits ? number : -1;
}

static int read_weekday(struct cursor *value) {
    for (int i = 0; i < 7 && value->end - value->at >= 2; i++) {
        if (memcmp(value->at, WEEKDAYS[i], 2) == 0) {
            value->at += 2;
            return i;
        }
    }
    return -1;
}

static const struct part {
    const char *name;
    int min, max;
    bool from_end; // negative numbers count from the end
} PARTS[] = {
    [RRULE_SECOND] = {"BYSECOND", 0, 60, false},   [RRULE_MINUTE] = {"BYMINUTE", 0, 59, false},
    [RRULE_HOUR] = {"BYHOUR", 0, 23, false},       [RRULE_MONTHDAY] = {"BYMONTHDAY", 1, 31, true},
    [RRULE_YEARDAY] = {"BYYEARDAY", 1, 366, true}, [RRULE_WEEKNO] = {"BYWEEKNO", 1, 53, true},
    [RRULE_MONTH] = {"BYMONTH", 1, 12, false},     [RRULE_SETPOS] = {"BYSETPOS", 1, 366, true},
};

static int read_set(struct cursor *value, const struct part *part, struct rrule_set *set,
                    struct err *err) {
    do {
        bool minus = part->from_end && skip(value, '-');
        if (part->from_end && !minus)
            skip(value, '+');
        int64_t n = read_number(value, 3);
        if (n < part->min || n > part->max)
            return err_set(err, "%s takes numbers from %d to %d", part->name, part->min, part->max);
        if (part == &PARTS[RRULE_SECOND] && n == 60)
            n = 59;
        rrule_set_add(set, minus ? -(int)n : (int)n);
    } while (skip(value, ','));
    return 0;
}

static int read_by_day(struct cursor *value, struct rrule *rule, struct err *err) {
    rule->by_day = true;
    do {
        bool minus = skip(value, '-'), sign = minus || skip(value, '+');
        bool numbered = sign || (value->at < value->end && *value->at <= '9');
        int64_t n = numbered ? read_number(value, 2) : 0;
        int weekday = read_weekday(value);
        if (weekday < 0 || (numbered && (n < 1 || n > 53)))
            return err_set(err, "BYDAY takes days such as MO, or 1MO and -1FR");
        if (numbered)
            rrule_set_add(&rule->nth[weekday], minus ? -(int)n : (int)n);
        else
            rule->weekdays |= (uint8_t)(1u << weekday);
    } while (skip(value, ','));
    return 0;
}

static bool read_digits(struct cursor *value, int count, int *number) {
    *number = 0;
    for (int i = 0; i < count; i++, value->at++) {
        if (value->at == value->end || *value->at < '0' || *value->at > '9')
            return false;
        *number = *number * 10 + (*value->at - '0');
    }
    return true;
}

// 20261224, 20261224T180000 or 20261224T180000Z
static int read_until(struct cursor *value, struct rrule *rule, struct err *err) {
    int year, month, day, hour = 23, min = 59, sec = 59;
    bool good = read_digits(value, 4, &year) && read_digits(value, 2, &month) &&
                read_digits(value, 2, &day) && year >= 1 && month >= 1 && month <= 12;
    rule->until_kind = RRULE_UNTIL_LOCAL;
    if (good && skip(value, 'T')) {
        good = read_digits(value, 2, &hour) && read_digits(value, 2, &min) &&
               read_digits(value, 2, &sec) && hour <= 23 && min <= 59 && sec <= 60;
        if (skip(value, 'Z'))
            rule->until_kind = RRULE_UNTIL_UTC;
    }
    if (good) {
        int64_t first = civil_year_start(year) + civil_month_start(year, month);
        good = day >= 1 && day <= civil_month_len(year, month);
        rule->until = (first + day - 1) * DAY + hour * HOUR + min * 60 + sec;
    }
    return good ? 0 : err_set(err, "UNTIL takes a date such as 20261224 or 20261224T180000Z");
}

static int read_freq(struct cursor *value, struct rrule *rule, struct err *err) {
    static const char *const NAMES[] = {"YEARLY", "MONTHLY",  "WEEKLY",  "DAILY",
                                        "HOURLY", "MINUTELY", "SECONDLY"};
    size_t len = (size_t)(value->end - value->at);
    for (int i = 0; i < 7; i++) {
        if (strlen(NAMES[i]) != len || memcmp(NAMES[i], value->at, len) != 0)
            continue;
        if (i > RRULE_HOURLY)
            return err_set(err, "it recurs more often than hourly");
        rule->freq = i;
        value->at = value->end;
        return 0;
    }
    return err_set(err, "FREQ takes YEARLY, MONTHLY, WEEKLY, DAILY or HOURLY");
}

enum { FREQ = RRULE_PARTS, INTERVAL, COUNT, UNTIL, WKST, BYDAY, NAMES };

static int find_name(const char *name, size_t len) {
    static const char *const OTHERS[] = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY"};
    for (int i = 0; i < NAMES; i++) {
        const char *known = i < RRULE_PARTS ? PARTS[i].name : OTHERS[i - RRULE_PARTS];
        if (strlen(known) == len && memcmp(known, name, len) == 0)
            return i;
    }
    return -1;
}

static int read_value(int name, struct cursor *value, struct rrule *rule, struct err *err) {
    switch (name) {
    case FREQ:
        return read_freq(value, rule, err);
    case INTERVAL:
        rule->interval = (int)read_number(value, 4);
        return rule->interval >= 1 ? 0 : err_set(err, "INTERVAL takes 1 to %d", (int)MAX_INTERVAL);
    case COUNT:
        rule->count = read_number(value, 9);
        return rule->count >= 1 ? 0 : err_set(err, "COUNT takes 1 to %d", (int)MAX_COUNT);
    case UNTIL:
        return read_until(value, rule, err);
    case WKST:
        rule->week_start = read_weekday(value);
        return rule->week_start >= 0 ? 0 : err_set(err, "WKST takes a day such as MO");
    case BYDAY:
        return read_by_day(value, rule, err);
    default:
        return read_set(value, &PARTS[name], &rule->by[name], err);
    }
}

static bool is_numbered(const struct rrule *rule) {
    for (int i = 0; i < 7; i++)
        if (rule->nth[i].any)
            return true;
    return false;
}

// What the RFC forbids between the parts.
static int check_parts(const struct rrule *rule, unsigned seen, struct err *err) {
    const struct rrule_set *by = rule->by;
    if (!(seen & 1u << FREQ))
        return err_set(err, "FREQ is missing");
    if (seen & 1u << COUNT && seen & 1u << UNTIL)
        return err_set(err, "COUNT and UNTIL exclude each other");
    if (is_numbered(rule) &&
        ((rule->freq != RRULE_MONTHLY && rule->freq != RRULE_YEARLY) || by[RRULE_WEEKNO].any))
        return err_set(err, "BYDAY with a number is for MONTHLY, and YEARLY without BYWEEKNO");
    if (by[RRULE_WEEKNO].any && rule->freq != RRULE_YEARLY)
        return err_set(err, "BYWEEKNO is for YEARLY");
    if (by[RRULE_YEARDAY].any && rule->freq != RRULE_YEARLY && rule->freq != RRULE_HOURLY)
        return err_set(err, "BYYEARDAY is for YEARLY and HOURLY");
    if (by[RRULE_MONTHDAY].any && rule->freq == RRULE_WEEKLY)
        return err_set(err, "BYMONTHDAY is not for WEEKLY");
    if (by[RRULE_SETPOS].any && !(seen & 1u << BYDAY)) {
        bool other = false;
        for (int i = 0; i < RRULE_SETPOS; i++)
            other = other || by[i].any;
        if (!other)
            return err_set(err, "BYSETPOS needs another BY part");
    }
    return 0;
}

int rrule_parse(const char *text, size_t len, struct rrule *rule, struct err *err) {
    *rule = (struct rrule){.interval = 1};
    unsigned seen = 0;
    if (len == 0 || len > RRULE_MAX_LEN)
        return err_set(err, "a rule is 1 to %d bytes", (int)RRULE_MAX_LEN);
    const char *end = text + len;
    for (const char *part = text; part <= end;) {
        const char *close = memchr(part, ';', (size_t)(end - part));
        close = close ? close : end;
        const char *equals = memchr(part, '=', (size_t)(close - part));
        int name = equals ? find_name(part, (size_t)(equals - part)) : -1;
        if (name < 0)
            return err_set(err, "a rule is made of parts such as FREQ=DAILY with ; between them");
        if (seen & 1u << name)
            return err_set(err, "a part is there twice");
        seen |= 1u << name;
        struct cursor value = {equals + 1, close};
        if (read_value(name, &value, rule, err) != 0)
            return -1;
        if (value.at != close)
            return err_set(err, "%.*s has a value that is not understood", (int)(equals - part),
                           part);
        part = close + 1;
    }
    return check_parts(rule, seen, err);
}

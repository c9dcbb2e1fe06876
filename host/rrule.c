#include "rrule.h"

#include <string.h>

enum { DAY = 86400, HOUR = 3600, LAST_YEAR = 9999, MAX_INTERVAL = 9999, MAX_COUNT = 999999999 };

static const char *const WEEKDAYS[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};

// The calendar.

static bool is_leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t year_start(int year) {
    int64_t before = year - 1;
    return before * 365 + before / 4 - before / 100 + before / 400 - 719162;
}

static int month_start(int year, int month) {
    static const int BEFORE[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    return BEFORE[month - 1] + (month > 2 && is_leap(year));
}

static int year_of(int64_t day) {
    int year = 1970 + (int)(day * 400 / 146097);
    while (year_start(year) > day)
        year--;
    while (year_start(year + 1) <= day)
        year++;
    return year;
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

static int weekday_of(int64_t day) {
    return (int)(day + 3 - floor_div(day + 3, 7) * 7);
}

// A day with all that a rule may ask of it.
struct date {
    int64_t day;
    int year, month, monthday, month_len, yearday, year_len, weekday;
};

static struct date date_of(int64_t day) {
    struct date d = {.day = day, .year = year_of(day), .month = 12, .weekday = weekday_of(day)};
    d.yearday = (int)(day - year_start(d.year)) + 1;
    d.year_len = 365 + is_leap(d.year);
    while (month_start(d.year, d.month) >= d.yearday)
        d.month--;
    int first = month_start(d.year, d.month);
    int next = d.month == 12 ? d.year_len : month_start(d.year, d.month + 1);
    d.month_len = next - first;
    d.monthday = d.yearday - first;
    return d;
}

static void advance(struct date *d) {
    if (d->yearday == d->year_len) {
        *d = date_of(d->day + 1);
        return;
    }
    d->day++;
    d->yearday++;
    d->weekday = d->weekday == 6 ? 0 : d->weekday + 1;
    if (d->monthday++ == d->month_len) {
        d->month++;
        d->monthday = 1;
        int next = d->month == 12 ? d->year_len : month_start(d->year, d->month + 1);
        d->month_len = next - month_start(d->year, d->month);
    }
}

// Sets.

static bool in(const uint64_t bits[6], int64_t n) {
    return n >= 0 && n < 384 && (bits[n / 64] >> (n % 64) & 1);
}

// n counts from the start, `from_end` from the end; both begin with 1.
static bool has(const struct rrule_set *set, int64_t n, int64_t from_end) {
    return in(set->plus, n) || in(set->minus, from_end);
}

static void add(struct rrule_set *set, int n) {
    uint64_t *bits = n < 0 ? set->minus : set->plus;
    n = n < 0 ? -n : n;
    bits[n / 64] |= UINT64_C(1) << (n % 64);
    set->any = true;
}

// Reading a rule. A cursor stays inside one value.

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
        add(set, minus ? -(int)n : (int)n);
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
            add(&rule->nth[weekday], minus ? -(int)n : (int)n);
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
        struct date first = date_of(year_start(year) + month_start(year, month));
        good = day >= 1 && day <= first.month_len;
        rule->until = (first.day + day - 1) * DAY + hour * HOUR + min * 60 + sec;
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

bool rrule_is_over(const struct rrule *rule, int64_t local, int64_t utc) {
    return (rule->until_kind == RRULE_UNTIL_LOCAL && local > rule->until) ||
           (rule->until_kind == RRULE_UNTIL_UTC && utc > rule->until);
}

// Which days of a period the rule has.

// The first day of week 1: the first week with four days in the year.
static int64_t first_week(int year, int week_start) {
    int64_t first = year_start(year);
    int into = (weekday_of(first) - week_start + 7) % 7;
    return first - into + (into > 3 ? 7 : 0);
}

static bool is_week(const struct rrule *rule, const struct date *d) {
    int year = d->year;
    if (d->day < first_week(year, rule->week_start))
        year--;
    else if (d->day >= first_week(year + 1, rule->week_start))
        year++;
    int64_t first = first_week(year, rule->week_start);
    int64_t weeks = (first_week(year + 1, rule->week_start) - first) / 7;
    int64_t number = (d->day - first) / 7 + 1;
    return has(&rule->by[RRULE_WEEKNO], number, weeks - number + 1);
}

static bool is_weekday(const struct rrule *rule, const struct date *d) {
    if (rule->weekdays >> d->weekday & 1)
        return true;
    const struct rrule_set *nth = &rule->nth[d->weekday];
    if (!nth->any)
        return false;
    if (rule->freq == RRULE_MONTHLY || rule->by[RRULE_MONTH].any)
        return has(nth, (d->monthday + 6) / 7, (d->month_len - d->monthday) / 7 + 1);
    return has(nth, (d->yearday + 6) / 7, (d->year_len - d->yearday) / 7 + 1);
}

static bool is_day(const struct rrule *rule, const struct date *d) {
    const struct rrule_set *by = rule->by;
    return (!by[RRULE_MONTH].any || in(by[RRULE_MONTH].plus, d->month)) &&
           (!by[RRULE_MONTHDAY].any ||
            has(&by[RRULE_MONTHDAY], d->monthday, d->month_len - d->monthday + 1)) &&
           (!rule->by_day || is_weekday(rule, d)) &&
           (!by[RRULE_YEARDAY].any ||
            has(&by[RRULE_YEARDAY], d->yearday, d->year_len - d->yearday + 1)) &&
           (!by[RRULE_WEEKNO].any || is_week(rule, d));
}

// Periods are numbered: years, months since year 0, weeks by the number of their first day divided
// by 7, days and hours since 1970.

static int64_t period_of(const struct rrule *rule, int64_t local) {
    int64_t day = floor_div(local, DAY);
    struct date d = date_of(day);
    switch (rule->freq) {
    case RRULE_YEARLY:
        return d.year;
    case RRULE_MONTHLY:
        return (int64_t)d.year * 12 + d.month - 1;
    case RRULE_WEEKLY:
        return floor_div(day + 3 - rule->week_start, 7);
    case RRULE_DAILY:
        return day;
    default:
        return floor_div(local, HOUR);
    }
}

// Its first day, and how many it has.
static int64_t period_days(const struct rrule *rule, int64_t period, int *count) {
    int year, month;
    *count = 1;
    switch (rule->freq) {
    case RRULE_YEARLY:
        year = (int)period;
        *count = 365 + is_leap(year);
        return year_start(year);
    case RRULE_MONTHLY:
        year = (int)(period / 12);
        month = (int)(period % 12) + 1;
        *count = (month == 12 ? 365 + is_leap(year) : month_start(year, month + 1)) -
                 month_start(year, month);
        return year_start(year) + month_start(year, month);
    case RRULE_WEEKLY:
        *count = 7;
        return period * 7 - 3 + rule->week_start;
    case RRULE_DAILY:
        return period;
    default:
        return floor_div(period, 24);
    }
}

static int list_bits(const struct rrule_set *set, int *out) {
    int count = 0;
    for (int i = 0; i < 60; i++)
        if (in(set->plus, i))
            out[count++] = i;
    return count;
}

// What the rule leaves open comes from the start.
static void complete(struct rrule *rule, int64_t start) {
    struct rrule_set *by = rule->by;
    struct date d = date_of(floor_div(start, DAY));
    int second = (int)(start - d.day * DAY);
    if (!by[RRULE_HOUR].any && rule->freq != RRULE_HOURLY)
        add(&by[RRULE_HOUR], second / HOUR);
    if (!by[RRULE_MINUTE].any)
        add(&by[RRULE_MINUTE], second / 60 % 60);
    if (!by[RRULE_SECOND].any)
        add(&by[RRULE_SECOND], second % 60);
    bool days = rule->by_day || by[RRULE_MONTHDAY].any || by[RRULE_YEARDAY].any;
    if (days || rule->freq == RRULE_DAILY || rule->freq == RRULE_HOURLY)
        return;
    if (rule->freq == RRULE_WEEKLY || by[RRULE_WEEKNO].any) {
        rule->by_day = true;
        rule->weekdays = (uint8_t)(1u << d.weekday);
        return;
    }
    add(&by[RRULE_MONTHDAY], d.monthday);
    if (rule->freq == RRULE_YEARLY && !by[RRULE_MONTH].any)
        add(&by[RRULE_MONTH], d.month);
}

// The days of the period, and of an hourly rule its hour.
static void fill(struct rrule_iterator *it) {
    const struct rrule *rule = &it->rule;
    int count;
    int64_t first = period_days(rule, it->period, &count);
    it->work += count;
    if (first != it->filled) { // the hours of one day share it
        struct date d = date_of(first);
        it->filled = first;
        it->day_count = 0;
        for (int i = 0; i < count; i++, advance(&d))
            if (is_day(rule, &d))
                it->days[it->day_count++] = (int32_t)d.day;
    }
    if (rule->freq == RRULE_HOURLY) {
        it->hours[0] = (int)(it->period - floor_div(it->period, 24) * 24);
        it->hour_count = !rule->by[RRULE_HOUR].any || in(rule->by[RRULE_HOUR].plus, it->hours[0]);
    }
    it->at = 0;
    it->total = (int64_t)it->day_count * it->hour_count * it->minute_count * it->second_count;
}

void rrule_begin(struct rrule_iterator *it, const struct rrule *rule, int64_t start, int64_t from) {
    memset(it, 0, sizeof *it);
    it->rule = *rule;
    it->start = start;
    it->from = from;
    it->filled = INT64_MIN;
    complete(&it->rule, start);
    it->hour_count = list_bits(&it->rule.by[RRULE_HOUR], it->hours);
    it->minute_count = list_bits(&it->rule.by[RRULE_MINUTE], it->minutes);
    it->second_count = list_bits(&it->rule.by[RRULE_SECOND], it->seconds);
    it->period = period_of(rule, start);
    int64_t ahead = period_of(rule, from) - it->period;
    if (rule->count == 0 && ahead > 0)
        it->period += ahead / rule->interval * rule->interval;
    fill(it);
}

// Goes on to the next period; an hourly rule passes over a day that it does not have.
static bool next_period(struct rrule_iterator *it) {
    const struct rrule *rule = &it->rule;
    int64_t steps = 1;
    if (rule->freq == RRULE_HOURLY && it->day_count == 0) {
        int64_t rest = (floor_div(it->period, 24) + 1) * 24 - it->period;
        steps = (rest + rule->interval - 1) / rule->interval;
    }
    it->period += steps * rule->interval;
    int count;
    if (period_days(rule, it->period, &count) >= year_start(LAST_YEAR + 1))
        return false;
    fill(it);
    return true;
}

static int64_t time_at(const struct rrule_iterator *it, int64_t index) {
    int second = it->seconds[index % it->second_count];
    index /= it->second_count;
    int minute = it->minutes[index % it->minute_count];
    index /= it->minute_count;
    int hour = it->hours[index % it->hour_count];
    return (int64_t)it->days[index / it->hour_count] * DAY + hour * HOUR + minute * 60 + second;
}

// The next index of the period that BYSETPOS selects; total when there is none.
static int64_t select_index(struct rrule_iterator *it) {
    const struct rrule_set *positions = &it->rule.by[RRULE_SETPOS];
    int64_t index = it->at;
    if (!positions->any)
        return index;
    for (; index < it->total; index++) {
        if (index > 366 && index < it->total - 366)
            index = it->total - 366;
        it->work++;
        if (has(positions, index + 1, it->total - index))
            break;
    }
    return index;
}

enum rrule_step rrule_next(struct rrule_iterator *it, int64_t *local) {
    for (;;) {
        if (it->work++ > RRULE_MAX_WORK)
            return RRULE_TOO_FAR;
        if (it->rule.count > 0 && it->counted >= it->rule.count)
            return RRULE_END;
        int64_t index = select_index(it);
        if (index >= it->total) {
            if (!next_period(it))
                return RRULE_END;
            continue;
        }
        it->at = index + 1;
        *local = time_at(it, index);
        if (*local < it->start)
            continue;
        if (*local >= year_start(LAST_YEAR + 1) * DAY)
            return RRULE_END;
        it->counted++;
        if (*local >= it->from)
            return RRULE_FOUND;
    }
}

#include "rrule.h"

#include <string.h>

#include "civil.h"

enum { DAY = 86400, HOUR = 3600, LAST_YEAR = 9999 };

// A day with all that a rule may ask of it.
struct date {
    int64_t day;
    int year, month, monthday, month_len, yearday, year_len, weekday;
};

static struct date date_of(int64_t day) {
    struct date d = {
        .day = day, .year = civil_year_of(day), .month = 12, .weekday = civil_weekday_of(day)};
    d.yearday = (int)(day - civil_year_start(d.year)) + 1;
    d.year_len = 365 + civil_is_leap(d.year);
    while (civil_month_start(d.year, d.month) >= d.yearday)
        d.month--;
    d.month_len = civil_month_len(d.year, d.month);
    d.monthday = d.yearday - civil_month_start(d.year, d.month);
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
        d->month_len = civil_month_len(d->year, d->month);
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

void rrule_set_add(struct rrule_set *set, int n) {
    uint64_t *bits = n < 0 ? set->minus : set->plus;
    n = n < 0 ? -n : n;
    bits[n / 64] |= UINT64_C(1) << (n % 64);
    set->any = true;
}

bool rrule_is_over(const struct rrule *rule, int64_t local, int64_t utc) {
    return (rule->until_kind == RRULE_UNTIL_LOCAL && local > rule->until) ||
           (rule->until_kind == RRULE_UNTIL_UTC && utc > rule->until);
}

// Which days of a period the rule has.

// The first day of week 1: the first week with four days in the year.
static int64_t first_week(int year, int week_start) {
    int64_t first = civil_year_start(year);
    int into = (civil_weekday_of(first) - week_start + 7) % 7;
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
    int64_t day = civil_floor_div(local, DAY);
    struct date d = date_of(day);
    switch (rule->freq) {
    case RRULE_YEARLY:
        return d.year;
    case RRULE_MONTHLY:
        return (int64_t)d.year * 12 + d.month - 1;
    case RRULE_WEEKLY:
        return civil_floor_div(day + 3 - rule->week_start, 7);
    case RRULE_DAILY:
        return day;
    default:
        return civil_floor_div(local, HOUR);
    }
}

// Its first day, and how many it has.
static int64_t period_days(const struct rrule *rule, int64_t period, int *count) {
    int year, month;
    *count = 1;
    switch (rule->freq) {
    case RRULE_YEARLY:
        year = (int)period;
        *count = 365 + civil_is_leap(year);
        return civil_year_start(year);
    case RRULE_MONTHLY:
        year = (int)(period / 12);
        month = (int)(period % 12) + 1;
        *count = (month == 12 ? 365 + civil_is_leap(year) : civil_month_start(year, month + 1)) -
                 civil_month_start(year, month);
        return civil_year_start(year) + civil_month_start(year, month);
    case RRULE_WEEKLY:
        *count = 7;
        return period * 7 - 3 + rule->week_start;
    case RRULE_DAILY:
        return period;
    default:
        return civil_floor_div(period, 24);
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
    struct date d = date_of(civil_floor_div(start, DAY));
    int second = (int)(start - d.day * DAY);
    if (!by[RRULE_HOUR].any && rule->freq != RRULE_HOURLY)
        rrule_set_add(&by[RRULE_HOUR], second / HOUR);
    if (!by[RRULE_MINUTE].any)
        rrule_set_add(&by[RRULE_MINUTE], second / 60 % 60);
    if (!by[RRULE_SECOND].any)
        rrule_set_add(&by[RRULE_SECOND], second % 60);
    bool days = rule->by_day || by[RRULE_MONTHDAY].any || by[RRULE_YEARDAY].any;
    if (days || rule->freq == RRULE_DAILY || rule->freq == RRULE_HOURLY)
        return;
    if (rule->freq == RRULE_WEEKLY || by[RRULE_WEEKNO].any) {
        rule->by_day = true;
        rule->weekdays = (uint8_t)(1u << d.weekday);
        return;
    }
    rrule_set_add(&by[RRULE_MONTHDAY], d.monthday);
    if (rule->freq == RRULE_YEARLY && !by[RRULE_MONTH].any)
        rrule_set_add(&by[RRULE_MONTH], d.month);
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
        it->hours[0] = (int)(it->period - civil_floor_div(it->period, 24) * 24);
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
        int64_t rest = (civil_floor_div(it->period, 24) + 1) * 24 - it->period;
        steps = (rest + rule->interval - 1) / rule->interval;
    }
    it->period += steps * rule->interval;
    int count;
    if (period_days(rule, it->period, &count) >= civil_year_start(LAST_YEAR + 1))
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
        if (*local >= civil_year_start(LAST_YEAR + 1) * DAY)
            return RRULE_END;
        it->counted++;
        if (*local >= it->from)
            return RRULE_FOUND;
    }
}

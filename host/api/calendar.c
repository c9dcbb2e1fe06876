// host.calendar: recurrence by libical, on local times without a zone, so that none of libical's
// shared state is touched; zones by ../zone.h
#include "calendar.h"

#include <lauxlib.h>
#include <libical/ical.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../zone.h"

enum { MAX_RULE = 255, MAX_STEPS = 20000 };

void calendar_init(void) {
    icalerror_set_errors_are_fatal(0);
    // The first iterator makes libical and ICU fill tables of their own, and ICU call tzset.
    struct icalrecurrencetype rule = icalrecurrencetype_from_string("FREQ=DAILY;COUNT=1");
    icalrecur_iterator *iterator =
        icalrecur_iterator_new(rule, icaltime_from_timet_with_zone(0, 0, NULL));
    if (iterator)
        icalrecur_iterator_free(iterator);
}

static const struct zone *check_zone(lua_State *L, int index) {
    const char *name = luaL_checkstring(L, index);
    const struct zone *zone = zone_find(name);
    if (!zone)
        luaL_error(L, "there is no time zone %s", name);
    return zone;
}

static int is_zone(lua_State *L) {
    lua_pushboolean(L, zone_find(luaL_checkstring(L, 1)) != NULL);
    return 1;
}

// Local times travel as seconds since 1970 as if they were UTC.

static struct icaltimetype to_ical(int64_t local) {
    return icaltime_from_timet_with_zone((time_t)local, 0, NULL);
}

static int64_t from_ical(struct icaltimetype time) {
    time.zone = NULL;
    return (int64_t)icaltime_as_timet(time);
}

static int64_t to_seconds(lua_Number ms) {
    return (int64_t)(ms / 1000) - ((int64_t)ms % 1000 < 0);
}

static int to_local(lua_State *L) {
    int64_t utc = to_seconds(luaL_checknumber(L, 1));
    int offset = zone_offset(check_zone(L, 2), utc);
    struct icaltimetype time = to_ical(utc + offset);
    const struct {
        const char *name;
        int value;
    } FIELDS[] = {{"year", time.year},  {"month", time.month},
                  {"day", time.day},    {"hour", time.hour},
                  {"min", time.minute}, {"sec", time.second},
                  {"offset", offset},   {"wday", (icaltime_day_of_week(time) + 5) % 7 + 1}};
    lua_createtable(L, 0, 8);
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        lua_pushinteger(L, FIELDS[i].value);
        lua_setfield(L, -2, FIELDS[i].name);
    }
    return 1;
}

static int read_field(lua_State *L, const char *name, int fallback) {
    lua_getfield(L, 1, name);
    lua_Number value = lua_isnil(L, -1) ? fallback : luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return value >= -1 && value <= 10000 ? (int)value : -1;
}

static int refuse(lua_State *L, const char *message) {
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
}

static int from_local(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    const struct zone *zone = check_zone(L, 2);
    struct icaltimetype time = icaltime_null_time();
    time.year = read_field(L, "year", -1);
    time.month = read_field(L, "month", -1);
    time.day = read_field(L, "day", -1);
    time.hour = read_field(L, "hour", 0);
    time.minute = read_field(L, "min", 0);
    time.second = read_field(L, "sec", 0);
    if (time.year < 1 || time.year > 9999 || time.month < 1 || time.month > 12 || time.day < 1 ||
        time.day > icaltime_days_in_month(time.month, time.year))
        return refuse(L, "no such date");
    if (time.hour < 0 || time.hour > 23 || time.minute < 0 || time.minute > 59 || time.second < 0 ||
        time.second > 59)
        return refuse(L, "no such time of day");
    lua_pushnumber(L, (lua_Number)zone_to_utc(zone, from_ical(time)) * 1000);
    return 1;
}

// NULL when the rule is good. libical passes over much that is wrong, so the text is checked too.
static const char *parse_rule(const char *text, size_t len, struct icalrecurrencetype *rule) {
    if (len == 0 || len > MAX_RULE)
        return "a rule is 1 to 255 characters";
    if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=;,+-") != len)
        return "a rule is made of NAME=VALUE parts in capital letters, with ; between them";
    if (!strstr(text, "FREQ="))
        return "FREQ is missing";
    if (strstr(text, "COUNT=") && strstr(text, "UNTIL="))
        return "COUNT and UNTIL exclude each other";
    icalerror_clear_errno();
    *rule = icalrecurrencetype_from_string(text);
    if (rule->freq == ICAL_NO_RECURRENCE || icalerrno != ICAL_NO_ERROR)
        return "it is malformed";
    if (rule->freq == ICAL_SECONDLY_RECURRENCE || rule->freq == ICAL_MINUTELY_RECURRENCE)
        return "it recurs more often than hourly";
    return NULL;
}

static int check_rrule(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    struct icalrecurrencetype rule;
    const char *why = parse_rule(text, len, &rule);
    if (why)
        return refuse(L, why);
    icalrecur_iterator *iterator = icalrecur_iterator_new(rule, to_ical(1767225600)); // 2026-01-01
    if (!iterator)
        return refuse(L, "its parts do not fit together");
    icalrecur_iterator_free(iterator);
    lua_pushboolean(L, true);
    return 1;
}

// The UNTIL of a rule is an instant, a local time or a day (RFC 5545, 3.3.10); the iterator wants
// it local.
static void localise_until(struct icalrecurrencetype *rule, const struct zone *zone) {
    if (icaltime_is_null_time(rule->until))
        return;
    if (rule->until.is_date) {
        rule->until.is_date = 0;
        rule->until.hour = 23;
        rule->until.minute = rule->until.second = 59;
    } else if (icaltime_is_utc(rule->until)) {
        int64_t utc = from_ical(rule->until);
        rule->until = to_ical(utc + zone_offset(zone, utc));
    }
    rule->until.zone = NULL;
}

static int next(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Number start_ms = luaL_checknumber(L, 2);
    int64_t start = to_seconds(start_ms), after = to_seconds(luaL_checknumber(L, 3));
    const struct zone *zone = check_zone(L, 4);
    struct icalrecurrencetype rule;
    const char *why = parse_rule(text, len, &rule);
    if (why)
        return refuse(L, why);
    localise_until(&rule, zone);
    icalrecur_iterator *iterator =
        icalrecur_iterator_new(rule, to_ical(start + zone_offset(zone, start)));
    if (!iterator)
        return refuse(L, "its parts do not fit together");
    int64_t found = 0;
    bool ended = false, good = false;
    for (int i = 0; i < MAX_STEPS && !ended && !good; i++) {
        struct icaltimetype time = icalrecur_iterator_next(iterator);
        ended = icaltime_is_null_time(time);
        found = ended ? 0 : zone_to_utc(zone, from_ical(time));
        good = !ended && found > after;
    }
    icalrecur_iterator_free(iterator);
    if (!good && !ended)
        return refuse(L, "no occurrence was found in reach");
    if (good)
        lua_pushnumber(L, (lua_Number)found * 1000 + (lua_Number)((int64_t)start_ms % 1000));
    else
        lua_pushnil(L);
    return 1;
}

int api_open_calendar(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {
        {"is_zone", is_zone},         {"to_local", to_local}, {"from_local", from_local},
        {"check_rrule", check_rrule}, {"next", next},         {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

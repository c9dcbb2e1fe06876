// host.calendar: recurrence by ../rrule.h, zones by ../zone.h
#include "calendar.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <time.h>

#include "../rrule.h"
#include "../zone.h"

// Local times travel as seconds since 1970 as if they were UTC.

enum {
    DAY = 86400,
    SOME_MONDAY = 1704067200, // 2024-01-01, the first day of a leap year, of a month and a week
    ZONE_MARGIN = 2 * DAY,    // by more than this no two local times change their order
};

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

static bool is_in_range(lua_Number ms) {
    return ms >= -62135596800000.0 && ms < 253402300800000.0;
}

static lua_Number check_ms(lua_State *L, int index) {
    lua_Number ms = luaL_checknumber(L, index);
    luaL_argcheck(L, is_in_range(ms), index, "milliseconds of the years 1 to 9999");
    return ms;
}

static int64_t to_seconds(lua_Number ms) {
    return (int64_t)floor(ms / 1000);
}

static int to_local(lua_State *L) {
    int64_t utc = to_seconds(check_ms(L, 1));
    int offset = zone_offset(check_zone(L, 2), utc);
    time_t local = (time_t)(utc + offset);
    struct tm time;
    gmtime_r(&local, &time);
    const struct {
        const char *name;
        int value;
    } FIELDS[] = {{"year", time.tm_year + 1900},
                  {"month", time.tm_mon + 1},
                  {"day", time.tm_mday},
                  {"hour", time.tm_hour},
                  {"min", time.tm_min},
                  {"sec", time.tm_sec},
                  {"offset", offset},
                  {"wday", (time.tm_wday + 6) % 7 + 1}};
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
    struct tm time = {.tm_year = read_field(L, "year", -1) - 1900,
                      .tm_mon = read_field(L, "month", -1) - 1,
                      .tm_mday = read_field(L, "day", -1),
                      .tm_hour = read_field(L, "hour", 0),
                      .tm_min = read_field(L, "min", 0),
                      .tm_sec = read_field(L, "sec", 0)};
    struct tm given = time;
    if (time.tm_year < 1 - 1900 || time.tm_year > 9999 - 1900)
        return refuse(L, "no such date");
    if (time.tm_hour < 0 || time.tm_hour > 23 || time.tm_min < 0 || time.tm_min > 59 ||
        time.tm_sec < 0 || time.tm_sec > 59)
        return refuse(L, "no such time of day");
    int64_t local = timegm(&time); // moves a date that does not exist to one that does
    if (time.tm_year != given.tm_year || time.tm_mon != given.tm_mon ||
        time.tm_mday != given.tm_mday)
        return refuse(L, "no such date");
    lua_Number ms = (lua_Number)zone_to_utc(zone, local) * 1000;
    if (!is_in_range(ms))
        return refuse(L, "not in the years 1 to 9999");
    lua_pushnumber(L, ms);
    return 1;
}

// A rule that has no occurrence at all, from whatever start, is refused.
static int check_rrule(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    struct rrule rule;
    struct err err;
    if (rrule_parse(text, len, &rule, &err) != 0)
        return refuse(L, err.text);
    rule.interval = 1;
    if (rule.by[RRULE_WEEKNO].any && !rule.by_day) {
        rule.by_day = true;
        rule.weekdays = 0x7F;
    }
    struct rrule_iterator iterator;
    int64_t local;
    rrule_begin(&iterator, &rule, SOME_MONDAY, SOME_MONDAY);
    if (rrule_next(&iterator, &local) != RRULE_FOUND)
        return refuse(L, "it never occurs");
    lua_pushboolean(L, true);
    return 1;
}

static int next(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Number start_ms = check_ms(L, 2), after_ms = check_ms(L, 3);
    const struct zone *zone = zone_find(luaL_checkstring(L, 4));
    if (!zone)
        return refuse(L, "there is no such time zone");
    struct rrule rule;
    struct err err;
    if (rrule_parse(text, len, &rule, &err) != 0)
        return refuse(L, err.text);
    int64_t start = to_seconds(start_ms), after = to_seconds(after_ms);
    lua_Number rest_ms = start_ms - (lua_Number)start * 1000;
    struct rrule_iterator iterator;
    rrule_begin(&iterator, &rule, start + zone_offset(zone, start),
                after + zone_offset(zone, after) - ZONE_MARGIN);
    for (;;) {
        int64_t local;
        enum rrule_step step = rrule_next(&iterator, &local);
        if (step == RRULE_TOO_FAR)
            return refuse(L, "no occurrence was found in reach");
        int64_t utc = step == RRULE_FOUND ? zone_to_utc(zone, local) : 0;
        lua_Number ms = (lua_Number)utc * 1000 + rest_ms;
        if (step == RRULE_END || rrule_is_over(&rule, local, utc) || !is_in_range(ms)) {
            lua_pushnil(L);
            return 1;
        }
        if (ms > after_ms) {
            lua_pushnumber(L, ms);
            return 1;
        }
    }
}

int api_open_calendar(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {
        {"is_zone", is_zone},         {"to_local", to_local}, {"from_local", from_local},
        {"check_rrule", check_rrule}, {"next", next},         {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

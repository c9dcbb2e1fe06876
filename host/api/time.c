// host.time
#include "time.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "civil.h"

// Of the years 1 to 9999.
static const lua_Number FIRST_MS = -62135596800000, LAST_MS = 253402300799999;

static int now_ms(lua_State *L) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec * 1000 + (lua_Number)(now.tv_nsec / 1000000));
    return 1;
}

static int monotonic_ms(lua_State *L) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec * 1000 + (lua_Number)now.tv_nsec / 1e6);
    return 1;
}

static int format(lua_State *L) {
    lua_Number number = luaL_checknumber(L, 1);
    luaL_argcheck(L, number >= FIRST_MS && number < LAST_MS + 1, 1,
                  "milliseconds of the years 1 to 9999");
    long long ms = (long long)number;
    long long seconds = ms / 1000 - (ms % 1000 < 0);
    int rest = (int)(ms - seconds * 1000);
    time_t clock = (time_t)seconds;
    struct tm utc;
    gmtime_r(&clock, &utc);
    char text[64];
    int len = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, rest);
    lua_pushlstring(L, text, (size_t)len);
    return 1;
}

static int refuse(lua_State *L, const char *message) {
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
}

// `count` digits at *at, which moves on; -1 when they are not there.
static int digits(const char **at, int count) {
    int value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool skip(const char **at, const char *any) {
    if (!**at || !strchr(any, **at))
        return false;
    (*at)++;
    return true;
}

static int fraction_ms(const char **at) {
    int ms = 0, count = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++, count++)
        if (count < 3)
            ms = ms * 10 + (**at - '0');
    if (count == 0 || count > 9)
        return -1;
    for (; count < 3; count++)
        ms *= 10;
    return ms;
}

// RFC 3339, 5.6.
static int parse(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len), *at = text;
    static const char SHAPE[] = "not of the form 2026-12-24T18:00:00Z";
    int year = digits(&at, 4);
    if (year < 0 || !skip(&at, "-"))
        return refuse(L, SHAPE);
    int month = digits(&at, 2);
    if (month < 0 || !skip(&at, "-"))
        return refuse(L, SHAPE);
    int day = digits(&at, 2);
    if (day < 0 || !skip(&at, "Tt "))
        return refuse(L, SHAPE);
    int hour = digits(&at, 2);
    if (hour < 0 || !skip(&at, ":"))
        return refuse(L, SHAPE);
    int minute = digits(&at, 2);
    if (minute < 0 || !skip(&at, ":"))
        return refuse(L, SHAPE);
    int second = digits(&at, 2), ms = 0;
    if (second < 0)
        return refuse(L, SHAPE);
    if (skip(&at, ".") && (ms = fraction_ms(&at)) < 0)
        return refuse(L, SHAPE);
    int sign = 0, offset_hour = 0, offset_minute = 0;
    if (*at == '+' || *at == '-') {
        sign = *at++ == '+' ? 1 : -1;
        offset_hour = digits(&at, 2);
        if (offset_hour < 0 || !skip(&at, ":") || (offset_minute = digits(&at, 2)) < 0)
            return refuse(L, SHAPE);
    } else if (!skip(&at, "Zz")) {
        return refuse(L, "without Z or an offset");
    }
    if (at != text + len)
        return refuse(L, SHAPE);
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > civil_month_len(year, month))
        return refuse(L, "no such date");
    if (hour > 23 || minute > 59 || second > 59 || offset_hour > 23 || offset_minute > 59)
        return refuse(L, "no such time of day");
    long long seconds =
        (civil_year_start(year) + civil_month_start(year, month) + day - 1) * 86400 + hour * 3600 +
        minute * 60 + second - sign * (offset_hour * 3600 + offset_minute * 60);
    // An offset may carry the first and the last day of the range out of it.
    lua_Number whole = (lua_Number)(seconds * 1000 + ms);
    if (whole < FIRST_MS || whole > LAST_MS)
        return refuse(L, "not in the years 1 to 9999");
    lua_pushnumber(L, whole);
    return 1;
}

int api_open_time(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"now_ms", now_ms},
                                         {"monotonic_ms", monotonic_ms},
                                         {"format", format},
                                         {"parse", parse},
                                         {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

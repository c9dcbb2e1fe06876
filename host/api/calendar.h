// host.calendar, see scripts/meta/host/calendar.lua. Safe on any thread: rules are expanded by
// ../rrule.h, which shares nothing, and zones by ../zone.h, which never change once loaded.
#pragma once

#include <lua.h>

int api_open_calendar(lua_State *L);

// host.calendar, see scripts/meta/host.lua. libical is used in calendar.c alone.
#pragma once

#include <lua.h>

// Once, before any thread that uses the module is made.
void calendar_init(void);

int api_open_calendar(lua_State *L);

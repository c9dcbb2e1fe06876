// host.failpoint: faults on purpose, in test builds only.
#ifdef TODO_FAILPOINTS
#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "api.h"

// As kill -9 does it: nothing is flushed, nothing is said.
_Noreturn static int crash(lua_State *L) {
    (void)L;
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

// Holds the worker's loop.
static int spin(lua_State *L) {
    uint64_t end = uv_hrtime() + (uint64_t)luaL_checknumber(L, 1) * 1000000;
    while (uv_hrtime() < end)
        ;
    return 0;
}

static int wanted(lua_State *L) {
    lua_pushstring(L, getenv("FAILPOINTS"));
    return 1;
}

int api_open_failpoint(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {
        {"crash", crash}, {"spin", spin}, {"wanted", wanted}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
#endif

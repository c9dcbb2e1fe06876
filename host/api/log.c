// host.log
#include "../log.h"

#include <lauxlib.h>
#include <math.h>

#include "api.h"
#include "buf.h"

// Fields become JSON members; a value that is no string, number or boolean shows its type.
static void add_fields(lua_State *L, struct buf *out) {
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            size_t len;
            const char *key = lua_tolstring(L, -2, &len);
            if (out->len > 0)
                buf_addc(out, ',');
            buf_add_json(out, key, len);
            buf_addc(out, ':');
            if (lua_type(L, -1) == LUA_TBOOLEAN)
                buf_adds(out, lua_toboolean(L, -1) ? "true" : "false");
            else if (lua_type(L, -1) == LUA_TNUMBER && isfinite(lua_tonumber(L, -1)))
                buf_addf(out, "%.14g", lua_tonumber(L, -1));
            else if (lua_type(L, -1) == LUA_TSTRING) {
                const char *text = lua_tolstring(L, -1, &len);
                buf_add_json(out, text, len < 2048 ? len : 2048);
            } else
                buf_addf(out, "\"(%s)\"", luaL_typename(L, -1));
        }
        lua_pop(L, 1);
    }
}

static int write_line(lua_State *L, enum log_level level) {
    size_t len;
    const char *message = luaL_checklstring(L, 1, &len);
    bool fields = !lua_isnoneornil(L, 2);
    if (fields)
        luaL_checktype(L, 2, LUA_TTABLE);
    if (!log_enabled(level))
        return 0;
    struct buf members = {0};
    if (fields)
        add_fields(L, &members);
    log_event_json(level, message, len, members.data ? members.data : "", members.len);
    buf_free(&members);
    return 0;
}

static int debug(lua_State *L) {
    return write_line(L, LOG_DEBUG);
}
static int info(lua_State *L) {
    return write_line(L, LOG_INFO);
}
static int warn(lua_State *L) {
    return write_line(L, LOG_WARN);
}
static int error(lua_State *L) {
    return write_line(L, LOG_ERROR);
}

int api_open_log(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {
        {"debug", debug}, {"info", info}, {"warn", warn}, {"error", error}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

#include "rules_env.h"

#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "api/calendar.h"
#include "api/json.h"
#include "api/text.h"
#include "rules_budget.h"
#include "rules_lpeg.h"
#include "rules_match.h"

// What is read-only. A library is a userdata in front of its table: rawset, table.insert and next,
// which pass metatables by, do not take it.

static int refuse_write(lua_State *L) {
    return luaL_error(L, "%s is read-only", lua_tostring(L, lua_upvalueindex(1)));
}

// Replaces the table on top of the stack by its read-only front.
static void seal(lua_State *L, const char *name) {
    lua_newuserdata(L, 0);
    lua_newtable(L);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_pushcclosure(L, refuse_write, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

static const char *name_of(lua_State *L, int index) {
    return lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : luaL_typename(L, index);
}

static int refuse_global_read(lua_State *L) {
    return luaL_error(L, "undeclared global '%s'", name_of(L, 2));
}

static int refuse_global_write(lua_State *L) {
    return luaL_error(L, "new global '%s': declare it local", name_of(L, 2));
}

// Functions that differ from Lua's.

static int safe_rawset(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argcheck(L, !luaL_getmetafield(L, 1, "__metatable"), 1, "the table is protected");
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

// A budget that is over is raised once in each pcall around it; unwinding many would take long.
static int call_protected(lua_State *L, int args) {
    enum { MAX_PROTECTED = 100 };
    struct rules_budget *budget = rules_budget_of(L);
    rules_budget_check(L);
    if (budget->protected >= MAX_PROTECTED)
        return luaL_error(L, "stack overflow (pcall is nested too deeply)");
    budget->protected += 1;
    int status = lua_pcall(L, args, LUA_MULTRET, 0);
    budget->protected -= 1;
    if (status != 0)
        rules_budget_check(L);
    return status;
}

static int safe_pcall(lua_State *L) {
    luaL_checkany(L, 1);
    int status = call_protected(L, lua_gettop(L) - 1);
    lua_pushboolean(L, status == 0);
    lua_insert(L, 1);
    return lua_gettop(L);
}

// LuaJIT runs a handler inside of the hook that raised, where no hook ends it. Here it runs after
// the stack has been unwound, which makes no difference to one that has no debug library.
static int safe_xpcall(lua_State *L) {
    luaL_checkany(L, 2);
    lua_pushvalue(L, 2); // handler, function, handler, arguments -> handler, function, arguments
    lua_pushvalue(L, 1);
    lua_replace(L, 2);
    lua_replace(L, 1);
    if (call_protected(L, lua_gettop(L) - 2) == 0) {
        lua_pushboolean(L, 1);
        lua_replace(L, 1);
        return lua_gettop(L);
    }
    lua_pushvalue(L, 1);
    lua_insert(L, -2);
    call_protected(L, 1); // an error in a handler is what it returns
    lua_pushboolean(L, 0);
    lua_replace(L, 1);
    return lua_gettop(L);
}

// Upvalues: Lua's function; a < b in Lua. The comparison that is built in cannot be interrupted.
static int safe_sort(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    rules_budget_check(L);
    lua_settop(L, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    if (lua_isnil(L, 3)) {
        lua_pushvalue(L, lua_upvalueindex(2));
        lua_replace(L, 3);
    }
    lua_call(L, 2, 0);
    return 0;
}

// Lua's goes by single texts, which takes long for short ones. Upvalue: Lua's function.
static int safe_rep(lua_State *L) {
    enum { SHORT = 64 * 1024, LONGEST = 1 << 30 };
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    double count = trunc(luaL_checknumber(L, 2));
    double total = (double)len * count;
    if (lua_gettop(L) > 2 || !(total > SHORT && total < LONGEST)) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, 1);
        lua_call(L, lua_gettop(L) - 1, 1);
        return 1;
    }
    size_t size = len * (size_t)count, done = len;
    char *all = lua_newuserdata(L, size);
    memcpy(all, text, len);
    while (done < size) {
        size_t more = done < size - done ? done : size - done;
        memcpy(all + done, all, more);
        done += more;
    }
    lua_pushlstring(L, all, size);
    return 1;
}

// For functions in C that take long or call Lua. Upvalue: the function, which has no upvalues.
static int checked(lua_State *L) {
    rules_budget_check(L);
    if (lua_type(L, 1) == LUA_TSTRING && lua_objlen(L, 1) > RULES_ENV_TEXT)
        return luaL_argerror(L, 1, "the text is longer than 128 KiB");
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

// Notes that the file that is being loaded needs `name`; or that something does, which is not
// known.
static void note_need(lua_State *L, int loading, int needs, const char *name) {
    lua_rawgeti(L, loading, 1);
    if (lua_isnil(L, -1)) {
        lua_pushboolean(L, 1);
        lua_rawseti(L, needs, 1);
        lua_pop(L, 1);
        return;
    }
    lua_rawget(L, needs);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

// Upvalues: chunks, modules, libraries, a table of what is being loaded (the last of it at 1), and
// what each needs.
static int require(lua_State *L) {
    enum { CHUNKS = 1, MODULES, LIBRARIES, LOADING, NEEDS };
    const char *full = luaL_checkstring(L, 1);
    lua_pushvalue(L, 1);
    lua_rawget(L, lua_upvalueindex(LIBRARIES));
    if (!lua_isnil(L, -1))
        return 1;
    if (strncmp(full, "rules.", 6) != 0)
        return luaL_error(L,
                          "rules may require rules.NAME, lpeg, host.calendar, host.json and "
                          "host.text, not '%s'",
                          full);
    const char *name = full + 6;
    note_need(L, lua_upvalueindex(LOADING), lua_upvalueindex(NEEDS), name);
    lua_getfield(L, lua_upvalueindex(MODULES), name);
    if (!lua_isnil(L, -1))
        return 1;
    lua_getfield(L, lua_upvalueindex(CHUNKS), name);
    if (lua_isnil(L, -1))
        return luaL_error(L, "there is no '%s': the rules folder has no %s.lua", full, name);
    lua_getfield(L, lua_upvalueindex(LOADING), name);
    if (!lua_isnil(L, -1))
        return luaL_error(L, "'%s' requires itself, perhaps through others", full);
    lua_pop(L, 1);
    rules_budget_check(L);
    lua_pushboolean(L, 1);
    lua_setfield(L, lua_upvalueindex(LOADING), name);
    lua_newtable(L);
    lua_setfield(L, lua_upvalueindex(NEEDS), name);
    lua_rawgeti(L, lua_upvalueindex(LOADING), 1);
    lua_insert(L, -2);
    lua_pushstring(L, name);
    lua_rawseti(L, lua_upvalueindex(LOADING), 1);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_insert(L, -2);
    lua_rawseti(L, lua_upvalueindex(LOADING), 1);
    if (!lua_istable(L, -1))
        return luaL_error(L, "rules/%s.lua returns a %s; a rules file returns a table", name,
                          luaL_typename(L, -1));
    lua_pushvalue(L, -1);
    lua_setfield(L, lua_upvalueindex(MODULES), name);
    return 1;
}

// Building the environment.

// Copies the named fields (a list that NULL ends) from the table at `from` to the top one.
static void copy_fields(lua_State *L, int from, const char *const *names) {
    for (; *names; names++) {
        lua_getfield(L, from, *names);
        lua_setfield(L, -2, *names);
    }
}

static void open_library(lua_State *L, const char *name, lua_CFunction function) {
    lua_pushcfunction(L, function);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

static void add_string(lua_State *L) {
    static const char *const NAMES[] = {"byte",  "char", "format",  "len", "lower",
                                        "upper", "rep",  "reverse", "sub", NULL};
    lua_newtable(L);
    lua_getglobal(L, "string");
    lua_insert(L, -2);
    copy_fields(L, lua_gettop(L) - 1, NAMES);
    lua_remove(L, -2);
    lua_getfield(L, -1, "rep");
    lua_pushcclosure(L, safe_rep, 1);
    lua_setfield(L, -2, "rep");
    rules_match_register(L);
    lua_pushliteral(L, ""); // all strings share a metatable
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
    seal(L, "string");
    lua_setfield(L, -2, "string");
}

static void add_table(lua_State *L) {
    static const char *const NAMES[] = {"concat", "insert", "remove", "maxn", NULL};
    static const char LESS[] = "return function(a, b) return a < b end";
    lua_getglobal(L, "table");
    lua_newtable(L);
    copy_fields(L, lua_gettop(L) - 1, NAMES);
    lua_getfield(L, -2, "sort");
    if (luaL_loadbuffer(L, LESS, sizeof LESS - 1, "=table.sort") != 0)
        lua_error(L);
    lua_call(L, 0, 1);
    lua_pushcclosure(L, safe_sort, 2);
    lua_setfield(L, -2, "sort");
    seal(L, "table");
    lua_setfield(L, -3, "table");
    lua_pop(L, 1);
}

static void add_math(lua_State *L) {
    lua_getglobal(L, "math"); // of this VM alone: may be changed
    lua_pushnil(L);
    lua_setfield(L, -2, "random"); // the same call gives the same answer
    lua_pushnil(L);
    lua_setfield(L, -2, "randomseed");
    seal(L, "math");
    lua_setfield(L, -2, "math");
    lua_getglobal(L, "bit");
    seal(L, "bit");
    lua_setfield(L, -2, "bit");
}

// Adds the module that `open` leaves on the stack to the table on top, read-only, and with a check
// of the budget before each function.
static void add_module(lua_State *L, const char *name, lua_CFunction open) {
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
    int module = lua_gettop(L);
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, module)) {
        if (lua_iscfunction(L, -1))
            lua_pushcclosure(L, checked, 1);
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_remove(L, module);
    seal(L, name);
    lua_setfield(L, -2, name);
}

static int open_json(lua_State *L) {
    api_open_json(L);
    lua_pushnil(L);
    lua_setfield(L, -2, "list_mt");
    luaL_getmetatable(L, API_JSON_LIST);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    return 1;
}

static void push_libraries(lua_State *L) {
    lua_newtable(L);
    rules_lpeg_push(L);
    seal(L, "lpeg");
    lua_setfield(L, -2, "lpeg");
    add_module(L, "host.calendar", api_open_calendar);
    add_module(L, "host.json", open_json);
    add_module(L, "host.text", api_open_text);
}

static void push_base(lua_State *L, lua_CFunction explain) {
    static const char *const NAMES[] = {
        "assert",   "error",    "getmetatable", "ipairs", "next",
        "pairs",    "rawequal", "rawget",       "select", "setmetatable",
        "tonumber", "type",     "tostring",     "unpack", NULL};
    lua_newtable(L);
    copy_fields(L, LUA_GLOBALSINDEX, NAMES);
    lua_pushcfunction(L, safe_rawset);
    lua_setfield(L, -2, "rawset");
    lua_pushcfunction(L, safe_pcall);
    lua_setfield(L, -2, "pcall");
    lua_pushcfunction(L, safe_xpcall);
    lua_setfield(L, -2, "xpcall");
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "format");
    lua_remove(L, -2);
    lua_pushcclosure(L, explain, 1);
    lua_setfield(L, -2, "explain");
    add_string(L);
    add_table(L);
    add_math(L);
    lua_newtable(L);
    lua_pushcfunction(L, refuse_global_read);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

void rules_env_push(lua_State *L, lua_CFunction explain) {
    open_library(L, "", luaopen_base);
    open_library(L, LUA_STRLIBNAME, luaopen_string);
    open_library(L, LUA_TABLIBNAME, luaopen_table);
    open_library(L, LUA_MATHLIBNAME, luaopen_math);
    open_library(L, LUA_BITLIBNAME, luaopen_bit);
    // The environment is empty: what it reads is in its base, so that every write is a new global.
    lua_newtable(L);
    lua_newtable(L);
    push_base(L, explain);
    lua_newtable(L); // chunks
    lua_newtable(L); // modules
    lua_newtable(L); // needs
    lua_pushvalue(L, -3);
    lua_pushvalue(L, -3);
    push_libraries(L);
    lua_newtable(L);
    lua_pushvalue(L, -5);
    lua_pushcclosure(L, require, 5);
    lua_setfield(L, -5, "require"); // environment, metatable, base, chunks, modules, needs
    lua_pushvalue(L, -4);
    lua_setfield(L, -6, "__index");
    lua_pushcfunction(L, refuse_global_write);
    lua_setfield(L, -6, "__newindex");
    lua_remove(L, -4);
    lua_pushvalue(L, -4);
    lua_setmetatable(L, -6);
    lua_remove(L, -4);
}

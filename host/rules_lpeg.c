#include "rules_lpeg.h"

#include <lauxlib.h>
#include <stdbool.h>

#include "rules_budget.h"

int luaopen_lpeg(lua_State *L);

// Upvalues of each function here: LPeg's own function, how many of its first arguments are
// patterns, and the tools below.
enum { ORIGINAL = 1, PATTERNS, REPEATING, MAKE, JOIN, TICK, UPVALUES = TICK };

// The tools: REPEATING is a table (keys weak) of the patterns that repeat something; MAKE is
// LPeg's P, JOIN its multiplication, TICK the pattern that checks the budget and matches nothing.

static int tick(lua_State *L) {
    rules_budget_steps(L, 16 + (unsigned)(lua_objlen(L, 1) / 64));
    lua_pushboolean(L, 1);
    return 1;
}

static int call_original(lua_State *L) {
    return lua_tocfunction(L, lua_upvalueindex(ORIGINAL))(L);
}

static bool is_repeating(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TUSERDATA)
        return false;
    lua_pushvalue(L, index);
    lua_rawget(L, lua_upvalueindex(REPEATING));
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

static void set_repeating(lua_State *L, int index) {
    lua_pushvalue(L, index);
    lua_pushboolean(L, 1);
    lua_rawset(L, lua_upvalueindex(REPEATING));
}

// Replaces the value at index by TICK followed by it.
static void add_tick(lua_State *L, int index) {
    lua_pushvalue(L, lua_upvalueindex(JOIN));
    lua_pushvalue(L, lua_upvalueindex(TICK));
    lua_pushvalue(L, index);
    lua_call(L, 2, 1);
    lua_replace(L, index);
}

// Replaces the grammar at index by its pattern. A string at 1 names the first rule.
static void make_grammar(lua_State *L, int index) {
    rules_budget_check(L);
    luaL_checkstack(L, 12, "grammar");
    lua_pushvalue(L, lua_upvalueindex(MAKE));
    lua_newtable(L);
    int rules = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        int value = lua_gettop(L);
        bool names_first =
            lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) == 1 && lua_isstring(L, value);
        if (lua_istable(L, value))
            make_grammar(L, value);
        if (!names_first)
            add_tick(L, value);
        lua_pushvalue(L, -2);
        lua_insert(L, value);
        lua_rawset(L, rules);
    }
    lua_call(L, 1, 1);
    set_repeating(L, -1);
    lua_replace(L, index);
}

// Makes ready what is given as a pattern; true when any of it repeats something.
static bool prepare(lua_State *L) {
    rules_budget_check(L);
    bool repeating = false;
    int count = (int)lua_tointeger(L, lua_upvalueindex(PATTERNS));
    for (int i = 1; i <= count; i++) {
        if (lua_istable(L, i))
            make_grammar(L, i);
        if (lua_type(L, i) == LUA_TNUMBER) {
            lua_Number number = lua_tonumber(L, i);
            luaL_argcheck(L, number >= -RULES_LPEG_COUNT && number <= RULES_LPEG_COUNT, i,
                          "the number is too large for a pattern");
        }
        repeating |= is_repeating(L, i);
    }
    return repeating;
}

static void check_size(lua_State *L) {
    if (lua_objlen(L, -1) > RULES_LPEG_PATTERN)
        luaL_error(L, "the pattern is too large");
}

static int build(lua_State *L) {
    bool repeating = prepare(L);
    int results = call_original(L);
    check_size(L);
    if (repeating)
        set_repeating(L, lua_gettop(L));
    return results;
}

static int repeat(lua_State *L) {
    bool repeating = prepare(L);
    lua_Number count = luaL_checknumber(L, 2);
    luaL_argcheck(L, count >= -RULES_LPEG_COUNT && count <= RULES_LPEG_COUNT, 2, "is too large");
    if (repeating)
        add_tick(L, 1);
    int results = call_original(L);
    check_size(L);
    set_repeating(L, lua_gettop(L));
    return results;
}

static int match(lua_State *L) {
    size_t len;
    luaL_checklstring(L, 2, &len);
    luaL_argcheck(L, len <= RULES_LPEG_SUBJECT, 2, "the text is longer than 64 KiB");
    if (lua_istable(L, 1))
        make_grammar(L, 1);
    rules_budget_steps(L, 64 + (unsigned)(len / 16));
    // At its first match a pattern is compiled. LPeg takes one that memory was refused to for
    // compiled ever after, and half of its code may have no end.
    rules_budget_whole(L);
    int results = call_original(L);
    rules_budget_of(L)->whole = false;
    return results;
}

// Opening. The stack is LPeg's table, the tools from REPEATING to TICK, our table, LPeg's
// metatable.
enum { AT_LPEG = 1, AT_TOOLS, AT_OURS = AT_TOOLS + UPVALUES - PATTERNS, AT_META };

// Wraps LPeg's function `name` of the table `from`, and puts it into the table `to`.
static void wrap(lua_State *L, int from, int to, const char *name, lua_CFunction function,
                 int patterns) {
    lua_getfield(L, from, name);
    lua_pushinteger(L, patterns);
    for (int i = 0; i < UPVALUES - PATTERNS; i++)
        lua_pushvalue(L, AT_TOOLS + i);
    lua_pushcclosure(L, function, UPVALUES);
    lua_setfield(L, to, name);
}

static void push_tools(lua_State *L) {
    lua_newtable(L); // REPEATING
    lua_newtable(L);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_getfield(L, AT_LPEG, "P"); // MAKE
    luaL_getmetatable(L, "lpeg-pattern");
    lua_getfield(L, -1, "__mul"); // JOIN
    lua_remove(L, -2);
    lua_getfield(L, AT_LPEG, "Cmt"); // TICK
    lua_pushliteral(L, "");
    lua_pushcfunction(L, tick);
    lua_call(L, 2, 1);
}

static int open(lua_State *L) {
    static const struct {
        const char *name;
        int patterns;
    } BUILDERS[] = {{"P", 1},  {"C", 1},  {"Cs", 1},  {"Ct", 1},   {"Cg", 1},
                    {"Cf", 1}, {"B", 1},  {"Cmt", 1}, {"S", 0},    {"R", 0},
                    {"V", 0},  {"Cc", 0}, {"Cp", 0},  {"Carg", 0}, {"Cb", 0}},
      OPERATORS[] = {{"__mul", 2}, {"__add", 2}, {"__sub", 2},
                     {"__div", 1}, {"__len", 1}, {"__unm", 1}};
    lua_pushcfunction(L, luaopen_lpeg);
    lua_call(L, 0, 1);
    push_tools(L);
    lua_newtable(L);
    luaL_getmetatable(L, "lpeg-pattern");
    for (size_t i = 0; i < sizeof BUILDERS / sizeof *BUILDERS; i++)
        wrap(L, AT_LPEG, AT_OURS, BUILDERS[i].name, build, BUILDERS[i].patterns);
    for (size_t i = 0; i < sizeof OPERATORS / sizeof *OPERATORS; i++)
        wrap(L, AT_META, AT_META, OPERATORS[i].name, build, OPERATORS[i].patterns);
    wrap(L, AT_META, AT_META, "__pow", repeat, 1);
    wrap(L, AT_LPEG, AT_OURS, "match", match, 1);
    lua_getfield(L, AT_LPEG, "type");
    lua_setfield(L, AT_OURS, "type");
    lua_getfield(L, AT_LPEG, "locale");
    lua_setfield(L, AT_OURS, "locale");
    lua_pushvalue(L, AT_OURS);
    lua_setfield(L, AT_META, "__index"); // of patterns: p:match(s)
    lua_pushboolean(L, 0);
    lua_setfield(L, AT_META, "__metatable");
    lua_settop(L, AT_OURS);
    return 1;
}

void rules_lpeg_push(lua_State *L) {
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
}

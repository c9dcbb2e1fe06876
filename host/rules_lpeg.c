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

// LPeg's own functions make patterns; they call nothing of the script.
static int make_pattern(lua_State *L) {
    struct rules_budget *budget = rules_budget_of(L);
    budget->builds = true;
    int results = call_original(L);
    budget->builds = false;
    return results;
}

static void make_of(lua_State *L, int args) {
    struct rules_budget *budget = rules_budget_of(L);
    budget->builds = true;
    lua_call(L, args, 1);
    budget->builds = false;
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
    make_of(L, 2);
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
    make_of(L, 1);
    set_repeating(L, -1);
    lua_replace(L, index);
}

// A number is a pattern of so many characters.
static void check_number(lua_State *L, int index) {
    lua_Number number = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : 0;
    luaL_argcheck(L, number >= -RULES_LPEG_COUNT && number <= RULES_LPEG_COUNT, index,
                  "the number is too large for a pattern");
}

// Makes ready what is given as a pattern; true when any of it repeats something.
static bool prepare(lua_State *L) {
    rules_budget_check(L);
    bool repeating = false;
    int count = (int)lua_tointeger(L, lua_upvalueindex(PATTERNS));
    for (int i = 1; i <= count; i++) {
        if (lua_istable(L, i))
            make_grammar(L, i);
        check_number(L, i);
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
    int results = make_pattern(L);
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
    int results = make_pattern(L);
    check_size(L);
    set_repeating(L, lua_gettop(L));
    return results;
}

// A pattern begins with the address of its code. What is none LPeg refuses.
static bool has_code(lua_State *L) {
    void *const *pattern = lua_touserdata(L, 1);
    return lua_objlen(L, 1) < sizeof *pattern || *pattern;
}

// LPeg makes a pattern's code at its first match. Refused memory for some of it, it would keep the
// half that it has, and run it the next time. So nothing is refused here; what it takes follows
// from the size of a pattern, which is bounded. Without a text to match LPeg does no more than
// that, and fails.
static void compile(lua_State *L) {
    struct rules_budget *budget = rules_budget_of(L);
    luaL_checkstack(L, 12, "match");
    budget->compiles = true;
    lua_pushcfunction(L, lua_tocfunction(L, lua_upvalueindex(ORIGINAL)));
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, 0, 0) != 0)
        lua_pop(L, 1);
    budget->compiles = false;
    rules_budget_check(L);
}

// What is not a pattern yet becomes one, as LPeg would have it.
static void make_own(lua_State *L) {
    if (lua_istable(L, 1)) {
        make_grammar(L, 1);
    } else if (lua_type(L, 1) != LUA_TUSERDATA) {
        check_number(L, 1);
        lua_pushvalue(L, lua_upvalueindex(MAKE));
        lua_pushvalue(L, 1);
        make_of(L, 1);
        check_size(L);
        lua_replace(L, 1);
    }
}

static int match(lua_State *L) {
    size_t len;
    luaL_checklstring(L, 2, &len);
    luaL_argcheck(L, len <= RULES_LPEG_SUBJECT, 2, "the text is longer than 64 KiB");
    make_own(L);
    rules_budget_steps(L, 64 + (unsigned)(len / 16));
    if (!has_code(L))
        compile(L);
    return call_original(L);
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

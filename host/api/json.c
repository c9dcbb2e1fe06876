// host.json: the strict reader of ../json.h, building Lua values
#include "json.h"

#include <lauxlib.h>
#include <stdbool.h>

#include "../json.h"

// Where the next value goes: on top of the stack are the open containers, innermost last; for an
// object its key lies above it until the value has come.
struct builder {
    lua_State *L;
    int depth;
    struct {
        bool array;
        int count;
    } open[JSON_MAX_DEPTH + 1];
};

// The value is on top of the stack.
static void place(struct builder *builder) {
    if (builder->depth == 0)
        return;
    if (builder->open[builder->depth].array)
        lua_rawseti(builder->L, -2, ++builder->open[builder->depth].count);
    else
        lua_rawset(builder->L, -3);
}

static void on_null(void *user) {
    struct builder *builder = user;
    lua_pushlightuserdata(builder->L, NULL);
    place(builder);
}

static void on_boolean(void *user, bool value) {
    struct builder *builder = user;
    lua_pushboolean(builder->L, value);
    place(builder);
}

static void on_number(void *user, double value) {
    struct builder *builder = user;
    lua_pushnumber(builder->L, value);
    place(builder);
}

static void on_string(void *user, const char *text, size_t len) {
    struct builder *builder = user;
    lua_pushlstring(builder->L, text, len);
    place(builder);
}

static void on_key(void *user, const char *text, size_t len) {
    struct builder *builder = user;
    lua_pushlstring(builder->L, text, len);
}

static void begin(struct builder *builder, bool array) {
    lua_newtable(builder->L);
    builder->depth++;
    builder->open[builder->depth].array = array;
    builder->open[builder->depth].count = 0;
}

static void end(struct builder *builder) {
    builder->depth--;
    place(builder);
}

static void on_object_begin(void *user) {
    begin(user, false);
}

static void on_object_end(void *user, size_t count) {
    (void)count;
    end(user);
}

static void on_array_begin(void *user) {
    struct builder *builder = user;
    begin(builder, true);
    luaL_getmetatable(builder->L, API_JSON_LIST);
    lua_setmetatable(builder->L, -2);
}

static void on_array_end(void *user, size_t count) {
    (void)count;
    end(user);
}

static const struct json_handler HANDLER = {
    .on_null = on_null,
    .on_boolean = on_boolean,
    .on_number = on_number,
    .on_string = on_string,
    .on_key = on_key,
    .on_object_begin = on_object_begin,
    .on_object_end = on_object_end,
    .on_array_begin = on_array_begin,
    .on_array_end = on_array_end,
};

static int decode(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    luaL_checkstack(L, 3 * JSON_MAX_DEPTH, "JSON");
    struct builder builder = {.L = L};
    struct err err;
    if (json_parse(text, len, &HANDLER, &builder, &err) == 0)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
}

// The texts of what a list holds (values only) or an object (names as they are written, and
// values), as they stand.
static int slices(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    size_t at = json_skip_space(text, len, 0);
    bool object = at < len && text[at] == '{';
    luaL_argcheck(L, object || (at < len && text[at] == '['), 1, "a JSON object or list");
    lua_settop(L, 1);
    lua_newtable(L);
    lua_newtable(L);
    int count = 0;
    for (at = json_skip_space(text, len, at + 1); at < len && text[at] != (object ? '}' : ']');) {
        if (object) {
            size_t end = json_skip_value(text, len, at);
            lua_pushlstring(L, text + at + 1, end > at + 2 ? end - at - 2 : 0);
            lua_rawseti(L, 2, count + 1);
            at = json_skip_space(text, len, end) + 1; // the colon
            at = json_skip_space(text, len, at);
        }
        size_t end = at < len ? json_skip_value(text, len, at) : len;
        lua_pushlstring(L, text + (at < len ? at : len), end > at ? end - at : 0);
        lua_rawseti(L, 3, ++count);
        at = json_skip_space(text, len, end);
        if (at < len && text[at] == ',')
            at = json_skip_space(text, len, at + 1);
        else
            break;
    }
    lua_insert(L, 2); // values, names
    return 2;
}

int api_open_json(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"decode", decode}, {"slices", slices}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    luaL_newmetatable(L, API_JSON_LIST);
    lua_setfield(L, -2, "list_mt");
    return 1;
}

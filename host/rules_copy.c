#include "rules_copy.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "api/json.h"

enum tag { NIL, FALSE, TRUE, NULL_VALUE, NUMBER, STRING, TABLE, LIST };

// What a table's bytes begin with: that many values of 1, 2, …, then that many keys and values.
struct sizes {
    int items, pairs;
};

// Where in the values the writer is: the key under which it came to this one.
struct step {
    const struct step *parent;
    const void *table; // the value itself, when it is a table
    const char *key;   // NULL: index
    double index;
};

struct writer {
    lua_State *L;
    struct buf *out;
    struct err *err;
    const char *what;
    const void *list_mt;
    size_t start;
    int values;
};

static void add(struct buf *out, const void *bytes, size_t size) {
    buf_add(out, bytes, size);
}

static void add_tag(struct buf *out, enum tag tag) {
    char byte = (char)tag;
    add(out, &byte, 1);
}

static void add_path(struct buf *path, const struct step *step, const char *what) {
    if (!step->parent) {
        buf_addf(path, "%s %.0f", what, step->index);
        return;
    }
    add_path(path, step->parent, what);
    if (step->key)
        buf_addf(path, ".%.40s", step->key);
    else
        buf_addf(path, "[%.14g]", step->index);
}

static int refuse(const struct writer *writer, const struct step *step, const char *why) {
    struct buf path = {0};
    add_path(&path, step, writer->what);
    err_set(writer->err, "%.300s %s", path.data, why);
    buf_free(&path);
    return -1;
}

static int write_value(struct writer *writer, int index, struct step *step, int depth);

static int write_pairs(struct writer *writer, int index, struct step *step, int depth,
                       struct sizes *sizes) {
    lua_State *L = writer->L;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        struct step inner = {.parent = step};
        int type = lua_type(L, -2);
        if (type == LUA_TNUMBER) {
            inner.index = lua_tonumber(L, -2);
            if (inner.index >= 1 && inner.index <= sizes->items &&
                inner.index == (double)(int)inner.index) {
                lua_pop(L, 1);
                continue;
            }
            add_tag(writer->out, NUMBER);
            add(writer->out, &inner.index, sizeof inner.index);
        } else if (type == LUA_TSTRING) {
            size_t len;
            inner.key = lua_tolstring(L, -2, &len);
            add_tag(writer->out, STRING);
            add(writer->out, &len, sizeof len);
            add(writer->out, inner.key, len);
        } else {
            char why[80];
            snprintf(why, sizeof why, "has a key that is a %s", lua_typename(L, type));
            return refuse(writer, step, why);
        }
        if (write_value(writer, lua_gettop(L), &inner, depth + 1) != 0)
            return -1;
        sizes->pairs++;
        lua_pop(L, 1);
    }
    return 0;
}

static int write_table(struct writer *writer, int index, struct step *step, int depth) {
    lua_State *L = writer->L;
    step->table = lua_topointer(L, index);
    for (const struct step *outer = step->parent; outer; outer = outer->parent)
        if (outer->table == step->table)
            return refuse(writer, step, "is a table that contains itself");
    if (depth >= RULES_COPY_DEPTH)
        return refuse(writer, step, "is nested too deeply");
    luaL_checkstack(L, 8, "values");
    bool list = false;
    if (lua_getmetatable(L, index)) {
        list = writer->list_mt && lua_topointer(L, -1) == writer->list_mt;
        lua_pop(L, 1);
        if (!list)
            return refuse(writer, step, "has a metatable");
    }
    struct sizes sizes = {(int)lua_objlen(L, index), 0};
    add_tag(writer->out, list ? LIST : TABLE);
    size_t at = writer->out->len;
    add(writer->out, &sizes, sizeof sizes);
    for (int i = 1; i <= sizes.items; i++) {
        struct step inner = {.parent = step, .index = i};
        lua_rawgeti(L, index, i);
        if (write_value(writer, lua_gettop(L), &inner, depth + 1) != 0)
            return -1;
        lua_pop(L, 1);
    }
    if (write_pairs(writer, index, step, depth, &sizes) != 0)
        return -1;
    memcpy(writer->out->data + at, &sizes, sizeof sizes);
    return 0;
}

static int write_value(struct writer *writer, int index, struct step *step, int depth) {
    lua_State *L = writer->L;
    if (++writer->values > RULES_COPY_VALUES || writer->out->len - writer->start > RULES_COPY_BYTES)
        return refuse(writer, step, "is too much: the values are too many or too long");
    int type = lua_type(L, index);
    switch (type) {
    case LUA_TNIL:
        add_tag(writer->out, NIL);
        return 0;
    case LUA_TBOOLEAN:
        add_tag(writer->out, lua_toboolean(L, index) ? TRUE : FALSE);
        return 0;
    case LUA_TNUMBER: {
        double number = lua_tonumber(L, index);
        add_tag(writer->out, NUMBER);
        add(writer->out, &number, sizeof number);
        return 0;
    }
    case LUA_TSTRING: {
        size_t len;
        const char *text = lua_tolstring(L, index, &len);
        if (len > RULES_COPY_BYTES)
            return refuse(writer, step, "is too long");
        add_tag(writer->out, STRING);
        add(writer->out, &len, sizeof len);
        add(writer->out, text, len);
        return 0;
    }
    case LUA_TTABLE:
        return write_table(writer, index, step, depth);
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, index)) {
            add_tag(writer->out, NULL_VALUE);
            return 0;
        }
        return refuse(writer, step, "is a light userdata");
    default: {
        char why[64];
        snprintf(why, sizeof why, "is a %s", lua_typename(L, type));
        return refuse(writer, step, why);
    }
    }
}

int rules_copy_write(lua_State *L, int first, int count, const char *what, struct buf *out,
                     struct err *err) {
    struct writer writer = {.L = L, .out = out, .err = err, .what = what, .start = out->len};
    int top = lua_gettop(L), status = 0;
    luaL_checkstack(L, 4, "values");
    luaL_getmetatable(L, API_JSON_LIST);
    writer.list_mt = lua_topointer(L, -1);
    add(out, &count, sizeof count);
    for (int i = 0; i < count && status == 0; i++) {
        struct step step = {.index = i + 1};
        status = write_value(&writer, first + i, &step, 0);
    }
    lua_settop(L, top);
    return status;
}

// Reading: the bytes are our own.

struct reader {
    lua_State *L;
    const char *at;
};

static void take(struct reader *reader, void *value, size_t size) {
    memcpy(value, reader->at, size);
    reader->at += size;
}

static void read_value(struct reader *reader);

static void read_table(struct reader *reader, bool list) {
    lua_State *L = reader->L;
    struct sizes sizes;
    take(reader, &sizes, sizeof sizes);
    luaL_checkstack(L, 6, "values");
    lua_createtable(L, sizes.items, sizes.pairs);
    for (int i = 1; i <= sizes.items; i++) {
        read_value(reader);
        lua_rawseti(L, -2, i);
    }
    for (int i = 0; i < sizes.pairs; i++) {
        read_value(reader);
        read_value(reader);
        lua_rawset(L, -3);
    }
    if (!list)
        return;
    luaL_getmetatable(L, API_JSON_LIST);
    if (lua_istable(L, -1))
        lua_setmetatable(L, -2);
    else
        lua_pop(L, 1);
}

static void read_value(struct reader *reader) {
    lua_State *L = reader->L;
    enum tag tag = (enum tag) * reader->at++;
    switch (tag) {
    case NIL:
        lua_pushnil(L);
        break;
    case FALSE:
    case TRUE:
        lua_pushboolean(L, tag == TRUE);
        break;
    case NULL_VALUE:
        lua_pushlightuserdata(L, NULL);
        break;
    case NUMBER: {
        double number;
        take(reader, &number, sizeof number);
        lua_pushnumber(L, number);
        break;
    }
    case STRING: {
        size_t len;
        take(reader, &len, sizeof len);
        lua_pushlstring(L, reader->at, len);
        reader->at += len;
        break;
    }
    case TABLE:
    case LIST:
        read_table(reader, tag == LIST);
    }
}

int rules_copy_read(lua_State *L, const struct buf *in) {
    struct reader reader = {L, in->data};
    int count;
    take(&reader, &count, sizeof count);
    luaL_checkstack(L, count + 4, "values");
    for (int i = 0; i < count; i++)
        read_value(&reader);
    return count;
}

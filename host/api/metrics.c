// host.metrics
#include "../metrics.h"

#include <lauxlib.h>

#include "api.h"
#include "buf.h"

enum { MAX_LABELS = 6, MAX_BUCKETS = 20 };

struct held {
    struct metric *metric;
    enum metric_kind kind;
    int labels;
};

static size_t read_labels(lua_State *L, int index, const char **labels) {
    if (lua_isnoneornil(L, index))
        return 0;
    luaL_checktype(L, index, LUA_TTABLE);
    size_t count = lua_objlen(L, index);
    luaL_argcheck(L, count <= MAX_LABELS, index, "at most 6 labels");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (int)i + 1);
        labels[i] = luaL_checkstring(L, -1); // stays on the stack
    }
    return count;
}

static int declare(lua_State *L, enum metric_kind kind) {
    const char *name = luaL_checkstring(L, 1), *help = luaL_checkstring(L, 2);
    bool histogram = kind == METRIC_HISTOGRAM;
    double buckets[MAX_BUCKETS];
    size_t bucket_count = 0;
    if (histogram) {
        luaL_checktype(L, 3, LUA_TTABLE);
        bucket_count = lua_objlen(L, 3);
        luaL_argcheck(L, bucket_count <= MAX_BUCKETS, 3, "at most 20 buckets");
        for (size_t i = 0; i < bucket_count; i++) {
            lua_rawgeti(L, 3, (int)i + 1);
            buckets[i] = luaL_checknumber(L, -1);
            lua_pop(L, 1);
        }
    }
    lua_settop(L, histogram ? 4 : 3);
    const char *labels[MAX_LABELS];
    size_t label_count = read_labels(L, histogram ? 4 : 3, labels);
    struct err err;
    struct metric *metric =
        metrics_declare(name, kind, help, labels, label_count, buckets, bucket_count, &err);
    if (!metric)
        return luaL_error(L, "%s", err.text);
    // The only series is there before the first event: what grows from nothing shows no growth.
    if (label_count == 0 && kind != METRIC_GAUGE)
        metrics_cell(api_env(L)->metrics, metric, NULL);
    struct held *held = lua_newuserdata(L, sizeof *held);
    *held = (struct held){metric, kind, (int)label_count};
    luaL_getmetatable(L, "host.metrics.metric");
    lua_setmetatable(L, -2);
    return 1;
}

static int counter(lua_State *L) {
    return declare(L, METRIC_COUNTER);
}
static int gauge(lua_State *L) {
    return declare(L, METRIC_GAUGE);
}
static int histogram(lua_State *L) {
    return declare(L, METRIC_HISTOGRAM);
}

static struct metric_cell *cell_of(lua_State *L, const struct held *held) {
    const char *values[MAX_LABELS];
    for (int i = 0; i < held->labels; i++)
        values[i] = luaL_checkstring(L, 3 + i);
    return metrics_cell(api_env(L)->metrics, held->metric, values);
}

static struct held *check(lua_State *L) {
    return luaL_checkudata(L, 1, "host.metrics.metric");
}

static int add(lua_State *L) {
    struct held *held = check(L);
    lua_Number amount = luaL_checknumber(L, 2);
    luaL_argcheck(L, held->kind != METRIC_HISTOGRAM, 1, "a histogram observes");
    luaL_argcheck(L, held->kind == METRIC_GAUGE || amount >= 0, 2, "a counter only grows");
    metrics_add(cell_of(L, held), amount);
    return 0;
}

static int set(lua_State *L) {
    struct held *held = check(L);
    lua_Number value = luaL_checknumber(L, 2);
    luaL_argcheck(L, held->kind == METRIC_GAUGE, 1, "only a gauge can be set");
    metrics_set(cell_of(L, held), value);
    return 0;
}

static int observe(lua_State *L) {
    struct held *held = check(L);
    lua_Number value = luaL_checknumber(L, 2);
    luaL_argcheck(L, held->kind == METRIC_HISTOGRAM, 1, "only a histogram observes");
    metrics_observe(cell_of(L, held), value);
    return 0;
}

static int render(lua_State *L) {
    struct buf text = {0};
    metrics_render(&text, api_env(L)->service);
    lua_pushlstring(L, text.data ? text.data : "", text.len);
    buf_free(&text);
    return 1;
}

int api_open_metrics(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"counter", counter},
                                         {"gauge", gauge},
                                         {"histogram", histogram},
                                         {"render", render},
                                         {NULL, NULL}};
    static const luaL_Reg METHODS[] = {
        {"add", add}, {"set", set}, {"observe", observe}, {NULL, NULL}};
    luaL_newmetatable(L, "host.metrics.metric");
    lua_newtable(L);
    luaL_register(L, NULL, METHODS);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

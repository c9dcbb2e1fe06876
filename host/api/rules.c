// host.rules: calls into the VM of the business rules, see ../rules.h
#include "../rules.h"

#include <lauxlib.h>
#include <stdio.h>
#include <uv.h>

#include "../log.h"
#include "../revision.h"
#include "../rules_log.h"
#include "api.h"

// Upvalues of call and failed: the two families.
enum { SECONDS = 1, FAILURES };

static struct metric *declare(lua_State *L, const char *name, enum metric_kind kind,
                              const char *help, const char *const *labels, size_t label_count) {
    static const double BUCKETS[] = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005,
                                     0.001,   0.0025,   0.005,   0.01,   0.1};
    bool histogram = kind == METRIC_HISTOGRAM;
    struct err err;
    struct metric *metric = metrics_declare(name, kind, help, labels, label_count, BUCKETS,
                                            histogram ? sizeof BUCKETS / sizeof *BUCKETS : 0, &err);
    if (!metric)
        luaL_error(L, "%s", err.text);
    return metric;
}

static struct rules *live(lua_State *L) {
    struct api_rules *held = api_env(L)->rules;
    struct rules *rules = held ? held->slot.live : NULL;
    if (!rules)
        luaL_error(L, "there are no rules where no service runs");
    return rules;
}

// Counts it and logs it. An example that fails is told by who runs it.
static void note_failure(lua_State *L, const char *name, const struct rules_failure *failure) {
    struct api_env *env = api_env(L);
    const char *const labels[] = {name, failure->code};
    struct metric *failures = lua_touserdata(L, lua_upvalueindex(FAILURES));
    uint64_t left_out;
    char count[24];
    metrics_add(metrics_cell(env->metrics, failures, labels), 1);
    if (!env->loop || !rules_log_may(name, failure->code, uv_hrtime() / 1000000, &left_out))
        return;
    snprintf(count, sizeof count, "%llu", (unsigned long long)left_out);
    log_event(LOG_ERROR, "a rule failed", "rule", name, "code", failure->code, "error",
              failure->message, "not_logged", count, "traceback",
              *failure->traceback ? failure->traceback : NULL, NULL);
}

static int call(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    struct rules *rules = live(L);
    struct rules_failure failure;
    uint64_t began = uv_hrtime();
    int results = rules_call(rules, name, L, 2, lua_gettop(L) - 1, &failure);
    if (api_env(L)->loop) { // else it is an example
        revision_count_call();
        if (results < 0)
            revision_count_failure();
    }
    metrics_observe(
        metrics_cell(api_env(L)->metrics, lua_touserdata(L, lua_upvalueindex(SECONDS)), &name),
        (double)(uv_hrtime() - began) / 1e9);
    if (results >= 0)
        return results;
    note_failure(L, name, &failure);
    api_push_error(L, failure.code, failure.message);
    lua_pushstring(L, failure.traceback);
    lua_setfield(L, -2, "traceback");
    return 2;
}

// The last call gave something, of which its caller says that it is of no use. -> the message with
// the place of the rule
static int failed(lua_State *L) {
    const char *name = luaL_checkstring(L, 1), *code = luaL_checkstring(L, 2);
    lua_pushfstring(L, "%s: %s", rules_called(live(L)), luaL_checkstring(L, 3));
    const struct rules_failure failure = {code, lua_tostring(L, -1), ""};
    if (api_env(L)->loop)
        revision_count_failure();
    note_failure(L, name, &failure);
    return 1;
}

// shadow(name, ...): the candidate's results, or nil and an error that nobody counts.
static int shadow(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    struct api_rules *held = api_env(L)->rules;
    struct rules *rules = held && api_env(L)->loop ? shadow_rules(&held->shadow) : NULL;
    struct rules_failure failure;
    if (!rules)
        return api_push_error(L, "missing", "there are no candidate rules");
    int results = rules_call(rules, name, L, 2, lua_gettop(L) - 1, &failure);
    return results >= 0 ? results : api_push_error(L, failure.code, failure.message);
}

// Whether there is a candidate.
static int has_shadow(lua_State *L) {
    struct api_rules *held = api_env(L)->rules;
    lua_pushboolean(L, held && api_env(L)->loop && shadow_rules(&held->shadow));
    return 1;
}

static int revision(lua_State *L) {
    struct api_rules *held = api_env(L)->rules;
    struct rules *rules = held ? held->slot.live : NULL;
    lua_pushstring(L, rules ? rules_revision(rules) : NULL); // NULL is pushed as nil
    return 1;
}

static int read_file(lua_State *L) {
    const struct file *file = rules_find_file(live(L), luaL_checkstring(L, 1));
    if (!file)
        return 0;
    lua_pushlstring(L, file->text, file->len);
    return 1;
}

static int load(struct api_rules *rules, struct err *err) {
    if (!rules->bundle)
        return err_set(err, "there are no business rules");
    if (rules_prepare(&rules->slot, rules->bundle, &RULES_LIMITS, err) != 0)
        return -1;
    rules_commit(&rules->slot);
    return 0;
}

// The VM is made when a service first requires this, while it loads: one that needs no rules has
// none, and one whose rules are broken does not start.
int api_open_rules(lua_State *L) {
    static const char *const LABELS[] = {"rule", "code"};
    struct api_env *env = api_env(L);
    struct err err;
    if (env->rules && !env->rules->slot.live && load(env->rules, &err) != 0)
        return luaL_error(L, "%s", err.text);
    lua_newtable(L);
    lua_pushlightuserdata(L, declare(L, "rules_call_seconds", METRIC_HISTOGRAM,
                                     "Time of a call of a business rule.", LABELS, 1));
    lua_pushlightuserdata(L, declare(L, "rules_failures_total", METRIC_COUNTER,
                                     "Calls of business rules without a result.", LABELS, 2));
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, failed, 2);
    lua_setfield(L, -4, "failed");
    lua_pushcclosure(L, call, 2);
    lua_setfield(L, -2, "call");
    lua_pushcfunction(L, shadow);
    lua_setfield(L, -2, "shadow");
    lua_pushcfunction(L, has_shadow);
    lua_setfield(L, -2, "has_shadow");
    lua_pushcfunction(L, revision);
    lua_setfield(L, -2, "revision");
    lua_pushcfunction(L, read_file);
    lua_setfield(L, -2, "read_file");
    return 1;
}

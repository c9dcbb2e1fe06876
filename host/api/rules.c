// host.rules: calls into the VM of the business rules, see ../rules.h
#include "../rules.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "../buf.h"
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

static struct rules *candidate(lua_State *L) {
    struct api_rules *held = api_env(L)->rules;
    struct rules *rules = held ? held->slot.live : NULL;
    return rules && api_env(L)->loop ? shadow_rules(&held->shadow, rules_only(rules)) : NULL;
}

// shadow(name, ...): the candidate's results, or nil and an error that nobody counts.
static int shadow(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    struct rules *rules = candidate(L);
    struct rules_failure failure;
    if (!rules)
        return api_push_error(L, "missing", "there are no candidate rules");
    int results = rules_call(rules, name, L, 2, lua_gettop(L) - 1, &failure);
    return results >= 0 ? results : api_push_error(L, failure.code, failure.message);
}

// Whether there is a candidate.
static int has_shadow(lua_State *L) {
    lua_pushboolean(L, candidate(L) != NULL);
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

static bool has_word(const char *words, const char *word, size_t len) {
    for (const char *at = words; *(at += strspn(at, " ")); at += strcspn(at, " "))
        if (strcspn(at, " ") == len && strncmp(at, word, len) == 0)
            return true;
    return false;
}

// Adds to `all` the words that it lacks; true when there were any.
static bool add_words(struct buf *all, const char *words) {
    bool added = false;
    for (const char *at = words; *(at += strspn(at, " ")); at += strcspn(at, " ")) {
        size_t len = strcspn(at, " ");
        if (all->len && has_word(all->data, at, len))
            continue;
        buf_addf(all, "%s%.*s", all->len ? " " : "", (int)len, at);
        added = true;
    }
    return added;
}

// A generation of scripts may want more than the one before, which goes on for a while: so what is
// there stays.
int api_load_rules(struct api_rules *rules, const char *only, struct err *err) {
    struct rules_limits limits = rules_usual_limits();
    struct rules *live = rules->slot.live;
    struct buf all = {0};
    if (!rules->bundle && !live)
        return err_set(err, "there are no business rules");
    if (live && !rules_only(live)) // all files
        return 0;
    if (live)
        buf_adds(&all, rules_only(live));
    bool wants_more = !live || !only;
    if (only)
        wants_more |= add_words(&all, only);
    limits.only = only ? (all.data ? all.data : "") : NULL;
    int status = wants_more ? rules_prepare(&rules->slot, rules->bundle, &limits, err) : 0;
    if (status == 0 && wants_more)
        rules_commit(&rules->slot);
    buf_free(&all);
    return status;
}

// open(files): of rules/, which may be asked from now on.
static int open_files(lua_State *L) {
    struct api_rules *rules = api_env(L)->rules;
    struct err err;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_Buffer names;
    luaL_buffinit(L, &names);
    for (int i = 1; i <= (int)lua_objlen(L, 1); i++) {
        lua_rawgeti(L, 1, i);
        if (lua_type(L, -1) != LUA_TSTRING)
            return luaL_error(L, "the files of rules must be strings");
        luaL_addvalue(&names);
        luaL_addchar(&names, ' ');
    }
    luaL_pushresult(&names);
    if (rules && api_load_rules(rules, lua_tostring(L, -1), &err) != 0)
        return luaL_error(L, "%s", err.text);
    return 0;
}

// The VM is made when a service that asks rules is loaded (open_files, or script_load): one that
// needs none has none, and one whose rules are broken does not start.
int api_open_rules(lua_State *L) {
    static const char *const LABELS[] = {"rule", "code"};
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
    lua_pushcfunction(L, open_files);
    lua_setfield(L, -2, "open");
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

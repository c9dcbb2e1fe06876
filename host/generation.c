#include "generation.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "buf.h"
#include "log.h"

enum { LIMIT_MS = 35000, REST_MS = 1000 };

struct generation {
    struct api_env env;
    struct script *script;
    enum generation_begun begun;
    struct err err; // of start
    struct generation_request *requests;
    bool said_end;       // the at_end functions were started
    int ending;          // of these, what is still running
    uint64_t retired_at; // loop time; 0: not retired
    bool rests_ended;
};

static void on_idle(struct api_env *env) {
    free((struct generation *)env); // its first member
}

int generation_new(struct generation **out, const struct api_env *parts, struct bundle *bundle,
                   size_t max_fibers, struct err *err) {
    struct generation *generation = xcalloc(1, sizeof *generation);
    struct api_env *env = &generation->env;
    *env = *parts;
    env->on_idle = on_idle;
    api_begin(env); // the owner counts as one
    generation->script = script_new(env, bundle);
    env->fibers = fiber_pool_new(script_state(generation->script), env->loop, max_fibers);
    struct script_service declared;
    if (script_load(generation->script, env->service, &declared, err) == 0) {
        *out = generation;
        return 0;
    }
    generation_free(generation);
    return -1;
}

void generation_free(struct generation *generation) {
    struct api_env *env = &generation->env;
    while (generation->requests) {
        struct generation_request *request = generation->requests;
        generation_remove(request);
        request->on_cut(request);
    }
    env->closing = true;
    api_end_sleeps(env);
    fiber_pool_free(env->fibers);
    env->fibers = NULL;
    script_free(generation->script);
    api_end(env); // frees, now or once the last operation has ended
}

static void on_begun(void *user, lua_State *L, bool ok, int count) {
    (void)count;
    struct generation *generation = user;
    generation->begun = ok ? GENERATION_BEGAN : GENERATION_BROKE;
    if (ok)
        return;
    err_set(&generation->err, "%s", lua_tostring(L, -1));
    log_event(LOG_ERROR, "start failed", "error", lua_tostring(L, -1), NULL);
}

void generation_begin(struct generation *generation) {
    lua_State *L = script_state(generation->script);
    if (!script_push_start(generation->script)) {
        generation->begun = GENERATION_BEGAN;
    } else if (fiber_start(generation->env.fibers, L, 0, on_begun, generation, NULL) != 0) {
        lua_pop(L, 1);
        generation->begun = GENERATION_BROKE;
        err_set(&generation->err, "start: too many fibers");
    }
}

enum generation_begun generation_has_begun(const struct generation *generation, struct err *err) {
    if (err && generation->begun == GENERATION_BROKE)
        *err = generation->err;
    return generation->begun;
}

static void on_end_done(void *user, lua_State *L, bool ok, int count) {
    (void)count;
    ((struct generation *)user)->ending--;
    if (!ok)
        log_event(LOG_ERROR, "the end of a script failed", "error", lua_tostring(L, -1), NULL);
}

void generation_end(struct generation *generation) {
    struct api_env *env = &generation->env;
    if (generation->said_end)
        return;
    generation->said_end = true;
    for (int i = 0; i < env->end_count; i++) {
        lua_rawgeti(env->main, LUA_REGISTRYINDEX, env->end_functions[i]);
        generation->ending++;
        if (fiber_start(env->fibers, env->main, 0, on_end_done, generation, NULL) == 0)
            continue;
        lua_pop(env->main, 1);
        generation->ending--;
    }
}

void generation_retire(struct generation *generation) {
    if (generation->retired_at)
        return;
    generation->retired_at = uv_now(generation->env.loop);
    generation->env.ending = true;
    generation_end(generation);
}

bool generation_has_ended(const struct generation *generation) {
    return generation->said_end && generation->ending == 0;
}

// Whatever is left rests. Loops are woken once, so that they see that they should end.
static bool has_come_to_rest(struct generation *generation, uint64_t passed) {
    struct api_env *env = &generation->env;
    if (generation->requests || generation->ending > 0)
        return false;
    if (fiber_alive(env->fibers) == 0)
        return true;
    if (!generation->rests_ended) {
        generation->rests_ended = true;
        fiber_end_rests(env->fibers);
        return false;
    }
    return passed > REST_MS && fiber_busy(env->fibers) == 0;
}

bool generation_reap(struct generation *generation) {
    assert(generation->retired_at);
    uint64_t passed = uv_now(generation->env.loop) - generation->retired_at;
    if (!has_come_to_rest(generation, passed)) {
        if (passed <= LIMIT_MS)
            return false;
        log_event(LOG_WARN, "what an earlier generation of the scripts still did was cut off",
                  NULL);
    }
    generation_free(generation);
    return true;
}

void generation_add(struct generation *generation, struct generation_request *request) {
    request->generation = generation;
    request->prev = NULL;
    request->next = generation->requests;
    if (request->next)
        request->next->prev = request;
    generation->requests = request;
}

void generation_remove(struct generation_request *request) {
    *(request->prev ? &request->prev->next : &request->generation->requests) = request->next;
    if (request->next)
        request->next->prev = request->prev;
    request->prev = request->next = NULL;
}

struct api_env *generation_env(struct generation *generation) {
    return &generation->env;
}

struct script *generation_script(struct generation *generation) {
    return generation->script;
}

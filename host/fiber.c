#include "fiber.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"

enum state { FREE, READY, RUNNING, WAITING };
enum wait { WORK, REST, JOIN };

struct fiber {
    struct fiber_pool *pool;
    lua_State *L; // NULL until first used, and after an error
    int ref;      // keeps L alive in the registry
    uint32_t index;
    uint32_t turn;
    enum state state;
    enum wait wait; // while WAITING
    int ready_args;
    uint64_t deadline; // loop time in ms, while WAITING
    fiber_done done;
    void *user;
    struct fiber *next; // in the free list or the ready queue
    struct fiber_context context;
    char request_id[64];
    char traceparent[64];
};

struct fiber_pool {
    lua_State *main;
    uv_loop_t *loop;
    uv_timer_t *sweep;
    struct fiber **fibers;
    size_t count; // made so far
    size_t max;
    size_t alive;
    uint64_t stale;
    struct fiber *free;
    struct fiber *ready_head;
    struct fiber *ready_tail;
};

// One VM runs one fiber at a time, and a worker's thread runs one VM at a time.
static _Thread_local struct fiber *running;

static const uint64_t SWEEP_MS = 50;

static void run_ready(struct fiber_pool *pool);

static void copy_context(struct fiber *fiber, const struct fiber_context *context) {
    fiber->context = (struct fiber_context){0};
    if (context && context->request_id) {
        snprintf(fiber->request_id, sizeof fiber->request_id, "%s", context->request_id);
        fiber->context.request_id = fiber->request_id;
    }
    if (context && context->traceparent) {
        snprintf(fiber->traceparent, sizeof fiber->traceparent, "%s", context->traceparent);
        fiber->context.traceparent = fiber->traceparent;
    }
}

static void release(struct fiber *fiber) {
    struct fiber_pool *pool = fiber->pool;
    fiber->state = FREE;
    fiber->turn++;
    fiber->next = pool->free;
    pool->free = fiber;
    pool->alive--;
}

static void finish(struct fiber *fiber, int status) {
    bool ok = status == 0;
    lua_State *L = fiber->L;
    if (!ok) {
        const char *message = lua_tostring(L, -1);
        luaL_traceback(L, L, message ? message : "(an error that is not a string)", 0);
    }
    if (fiber->done)
        fiber->done(fiber->user, L, ok, ok ? lua_gettop(L) : 1);
    else if (!ok)
        log_event(LOG_ERROR, "script failed", "error", lua_tostring(L, -1), NULL);
    if (ok) {
        lua_settop(L, 0);
    } else {
        luaL_unref(fiber->pool->main, LUA_REGISTRYINDEX, fiber->ref);
        fiber->L = NULL;
    }
    release(fiber);
}

static void run(struct fiber *fiber, int arg_count) {
    assert(!running);
    struct log_context *context = log_context();
    context->request_id = fiber->context.request_id;
    context->traceparent = fiber->context.traceparent;
    fiber->state = RUNNING;
    running = fiber;
    int status = lua_resume(fiber->L, arg_count);
    running = NULL;
    if (status == LUA_YIELD && fiber->state != WAITING) {
        lua_pushliteral(fiber->L, "a script yielded by itself: coroutine.* is not for scripts");
        status = LUA_ERRRUN;
    }
    if (status != LUA_YIELD)
        finish(fiber, status);
    context->request_id = context->traceparent = NULL;
}

static void run_ready(struct fiber_pool *pool) {
    while (pool->ready_head) {
        struct fiber *fiber = pool->ready_head;
        pool->ready_head = fiber->next;
        if (!pool->ready_head)
            pool->ready_tail = NULL;
        run(fiber, fiber->ready_args);
    }
}

static int push_timeout(lua_State *L, void *user) {
    (void)user;
    lua_pushnil(L);
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "timeout");
    lua_setfield(L, -2, "code");
    lua_pushliteral(L, "no answer in time");
    lua_setfield(L, -2, "message");
    return 2;
}

static void on_sweep(uv_timer_t *timer) {
    struct fiber_pool *pool = timer->data;
    uint64_t now = uv_now(pool->loop);
    for (size_t i = 0; i < pool->count && pool->alive > 0; i++) {
        struct fiber *fiber = pool->fibers[i];
        if (fiber->state == WAITING && fiber->deadline <= now)
            fiber_resume(pool, (struct fiber_token){fiber->index, fiber->turn}, push_timeout, NULL);
    }
}

struct fiber_pool *fiber_pool_new(lua_State *main_state, uv_loop_t *loop, size_t max_fibers) {
    struct fiber_pool *pool = xcalloc(1, sizeof *pool);
    pool->main = main_state;
    pool->loop = loop;
    pool->max = max_fibers;
    pool->fibers = xcalloc(max_fibers, sizeof *pool->fibers);
    pool->sweep = xcalloc(1, sizeof *pool->sweep);
    uv_timer_init(loop, pool->sweep);
    pool->sweep->data = pool;
    uv_timer_start(pool->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)pool->sweep);
    return pool;
}

static void on_closed(uv_handle_t *handle) {
    free(handle);
}

void fiber_pool_free(struct fiber_pool *pool) {
    assert(!running);
    uv_close((uv_handle_t *)pool->sweep, on_closed);
    for (size_t i = 0; i < pool->count; i++)
        free(pool->fibers[i]);
    free(pool->fibers);
    free(pool);
}

static struct fiber *take(struct fiber_pool *pool) {
    struct fiber *fiber = pool->free;
    if (fiber) {
        pool->free = fiber->next;
    } else {
        if (pool->count == pool->max)
            return NULL;
        fiber = xcalloc(1, sizeof *fiber);
        fiber->pool = pool;
        fiber->index = (uint32_t)pool->count;
        pool->fibers[pool->count++] = fiber;
    }
    if (!fiber->L) {
        fiber->L = lua_newthread(pool->main);
        fiber->ref = luaL_ref(pool->main, LUA_REGISTRYINDEX);
    }
    pool->alive++;
    fiber->next = NULL;
    return fiber;
}

int fiber_start(struct fiber_pool *pool, lua_State *from, int arg_count, fiber_done done,
                void *user, const struct fiber_context *context) {
    struct fiber *fiber = take(pool);
    if (!fiber)
        return -1;
    fiber->done = done;
    fiber->user = user;
    copy_context(fiber, context ? context : running ? &running->context : NULL);
    lua_checkstack(fiber->L, arg_count + 1);
    lua_xmove(from, fiber->L, arg_count + 1);
    if (!running) {
        run(fiber, arg_count);
        run_ready(pool);
        return 0;
    }
    fiber->state = READY;
    fiber->ready_args = arg_count;
    if (pool->ready_tail)
        pool->ready_tail->next = fiber;
    else
        pool->ready_head = fiber;
    pool->ready_tail = fiber;
    return 0;
}

struct fiber *fiber_current(lua_State *L) {
    return running && running->L == L ? running : NULL;
}

struct fiber_pool *fiber_pool_of(const struct fiber *fiber) {
    return fiber->pool;
}

const struct fiber_context *fiber_context_of(const struct fiber *fiber) {
    return &fiber->context;
}

void fiber_set_traceparent(struct fiber *fiber, const char *traceparent) {
    assert(fiber == running);
    fiber->context.traceparent = NULL;
    if (traceparent) {
        snprintf(fiber->traceparent, sizeof fiber->traceparent, "%s", traceparent);
        fiber->context.traceparent = fiber->traceparent;
    }
    log_context()->traceparent = fiber->context.traceparent;
}

static struct fiber_token wait_for(lua_State *L, enum wait wait, uint64_t deadline_ms) {
    struct fiber *fiber = fiber_current(L);
    assert(fiber && fiber->state == RUNNING && deadline_ms > 0);
    fiber->state = WAITING;
    fiber->wait = wait;
    fiber->turn++;
    fiber->deadline = uv_now(fiber->pool->loop) + deadline_ms;
    return (struct fiber_token){fiber->index, fiber->turn};
}

struct fiber_token fiber_wait(lua_State *L, uint64_t deadline_ms) {
    return wait_for(L, WORK, deadline_ms);
}

struct fiber_token fiber_rest(lua_State *L, uint64_t deadline_ms) {
    return wait_for(L, REST, deadline_ms);
}

struct fiber_token fiber_join(lua_State *L, uint64_t deadline_ms) {
    return wait_for(L, JOIN, deadline_ms);
}

int fiber_yield(lua_State *L) {
    return lua_yield(L, 0);
}

bool fiber_resume(struct fiber_pool *pool, struct fiber_token token, fiber_push push, void *user) {
    assert(!running);
    struct fiber *fiber = token.index < pool->count ? pool->fibers[token.index] : NULL;
    if (!fiber || fiber->state != WAITING || fiber->turn != token.turn) {
        pool->stale++;
        return false;
    }
    lua_checkstack(fiber->L, 16);
    int count = push ? push(fiber->L, user) : 0;
    run(fiber, count);
    run_ready(pool);
    return true;
}

size_t fiber_alive(const struct fiber_pool *pool) {
    return pool->alive;
}

uint64_t fiber_stale_count(const struct fiber_pool *pool) {
    return pool->stale;
}

size_t fiber_busy(const struct fiber_pool *pool) {
    size_t count = pool->alive;
    for (size_t i = 0; i < pool->count; i++)
        count -= pool->fibers[i]->state == WAITING && pool->fibers[i]->wait != WORK;
    return count;
}

void fiber_end_rests(struct fiber_pool *pool) {
    for (size_t i = 0; i < pool->count; i++)
        if (pool->fibers[i]->state == WAITING && pool->fibers[i]->wait == REST)
            pool->fibers[i]->deadline = 0;
}

// Coroutines of one Lua VM, each of which runs one request or one background task.
// A fiber is FREE, RUNNING, WAITING or DEAD. A binding that must wait starts its operation, calls
// fiber_wait and returns fiber_yield(L); the operation keeps the token {index, turn}. When it ends it
// calls fiber_resume with that token. The turn changes at every wait, so a completion that comes late
// (the deadline passed, the fiber ended) is recognised as stale, counted and dropped.
// Loop thread only. lua.h is allowed here, in script.c and in api/.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct fiber_pool;

struct fiber_token {
    uint32_t index;
    uint32_t turn;
};

// How a fiber ended. results are on top of L's stack (count of them) when ok; else the traceback
// is at the top as a string. L is valid during the call only.
typedef void (*fiber_done)(void *user, lua_State *L, bool ok, int count);

// Pushes the values that the yielded binding returns; returns how many.
typedef int (*fiber_push)(lua_State *L, void *user);

// What the log lines of a fiber carry; copied.
struct fiber_context {
    const char *request_id;
    const char *traceparent;
};

// At most max_fibers alive at once. The pool keeps finished coroutines for reuse.
struct fiber_pool *fiber_pool_new(lua_State *main_state, uv_loop_t *loop, size_t max_fibers);
void fiber_pool_free(struct fiber_pool *pool); // every fiber must have ended or is dropped

// Runs the function (and its args) on top of `from`'s stack, popping them. done is called when it
// ends, maybe before fiber_start returns. -1 when max_fibers are alive (nothing popped, done never
// called). context may be NULL.
int fiber_start(struct fiber_pool *pool, lua_State *from, int arg_count, fiber_done done,
                void *user, const struct fiber_context *context);

// The fiber that L runs in must exist (assert): bindings check with fiber_current first.
// fiber_current: NULL when L is not a fiber (the script is loading).
struct fiber *fiber_current(lua_State *L);

// Marks the fiber waiting and gives the token. After deadline_ms (0 is not allowed: every wait has
// one) on_deadline pushes what the wait returns instead: by default nil and {code = "timeout"}.
struct fiber_token fiber_wait(lua_State *L, uint64_t deadline_ms);
int fiber_yield(lua_State *L);

// Resumes a waiting fiber; push runs on its stack. -1: the token is stale (push is not called).
// Must not be called from inside a running fiber of the same pool (assert).
int fiber_resume(struct fiber_pool *pool, struct fiber_token token, fiber_push push, void *user);

struct fiber_pool *fiber_pool_of(lua_State *L);
size_t fiber_alive(const struct fiber_pool *pool);
uint64_t fiber_stale_count(const struct fiber_pool *pool);

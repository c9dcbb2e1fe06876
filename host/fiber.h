// Coroutines of one Lua VM, each of which runs one request or some background work.
// A fiber is FREE, READY, RUNNING or WAITING. A binding that must wait starts its operation, calls
// fiber_wait and returns fiber_yield(L); the operation keeps the token {index, turn}. When it ends
// it calls fiber_resume with that token. The turn changes at every wait, so a completion that comes
// late (the deadline passed, the fiber ended) is recognised as stale, counted and dropped. A fiber
// started while another runs is READY and runs when that one waits or ends, so the C stack never
// nests. Loop thread only.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "err.h"

struct fiber_pool;
struct fiber;

struct fiber_token {
    uint32_t index;
    uint32_t turn;
};

// How a fiber ended. When ok its `count` results are on top of L's stack, else a traceback is there
// as a string. L is valid during the call only. Runs on the loop, never inside another fiber.
typedef void (*fiber_done)(void *user, lua_State *L, bool ok, int count);

// Pushes the values that the yielded binding returns; returns how many (at most 8).
typedef int (*fiber_push)(lua_State *L, void *user);

// What the log lines of a fiber carry; copied (cut at 63 bytes). Both may be NULL.
struct fiber_context {
    const char *request_id;
    const char *traceparent;
};

// At most max_fibers are alive at once. The pool keeps finished coroutines for reuse.
struct fiber_pool *fiber_pool_new(lua_State *main_state, uv_loop_t *loop, size_t max_fibers);

// Drops every fiber without running its done; the Lua VM must still be open. The pool's loop
// handle closes asynchronously: run the loop once more before closing it.
void fiber_pool_free(struct fiber_pool *pool);

// Takes the function and its arg_count arguments off the top of `from`'s stack and runs them.
// done (may be NULL) is called when the fiber ends, maybe before fiber_start returns.
// -1: max_fibers are alive; nothing was popped and done is never called.
// context NULL: the context of the running fiber, if one runs.
MUST_CHECK int fiber_start(struct fiber_pool *pool, lua_State *from, int arg_count, fiber_done done,
                           void *user, const struct fiber_context *context);

// The fiber that L runs in; NULL when L is not one (a script is loading).
struct fiber *fiber_current(lua_State *L);
struct fiber_pool *fiber_pool_of(const struct fiber *fiber);
const struct fiber_context *fiber_context_of(const struct fiber *fiber);

// The running fiber goes on in another trace; copied. NULL: in none.
void fiber_set_traceparent(struct fiber *fiber, const char *traceparent);

// Marks L's fiber as waiting and gives the token. When deadline_ms (over 0) have passed without a
// resume, the binding returns nil and {code = "timeout"}.
struct fiber_token fiber_wait(lua_State *L, uint64_t deadline_ms);

// The same for a fiber that rests: nothing is under way, it only waits for time to pass or to be
// woken.
struct fiber_token fiber_rest(lua_State *L, uint64_t deadline_ms);

// The same for a fiber that waits for other fibers to end.
struct fiber_token fiber_join(lua_State *L, uint64_t deadline_ms);

// What the binding returns right after one of these.
int fiber_yield(lua_State *L);

// Resumes a waiting fiber; push runs on its stack first. False: the token is stale, push was not
// called. Not from inside a running fiber.
bool fiber_resume(struct fiber_pool *pool, struct fiber_token token, fiber_push push, void *user);

size_t fiber_alive(const struct fiber_pool *pool);

// Of those alive, the ones that neither rest nor join.
size_t fiber_busy(const struct fiber_pool *pool);

// Ends every rest soon, as its deadline would.
void fiber_end_rests(struct fiber_pool *pool);
uint64_t fiber_stale_count(const struct fiber_pool *pool);

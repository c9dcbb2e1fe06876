// host.fiber
#include "../fiber.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "api.h"
#include "buf.h"

struct sleep {
    struct sleep *prev, *next; // of the env's list
    uv_timer_t timer;
    struct api_env *env;
    struct fiber_token token;
};

static void on_sleep_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void end_sleep(struct sleep *sleep) {
    *(sleep->prev ? &sleep->prev->next : &sleep->env->sleeps) = sleep->next;
    if (sleep->next)
        sleep->next->prev = sleep->prev;
    uv_close((uv_handle_t *)&sleep->timer, on_sleep_closed);
}

void api_end_sleeps(struct api_env *env) {
    while (env->sleeps)
        end_sleep(env->sleeps);
}

static void on_slept(uv_timer_t *timer) {
    struct sleep *sleep = timer->data;
    struct api_env *env = sleep->env;
    struct fiber_token token = sleep->token;
    end_sleep(sleep);
    if (!env->closing)
        fiber_resume(env->fibers, token, NULL, NULL);
}

static int sleep_ms(lua_State *L) {
    lua_Number ms = luaL_checknumber(L, 1);
    luaL_argcheck(L, ms >= 0 && ms <= 86400000, 1, "0 to 86,400,000 milliseconds");
    api_need_fiber(L, "host.fiber.sleep");

    struct sleep *sleep = xcalloc(1, sizeof *sleep);
    sleep->env = api_env(L);
    sleep->next = sleep->env->sleeps;
    if (sleep->next)
        sleep->next->prev = sleep;
    sleep->env->sleeps = sleep;
    sleep->timer.data = sleep;
    uv_timer_init(sleep->env->loop, &sleep->timer);
    uv_timer_start(&sleep->timer, on_slept, (uint64_t)ms, 0);
    sleep->token = fiber_rest(L, (uint64_t)ms + 60000);

    return fiber_yield(L);
}

// The functions of one `all`, and the table of their results in the registry.
struct group {
    struct api_env *env;
    struct fiber_token token;
    int left;
    int results; // registry reference: results by index, an error's text at [0]
    int refs;    // children not ended, and the waiting parent
};

struct member {
    struct group *group;
    int index;
};

static void release_group(struct group *group) {
    if (--group->refs == 0)
        free(group);
}

static int push_results(lua_State *L, void *user) {
    struct group *group = user;
    lua_rawgeti(L, LUA_REGISTRYINDEX, group->results);
    luaL_unref(L, LUA_REGISTRYINDEX, group->results);
    return 1;
}

static void on_member_done(void *user, lua_State *L, bool ok, int count) {
    struct member *member = user;
    struct group *group = member->group;
    lua_rawgeti(L, LUA_REGISTRYINDEX, group->results);
    if (count > 0)
        lua_pushvalue(L, ok ? -1 - count : -2);
    else
        lua_pushnil(L);
    lua_rawseti(L, -2, ok ? member->index : 0);
    lua_pop(L, 1);
    free(member);
    if (--group->left == 0)
        fiber_resume(group->env->fibers, group->token, push_results, group);
    release_group(group);
}

// Waits until all started fibers have ended and returns the table {[0] = error, r1, r2, …}; the
// part in Lua below turns it into the public function.
static int run_all(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    int count = (int)lua_objlen(L, 1);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, 1, i);
        luaL_argcheck(L, lua_isfunction(L, -1), 1, "a list of functions");
        lua_pop(L, 1);
    }
    api_need_fiber(L, "host.fiber.all");
    lua_newtable(L);
    if (count == 0)
        return 1;

    struct group *group = xcalloc(1, sizeof *group);
    group->env = api_env(L);
    group->results = luaL_ref(L, LUA_REGISTRYINDEX);
    group->refs = 1;
    for (int i = 1; i <= count; i++) {
        struct member *member = xcalloc(1, sizeof *member);
        *member = (struct member){group, i};
        lua_rawgeti(L, 1, i);
        if (fiber_start(group->env->fibers, L, 0, on_member_done, member, NULL) == 0) {
            group->left++;
            group->refs++;
            continue;
        }
        lua_pop(L, 1);
        free(member);
        lua_rawgeti(L, LUA_REGISTRYINDEX, group->results);
        lua_pushliteral(L, "too many fibers");
        lua_rawseti(L, -2, 0);
        lua_pop(L, 1);
    }
    if (group->left == 0) {
        push_results(L, group);
        release_group(group);
        return 1;
    }
    group->token = fiber_join(L, 60000);
    release_group(group);

    return fiber_yield(L);
}

static int spawn(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct api_env *env = api_env(L);
    lua_settop(L, 1);
    if (!env->fibers)
        return luaL_error(L, "host.fiber.spawn: not while a script is loading");
    lua_pushvalue(L, 1);
    lua_pushboolean(L, fiber_start(env->fibers, L, 0, NULL, NULL, NULL) == 0);
    return 1;
}

static int traceparent(lua_State *L) {
    struct fiber *fiber = fiber_current(L);
    lua_pushstring(L, fiber ? fiber_context_of(fiber)->traceparent : NULL);
    return 1;
}

static int set_traceparent(lua_State *L) {
    const char *text = luaL_checkstring(L, 1);
    api_need_fiber(L, "host.fiber.set_traceparent");
    fiber_set_traceparent(fiber_current(L), text);
    return 0;
}

// Events: one fiber waits, any code of the same VM sets. A set before the wait is not lost.

struct event {
    uv_timer_t *wake; // resumes the waiter from the loop: set may be called by a running fiber
    struct api_env *env;
    struct fiber_token token;
    bool waiting, set;
};

static struct event *check_event(lua_State *L) {
    return luaL_checkudata(L, 1, "host.fiber.event");
}

static int push_true(lua_State *L, void *user) {
    (void)user;
    lua_pushboolean(L, 1);
    return 1;
}

static void on_wake(uv_timer_t *timer) {
    struct event *event = timer->data;
    if (!event->set || !event->waiting || event->env->closing)
        return;
    event->set = event->waiting = false;
    fiber_resume(event->env->fibers, event->token, push_true, NULL);
}

static int event_wait(lua_State *L) {
    struct event *event = check_event(L);
    lua_Number ms = luaL_checknumber(L, 2);
    luaL_argcheck(L, ms >= 1 && ms <= 86400000, 2, "1 to 86,400,000 milliseconds");
    api_need_fiber(L, "event:wait");
    if (event->set) {
        event->set = false;
        lua_pushboolean(L, 1);
        return 1;
    }

    event->waiting = true;
    event->token = fiber_rest(L, (uint64_t)ms);

    return fiber_yield(L);
}

static int event_set(lua_State *L) {
    struct event *event = check_event(L);
    event->set = true;
    if (event->waiting)
        uv_timer_start(event->wake, on_wake, 0, 0);
    return 0;
}

static void on_event_closed(uv_handle_t *handle) {
    free(handle);
}

static int event_collect(lua_State *L) {
    struct event *event = check_event(L);
    if (event->wake)
        uv_close((uv_handle_t *)event->wake, on_event_closed);
    event->wake = NULL;
    return 0;
}

static int new_event(lua_State *L) {
    struct api_env *env = api_env(L);
    struct event *event = lua_newuserdata(L, sizeof *event);
    *event = (struct event){.env = env};
    luaL_getmetatable(L, "host.fiber.event");
    lua_setmetatable(L, -2);
    if (!env->loop)
        return 1; // a script being examined waits for nothing
    event->wake = xcalloc(1, sizeof *event->wake);
    uv_timer_init(env->loop, event->wake);
    event->wake->data = event;
    return 1;
}

static const char ALL[] =
    "local run_all = ...\n"
    "return function(functions)\n"
    "  local results = run_all(functions)\n"
    "  if results == nil then error('host.fiber.all: no end in time', 2) end\n"
    "  if results[0] then error(results[0], 0) end\n"
    "  return results\n"
    "end\n";

int api_open_fiber(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"sleep", sleep_ms},
                                         {"spawn", spawn},
                                         {"event", new_event},
                                         {"traceparent", traceparent},
                                         {"set_traceparent", set_traceparent},
                                         {NULL, NULL}};
    static const luaL_Reg METHODS[] = {{"wait", event_wait}, {"set", event_set}, {NULL, NULL}};
    luaL_newmetatable(L, "host.fiber.event");
    lua_newtable(L);
    luaL_register(L, NULL, METHODS);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, event_collect);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    if (luaL_loadbuffer(L, ALL, sizeof ALL - 1, "=host.fiber") != 0)
        return lua_error(L);
    lua_pushcfunction(L, run_all);
    lua_call(L, 1, 1);
    lua_setfield(L, -2, "all");
    return 1;
}

#include "rules_budget.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"

enum {
    HOOK_INSTRUCTIONS = 100,
    LOOK_BYTES = 256 * 1024, // copying that much takes a few hundredths of a millisecond
    LOOK_STEPS = 4096,
    LONG_BYTES = 64 * 1024, // going through that much a hundred times takes a few milliseconds
    SMALL_BYTES = 4096,     // still given when a budget is over, so that errors can be raised
    STACK_BYTES = 512 * 1024,
};

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

struct rules_budget *rules_budget_of(lua_State *L) {
    void *budget;
    lua_getallocf(L, &budget);
    return budget;
}

void rules_budget_place(lua_State *L, char *place, size_t size) {
    lua_Debug debug;
    place[0] = 0;
    for (int level = 0; lua_getstack(L, level, &debug); level++)
        if (lua_getinfo(L, "Sl", &debug) && debug.currentline > 0 && *debug.source == '@') {
            snprintf(place, size, "%s:%d", debug.short_src, debug.currentline);
            return;
        }
}

static void note(struct rules_budget *budget, enum rules_over over) {
    if (budget->over)
        return;
    budget->over = over;
    rules_budget_place(budget->L, budget->where, sizeof budget->where);
}

static bool is_over(struct rules_budget *budget) {
    budget->allocated = budget->steps = 0;
    if (!budget->armed || budget->over)
        return budget->armed;
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (now < budget->look_at)
        return false;
    uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (cpu < budget->cpu_end) {
        budget->look_at = now + (budget->cpu_end - cpu);
        return false;
    }
    note(budget, RULES_OVER_CPU);
    return true;
}

// Refusing memory is also how a single long instruction (a concatenation, string.rep) is ended.
static bool is_refused(struct rules_budget *budget, size_t old, size_t size) {
    if (!budget->armed || budget->compiles)
        return false;
    if (budget->memory_used - old + size > budget->memory_limit) {
        note(budget, RULES_OVER_MEMORY);
        return true;
    }
    if (budget->over)
        return size > SMALL_BYTES;
    budget->allocated += size;
    return budget->allocated > LOOK_BYTES && is_over(budget);
}

static void on_count(lua_State *L, lua_Debug *debug);

// A text, a list or a table of keys. What grows by doubling (buffers, the VM's own table of texts,
// the code of patterns) has a power of two bytes, which those do not have.
static void note_long(struct rules_budget *budget, size_t size) {
    if (size <= LONG_BYTES || (size & (size - 1)) == 0 || budget->builds || budget->has_long)
        return;
    budget->has_long = true;
    if (budget->armed)
        lua_sethook(budget->L, on_count, LUA_MASKCOUNT, 1);
}

static void *allocate(void *user, void *block, size_t old, size_t size) {
    struct rules_budget *budget = user;
    if (!block)
        old = 0;
    if (size == 0) {
        free(block);
        budget->memory_used -= old;
        return NULL;
    }
    if (size > old && is_refused(budget, old, size))
        return NULL;
    void *moved = realloc(block, size);
    if (!moved)
        out_of_memory();
    budget->memory_used += size - old;
    if (budget->memory_used > budget->memory_peak)
        budget->memory_peak = budget->memory_used;
    if (size > old)
        note_long(budget, size);
    return moved;
}

static void raise(lua_State *L, struct rules_budget *budget) {
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, budget->message);
    lua_error(L);
}

static void check_stack(lua_State *L, const struct rules_budget *budget) {
    const char *here = __builtin_frame_address(0);
    if (budget->armed && budget->stack_top - here > STACK_BYTES)
        luaL_error(L, "stack overflow (calls through library functions are nested too deeply)");
}

static void on_count(lua_State *L, lua_Debug *debug) {
    (void)debug;
    struct rules_budget *budget = rules_budget_of(L);
    budget->builds = false; // where LPeg has failed
    if (is_over(budget))
        raise(L, budget);
    check_stack(L, budget);
}

void rules_budget_check(lua_State *L) {
    struct rules_budget *budget = rules_budget_of(L);
    if (is_over(budget))
        raise(L, budget);
    check_stack(L, budget);
}

void rules_budget_steps(lua_State *L, unsigned steps) {
    struct rules_budget *budget = rules_budget_of(L);
    budget->steps += steps;
    if (budget->steps > LOOK_STEPS)
        rules_budget_check(L);
}

lua_State *rules_budget_new_state(struct rules_budget *budget, size_t memory_limit) {
    *budget = (struct rules_budget){.memory_limit = memory_limit};
    lua_State *L = lua_newstate(allocate, budget);
    if (!L)
        return NULL;
    budget->L = L;
    lua_pushliteral(L, "the budget is over");
    budget->message = luaL_ref(L, LUA_REGISTRYINDEX);
    return L;
}

void rules_budget_begin(struct rules_budget *budget, unsigned cpu_ms) {
    uint64_t ns = (uint64_t)cpu_ms * 1000000u;
    budget->armed = true;
    budget->over = RULES_WITHIN;
    budget->where[0] = 0;
    budget->allocated = budget->steps = budget->protected = 0;
    budget->memory_peak = budget->memory_used;
    budget->cpu_begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    budget->cpu_end = budget->cpu_begin + ns;
    budget->look_at = clock_ns(CLOCK_MONOTONIC) + ns;
    budget->stack_top = __builtin_frame_address(0);
    budget->builds = budget->compiles = false;
    budget->has_long = budget->keeps_long;
    lua_sethook(budget->L, on_count, LUA_MASKCOUNT, budget->has_long ? 1 : HOOK_INSTRUCTIONS);
}

void rules_budget_keep_long(struct rules_budget *budget) {
    budget->keeps_long = budget->has_long;
}

void rules_budget_end(struct rules_budget *budget) {
    budget->armed = false;
    lua_sethook(budget->L, NULL, 0, 0);
}

uint64_t rules_budget_cpu_ns(const struct rules_budget *budget) {
    return clock_ns(CLOCK_THREAD_CPUTIME_ID) - budget->cpu_begin;
}

// What one call of a rule may use: CPU time of its thread, memory, C stack. Lives in a Lua VM of
// its own as that VM's allocator. Nothing a script does makes it forget that a budget is over: from
// then on every instruction raises again, whatever pcall caught. Thread of the VM only.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rules_over { RULES_WITHIN, RULES_OVER_CPU, RULES_OVER_MEMORY };

// CPU time is never more than the time that passes, so the dear clock of the thread is asked only
// once as much time has passed as the call has CPU time left.
struct rules_budget {
    size_t memory_limit, memory_used; // bytes of the whole VM
    size_t memory_peak;               // since the call began
    bool armed;                       // a call is running
    enum rules_over over;
    char where[128];       // file:line at which it was over, or empty
    uint64_t cpu_begin;    // ns of the thread's clock
    uint64_t cpu_end;      // likewise
    uint64_t look_at;      // ns of the monotonic clock
    size_t allocated;      // bytes since the clock was last looked at
    unsigned steps;        // of C loops, likewise
    unsigned protected;    // calls through pcall that are running
    bool whole;            // rules_budget_whole holds
    bool torn;             // and memory was refused all the same: the VM must be made anew
    const char *stack_top; // C stack at the beginning of the call
    lua_State *L;
    int message; // registry reference of what is raised
};

// A VM without libraries, or NULL when the limit does not even allow that. The budget must outlive
// it; it is closed by lua_close.
lua_State *rules_budget_new_state(struct rules_budget *budget, size_t memory_limit);

// Between these two a budget counts. They do not nest.
void rules_budget_begin(struct rules_budget *budget, unsigned cpu_ms);
void rules_budget_end(struct rules_budget *budget);

// CPU time since the call began. Asks a dear clock.
uint64_t rules_budget_cpu_ns(const struct rules_budget *budget);

// For C functions of the VM; raise a Lua error when the budget is over, or the C stack is deep.
void rules_budget_check(lua_State *L);

// The same after every few thousand steps of a C loop.
void rules_budget_steps(lua_State *L, unsigned steps);

// What cannot be left half made is about to be: until the budget is looked at again, by any of the
// above or between instructions, memory is refused for want of memory alone, not of time.
void rules_budget_whole(lua_State *L);

// The budget of a VM that rules_budget_new_state made.
struct rules_budget *rules_budget_of(lua_State *L);

// "file:line" of the innermost function of a file that runs; empty when there is none (it may have
// ended by calling a library function in its return).
void rules_budget_place(lua_State *L, char *place, size_t size);

#include "lua_state.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "buf.h"

// Code that LuaJIT makes is made known to libgcc's unwinder, which takes memory for that and does
// not look whether there was any. These are found before its own.

enum { UNWINDER_OBJECT = 128 }; // bytes; libgcc's struct object has 64

void __register_frame_info(const void *begin, void *object);
void *__deregister_frame_info(const void *begin);
void __register_frame(void *begin);
void __deregister_frame(void *begin);

static int is_empty(const void *begin) {
    return *(const uint32_t *)begin == 0;
}

void __register_frame(void *begin) {
    if (!is_empty(begin))
        __register_frame_info(begin, xcalloc(1, UNWINDER_OBJECT));
}

void __deregister_frame(void *begin) {
    if (!is_empty(begin))
        free(__deregister_frame_info(begin));
}

#ifdef __SANITIZE_THREAD__
// The sanitizer does not see how LuaJIT's own allocator hands memory from one VM to another.
static void *allocate(void *user, void *old, size_t old_size, size_t size) {
    (void)user;
    (void)old_size;
    if (size > 0)
        return xrealloc(old, size);
    free(old);
    return NULL;
}

lua_State *lua_state_new(void) {
    return xtaken(lua_newstate(allocate, NULL));
}

void lua_state_close(lua_State *L) {
    lua_close(L);
}
#else
static _Atomic lua_Alloc own; // LuaJIT's, the same for all VMs

static void *allocate(void *user, void *old, size_t old_size, size_t size) {
    void *block = atomic_load_explicit(&own, memory_order_relaxed)(user, old, old_size, size);
    return block || size == 0 ? block : xtaken(block);
}

lua_State *lua_state_new(void) {
    void *user;
    lua_State *L = xtaken(luaL_newstate());
    atomic_store(&own, lua_getallocf(L, &user));
    lua_setallocf(L, allocate, user);
    return L;
}

// LuaJIT gives all memory of a VM back at once, if the allocator is still its own.
void lua_state_close(lua_State *L) {
    void *user;
    lua_getallocf(L, &user);
    lua_setallocf(L, atomic_load(&own), user);
    lua_close(L);
}
#endif

#include "rules_vm.h"

#include <lauxlib.h>
#include <luajit.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"
#include "rules_budget.h"
#include "rules_copy.h"
#include "rules_env.h"
#include "rules_guard.h"

enum { TRACE_LEVELS = 16, KEEP_BYTES = 256 * 1024, EXPLAINED_LINES = 200, LINE_BYTES = 500 };
// Of the collector, in percent: what is made while rules load mostly stays.
enum { LOAD_PAUSE = 200, CALL_PAUSE = 150 };

struct rules_vm {
    struct rules_budget budget; // first: the VM's allocator leads back to here
    struct rules_bundle *bundle;
    struct rules_limits limits;
    char *only;
    lua_State *L;
    int modules;      // registry reference
    int guard;        // likewise
    size_t loaded;    // bytes of the VM after the load
    struct buf bytes; // of arguments, then of results
    unsigned call_ms; // of the call that runs
    // Of the last failure.
    const char *code;
    struct buf message, traceback;
    char entry[128]; // file:line where the rule that was called begins
    // Of the last call.
    bool explains;
    struct buf explained;
    unsigned lines;
    size_t bytes_before;
    uint64_t cpu_ns;
};

static struct rules_vm *vm_of(lua_State *L) {
    return (struct rules_vm *)(void *)rules_budget_of(L);
}

// Failures. They are written outside of the VM, which may be out of memory.

static void fail(struct rules_vm *vm, const char *code, const char *where, const char *message) {
    vm->code = code;
    buf_clear(&vm->message);
    if (!*where)
        where = vm->entry;
    if (*where && !strstr(message, ".lua:"))
        buf_addf(&vm->message, "%s: ", where);
    buf_addf(&vm->message, "%.1000s", message);
}

static void fail_budget(struct rules_vm *vm, unsigned ms) {
    char text[96];
    bool memory = vm->budget.over == RULES_OVER_MEMORY;
    if (memory)
        snprintf(text, sizeof text, "the rules need more than %zu KiB of memory",
                 vm->limits.memory / 1024);
    else
        snprintf(text, sizeof text, "it takes more than %u ms of CPU time", ms);
    fail(vm, memory ? "memory" : "budget", vm->budget.where, text);
}

static void trace(lua_State *L, struct buf *out) {
    lua_Debug debug;
    buf_clear(out);
    for (int level = 1; level <= TRACE_LEVELS && lua_getstack(L, level, &debug); level++) {
        if (!lua_getinfo(L, "Sln", &debug) || debug.currentline <= 0)
            continue;
        buf_addf(out, "%s%s:%d", out->len ? "\n" : "", debug.short_src, debug.currentline);
        if (debug.name)
            buf_addf(out, " in %.64s", debug.name);
    }
}

// Runs where the error was raised, before the stack is unwound.
static int on_error(lua_State *L) {
    struct rules_vm *vm = vm_of(L);
    char where[128], text[64];
    rules_budget_place(L, where, sizeof where);
    const char *message = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
    if (!message) {
        snprintf(text, sizeof text, "an error that is a %s, not a string", luaL_typename(L, 1));
        message = text;
    }
    fail(vm, "error", where, message);
    trace(L, &vm->traceback);
    return 1;
}

// After a call in the VM: true when it succeeded.
static bool settle(struct rules_vm *vm, lua_State *L, int status, unsigned ms) {
    if (vm->budget.over) {
        fail_budget(vm, ms);
        return false;
    }
    if (status == 0)
        return true;
    if (!vm->code) // the handler did not get to run
        fail(vm, "error", "",
             lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error in an error");
    return false;
}

static void begin(struct rules_vm *vm, unsigned ms) {
    vm->code = NULL;
    vm->entry[0] = 0;
    buf_clear(&vm->message);
    buf_clear(&vm->traceback);
    buf_clear(&vm->explained);
    vm->lines = 0;
    vm->bytes_before = vm->budget.memory_used;
    rules_budget_begin(&vm->budget, ms);
}

// explain(format, ...): why a rule decides so. Costs next to nothing where nobody listens, which is
// why it takes the parts and not the text. Upvalue: string.format.
static int explain(lua_State *L) {
    struct rules_vm *vm = vm_of(L);
    if (!vm->explains)
        return 0;
    int count = lua_gettop(L);
    luaL_checkstring(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, count, 1);
    if (vm->lines++ >= EXPLAINED_LINES)
        return 0;
    size_t begin = vm->explained.len + (vm->explained.len > 0);
    buf_addf(&vm->explained, "%s%.*s", vm->explained.len ? "\n" : "", LINE_BYTES,
             lua_tostring(L, -1));
    for (size_t i = begin; i < vm->explained.len; i++)
        if ((unsigned char)vm->explained.data[i] < ' ')
            vm->explained.data[i] = ' ';
    return 0;
}

// Loading.

int rules_vm_compile(lua_State *L, const struct file *file) {
    char name[128];
    snprintf(name, sizeof name, "@rules/%s", file->name);
    return luaL_loadbufferx(L, file->text, file->len, name, "t");
}

// chunks[name] is compiled when it is first required. Upvalue: the environment.
static int find_chunk(lua_State *L) {
    size_t len;
    const char *name = luaL_checklstring(L, 2, &len);
    const struct file *file = rules_bundle_module(vm_of(L)->bundle, name, len);
    if (!file)
        return 0;
    if (rules_vm_compile(L, file) != 0)
        return lua_error(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setfenv(L, -2);
    return 1;
}

static void load_file(lua_State *L, int require, const char *name, size_t len) {
    lua_pushvalue(L, require);
    lua_pushliteral(L, "rules.");
    lua_pushlstring(L, name, len);
    lua_concat(L, 2);
    lua_call(L, 1, 0);
}

static int load_all(lua_State *L) {
    struct rules_vm *vm = lua_touserdata(L, 1);
    lua_settop(L, 0);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_gc(L, LUA_GCSETPAUSE, LOAD_PAUSE);
    lua_gc(L, LUA_GCSETSTEPMUL, 400);
    rules_env_push(L, explain);
    enum { ENV = 1, CHUNKS, MODULES, NEEDS, REQUIRE };
    lua_pushvalue(L, MODULES);
    vm->modules = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    lua_pushvalue(L, ENV);
    lua_pushcclosure(L, find_chunk, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, CHUNKS);
    lua_getfield(L, ENV, "require");
    for (size_t i = 0; !vm->only && i < rules_bundle_count(vm->bundle); i++) {
        const struct file *file = rules_bundle_file(vm->bundle, i);
        size_t len = strlen(file->name);
        if (strcmp(file->name + len - 4, ".lua") == 0)
            load_file(L, REQUIRE, file->name, len - 4);
    }
    for (const char *at = vm->only, *end; at && *(at += strspn(at, " ")); at = end) {
        end = at + strcspn(at, " ");
        if (rules_bundle_module(vm->bundle, at, (size_t)(end - at)))
            load_file(L, REQUIRE, at, (size_t)(end - at));
    }
    vm->guard = rules_guard_new(L, MODULES, NEEDS);
    return 0;
}

static int protected_load(lua_State *L) {
    struct rules_vm *vm = lua_touserdata(L, 1);
    lua_pushcfunction(L, on_error);
    lua_pushcfunction(L, load_all);
    lua_pushlightuserdata(L, vm);
    settle(vm, L, lua_pcall(L, 1, 0, 2), vm->limits.load_ms);
    return 0;
}

static void close_vm(struct rules_vm *vm) {
    if (vm->L)
        lua_close(vm->L);
    vm->L = NULL;
}

static int open_vm(struct rules_vm *vm, struct err *err) {
    vm->L = rules_budget_new_state(&vm->budget, vm->limits.memory);
    if (!vm->L)
        return err_set(err, "a Lua VM cannot be made");
    begin(vm, vm->limits.load_ms);
    int status = lua_cpcall(vm->L, protected_load, vm);
    settle(vm, vm->L, status, vm->limits.load_ms);
    rules_budget_end(&vm->budget);
    if (vm->code) {
        err_set(err, "%s", vm->message.data);
        close_vm(vm);
        return -1;
    }
    lua_gc(vm->L, LUA_GCSETPAUSE, CALL_PAUSE);
    lua_gc(vm->L, LUA_GCCOLLECT, 0);
    vm->loaded = vm->budget.memory_used;
    return 0;
}

int rules_vm_new(struct rules_vm **out, struct rules_bundle *bundle,
                 const struct rules_limits *limits, struct err *err) {
    struct rules_vm *vm = xcalloc(1, sizeof *vm);
    vm->bundle = rules_bundle_ref(bundle);
    vm->limits = *limits;
    vm->only = limits->only ? xstrdup(limits->only) : NULL;
    if (open_vm(vm, err) != 0) {
        rules_vm_free(vm);
        return -1;
    }
    *out = vm;
    return 0;
}

void rules_vm_free(struct rules_vm *vm) {
    close_vm(vm);
    rules_bundle_unref(vm->bundle);
    free(vm->only);
    buf_free(&vm->bytes);
    buf_free(&vm->message);
    buf_free(&vm->traceback);
    buf_free(&vm->explained);
    free(vm);
}

// Calling.

// Pushes the function of a rule, or fails.
static bool push_rule(struct rules_vm *vm, const char *name) {
    lua_State *L = vm->L;
    const char *dot = strrchr(name, '.');
    char text[192];
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->modules);
    lua_pushlstring(L, name, dot ? (size_t)(dot - name) : 0);
    lua_rawget(L, -2);
    if (!lua_istable(L, -1)) {
        bool there = dot && rules_bundle_module(vm->bundle, name, (size_t)(dot - name));
        snprintf(text, sizeof text, "there is no rule %.100s: %s", name,
                 there ? "the service does not declare its file" : "no such file");
        fail(vm, "missing", "", text);
        return false;
    }
    lua_pushstring(L, dot + 1);
    lua_rawget(L, -2);
    if (!lua_isfunction(L, -1)) {
        snprintf(text, sizeof text, "there is no rule %.100s: its file has no such function", name);
        fail(vm, "missing", "", text);
        return false;
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
    lua_Debug debug;
    lua_pushvalue(L, -1);
    if (lua_getinfo(L, ">S", &debug))
        snprintf(vm->entry, sizeof vm->entry, "%s:%d", debug.short_src, debug.linedefined);
    return true;
}

static int protected_call(lua_State *L) {
    struct rules_vm *vm = vm_of(L);
    const char *name = lua_touserdata(L, 1);
    struct err err;
    lua_settop(L, 0);
    lua_pushcfunction(L, on_error);
    if (!push_rule(vm, name))
        return 0;
    int count = rules_copy_read(L, &vm->bytes);
    int status = lua_pcall(L, count, LUA_MULTRET, 1);
    if (!settle(vm, L, status, vm->call_ms))
        return 0;
    buf_clear(&vm->bytes);
    if (rules_copy_write(L, 2, lua_gettop(L) - 1, "result", &vm->bytes, &err) != 0) {
        struct buf text = {0};
        buf_addf(&text, "%.100s: %s", name, err.text);
        fail(vm, "result", "", text.data);
        buf_free(&text);
    }
    return 0;
}

// What failed for want of memory may have left the VM full, or a pattern half compiled; then it is
// made anew.
static void recover(struct rules_vm *vm) {
    struct err err;
    lua_gc(vm->L, LUA_GCCOLLECT, 0);
    if (!vm->budget.torn &&
        vm->budget.memory_used <= vm->loaded + (vm->limits.memory - vm->loaded) / 2)
        return;
    struct buf message = vm->message, traceback = vm->traceback;
    const char *code = vm->code;
    vm->message = vm->traceback = (struct buf){0};
    close_vm(vm);
    if (open_vm(vm, &err) != 0)
        log_event(LOG_ERROR, "the rules cannot be loaded again", "error", err.text, NULL);
    buf_free(&vm->message);
    buf_free(&vm->traceback);
    vm->message = message;
    vm->traceback = traceback;
    vm->code = code;
}

// More to read takes longer: a millisecond for each 256 bytes of arguments.
static unsigned call_budget_ms(const struct rules_vm *vm) {
    unsigned base = vm->limits.call_ms;
    size_t more = vm->bytes.len / 256;
    return more < 3 * (size_t)base ? base + (unsigned)more : 4 * base;
}

// What the call has changed for others is put back, whatever came of it.
static void guard(struct rules_vm *vm, const char *name) {
    char file[64], where[64], text[160];
    const char *dot = strrchr(name, '.');
    snprintf(file, sizeof file, "%.*s", dot ? (int)(dot - name) : 0, name);
    if (rules_guard_check(vm->L, vm->guard, file, where, sizeof where) || vm->code)
        return;
    snprintf(text, sizeof text, "it changes a table of rules/%s.lua, which is constant", where);
    fail(vm, "error", "", text);
}

static void call(struct rules_vm *vm, const char *name) {
    vm->call_ms = call_budget_ms(vm);
    begin(vm, vm->call_ms);
    int status = lua_cpcall(vm->L, protected_call, (void *)(uintptr_t)name);
    if (!vm->code)
        settle(vm, vm->L, status, vm->call_ms);
    rules_budget_end(&vm->budget);
    if (vm->explains)
        vm->cpu_ns = rules_budget_cpu_ns(&vm->budget);
    lua_settop(vm->L, 0);
    guard(vm, name);
    if (vm->budget.over == RULES_OVER_MEMORY || vm->budget.torn)
        recover(vm);
}

int rules_vm_call(struct rules_vm *vm, const char *name, lua_State *from, int first, int count,
                  struct rules_failure *failure) {
    struct err err;
    if (!vm->L) {
        *failure = (struct rules_failure){"error", "the rules could not be loaded again", ""};
        return -1;
    }
    vm->code = NULL;
    vm->entry[0] = 0;
    buf_clear(&vm->bytes);
    buf_clear(&vm->traceback);
    if (rules_copy_write(from, first, count, "argument", &vm->bytes, &err) != 0) {
        struct buf text = {0};
        buf_addf(&text, "%.100s: %s", name, err.text);
        fail(vm, "argument", "", text.data);
        buf_free(&text);
    } else {
        call(vm, name);
    }
    if (vm->code) {
        const char *traceback = vm->traceback.data ? vm->traceback.data : "";
        *failure = (struct rules_failure){vm->code, vm->message.data, traceback};
        return -1;
    }
    int results = rules_copy_read(from, &vm->bytes);
    if (vm->bytes.cap > KEEP_BYTES)
        buf_free(&vm->bytes);
    return results;
}

void rules_vm_move(struct rules_vm *vm, struct rules_bundle *bundle) {
    rules_bundle_ref(bundle);
    rules_bundle_unref(vm->bundle);
    vm->bundle = bundle;
}

bool rules_vm_works(const struct rules_vm *vm) {
    return vm->L != NULL;
}

void rules_vm_explain(struct rules_vm *vm) {
    vm->explains = true;
}

struct rules_account rules_vm_account(const struct rules_vm *vm) {
    size_t peak = vm->budget.memory_peak;
    return (struct rules_account){
        .explained = vm->explained.data ? vm->explained.data : "",
        .cpu_ns = vm->cpu_ns,
        .budget_ms = vm->call_ms,
        .bytes = peak > vm->bytes_before ? peak - vm->bytes_before : 0,
    };
}

const char *rules_vm_called(const struct rules_vm *vm) {
    return vm->entry;
}

size_t rules_vm_memory(const struct rules_vm *vm) {
    return vm->budget.memory_used;
}
